/*
 * How a generation comes to serve, at the start and at a reload: opened, then
 * step by step (enum next_step), then committed. Until then the one before it
 * serves, and anything that fails is undone.
 */

#include "proc/master_priv.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/ledger.h"
#include "policy/policy_secret.h"
#include "proc/main_conf.h"
#include "secret/secret_store.h"

/* Seconds. For those of ROLE_ONE: the keeper has to map the vault and the
 * ticket keys. */
#define ONES_TIMEOUT 30.0
#define READY_TIMEOUT 60.0

static void
step_begin(struct master *m, enum next_step step, double seconds)
{
    m->step = step;
    m->step_deadline = seconds != 0 ? clock_mono() + seconds : 0;
}

static bool
step_is_late(const struct master *m)
{
    return m->step_deadline != 0 && clock_mono() >= m->step_deadline;
}

/* weir is ready: writes the pid file, tells whoever waits for that. */
static int
first_is_ready(struct master *m)
{
    if (pid_file_write(&m->pid_file, m->current->main->pid) != 0) {
        return -1;
    }
    notify_ready(&m->notify, getpid(), "serving");
    if (m->is_daemon) {
        daemon_leave_terminal(cycle_logs_to(m->current, STDOUT_FILENO),
            cycle_logs_to(m->current, STDERR_FILENO));
        daemon_tell(m->parent);
        m->parent = -1;
    }
    return 0;
}

/* All workers of `next` serve: it becomes the current one. */
static void
commit(struct master *m)
{
    bool is_first = m->current == NULL;
    master_hand_over(m);
    cycle_use_log(m->current);
    log_at(LOG_NOTICE, "the configuration of %.*s serves",
        STR_ARG(m->current->conf->file));
    if (is_first) {
        if (first_is_ready(m) != 0) {
            m->exit_code = 1;
            master_stop(m, STOP_FAST);
        }
        return;
    }
    for (unsigned i = 0; i < m->n_posts; i++) {
        if (m->posts[i].child != NULL) {
            master_send_logs(m, m->posts[i].child);
        }
    }
    notify_ready(&m->notify, getpid(), "serving; reloaded");
}

void
master_reload_failed(struct master *m)
{
    notify_ready(&m->notify, getpid(),
        "serving; the last reload failed, see the error log");
}

/* Ends the processes of `next`; the current cycle goes on. */
static void
undo(struct master *m, const char *why)
{
    struct cycle *c = m->next;
    AN(c != NULL);
    m->next = NULL;
    log_at(LOG_EMERG, "%s: %s", why,
        m->current != NULL ? "the old configuration goes on" : "giving up");
    c->is_undone = true;
    roster_enrol_end(&m->roster);
    cycle_retire(c);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->cycle == c && !child_is_ending(ch)) {
            child_end(ch, CHAN_QUIT, 0, STR_NONE);
        }
    }
    if (m->current != NULL) {
        master_reload_failed(m);
        return;
    }
    m->exit_code = 1;
    master_stop(m, STOP_FAST);
}

static void
undo_start(struct master *m)
{
    undo(m, m->current != NULL ? "reload" : "start");
}

/* Undoes `next`, since this role of ROLE_ONE has no process that is ready. */
static void
undo_one(struct master *m, const struct role *r)
{
    char why[128];
    snprintf(why, sizeof why, "the %s did not start", r->name);
    undo(m, why);
}

static void
undo_failed(struct master *m)
{
    if (m->failed->life == ROLE_ONE) {
        undo_one(m, m->failed);
    } else {
        undo(m, "a new worker ended before it was ready");
    }
}

static void
start_workers(struct master *m)
{
    struct cycle *c = m->next;
    c->revision = ledger_new_revision(m->ledger);
    step_begin(m, NEXT_READY, READY_TIMEOUT);
    for (unsigned i = 0; i < c->main->worker_processes; i++) {
        if (master_start_worker(m, c, i) != 0) {
            undo(m, "a worker cannot be started");
            return;
        }
    }
}

/* The keeper knows all sandboxes: publishes their certificates. */
static void
publish(struct master *m)
{
    struct sandbox_set *set = cycle_sandboxes(m->next);
    roster_assign(&m->roster);
    if (roster_publish(&m->roster, set, main_conf_ca_dir(m->next->conf)) != 0) {
        undo_start(m);
        return;
    }
    start_workers(m);
}

static void
advance_cas(struct master *m)
{
    switch (roster_state(&m->roster)) {
    case ROSTER_ASKS:
        return;
    case ROSTER_REFUSED:
        undo_start(m);
        return;
    case ROSTER_ENROLLED:
        publish(m);
    }
}

static void
advance_ones(struct master *m)
{
    if (master_ones_are_ready(m)) {
        step_begin(m, NEXT_CAS, 0);
        roster_enrol(&m->roster, cycle_sandboxes(m->next));
        master_run_roster(m);
        advance_cas(m);
        return;
    }
    for (unsigned i = 0; i < m->n_posts && step_is_late(m); i++) {
        const struct child *ch = m->posts[i].child;
        if (ch == NULL || !ch->is_ready) {
            undo_one(m, m->posts[i].role);
            return;
        }
    }
}

static void
advance_ready(struct master *m)
{
    if (m->next->n_ready == m->next->main->worker_processes) {
        commit(m);
    } else if (step_is_late(m)) {
        undo(m, "the new workers did not become ready");
    }
}

void
master_advance(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    if (m->next == NULL || m->stop != STOP_NOT) {
        return;
    }
    if (m->failed != NULL) {
        undo_failed(m);
        return;
    }
    switch (m->step) {
    case NEXT_ONES:
        advance_ones(m);
        break;
    case NEXT_CAS:
        advance_cas(m);
        break;
    case NEXT_READY:
        advance_ready(m);
    }
}

/* Counts workers that run, drain, or wait to be started again. */
static unsigned
count_workers(const struct master *m)
{
    unsigned n = 0;
    const struct list *k = m->children.next;
    for (; k != &m->children; k = k->next) {
        n += child_is_of_cycle(container_of(k, struct child, node));
    }
    const struct cycle *c = m->current;
    if (c != NULL && !c->is_drained &&
        c->n_workers < c->main->worker_processes) {
        n += c->main->worker_processes - c->n_workers;
    }
    return n;
}

/* Each worker has a row in the ledger. */
static bool
has_room(const struct master *m, const struct cycle *c)
{
    unsigned n = count_workers(m);
    if (n + c->main->worker_processes <= LEDGER_WORKERS_MAX) {
        return true;
    }
    log_at(LOG_EMERG,
        "%u workers run, those that drain included, and %u more would be too "
        "many: at most %u; a shorter worker_shutdown_timeout ends them sooner",
        n, c->main->worker_processes, LEDGER_WORKERS_MAX);
    return false;
}

/* Starts those of ROLE_ONE, only at weir's start: later an empty post waits for
 * its respawn. */
static int
start_ones(struct master *m)
{
    for (unsigned i = 0; i < m->n_posts; i++) {
        struct post *post = &m->posts[i];
        if (post->child == NULL && post->respawn.at == 0 &&
            master_start_one(m, post, m->next) != 0) {
            return -1;
        }
    }
    return 0;
}

int
master_begin(struct master *m, struct cycle *c)
{
    CHECK(m, MASTER_MAGIC);
    AZ(m->next);
    list_add_tail(&m->cycles, &c->node);
    struct secret_store *secrets = policy_secret_store(c->conf);
    if (!has_room(m, c)) {
        cycle_free(c);
        return -1;
    }
    if (secrets != NULL && secret_watch_start(secrets) < 0 && errno != 0) {
        log_errno(LOG_ALERT, errno, "secret files are not watched");
    }
    if (cycle_open(c, &m->listeners) != 0 || master_make_room(m, c) != 0) {
        cycle_free(c);
        m->wants_sweep = true;
        return -1;
    }
    m->next = c;
    m->failed = NULL;
    step_begin(m, NEXT_ONES, ONES_TIMEOUT);
    if (start_ones(m) != 0) {
        undo_start(m);
        return 0;
    }
    master_advance(m);
    return 0;
}
