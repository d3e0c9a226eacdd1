/*
 * The master's children: starts them, takes their messages, reaps them, starts
 * them again.
 */

#include "proc/master_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
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
#include "proc/listener.h"
#include "proc/main_conf.h"

/* Locked memory beside the vault, for secrets. The limit is raised for the
 * largest vault at the start: a keeper that runs as another user cannot be
 * given more later. */
#define SECRETS_LOCKED (64 * 1024 * 1024)

/* Seconds: the longest wait of one poll, so that its milliseconds fit an int.
 */
#define POLL_MAX 1e6

/* Messages of one child, and ended children, that one turn takes. A worker that
 * an attacker controls may send messages without end, and fork children that
 * become the master's (CLONE_PARENT). */
#define MESSAGES_A_TURN 16
#define REAPED_A_TURN 64

/* Makes a post for each role of ROLE_ONE, and notes the one of ROLE_OF_CYCLE.
 */
static void
take_roles(struct master *m, const struct role *const *roles)
{
    for (; *roles != NULL; roles++) {
        if ((*roles)->life == ROLE_OF_CYCLE) {
            AZ(m->worker);
            m->worker = *roles;
            continue;
        }
        AN(m->n_posts < LEN(m->posts) && !(*roles)->has_secrets);
        m->posts[m->n_posts++].role = *roles;
    }
    AN(m->worker);
}

int
master_init(struct master *m, const struct role *const *roles)
{
    m->magic = MASTER_MAGIC;
    take_roles(m, roles);
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
        master_wait(m);
        while (sig_next(m->sig) != 0) {
        }
        master_reap(m);
        master_take_messages(m);
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
child_setup(struct master *m)
{
    return (struct child_setup){ .master = getpid(),
        .vault = &m->vault,
        .tickets = m->tickets,
        .ledger = m->ledger,
        .is_daemon = m->is_daemon,
        .children = &m->children };
}

static struct post *
post_of(struct master *m, const struct role *r)
{
    for (unsigned i = 0; i < m->n_posts; i++) {
        if (m->posts[i].role == r) {
            return &m->posts[i];
        }
    }
    return NULL;
}

struct child *
master_one(struct master *m, const struct role *r)
{
    CHECK(m, MASTER_MAGIC);
    const struct post *post = post_of(m, r);
    return post != NULL ? post->child : NULL;
}

/* Sends the other ends of a new child's links to the processes that they lead
 * to. */
static void
give_links(struct master *m, const struct child *ch)
{
    const struct role_link *l = ch->role->links;
    for (unsigned i = 0; l[i].to != NULL; i++) {
        struct chan_msg msg = { .type = l[i].give, .fd = ch->pairs[i][1] };
        struct child *to = master_one(m, l[i].to);
        if (to != NULL) {
            child_send(to, &msg);
        }
    }
}

/* `one` is a new process: it is sent its ends of all links that lead to it, and
 * the processes at their other ends are told. */
static void
renew_links(struct master *m, struct child *one)
{
    for (struct list *n = m->children.next; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        const struct role_link *l = ch->role->links;
        for (unsigned i = 0; l[i].to != NULL; i++) {
            struct chan_msg given = { .type = l[i].give,
                .fd = ch->pairs[i][1] };
            struct chan_msg changed = { .type = l[i].renewed, .fd = -1 };
            if (l[i].to == one->role) {
                child_send(one, &given);
                child_send(ch, &changed);
            }
        }
    }
}

int
master_start_one(struct master *m, struct post *post, struct cycle *c)
{
    CHECK(m, MASTER_MAGIC);
    struct child_setup s = child_setup(m);
    AZ(post->child);
    post->respawn.at = 0;
    post->child = child_spawn(&s, post->role, c, 0);
    if (post->child == NULL) {
        respawn_note(&post->respawn, 0);
        return -1;
    }
    renew_links(m, post->child);
    add_child(m, post->child);
    give_links(m, post->child);
    return 0;
}

int
master_start_worker(struct master *m, struct cycle *c, unsigned index)
{
    CHECK(m, MASTER_MAGIC);
    struct child_setup s = child_setup(m);
    struct child *ch = child_spawn(&s, m->worker, c, index);
    if (ch == NULL) {
        respawn_note(&c->respawns[index], 0);
        return -1;
    }
    add_child(m, ch);
    give_links(m, ch);
    return 0;
}

static bool
is_working(const struct child *ch)
{
    return ch != NULL && ch->is_ready && link_is_open(&ch->link);
}

void
master_run_roster(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    struct child *keeper = master_one(m, &role_keeper);
    if (m->stop != STOP_NOT) {
        return;
    }
    if (!is_working(keeper)) {
        roster_keeper_lost(&m->roster);
    } else if (roster_run(&m->roster, &keeper->link) != 0) {
        child_hung_up(keeper);
        roster_keeper_lost(&m->roster);
    }
}

bool
master_ones_are_ready(const struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    for (unsigned i = 0; i < m->n_posts; i++) {
        if (!is_working(m->posts[i].child)) {
            return false;
        }
    }
    return true;
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
        log_at(level, "%s %d exited on signal %d%s", ch->role->name,
            (int)ch->pid, WTERMSIG(status),
            WCOREDUMP(status) ? " (core dumped)" : "");
    } else {
        log_at(level, "%s %d exited with code %d", ch->role->name, (int)ch->pid,
            WEXITSTATUS(status));
    }
}

static bool
awaits_ones(const struct master *m)
{
    return m->next != NULL && m->step == NEXT_ONES;
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
    struct post *post = post_of(m, ch->role);
    if (post != NULL) {
        post->child = NULL;
        respawn_note(&post->respawn, lived);
    } else if (c == m->current && !c->is_drained) {
        respawn_note(&c->respawns[ch->index], lived);
    }
    if (c != NULL ? c == m->next : awaits_ones(m) && !ch->is_ready) {
        m->failed = ch->role;
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
    m->wants_reap = pid > 0; /* there is no further SIGCHLD for the rest */
}

static void
take_message(struct master *m, struct child *ch, struct chan_msg *msg)
{
    if (msg->type == CHAN_READY) {
        if (!ch->is_ready && ch->cycle != NULL) {
            ch->cycle->n_ready++;
        }
        ch->is_ready = true;
        ch->ready_by = 0;
        master_share_soon(m, ch->cycle);
    } else if (ch->role->on_message != NULL) {
        ch->role->on_message(m, ch, msg);
    }
    if (msg->fd >= 0) {
        close(msg->fd);
    }
}

/* Takes one message. False: there is none now, or the channel has ended. */
static bool
take_one(struct master *m, struct child *ch)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg msg;
    switch (link_recv(&ch->link, &msg, buf)) {
    case IO_OK:
        take_message(m, ch, &msg);
        return link_is_open(&ch->link);
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
        bool is_more = link_is_open(&ch->link);
        for (int i = 0; i < MESSAGES_A_TURN && is_more; i++) {
            is_more = take_one(m, ch);
        }
    }
}

void
master_flush(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        child_flush(container_of(n, struct child, node));
    }
}

static double
sooner(double a, double b)
{
    return b != 0 && b < a ? b : a;
}

/* When the work is next due that a stop ends: starts, shares, the roster. */
static double
work_due(const struct master *m, double at)
{
    at = m->next != NULL ? sooner(at, m->step_deadline) : at;
    at = sooner(at, m->share_at);
    at = sooner(at, roster_deadline(&m->roster));
    const struct cycle *c = m->current;
    for (unsigned i = 0; c != NULL && i < c->main->worker_processes; i++) {
        at = sooner(at, c->respawns[i].at);
    }
    return at;
}

int
master_timeout(const struct master *m)
{
    double at = sooner(1e100, listeners_next(&m->listeners));
    const struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        at = sooner(at, child_deadline(container_of(n, struct child, node)));
    }
    for (unsigned i = 0; i < m->n_posts && m->stop != STOP_FAST; i++) {
        at = sooner(at, m->posts[i].respawn.at);
    }
    at = m->stop == STOP_NOT ? work_due(m, at) : at;
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
        child_kill_late(container_of(n, struct child, node));
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
    for (unsigned i = 0; i < m->n_posts; i++) {
        struct post *post = &m->posts[i];
        if (post->respawn.at != 0 && post->respawn.at <= now) {
            (void)!master_start_one(m, post, c != NULL ? c : m->next);
        }
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

void
master_free_cycles(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    struct list *n = m->cycles.next;
    while (n != &m->cycles) {
        struct cycle *c = container_of(n, struct cycle, node);
        n = n->next;
        if (c == m->current || c == m->next || c->n_workers != 0) {
            continue;
        }
        cycle_free(c);
        m->wants_sweep = true;
    }
}
