/*
 * Response heads, as requests are tested: cut anywhere, written, read again.
 * The request's method goes by the input.
 */

#include "fuzz.h"

#include "http/h1_write.h"

static const enum method methods[] = { METHOD_GET, METHOD_HEAD, METHOD_CONNECT,
    METHOD_POST };

static struct str
write_head(const struct head *h)
{
    struct h1_framing framing = {
        .kind = h->body, .length = h->length, .close = !h->keep_alive
    };
    struct bufq q;
    bufq_init(&q, 1);
    h1_write_response(h, &framing, &q);
    struct str s = queue_text(h->arena, &q);
    bufq_fini(&q);
    return s;
}

static void
check_head(const struct head *h, enum method method)
{
    AN(count_framing(h) <= 1);
    AN(h->status >= 100 && h->status <= 999);
    AN(h->body == BODY_NONE || head_response_has_body(h, method));
    AN(h->body != BODY_UNTIL_CLOSE || !h->keep_alive);
    AN(h->minor <= 1 && h->n <= H1_RESPONSE_FIELDS_MAX);
    AN(field_value_is_valid(h->reason));
}

static void
check_again(const struct head *h, enum method method)
{
    struct head again;
    struct h1_error err;
    struct str text = write_head(h);
    check_written(text);
    if (text.n > H1_RESPONSE_HEAD_MAX || h->n > H1_RESPONSE_FIELDS_MAX - 3) {
        return;
    }
    head_init(&again, h->arena);
    AZ(h1_parse_response(text, method, &again, &err));
    check_head(&again, method);
    check_same_fields(h, &again);
    AN(again.status == h->status && str_eq(again.reason, h->reason));
    AN(again.body == h->body);
    AN(again.body != BODY_LENGTH || again.length == h->length);
    AN(again.keep_alive == h->keep_alive);
    AN(str_eq(text, write_head(&again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_n((const char *)data, size), text;
    struct h1_error err = { 0 };
    struct head h;
    bool must_refuse;
    enum method method = methods[cuts_begin(in) % LEN(methods)];
    if (!find_head(in, H1_RESPONSE, &text, &must_refuse)) {
        return 0;
    }
    struct arena *a = arena_new(4096);
    head_init(&h, a);
    if (h1_parse_response(arena_dup(a, text), method, &h, &err) == 0) {
        AZ(must_refuse);
        check_head(&h, method);
        check_again(&h, method);
        head_remove_hop_by_hop(&h);
        check_written(write_head(&h));
    } else {
        AN(err.kind != H1_E_NONE && err.text != NULL && err.status == 502);
    }
    arena_free(a);
    return 0;
}
