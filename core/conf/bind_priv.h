#pragma once

/*
 * What bind.c and value.c share: the state of a binding in progress.
 */

#include "conf/bind.h"

/* A command; the indices of the part that has it (`owner`) and of the part
 * whose struct it fills; and its bit in scope.was_set. */
struct cmd_ref {
    struct str name;
    const struct cmd *cmd;
    unsigned owner, part, bit;
};

struct bind {
    struct conf *conf;
    struct scope *scope;
    const struct cmd_ref *ref; /* the command that is being bound */
};
