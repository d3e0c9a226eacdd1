/*
 * See server_hello.h. Called by proxy/passthrough.c.
 */

#include "net/server_hello.h"

#include "net/tls_record.h"

#define MESSAGE_SERVER_HELLO 2

/* The random of a HelloRetryRequest: the SHA-256 of that name (4.1.3). */
static const uint8_t retry_random[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a,
    0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2,
    0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
    0x33, 0x9c };

/* Only the head of a record was read. A record that is not of the handshake,
 * such as a warning, is skipped. */
static void
begin_record(struct server_hello *s)
{
    size_t size = tls_record_size(s->head);
    if (s->head[0] != TLS_RECORD_HANDSHAKE) {
        s->skip = size;
        s->n = 0;
    } else if (size < SERVER_HELLO_HEAD - TLS_RECORD_HEAD) {
        s->answer = SERVER_RETRY; /* the ServerHello is split over records */
    }
}

static void
judge_message(struct server_hello *s)
{
    const uint8_t *random = s->head + SERVER_HELLO_HEAD - sizeof retry_random;
    bool is_final = s->head[TLS_RECORD_HEAD] == MESSAGE_SERVER_HELLO &&
                    memcmp(random, retry_random, sizeof retry_random) != 0;
    s->answer = is_final ? SERVER_HELLO : SERVER_RETRY;
}

enum server_answer
server_hello_read(struct server_hello *s, struct str bytes)
{
    while (bytes.n != 0 && s->answer == SERVER_UNKNOWN) {
        size_t want = s->skip != 0             ? s->skip
                      : s->n < TLS_RECORD_HEAD ? TLS_RECORD_HEAD - s->n
                                               : SERVER_HELLO_HEAD - s->n;
        size_t n = bytes.n < want ? bytes.n : want;
        if (s->skip != 0) {
            s->skip -= n;
        } else {
            memcpy(s->head + s->n, bytes.p, n);
            s->n += n;
        }
        bytes = str_skip(bytes, n);
        if (s->n == TLS_RECORD_HEAD) {
            begin_record(s);
        } else if (s->n == SERVER_HELLO_HEAD) {
            judge_message(s);
        }
    }
    return s->answer;
}
