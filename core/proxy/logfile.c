/*
 * Log files shared by path. A worker's lines wait for the end of the turn;
 * nothing else is kept.
 */

#include "proxy/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/type.h"
#include "os/path.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"

#define BATCH_MAX (64 * 1024)

static struct logfile **
logfiles_of(const struct conf *c)
{
    struct proxy_conf *pc = scope_part(c->main, PART_PROXY);
    return &pc->logs;
}

struct logfile *
logfile_get(struct conf *c, struct str path)
{
    struct logfile **at = logfiles_of(c);
    unsigned number = 0;
    int stream = path_stream(path);
    path = stream == STDOUT_FILENO   ? STR("stdout")
           : stream == STDERR_FILENO ? STR("stderr")
                                     : conf_path(c, path);
    while (*at != NULL) {
        if (str_eq((*at)->path, path)) {
            return *at;
        }
        at = &(*at)->next;
        number++;
    }
    struct logfile *f = arena_calloc(c->arena, sizeof *f);
    f->path = arena_dup(c->arena, path);
    f->fd = -1;
    f->stream = stream;
    f->number = number;
    *at = f;
    return f;
}

struct logfile *
logfile_nth(const struct conf *c, unsigned i)
{
    struct logfile *f = *logfiles_of(c);
    while (f != NULL && f->number != i) {
        f = f->next;
    }
    return f;
}

static int
logfile_open(struct logfile *f, unsigned uid, unsigned gid)
{
    bool is_new = false;
    if (f->stream >= 0 && f->fd >= 0) {
        return 0;
    }
    int fd = f->stream >= 0 ? fcntl(f->stream, F_DUPFD_CLOEXEC, 3)
                            : path_open_log(f->path.p, &is_new);
    if (fd < 0) {
        log_errno(LOG_EMERG, errno, "open() \"%s\" failed", f->path.p);
        return -1;
    }
    if (is_new && geteuid() == 0 && fchown(fd, uid, gid) != 0) {
        log_errno(LOG_WARN, errno, "chown() \"%s\" failed", f->path.p);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = fd;
    return 0;
}

int
logfiles_open(struct conf *c, unsigned uid, unsigned gid)
{
    int r = 0;
    for (struct logfile *f = *logfiles_of(c); f != NULL; f = f->next) {
        r = logfile_open(f, uid, gid) != 0 ? -1 : r;
    }
    return r;
}

void
logfiles_close(struct conf *c)
{
    for (struct logfile *f = *logfiles_of(c); f != NULL; f = f->next) {
        if (f->fd >= 0) {
            close(f->fd);
        }
        f->fd = -1;
    }
}

static void
logfile_tell_lost(struct logfile *f)
{
    if (f->out.n_lost != 0) {
        log_errno(LOG_ALERT, f->out.err, "%llu line%s of \"%s\" %s lost",
            (unsigned long long)f->out.n_lost, f->out.n_lost == 1 ? "" : "s",
            f->path.p, f->out.n_lost == 1 ? "was" : "were");
    }
    f->out.n_lost = 0;
}

/* Of losses the first is told, and how many they were when there is room
 * again. */
static void
logfile_flush(struct logfile *f)
{
    bool is_first = f->out.n_lost == 0;
    if (f->buf.n == 0 || f->fd < 0) {
        return;
    }
    if (appender_write(&f->out, f->fd, buf_str(&f->buf))) {
        logfile_tell_lost(f);
    } else if (is_first) {
        log_errno(LOG_ALERT, f->out.err, "write() to \"%s\" failed", f->path.p);
    }
    buf_clear(&f->buf);
}

void
logfile_reopened(struct logfile *f, int fd)
{
    logfile_flush(f);
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = fd;
    f->out.is_torn = false;
}

struct log_task {
    struct task task;
    struct logfile *file;
};

static const struct step *
run_flush(struct task *t)
{
    logfile_flush(container_of(t, struct log_task, task)->file);
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static const struct step step_flush = { "log: flush", run_flush };

void
logfiles_start(struct conf *c, struct loop *l)
{
    for (struct logfile *f = *logfiles_of(c); f != NULL; f = f->next) {
        struct log_task *t = xcalloc(sizeof *t);
        task_init(&t->task, l, &step_flush, NULL);
        t->file = f;
        f->task = &t->task;
        buf_init(&f->buf, BATCH_MAX);
    }
}

void
logfiles_stop(struct conf *c)
{
    for (struct logfile *f = *logfiles_of(c); f != NULL; f = f->next) {
        if (f->task != NULL) {
            logfile_flush(f);
            logfile_tell_lost(f);
            task_fini(f->task);
            xfree(container_of(f->task, struct log_task, task));
            f->task = NULL;
            buf_fini(&f->buf);
        }
    }
}

void
logfile_write(struct logfile *f, struct str line)
{
    AN(line.n <= BATCH_MAX);
    if (!buf_add(&f->buf, line)) {
        logfile_flush(f);
        AN(buf_add(&f->buf, line));
    }
    task_wake(f->task);
}
