/*
 * Request heads: cut anywhere they read the same; one that is accepted is
 * written so that it reads the same again, with one framing at most and no
 * byte that could be read as another line.
 */

#include "fuzz.h"

#include "http/h1_write.h"

#define TARGET_IS_PATH(h) ((h)->method_id != METHOD_CONNECT)

static struct str
write_head(const struct head *h)
{
    struct h1_framing framing = { .kind = h->body,
        .length = h->length,
        .close = !h->keep_alive,
        .te_trailers = h->accepts_trailers };
    struct str target = TARGET_IS_PATH(h)
                            ? h->path
                            : authority_format(h->arena, &h->authority, 0);
    struct bufq q;
    bufq_init(&q, 1);
    h1_write_request(h, target, &framing, &q);
    struct str s = queue_text(h->arena, &q);
    bufq_fini(&q);
    return s;
}

static void
check_head(const struct head *h)
{
    AN(count_framing(h) <= 1);
    AN(h->body != BODY_UNTIL_CLOSE);
    AN(h->body != BODY_LENGTH || h->length != 0);
    AN(h->method_id != METHOD_CONNECT || h->body == BODY_NONE);
    AN(h->minor <= 1 && h->n <= H1_REQUEST_FIELDS_MAX);
    AN(h->authority.kind != HOST_NONE || h->minor == 0);
    const struct field *host = head_next(h, FIELD_HOST, NULL);
    AN(host == NULL || head_next(h, FIELD_HOST, host) == NULL);
}

/* The written form is a fixed point, and means the same. */
static void
check_again(struct head *h)
{
    struct head again, third;
    struct h1_error err;
    if (!head_has(h, FIELD_HOST)) { /* as the upstream side adds it */
        struct str host = h->authority.kind != HOST_NONE
                              ? authority_format(h->arena, &h->authority, 0)
                              : STR("none.example");
        head_add(h, STR("Host"), host);
    }
    struct str text = write_head(h);
    check_written(text);
    if (text.n > H1_REQUEST_HEAD_MAX || h->n > H1_REQUEST_FIELDS_MAX - 3) {
        return; /* the framing may have made it too large to be read again */
    }
    uint16_t port = h->authority.port != 0 ? h->authority.port : 80;
    head_init(&again, h->arena);
    AZ(h1_parse_request(text, port, &again, &err));
    check_same_fields(h, &again);
    check_head(&again);
    AN(again.body == h->body && again.keep_alive == h->keep_alive);
    AN(again.body != BODY_LENGTH || again.length == h->length);
    AN(h->authority.kind == HOST_NONE ||
        authority_eq(&h->authority, &again.authority));
    AN(str_eq(h->method, again.method) && str_eq(h->path, again.path));
    struct str second = write_head(&again);
    AN(str_eq(text, second));
    head_init(&third, h->arena);
    AZ(h1_parse_request(second, port, &third, &err));
}

/* Nothing that the client nominated, or that is hop by hop, stays. */
static void
check_hop_by_hop(struct head *h)
{
    struct head before = *h;
    struct field kept[H1_REQUEST_FIELDS_MAX];
    AN(h->n <= LEN(kept));
    if (h->n != 0) {
        memcpy(kept, h->fields, h->n * sizeof *kept);
    }
    struct str options[H1_REQUEST_FIELDS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < before.n; i++) {
        if (kept[i].id == FIELD_CONNECTION && n < LEN(options)) {
            options[n++] = kept[i].value;
        }
    }
    head_remove_hop_by_hop(h);
    for (unsigned i = 0; i < n; i++) {
        struct str rest = options[i], part;
        while (str_cut(&rest, ',', &part)) {
            part = str_trim(part);
            for (unsigned k = 0; k < h->n; k++) {
                AN(part.n == 0 || !str_ieq(h->fields[k].name, part));
            }
        }
    }
    AN(!head_has(h, FIELD_CONNECTION) && !head_has(h, FIELD_UPGRADE));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_n((const char *)data, size), text;
    struct h1_error err = { 0 };
    struct head h;
    bool must_refuse;
    if (!find_head(in, H1_REQUEST, &text, &must_refuse)) {
        return 0;
    }
    struct arena *a = arena_new(4096);
    head_init(&h, a);
    uint16_t port = size % 2 == 0 ? 80 : 443;
    if (h1_parse_request(arena_dup(a, text), port, &h, &err) == 0) {
        AZ(must_refuse);
        check_head(&h);
        check_again(&h);
        head_init(&h, a);
        AZ(h1_parse_request(arena_dup(a, text), port, &h, &err));
        check_hop_by_hop(&h);
    } else {
        AN(err.kind != H1_E_NONE && err.text != NULL);
        AN(err.status >= 400 && err.status <= 505);
    }
    arena_free(a);
    return 0;
}
