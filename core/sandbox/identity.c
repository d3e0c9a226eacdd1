/*
 * Reads the credentials that clients present, and identifies in the order of
 * SPEC 4: by the listener, by the source address, by the credentials.
 */

#include "sandbox/identity.h"

#include "base/mem.h"
#include "sandbox/sandbox_set.h"

/* Reads "id:token". Neither may be empty; the token may have colons. */
static bool
read_pair(struct str pair, struct credentials *out)
{
    size_t n = str_find(pair, ':');
    struct str id = str_n(pair.p, n);
    if (n == pair.n || n + 1 == pair.n || !id_is_valid(id)) {
        return false;
    }
    out->id_n = (uint8_t)n;
    memcpy(out->id, id.p, n);
    sha256(str_skip(pair, n + 1), out->token);
    return true;
}

static bool
read_basic(struct str text, struct credentials *out)
{
    uint8_t pair[CREDENTIALS_MAX];
    size_t n;
    if (!base64_decode(text, pair, &n)) {
        return false;
    }
    bool ok = read_pair(str_n((const char *)pair, n), out);
    mem_wipe(pair, n);
    return ok;
}

/* token68 of RFC 9110 11.2. */
static bool
read_bearer(struct str text, struct credentials *out)
{
    static const char also[] = "-._~+/";
    struct str s = text;
    while (s.n != 0 && s.p[s.n - 1] == '=') {
        s.n--;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) &&
            memchr(also, c, sizeof also - 1) == NULL) {
            return false;
        }
    }
    sha256(text, out->token);
    return s.n != 0;
}

void
credentials_parse(struct str value, struct credentials *out)
{
    memset(out, 0, sizeof *out);
    if (value.p == NULL) {
        return;
    }
    out->kind = CREDENTIALS_BAD;
    if (value.n > CREDENTIALS_MAX) {
        return;
    }
    size_t n = str_find(value, ' ');
    struct str scheme = str_n(value.p, n);
    struct str rest = str_trim(str_skip(value, n));
    if (str_ieq(scheme, STR("Basic")) && read_basic(rest, out)) {
        out->kind = CREDENTIALS_BASIC;
    } else if (str_ieq(scheme, STR("Bearer")) && read_bearer(rest, out)) {
        out->kind = CREDENTIALS_BEARER;
    }
}

/* The sandbox whose credentials they are; NULL: none. */
static struct sandbox *
prove(const struct sandbox_set *set, const struct credentials *cr)
{
    switch (cr->kind) {
    case CREDENTIALS_BASIC:
        return sandbox_auth(set, str_n(cr->id, cr->id_n), cr->token);
    case CREDENTIALS_BEARER:
        return sandbox_by_token(set, cr->token);
    case CREDENTIALS_NONE:
    case CREDENTIALS_BAD:
        break;
    }
    return NULL;
}

enum identity
sandbox_identify(const struct sandbox_set *set, struct sandbox *fixed,
    const struct addr *peer, const struct credentials *cr, bool takes_tokens,
    struct sandbox **out)
{
    struct sandbox *sb = fixed != NULL ? fixed : sandbox_by_addr(set, peer);
    bool is_shown = cr != NULL && cr->kind != CREDENTIALS_NONE;
    struct sandbox *proven = is_shown ? prove(set, cr) : NULL;
    *out = NULL;
    if (sb != NULL && is_shown && proven != sb) {
        return IDENTITY_CONFLICT;
    }
    /* If no sandbox has a token, no credentials could help the client. */
    if (sb == NULL && (!takes_tokens || !sandbox_set_has_tokens(set))) {
        return IDENTITY_REFUSED;
    }
    if (sb == NULL && proven == NULL) {
        return IDENTITY_NEEDED;
    }
    *out = sb != NULL ? sb : proven;
    CHECK(*out, SANDBOX_MAGIC);
    return IDENTITY_OK;
}
