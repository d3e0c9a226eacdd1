#pragma once

/*
 * A directory of its own for a test, with files in it.
 */

#include "base/str.h"

struct tmp_dir {
    char path[128]; /* ends in '/' */
    char name[512]; /* of the last tmp_dir_path() */
};

void tmp_dir_make(struct tmp_dir *d);
void tmp_dir_remove(struct tmp_dir *d); /* with all that lies in it */

/* The path of a file in it, until the next call. */
const char *tmp_dir_path(struct tmp_dir *d, const char *file);

/* Writes a file; directories in its name are made. Returns its path. */
const char *tmp_dir_write(struct tmp_dir *d, const char *file, struct str text);
