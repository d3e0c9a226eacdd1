#pragma once

/*
 * The head of a request or response, of any HTTP version. Codecs fill it and
 * write it, modules change it. Its strings are slices of memory that the head's
 * arena owns, or something that lives longer.
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
    bool is_raw;  /* it was read as "name: value\r\n" in one piece of memory */
    bool is_gone; /* private to head.c */
};

/* A name, or a prefix of names, that no trailer may have. */
struct head_removed {
    struct str name;
    bool is_prefix;
};

struct head {
    struct arena *arena;
    struct field *fields; /* in order; add and remove by head_*() only; a value
                             may be replaced in place */
    unsigned n;

    /* a request */
    struct str method;
    enum method method_id;
    enum target_form form;
    struct str scheme; /* of an absolute form: "http", "https"; else empty */
    struct authority authority; /* the target's, else Host's; HOST_NONE: a 1.0
                                   request has neither */
    struct str path; /* with the query, as received, or "*"; empty: CONNECT. If
                        the head is refused: the target, for the log */

    /* a response */
    unsigned status;
    struct str reason;

    /* both */
    unsigned minor; /* HTTP/1.minor */
    enum body_kind body;
    uint64_t length;       /* with BODY_LENGTH: bytes */
    bool keep_alive;       /* the sender lets the connection persist */
    bool expects_continue; /* Expect: 100-continue */
    bool accepts_trailers; /* TE: trailers */
    enum upgrade upgrade;  /* in Upgrade, and named by Connection */

    struct field *trailers; /* filled when the body has ended */
    unsigned n_trailers;

    /* private to head.c */
    struct field *slots;
    unsigned cap, cap_trailers;
    uint16_t first[FIELD_COUNT]; /* 1 + slot of the first field of each id; 0:
                                    none */
    bool has_underscore;         /* some name has `_` */
    struct head_removed *removed;
    unsigned n_removed;
};

/* Makes `h` empty; what is added is allocated in `a`. */
void head_init(struct head *h, struct arena *a);

/* The value of the first field of that id; p NULL: there is none. */
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

/* The same by name, compared by field_name_eq(): "user_agent" finds User-Agent.
 */
struct str head_find(const struct head *h, struct str name);

/* The next field of that id behind `prev`; the first if `prev` is NULL; NULL:
 * no more. The head may not change meanwhile. */
const struct field *head_next(
    const struct head *h, enum field_id id, const struct field *prev);

/* Whether `token`, in any case, is a member of the comma-separated list in the
 * fields of that id. Parameters are ignored. */
bool head_list_has(const struct head *h, enum field_id id, struct str token);

/* Adds a field, as the last or as the first. Name and value are borrowed: they
 * must live as long as the arena, and be valid (field_name_is_valid,
 * field_value_is_valid), since writers PANIC on a control byte. */
void head_add(struct head *h, struct str name, struct str value);
void head_add_first(struct head *h, struct str name, struct str value);

/* The same for codecs: `f` has its id, and its name and value were checked. */
void head_push(struct head *h, const struct field *f);

/* Removes all fields of that name (field_name_eq), and the trailers of that
 * name, those that are still to come too; returns how many were there. `name`
 * must live as long as the head. */
unsigned head_remove(struct head *h, struct str name);
unsigned head_remove_prefix(struct head *h, struct str prefix);

/* The same for the fields that carry a digest of the body: Content-Digest,
 * Content-MD5, Digest, Repr-Digest. */
void head_remove_digests(struct head *h);

/* head_remove(), then head_add(). */
void head_set(struct head *h, struct str name, struct str value);

/* Whether the field is for all recipients, so that Connection may not name it:
 * Host, Content-Encoding, Content-Length, Transfer-Encoding. */
bool head_is_for_all(enum field_id id);

/* Removes the fields that are for this connection only (RFC 9110 7.6.1):
 * Connection and the fields that it names (except head_is_for_all()),
 * Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Upgrade, HTTP2-Settings.
 * weir adds its own fields after this call, so no client can remove them by
 * naming them. */
void head_remove_hop_by_hop(struct head *h);

/* Adds a trailer and returns true. Returns false if no trailer may have that
 * name (framing, routing, credentials, controls: RFC 9110 6.5.1), or if
 * head_remove() was called for it. */
bool head_add_trailer(struct head *h, struct str name, struct str value);

/* Whether the response `h` to a request of that method has a body. Responses
 * to HEAD, 1xx, 204, 304 and 2xx to CONNECT have none (RFC 9110 6.4.1). */
bool head_response_has_body(const struct head *h, enum method method);

/* Compares in one case: methods are case-sensitive (RFC 9110 9.1). */
enum method method_lookup(struct str name);
bool method_is_idempotent(enum method m);
