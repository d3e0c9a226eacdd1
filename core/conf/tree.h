#pragma once

/*
 * The configuration as it is written: a tree of directives with their places,
 * in which each `include` is replaced by what it names. All of it lies in the
 * arena that is given to tree_read().
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
 * NULL with a message "… in FILE:LINE" in err. An empty tree is NULL, too; then
 * err is empty. */
struct directive *tree_read(
    struct arena *a, const char *path, char *err, size_t err_size);

/* The same; *files are the files in the order in which they were read. */
struct directive *tree_read_files(struct arena *a, const char *path,
    struct tree_file **files, char *err, size_t err_size);

/* The tree of a string, for -g and for tests. `name` stands in errors in place
 * of a file; `include` is an error. */
struct directive *tree_parse(struct arena *a, struct str text, const char *name,
    char *err, size_t err_size);

/* An error message shows at most so many bytes of a token: a secret that stands
 * in the wrong place is not printed whole. */
#define TOKEN_SHOWN_MAX 64
