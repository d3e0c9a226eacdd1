#pragma once

/*
 * The forms in which echo.c knows a secret, before any escape: its bytes, or
 * the sextets that it determines where base64 began 0, 1 or 2 bytes (mod 3)
 * before it. For echo*.c alone.
 */

#include "base/str.h"

/* ANY: an escape that may be the first symbol of each. */
enum form { FORM_TEXT, FORM_BASE64, FORM_ANY = FORM_BASE64 + 3 };

/* In echo_keys.may_be: the first symbol of some form, the second, or of its
 * escape. */
enum { FIRST = 1, SECOND = 2 };

static const char echo_base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The sextets that hold bits before the secret's own are left out. */
static inline size_t
form_first_bit(unsigned form)
{
    size_t lead = (form - FORM_BASE64) * 8;
    return (lead + 5) / 6 * 6 - lead;
}

/* How many symbols of a form are the secret's wholly. */
static inline size_t
form_length(struct str secret, unsigned form)
{
    return form == FORM_TEXT ? secret.n
                             : (secret.n * 8 - form_first_bit(form)) / 6;
}

/* Six bits of the secret, symbol `i` of a form of base64; *mask: which of them
 * are its. */
static inline unsigned
form_sextet(struct str secret, unsigned form, size_t i, unsigned *mask)
{
    size_t at = form_first_bit(form) + i * 6;
    size_t byte = at / 8, bits = secret.n * 8 - at;
    unsigned word = (unsigned)(unsigned char)secret.p[byte] << 8;
    if (byte + 1 < secret.n) {
        word |= (unsigned char)secret.p[byte + 1];
    }
    *mask = bits >= 6 ? 0x3f : 0x3f & ~(0x3fu >> bits);
    return (word >> (10 - at % 8)) & 0x3f;
}

/* A whole symbol, as forms are sorted. */
static inline int
form_symbol(struct str secret, unsigned form, size_t i)
{
    unsigned mask;
    return form == FORM_TEXT ? (unsigned char)secret.p[i]
                             : (int)form_sextet(secret, form, i, &mask);
}

/* How many symbols the secret's first `n` bytes determine wholly. */
static inline size_t
form_symbols_in(size_t n, unsigned form)
{
    if (form == FORM_TEXT) {
        return n;
    }
    return n != 0 ? (n * 8 - form_first_bit(form)) / 6 : 0;
}

/* The bytes that a whole symbol may be when it is not escaped: in base64 both
 * alphabets; a form's "+" stands for a space. */
static inline void
form_bytes(struct str secret, unsigned form, size_t i, unsigned char two[2])
{
    unsigned mask;
    if (form == FORM_TEXT) {
        two[0] = (unsigned char)secret.p[i];
        two[1] = two[0] == ' ' ? '+' : two[0];
        return;
    }
    unsigned v = form_sextet(secret, form, i, &mask);
    two[0] = (unsigned char)echo_base64[v];
    two[1] = v == 62 ? '-' : v == 63 ? '_' : two[0];
}

/* What a character of base64 stands for, in either alphabet; -1: it is none. */
static inline int
form_sextet_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}
