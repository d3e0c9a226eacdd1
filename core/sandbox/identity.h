#pragma once

/*
 * Says to which sandbox a connection belongs (SPEC 4), from the listener where
 * it arrived, the address that it comes from and the credentials that it
 * presents. Pure; knows no heads: the caller gives the value of
 * Proxy-Authorization.
 */

#include "base/addr.h"
#include "base/digest.h"

struct sandbox;
struct sandbox_set;

/* A longer value of Proxy-Authorization, in bytes, is CREDENTIALS_BAD. */
#define CREDENTIALS_MAX 1024

enum credentials_kind {
    CREDENTIALS_NONE, /* there is no such field */
    CREDENTIALS_BAD,  /* the field is malformed: it proves nothing */
    CREDENTIALS_BASIC,
    CREDENTIALS_BEARER
};

/* What a client presents. It has the token's digest, not the token. */
struct credentials {
    enum credentials_kind kind;
    uint8_t id_n;
    char id[64]; /* for Basic */
    uint8_t token[SHA256_SIZE];
};

/* Reads the value of a field: Basic (RFC 7617: base64 of "id:token") or Bearer
 * (RFC 6750). p NULL: there is no field. For two fields the caller gives
 * STR(""), which is BAD. */
void credentials_parse(struct str value, struct credentials *out);

enum identity {
    IDENTITY_OK,       /* it belongs to *out */
    IDENTITY_NEEDED,   /* answer 407; the connection stays open */
    IDENTITY_CONFLICT, /* answer 407 and close the connection */
    IDENTITY_REFUSED   /* close without an answer */
};

/*
 * `fixed`: the sandbox to which the connection, or its listener, already
 * belongs; NULL: none. `takes_tokens`: it is a proxy listener and there is a
 * head to be answered; false: the listener is transparent, or no head was read
 * yet. `cr` NULL: no credentials. If the sandbox is known in another way,
 * credentials must prove that one: all others, right or wrong, are a conflict.
 */
enum identity sandbox_identify(const struct sandbox_set *set,
    struct sandbox *fixed, const struct addr *peer,
    const struct credentials *cr, bool takes_tokens, struct sandbox **out);
