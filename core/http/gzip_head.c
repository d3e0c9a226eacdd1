/*
 * Reads the header byte by byte: it usually is ten bytes and a file name.
 */

#include "http/gzip_head.h"

#include <zlib.h>

enum part { FIXED, EXTRA_SIZE, EXTRA, NAME, COMMENT, CHECK, DONE };

#define FIXED_SIZE 10
#define FLAGS_AT 3
#define FLAGS_RESERVED 0xe0
#define FLAG_CHECK 2

/* The flag of each part that may be absent. */
static const unsigned char flag_of[] = { [EXTRA_SIZE] = 4,
    [EXTRA] = 4,
    [NAME] = 8,
    [COMMENT] = 16,
    [CHECK] = FLAG_CHECK };

void
gzip_head_init(struct gzip_head *h)
{
    *h = (struct gzip_head){ .left = FIXED_SIZE };
    buf_init(&h->bytes, GZIP_HEAD_MAX);
}

void
gzip_head_fini(struct gzip_head *h)
{
    buf_fini(&h->bytes);
}

void
gzip_head_reset(struct gzip_head *h)
{
    gzip_head_fini(h);
    gzip_head_init(h);
}

static unsigned char
byte_at(const struct gzip_head *h, size_t i)
{
    AN(i < h->bytes.n);
    return (unsigned char)h->bytes.p[i];
}

/* Goes to the next part that the flags name. */
static void
next_part(struct gzip_head *h)
{
    size_t n = h->bytes.n;
    AN(h->part < DONE && n >= FIXED_SIZE);
    bool was_size = h->part == EXTRA_SIZE;
    do {
        h->part++;
    } while (h->part != DONE && !(byte_at(h, FLAGS_AT) & flag_of[h->part]));
    h->left = was_size ? byte_at(h, n - 2) + 256u * byte_at(h, n - 1) : 2;
    if (h->part == EXTRA || h->part == NAME || h->part == COMMENT) {
        AN(h->n_fields < LEN(h->fields));
        h->fields[h->n_fields++] = (struct gzip_head_field){ n, 0 };
    }
    if (h->part == EXTRA && h->left == 0) {
        next_part(h);
    }
}

/* Whether the fixed byte read last is valid; time, level and system are not
 * checked. */
static bool
is_fixed_right(const struct gzip_head *h)
{
    static const unsigned char first[] = { 0x1f, 0x8b, 8 };
    size_t i = h->bytes.n - 1;
    if (i < LEN(first)) {
        return byte_at(h, i) == first[i];
    }
    return i != FLAGS_AT || !(byte_at(h, i) & FLAGS_RESERVED);
}

/* False: the header is malformed. */
static bool
take_byte(struct gzip_head *h, char c)
{
    switch ((enum part)h->part) {
    case FIXED:
        if (!is_fixed_right(h)) {
            return false;
        }
        break;
    case NAME:
    case COMMENT:
        AN(h->n_fields != 0);
        h->fields[h->n_fields - 1].n += c != '\0';
        if (c == '\0') {
            next_part(h);
        }
        return true;
    case EXTRA:
        h->fields[h->n_fields - 1].n++;
        break;
    case EXTRA_SIZE:
    case CHECK:
        break;
    case DONE:
        PANIC("behind the header");
    }
    if (--h->left == 0) {
        next_part(h);
    }
    return true;
}

bool
gzip_head_take(struct gzip_head *h, struct bufq *in, const char **why)
{
    while (h->part != DONE && !bufq_is_empty(in)) {
        struct str run = bufq_peek(in);
        size_t i = 0;
        while (i < run.n && h->part != DONE) {
            char c = run.p[i++];
            if (!buf_addc(&h->bytes, c)) {
                *why = "the header of a gzip member is too long";
                return true;
            }
            if (!take_byte(h, c)) {
                *why = "the compressed data is corrupt";
                return true;
            }
        }
        bufq_consume(in, i);
    }
    return h->part == DONE;
}

/* The right check: the low half of the CRC-32 of all bytes before it. */
static unsigned
check_of(const struct gzip_head *h)
{
    AN(h->bytes.n >= FIXED_SIZE + 2);
    return crc32(
               0, (const unsigned char *)h->bytes.p, (unsigned)h->bytes.n - 2) &
           0xffff;
}

/* Writes a new check if a field was masked; `was` was right before. A check
 * that was wrong becomes the new one inverted: if the origin chose by how much
 * it is wrong, it could tell that of the masked text. */
static void
renew_check(struct gzip_head *h, unsigned was)
{
    unsigned now = check_of(h);
    unsigned theirs = byte_at(h, h->bytes.n - 2) | byte_at(h, h->bytes.n - 1)
                                                       << 8;
    if (now != was) {
        now = theirs == was ? now : ~now;
        h->bytes.p[h->bytes.n - 2] = (char)now;
        h->bytes.p[h->bytes.n - 1] = (char)(now >> 8);
    }
}

void
gzip_head_look(struct gzip_head *h, gzip_look *look, void *arg)
{
    AN(h->part == DONE);
    AN(h->n_fields <= LEN(h->fields));
    bool has_check = byte_at(h, FLAGS_AT) & FLAG_CHECK;
    unsigned was = has_check ? check_of(h) : 0;
    for (unsigned i = 0; i < h->n_fields; i++) {
        if (h->fields[i].n != 0) {
            look(arg, h->bytes.p + h->fields[i].at, h->fields[i].n);
        }
    }
    if (has_check) {
        renew_check(h, was);
    }
}

/* RFC 1950 2.2: method 8, a window of 32 KiB at most, a check, no dictionary.
 * Raw deflate that begins so would be a stored block with odd padding. */
bool
gzip_is_zlib(const unsigned char p[2])
{
    return (p[0] & 0x0f) == 8 && p[0] >> 4 <= 7 &&
           (p[0] * 256u + p[1]) % 31 == 0 && !(p[1] & 0x20);
}
