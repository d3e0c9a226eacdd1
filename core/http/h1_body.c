/*
 * The decoder of HTTP/1 bodies. It has one state for each place in the framing,
 * so that any split of the input gives the same result. It keeps no byte of the
 * body; only the raw trailer section, within its bound, until it is whole.
 */

#include "http/h1_body.h"

#include "http/scan.h"

/* Bytes of framing (a size line and CRLFs) that a chunk may have beyond its
 * data before they count as excess. */
#define CHUNK_FRAMING 24

/* A rest of a chunk that is smaller is read together with what follows. */
#define DIRECT_MIN 4096

#define SIZE_DIGITS_MAX 16

void
h1_body_init(
    struct h1_body *b, enum h1_from from, enum body_kind kind, uint64_t length)
{
    buf_fini(&b->trailers);
    bool is_empty = kind == BODY_NONE || (kind == BODY_LENGTH && length == 0);
    *b = (struct h1_body){
        .from = from, .kind = kind, .left = kind == BODY_LENGTH ? length : 0
    };
    if (is_empty) {
        b->state = H1_BODY_DONE;
    } else if (kind == BODY_CHUNKED) {
        b->state = H1_BODY_SIZE_FIRST;
    }
    buf_init(&b->trailers, H1_TRAILERS_MAX);
}

void
h1_body_fini(struct h1_body *b)
{
    buf_fini(&b->trailers);
}

size_t
h1_body_direct(const struct h1_body *b)
{
    if (b->state != H1_BODY_DATA) {
        return 0;
    }
    if (b->kind == BODY_UNTIL_CLOSE) {
        return SIZE_MAX;
    }
    if (b->kind == BODY_CHUNKED && b->left < DIRECT_MIN) {
        return 0;
    }
    return b->left < SIZE_MAX ? (size_t)b->left : SIZE_MAX;
}

void
h1_body_took(struct h1_body *b, size_t n)
{
    AN(b->state == H1_BODY_DATA);
    b->total += n;
    if (b->kind == BODY_UNTIL_CLOSE) {
        return;
    }
    AN(n <= b->left);
    b->left -= n;
    if (b->left == 0) {
        b->state = b->kind == BODY_LENGTH ? H1_BODY_DONE : H1_BODY_DATA_CR;
    }
}

bool
h1_body_eof(struct h1_body *b)
{
    if (b->kind == BODY_UNTIL_CLOSE && b->state == H1_BODY_DATA) {
        b->state = H1_BODY_DONE;
    }
    return b->state == H1_BODY_DONE;
}

static enum h1_result
body_fail(struct h1_body *b, const char *why)
{
    AN(why != NULL);
    b->state = H1_BODY_FAILED;
    b->why = why;
    return H1_BAD;
}

static enum h1_result
body_data(struct h1_body *b, struct str *in, struct bufq *out)
{
    bool is_bounded = b->kind != BODY_UNTIL_CLOSE;
    size_t n = is_bounded && b->left < in->n ? (size_t)b->left : in->n;
    size_t put = bufq_write(out, str_n(in->p, n));
    *in = str_skip(*in, put);
    if (put != 0) {
        h1_body_took(b, put);
    }
    return put == n ? H1_OK : H1_FULL;
}

/* Drops a byte of a size line that has no meaning. False: too many. */
static bool
body_drop(struct h1_body *b)
{
    return ++b->ext <=
           (b->from == H1_RESPONSE ? H1_CHUNK_ODD_MAX : H1_CHUNK_EXT_MAX);
}

static enum h1_result
body_digit(struct h1_body *b, unsigned digit)
{
    AN(digit < 16);
    bool is_dropped = b->from == H1_RESPONSE && b->left == 0 &&
                      b->state == H1_BODY_SIZE; /* behind a leading zero */
    b->state = H1_BODY_SIZE;
    if (is_dropped ? !body_drop(b) : ++b->digits > SIZE_DIGITS_MAX) {
        return body_fail(b, "a chunk's size has too many digits");
    }
    if (b->left > INT64_MAX >> 4) {
        return body_fail(b, "a chunk's size is too large");
    }
    b->left = b->left << 4 | digit;
    return H1_OK;
}

/* The size line is whole. Chunks with much more framing than data are refused:
 * they would cost more than they carry. */
static enum h1_result
body_size_end(struct h1_body *b, size_t eol)
{
    AN(eol == 2 || (eol == 1 && b->from == H1_RESPONSE));
    if (b->eol != 0 && b->eol != eol) {
        return body_fail(b, "a chunk's lines end in CRLF and in bare LF");
    }
    b->eol = eol;
    if (b->left == 0) {
        b->state = H1_BODY_TRAILER;
        return H1_OK;
    }
    uint64_t cost = b->digits + b->ext + 4;
    uint64_t allowed = CHUNK_FRAMING + b->left;
    b->excess += cost;
    b->excess -= allowed < b->excess ? allowed : b->excess;
    if (b->excess > H1_CHUNK_EXCESS_MAX) {
        return body_fail(b, "chunks carry more framing than data");
    }
    b->digits = b->ext = 0;
    b->state = H1_BODY_DATA;
    return H1_OK;
}

/* A digit of a chunk's size, or the byte that ends it. Some servers write
 * blanks behind the digits, as padding or before an extension (RFC 9112 7.1.1).
 * A bare LF does not end an extension, since some parsers drop it up to the
 * next CRLF.
 */
static enum h1_result
body_size(struct h1_body *b, unsigned char c)
{
    int digit = ascii_hex(c);
    bool is_blank = c == ' ' || c == '\t';
    if (digit >= 0 && b->state != H1_BODY_SIZE_BLANK) {
        return body_digit(b, (unsigned)digit);
    }
    if (is_blank && b->from == H1_RESPONSE && b->state != H1_BODY_SIZE_FIRST &&
        body_drop(b)) {
        b->state = H1_BODY_SIZE_BLANK;
        return H1_OK;
    }
    if (c == '\n' && b->from == H1_RESPONSE && b->state != H1_BODY_SIZE_FIRST) {
        return body_size_end(b, 1);
    }
    if (b->state == H1_BODY_SIZE_FIRST || (c != '\r' && c != ';')) {
        return body_fail(b, "a chunk's size is malformed");
    }
    b->state = c == '\r' ? H1_BODY_SIZE_LF : H1_BODY_EXT;
    return H1_OK;
}

/* Extensions are dropped unread (RFC 9112 7.1.1). */
static enum h1_result
body_ext(struct h1_body *b, unsigned char c)
{
    if (c == '\r') {
        b->state = H1_BODY_SIZE_LF;
        return H1_OK;
    }
    if (!scan_is_text(c) || !body_drop(b)) {
        return body_fail(b, "a chunk's extensions are malformed");
    }
    return H1_OK;
}

static enum h1_result
body_data_end(struct h1_body *b, unsigned char c)
{
    AN(b->kind == BODY_CHUNKED && b->left == 0);
    if (b->eol == 1) {
        b->state = H1_BODY_DATA_LF;
    }
    if (c != (b->state == H1_BODY_DATA_CR ? '\r' : '\n')) {
        return body_fail(b, "a chunk's data is longer than its size");
    }
    b->state =
        b->state == H1_BODY_DATA_CR ? H1_BODY_DATA_LF : H1_BODY_SIZE_FIRST;
    return H1_OK;
}

/* A framing field in the trailers is an attack or a bug (RFC 9110 6.5.1). */
static bool
is_framing(const struct field *f)
{
    return field_name_eq(f->name, STR("Content-Length")) ||
           field_name_eq(f->name, STR("Transfer-Encoding")) ||
           field_name_eq(f->name, STR("Host"));
}

static enum h1_result
body_trailers_end(struct h1_body *b)
{
    struct field fields[H1_TRAILER_FIELDS_MAX];
    struct h1_error err;
    unsigned n;
    AN(b->eol == 1 || b->eol == 2);
    if (b->trailers.n == 0) {
        b->state = H1_BODY_DONE;
        return H1_OK;
    }
    if (!buf_add(&b->trailers, b->eol == 2 ? STR("\r\n") : STR("\n"))) {
        return body_fail(b, "the trailers are too large");
    }
    if (h1_parse_fields(buf_str(&b->trailers), b->from, fields, LEN(fields), &n,
            &err) != 0) {
        return body_fail(b, err.text);
    }
    for (unsigned i = 0; i < n; i++) {
        if (is_framing(&fields[i])) {
            return body_fail(b, "a framing field among the trailers");
        }
    }
    b->state = H1_BODY_DONE;
    return H1_OK;
}

/* A line of the trailer section, or the CR of the empty line that ends it. */
static enum h1_result
body_trailer(struct h1_body *b, unsigned char c)
{
    const struct buf *t = &b->trailers;
    if (b->state == H1_BODY_TRAILER && c == (b->eol == 2 ? '\r' : '\n')) {
        b->state = H1_BODY_TRAILER_END;
        return b->eol == 2 ? H1_OK : body_trailers_end(b);
    }
    if (c == '\n') {
        bool is_crlf = t->n != 0 && t->p[t->n - 1] == '\r';
        if (is_crlf != (b->eol == 2)) {
            return body_fail(b, "a trailer ends as the chunks' lines do not");
        }
        b->state = H1_BODY_TRAILER;
    } else {
        b->state = H1_BODY_TRAILER_LINE;
    }
    return buf_addc(&b->trailers, (char)c)
               ? H1_OK
               : body_fail(b, "the trailers are too large");
}

/* One byte of framing. */
static enum h1_result
body_step(struct h1_body *b, unsigned char c)
{
    switch (b->state) {
    case H1_BODY_SIZE_FIRST:
    case H1_BODY_SIZE:
    case H1_BODY_SIZE_BLANK:
        return body_size(b, c);
    case H1_BODY_EXT:
        return body_ext(b, c);
    case H1_BODY_SIZE_LF:
        return c == '\n' ? body_size_end(b, 2)
                         : body_fail(b, "a chunk's line ends in a bare CR");
    case H1_BODY_DATA_CR:
    case H1_BODY_DATA_LF:
        return body_data_end(b, c);
    case H1_BODY_TRAILER:
    case H1_BODY_TRAILER_LINE:
        return body_trailer(b, c);
    case H1_BODY_TRAILER_END:
        return c == '\n' ? body_trailers_end(b)
                         : body_fail(b, "the trailers end in a bare CR");
    case H1_BODY_DATA:
    case H1_BODY_DONE:
    case H1_BODY_FAILED:
        break;
    }
    PANIC("a body's state that takes no framing");
}

enum h1_result
h1_body_decode(struct h1_body *b, struct str in, size_t *used, struct bufq *out)
{
    struct str rest = in;
    enum h1_result r = b->state == H1_BODY_FAILED ? H1_BAD : H1_OK;
    while (r == H1_OK && rest.n != 0 && b->state != H1_BODY_DONE) {
        if (b->state == H1_BODY_DATA) {
            r = body_data(b, &rest, out);
            continue;
        }
        r = body_step(b, (unsigned char)rest.p[0]);
        rest = str_skip(rest, 1);
    }
    *used = in.n - rest.n;
    if (r != H1_OK) {
        return r;
    }
    return b->state == H1_BODY_DONE ? H1_OK : H1_MORE;
}

void
h1_body_trailers(struct h1_body *b, struct head *h)
{
    struct field fields[H1_TRAILER_FIELDS_MAX];
    struct h1_error err;
    unsigned n;
    AN(b->state == H1_BODY_DONE);
    AN(b->trailers.n <= H1_TRAILERS_MAX);
    if (b->trailers.n == 0) {
        return;
    }
    struct str raw = arena_dup(h->arena, buf_str(&b->trailers));
    buf_fini(&b->trailers);
    AZ(h1_parse_fields(raw, b->from, fields, LEN(fields), &n, &err));
    for (unsigned i = 0; i < n; i++) {
        head_add_trailer(h, fields[i].name, fields[i].value);
    }
}
