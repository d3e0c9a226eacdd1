/*
 * A worker's process: the descriptors that it keeps, its loop, the master's
 * messages. proxy/ carries the traffic.
 */

#include "proc/worker_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "net/task.h"
#include "net/tcp.h"
#include "os/link.h"
#include "policy/policy_secret.h"
#include "proc/cycle.h"
#include "proc/listener.h"
#include "proc/main_conf.h"
#include "proxy/logfile.h"
#include "proxy/worker.h"
#include "secret/secret_store.h"

/* The limit, unless worker_rlimit_nofile says another number; never more than
 * the hard limit. */
#define NOFILE_ENOUGH 1048576UL

/* Descriptors that are neither connections' nor handed over by the master: the
 * loop's, the resolver's, logs that are opened again. */
#define NOFILE_OWN 32

/* Bytes of data in a message from the master, at most. */
#define MESSAGE_MAX ((size_t)1 << 20)

struct state {
    struct task task; /* reads the channel */
    struct watch watch;
    struct loop *loop;
    struct worker *worker;
    const struct role_process *process;
    struct link link; /* to the master; messages to it are not queued */
    struct worker_socket *sockets;
    unsigned n_sockets;
};

/* Takes all sockets; the master tells it which ones it serves. */
static void
take_sockets(struct state *s)
{
    const struct cycle *c = s->process->cycle;
    for (unsigned i = 0; i < c->n_listeners; i++) {
        const struct listener *l = c->listeners[i];
        for (unsigned k = 0; k < l->n; k++) {
            s->sockets = xgrow(s->sockets, s->n_sockets, sizeof *s->sockets);
            s->sockets[s->n_sockets++] =
                (struct worker_socket){ l->fds[k], i, k };
        }
    }
}

void
worker_process_keep(struct role_process *p)
{
    role_keep(p, p->tickets);
    for (unsigned i = 0; i < p->cycle->n_listeners; i++) {
        const struct listener *l = p->cycle->listeners[i];
        for (unsigned k = 0; k < l->n; k++) {
            role_keep(p, l->fds[k]);
        }
    }
    unsigned n;
    const int *ledger = ledger_fds(p->ledger, &n);
    for (unsigned i = 0; i < n; i++) {
        role_keep(p, ledger[i]);
    }
    const struct logfile *f;
    for (unsigned i = 0; (f = logfile_nth(p->cycle->conf, i)) != NULL; i++) {
        role_keep(p, f->fd);
    }
}

unsigned long
worker_process_nofile(const struct cycle *c)
{
    unsigned long want = c->main->worker_rlimit_nofile;
    return want != 0 ? want : NOFILE_ENOUGH;
}

/* How many connections there are descriptors for: two for each, after all that
 * is needed besides. */
static unsigned
shared_conns(const struct role_process *p)
{
    unsigned conns = events_conf_of(p->cycle->conf)->worker_connections;
    if (p->nofile < 2UL * conns) {
        log_at(LOG_WARN,
            "%u worker_connections may need %lu descriptors, %lu are allowed",
            conns, 2UL * conns, p->nofile);
    }
    unsigned long own = p->n_kept + NOFILE_OWN;
    unsigned long pairs = p->nofile > own + 2 ? (p->nofile - own) / 2 : 1;
    return pairs < conns ? (unsigned)pairs : conns;
}

/* The value comes in a memory file, since it may be larger than a message. */
static void
apply_secret(struct state *s, const struct chan_msg *m)
{
    size_t n = (size_t)m->number;
    struct secret_store *store = policy_secret_store(s->process->cycle->conf);
    if (m->fd < 0 || n == 0 || n > SECRET_MESSAGE_MAX) {
        PANIC("malformed CHAN_SECRET");
    }
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (p == MAP_FAILED || !secret_apply(store, str_n(p, n))) {
        PANIC("a secret cannot be taken over");
    }
    mem_wipe(p, n);
    munmap(p, n);
}

static void
set_log(struct state *s, struct chan_msg *m)
{
    if (m->number != (uint64_t)-1) {
        worker_set_log(s->worker, (unsigned)m->number, m->fd);
        m->fd = -1;
        return;
    }
    int fd = s->process->cycle->error_log;
    if (fd >= 0 && dup2(m->fd, fd) < 0) {
        log_errno(LOG_ALERT, errno, "dup2() failed");
    }
}

static void
extend_ledger(struct state *s, struct chan_msg *m)
{
    if (ledger_extend(s->process->ledger, m->number, m->fd) != 0) {
        PANIC("a segment of the ledger cannot be used");
    }
    log_at(LOG_INFO, "the ledger has %u segments",
        ledger_segments(s->process->ledger));
    m->fd = -1;
}

/* If it takes the message's fd, it sets that to -1. */
static void
obey(struct state *s, struct chan_msg *m)
{
    switch (m->type) {
    case CHAN_QUIT:
    case CHAN_DRAIN:
        if (m->number == 0) {
            loop_stop(s->loop);
            return;
        }
        worker_quit(s->worker, clock_mono() + (double)m->number,
            m->type == CHAN_QUIT, m->data);
        return;
    case CHAN_SERVE:
        worker_serve(s->worker, m->data);
        return;
    case CHAN_KEEPER:
        worker_keeper_changed(s->worker);
        return;
    case CHAN_LOG:
        set_log(s, m);
        return;
    case CHAN_SECRET:
        apply_secret(s, m);
        return;
    case CHAN_SEGMENT:
        extend_ledger(s, m);
        return;
    default:
        PANIC("a message that is not for a worker");
    }
}

static const struct step *
run_channel(struct task *t)
{
    struct state *s = container_of(t, struct state, task);
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    enum io r = link_recv(&s->link, &m, buf);
    for (; r == IO_OK; r = link_recv(&s->link, &m, buf)) {
        obey(s, &m);
        if (m.fd >= 0) {
            close(m.fd);
        }
    }
    if (r != IO_AGAIN) {
        log_at(LOG_NOTICE, "the master has ended");
        loop_stop(s->loop);
        watch_set(&s->watch, 0);
    }
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_channel = { "worker: channel", run_channel };

static void
on_message(struct watch *w, int events)
{
    (void)events;
    task_wake(&container_of(w, struct state, watch)->task);
}

static void
on_drained(void *arg)
{
    loop_stop(((struct state *)arg)->loop);
}

static bool
on_full(void *arg, bool is_full)
{
    const struct state *s = arg;
    struct chan_msg m = { .type = CHAN_FULL, .number = is_full, .fd = -1 };
    return chan_send(s->process->chan, &m) == IO_OK;
}

static int
start(struct state *s)
{
    const struct role_process *p = s->process;
    const struct cycle *c = p->cycle;
    struct secret_store *store = policy_secret_store(c->conf);
    struct worker_setup setup = { .conf = c->conf,
        .revision = c->revision,
        .index = p->index,
        .count = c->main->worker_processes,
        .keeper = p->links[0],
        .tickets = p->tickets,
        .ledger = p->ledger,
        .ca_dir = main_conf_ca_dir(c->conf),
        .max_conns = events_conf_of(c->conf)->worker_connections,
        .shared_conns = shared_conns(p),
        .sockets = s->sockets,
        .n_sockets = s->n_sockets,
        .on_drained = on_drained,
        .on_full = on_full,
        .arg = s };
    if (ledger_claim(p->ledger) != 0) {
        log_at(LOG_EMERG, "more than %u workers run, counting those that drain",
            LEDGER_WORKERS_MAX);
        return -1;
    }
    if (store != NULL) {
        secret_store_after_fork(store);
    }
    tcp_set_one_byte(c->main->debug_one_byte);
    clock_update();
    setup.loop = s->loop = loop_new();
    s->worker = worker_new(&setup);
    return s->worker != NULL ? 0 : -1;
}

static void
serve(struct state *s)
{
    struct chan_msg ready = { .type = CHAN_READY, .fd = -1 };
    int chan = s->process->chan;
    task_init(&s->task, s->loop, &step_channel, NULL);
    watch_init(&s->watch, s->loop, chan, on_message);
    watch_set(&s->watch, WATCH_READ);
    if (s->process->cycle->main->debug_stop_workers) {
        raise(SIGSTOP);
    }
    if (chan_send(chan, &ready) == IO_OK) {
        loop_run(s->loop);
    }
    watch_set(&s->watch, 0);
    task_fini(&s->task);
}

int
worker_process_run(struct role_process *p)
{
    struct state s = { .process = p };
    link_init(&s.link, p->chan, MESSAGE_MAX);
    take_sockets(&s);
    if (start(&s) != 0) {
        return 1;
    }
    serve(&s);
    worker_free(s.worker);
    loop_free(s.loop);
    link_close(&s.link);
    xfree(s.sockets);
    secret_wipe_all();
    return 0;
}
