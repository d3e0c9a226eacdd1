/*
 * The master's loop: one poll over signals, channels, secret files and
 * deadlines. A new generation is `next` until all its workers are READY; only
 * then the old ones drain, and until then anything that fails is undone.
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

/* A new generation's workers must be READY in that time. */
#define START_TIMEOUT 60.0

/* A generation that serves: the pid file says so. */
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
    if (m->keeper != NULL) {
        master_send_logs(m, m->keeper);
    }
    notify_ready(&m->notify, getpid(), "serving; reloaded");
}

/* For the service manager: the end of a reload that changed nothing. */
static void
reload_failed(const struct master *m)
{
    notify_ready(&m->notify, getpid(),
        "serving; the last reload failed, see the error log");
}

/* What was started of `next` ends; what serves goes on. */
static void
undo(struct master *m, const char *why)
{
    struct cycle *c = m->next;
    m->next = NULL;
    log_at(LOG_EMERG, "%s: %s", why,
        m->current != NULL ? "the old configuration goes on" : "giving up");
    c->is_undone = true;
    cycle_retire(c);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->cycle == c && !child_is_ending(ch)) {
            child_end(ch, CHAN_QUIT, 0, STR_NONE);
        }
    }
    if (m->current != NULL) {
        reload_failed(m);
        return;
    }
    m->exit_code = 1;
    master_stop(m, STOP_FAST);
}

/* Those that run, drain, or wait to be started again. */
static unsigned
count_workers(const struct master *m)
{
    unsigned n = m->n_children - (m->keeper != NULL);
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

/* Opens, enrols and starts what was read. -1: nothing is left of it. */
static int
begin(struct master *m, struct cycle *c)
{
    list_add_tail(&m->cycles, &c->node);
    if (!has_room(m, c)) {
        cycle_free(c);
        return -1;
    }
    struct secret_store *secrets = policy_secret_store(c->conf);
    if (secrets != NULL && secret_watch_start(secrets) < 0 && errno != 0) {
        log_errno(LOG_ALERT, errno, "secret files are not watched");
    }
    if (cycle_open(c, &m->listeners) != 0) {
        cycle_free(c);
        return -1;
    }
    if (master_make_room(m, c) != 0) {
        cycle_free(c);
        return -1;
    }
    if (m->keeper == NULL &&
        (master_start_keeper(m, c) != 0 || master_await_keeper(m) != 0)) {
        cycle_free(c);
        return -1;
    }
    struct sandbox_set *set = cycle_sandboxes(c);
    if (roster_enrol(&m->roster, m->keeper->chan, set) != 0 ||
        roster_publish(&m->roster, set, main_conf_ca_dir(c->conf)) != 0) {
        cycle_free(c);
        return -1;
    }
    c->generation = ledger_generation(m->ledger);
    m->next = c;
    m->start_deadline = clock_mono() + START_TIMEOUT;
    for (unsigned i = 0; i < c->main->worker_processes; i++) {
        if (master_start_worker(m, c, i) != 0) {
            undo(m, "a worker cannot be started");
            return 0;
        }
    }
    return 0;
}

/* Not beside another that starts or is being undone, whose sockets it would
 * take over, and not without a keeper: it waits for that. */
static bool
may_reload(const struct master *m)
{
    bool is_free = m->next == NULL && m->stop == STOP_NOT;
    struct list *n = m->cycles.next;
    for (; n != &m->cycles && is_free; n = n->next) {
        is_free = !container_of(n, struct cycle, node)->is_undone;
    }
    return is_free && master_has_keeper(m);
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
    if (c == NULL || begin(m, c) != 0) {
        log_at(LOG_EMERG, "reload: the old configuration goes on");
        reload_failed(m);
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
        } else if (ch->kind == CHILD_WORKER) {
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

/* One turn's wait: signals, every child's channel, the secret files. */
static void
wait_events(struct master *m)
{
    unsigned n = 0;
    struct pollfd *p = xcalloc((2 + m->n_children) * sizeof *p);
    struct secret_store *store =
        m->current != NULL ? policy_secret_store(m->current->conf) : NULL;
    int secrets = store != NULL ? secret_watch_fd(store) : -1;
    p[n++] = (struct pollfd){ m->sig, POLLIN, 0 };
    p[n++] = (struct pollfd){ secrets, POLLIN, 0 };
    struct list *k = m->children.next;
    for (; k != &m->children; k = k->next) {
        struct child *ch = container_of(k, struct child, node);
        p[n++] = (struct pollfd){ ch->chan, POLLIN, 0 };
    }
    AN(n == 2 + m->n_children);
    int r = poll(p, n, master_timeout(m));
    bool has_secrets = r > 0 && p[1].revents != 0;
    xfree(p);
    clock_update();
    if (has_secrets) {
        secret_watch_run(store, on_secret, m);
    }
}

static void
turn(struct master *m)
{
    wait_events(m);
    take_signals(m);
    if (m->wants_reap) {
        master_reap(m);
    }
    master_take_messages(m);
    master_run_deadlines(m);
    if (m->next != NULL &&
        m->next->n_ready == m->next->main->worker_processes &&
        m->stop == STOP_NOT) {
        commit(m);
    } else if (m->next != NULL && m->stop == STOP_NOT &&
               (m->next->has_failed || clock_mono() >= m->start_deadline)) {
        undo(m, m->next->has_failed ? "a new worker ended before it was ready"
                                    : "the new workers did not become ready");
    }
    master_free_cycles(m);
    if (m->share_at != 0 && m->share_at <= clock_mono()) {
        master_share(m);
    }
    if (m->wants_reload && may_reload(m)) {
        reload(m);
    }
}

static bool
master_is_over(const struct master *m)
{
    bool has_workers = false;
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        has_workers = has_workers ||
                      container_of(n, struct child, node)->kind == CHILD_WORKER;
    }
    return m->stop != STOP_NOT && !has_workers;
}

static int
run(struct master *m, struct cycle *first)
{
    if (begin(m, first) != 0) {
        return 1;
    }
    while (!master_is_over(m)) {
        turn(m);
    }
    return m->exit_code;
}

int
master_run(const struct cycle_options *o, struct cycle *c, int parent)
{
    struct master m = { .options = *o, .parent = parent };
    m.is_daemon = parent >= 0;
    int code = master_init(&m) == 0 ? run(&m, c) : 1;
    master_end(&m);
    return code;
}
