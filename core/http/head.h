#pragma once

/*
 * A request's or response's head, whatever the HTTP version: what codecs fill
 * and modules change. Everything in it slices into memory that the head's
 * arena, or something that lives longer, owns.
 */

#include "http/field.h"
#include "http/url.h"

enum method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_CONNECT,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_PATCH
};

/* RFC 9112 3.2. */
enum target_form {
    TARGET_ORIGIN,
    TARGET_ABSOLUTE,
    TARGET_AUTHORITY,
    TARGET_ASTERISK
};

/* How a body ends (RFC 9112 6.3). */
enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

enum upgrade { UPGRADE_NONE, UPGRADE_WEBSOCKET, UPGRADE_OTHER };

struct field {
    struct str name, value; /* as received; value without OWS around it */
    uint8_t id;             /* enum field_id */
    bool is_raw;  /* was read as "name: value\r\n" in one piece of memory */
    bool is_gone; /* head.c's own */
};

/* A name that may not return as a trailer. */
struct head_removed {
    struct str name;
    bool is_prefix;
};

struct head {
    struct arena *arena;
    struct field *fields; /* in order; change them by head_*() only, but for
                             the value of a field that stays */
    unsigned n;

    /* a request */
    struct str method;
    enum method method_id;
    enum target_form form;
    struct str scheme; /* "http", "https" of an absolute form; else empty */
    struct authority authority; /* of the target, else of Host; HOST_NONE
                                   in a 1.0 request without either */
    struct str path; /* with the query, as received; "*"; empty: CONNECT. Of a
                        head that is refused, the target, for the log */

    /* a response */
    unsigned status;
    struct str reason;

    /* both */
    unsigned minor; /* HTTP/1.minor */
    enum body_kind body;
    uint64_t length;       /* of BODY_LENGTH */
    bool keep_alive;       /* the sender means to go on with the connection */
    bool expects_continue; /* Expect: 100-continue */
    bool accepts_trailers; /* TE: trailers */
    enum upgrade upgrade;  /* asked for, and nominated by Connection */

    struct field *trailers; /* filled when the body has ended */
    unsigned n_trailers;

    /* head.c's own */
    struct field *slots;
    unsigned cap, cap_trailers;
    uint16_t first[FIELD_COUNT]; /* slot + 1 of the first with that id */
    bool has_underscore;         /* in some field's name */
    struct head_removed *removed;
    unsigned n_removed;
};

/* Empties; `a` owns what is added. */
void head_init(struct head *h, struct arena *a);

/* The value of the first field of that name; p NULL if there is none. */
static inline struct str
head_get(const struct head *h, enum field_id id)
{
    unsigned at = h->first[id];
    return at != 0 ? h->slots[at - 1].value : STR_NONE;
}

static inline bool
head_has(const struct head *h, enum field_id id)
{
    return h->first[id] != 0;
}

/* By name, as field_name_eq(): "user_agent" finds User-Agent. */
struct str head_find(const struct head *h, struct str name);

/* Walks fields of one name; `prev` NULL starts. The head may not change
 * meanwhile. For lists that stand on several lines. */
const struct field *head_next(
    const struct head *h, enum field_id id, const struct field *prev);

/* Whether a member of the comma-separated lists of that field is `token`, in
 * any case; parameters are not looked at. */
bool head_list_has(const struct head *h, enum field_id id, struct str token);

/* Name and value are borrowed: they live as long as the arena. They must be
 * valid (field_name_is_valid, field_value_is_valid): writers PANIC on control
 * bytes. */
void head_add(struct head *h, struct str name, struct str value);
void head_add_first(struct head *h, struct str name, struct str value);

/* For codecs: the id is known and name and value are checked. */
void head_push(struct head *h, const struct field *f);

/* Removes all of that name (field_name_eq), trailers that came or will come
 * included; returns how many were there. `name` lives as long as the head. */
unsigned head_remove(struct head *h, struct str name);
unsigned head_remove_prefix(struct head *h, struct str prefix);

/* The same for all fields that say a body's digest: Content-Digest,
 * Content-MD5, Digest, Repr-Digest. */
void head_remove_digests(struct head *h);

/* head_remove(), then head_add(). */
void head_set(struct head *h, struct str name, struct str value);

/* Host, and what says how a body is read: no Connection nominates them. */
bool head_is_for_all(enum field_id id);

/* Removes what is for this connection only: Connection and the fields that it
 * nominates (but those), Keep-Alive, Proxy-Connection, TE, Transfer-Encoding,
 * Upgrade, HTTP2-Settings (RFC 9110 7.6.1). What weir wants sent it adds
 * afterwards, so no client can nominate that away. */
void head_remove_hop_by_hop(struct head *h);

/* Adds a trailer unless a trailer may not carry that name (framing, routing,
 * credentials, controls: RFC 9110 6.5.1) or head_remove() took it. Returns
 * whether it was added. */
bool head_add_trailer(struct head *h, struct str name, struct str value);

/* Whether the response `h` to a request of that method has a body: not to
 * HEAD, not 1xx, 204, 304, not 2xx to CONNECT (RFC 9110 6.4.1). */
bool head_response_has_body(const struct head *h, enum method method);

/* Methods are case-sensitive (RFC 9110 9.1). */
enum method method_lookup(struct str name);
bool method_is_idempotent(enum method m);
