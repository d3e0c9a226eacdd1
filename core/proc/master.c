/*
 * The master's loop: one poll over signals, channels, secret files and
 * deadlines; what signals ask for.
 */

#include "proc/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "os/sig.h"
#include "policy/policy_secret.h"
#include "proc/listener.h"
#include "proc/main_conf.h"
#include "proc/master_priv.h"
#include "sandbox/sandbox.h"
#include "secret/secret_store.h"

/* A reload waits while another one starts or is undone, whose sockets it would
 * take over, and while a role of ROLE_ONE, the keeper say, has no process. */
static bool
may_reload(const struct master *m)
{
    bool is_free = m->next == NULL && m->stop == STOP_NOT;
    struct list *n = m->cycles.next;
    for (; n != &m->cycles && is_free; n = n->next) {
        is_free = !container_of(n, struct cycle, node)->is_undone;
    }
    return is_free && master_ones_are_ready(m);
}

static void
reload(struct master *m)
{
    m->wants_reload = false;
    notify_reloading(&m->notify);
    struct cycle *c = cycle_read(&m->options, CONF_SERVE);
    if (c != NULL) {
        cycle_warn(c, m->current);
    }
    if (c == NULL || master_begin(m, c) != 0) {
        log_at(LOG_EMERG, "reload: the old configuration goes on");
        master_reload_failed(m);
    }
}

void
master_stop(struct master *m, enum stop how)
{
    CHECK(m, MASTER_MAGIC);
    if (m->stop >= how) {
        return;
    }
    if (m->stop == STOP_NOT) {
        notify_stopping(&m->notify);
    }
    m->stop = how;
    if (how == STOP_FAST) {
        listeners_close(&m->listeners);
    } else if (m->next != NULL) {
        cycle_retire(m->next);
    }
    if (how != STOP_FAST && m->current != NULL) {
        cycle_retire(m->current);
    }
    for (struct list *n = m->children.next; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (how == STOP_FAST) {
            child_end(ch, CHAN_QUIT, 0, STR_NONE);
        } else if (child_is_of_cycle(ch)) {
            child_end(ch, CHAN_QUIT, ch->cycle->main->worker_shutdown_timeout,
                cycle_leaving(ch->cycle));
        }
    }
}

static void
reopen(struct master *m)
{
    struct list *n = m->cycles.next;
    if (m->current == NULL) {
        return;
    }
    for (; n != &m->cycles; n = n->next) {
        cycle_reopen_logs(container_of(n, struct cycle, node));
    }
    for (n = m->children.next; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        master_send_logs(m, ch);
    }
}

static void
on_signal(struct master *m, int signo)
{
    if (signo != SIGCHLD) {
        log_at(LOG_NOTICE, "signal %d (%s) received", signo, sig_name(signo));
    }
    switch (signo) {
    case SIGTERM:
    case SIGINT:
        master_stop(m, STOP_FAST);
        break;
    case SIGQUIT:
        master_stop(m, STOP_GRACEFUL);
        break;
    case SIGHUP:
        m->wants_reload = true;
        break;
    case SIGUSR1:
        reopen(m);
        break;
    case SIGUSR2:
        log_at(LOG_ERR, "a binary upgrade is not in this version");
        break;
    case SIGWINCH:
        if (m->is_daemon && m->current != NULL) {
            m->current->is_drained = true;
            master_drain(m, m->current, CHAN_QUIT);
        }
        break;
    case SIGCHLD:
        master_reap(m);
        break;
    default:
        break;
    }
}

static void
take_signals(struct master *m)
{
    int signo = sig_next(m->sig);
    while (signo != 0) {
        on_signal(m, signo);
        signo = sig_next(m->sig);
    }
}

static void
on_secret(void *arg, struct str message)
{
    master_send_secret(arg, message);
}

void
master_wait(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    unsigned n = 0;
    struct pollfd *p = xcalloc((3 + m->n_children) * sizeof *p);
    struct secret_store *store =
        m->current != NULL ? policy_secret_store(m->current->conf) : NULL;
    int secrets = store != NULL ? secret_watch_fd(store) : -1;
    p[n++] = (struct pollfd){ m->sig, POLLIN, 0 };
    p[n++] = (struct pollfd){ secrets, POLLIN, 0 };
    p[n++] = (struct pollfd){ m->notify.fd, POLLOUT, 0 };
    struct list *k = m->children.next;
    for (; k != &m->children; k = k->next) {
        const struct link *l = &container_of(k, struct child, node)->link;
        short events = link_is_waiting(l) ? POLLIN | POLLOUT : POLLIN;
        p[n++] = (struct pollfd){ l->sock, events, 0 };
    }
    AN(n == 3 + m->n_children);
    int r = poll(p, n, master_timeout(m));
    bool has_secrets = r > 0 && p[1].revents != 0;
    xfree(p);
    clock_update();
    master_flush(m);
    notify_flush(&m->notify);
    if (has_secrets) {
        secret_watch_run(store, on_secret, m);
    }
}

/* Drops the sandboxes that no configuration has any more, once the roster is
 * idle. */
static void
sweep(struct master *m)
{
    struct sandbox_set **sets = NULL;
    unsigned n_sets = 0;
    struct list *n = m->cycles.next;
    for (; n != &m->cycles; n = n->next) {
        sets = xgrow(sets, n_sets, sizeof *sets);
        sets[n_sets++] = cycle_sandboxes(container_of(n, struct cycle, node));
    }
    m->wants_sweep = false;
    roster_sweep(&m->roster, sets, n_sets, main_conf_ca_dir(m->current->conf));
    xfree(sets);
}

/* Does what had to wait until something else was done. */
static void
turn_pending(struct master *m)
{
    if (m->share_at != 0 && m->share_at <= clock_mono()) {
        master_share(m);
    }
    if (m->wants_reload && may_reload(m)) {
        reload(m);
    }
    if (m->wants_sweep && m->stop == STOP_NOT && m->current != NULL &&
        roster_is_idle(&m->roster)) {
        sweep(m);
        master_run_roster(m);
    }
}

static void
turn(struct master *m)
{
    master_wait(m);
    take_signals(m);
    if (m->wants_reap) {
        master_reap(m);
    }
    master_take_messages(m);
    master_run_roster(m);
    master_advance(m);
    master_run_deadlines(m);
    master_free_cycles(m);
    turn_pending(m);
}

static bool
master_is_over(const struct master *m)
{
    bool has_workers = false;
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        has_workers = has_workers ||
                      child_is_of_cycle(container_of(n, struct child, node));
    }
    return m->stop != STOP_NOT && !has_workers;
}

static int
run(struct master *m, struct cycle *first)
{
    if (master_begin(m, first) != 0) {
        return 1;
    }
    while (!master_is_over(m)) {
        turn(m);
    }
    return m->exit_code;
}

int
master_run(const struct cycle_options *o, const struct role *const *roles,
    struct cycle *c, int parent)
{
    struct master m = { .options = *o, .parent = parent };
    m.is_daemon = parent >= 0;
    int code = master_init(&m, roles) == 0 ? run(&m, c) : 1;
    master_end(&m);
    return code;
}
