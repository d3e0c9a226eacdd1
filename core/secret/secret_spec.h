#pragma once

/*
 * What this room needs to know of a secret: its name and where its values come
 * from. Whoever makes a spec (policy/policy_secret.c) keeps it as long as the
 * store that uses it.
 */

#include "base/str.h"

enum secret_source { SECRET_ENV, SECRET_FILE, SECRET_DIR };

struct secret_spec {
    struct str name;  /* [A-Za-z0-9_]+ */
    struct str scope; /* the class that has it; n 0: egress */
    unsigned index;   /* in the store */
    enum secret_source source;
    struct str from;    /* a variable, or the absolute path */
    bool per_sandbox;   /* SECRET_DIR: each sandbox has its own value */
    bool is_looked_for; /* in responses */
    struct str place;   /* of the directive, "FILE:LINE", for the log */
};
