/*
 * Forking and its bookkeeping: the parent's side, and what every child does
 * before it runs its role.
 */

#include "proc/child.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "os/process.h"
#include "os/sig.h"
#include "os/sock.h"
#include "proc/cycle.h"
#include "proc/daemon.h"
#include "proc/main_conf.h"
#include "secret/secret_store.h"

/* Seconds that a child has beyond the time that it was given to end; then it is
 * killed. */
#define KILL_AFTER 10.0

/* Longer than any step of a start waits (master_start.c). */
#define READY_AFTER 90.0

/* As a time: later than all that are waited for. */
#define NEVER 1e100

static void
close_pairs(struct child *ch)
{
    for (unsigned i = 0; i < ROLE_LINKS_MAX; i++) {
        for (unsigned k = 0; k < 2 && ch->pairs[i][k] >= 0; k++) {
            close(ch->pairs[i][k]);
            ch->pairs[i][k] = -1;
        }
    }
}

/* A process that was taken over holds up no other one. Linux before 6.16 cannot
 * keep it from that. */
static void
refuse_fds(int fd)
{
    (void)sock_refuse_fds(fd);
}

/* A pair for each of its links. NULL after a log line. */
static struct child *
child_new(const struct role *r)
{
    struct child *ch = xcalloc(sizeof *ch);
    ch->magic = CHILD_MAGIC;
    ch->role = r;
    ch->started = clock_mono();
    ch->ready_by = ch->started + READY_AFTER;
    list_init(&ch->node);
    memset(ch->pairs, 0xff, sizeof ch->pairs); /* -1 */
    for (unsigned i = 0; r->links[i].to != NULL; i++) {
        AN(i < ROLE_LINKS_MAX && r->links[i].to->life == ROLE_ONE);
        if (sock_pair(ch->pairs[i]) != 0) {
            log_errno(LOG_ALERT, errno, "socketpair() failed");
            close_pairs(ch);
            xfree(ch);
            return NULL;
        }
        refuse_fds(ch->pairs[i][0]);
        refuse_fds(ch->pairs[i][1]);
    }
    return ch;
}

void
child_free(struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    list_del(&ch->node);
    link_close(&ch->link);
    close_pairs(ch);
    if (ch->cycle != NULL) {
        ch->cycle->n_workers--;
        ch->cycle->n_ready -= ch->is_ready;
    }
    ch->magic = 0;
    xfree(ch);
}

/* Messages to other children that still wait, and their descriptors, must not
 * be in this child. */
static void
drop_links(const struct child_setup *s)
{
    for (struct list *n = s->children->next; n != s->children; n = n->next) {
        link_close(&container_of(n, struct child, node)->link);
    }
}

/* A shell's $(weir) waits until nobody has its descriptors open any more: a
 * child must not keep it waiting. */
static void
leave_terminal(const struct child_setup *s, const struct cycle *c)
{
    if (s->is_daemon) {
        daemon_leave_terminal(
            cycle_logs_to(c, STDOUT_FILENO), cycle_logs_to(c, STDERR_FILENO));
    }
}

static void
keep_descriptors(struct role_process *p)
{
    role_keep(p, p->chan);
    role_keep(p, p->cycle->error_log);
    for (unsigned i = 0; p->role->links[i].to != NULL; i++) {
        role_keep(p, p->links[i]);
    }
    if (p->role->keep != NULL) {
        p->role->keep(p);
    }
    if (p->role->nofile != NULL) {
        p->nofile = process_raise_nofile(p->role->nofile(p->cycle));
    }
}

static int
become(const struct role_process *p)
{
    const struct role *r = p->role;
    const struct user_conf *user =
        (const void *)((const char *)p->cycle->main + r->user);
    struct process_role what = { .title = r->name,
        .uid = user->uid,
        .gid = user->gid,
        .user = user->name.p,
        .parent = p->master,
        .keep = p->kept,
        .n_keep = p->n_kept };
    if (process_become(&what) != 0) {
        return -1;
    }
    return sock_set_nonblocking(p->chan, true);
}

/* In the child: gives up what it must not have, then runs its role. */
static int
child_main(const struct child_setup *s, struct role_process *p)
{
    sig_child();
    drop_links(s);
    cycle_use_log(p->cycle);
    leave_terminal(s, p->cycle);
    if (!p->role->has_secrets) {
        secret_wipe_all();
    }
    if (!p->role->has_ledger) {
        ledger_free(p->ledger);
        p->ledger = NULL;
    }
    keep_descriptors(p);
    int code = become(p) == 0 ? p->role->run(p) : 1;
    xfree(p->kept);
    return code;
}

/* Forks with a channel. -1: logged. The child ends by _exit(): the memory goes
 * anyway, and OpenSSL's handler for exit() would first copy it, page by page,
 * to give it back to malloc. */
static int
fork_with_channel(
    const struct child_setup *s, const struct cycle *c, struct child *ch)
{
    struct role_process p = { .role = ch->role,
        .cycle = c,
        .index = ch->index,
        .vault = s->vault,
        .tickets = s->tickets,
        .ledger = s->ledger,
        .master = s->master };
    int ends[2];
    if (sock_pair(ends) != 0) {
        log_errno(LOG_ALERT, errno, "socketpair() failed");
        return -1;
    }
    AZ(sock_set_nonblocking(ends[0], true));
    refuse_fds(ends[0]);
    ch->pid = fork();
    if (ch->pid == 0) {
        p.chan = ends[1];
        for (unsigned i = 0; i < ROLE_LINKS_MAX; i++) {
            p.links[i] = ch->pairs[i][0];
        }
        _exit(child_main(s, &p));
    }
    if (ch->pid < 0) {
        log_errno(LOG_ALERT, errno, "fork() failed");
        close(ends[0]);
    } else {
        link_init(&ch->link, ends[0], ch->role->message_max);
    }
    close(ends[1]);
    return ch->pid < 0 ? -1 : 0;
}

struct child *
child_spawn(const struct child_setup *s, const struct role *r, struct cycle *c,
    unsigned index)
{
    struct child *ch = child_new(r);
    if (ch == NULL) {
        return NULL;
    }
    ch->index = index;
    if (fork_with_channel(s, c, ch) != 0) {
        close_pairs(ch);
        xfree(ch);
        return NULL;
    }
    if (r->life == ROLE_OF_CYCLE) {
        ch->cycle = c;
        c->n_workers++;
    }
    log_at(LOG_NOTICE, "start %s %d", r->name, (int)ch->pid);
    return ch;
}

static void
sent(struct child *ch, enum io r)
{
    if (r == IO_ERR) {
        child_hung_up(ch);
    }
    if (r != IO_AGAIN) {
        return;
    }
    log_at(LOG_ALERT, "%s %d does not take messages: killed", ch->role->name,
        (int)ch->pid);
    kill(ch->pid, SIGKILL);
    link_close(&ch->link);
}

void
child_flush(struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    if (link_is_open(&ch->link) && link_is_waiting(&ch->link) &&
        link_flush(&ch->link) == IO_ERR) {
        child_hung_up(ch);
    }
}

void
child_send(struct child *ch, const struct chan_msg *m)
{
    CHECK(ch, CHILD_MAGIC);
    if (link_is_open(&ch->link)) {
        sent(ch, link_send(&ch->link, m));
    }
}

void
child_send_body(
    struct child *ch, const struct chan_msg *m, struct link_body *body)
{
    CHECK(ch, CHILD_MAGIC);
    if (link_is_open(&ch->link)) {
        sent(ch, link_send_body(&ch->link, m, body));
    }
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
    link_close(&ch->link);
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

/* Logged once: what is killed may take a while to be reaped. */
static void
kill_for(struct child *ch, const char *why)
{
    log_at(LOG_ALERT, "%s %d %s: killed", ch->role->name, (int)ch->pid, why);
    kill(ch->pid, SIGKILL);
    ch->ready_by = 0;
    ch->kill_at = NEVER;
}

void
child_kill_late(struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    double now = clock_mono();
    if (ch->kill_at != 0 && ch->kill_at <= now) {
        kill_for(ch, "does not end");
    } else if (ch->ready_by != 0 && ch->ready_by <= now) {
        kill_for(ch, "does not become ready");
    }
}

double
child_deadline(const struct child *ch)
{
    CHECK(ch, CHILD_MAGIC);
    bool is_first =
        ch->ready_by != 0 && (ch->kill_at == 0 || ch->ready_by < ch->kill_at);
    return is_first ? ch->ready_by : ch->kill_at;
}
