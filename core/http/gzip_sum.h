#pragma once

/*
 * Checks of texts, and of a text of which some bytes have been changed, made
 * from the check of the text as it was: what is added up is the difference that
 * each change makes. For gzip_mask.c.
 */

#include "base/str.h"

struct gzip_sum {
    bool is_adler; /* Adler-32 (RFC 1950), else CRC-32 (RFC 1952) */
    uint32_t crc;  /* the difference at the end of the last change, ... */
    uint32_t a, b; /* ... that of either half of an Adler-32, ... */
    uint64_t gap;  /* ... and how many bytes have come since */
};

/* The check of no text, and of one and `s` behind it; `s` below 4 GiB. */
static inline uint32_t
gzip_sum_begin(bool is_adler)
{
    return is_adler;
}

uint32_t gzip_sum_add(bool is_adler, uint32_t sum, struct str s);

void gzip_sum_init(struct gzip_sum *s, bool is_adler);

/* What comes next of the text: `n` bytes that stay, or as many as before that
 * are others, at most UINT_MAX. */
void gzip_sum_same(struct gzip_sum *s, size_t n);
void gzip_sum_changed(struct gzip_sum *s, struct str was, struct str is);

/* The check of all, where `check` is that of the text as it was. */
uint32_t gzip_sum_of(const struct gzip_sum *s, uint32_t check);

/* The CRC-32 of two texts one behind the other, `n` bytes the second. */
uint32_t gzip_sum_joined(uint32_t first, uint32_t second, uint64_t n);
