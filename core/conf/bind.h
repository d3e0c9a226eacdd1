#pragma once

/*
 * From the tree to typed structs. Each part of weir (a room or a module)
 * brings a command table and a struct; each block gets one instance of every
 * part's struct, which starts as a copy of its finished parent's: first a
 * block's simple directives are bound, then its blocks. There are two chains,
 * egress > sandbox_class > sandbox (who; a sandbox names its class and starts
 * from that, wherever it stands) and egress > host|handler > location (where).
 * Nothing is merged: the nearest value holds, a list is replaced.
 */

#include "conf/tree.h"

enum conf_context {
    CONF_MAIN = 1 << 0,
    CONF_EVENTS = 1 << 1,
    CONF_EGRESS = 1 << 2,
    CONF_CLASS = 1 << 3,
    CONF_SANDBOX = 1 << 4,
    CONF_HOST = 1 << 5,
    CONF_HANDLER = 1 << 6,
    CONF_LOCATION = 1 << 7,
    CONF_CONTROL = 1 << 8
};

#define CONF_WHO (CONF_EGRESS | CONF_CLASS | CONF_SANDBOX)
#define CONF_WHERE (CONF_EGRESS | CONF_HOST | CONF_HANDLER | CONF_LOCATION)

struct bind;
struct conf_part;
struct var_def;

enum cmd_flag {
    CMD_LIST = 1 << 0,  /* may stand more than once; adds to its own block's,
                           replaces what was inherited at the first use */
    CMD_BLOCK = 1 << 1, /* opens a scope of context `block`; one that takes
                           no arguments may stand once */
    CMD_OWN = 1 << 2,   /* the field is zeroed in a child, not inherited */
    CMD_FREE = 1 << 3   /* of any number of arguments, of which one may be a
                           directive's name: what else they may be is told by
                           set(), or is the reader's alone */
};

struct cmd {
    const char *name;
    unsigned contexts;
    unsigned char min_args, max_args; /* max 255: any number */
    unsigned char flags;
    enum conf_context block;
    size_t offset; /* in the part's struct; by CMD_AT */
    size_t size;   /* of the field, for CMD_LIST and CMD_OWN */
    /* Binds one directive into the field; false after conf_error(). A list's
     * field is zeroed before its first use in a block. Of a block it is called
     * before the block's own directives are bound, with bind_scope() the new
     * scope and field NULL; it may be NULL there. */
    bool (*set)(struct bind *b, const struct directive *d, void *field);
    const void *arg; /* for set(): bind_cmd(b)->arg */
    /* In whose struct the field is, where it is another part's; else NULL. */
    const struct conf_part *part;
    /* Of a block that starts from a sibling and not from what it stands in:
     * that sibling, which is its parent then; bound after all that do not.
     * bind_scope() is what it stands in. NULL after conf_error(). */
    struct scope *(*base)(struct bind *b, const struct directive *d);
};

/* offsetof with a compile-time check of the field's type. */
#define CMD_AT(T, f, C) (offsetof(T, f) + 0 * sizeof(&((T *)0)->f == (C *)0))

#define CMD(NAME, CTX, MIN, MAX, T, F, C, SET)                                 \
    {                                                                          \
        .name = (NAME), .contexts = (CTX), .min_args = (MIN),                  \
        .max_args = (MAX), .offset = CMD_AT(T, F, C),                          \
        .size = sizeof(((T *)0)->F), .set = (SET)                              \
    }

/* A field of another part's struct. */
#define CMD_LENT(NAME, CTX, T, F, C, SET, PART)                                \
    {                                                                          \
        .name = (NAME), .contexts = (CTX), .min_args = 1, .max_args = 1,       \
        .offset = CMD_AT(T, F, C), .size = sizeof(((T *)0)->F), .set = (SET),  \
        .part = (PART)                                                         \
    }

#define CMD_LISTED(NAME, CTX, MIN, MAX, T, F, C, SET)                          \
    {                                                                          \
        .name = (NAME), .contexts = (CTX), .min_args = (MIN),                  \
        .max_args = (MAX), .flags = CMD_LIST, .offset = CMD_AT(T, F, C),       \
        .size = sizeof(((T *)0)->F), .set = (SET)                              \
    }

#define CMD_LISTED_FREE(NAME, CTX, MIN, MAX, T, F, C, SET)                     \
    {                                                                          \
        .name = (NAME), .contexts = (CTX), .min_args = (MIN),                  \
        .max_args = (MAX), .flags = CMD_LIST | CMD_FREE,                       \
        .offset = CMD_AT(T, F, C), .size = sizeof(((T *)0)->F), .set = (SET)   \
    }

#define CMD_OPENS(NAME, CTX, MIN, MAX, BLOCK)                                  \
    {                                                                          \
        .name = (NAME), .contexts = (CTX), .min_args = (MIN),                  \
        .max_args = (MAX), .flags = CMD_BLOCK, .block = (BLOCK)                \
    }

/* The usual one-argument commands. Types are in type.h. */
#define CMD_FLAG(NAME, CTX, T, F) CMD(NAME, CTX, 1, 1, T, F, bool, set_flag)
#define CMD_UINT(NAME, CTX, T, F) CMD(NAME, CTX, 1, 1, T, F, unsigned, set_uint)
#define CMD_BYTES(NAME, CTX, T, F)                                             \
    CMD(NAME, CTX, 1, 1, T, F, uint64_t, set_size)
#define CMD_SECONDS(NAME, CTX, T, F)                                           \
    CMD(NAME, CTX, 1, 1, T, F, double, set_time)
#define CMD_PATH(NAME, CTX, T, F)                                              \
    CMD(NAME, CTX, 1, 1, T, F, struct str, set_path)
#define CMD_VALUE(NAME, CTX, T, F)                                             \
    CMD(NAME, CTX, 1, 1, T, F, struct value *, set_value)

struct cmd_table;
struct conf;
struct conf_warning;
struct regex;
struct scope;

/* One part's share of the configuration. Const tables, ended by {0}. */
struct conf_part {
    const char *name;
    const struct cmd *cmds;
    const struct var_def *vars; /* variables it gives, {0}-ended, or NULL */
    const void *defaults;       /* NULL: zeroes */
    size_t size;
    /* Called for each scope when its whole subtree is bound, children first.
     * 0, or -1 after conf_fail(). */
    int (*check)(struct conf *c, struct scope *s, void *part);
    bool is_left_out; /* of a module that this build is without: its commands
                         are names, which may stand nowhere */
};

/* One block, bound. */
struct scope {
    enum conf_context context;
    const struct directive *directive; /* NULL for main */
    struct scope *parent;              /* whose values it starts from */
    struct scope *children, *next;     /* in file order */
    void **parts;                      /* by index of conf->parts */
    uint64_t *was_set;                 /* a bit per command of all tables */
    void *owner; /* what set() or check() made of it, e.g. a class */
    const struct regex *captures; /* of the block's name: $1, $NAME */
};

/* A configuration: const once it is committed. */
struct conf {
    struct arena *arena;
    const struct conf_part *const *parts;
    unsigned n_parts;
    struct scope *main;
    struct str prefix, file; /* prefix ends in '/' */
    bool is_test;            /* -t: open nothing for writing, bind nothing */
    bool is_look;            /* as well: nothing is read but the files */
    const struct cmd_table *table; /* bind.c's */
    struct tree_file *files;       /* as read, for -T */
    struct conf_warning *warnings; /* in the order found */
    unsigned n_warnings;
    char error[1024];
};

/* What for: to serve; to test all that is named; to look at what is written,
 * whoever asks: then no token, trust store, page or user is looked for, and
 * what stands for it is of no use but to be told from others. */
enum conf_use { CONF_SERVE, CONF_TEST, CONF_LOOK };

/* Reads and binds `file` (under `prefix` if it is relative); NULL with the
 * message in err. `globals` are the directives of -g, or empty; they come
 * first. Two parts with the same command in the same context are an error.
 * The conf lies in its own arena. */
struct conf *conf_bind(const struct conf_part *const *parts, unsigned n_parts,
    const char *prefix, const char *file, struct str globals, enum conf_use use,
    char *err, size_t err_size);
void conf_free(struct conf *c);

/* The struct of part `i` (its place in conf->parts) in a scope. */
static inline void *
scope_part(const struct scope *s, unsigned i)
{
    return s->parts[i];
}

/* The place of a part in conf->parts; dies if it is not there. */
unsigned conf_part_index(const struct conf *c, const struct conf_part *p);

/* The first scope of `context` below main, e.g. the egress block; or NULL. */
struct scope *conf_scope(const struct conf *c, enum conf_context context);

/* The i-th file that was read, for -T: its name and its bytes, lent while the
 * conf lives; false past the last. */
bool conf_files(
    const struct conf *c, unsigned i, struct str *name, struct str *text);

/* Whether the directive stands in this very block. */
bool scope_has(const struct conf *c, const struct scope *s, const char *name);

/* In set(): the conf, the scope being bound, the command, the struct that its
 * field is in. */
struct conf *bind_conf(struct bind *b);
struct scope *bind_scope(struct bind *b);
const struct cmd *bind_cmd(struct bind *b);
void *bind_part(struct bind *b);

/* Records "MESSAGE in FILE:LINE" (the token's place; `at` may be NULL) and
 * returns false, so that set() can `return conf_error(…)`. The first error
 * stays. Where the token's text stands in the message and is over 64 bytes
 * long only its beginning is shown: it may be a secret put inline. */
bool conf_error(struct bind *b, const struct token *at, const char *fmt, ...)
    printf_like(3, 4);

/* The same from check(): returns -1. `at` may be NULL. */
int conf_fail(struct conf *c, const struct token *at, const char *fmt, ...)
    printf_like(3, 4);

/* From set() or check(): notes "MESSAGE in FILE:LINE" of what is no error and
 * cannot be meant; it says what to write instead. The same text is kept once,
 * a hundred in all. `at` may be NULL. */
void conf_warn(struct conf *c, const struct token *at, const char *fmt, ...)
    printf_like(3, 4);

/* The i-th, lent while the conf lives; false past the last. */
bool conf_warning(const struct conf *c, unsigned i, struct str *text);
bool conf_has_warning(const struct conf *c, struct str text);
