#pragma once

/*
 * Host names, ports and paths in canonical form (SPEC 5), so that the policy
 * and the dial use the same name. Refuses what two parsers may read
 * differently; never repairs it, never resolves a name.
 */

#include "base/addr.h"
#include "base/mem.h"

enum host_kind { HOST_NONE, HOST_NAME, HOST_IP4, HOST_IP6 };

/* In canonical form: a name in lower case without trailing dot, or an address
 * as addr_format() writes it, IPv6 without brackets. An IPv4-mapped IPv6
 * address becomes its IPv4 address. */
struct authority {
    struct str host;
    uint16_t port;
    enum host_kind kind;
    struct addr ip; /* family 0 and port 0 for a name */
};

/* Parses "host", "host:port" or "[v6]:port"; userinfo is refused. `out->host`
 * is a slice of `s` where that is canonical, else in `a`. A port is 1–65535
 * without leading zero; if there is none, it is `default_port` (0: none). On
 * false `*why` is a static text. */
must_check bool authority_parse(struct arena *a, struct str s,
    uint16_t default_port, struct authority *out, const char **why);

/* The same for a host that has no port: an SNI, a name in a list. IPv6 may
 * have brackets. out->port is 0. */
must_check bool host_parse(
    struct arena *a, struct str s, struct authority *out, const char **why);

bool authority_eq(const struct authority *a, const struct authority *b);

/* "host", with ":port" unless that is `default_port` or 0; IPv6 in brackets.
 * Without port and brackets it is au->host itself, else it is in `a`. */
struct str authority_format(
    struct arena *a, const struct authority *au, uint16_t default_port);

/* The path (without query) in canonical form: dot segments resolved,
 * unreserved characters decoded, other escapes in upper case, slashes merged;
 * "*" stays "*". It is `path` itself if that is canonical, else in `a`. False,
 * with a static `*why`, for an invalid escape, %00, a raw backslash, a byte
 * outside of printable ASCII, a `..;` segment, and a path that goes above its
 * root. */
must_check bool path_canonical(
    struct arena *a, struct str path, struct str *out, const char **why);

#define PATH_DECODE_SLASH 1u     /* %2F */
#define PATH_DECODE_BACKSLASH 2u /* %5C, read as a slash */

/* Which of these escapes a canonical path has. */
unsigned path_encoded_slashes(struct str path);

/* A canonical path as it is read by an origin that decodes the escapes `which`
 * before it splits the path into segments. False: that path goes above its root
 * or is malformed. For each combination of path_encoded_slashes() the caller
 * chooses a location; it refuses the request if one is another. */
must_check bool path_decode_slashes(
    struct arena *a, struct str path, unsigned which, struct str *out);
