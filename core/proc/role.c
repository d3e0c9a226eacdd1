/*
 * weir's own roles. What their processes do is keeper/ and worker_process.c.
 */

#include "proc/role.h"

#include "base/mem.h"
#include "keeper/keeper.h"
#include "proc/main_conf.h"
#include "proc/master_priv.h"
#include "proc/worker_process.h"

void
role_keep(struct role_process *p, int fd)
{
    p->kept = xgrow(p->kept, p->n_kept, sizeof *p->kept);
    p->kept[p->n_kept++] = fd;
}

static void
keeper_keep(struct role_process *p)
{
    role_keep(p, p->tickets);
    for (unsigned i = 0; i < p->vault->n; i++) {
        role_keep(p, p->vault->fds[i]);
    }
}

static int
keeper_process_run(struct role_process *p)
{
    struct keeper_args args = {
        .master = p->chan, .vault = p->vault, .tickets = p->tickets
    };
    return keeper_run(&args);
}

/* An answer out of turn ends its channel: no later one could be trusted. */
static void
on_keeper_message(struct master *m, struct child *ch, struct chan_msg *msg)
{
    if (roster_answer(&m->roster, msg) != 0) {
        child_hung_up(ch);
        roster_keeper_lost(&m->roster);
    }
}

const struct role role_keeper = {
    .name = "keeper process",
    .life = ROLE_ONE,
    .user = offsetof(struct main_conf, keeper_user),
    .message_max = CHAN_DATA_MAX,
    .keep = keeper_keep,
    .run = keeper_process_run,
    .on_message = on_keeper_message,
};

static void
on_worker_message(struct master *m, struct child *ch, struct chan_msg *msg)
{
    if (msg->type == CHAN_FULL) {
        ch->is_full = msg->number != 0;
        master_share_soon(m, ch->cycle);
    }
}

const struct role role_worker = {
    .name = "worker process",
    .life = ROLE_OF_CYCLE,
    .user = offsetof(struct main_conf, user),
    .has_secrets = true,
    .has_ledger = true,
    .message_max = CHAN_DATA_MAX,
    .links = { { &role_keeper, CHAN_WORKER, CHAN_KEEPER } },
    .keep = worker_process_keep,
    .nofile = worker_process_nofile,
    .run = worker_process_run,
    .on_message = on_worker_message,
};

const struct role *const role_table[] = { &role_keeper, &role_worker, NULL };
