/*
 * Parses RFC 6901's syntax; for configurations only, never for what a peer
 * sent.
 */

#include "http/json_pointer.h"

static bool
take_token(struct str part, struct arena *a, struct str *token)
{
    char *to = arena_alloc(a, part.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < part.n; i++) {
        char c = part.p[i];
        if (c == '~') {
            i++;
            if (i == part.n || (part.p[i] != '0' && part.p[i] != '1')) {
                return false;
            }
            c = part.p[i] == '0' ? '~' : '/';
        }
        to[n++] = c;
    }
    AN(n <= part.n);
    *token = str_n(to, n);
    return true;
}

bool
json_pointer_parse(struct str s, struct arena *a, struct json_pointer *p)
{
    struct str part;
    p->n = 0;
    if (s.n > JSON_POINTER_MAX || !str_starts(s, STR("/"))) {
        return false;
    }
    s = str_skip(s, 1);
    while (str_cut(&s, '/', &part)) {
        if (p->n == JSON_TOKENS_MAX || !take_token(part, a, &p->tokens[p->n])) {
            return false;
        }
        p->n++;
    }
    return p->n != 0;
}
