#pragma once

/*
 * The program that all files of tests are: its table, which configure writes
 * (auto/sources), and what a file can ask of it.
 */

struct unit {
    const char *file; /* from the top of the tree; NULL ends the table */
    int (*main)(void);
};

extern const struct unit units[];

/* The file's name, what stands behind it on the command line, NULL; where the
 * program was executed for one file, its own name stands before them. */
char **unit_argv(void);

/* The program's path, to execute it again as "PATH FILE [ARG…]": FILE is
 * __FILE__. */
const char *unit_program(void);
