/*
 * Addresses: strict parsing, canonical text, ranges. inet_pton is strict
 * enough for both families: four decimal octets without leading zeros, and
 * RFC 4291 text without a zone.
 */

#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static void
addr_unmap(struct addr *a)
{
    bool is_mapped = a->family == 6 && memcmp(a->ip, mapped_prefix, 12) == 0;
    if (is_mapped) {
        memmove(a->ip, a->ip + 12, 4);
        memset(a->ip + 4, 0, 12);
        a->family = 4;
    }
}

bool
addr_parse(struct str s, struct addr *out)
{
    char z[INET6_ADDRSTRLEN + 1];
    *out = (struct addr){ 0 };
    if (s.n == 0 || s.n >= sizeof z || str_find(s, '\0') != s.n) {
        return false;
    }
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    bool is_ipv6 = str_find(s, ':') < s.n;
    if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, z, out->ip) != 1) {
        return false;
    }
    out->family = is_ipv6 ? 6 : 4;
    addr_unmap(out);
    return true;
}

static bool
port_parse(struct str s, uint16_t *port)
{
    uint64_t v;
    if (!str_u64(s, &v) || v == 0 || v > 65535 || s.p[0] == '0') {
        return false;
    }
    *port = (uint16_t)v;
    return true;
}

bool
addr_parse_port(struct str s, uint16_t default_port, struct addr *out)
{
    struct str host = s, port = STR_NONE;
    bool is_bracketed = s.n != 0 && s.p[0] == '[';
    if (is_bracketed) {
        size_t end = str_find(s, ']');
        if (end == s.n) {
            return false;
        }
        host = str_n(s.p + 1, end - 1);
        port = str_skip(s, end + 1);
        if (str_find(host, ':') == host.n ||
            (port.n != 0 && port.p[0] != ':')) {
            return false;
        }
        port = port.n != 0 ? str_skip(port, 1) : STR_NONE;
    } else if (str_find(s, ':') < s.n) {
        size_t colon = str_find(s, ':');
        struct str rest = str_skip(s, colon + 1);
        bool is_ipv6 = str_find(rest, ':') < rest.n;
        host = is_ipv6 ? s : str_n(s.p, colon);
        port = is_ipv6 ? STR_NONE : rest;
    }
    uint16_t number = default_port;
    bool has_port = port.p != NULL;
    if (!addr_parse(host, out) || (has_port && !port_parse(port, &number)) ||
        number == 0) {
        return false;
    }
    out->port = number;
    return true;
}

static unsigned
addr_bits(const struct addr *a)
{
    return a->family == 4 ? 32 : 128;
}

static bool
prefix_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    if (whole != 0 && a[0] != b[0]) {
        return false; /* nearly always */
    }
    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

enum cidr_form { CIDR_OK, CIDR_NO_ADDRESS, CIDR_NO_PREFIX, CIDR_HOST_BITS };

/* The bits of a prefix; ::ffff:10.0.0.0/104 is 10.0.0.0/8. */
static bool
read_bits(struct str s, bool was_ipv6, struct cidr *out)
{
    uint64_t bits = 0, max = addr_bits(&out->addr);
    uint64_t mapped = was_ipv6 && max == 32 ? 96 : 0;
    if (!str_u64(s, &bits) || bits < mapped || bits - mapped > max) {
        return false;
    }
    out->bits = (uint8_t)(bits - mapped);
    return true;
}

/* The address with the bits of the prefix set to zero. */
static struct addr
host_part(const struct cidr *c)
{
    struct addr host = c->addr;
    for (unsigned i = 0; i < c->bits; i++) {
        host.ip[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
    }
    return host;
}

static enum cidr_form
cidr_read(struct str s, struct cidr *out)
{
    static const uint8_t zero[16];
    size_t slash = str_find(s, '/');
    bool was_ipv6 = str_find(s, ':') < s.n;
    *out = (struct cidr){ 0 };
    if (!addr_parse(str_n(s.p, slash), &out->addr)) {
        return CIDR_NO_ADDRESS;
    }
    if (slash == s.n) {
        out->bits = (uint8_t)addr_bits(&out->addr);
        return CIDR_OK;
    }
    if (!read_bits(str_skip(s, slash + 1), was_ipv6, out)) {
        return CIDR_NO_PREFIX;
    }
    struct addr host = host_part(out);
    return memcmp(host.ip, zero, 16) == 0 ? CIDR_OK : CIDR_HOST_BITS;
}

bool
cidr_parse(struct str s, struct cidr *out)
{
    return cidr_read(s, out) == CIDR_OK;
}

const char *
cidr_refusal(struct str s, char text[CIDR_REFUSAL_MAX])
{
    char address[ADDR_TEXT_MAX], range[ADDR_TEXT_MAX];
    struct cidr c;
    enum cidr_form form = cidr_read(s, &c);
    text[0] = '\0';
    if (form == CIDR_NO_PREFIX) {
        snprintf(text, CIDR_REFUSAL_MAX,
            ": the prefix behind \"/\" is a number up to %u",
            str_find(s, ':') < s.n ? 128 : 32);
    } else if (form == CIDR_HOST_BITS) {
        struct addr host = host_part(&c), first = c.addr;
        for (unsigned i = 0; i < sizeof first.ip; i++) {
            first.ip[i] ^= host.ip[i];
        }
        addr_format(&c.addr, false, address);
        addr_format(&first, false, range);
        snprintf(text, CIDR_REFUSAL_MAX,
            ": host bits are set, write %s/%u for the range or %s for the one "
            "address",
            range, c.bits, address);
    }
    return text;
}

bool
cidr_contains(const struct cidr *c, const struct addr *a)
{
    return c->addr.family == a->family && prefix_eq(c->addr.ip, a->ip, c->bits);
}

bool
addr_eq_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family &&
           memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && addr_eq_ip(a, b);
}

/* Adds the IPv4 address that the four bytes at these indices are. */
static void
carry(struct addr_carried *c, const uint8_t *ip, const uint8_t at[4])
{
    struct addr *a = &c->items[c->n++];
    AN(c->n <= LEN(c->items));
    *a = (struct addr){ .family = 4 };
    for (unsigned i = 0; i < 4; i++) {
        a->ip[i] = ip[at[i]];
    }
}

bool
addr_is_link_local(const struct addr *a)
{
    return a->family == 4   ? a->ip[0] == 169 && a->ip[1] == 254
           : a->family == 6 ? a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80
                            : false;
}

static const uint8_t last_four[4] = { 12, 13, 14, 15 };

/* RFC 6052 2.2, for prefixes of 96, 64, 56 and 48 bits; byte 8 is skipped. An
 * address in 0.0.0.0/8 belongs to no host, so its prefix length was a wrong
 * guess. */
static void
carry_local_nat64(struct addr_carried *c, const uint8_t *ip)
{
    static const uint8_t cuts[][4] = { { 12, 13, 14, 15 }, { 9, 10, 11, 12 },
        { 7, 9, 10, 11 }, { 6, 7, 9, 10 } };
    for (size_t i = 0; i < LEN(cuts); i++) {
        if (ip[cuts[i][0]] != 0) {
            carry(c, ip, cuts[i]);
        }
    }
    if (c->n == 0) {
        carry(c, ip, last_four);
    }
}

/* RFC 4380 4: bits inverted. */
static void
carry_teredo(struct addr_carried *c, const uint8_t *ip)
{
    carry(c, ip, last_four);
    for (unsigned i = 0; i < 4; i++) {
        c->items[0].ip[i] ^= 0xff;
    }
}

/* Forms that their prefix identifies. */
static void
carry_by_prefix(struct addr_carried *c, const uint8_t *ip)
{
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
    static const uint8_t nat64_local[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
    static const uint8_t teredo[4] = { 0x20, 0x01, 0, 0 };
    static const uint8_t in_6to4[4] = { 2, 3, 4, 5 };
    if (memcmp(ip, nat64, 12) == 0) {
        carry(c, ip, last_four);
    } else if (memcmp(ip, nat64_local, 6) == 0) {
        carry_local_nat64(c, ip);
    } else if (ip[0] == 0x20 && ip[1] == 0x02) {
        carry(c, ip, in_6to4);
    } else if (memcmp(ip, teredo, 4) == 0) {
        carry_teredo(c, ip);
    }
}

/* Forms that are out of use, or that an ordinary address may have by chance. */
static void
carry_by_look(struct addr_carried *c, const uint8_t *ip)
{
    static const uint8_t compatible[12] = { 0 };
    static const uint8_t translated[12] = { [8] = 0xff, [9] = 0xff };
    static const uint8_t isatap[3] = { 0, 0x5e, 0xfe }; /* RFC 5214 6.1 */
    bool is_isatap = (ip[8] & ~2) == 0 && memcmp(ip + 9, isatap, 3) == 0;
    bool is_old = memcmp(ip, compatible, 12) == 0 && ip[12] != 0;
    if (is_isatap || is_old || memcmp(ip, translated, 12) == 0) {
        carry(c, ip, last_four);
        c->is_sure = false;
    }
}

void
addr_carries(const struct addr *a, struct addr_carried *out)
{
    out->n = 0;
    out->is_sure = false;
    if (a->family != 6) {
        return;
    }
    carry_by_prefix(out, a->ip);
    out->is_sure = out->n == 1;
    carry_by_look(out, a->ip);
}

/* RFC 5952: the longest run of two or more zero groups, the first of equals. */
static void
longest_zeros(const uint16_t g[8], int *start, int *len)
{
    *start = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && g[i + n] == 0) {
            n++;
        }
        if (n > *len) {
            *start = i;
            *len = n;
        }
        i += n;
    }
}

static int
format_ipv6(const uint8_t *ip, char *to, size_t size)
{
    uint16_t g[8];
    int start, len, n = 0;
    for (int i = 0; i < 8; i++) {
        g[i] = (uint16_t)(ip[2 * i] << 8 | ip[2 * i + 1]);
    }
    longest_zeros(g, &start, &len);
    for (int i = 0; i < 8; i++) {
        if (i == start) {
            n += snprintf(to + n, size - (size_t)n, "::");
            i += len - 1;
            continue;
        }
        bool needs_colon = i != 0 && i != start + len;
        bool is_after_run = start >= 0 && i == start + len;
        n += snprintf(to + n, size - (size_t)n, "%s%x",
            needs_colon && !is_after_run ? ":" : "", g[i]);
    }
    return n;
}

struct str
addr_format(const struct addr *a, bool with_port, char text[ADDR_TEXT_MAX])
{
    int n = 0;
    if (a->family == 4) {
        n = snprintf(text, ADDR_TEXT_MAX, "%u.%u.%u.%u", a->ip[0], a->ip[1],
            a->ip[2], a->ip[3]);
    } else if (a->family == 6) {
        text[0] = '[';
        n = with_port + format_ipv6(a->ip, text + with_port, ADDR_TEXT_MAX - 1);
        n += with_port ? snprintf(text + n, ADDR_TEXT_MAX - (size_t)n, "]") : 0;
    } else {
        n = snprintf(
            text, ADDR_TEXT_MAX, a->family == ADDR_UNIX ? "unix:" : "-");
        with_port = false;
    }
    if (with_port) {
        n += snprintf(text + n, ADDR_TEXT_MAX - (size_t)n, ":%u", a->port);
    }
    return str_n(text, (size_t)n);
}

void
addr_from_sockaddr(const struct sockaddr *sa, struct addr *out)
{
    *out = (struct addr){ 0 };
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        out->family = 4;
        out->port = ntohs(in->sin_port);
        memcpy(out->ip, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;
        out->family = 6;
        out->port = ntohs(in6->sin6_port);
        memcpy(out->ip, &in6->sin6_addr, 16);
        addr_unmap(out);
    } else if (sa->sa_family == AF_UNIX) {
        out->family = ADDR_UNIX;
    }
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == 4) {
        struct sockaddr_in *in = (void *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof *in;
    }
    AN(a->family == 6);
    struct sockaddr_in6 *in6 = (void *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof *in6;
}
