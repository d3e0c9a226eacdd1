/*
 * A compressed body of any bytes, cut in any way, through a filter that masks a
 * secret: one that has none leaves as it came, one that has it is inflated to
 * the masked text; no block leaves before its text is cleared, and of what is
 * corrupt none that could not be read. Input: a byte of options, the body.
 */

#include "fuzz.h"

#include "../unit/http/gzip_mask_drive.h"

#define SIZE_LIMIT 8192
#define RATIO 50

static void
feed(struct drive *d, const struct plain *p, struct str body)
{
    uint64_t cuts = cuts_begin(body);
    struct str rest = body;
    do {
        size_t n = rest.n != 0 ? cuts_next(&cuts, rest.n) : 0;
        bool is_all;
        bufq_append(&d->in, str_n(rest.p, n));
        rest = str_skip(rest, n);
        drive_run(d, rest.n == 0);
        if (!d->filter.has_masked && gzip_mask_anew(d->mask) == NULL) {
            drive_check_passed(d, p, str_n(body.p, body.n - rest.n), &is_all);
        }
    } while (rest.n != 0 && d->result != GZIP_BAD);
}

/* What left is inflated to what the filter gave back. Its checks are the
 * origin's, and may be wrong. */
static void
check_text(const struct drive *d, enum coding c)
{
    struct arena *a = arena_new(4096);
    struct str want = queue_text(a, &d->filter.back);
    struct plain again;
    plain_make(&again, queue_text(a, &d->all), c);
    AN(again.is_whole && again.n == want.n);
    AN(memcmp(again.text, want.p, want.n) == 0);
    plain_free(&again);
    arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plain p;
    struct drive d;
    if (size < 1 || size > SIZE_LIMIT) {
        return 0;
    }
    enum coding c = data[0] % 2 == 0 ? CODING_GZIP : CODING_DEFLATE;
    unsigned ratio = data[0] & 2 ? RATIO : 0;
    struct str body = str_n((const char *)data + 1, size - 1);
    plain_make(&p, body, c);
    drive_init(&d, c, 1 + data[0] % 9, ratio, data[0] / 16 * 8u,
        data[0] & 4 ? 32 : 65536);
    feed(&d, &p, body);
    AN(d.result == GZIP_BAD || d.result == GZIP_DONE);
    AN(d.result != GZIP_DONE || p.is_whole);
    AN(d.result != GZIP_BAD || !p.is_whole || ratio != 0 ||
        strstr(gzip_mask_why(d.mask), "too long") != NULL);
    bool is_anew = d.filter.has_masked || gzip_mask_anew(d.mask) != NULL;
    if (d.result == GZIP_DONE && !is_anew) {
        AN(d.all.len == body.n);
    } else if (d.result == GZIP_DONE) {
        check_text(&d, c);
    }
    AN(d.most <= GZIP_MASK_MEMORY + d.filter.hold_max);
    drive_fini(&d);
    plain_free(&p);
    return 0;
}
