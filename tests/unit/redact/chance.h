#pragma once

/*
 * Texts that chance makes: a secret in any form, and noise that looks like it.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/str.h"

static inline unsigned
chance(unsigned n)
{
    return (unsigned)rand() % n;
}

static inline char
any_token(void)
{
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                              "WXYZ0123456789+/-_.~";
    return all[chance(sizeof all - 1)];
}

/* One byte as itself, percent-encoded or JSON-escaped. */
static inline size_t
put_byte(char *to, unsigned char c, unsigned how)
{
    static const char *const formats[] = { "%%%02x", "%%%02X", "\\u%04x",
        "\\u%04X", "\\x%02x" };
    if (how < LEN(formats)) {
        return (size_t)snprintf(to, 8, formats[how], c);
    }
    to[0] = (char)c;
    return 1;
}

/* The bytes with some escaped; where nothing else is, `\` and `%` are. */
static inline size_t
put_escaped(char *to, struct str s)
{
    size_t n = 0;
    unsigned how = chance(5), often = 1 + chance(6);
    for (size_t i = 0; i < s.n; i++) {
        bool is_one = chance(often) == 0 || s.p[i] == '%' || s.p[i] == '\\';
        n += put_byte(to + n, (unsigned char)s.p[i], is_one ? how : 9);
    }
    return n;
}

/* The secret in a form that chance chooses. */
static inline size_t
put_form(char *to, struct str secret)
{
    static char plain[2048], text[2][8192];
    struct str from = secret;
    unsigned lead = chance(4), depth = chance(4);
    if (lead < 3) {
        memset(plain, 'a' + (int)chance(26), sizeof plain);
        memcpy(plain + lead, secret.p, secret.n);
        size_t n = lead + secret.n + chance(3);
        bool is_url = chance(2) != 0;
        from = str_n(text[0], base64_encode(str_n(plain, n), text[0]));
        for (size_t i = 0; is_url && i < from.n; i++) {
            char *c = &text[0][i];
            *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
        }
    }
    for (unsigned i = 0; i < depth && from.n < 900; i++) {
        char *room = text[(i + 1) % 2];
        from = str_n(room, put_escaped(room, from));
    }
    memcpy(to, from.p, from.n);
    return from.n;
}

/* Noise that looks like the secret, and like escapes. */
static inline size_t
put_noise(char *to, struct str secret)
{
    static const char own[] = "%\\u0+=-/ab 2D25\n\"";
    size_t n = chance(2) != 0 ? chance(12) : chance(90);
    for (size_t i = 0; i < n; i++) {
        to[i] = chance(2) != 0 ? secret.p[chance((unsigned)secret.n)]
                               : own[chance(sizeof own - 1)];
    }
    return n;
}
