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
    bool begins_line; /* only blanks stand before it on its line */
};

struct directive {
    struct token name;
    struct token *args;
    unsigned n_args;
    bool is_block;
    struct directive *children, *next;
};

/* A file as it was read, for -T. */
struct tree_file {
    struct str name, text; /* NUL-terminated */
    struct tree_file *next;
};

/* Reads `path` and what it includes (globs; relative to the directory of
 * `path`; at most 16 deep, 1024 files, 64 MiB in all; blocks at most 32 deep).
 * NULL with a message "… in FILE:LINE" in err; an empty tree is NULL too, and
 * err is empty then. */
struct directive *tree_read(
    struct arena *a, const char *path, char *err, size_t err_size);

/* The same, and the files in the order they were read. */
struct directive *tree_read_files(struct arena *a, const char *path,
    struct tree_file **files, char *err, size_t err_size);

/* As tree_read(), without includes, from a string (for -g and tests); `name`
 * stands in errors. It includes nothing: `include` is an error there. */
struct directive *tree_parse(struct arena *a, struct str text, const char *name,
    char *err, size_t err_size);

/* The token for an error message: at most 64 bytes of it, so that a value
 * that stands where it should not is not printed whole. */
#define TOKEN_SHOWN_MAX 64
