#pragma once

/*
 * Puts values in the place of placeholders, in the fields of a request's body
 * that are named and nowhere else, as the body streams. What a placeholder may
 * begin with is held until it is decided; all other bytes pass as they came.
 * Called by modules/substitute.c; knows nothing of secrets but that it marks
 * the queue that one goes into.
 *
 * A body that breaks its grammar passes unchanged from there, unless a value
 * was put into it before: then it cannot go on, and never becomes whole.
 */

#include "base/bufq.h"
#include "base/mem.h"
#include "http/form_scan.h"
#include "http/json_scan.h"

#define FILL_PLACEHOLDER_MAX 256 /* bytes */
#define FILL_VALUES_MAX 131072   /* of all that is put into one body */

enum fill_kind { FILL_JSON, FILL_FORM };

/* One placeholder in one field. */
struct fill_rule {
    struct str placeholder; /* visible ASCII, FILL_PLACEHOLDER_MAX at most */
    const struct json_pointer *pointer; /* FILL_JSON */
    struct str name;                    /* FILL_FORM */
};

/* The value for rules[rule], escaped for its place; it lives as long as the
 * fill. False: it cannot be had. */
typedef bool fill_value(void *arg, unsigned rule, struct str *value);

/* More of a body that is malformed, from what was held when that showed, as it
 * passes. */
typedef void fill_raw(void *arg, struct str bytes);

enum fill_result {
    FILL_MORE,
    FILL_FULL, /* the output is */
    FILL_DONE,
    FILL_MALFORMED, /* the body, and a value is in it */
    FILL_REFUSED,   /* by fill_value */
    FILL_TOO_LONG   /* FILL_VALUES_MAX */
};

struct fill {
    enum fill_kind kind;
    const struct fill_rule *rules;
    unsigned n_rules;
    fill_value *value;
    fill_raw *see_raw; /* or NULL */
    void *arg;
    union {
        struct json_scan json;
        struct form_scan form;
    } scan;

    /* fill.c's own: the end of a field's text that is not decided, as it came
     * and as characters. */
    size_t longest; /* of the placeholders: room for its characters */
    char *raw;
    size_t n_raw;
    char *chars;
    uint8_t *sizes; /* of each in `raw` */
    size_t n, size; /* characters, and bytes of them in `raw`: what is behind
                       is of one that goes on */
    uint32_t named;
    bool has_tail; /* the text has ended, before ... */
    char tail;     /* ... this byte */
    bool is_bad;
    struct str pending; /* what is left of a value */
    size_t total;       /* of values put in */
    uint8_t first[32];  /* bit set: what placeholders begin with */
};

/* The rules (1 to SCAN_FIELDS_MAX) are borrowed; memory is the arena's, its
 * size given by the placeholders. */
void fill_init(struct fill *f, enum fill_kind kind, struct arena *a,
    const struct fill_rule *rules, unsigned n);
void fill_on_value(struct fill *f, fill_value *value, void *arg);
void fill_on_raw(struct fill *f, fill_raw *see); /* with the same arg */

/* Takes from `in` and gives to `out` within its limit, but for what was held.
 * An error is final. */
enum fill_result fill_run(
    struct fill *f, struct bufq *in, struct bufq *out, bool is_end);

/* A value as it is written in that kind of body, in the arena; p NULL: it
 * cannot be, for it is no UTF-8 (FILL_JSON). */
struct str fill_escape(enum fill_kind kind, struct arena *a, struct str value);
