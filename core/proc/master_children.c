/*
 * The master's children: started, spoken to, reaped, started again.
 */

#include "proc/master_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "keeper/vault.h"
#include "ledger/ledger.h"
#include "os/process.h"
#include "os/sig.h"
#include "os/ticket_keys.h"
#include "policy/policy_secret.h"
#include "proc/listener.h"
#include "proc/main_conf.h"
#include "proxy/logfile.h"
#include "secret/secret_store.h"

/* Locked memory beside the vault, for secrets. The limit is raised for the
 * largest vault at the start: a keeper that runs as another user cannot be
 * given more later. */
#define SECRETS_LOCKED (64 * 1024 * 1024)

/* Seconds: one poll's wait, in a number of milliseconds. */
#define POLL_MAX 1e6

/* Of one child and of all that ended, before the next turn: a worker that was
 * taken over may send without end, and make children that become the
 * master's (CLONE_PARENT). */
#define MESSAGES_A_TURN 16
#define REAPED_A_TURN 64

/* Seconds: mapping the vault, and the ticket keys. */
#define KEEPER_START 30.0

int
master_init(struct master *m)
{
    m->magic = MASTER_MAGIC;
    list_init(&m->children);
    list_init(&m->cycles);
    list_init(&m->listeners);
    notify_init(&m->notify);
    m->sig = sig_open();
    process_raise_memlock(vault_bytes(VAULT_SEGMENTS_MAX) + SECRETS_LOCKED);
    m->tickets =
        process_memory_file("weir: tickets", sizeof(struct ticket_keys));
    m->ledger = ledger_new();
    roster_init(&m->roster, m->ledger);
    if (m->sig < 0 || vault_files_grow(&m->vault) != 0 || m->tickets < 0 ||
        m->ledger == NULL) {
        log_errno(LOG_EMERG, errno, "cannot make the master's descriptors");
        return -1;
    }
    return 0;
}

static void
end_children(struct master *m)
{
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (!child_is_ending(ch)) {
            child_end(ch, CHAN_QUIT, 0, STR_NONE);
        }
    }
    m->stop = STOP_FAST;
    while (!list_is_empty(&m->children)) {
        struct pollfd p = { m->sig, POLLIN, 0 };
        poll(&p, 1, master_timeout(m));
        clock_update();
        while (sig_next(m->sig) != 0) {
        }
        master_reap(m);
        master_run_deadlines(m);
    }
}

void
master_end(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    end_children(m);
    log_at(LOG_NOTICE, "exit");
    log_set(STDERR_FILENO, LOG_NOTICE);
    m->current = m->next = NULL;
    while (!list_is_empty(&m->cycles)) {
        cycle_free(container_of(m->cycles.next, struct cycle, node));
    }
    listeners_close(&m->listeners);
    pid_file_remove(&m->pid_file);
    notify_fini(&m->notify);
    roster_fini(&m->roster);
    if (m->ledger != NULL) {
        ledger_free(m->ledger);
    }
    vault_files_close(&m->vault);
    int fds[] = { m->sig, m->tickets, m->parent };
    for (unsigned i = 0; i < LEN(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static void
add_child(struct master *m, struct child *ch)
{
    list_add_tail(&m->children, &ch->node);
    m->n_children++;
}

static struct child_setup
child_setup(const struct master *m, const struct cycle *c)
{
    return (struct child_setup){ .master = getpid(),
        .vault = &m->vault,
        .tickets = m->tickets,
        .ledger = m->ledger,
        .is_daemon = m->is_daemon,
        .cycle = c };
}

static void
give_worker_to_keeper(struct master *m, const struct child *worker)
{
    struct chan_msg msg = { .type = CHAN_WORKER, .fd = worker->pair[1] };
    if (m->keeper != NULL) {
        child_send(m->keeper, &msg);
    }
}

int
master_start_keeper(struct master *m, const struct cycle *c)
{
    CHECK(m, MASTER_MAGIC);
    struct child_setup s = child_setup(m, c);
    struct chan_msg changed = { .type = CHAN_KEEPER, .fd = -1 };
    m->keeper = child_spawn_keeper(&s);
    if (m->keeper == NULL) {
        respawn_note(&m->keeper_respawn, 0);
        return -1;
    }
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->kind == CHILD_WORKER) {
            give_worker_to_keeper(m, ch);
            child_send(ch, &changed);
        }
    }
    add_child(m, m->keeper);
    return 0;
}

static void
take_message(struct master *m, struct child *ch, const struct chan_msg *msg)
{
    if (msg->fd >= 0) {
        close(msg->fd);
    }
    if (msg->type == CHAN_READY && !ch->is_ready) {
        ch->is_ready = true;
        if (ch->cycle != NULL) {
            ch->cycle->n_ready++;
        }
    } else if (msg->type == CHAN_FULL) {
        ch->is_full = msg->number != 0;
    }
    master_share_soon(m, ch->cycle);
}

int
master_await_keeper(struct master *m)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg msg;
    struct child *ch = m->keeper;
    if (chan_recv_wait(ch->chan, &msg, buf, KEEPER_START) == IO_OK) {
        take_message(m, ch, &msg);
    }
    if (!ch->is_ready) {
        log_at(LOG_EMERG, "the keeper did not start");
        return -1;
    }
    return 0;
}

int
master_start_worker(struct master *m, struct cycle *c, unsigned index)
{
    CHECK(m, MASTER_MAGIC);
    struct child_setup s = child_setup(m, c);
    struct child *ch = child_spawn_worker(&s, c, index);
    if (ch == NULL) {
        respawn_note(&c->respawns[index], 0);
        return -1;
    }
    add_child(m, ch);
    give_worker_to_keeper(m, ch);
    return 0;
}

bool
master_has_keeper(const struct master *m)
{
    return m->keeper != NULL && m->keeper->is_ready && m->keeper->chan >= 0;
}

static struct child *
find_child(struct master *m, pid_t pid)
{
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->pid == pid) {
            return ch;
        }
    }
    return NULL;
}

static void
log_end(const struct child *ch, int status, bool is_expected)
{
    enum log_level level = is_expected ? LOG_NOTICE : LOG_ALERT;
    if (WIFSIGNALED(status)) {
        log_at(level, "%s %d exited on signal %d%s", child_name(ch),
            (int)ch->pid, WTERMSIG(status),
            WCOREDUMP(status) ? " (core dumped)" : "");
    } else {
        log_at(level, "%s %d exited with code %d", child_name(ch), (int)ch->pid,
            WEXITSTATUS(status));
    }
}

static void
reap(struct master *m, struct child *ch, int status)
{
    bool is_expected =
        m->stop != STOP_NOT || (child_is_ending(ch) && status == 0);
    double lived = clock_mono() - ch->started;
    struct cycle *c = ch->cycle;
    log_end(ch, status, is_expected);
    ledger_reap(m->ledger, ch->pid);
    if (ch->kind == CHILD_KEEPER) {
        m->keeper = NULL;
        respawn_note(&m->keeper_respawn, lived);
    } else if (c == m->current && !c->is_drained) {
        respawn_note(&c->respawns[ch->index], lived);
    } else if (c == m->next) {
        c->has_failed = true;
    }
    m->n_children--;
    master_share_soon(m, c);
    child_free(ch);
}

void
master_reap(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    int status;
    pid_t pid = 1;
    for (int i = 0; i < REAPED_A_TURN && pid > 0; i++) {
        pid = waitpid(-1, &status, WNOHANG);
        struct child *ch = pid > 0 ? find_child(m, pid) : NULL;
        if (ch != NULL) {
            reap(m, ch, status);
        }
    }
    m->wants_reap = pid > 0; /* no further SIGCHLD tells of those */
}

/* False: there is none now, or never will be again. */
static bool
take_one(struct master *m, struct child *ch)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg msg;
    switch (chan_recv(ch->chan, &msg, buf)) {
    case IO_OK:
        take_message(m, ch, &msg);
        return true;
    case IO_AGAIN:
        return false;
    case IO_EOF:
    case IO_ERR:
        child_hung_up(ch);
    }
    return false;
}

void
master_take_messages(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        bool is_more = ch->chan >= 0;
        for (int i = 0; i < MESSAGES_A_TURN && is_more; i++) {
            is_more = take_one(m, ch);
        }
    }
}

static double
sooner(double a, double b)
{
    return b != 0 && b < a ? b : a;
}

int
master_timeout(const struct master *m)
{
    double at = sooner(1e100, listeners_next(&m->listeners));
    const struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        at = sooner(at, container_of(n, struct child, node)->kill_at);
    }
    if (m->keeper == NULL && m->stop != STOP_FAST) {
        at = sooner(at, m->keeper_respawn.at);
    }
    if (m->stop == STOP_NOT) {
        at = m->next != NULL ? sooner(at, m->start_deadline) : at;
        at = sooner(at, m->share_at);
        for (unsigned i = 0;
             m->current != NULL && i < m->current->main->worker_processes;
             i++) {
            at = sooner(at, m->current->respawns[i].at);
        }
    }
    if (m->wants_reap) {
        return 0;
    }
    if (at >= 1e100) {
        return -1;
    }
    double left = at - clock_mono();
    left = left < POLL_MAX ? left : POLL_MAX;
    return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

static void
kill_late(struct master *m)
{
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->kill_at != 0 && ch->kill_at <= clock_mono()) {
            log_at(LOG_ALERT, "%s %d does not end: killed", child_name(ch),
                (int)ch->pid);
            kill(ch->pid, SIGKILL);
            ch->kill_at = 1e100;
        }
    }
}

void
master_run_deadlines(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    struct cycle *c = m->current;
    double now = clock_mono();
    kill_late(m);
    listeners_run(&m->listeners);
    if (m->stop == STOP_FAST || (c == NULL && m->next == NULL)) {
        return;
    }
    struct respawn *r = &m->keeper_respawn;
    if (m->keeper == NULL && r->at != 0 && r->at <= now) {
        r->at = 0;
        (void)!master_start_keeper(m, c != NULL ? c : m->next);
    }
    if (c == NULL || m->stop != STOP_NOT) {
        return;
    }
    for (unsigned i = 0; i < c->main->worker_processes; i++) {
        if (c->respawns[i].at != 0 && c->respawns[i].at <= now) {
            c->respawns[i].at = 0;
            (void)!master_start_worker(m, c, i);
        }
    }
}

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
    if (master_has_keeper(m) && m->current != NULL) {
        roster_sweep(&m->roster, m->keeper->chan, sets, n_sets,
            main_conf_ca_dir(m->current->conf));
    }
    xfree(sets);
}

void
master_free_cycles(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    bool is_any = false;
    struct list *n = m->cycles.next;
    while (n != &m->cycles) {
        struct cycle *c = container_of(n, struct cycle, node);
        n = n->next;
        if (c == m->current || c == m->next || c->n_workers != 0) {
            continue;
        }
        cycle_free(c);
        is_any = true;
    }
    if (is_any && m->stop == STOP_NOT) {
        sweep(m);
    }
}

void
master_send_logs(struct master *m, struct child *ch)
{
    const struct cycle *c = ch->cycle != NULL ? ch->cycle : m->current;
    char level = (char)c->main->error_log.level;
    struct chan_msg msg = { .type = CHAN_LOG,
        .number = (uint64_t)-1,
        .data = str_n(&level, 1),
        .fd = c->error_log };
    if (c->error_log >= 0) {
        child_send(ch, &msg);
    }
    const struct logfile *f;
    for (unsigned i = 0;
         ch->cycle != NULL && (f = logfile_nth(c->conf, i)) != NULL; i++) {
        msg.number = i;
        msg.data = STR_NONE;
        msg.fd = f->fd;
        if (f->fd >= 0) {
            child_send(ch, &msg);
        }
    }
}

/* A memory file for each worker, which wipes it. One that drains serves a last
 * request, and has the value for it; `from` is the store that found it. */
static void
send_secret_to(
    struct child *ch, struct str message, const struct secret_store *from)
{
    int fd = process_secret_file("weir: secret", message.n);
    char *p = fd < 0 ? MAP_FAILED
                     : mmap(NULL, message.n, PROT_READ | PROT_WRITE, MAP_SHARED,
                           fd, 0);
    if (p == MAP_FAILED) {
        log_errno(LOG_ALERT, errno, "cannot hand over a secret: %s %d killed",
            child_name(ch), (int)ch->pid);
        kill(ch->pid, SIGKILL);
    } else {
        struct chan_msg msg = {
            .type = CHAN_SECRET, .number = message.n, .fd = fd
        };
        memcpy(p, message.p, message.n);
        bool is_theirs = secret_message_readdress(
            p, message.n, from, policy_secret_store(ch->cycle->conf));
        if (is_theirs) {
            child_send(ch, &msg);
        } else {
            mem_wipe(p, message.n);
        }
        munmap(p, message.n);
    }
    if (fd >= 0) {
        close(fd);
    }
}

void
master_send_secret(struct master *m, struct str message)
{
    CHECK(m, MASTER_MAGIC);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->kind == CHILD_WORKER && ch->cycle != m->next) {
            send_secret_to(ch, message, policy_secret_store(m->current->conf));
        }
    }
}
