#pragma once

/*
 * Replaces placeholders by values in named fields of a request's body, as the
 * body streams. Bytes that may be the beginning of a placeholder are held until
 * that is decided; all others pass as they came. Called by
 * modules/substitute.c. It marks the queue that a value goes to as secret.
 *
 * From where a body is malformed it passes unchanged, unless a value was put
 * into it before: then it is an error, so that the body never becomes whole.
 */

#include "base/bufq.h"
#include "base/mem.h"
#include "http/form_scan.h"
#include "http/json_scan.h"

#define SUBSTITUTE_PLACEHOLDER_MAX 256 /* bytes */
#define SUBSTITUTE_VALUES_MAX 131072   /* bytes of all values in one body */

enum substitute_kind { SUBSTITUTE_JSON, SUBSTITUTE_FORM };

/* One placeholder in one field. */
struct substitute_rule {
    struct str
        placeholder; /* visible ASCII, SUBSTITUTE_PLACEHOLDER_MAX at most */
    const struct json_pointer *pointer; /* SUBSTITUTE_JSON */
    struct str name;                    /* SUBSTITUTE_FORM */
};

/* Gives the value for rules[rule], escaped for its place; it must live as long
 * as the substitution. False: there is no value. */
typedef bool substitute_value(void *arg, unsigned rule, struct str *value);

/* Sees the bytes of a malformed body that pass, beginning with those that were
 * held when the error was found. */
typedef void substitute_raw(void *arg, struct str bytes);

enum substitute_result {
    SUBSTITUTE_MORE,      /* all input was taken */
    SUBSTITUTE_FULL,      /* the output is full */
    SUBSTITUTE_DONE,      /* the body has ended, all output was written */
    SUBSTITUTE_MALFORMED, /* the body is malformed, and a value is in it */
    SUBSTITUTE_REFUSED,   /* substitute_value returned false */
    SUBSTITUTE_TOO_LONG   /* more than SUBSTITUTE_VALUES_MAX */
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

    /* Private to substitute.c: the end of a field's text that is held, as it
     * came (raw) and decoded (chars). */
    size_t longest; /* characters of the longest placeholder: room of `chars` */
    char *raw;
    size_t n_raw;
    char *chars;
    uint8_t *sizes; /* bytes in `raw` of each character */
    size_t n, size; /* characters in `chars`, their bytes in `raw`; behind these
                       `raw` may have the beginning of one more */
    uint32_t named; /* the fields of the held text */
    bool has_tail;  /* the text ended before the byte `tail` */
    char tail;
    bool is_bad;        /* the body is malformed */
    struct str pending; /* the rest of a value that does not fit yet */
    size_t total;       /* bytes of all values so far */
    uint8_t first[32];  /* bit set: first bytes of the placeholders */
};

/* `rules`, 1 to SCAN_FIELDS_MAX, are borrowed. Memory is allocated here in the
 * arena; the length of the placeholders bounds it. */
void substitute_init(struct substitution *f, enum substitute_kind kind,
    struct arena *a, const struct substitute_rule *rules, unsigned n);
void substitute_on_value(
    struct substitution *f, substitute_value *value, void *arg);
void substitute_on_raw(
    struct substitution *f, substitute_raw *see); /* with the same arg */

/* Moves the body from `in` to `out`, within out's limit; only the bytes that
 * were held may exceed it. `is_end`: nothing will follow `in`. An error is
 * final. */
enum substitute_result substitute_run(
    struct substitution *f, struct bufq *in, struct bufq *out, bool is_end);

/* `value` escaped for that kind of body, in the arena; p NULL: it is not UTF-8
 * and so cannot stand in JSON. */
struct str substitute_escape(
    enum substitute_kind kind, struct arena *a, struct str value);
