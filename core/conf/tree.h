#pragma once

/*
 * The configuration as written: directives with their places, `include`
 * already followed. Everything lies in the arena given to tree_read().
 */

#include "base/mem.h"

struct token {
    struct str text; /* unquoted, escapes resolved; NUL-terminated */
    const char *file;
    unsigned line, column;
    bool is_quoted;
};

struct directive {
    struct token name;
    struct token *args;
    unsigned n_args;
    bool is_block;
    struct directive *children, *next;
};

/* Reads `path` and what it includes (globs; relative to the directory of
 * `path`; at most 16 deep, 1024 files, 64 MiB in all). NULL with a message
 * "… in FILE:LINE" in err. */
struct directive *tree_read(struct arena *a, const char *path, char *err,
    size_t err_size);

/* As tree_read() from a string (for -g and tests); `name` stands in errors. */
struct directive *tree_parse(struct arena *a, struct str text,
    const char *name, char *err, size_t err_size);
