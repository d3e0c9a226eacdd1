#pragma once

/*
 * A borrowed run of bytes: pointer and length, never owned, not terminated.
 * Case is ASCII case, everywhere.
 */

#include <string.h>

#include "base/obj.h"

struct str {
    const char *p;
    size_t n;
};

/* A literal; for an existing char array or pointer use str_of(). */
#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
/* The same where an initializer must be constant. */
#define STR_INIT(lit)                                                          \
    {                                                                          \
        "" lit, sizeof(lit) - 1                                                \
    }
#define STR_NONE ((struct str){ NULL, 0 })

/* For printf: "%.*s", STR_ARG(s). */
#define STR_ARG(s) (int)(s).n, (s).p != NULL ? (s).p : ""

static inline struct str
str_of(const char *z)
{
    return (struct str){ z, z != NULL ? strlen(z) : 0 };
}

static inline struct str
str_n(const char *p, size_t n)
{
    return (struct str){ p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline unsigned char
ascii_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static inline bool
ascii_is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static inline bool
ascii_is_alpha(unsigned char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* The value of a hexadecimal digit, -1 for any other byte. */
int ascii_hex(unsigned char c);

bool str_ieq(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Order by bytes, then by length; for qsort and bsearch. */
int str_cmp(struct str a, struct str b);

/* The offset of the first `c`, or s.n when there is none. */
size_t str_find(struct str s, char c);

/* Without the first n bytes; n is at most s.n. */
struct str str_skip(struct str s, size_t n);

/* Without spaces and tabs (OWS of RFC 9110 5.6.3) at both ends. */
struct str str_trim(struct str s);

/* Cuts the part before the first `sep` off `rest`; false when `rest` is
 * exhausted (its p is NULL then). "a,,b" gives "a", "" and "b". */
bool str_cut(struct str *rest, char sep, struct str *part);

/* A plain decimal: digits only, the whole string, no sign. False on overflow
 * or an empty string. */
must_check bool str_u64(struct str s, uint64_t *out);

/* A number as text, which lies at the end of `room`. */
#define STR_U64_MAX 20
struct str str_of_u64(uint64_t v, char room[STR_U64_MAX]);
