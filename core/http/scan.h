#pragma once

/*
 * Byte classes of RFC 9110, and searches that take eight bytes at a time. For
 * the codecs of this room alone.
 */

#include <endian.h>

#include "base/str.h"

#define SCAN_ALL(b) (UINT64_C(0x0101010101010101) * (b))

/* Bytes of a token (RFC 9110 5.6.2). */
extern const bool scan_is_token[256];

static inline uint64_t
scan_load(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return le64toh(x);
}

/* The high bit of each byte of `x` that is below `limit` (at most 0x80) or
 * equals `also`. Only the lowest bit that is set is exact: a borrow may set
 * bits above it. */
static inline uint64_t
scan_hits(uint64_t x, uint8_t limit, uint8_t also)
{
    uint64_t low = (x - SCAN_ALL(limit)) & ~x;
    uint64_t y = x ^ SCAN_ALL(also);
    uint64_t same = (y - SCAN_ALL(1)) & ~y;
    return (low | same) & SCAN_ALL(0x80);
}

static inline bool
scan_is_text(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static inline bool
scan_is_graph(unsigned char c)
{
    return c > 0x20 && c < 0x7f;
}

/* The first control byte other than HTAB; `end` if there is none. The bytes
 * before it may stand in a field's value (RFC 9110 5.5). */
static inline const char *
scan_text(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t hits = scan_hits(scan_load(p), 0x20, 0x7f);
        if (hits == 0) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(hits) / 8;
        if (*p != '\t') {
            return p;
        }
        p++;
    }
    while (p < end && scan_is_text((unsigned char)*p)) {
        p++;
    }
    return p;
}

/* The first byte that is a space or outside of printable ASCII; `end` if there
 * is none. */
static inline const char *
scan_graph(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t x = scan_load(p);
        uint64_t hits = scan_hits(x, 0x21, 0x7f) | (x & SCAN_ALL(0x80));
        if (hits != 0) {
            return p + __builtin_ctzll(hits) / 8;
        }
        p += 8;
    }
    while (p < end && scan_is_graph((unsigned char)*p)) {
        p++;
    }
    return p;
}
