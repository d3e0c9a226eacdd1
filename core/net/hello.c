/*
 * A strict reader of the ClientHello. The message is first joined from its
 * records; then every length is checked against what contains it. Called by
 * proxy/intercept.c before a byte is given to OpenSSL.
 */

#include "net/hello.h"

#include "net/tls_record.h"

#define MESSAGE_CLIENT_HELLO 1
#define RECORD_MAX 16384

enum extension {
    EXT_SERVER_NAME = 0,
    EXT_ALPN = 16,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_ECH_FIRST = 0xfe08, /* the first of a range: each draft has its own */
    EXT_ECH = 0xfe0d,
    EXT_ECH_OLD = 0xff02,
    EXT_ECH_OLDER = 0xff03,
    EXT_ESNI = 0xffce /* the forerunner of ECH */
};

struct reader {
    const uint8_t *p;
    size_t n;
    bool is_bad;
};

static unsigned
read_uint(struct reader *r, unsigned bytes)
{
    unsigned v = 0;
    if (r->n < bytes) {
        r->is_bad = true;
        r->n = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++) {
        v = v << 8 | r->p[i];
    }
    r->p += bytes;
    r->n -= bytes;
    return v;
}

/* Reads a vector: its length, in `bytes` bytes, and that much. */
static struct reader
read_vector(struct reader *r, unsigned bytes)
{
    unsigned n = read_uint(r, bytes);
    struct reader v = { r->p, n, false };
    if (r->is_bad || n > r->n) {
        r->is_bad = true;
        return (struct reader){ .is_bad = true };
    }
    r->p += n;
    r->n -= n;
    return v;
}

static bool
read_server_name(struct reader ext, struct hello *out)
{
    struct reader list = read_vector(&ext, 2);
    unsigned type = read_uint(&list, 1);
    struct reader name = read_vector(&list, 2);
    bool is_valid = !ext.is_bad && !list.is_bad && ext.n == 0 && list.n == 0 &&
                    type == 0 && name.n != 0 && name.n < sizeof out->sni &&
                    memchr(name.p, '\0', name.n) == NULL;
    if (!is_valid) {
        return false;
    }
    memcpy(out->sni, name.p, name.n);
    out->sni[name.n] = '\0';
    out->sni_len = name.n;
    return true;
}

static bool
read_alpn(struct reader ext, struct hello *out)
{
    struct reader list = read_vector(&ext, 2);
    while (list.n != 0 && !list.is_bad) {
        struct reader name = read_vector(&list, 1);
        struct str s = str_n((const char *)name.p, name.n);
        out->offers_h2 = out->offers_h2 || str_eq(s, STR("h2"));
    }
    return !ext.is_bad && !list.is_bad && ext.n == 0;
}

static bool
read_versions(struct reader ext, struct hello *out)
{
    struct reader list = read_vector(&ext, 1);
    while (list.n != 0 && !list.is_bad) {
        out->has_tls13 = read_uint(&list, 2) == 0x0304 || out->has_tls13;
    }
    return !ext.is_bad && !list.is_bad && ext.n == 0;
}

static bool
is_ech(unsigned type)
{
    return (type >= EXT_ECH_FIRST && type <= EXT_ECH) || type == EXT_ECH_OLD ||
           type == EXT_ECH_OLDER || type == EXT_ESNI;
}

static bool
read_extension(unsigned type, struct reader body, struct hello *out)
{
    switch (type) {
    case EXT_SERVER_NAME:
        return out->sni_len == 0 && read_server_name(body, out);
    case EXT_ALPN:
        return read_alpn(body, out);
    case EXT_SUPPORTED_VERSIONS:
        return read_versions(body, out);
    default:
        out->has_ech = out->has_ech || is_ech(type);
        return true;
    }
}

/* RFC 8446 4.2 forbids two extensions of one kind; they could be read in two
 * ways. */
static bool
read_extensions(struct reader all, struct hello *out)
{
    uint16_t seen[128];
    unsigned n = 0;
    while (all.n != 0 && !all.is_bad) {
        unsigned type = read_uint(&all, 2);
        struct reader body = read_vector(&all, 2);
        for (unsigned i = 0; i < n; i++) {
            if (seen[i] == type) {
                return false;
            }
        }
        if (n == LEN(seen) || all.is_bad || !read_extension(type, body, out)) {
            return false;
        }
        seen[n++] = (uint16_t)type;
    }
    return !all.is_bad;
}

static enum hello_result
read_message(struct reader m, struct hello *out)
{
    read_uint(&m, 2); /* legacy_version */
    if (m.n < 32) {
        return HELLO_BAD;
    }
    m.p += 32; /* random */
    m.n -= 32;
    struct reader session = read_vector(&m, 1);
    struct reader suites = read_vector(&m, 2);
    struct reader compression = read_vector(&m, 1);
    if (m.is_bad || session.n > 32 || suites.n < 2 || suites.n % 2 != 0 ||
        compression.n == 0) {
        return HELLO_BAD;
    }
    if (m.n == 0) { /* TLS 1.2 without extensions */
        return HELLO_OK;
    }
    struct reader extensions = read_vector(&m, 2);
    bool ok = !m.is_bad && m.n == 0 && read_extensions(extensions, out);
    return ok ? HELLO_OK : HELLO_BAD;
}

/* Appends the payloads of the records to `to` until the message is whole. Each
 * call starts again with the first record. *need is the message's size once it
 * is known, *size that of the records. */
static enum hello_result
join_records(struct reader in, uint8_t *to, size_t *need, size_t *size)
{
    const uint8_t *begin = in.p;
    size_t have = 0;
    *need = 4;
    for (unsigned n = 0; have < *need; n++) {
        if (n == HELLO_RECORDS_MAX) {
            return HELLO_BAD;
        }
        if (in.n != 0 && in.p[0] != TLS_RECORD_HANDSHAKE) {
            return have == 0 ? HELLO_NOT_TLS : HELLO_BAD;
        }
        if (in.n > 1 && in.p[1] != 3) {
            return HELLO_NOT_TLS;
        }
        if (in.n < TLS_RECORD_HEAD) {
            return HELLO_MORE;
        }
        size_t payload = tls_record_size(in.p);
        if (payload == 0 || payload > RECORD_MAX) {
            return HELLO_BAD;
        }
        size_t there =
            in.n - TLS_RECORD_HEAD < payload ? in.n - TLS_RECORD_HEAD : payload;
        size_t room = HELLO_MAX + 4 - have;
        memcpy(to + have, in.p + TLS_RECORD_HEAD, there < room ? there : room);
        have += there;
        if (have >= 4) {
            *need = 4 + ((size_t)to[1] << 16 | (size_t)to[2] << 8 | to[3]);
        }
        /* The message must end with its record, even if the rest of the record
         * has not come yet. */
        size_t will_have = have - there + payload;
        if ((have >= 1 && to[0] != MESSAGE_CLIENT_HELLO) ||
            *need > HELLO_MAX + 4 || (have >= 4 && will_have > *need)) {
            return HELLO_BAD;
        }
        if (have < *need && there < payload) {
            return HELLO_MORE;
        }
        in.p += TLS_RECORD_HEAD + there;
        in.n -= TLS_RECORD_HEAD + there;
    }
    AN(have == *need);
    *size = (size_t)(in.p - begin);
    return HELLO_OK;
}

enum hello_result
hello_parse(struct str in, struct hello *out)
{
    uint8_t message[HELLO_MAX + 4];
    size_t need;
    struct reader all = { (const uint8_t *)in.p, in.n, false };
    memset(out, 0, sizeof *out);
    enum hello_result r = join_records(all, message, &need, &out->size);
    if (r != HELLO_OK) {
        return r;
    }
    return read_message((struct reader){ message + 4, need - 4, false }, out);
}
