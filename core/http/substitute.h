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

#define SUBSTITUTE_PLACEHOLDER_MAX 256 /* bytes */
#define SUBSTITUTE_VALUES_MAX 131072   /* of all that is put into one body */

enum substitute_kind { SUBSTITUTE_JSON, SUBSTITUTE_FORM };

/* One placeholder in one field. */
struct substitute_rule {
    struct str
        placeholder; /* visible ASCII, SUBSTITUTE_PLACEHOLDER_MAX at most */
    const struct json_pointer *pointer; /* SUBSTITUTE_JSON */
    struct str name;                    /* SUBSTITUTE_FORM */
};

/* The value for rules[rule], escaped for its place; it lives as long as the
 * fill. False: it cannot be had. */
typedef bool substitute_value(void *arg, unsigned rule, struct str *value);

/* More of a body that is malformed, from what was held when that showed, as it
 * passes. */
typedef void substitute_raw(void *arg, struct str bytes);

enum substitute_result {
    SUBSTITUTE_MORE,
    SUBSTITUTE_FULL, /* the output is */
    SUBSTITUTE_DONE,
    SUBSTITUTE_MALFORMED, /* the body, and a value is in it */
    SUBSTITUTE_REFUSED,   /* by substitute_value */
    SUBSTITUTE_TOO_LONG   /* SUBSTITUTE_VALUES_MAX */
};

struct substitution {
    enum substitute_kind kind;
    const struct substitute_rule *rules;
    unsigned n_rules;
    substitute_value *value;
    substitute_raw *see_raw; /* or NULL */
    void *arg;
    union {
        struct json_scan json;
        struct form_scan form;
    } scan;

    /* substitute.c's own: the end of a field's text that is not decided, as it
     * came and as characters. */
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
void substitute_init(struct substitution *f, enum substitute_kind kind,
    struct arena *a, const struct substitute_rule *rules, unsigned n);
void substitute_on_value(
    struct substitution *f, substitute_value *value, void *arg);
void substitute_on_raw(
    struct substitution *f, substitute_raw *see); /* with the same arg */

/* Takes from `in` and gives to `out` within its limit, but for what was held.
 * An error is final. */
enum substitute_result substitute_run(
    struct substitution *f, struct bufq *in, struct bufq *out, bool is_end);

/* A value as it is written in that kind of body, in the arena; p NULL: it
 * cannot be, for it is no UTF-8 (SUBSTITUTE_JSON). */
struct str substitute_escape(
    enum substitute_kind kind, struct arena *a, struct str value);
