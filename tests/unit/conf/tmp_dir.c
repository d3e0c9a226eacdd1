/*
 * Directories for tests that read files.
 */

#include "tmp_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void
tmp_dir_make(struct tmp_dir *d)
{
    const char *base = getenv("TMPDIR");
    snprintf(d->path, sizeof d->path - 1, "%s/weir-conf.XXXXXX",
        base != NULL ? base : "/tmp");
    AN(mkdtemp(d->path) != NULL);
    d->path[strlen(d->path) + 1] = '\0';
    d->path[strlen(d->path)] = '/';
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void
tmp_dir_remove(struct tmp_dir *d)
{
    AZ(nftw(d->path, remove_one, 16, FTW_DEPTH | FTW_PHYS));
}

const char *
tmp_dir_path(struct tmp_dir *d, const char *file)
{
    snprintf(d->name, sizeof d->name, "%s%s", d->path, file);
    return d->name;
}

const char *
tmp_dir_write(struct tmp_dir *d, const char *file, struct str text)
{
    const char *path = tmp_dir_path(d, file);
    for (char *slash = strchr(d->name + strlen(d->path), '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    AN(f != NULL);
    AN(fwrite(text.p, 1, text.n, f) == text.n);
    AZ(fclose(f));
    return path;
}
