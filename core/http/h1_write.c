/*
 * Writes a head in one pass into one contiguous piece. Fields that still lie in
 * memory as they came, one behind the other, are copied as one.
 */

#include "http/h1_write.h"

#include "base/mem.h"
#include "http/scan.h"

/* The most bytes of version, status, separators and framing ("Content-Length: "
 * and 20 digits, "Connection: keep-alive", "TE: trailers") without the value of
 * Upgrade. */
#define FRAMING_MAX 192

/* Room for a head, whose size was computed before; p: the next byte. */
struct sink {
    char *start, *p, *end;
    bool is_queued; /* the room is in the queue itself */
};

static void
put(struct sink *to, struct str s)
{
    AN((size_t)(to->end - to->p) >= s.n);
    if (s.n != 0) {
        memcpy(to->p, s.p, s.n);
        to->p += s.n;
    }
}

static void
put_u64(struct sink *to, uint64_t v)
{
    char room[STR_U64_MAX];
    put(to, str_of_u64(v, room));
}

/* A text that was not parsed from a head must not split this one. */
static void
put_text(struct sink *to, struct str s)
{
    AN(field_value_is_valid(s));
    put(to, s);
}

static void
put_field(struct sink *to, struct str name, struct str value)
{
    AN(field_name_is_valid(name));
    put(to, name);
    put(to, STR(": "));
    put_text(to, value);
    put(to, STR("\r\n"));
}

/* Fields that the framing writes, not the head. */
static bool
is_own(const struct field *f)
{
    switch ((enum field_id)f->id) {
    case FIELD_CONNECTION:
    case FIELD_CONTENT_LENGTH:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TE:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
        return true;
    default:
        return false;
    }
}

/* The field line as it lies in memory; p NULL: the field was changed. */
static struct str
raw_line(const struct field *f)
{
    const char *colon = f->name.p + f->name.n;
    if (!f->is_raw || f->value.p != colon + 2 || memcmp(colon, ": ", 2) != 0 ||
        memcmp(f->value.p + f->value.n, "\r\n", 2) != 0) {
        return STR_NONE;
    }
    return str_n(f->name.p, f->name.n + f->value.n + 4);
}

static void
put_fields(struct sink *to, const struct field *fields, unsigned n)
{
    struct str run = { to->p, 0 };
    for (unsigned i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        if (is_own(f)) {
            continue;
        }
        struct str line = raw_line(f);
        bool goes_on = run.p != NULL && line.p == run.p + run.n;
        if (line.p != NULL && goes_on) {
            run.n += line.n;
            continue;
        }
        put(to, run);
        run = line;
        if (line.p == NULL) {
            put_field(to, f->name, f->value);
        }
    }
    put(to, run);
}

static void
put_length(struct sink *to, uint64_t length)
{
    put(to, STR("Content-Length: "));
    put_u64(to, length);
    put(to, STR("\r\n"));
}

static void
put_framing(struct sink *to, const struct h1_framing *f)
{
    AN(!f->close || f->upgrade.n == 0);
    if (f->kind == BODY_CHUNKED) {
        put(to, STR("Transfer-Encoding: chunked\r\n"));
    } else if (f->kind == BODY_LENGTH) {
        put_length(to, f->length);
    }
    if (f->close) {
        put(to, STR("Connection: close\r\n"));
    } else if (f->upgrade.n != 0) {
        put(to, STR("Connection: upgrade\r\n"));
        put_field(to, STR("Upgrade"), f->upgrade);
    } else if (f->te_trailers) {
        put(to, STR("Connection: TE\r\nTE: trailers\r\n"));
    } else if (f->keep_alive) {
        put(to, STR("Connection: keep-alive\r\n"));
    }
    put(to, STR("\r\n"));
}

static size_t
fields_size(const struct field *fields, unsigned n)
{
    size_t size = 0;
    for (unsigned i = 0; i < n; i++) {
        size += fields[i].name.n + fields[i].value.n + 4;
    }
    return size;
}

/* Reserves room for a head of at most `size` bytes: in the queue if it fits. */
static struct sink
sink_begin(struct arena *a, size_t size, struct bufq *out)
{
    size_t room = 0;
    char *p = NULL;
    AN(size != 0);
    if (size <= CHUNK_SIZE) {
        p = bufq_reserve(out, size, &room);
    }
    if (p != NULL && room < size) {
        bufq_commit(out, 0);
        p = NULL;
    }
    bool is_queued = p != NULL;
    p = is_queued ? p : arena_alloc(a, size);
    return (struct sink){ p, p, p + size, is_queued };
}

static void
sink_end(struct sink *to, struct bufq *out)
{
    size_t n = (size_t)(to->p - to->start);
    AN(to->p <= to->end);
    if (to->is_queued) {
        bufq_commit(out, n);
    } else {
        bufq_append(out, str_n(to->start, n));
        mem_wipe(to->start, n); /* a secret may be in it */
    }
}

void
h1_write_request(const struct head *h, struct str target,
    const struct h1_framing *f, struct bufq *out)
{
    size_t size = fields_size(h->fields, h->n) + h->method.n + target.n +
                  f->upgrade.n + FRAMING_MAX;
    struct sink to = sink_begin(h->arena, size, out);
    const char *end = target.p + target.n;
    AN(target.n != 0 && scan_graph(target.p, end) == end);
    AN(field_name_is_valid(h->method));
    AN(f->kind != BODY_UNTIL_CLOSE);
    put(&to, h->method);
    put(&to, STR(" "));
    put(&to, target);
    put(&to, STR(" HTTP/1.1\r\n"));
    put_fields(&to, h->fields, h->n);
    if (f->kind == BODY_NONE && head_has(h, FIELD_CONTENT_LENGTH)) {
        put_length(&to, 0);
    }
    put_framing(&to, f);
    sink_end(&to, out);
}

/* The length that the body would have (RFC 9110 8.6): to HEAD, with 304. */
static void
put_absent_length(struct sink *to, const struct head *h)
{
    struct str length = head_get(h, FIELD_CONTENT_LENGTH);
    if (h->status < 200 || h->status == 204) {
        return;
    }
    if (length.n != 0) {
        put_field(to, STR("Content-Length"), length);
    } else if (h->body == BODY_LENGTH) {
        put_length(to, h->length);
    }
}

void
h1_write_response(
    const struct head *h, const struct h1_framing *f, struct bufq *out)
{
    size_t size =
        fields_size(h->fields, h->n) + h->reason.n + f->upgrade.n + FRAMING_MAX;
    struct sink to = sink_begin(h->arena, size, out);
    AN(h->status >= 100 && h->status <= 999);
    put(&to, STR("HTTP/1.1 "));
    put_u64(&to, h->status);
    put(&to, STR(" "));
    put_text(&to, h->reason);
    put(&to, STR("\r\n"));
    put_fields(&to, h->fields, h->n);
    if (f->kind == BODY_NONE) {
        put_absent_length(&to, h);
    }
    put_framing(&to, f);
    sink_end(&to, out);
}

void
h1_write_last_chunk(const struct head *h, struct bufq *out)
{
    if (h->n_trailers == 0) {
        bufq_append(out, STR("0\r\n\r\n"));
        return;
    }
    size_t size = fields_size(h->trailers, h->n_trailers) + FRAMING_MAX;
    struct sink to = sink_begin(h->arena, size, out);
    put(&to, STR("0\r\n"));
    put_fields(&to, h->trailers, h->n_trailers);
    put(&to, STR("\r\n"));
    sink_end(&to, out);
}
