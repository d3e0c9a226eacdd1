/*
 * A strict parser of the PROXY protocol: it refuses what the specification
 * leaves to the receiver. Called by proxy/proxy_protocol.c; fuzzed.
 */

#include "http/proxy_protocol.h"

#include "http/scan.h"

/* The most bytes of a header of version 1, with its CRLF. */
#define LINE_MAX_BYTES 107

/* Version 2: signature, version and command, family, length. */
#define FIXED_BYTES 16
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_BYTES 12

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { OF_NONE = 0x00, OF_TCP4 = 0x11, OF_TCP6 = 0x21, OF_UNIX = 0x31 };

#define TCP4_BYTES 12
#define TCP6_BYTES 36
#define UNIX_BYTES 216
#define TLV_BYTES 3

static unsigned
read_u16(const char *p)
{
    return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

/* The specification allows no sign and no leading zero. */
static bool
read_port(struct str s, uint16_t *port)
{
    uint64_t v;
    if (!str_u64(s, &v) || v > 65535 || (s.n > 1 && s.p[0] == '0')) {
        return false;
    }
    *port = (uint16_t)v;
    return true;
}

/* "TCP4 1.2.3.4 5.6.7.8 1000 80": four more words and no other. */
static bool
read_tcp_line(struct str words, char colon, struct proxy_protocol *out)
{
    struct str part[4];
    struct addr to;
    unsigned n = 0;
    uint16_t port;
    while (n < LEN(part) && str_cut(&words, ' ', &part[n])) {
        n++;
    }
    if (n != LEN(part) || words.p != NULL) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        bool has_colon = str_find(part[i], ':') != part[i].n;
        if (has_colon != (colon == ':')) {
            return false;
        }
    }
    out->has_client = true;
    return addr_parse(part[0], &out->client) && addr_parse(part[1], &to) &&
           read_port(part[2], &out->client.port) && read_port(part[3], &port);
}

static bool
read_line(struct str line, struct proxy_protocol *out)
{
    struct str tcp4 = STR("PROXY TCP4 "), tcp6 = STR("PROXY TCP6 ");
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ' ' && !scan_is_graph((unsigned char)line.p[i])) {
            return false;
        }
    }
    if (str_starts(line, tcp4)) {
        return read_tcp_line(str_skip(line, tcp4.n), '.', out);
    }
    if (str_starts(line, tcp6)) {
        return read_tcp_line(str_skip(line, tcp6.n), ':', out);
    }
    /* the specification: a receiver ignores what stands behind UNKNOWN */
    return str_eq(line, STR("PROXY UNKNOWN")) ||
           str_starts(line, STR("PROXY UNKNOWN "));
}

static enum proxy_protocol_result
parse_v1(struct str in, struct proxy_protocol *out, size_t *n)
{
    size_t end = str_find(in, '\n');
    if (end >= LINE_MAX_BYTES) {
        return PROXY_PROTOCOL_BAD;
    }
    if (end == in.n) {
        return in.n < LINE_MAX_BYTES ? PROXY_PROTOCOL_MORE : PROXY_PROTOCOL_BAD;
    }
    *n = end + 1;
    return in.p[end - 1] == '\r' && read_line(str_n(in.p, end - 1), out)
               ? PROXY_PROTOCOL_OK
               : PROXY_PROTOCOL_BAD;
}

static bool
are_tlvs(struct str s)
{
    while (s.n >= TLV_BYTES) {
        size_t size = TLV_BYTES + read_u16(s.p + 1);
        if (size > s.n) {
            return false;
        }
        s = str_skip(s, size);
    }
    return s.n == 0;
}

/* The bytes of a family's addresses; 0: not a family of streams. */
static size_t
family_bytes(uint8_t family)
{
    switch (family) {
    case OF_TCP4:
        return TCP4_BYTES;
    case OF_TCP6:
        return TCP6_BYTES;
    case OF_UNIX:
        return UNIX_BYTES;
    default:
        return 0;
    }
}

static void
read_client(uint8_t family, const char *p, struct addr *out)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    switch (family) {
    case OF_TCP4:
        memcpy(&in4.sin_addr, p, 4);
        memcpy(&in4.sin_port, p + 8, 2);
        addr_from_sockaddr((struct sockaddr *)&in4, out);
        break;
    case OF_TCP6:
        memcpy(&in6.sin6_addr, p, 16);
        memcpy(&in6.sin6_port, p + 32, 2);
        addr_from_sockaddr((struct sockaddr *)&in6, out);
        break;
    case OF_UNIX:
        *out = (struct addr){ .family = ADDR_UNIX };
        break;
    default:
        PANIC("a family without a client");
    }
}

/* With LOCAL, the receiver skips the addresses, whatever they are. */
static bool
read_binary(
    uint8_t command, uint8_t family, struct str s, struct proxy_protocol *out)
{
    size_t size = family_bytes(family);
    if (command == COMMAND_LOCAL) {
        return true;
    }
    if (command != COMMAND_PROXY || (size == 0 && family != OF_NONE) ||
        s.n < size || !are_tlvs(str_skip(s, size))) {
        return false;
    }
    if (size != 0) {
        out->has_client = true;
        read_client(family, s.p, &out->client);
    }
    return true;
}

static enum proxy_protocol_result
parse_v2(struct str in, struct proxy_protocol *out, size_t *n)
{
    if (in.n < FIXED_BYTES) {
        return PROXY_PROTOCOL_MORE;
    }
    size_t size = read_u16(in.p + SIGNATURE_BYTES + 2);
    if (FIXED_BYTES + size > PROXY_PROTOCOL_MAX) {
        return PROXY_PROTOCOL_BAD;
    }
    if (in.n < FIXED_BYTES + size) {
        return PROXY_PROTOCOL_MORE;
    }
    AN(FIXED_BYTES + size <= in.n);
    *n = FIXED_BYTES + size;
    return read_binary((uint8_t)in.p[SIGNATURE_BYTES],
               (uint8_t)in.p[SIGNATURE_BYTES + 1],
               str_n(in.p + FIXED_BYTES, size), out)
               ? PROXY_PROTOCOL_OK
               : PROXY_PROTOCOL_BAD;
}

/* Whether `in` begins with `what`, or `what` with `in`. */
static bool
may_be(struct str in, struct str what)
{
    AN(in.n != 0);
    return memcmp(in.p, what.p, in.n < what.n ? in.n : what.n) == 0;
}

enum proxy_protocol_result
proxy_protocol_parse(struct str in, struct proxy_protocol *out, size_t *n)
{
    *out = (struct proxy_protocol){ 0 };
    *n = 0;
    if (in.n == 0) {
        return PROXY_PROTOCOL_MORE;
    }
    if (may_be(in, str_n(SIGNATURE, SIGNATURE_BYTES))) {
        return parse_v2(in, out, n);
    }
    return may_be(in, STR("PROXY ")) ? parse_v1(in, out, n)
                                     : PROXY_PROTOCOL_BAD;
}
