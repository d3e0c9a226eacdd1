#pragma once

/*
 * The checks of a text, CRC-32 or Adler-32. For a text in which bytes were
 * changed, the new check is computed from the old one: gzip_sum adds up the
 * difference that each change makes. For gzip_mask.c.
 */

#include "base/str.h"

struct gzip_sum {
    bool is_adler; /* Adler-32 (RFC 1950), else CRC-32 (RFC 1952) */
    uint32_t crc;  /* difference of the CRC-32 at the last change's end */
    uint32_t a, b; /* that of the Adler-32, low half and high half */
    uint64_t gap;  /* bytes behind the last change */
};

/* The check of an empty text. */
static inline uint32_t
gzip_sum_begin(bool is_adler)
{
    return is_adler;
}

/* The check of a text with `s` appended; `sum` is the check without it. `s` is
 * below 4 GiB. */
uint32_t gzip_sum_add(bool is_adler, uint32_t sum, struct str s);

void gzip_sum_init(struct gzip_sum *s, bool is_adler);

/* The next `n` bytes of the text stay as they were. */
void gzip_sum_same(struct gzip_sum *s, size_t n);

/* The next bytes of the text were `was` and are `is`: of one length, which is 1
 * to UINT_MAX. */
void gzip_sum_changed(struct gzip_sum *s, struct str was, struct str is);

/* The check of the changed text; `check` is that of the unchanged one. */
uint32_t gzip_sum_of(const struct gzip_sum *s, uint32_t check);

/* The CRC-32 of two texts joined; the second has `n` bytes. */
uint32_t gzip_sum_joined(uint32_t first, uint32_t second, uint64_t n);
