/*
 * Headers of front ends: MORE until the answer, the answer for good, and what
 * lies behind never changes it.
 */

#include "fuzz.h"

#include "http/proxy_protocol.h"

static enum proxy_protocol_result
parse(struct str in, struct proxy_protocol *out, size_t *n)
{
    /* from the heap, so that reading past it is seen */
    char *copy = xalloc(in.n + (in.n == 0));
    memcpy(copy, in.p, in.n);
    enum proxy_protocol_result r =
        proxy_protocol_parse(str_n(copy, in.n), out, n);
    xfree(copy);
    uint8_t family = out->client.family;
    AN(r != PROXY_PROTOCOL_OK || (*n > 0 && *n <= in.n));
    AN(r != PROXY_PROTOCOL_OK || *n <= PROXY_PROTOCOL_MAX);
    AN(family == 0 || family == ADDR_UNIX || family == 4 || family == 6);
    AN(r != PROXY_PROTOCOL_OK || out->has_client == (family != 0));
    return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_n(size != 0 ? (const char *)data : "", size);
    struct proxy_protocol whole, got;
    size_t n, at;
    enum proxy_protocol_result r = parse(in, &whole, &n);
    for (size_t i = 0; i < size && i < 600; i++) {
        enum proxy_protocol_result cut = parse(str_n(in.p, i), &got, &at);
        bool is_said = r == PROXY_PROTOCOL_OK && i >= n;
        AN(cut == PROXY_PROTOCOL_MORE || cut == r);
        AN(is_said == (cut == PROXY_PROTOCOL_OK));
        AN(!is_said || (at == n && addr_eq(&got.client, &whole.client)));
    }
    AN(r != PROXY_PROTOCOL_MORE || size < PROXY_PROTOCOL_MAX);
    return 0;
}
