/*
 * A worker's process: its role, its loop, the master's messages. The traffic
 * is proxy/'s.
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
#include "os/chan.h"
#include "os/process.h"
#include "os/sock.h"
#include "policy/policy_secret.h"
#include "proc/cycle.h"
#include "proc/listener.h"
#include "proc/main_conf.h"
#include "proxy/logfile.h"
#include "proxy/worker.h"
#include "secret/secret_store.h"

/* Unless worker_rlimit_nofile says another number; the hard limit holds. */
#define NOFILE_ENOUGH 1048576UL

/* Beside connections and what the master hands over: the loop's, the
 * resolver's, logs that are reopened. */
#define NOFILE_OWN 32

struct state {
    struct task task; /* reads the channel */
    struct watch watch;
    struct loop *loop;
    struct worker *worker;
    const struct worker_process *process;
    struct worker_socket *sockets;
    unsigned n_sockets;
    unsigned shared_conns; /* for the setup */
};

/* All of them: which ones it serves it is told. */
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

/* A connection has two descriptors, and there are others beside. */
static unsigned long
raise_nofile(const struct cycle *c)
{
    unsigned long want = c->main->worker_rlimit_nofile;
    unsigned conns = events_conf_of(c->conf)->worker_connections;
    unsigned long has = process_raise_nofile(want != 0 ? want : NOFILE_ENOUGH);
    if (has < 2UL * conns) {
        log_at(LOG_WARN,
            "%u worker_connections may need %lu descriptors, %lu are allowed",
            conns, 2UL * conns, has);
    }
    return has;
}

static unsigned
shared_conns(const struct cycle *c, unsigned long nofile, unsigned n_kept)
{
    unsigned conns = events_conf_of(c->conf)->worker_connections;
    unsigned long own = n_kept + NOFILE_OWN;
    unsigned long pairs = nofile > own + 2 ? (nofile - own) / 2 : 1;
    return pairs < conns ? (unsigned)pairs : conns;
}

static int
become(struct state *s)
{
    const struct worker_process *p = s->process;
    const struct user_conf *user = &p->cycle->main->user;
    int *keep = NULL;
    unsigned n = 0;
    int own[] = { p->chan, p->keeper, p->tickets, p->cycle->error_log };
    for (unsigned i = 0; i < LEN(own); i++) {
        keep = xgrow(keep, n, sizeof *keep);
        keep[n++] = own[i];
    }
    for (unsigned i = 0; i < s->n_sockets; i++) {
        keep = xgrow(keep, n, sizeof *keep);
        keep[n++] = s->sockets[i].fd;
    }
    unsigned n_ledger;
    const int *ledger = ledger_fds(p->ledger, &n_ledger);
    for (unsigned i = 0; i < n_ledger; i++) {
        keep = xgrow(keep, n, sizeof *keep);
        keep[n++] = ledger[i];
    }
    const struct logfile *f;
    for (unsigned i = 0; (f = logfile_nth(p->cycle->conf, i)) != NULL; i++) {
        keep = xgrow(keep, n, sizeof *keep);
        keep[n++] = f->fd;
    }
    struct process_role role = { .title = "worker process",
        .uid = user->uid,
        .gid = user->gid,
        .user = user->name.p,
        .parent = p->master,
        .keep = keep,
        .n_keep = n };
    s->shared_conns = shared_conns(p->cycle, raise_nofile(p->cycle), n);
    int r = process_become(&role);
    xfree(keep);
    return r;
}

/* The message lies in a memory file, since it is larger than the channel's. */
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

/* What it takes of the message it marks so: fd -1. */
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
    enum io r = chan_recv(s->process->chan, &m, buf);
    for (; r == IO_OK; r = chan_recv(s->process->chan, &m, buf)) {
        obey(s, &m);
        if (m.fd >= 0) {
            close(m.fd);
        }
    }
    if (r != IO_AGAIN) {
        log_at(LOG_NOTICE, "the master is gone");
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
    const struct worker_process *p = s->process;
    const struct cycle *c = p->cycle;
    struct secret_store *store = policy_secret_store(c->conf);
    struct worker_setup setup = { .conf = c->conf,
        .generation = c->generation,
        .index = p->index,
        .count = c->main->worker_processes,
        .keeper = p->keeper,
        .tickets = p->tickets,
        .ledger = p->ledger,
        .ca_dir = main_conf_ca_dir(c->conf),
        .max_conns = events_conf_of(c->conf)->worker_connections,
        .shared_conns = s->shared_conns,
        .sockets = s->sockets,
        .n_sockets = s->n_sockets,
        .on_drained = on_drained,
        .on_full = on_full,
        .arg = s };
    if (ledger_claim(p->ledger) != 0) {
        log_at(LOG_EMERG, "more than %u workers run, the draining included",
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
worker_process_run(const struct worker_process *p)
{
    struct state s = { .process = p };
    cycle_use_log(p->cycle);
    take_sockets(&s);
    if (become(&s) != 0 || sock_set_nonblocking(p->chan, true) != 0 ||
        start(&s) != 0) {
        return 1;
    }
    serve(&s);
    worker_free(s.worker);
    loop_free(s.loop);
    xfree(s.sockets);
    secret_wipe_all();
    return 0;
}
