#pragma once

/*
 * Numbers for the field names that weir knows: code looks a field up by its
 * number, without comparing strings.
 */

#include "base/str.h"

enum field_id {
    FIELD_OTHER, /* any name that is not listed */
    FIELD_ACCEPT,
    FIELD_ACCEPT_ENCODING,
    FIELD_ACCEPT_RANGES,
    FIELD_AGE,
    FIELD_ALLOW,
    FIELD_ALT_SVC,
    FIELD_AUTHORIZATION,
    FIELD_CACHE_CONTROL,
    FIELD_CONNECTION,
    FIELD_CONTENT_DIGEST,
    FIELD_CONTENT_ENCODING,
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_MD5,
    FIELD_CONTENT_RANGE,
    FIELD_CONTENT_TYPE,
    FIELD_COOKIE,
    FIELD_DATE,
    FIELD_DIGEST,
    FIELD_ETAG,
    FIELD_EXPECT,
    FIELD_FORWARDED,
    FIELD_HOST,
    FIELD_HTTP2_SETTINGS,
    FIELD_IF_RANGE,
    FIELD_KEEP_ALIVE,
    FIELD_LAST_MODIFIED,
    FIELD_LOCATION,
    FIELD_MAX_FORWARDS,
    FIELD_ORIGIN,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_PROXY_CONNECTION,
    FIELD_PROXY_STATUS,
    FIELD_RANGE,
    FIELD_REFERER,
    FIELD_REPR_DIGEST,
    FIELD_RETRY_AFTER,
    FIELD_SERVER,
    FIELD_SET_COOKIE,
    FIELD_TE,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_USER_AGENT,
    FIELD_VIA,
    FIELD_WWW_AUTHENTICATE,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_HTTP_METHOD,
    FIELD_X_HTTP_METHOD_OVERRIDE,
    FIELD_X_METHOD_OVERRIDE,
    FIELD_X_ORIGINAL_URL,
    FIELD_X_REWRITE_URL,
    FIELD_COUNT
};

/* Compares the whole name, in any case. `_` is not read as `-` here. */
enum field_id field_lookup(struct str name);

/* The name in its usual spelling; STR_NONE for FIELD_OTHER. */
struct str field_name(enum field_id id);

/* Compares in any case and with `_` equal to `-`, as CGI-like origins do. */
bool field_name_eq(struct str a, struct str b);
bool field_name_starts(struct str name, struct str prefix);

/* Whether `name` is a token (RFC 9110 5.6.2), which is never empty. */
bool field_name_is_valid(struct str name);

/* Whether weir alone sets a field of that name, by field_name_eq(): it routes,
 * frames the message or belongs to one connection (Host, Content-Length,
 * Connection, Proxy-…). No directive may set it. */
bool field_name_is_reserved(struct str name);

/* Whether `value` has no control byte but HTAB; obs-text (0x80 and above) is
 * allowed (RFC 9110 5.5). For values that are rendered from a template. */
bool field_value_is_valid(struct str value);
