#pragma once

/*
 * Whose a connection is (SPEC 4): a pure function of where it arrived, where
 * it comes from and what it presents. Knows nothing of heads: the caller hands
 * in the value of Proxy-Authorization.
 */

#include "base/addr.h"
#include "base/digest.h"

struct sandbox;
struct sandbox_set;

/* Longest Proxy-Authorization value that is looked at, in bytes. */
#define CREDENTIALS_MAX 1024

enum credentials_kind {
    CREDENTIALS_NONE, /* no such field */
    CREDENTIALS_BAD,  /* there is one, but malformed: proves nothing */
    CREDENTIALS_BASIC,
    CREDENTIALS_BEARER
};

/* What a client presents; holds no token, only its digest. */
struct credentials {
    enum credentials_kind kind;
    uint8_t id_n;
    char id[64]; /* of Basic */
    uint8_t token[SHA256_SIZE];
};

/* Reads a field value: Basic (RFC 7617: base64 of "id:token") or Bearer (RFC
 * 6750). p NULL: there was no field. Two fields are the caller's to refuse:
 * give STR("") then, which is BAD. */
void credentials_parse(struct str value, struct credentials *out);

enum identity {
    IDENTITY_OK,       /* *out is whose it is */
    IDENTITY_NEEDED,   /* 407; the connection stays open */
    IDENTITY_CONFLICT, /* 407, and the connection is closed */
    IDENTITY_REFUSED   /* close without a word */
};

/*
 * `fixed`: the sandbox that the connection already belongs to, or its
 * listener's; NULL: none. `takes_tokens`: a proxy listener (with a head to
 * answer); false: transparent, or no head was read yet. `cr` may be NULL:
 * none. With an identity from elsewhere, credentials that do not prove the
 * very same one are a conflict, whether they are right or wrong.
 */
enum identity sandbox_identify(const struct sandbox_set *set,
    struct sandbox *fixed, const struct addr *peer,
    const struct credentials *cr, bool takes_tokens, struct sandbox **out);
