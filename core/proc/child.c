/*
 * Forking and its bookkeeping. The parent's side; the child's side is
 * worker_process.c and keeper/.
 */

#include "proc/child.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "keeper/keeper.h"
#include "ledger/ledger.h"
#include "os/process.h"
#include "os/sig.h"
#include "os/sock.h"
#include "proc/cycle.h"
#include "proc/daemon.h"
#include "proc/main_conf.h"
#include "proc/worker_process.h"
#include "secret/secret_store.h"

/* Beyond what a child was given to end: then it is killed. */
#define KILL_AFTER 10.0

const char *
child_name(const struct child *ch)
{
    return ch->kind == CHILD_KEEPER ? "keeper process" : "worker process";
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static struct child *
child_new(enum child_kind kind, int chan)
{
    struct child *ch = xcalloc(sizeof *ch);
    ch->magic = CHILD_MAGIC;
    ch->kind = kind;
    ch->chan = chan;
    ch->pair[0] = ch->pair[1] = -1;
    ch->started = clock_mono();
    list_init(&ch->node);
    return ch;
}

void
child_free(struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    list_del(&ch->node);
    close_fd(&ch->chan);
    close_fd(&ch->pair[0]);
    close_fd(&ch->pair[1]);
    if (ch->cycle != NULL) {
        ch->cycle->n_workers--;
        ch->cycle->n_ready -= ch->is_ready;
    }
    ch->magic = 0;
    xfree(ch);
}

/* In the child: who waits for the end of the terminal's descriptors (a shell's
 * $(weir)) is not kept waiting. */
static void
leave_terminal(const struct child_setup *s)
{
    if (s->is_daemon) {
        daemon_leave_terminal(cycle_logs_to(s->cycle, STDOUT_FILENO),
            cycle_logs_to(s->cycle, STDERR_FILENO));
    }
}

/* In the child. */
static int
run_keeper(const struct child_setup *s, int chan)
{
    const struct user_conf *user = &s->cycle->main->keeper_user;
    int keep[3 + VAULT_SEGMENTS_MAX] = { chan, s->tickets,
        s->cycle->error_log };
    memcpy(keep + 3, s->vault->fds, s->vault->n * sizeof *keep);
    struct process_role role = { .title = "keeper process",
        .uid = user->uid,
        .gid = user->gid,
        .user = user->name.p,
        .parent = s->master,
        .keep = keep,
        .n_keep = 3 + s->vault->n };
    struct keeper_args args = {
        .master = chan, .vault = s->vault, .tickets = s->tickets
    };
    cycle_use_log(s->cycle);
    leave_terminal(s);
    secret_wipe_all();
    ledger_free(s->ledger);
    return process_become(&role) == 0 ? keeper_run(&args) : 1;
}

/* Forks with a channel; *child_end is the child's. -1: logged. The child ends
 * by _exit(): the memory goes anyway, and OpenSSL's handler for exit() would
 * first copy it, page by page, to give it back to malloc. */
static pid_t
fork_with_channel(int *own_end, int *child_end)
{
    int ends[2];
    if (sock_pair(ends) != 0) {
        log_errno(LOG_ALERT, errno, "socketpair() failed");
        return -1;
    }
    AZ(sock_set_nonblocking(ends[0], true));
    pid_t pid = fork();
    if (pid == 0) {
        sig_child();
        *child_end = ends[1];
        return 0;
    }
    if (pid < 0) {
        log_errno(LOG_ALERT, errno, "fork() failed");
        close(ends[0]);
    }
    close(ends[1]);
    *own_end = ends[0];
    return pid;
}

struct child *
child_spawn_keeper(const struct child_setup *s)
{
    int own, theirs;
    pid_t pid = fork_with_channel(&own, &theirs);
    if (pid == 0) {
        _exit(run_keeper(s, theirs));
    }
    if (pid < 0) {
        return NULL;
    }
    struct child *ch = child_new(CHILD_KEEPER, own);
    ch->pid = pid;
    log_at(LOG_NOTICE, "start %s %d", child_name(ch), (int)pid);
    return ch;
}

struct child *
child_spawn_worker(const struct child_setup *s, struct cycle *c, unsigned index)
{
    int own, theirs, pair[2];
    if (sock_pair(pair) != 0) {
        log_errno(LOG_ALERT, errno, "socketpair() failed");
        return NULL;
    }
    pid_t pid = fork_with_channel(&own, &theirs);
    if (pid == 0) {
        struct worker_process w = { .cycle = c,
            .index = index,
            .chan = theirs,
            .keeper = pair[0],
            .tickets = s->tickets,
            .ledger = s->ledger,
            .master = s->master };
        leave_terminal(s);
        _exit(worker_process_run(&w));
    }
    if (pid < 0) {
        close(pair[0]);
        close(pair[1]);
        return NULL;
    }
    struct child *ch = child_new(CHILD_WORKER, own);
    ch->pid = pid;
    ch->cycle = c;
    ch->index = index;
    ch->pair[0] = pair[0];
    ch->pair[1] = pair[1];
    c->n_workers++;
    log_at(LOG_NOTICE, "start %s %d", child_name(ch), (int)pid);
    return ch;
}

void
child_send(struct child *ch, const struct chan_msg *m)
{
    CHECK(ch, CHILD_MAGIC);
    if (ch->chan < 0 || chan_send(ch->chan, m) != IO_AGAIN) {
        return; /* an error: it is dead, and will be reaped */
    }
    log_at(LOG_ALERT, "%s %d does not take messages: killed", child_name(ch),
        (int)ch->pid);
    kill(ch->pid, SIGKILL);
    close_fd(&ch->chan);
}

/* Rounded up, since 0 means at once. */
static uint64_t
whole_seconds(double seconds)
{
    uint64_t n = seconds > 0 ? (uint64_t)seconds : 0;
    return (double)n < seconds ? n + 1 : n;
}

void
child_end(
    struct child *ch, enum chan_type how, double seconds, struct str leaving)
{
    CHECK(ch, CHILD_MAGIC);
    double kill_at = clock_mono() + seconds + KILL_AFTER;
    if (child_is_ending(ch) && ch->kill_at < kill_at) {
        kill_at = ch->kill_at;
        seconds = kill_at - KILL_AFTER - clock_mono();
    }
    struct chan_msg m = {
        .type = how, .number = whole_seconds(seconds), .data = leaving, .fd = -1
    };
    ch->kill_at = kill_at;
    child_send(ch, &m);
}

void
child_hung_up(struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    close_fd(&ch->chan);
    if (!child_is_ending(ch)) {
        ch->kill_at = clock_mono() + KILL_AFTER;
    }
}

bool
child_is_ending(const struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    return ch->kill_at != 0;
}
