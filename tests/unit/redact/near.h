#pragma once

/*
 * Texts that come near to a secret without 16 bytes in a row at the end of a
 * form: every place of one wrong byte, every beginning, every short piece, in
 * every form. Nothing that is done with them may differ from what is done with
 * another secret's.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "redact/scan.h"

#ifndef NEAR_SECRET
#define NEAR_SECRET 24
#endif
#define NEAR_TEXT_MAX 16384

enum near_how {
    NEAR_RAW,
    NEAR_BASE64,
    NEAR_BASE64URL = NEAR_BASE64 + 3,
    NEAR_PERCENT,
    NEAR_JSON,
    NEAR_TWICE, /* percent-encoded twice, every third byte */
    NEAR_HOWS
};

struct near {
    size_t n;
    char text[NEAR_TEXT_MAX];
};

/* Letters and digits by chance, behind what everyone knows. */
static inline void
near_secret(char *to, size_t n)
{
    static const char all[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    for (size_t i = 0; i < n; i++) {
        to[i] = all[(unsigned)rand() % (sizeof all - 1)];
    }
    memcpy(to, "ghp_", 4);
}

/* A form, not yet escaped; its characters that are the secret's alone. */
static inline struct str
near_form(struct str secret, enum near_how how, char *room)
{
    if (how < NEAR_BASE64 || how >= NEAR_PERCENT) {
        memcpy(room, secret.p, secret.n);
        return str_n(room, secret.n);
    }
    char plain[NEAR_SECRET + 8] = "!?";
    unsigned lead = (how - NEAR_BASE64) % 3;
    memcpy(plain + lead, secret.p, secret.n);
    size_t n = base64_encode(str_n(plain, lead + secret.n), room);
    for (size_t i = 0; i < n; i++) {
        if (how >= NEAR_BASE64URL) {
            room[i] = room[i] == '+' ? '-' : room[i] == '/' ? '_' : room[i];
        }
    }
    size_t first = lead == 0 ? 0 : lead + 1;
    size_t bits = (lead + secret.n) * 8;
    return str_n(room + first, bits / 6 - first);
}

static inline void
near_put(struct near *t, struct str s, enum near_how how)
{
    AN(t->n + s.n * 6 + 2 < sizeof t->text);
    for (size_t i = 0; i < s.n; i++) {
        const char *format = "%c";
        if (how == NEAR_PERCENT) {
            format = "%%%02x";
        } else if (how == NEAR_JSON) {
            format = "\\u%04X";
        } else if (how == NEAR_TWICE && i % 3 == 0) {
            format = "%%25%02x";
        }
        t->n += (size_t)sprintf(t->text + t->n, format, s.p[i]);
    }
    t->text[t->n++] = ' ';
}

/* One byte is wrong: so that no window of the table is right. */
static inline void
near_errors(
    struct near *t, struct str secret, enum near_how how, unsigned stride)
{
    char room[NEAR_SECRET * 2 + 8];
    struct str form = near_form(secret, how, room);
    size_t step = how < NEAR_PERCENT ? 1 : 5;
    for (size_t i = form.n - 16; i + stride <= form.n; i += step) {
        char *c = &room[form.p - room + (long)i], was = *c;
        *c = was == 'x' ? 'y' : 'x';
        near_put(t, form, how);
        *c = was;
    }
}

/* All that it begins with, and all pieces of 15 bytes. */
static inline void
near_pieces(
    struct near *t, struct str secret, enum near_how how, unsigned stride)
{
    char room[NEAR_SECRET * 2 + 8];
    struct str form = near_form(secret, how, room);
    size_t step = how == NEAR_RAW ? 1 : how < NEAR_PERCENT ? 4 : 11;
    for (size_t n = 1; n + stride <= form.n; n += step) {
        near_put(t, str_n(form.p, n), how);
    }
    for (size_t i = 0; i + 15 <= form.n; i += step) {
        near_put(t, str_n(form.p + i, 15), how);
    }
}

static inline void
near_fill(struct near *t, struct str secret, enum near_how how, unsigned stride)
{
    t->n = 0;
    near_errors(t, secret, how, stride);
    near_pieces(t, secret, how, stride);
}
