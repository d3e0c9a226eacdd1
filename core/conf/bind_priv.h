#pragma once

/*
 * What bind.c and value.c share: the state of a binding in progress.
 */

#include "base/map.h"
#include "conf/bind.h"

struct bind {
    struct conf *conf;
    struct scope *scope, **tail; /* where the next child scope is linked */
    const struct cmd *cmd;
    void *part;
    struct map index; /* struct entry by directive name */
    unsigned n_cmds;
};
