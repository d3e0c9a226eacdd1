/*
 * The places that SSL_CTX_set_default_verify_paths() uses: first those that the
 * environment names.
 */

#include "net/tls_store.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"

static bool
has_entry(struct str path)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%.*s", STR_ARG(path));
    DIR *dir = opendir(name);
    bool has = false;
    if (dir == NULL) {
        return false;
    }
    for (struct dirent *e = readdir(dir); e != NULL && !has; e = readdir(dir)) {
        has = e->d_name[0] != '.';
    }
    closedir(dir);
    return has;
}

bool
tls_store_is_there(const char **file, const char **dir)
{
    const char *own_file = secure_getenv(X509_get_default_cert_file_env());
    const char *own_dir = secure_getenv(X509_get_default_cert_dir_env());
    struct stat st;
    struct str one;
    *file = own_file != NULL ? own_file : X509_get_default_cert_file();
    *dir = own_dir != NULL ? own_dir : X509_get_default_cert_dir();
    bool is_there = stat(*file, &st) == 0 && st.st_size != 0;
    struct str dirs = str_of(*dir);
    while (!is_there && str_cut(&dirs, ':', &one)) {
        is_there = has_entry(one);
    }
    return is_there;
}
