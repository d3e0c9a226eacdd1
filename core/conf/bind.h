#pragma once

/*
 * Binds the tree to typed structs. Each part of weir (a room or a module)
 * brings a command table and a struct. Each block of the configuration has one
 * instance of every part's struct, which begins as a copy of its parent's. A
 * block's simple directives are bound first, then the blocks in it: so a parent
 * is complete when it is copied. There are two chains, egress > sandbox_class >
 * sandbox (who; a sandbox names its class, and starts from the class wherever
 * it stands) and egress > host|handler > location (where). Nothing is merged:
 * the nearest value holds, and a list replaces the one of the parent.
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
    CMD_LIST = 1 << 0,  /* may stand more than once in a block: the first one
                           replaces the inherited list, the others add to it */
    CMD_BLOCK = 1 << 1, /* opens a scope of context `block`; if it takes no
                           arguments, it may stand once */
    CMD_OWN = 1 << 2,   /* the field is zeroed in a child, not inherited */
    CMD_FREE = 1 << 3   /* with any number of arguments: an argument may be a
                           directive's name, which is an error elsewhere, as a
                           ";" seems to be missing */
};

struct cmd {
    const char *name;
    unsigned contexts;
    unsigned char min_args, max_args; /* max 255: any number */
    unsigned char flags;
    enum conf_context block;
    size_t offset; /* in the part's struct; by CMD_AT */
    size_t size;   /* of the field, for CMD_LIST and CMD_OWN */
    /* Binds one directive into the field; false after conf_error(). The field
     * of a list is zeroed before the first set() in a block. For a block set()
     * may be NULL; it is called before the block's directives are bound, with
     * the new scope as bind_scope() and `field` NULL. */
    bool (*set)(struct bind *b, const struct directive *d, void *field);
    const void *arg; /* for set(): bind_cmd(b)->arg */
    /* The part whose struct has the field; NULL: the part that has the
     * command. */
    const struct conf_part *part;
    /* For a block that starts from a sibling and not from the block around it:
     * returns that sibling, which becomes the parent; NULL after conf_error().
     * bind_scope() is the block around it. Blocks without a base() are bound
     * first. */
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

/* One part's share of the configuration. Tables are const and end with {0}. */
struct conf_part {
    const char *name;
    const struct cmd *cmds;
    const struct var_def *vars; /* the part's variables; NULL: none */
    const void *defaults;       /* NULL: zeroes */
    size_t size;
    /* Called for each scope after its directives and blocks are bound, and
     * after the check() of its children. 0, or -1 after conf_fail(). */
    int (*check)(struct conf *c, struct scope *s, void *part);
    bool is_left_out; /* a module that this build is without: its commands are
                         known by name, and may stand nowhere */
};

/* One block, bound. */
struct scope {
    enum conf_context context;
    const struct directive *directive; /* NULL for main */
    struct scope *parent;              /* it starts from the parent's values */
    struct scope *children, *next;     /* in file order */
    void **parts;                      /* by index of conf->parts */
    uint64_t *was_set;                 /* a bit per command of all tables */
    void *owner; /* made by set() or check(): a class, a block */
    const struct regex *captures; /* the regex that gives $1 and $NAME */
};

/* A configuration: const once it is committed. */
struct conf {
    struct arena *arena;
    const struct conf_part *const *parts;
    unsigned n_parts;
    struct scope *main;
    struct str prefix, file; /* prefix ends in '/' */
    bool is_test;            /* -t: nothing is opened for writing or bound */
    bool is_look;            /* CONF_LOOK; is_test is set, too */
    const struct cmd_table *table; /* bind.c's */
    struct tree_file *files;       /* as read, for -T */
    struct conf_warning *warnings; /* in the order found */
    unsigned n_warnings;
    char error[1024];
};

/* What a configuration is read for. CONF_SERVE: to serve by it. CONF_TEST: to
 * test it and all that it names. CONF_LOOK: to show what it says, to any user:
 * only the configuration's files are read, and what stands in place of a token,
 * a trust store, a page or a user is good for nothing but comparing. */
enum conf_use { CONF_SERVE, CONF_TEST, CONF_LOOK };

/* Reads and binds `file` (under `prefix` if it is relative). NULL with the
 * message in err; that two parts have the same command in one context is such
 * an error. `globals` are the directives of -g, or empty; they are bound first.
 * The conf lies in an arena of its own. */
struct conf *conf_bind(const struct conf_part *const *parts, unsigned n_parts,
    const char *prefix, const char *file, struct str globals, enum conf_use use,
    char *err, size_t err_size);
void conf_free(struct conf *c);

/* The scope's struct of part `i`, an index of conf->parts. */
static inline void *
scope_part(const struct scope *s, unsigned i)
{
    return s->parts[i];
}

/* The index of a part in conf->parts; it must be there. */
unsigned conf_part_index(const struct conf *c, const struct conf_part *p);

/* The first scope of `context` below main, e.g. the egress block; or NULL. */
struct scope *conf_scope(const struct conf *c, enum conf_context context);

/* The i-th file that was read, for -T: its name and its bytes, lent while the
 * conf lives; false past the last. */
bool conf_files(
    const struct conf *c, unsigned i, struct str *name, struct str *text);

/* Whether the directive stands in the block itself, and is not inherited. */
bool scope_has(const struct conf *c, const struct scope *s, const char *name);

/* For set(): the conf, the scope that is being bound, the command, and the
 * struct that has the command's field. */
struct conf *bind_conf(struct bind *b);
struct scope *bind_scope(struct bind *b);
const struct cmd *bind_cmd(struct bind *b);
void *bind_part(struct bind *b);

/* Records "MESSAGE in FILE:LINE" with the token's place (`at` may be NULL), and
 * returns false, so that set() can `return conf_error(…)`. The first error is
 * kept. If the message has the token's text and that is longer than
 * TOKEN_SHOWN_MAX, only its beginning is shown: it may be a secret put
 * inline. */
bool conf_error(struct bind *b, const struct token *at, const char *fmt, ...)
    printf_like(3, 4);

/* conf_error() for check(): returns -1. */
int conf_fail(struct conf *c, const struct token *at, const char *fmt, ...)
    printf_like(3, 4);

/* For set() or check(): warns with "MESSAGE in FILE:LINE" of what is allowed
 * but cannot be meant; the message says what to write instead. The same text is
 * kept once, and a hundred texts in all. `at` may be NULL. */
void conf_warn(struct conf *c, const struct token *at, const char *fmt, ...)
    printf_like(3, 4);

/* The i-th warning, lent while the conf lives; false past the last. */
bool conf_warning(const struct conf *c, unsigned i, struct str *text);
bool conf_has_warning(const struct conf *c, struct str text);
