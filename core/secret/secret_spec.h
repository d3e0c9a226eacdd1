#pragma once

/*
 * What the room of secrets is told of a secret: its name and where its values
 * come from. Whoever makes it (policy/policy_secret_conf.c) keeps it as long as
 * the store that was made of it.
 */

#include "base/str.h"

enum secret_source { SECRET_ENV, SECRET_FILE, SECRET_DIR };

struct secret_spec {
    struct str name;  /* [A-Za-z0-9_]+ */
    struct str scope; /* the class that has it; n 0: all of egress */
    unsigned index;   /* among all of the store, in the order given */
    enum secret_source source;
    struct str from;    /* variable, absolute path of file or directory */
    bool per_sandbox;   /* dir: one value a sandbox */
    bool is_looked_for; /* in responses */
    struct str place;   /* "FILE:LINE" that says so, for the log */
};
