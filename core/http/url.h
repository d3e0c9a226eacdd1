#pragma once

/*
 * Host names, ports and paths in canonical form (SPEC 5), so that what is
 * decided and what is dialled are the same. Refuses what two parsers could
 * read differently; never repairs it, never resolves a name.
 */

#include "base/addr.h"
#include "base/mem.h"

enum host_kind { HOST_NONE, HOST_NAME, HOST_IP4, HOST_IP6 };

/* Canonical: a name in lower case without trailing dot, or an address as text
 * of addr_format(), IPv6 without brackets. An IPv4-mapped IPv6 address is
 * the IPv4 that it carries. */
struct authority {
    struct str host;
    uint16_t port;
    enum host_kind kind;
    struct addr ip; /* family 0 and port 0 for a name */
};

/* "host", "host:port", "[v6]:port". `host` is a slice of `s` where that is
 * canonical, else in `a`. On false `*why` is a static text. A port is
 * 1–65535 without leading zero; without one, `default_port` (0: none). No
 * userinfo. */
must_check bool authority_parse(struct arena *a, struct str s,
    uint16_t default_port, struct authority *out, const char **why);

/* As authority_parse() where no port may stand: an SNI, a name in a list.
 * IPv6 with or without brackets. out->port is 0. */
must_check bool host_parse(
    struct arena *a, struct str s, struct authority *out, const char **why);

/* Same host and port. */
bool authority_eq(const struct authority *a, const struct authority *b);

/* "host", with ":port" unless it is `default_port` or 0; IPv6 in brackets. A
 * lone name is returned as it lies. */
struct str authority_format(
    struct arena *a, const struct authority *au, uint16_t default_port);

/* The path (without query) in canonical form: dot segments resolved,
 * unreserved characters decoded, other escapes in upper case, slashes merged.
 * A slice of `path` when that is canonical. False with a static `*why` for
 * invalid escapes, %00, a raw backslash or byte outside printable ASCII, `..;`
 * segments and what climbs out. "*" is its own form. */
must_check bool path_canonical(
    struct arena *a, struct str path, struct str *out, const char **why);

#define PATH_DECODE_SLASH 1u     /* %2F */
#define PATH_DECODE_BACKSLASH 2u /* %5C, read as a slash */

/* Whether a canonical path has escapes that path_decode_slashes() decodes. */
unsigned path_encoded_slashes(struct str path);

/* A canonical path as an origin sees it that decodes `which` before it splits
 * segments. False when that climbs out or is malformed. The caller refuses the
 * request when any combination of path_encoded_slashes() makes it choose
 * another location. */
must_check bool path_decode_slashes(
    struct arena *a, struct str path, unsigned which, struct str *out);
