#pragma once

/*
 * Addresses in canonical form: an IPv4-mapped IPv6 address is the IPv4 it
 * carries. Text is RFC 5952 form for IPv6; IPv4 is dotted quad only (no octal,
 * hex or short forms).
 */

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/str.h"

struct addr {
    uint8_t family; /* 4 or 6; 0: none; ADDR_UNIX */
    uint16_t port;  /* host byte order; 0 where there is none */
    uint8_t ip[16]; /* network order; the first 4 for IPv4 */
};

#define ADDR_UNIX 1 /* the peer of a unix socket: no ip, no port */

/* A range: `bits` of the prefix, 0 to 32 or 128. */
struct cidr {
    struct addr addr;
    uint8_t bits;
};

/* Longest text of addr_format() with its NUL: "[v6]:65535". */
#define ADDR_TEXT_MAX 64

/* A literal address without port; IPv6 without brackets, no zone. */
must_check bool addr_parse(struct str s, struct addr *out);

/* "1.2.3.4:80" or "[::1]:80"; without a port, `default_port` is used. False for
 * a port of 0 or above 65535, or if there is no port and default_port is 0. */
must_check bool addr_parse_port(
    struct str s, uint16_t default_port, struct addr *out);

/* "10.0.0.0/8", "::1/128" or a bare address (then /32 or /128). Bits outside
 * the prefix must be zero. */
must_check bool cidr_parse(struct str s, struct cidr *out);

/* Why `s` is refused as a range, and what to write instead: ": host bits are
 * set, write …". Empty if `s` is no address at all. Returns `text`. */
#define CIDR_REFUSAL_MAX 256
const char *cidr_refusal(struct str s, char text[CIDR_REFUSAL_MAX]);

bool cidr_contains(const struct cidr *c, const struct addr *a);

bool addr_eq(const struct addr *a, const struct addr *b); /* port too */
bool addr_eq_ip(const struct addr *a, const struct addr *b);

/* 169.254.0.0/16 and fe80::/10 (RFC 3927, RFC 4291 2.5.6): the same address
 * may stand on any link. */
bool addr_is_link_local(const struct addr *a);

/* The IPv4 addresses that an IPv6 address may lead to. */
struct addr_carried {
    struct addr items[5];
    unsigned n;
    bool is_sure; /* it certainly leads to items[0] */
};

/* Finds the IPv4 addresses that `a` may lead to. NAT64 (64:ff9b::/96), 6to4
 * (2002::/16) and Teredo (2001::/32: the client's) carry one. NAT64 of local
 * use (64:ff9b:1::/48, RFC 8215) may use any prefix length of RFC 6052 2.2: up
 * to four addresses are possible; those in 0.0.0.0/8 are left out if another is
 * possible. IPv4-compatible (::/96) and IPv4-translated (::ffff:0:0:0/96)
 * addresses and those of ISATAP, whose form may stand in any prefix, are not
 * sure. n 0: it carries none. */
void addr_carries(const struct addr *a, struct addr_carried *out);

/* Writes the text, NUL-terminated; `with_port` adds it (and brackets). */
struct str addr_format(
    const struct addr *a, bool with_port, char text[ADDR_TEXT_MAX]);

/* From and to the kernel's form. A mapped IPv6 becomes IPv4. */
void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);
