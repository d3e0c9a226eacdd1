/*
 * Reads and writes byte by byte: a placeholder may begin anywhere, and each of
 * its bytes may be encoded.
 */

#include "http/placeholder.h"

#include <string.h>

#include "base/mem.h"
#include "http/query.h"

size_t
placeholder_byte(
    enum placeholder_form form, struct str text, size_t at, unsigned char *c)
{
    AN(at < text.n);
    if (form != PLACEHOLDER_PLAIN) {
        return query_byte(text, at, c);
    }
    *c = (unsigned char)text.p[at];
    return 1;
}

size_t
placeholder_match(enum placeholder_form form, struct str text, size_t at,
    struct str placeholder)
{
    size_t start = at;
    for (size_t i = 0; i < placeholder.n; i++) {
        unsigned char c;
        if (at == text.n) {
            return 0;
        }
        at += placeholder_byte(form, text, at, &c);
        if (c != (unsigned char)placeholder.p[i]) {
            return 0;
        }
    }
    return at - start;
}

void
placeholder_put(struct placeholder_sink *to, struct str s)
{
    if (to->p != NULL) {
        memcpy(to->p + to->n, s.p, s.n);
    }
    to->n += s.n;
}

/* Bytes that a path may have unencoded, in addition to unreserved ones (RFC
 * 3986 3.3). */
static bool
is_of_path(char c)
{
    return c != '\0' && strchr("/:@!$&'()*+,;=", c) != NULL;
}

void
placeholder_put_value(
    struct placeholder_sink *to, enum placeholder_form form, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        struct str c = str_n(value.p + i, 1);
        char code[3];
        bool is_plain = form == PLACEHOLDER_PLAIN ||
                        (form == PLACEHOLDER_PATH && is_of_path(value.p[i]));
        placeholder_put(to, is_plain ? c : str_n(code, query_encode(c, code)));
        mem_wipe(code, sizeof code);
    }
}
