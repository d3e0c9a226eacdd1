#pragma once

/*
 * What bind.c and value.c share: the state of a binding in progress.
 */

#include "conf/bind.h"

/* A command with the part that has it and the one whose struct it fills, and
 * its number among all for was_set. */
struct cmd_ref {
    struct str name;
    const struct cmd *cmd;
    unsigned owner, part, bit;
};

struct bind {
    struct conf *conf;
    struct scope *scope;
    const struct cmd_ref *ref; /* what is being bound */
};
