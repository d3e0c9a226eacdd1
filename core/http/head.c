/*
 * The fields of a head: an array in order of arrival, and for each known name
 * the place of its first field. Codecs fill it, modules change it, codecs write
 * it. Knows no wire format.
 */

#include "http/head.h"

#define SLOTS_FIRST 24 /* so many fit a block of the exchange's arena */
#define SLOTS_FRONT 2  /* kept free for head_add_first() */

void
head_init(struct head *h, struct arena *a)
{
    *h = (struct head){ .arena = a };
}

/* Whether there is room for one more field, in front or behind. */
static bool
has_room(const struct head *h, bool in_front)
{
    size_t start = h->slots != NULL ? (size_t)(h->fields - h->slots) : 0;
    AN(start + h->n <= h->cap);
    return in_front ? start != 0 : start + h->n < h->cap;
}

static void
head_index(struct head *h)
{
    unsigned start = (unsigned)(h->fields - h->slots);
    memset(h->first, 0, sizeof h->first);
    for (unsigned i = 0; i < h->n; i++) {
        uint16_t *first = &h->first[h->fields[i].id];
        *first = *first != 0 ? *first : (uint16_t)(start + i + 1);
    }
    h->first[FIELD_OTHER] = 0;
}

/* The new room depends on the number of fields, not on the old room, so that it
 * stays small when fields are added at both ends by turns. */
static void
head_grow(struct head *h, bool in_front)
{
    unsigned cap = h->n < SLOTS_FIRST / 3 ? SLOTS_FIRST : h->n * 3;
    unsigned front = in_front ? cap / 3 : SLOTS_FRONT;
    AN(cap < UINT16_MAX);
    struct field *slots = arena_alloc(h->arena, cap * sizeof *slots);
    if (h->n != 0) {
        memcpy(slots + front, h->fields, h->n * sizeof *slots);
    }
    AN(front + h->n < cap);
    h->slots = slots;
    h->cap = cap;
    h->fields = slots + front;
    head_index(h);
}

static bool
is_underscored(const struct field *f)
{
    return f->id == FIELD_OTHER && str_find(f->name, '_') != f->name.n;
}

void
head_push(struct head *h, const struct field *f)
{
    if (!has_room(h, false)) {
        head_grow(h, false);
    }
    struct field *to = &h->fields[h->n++];
    *to = *f;
    if (f->id != FIELD_OTHER && h->first[f->id] == 0) {
        h->first[f->id] = (uint16_t)(to - h->slots + 1);
    }
    h->has_underscore = h->has_underscore || is_underscored(f);
}

void
head_add(struct head *h, struct str name, struct str value)
{
    struct field f = { name, value, (uint8_t)field_lookup(name), false, false };
    head_push(h, &f);
}

void
head_add_first(struct head *h, struct str name, struct str value)
{
    struct field f = { name, value, (uint8_t)field_lookup(name), false, false };
    if (!has_room(h, true)) {
        head_grow(h, true);
    }
    h->fields--;
    h->n++;
    h->fields[0] = f;
    if (f.id != FIELD_OTHER) {
        h->first[f.id] = (uint16_t)(h->fields - h->slots + 1);
    }
    h->has_underscore = h->has_underscore || is_underscored(&f);
}

const struct field *
head_next(const struct head *h, enum field_id id, const struct field *prev)
{
    if (h->first[id] == 0) {
        return NULL;
    }
    const struct field *end = h->fields + h->n;
    const struct field *f =
        prev != NULL ? prev + 1 : &h->slots[h->first[id] - 1];
    while (f < end && f->id != id) {
        f++;
    }
    return f < end ? f : NULL;
}

struct str
head_find(const struct head *h, struct str name)
{
    for (unsigned i = 0; i < h->n; i++) {
        if (field_name_eq(h->fields[i].name, name)) {
            return h->fields[i].value;
        }
    }
    return STR_NONE;
}

bool
head_list_has(const struct head *h, enum field_id id, struct str token)
{
    for (const struct field *f = head_next(h, id, NULL); f != NULL;
         f = head_next(h, id, f)) {
        struct str rest = f->value, part;
        while (str_cut(&rest, ',', &part)) {
            part.n = str_find(part, ';');
            if (str_ieq(str_trim(part), token)) {
                return true;
            }
        }
    }
    return false;
}

/* Removes the fields that are marked is_gone; returns how many. */
static unsigned
head_compact(struct head *h)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < h->n; i++) {
        if (!h->fields[i].is_gone) {
            h->fields[kept] = h->fields[i];
            kept++;
        }
    }
    unsigned gone = h->n - kept;
    if (gone != 0) {
        h->n = kept;
        head_index(h);
    }
    return gone;
}

typedef bool (*name_test)(struct str name, struct str given);

static unsigned
remove_fields(struct head *h, name_test matches, struct str given)
{
    for (unsigned i = 0; i < h->n; i++) {
        h->fields[i].is_gone = matches(h->fields[i].name, given);
    }
    return head_compact(h);
}

static unsigned
remove_trailers(struct head *h, name_test matches, struct str given)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < h->n_trailers; i++) {
        if (!matches(h->trailers[i].name, given)) {
            h->trailers[kept] = h->trailers[i];
            kept++;
        }
    }
    unsigned gone = h->n_trailers - kept;
    h->n_trailers = kept;
    return gone;
}

/* Room in the arena for one more behind `n` items. */
static void *
arena_grow(struct arena *a, void *items, size_t n, size_t size)
{
    bool is_full = n == 0 || (n >= 8 && (n & (n - 1)) == 0);
    if (!is_full) {
        return items;
    }
    void *grown = arena_alloc(a, (n < 8 ? 8 : n * 2) * size);
    if (n != 0) {
        memcpy(grown, items, n * size);
    }
    return grown;
}

/* From now on no trailer may have that name. */
static void
head_forbid(struct head *h, struct str name, bool is_prefix)
{
    for (unsigned i = 0; i < h->n_removed; i++) {
        if (field_name_eq(h->removed[i].name, name) &&
            h->removed[i].is_prefix == is_prefix) {
            return;
        }
    }
    h->removed =
        arena_grow(h->arena, h->removed, h->n_removed, sizeof *h->removed);
    h->removed[h->n_removed++] = (struct head_removed){ name, is_prefix };
}

unsigned
head_remove(struct head *h, struct str name)
{
    enum field_id id = field_lookup(name);
    AN(name.n != 0);
    head_forbid(h, name, false);
    unsigned gone = remove_trailers(h, field_name_eq, name);
    if (id != FIELD_OTHER && !head_has(h, id) && !h->has_underscore) {
        return gone;
    }
    return gone + remove_fields(h, field_name_eq, name);
}

unsigned
head_remove_prefix(struct head *h, struct str prefix)
{
    AN(prefix.n != 0); /* every name begins with none */
    head_forbid(h, prefix, true);
    unsigned gone = remove_trailers(h, field_name_starts, prefix);
    return gone + remove_fields(h, field_name_starts, prefix);
}

void
head_remove_digests(struct head *h)
{
    static const enum field_id digests[] = { FIELD_CONTENT_DIGEST,
        FIELD_CONTENT_MD5, FIELD_DIGEST, FIELD_REPR_DIGEST };
    for (size_t i = 0; i < LEN(digests); i++) {
        head_remove(h, field_name(digests[i]));
    }
}

void
head_set(struct head *h, struct str name, struct str value)
{
    head_remove(h, name);
    head_add(h, name, value);
}

static bool
is_hop_by_hop(enum field_id id)
{
    switch (id) {
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TE:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
    case FIELD_HTTP2_SETTINGS:
        return true;
    default:
        return false;
    }
}

bool
head_is_for_all(enum field_id id)
{
    switch (id) {
    case FIELD_HOST:
    case FIELD_CONTENT_ENCODING:
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
        return true;
    default:
        return false;
    }
}

void
head_remove_hop_by_hop(struct head *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        struct field *f = &h->fields[i];
        f->is_gone = is_hop_by_hop((enum field_id)f->id) ||
                     (!head_is_for_all((enum field_id)f->id) &&
                         head_list_has(h, FIELD_CONNECTION, f->name));
    }
    head_compact(h);
}

/* Fields that may not be trailers: the recipient needs them before the body, or
 * they change what the message means (RFC 9110 6.5.1). */
static const bool is_head_only[FIELD_COUNT] = {
    [FIELD_AGE] = true,
    [FIELD_ALT_SVC] = true,
    [FIELD_AUTHORIZATION] = true,
    [FIELD_CACHE_CONTROL] = true,
    [FIELD_CONNECTION] = true,
    [FIELD_CONTENT_ENCODING] = true,
    [FIELD_CONTENT_LENGTH] = true,
    [FIELD_CONTENT_RANGE] = true,
    [FIELD_CONTENT_TYPE] = true,
    [FIELD_COOKIE] = true,
    [FIELD_DATE] = true,
    [FIELD_EXPECT] = true,
    [FIELD_FORWARDED] = true,
    [FIELD_HOST] = true,
    [FIELD_HTTP2_SETTINGS] = true,
    [FIELD_KEEP_ALIVE] = true,
    [FIELD_LOCATION] = true,
    [FIELD_MAX_FORWARDS] = true,
    [FIELD_RANGE] = true,
    [FIELD_RETRY_AFTER] = true,
    [FIELD_SET_COOKIE] = true,
    [FIELD_TE] = true,
    [FIELD_TRAILER] = true,
    [FIELD_TRANSFER_ENCODING] = true,
    [FIELD_UPGRADE] = true,
    [FIELD_WWW_AUTHENTICATE] = true,
    [FIELD_X_FORWARDED_FOR] = true,
    [FIELD_X_HTTP_METHOD] = true,
    [FIELD_X_HTTP_METHOD_OVERRIDE] = true,
    [FIELD_X_METHOD_OVERRIDE] = true,
    [FIELD_X_ORIGINAL_URL] = true,
    [FIELD_X_REWRITE_URL] = true,
};

/* The id for an origin that reads `_` as `-`. */
static enum field_id
lookup_folded(struct str name)
{
    char text[32];
    if (name.n > sizeof text) {
        return FIELD_OTHER;
    }
    for (size_t i = 0; i < name.n; i++) {
        text[i] = name.p[i] == '_' ? '-' : name.p[i];
    }
    return field_lookup(str_n(text, name.n));
}

static bool
may_trail(const struct head *h, struct str name)
{
    if (is_head_only[lookup_folded(name)] ||
        field_name_starts(name, STR("Proxy-")) ||
        field_name_starts(name, STR("If-"))) {
        return false;
    }
    for (unsigned i = 0; i < h->n_removed; i++) {
        const struct head_removed *r = &h->removed[i];
        if (r->is_prefix ? field_name_starts(name, r->name)
                         : field_name_eq(name, r->name)) {
            return false;
        }
    }
    return true;
}

bool
head_add_trailer(struct head *h, struct str name, struct str value)
{
    if (!may_trail(h, name)) {
        return false;
    }
    h->trailers =
        arena_grow(h->arena, h->trailers, h->n_trailers, sizeof *h->trailers);
    h->trailers[h->n_trailers++] = (struct field){ name, value,
        (uint8_t)field_lookup(name), false, false };
    return true;
}

bool
head_response_has_body(const struct head *h, enum method method)
{
    AN(h->status >= 100);
    bool is_bare = h->status < 200 || h->status == 204 || h->status == 304;
    bool is_tunnel = method == METHOD_CONNECT && h->status / 100 == 2;
    return !is_bare && !is_tunnel && method != METHOD_HEAD;
}

enum method
method_lookup(struct str name)
{
    static const struct {
        const char *name;
        enum method method;
    } methods[] = {
        { "GET", METHOD_GET },
        { "POST", METHOD_POST },
        { "HEAD", METHOD_HEAD },
        { "PUT", METHOD_PUT },
        { "CONNECT", METHOD_CONNECT },
        { "DELETE", METHOD_DELETE },
        { "OPTIONS", METHOD_OPTIONS },
        { "PATCH", METHOD_PATCH },
        { "TRACE", METHOD_TRACE },
    };
    for (size_t i = 0; i < LEN(methods); i++) {
        if (str_eq(name, str_of(methods[i].name))) {
            return methods[i].method;
        }
    }
    return METHOD_OTHER;
}

bool
method_is_idempotent(enum method m)
{
    switch (m) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE:
        return true;
    default:
        return false;
    }
}
