/*
 * The master's side of sandboxes' CAs. Talks to the keeper; never sees a key.
 */

#include "proc/roster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/chan.h"
#include "sandbox/sandbox.h"

/* A key and a signature take well under a millisecond. */
#define KEEPER_SECONDS 10.0
#define PEM_MAX 4096
#define PEM_COLUMNS 64

struct member {
    struct map_node node; /* key: the id, owned */
    uint64_t serial;
    unsigned index;
    struct str der; /* owned; n 0: not declared yet */
};

static struct member *
member_of(struct map_node *n)
{
    return container_of(n, struct member, node);
}

static void
member_free(struct roster *r, struct member *m)
{
    map_del(&r->by_id, &m->node);
    xfree((char *)m->node.key.p);
    xfree((char *)m->der.p);
    xfree(m);
}

/* Serials go on from the time of the start, in microseconds, so that none
 * comes back with the next start. */
void
roster_init(struct roster *r)
{
    map_init(&r->by_id);
    r->next_serial = (uint64_t)(clock_wall() * 1e6);
}

void
roster_fini(struct roster *r)
{
    struct map_node *n = map_next(&r->by_id, NULL);
    while (n != NULL) {
        member_free(r, member_of(n));
        n = map_next(&r->by_id, NULL);
    }
    map_fini(&r->by_id);
}

static struct member *
roster_member(struct roster *r, struct str id)
{
    struct map_node *n = map_find(&r->by_id, id);
    if (n != NULL) {
        return member_of(n);
    }
    struct member *m = xcalloc(sizeof *m);
    m->node.key = str_n(xstrndup(id), id.n);
    m->serial = r->next_serial++;
    map_add(&r->by_id, &m->node);
    return m;
}

/* Waits for the keeper's answer to one message. */
static int
keeper_call(
    int chan, const struct chan_msg *ask, struct chan_msg *answer, char *buf)
{
    if (chan_send(chan, ask) != IO_OK) {
        log_at(LOG_EMERG, "the keeper does not take messages");
        return -1;
    }
    enum io r = IO_OK;
    do {
        r = chan_recv_wait(chan, answer, buf, KEEPER_SECONDS);
    } while (r == IO_OK && answer->type == CHAN_READY);
    if (r != IO_OK) {
        log_at(LOG_EMERG, "the keeper does not answer");
        return -1;
    }
    if (answer->type == CHAN_FAILED) {
        log_at(LOG_EMERG, "the keeper: %.*s", STR_ARG(answer->data));
        return -1;
    }
    return 0;
}

static int
member_declare(struct member *m, int chan)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg answer;
    struct chan_msg ask = {
        .type = CHAN_DECLARE, .number = m->serial, .data = m->node.key, .fd = -1
    };
    if (keeper_call(chan, &ask, &answer, buf) != 0) {
        return -1;
    }
    if (answer.type != CHAN_CA || answer.data.n == 0) {
        log_at(LOG_EMERG, "the keeper: unexpected answer %u",
            (unsigned)answer.type);
        return -1;
    }
    m->index = (unsigned)answer.number;
    m->der = str_n(xstrndup(answer.data), answer.data.n);
    return 0;
}

int
roster_enrol(struct roster *r, int chan, struct sandbox_set *set)
{
    for (unsigned i = 0; i < sandbox_set_count(set); i++) {
        struct sandbox *sb = sandbox_set_nth(set, i);
        struct member *m = roster_member(r, sb->id);
        if (m->der.n == 0 && member_declare(m, chan) != 0) {
            log_at(LOG_EMERG, "no CA for sandbox \"%.*s\"", STR_ARG(sb->id));
            return -1;
        }
        sandbox_assign(set, sb, m->serial, m->index, m->der);
    }
    return 0;
}

/* RFC 7468. */
static void
pem_write(struct buf *b, struct str der)
{
    char *text = xalloc(base64_len(der.n) + 1);
    struct str rest = str_n(text, base64_encode(der, text));
    bool ok = buf_add(b, STR("-----BEGIN CERTIFICATE-----\n"));
    while (rest.n != 0) {
        size_t n = rest.n < PEM_COLUMNS ? rest.n : PEM_COLUMNS;
        ok = ok && buf_add(b, str_n(rest.p, n)) && buf_addc(b, '\n');
        rest = str_skip(rest, n);
    }
    ok = ok && buf_add(b, STR("-----END CERTIFICATE-----\n"));
    AN(ok);
    xfree(text);
}

static void
pem_path(char *path, size_t size, struct str dir, struct str id)
{
    snprintf(path, size, "%.*s/%.*s.pem", STR_ARG(dir), STR_ARG(id));
}

static int
write_file(const char *path, struct str text)
{
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = write(fd, text.p, text.n);
    int err = n < 0 ? errno : ENOSPC;
    close(fd);
    errno = err;
    return n == (ssize_t)text.n ? 0 : -1;
}

static int
member_publish(const struct member *m, struct str dir)
{
    char path[4096], temporary[4096];
    struct buf pem;
    pem_path(path, sizeof path, dir, m->node.key);
    snprintf(temporary, sizeof temporary, "%.*s/.%.*s.new", STR_ARG(dir),
        STR_ARG(m->node.key));
    buf_init(&pem, PEM_MAX);
    pem_write(&pem, m->der);
    int r = write_file(temporary, buf_str(&pem));
    buf_fini(&pem);
    if (r != 0 || rename(temporary, path) != 0) {
        log_errno(LOG_EMERG, errno, "cannot write \"%s\"", path);
        return -1;
    }
    return 0;
}

int
roster_publish(struct roster *r, const struct sandbox_set *set, struct str dir)
{
    if (sandbox_set_count(set) == 0) {
        return 0;
    }
    if (mkdir(dir.p, 0755) != 0 && errno != EEXIST) {
        log_errno(LOG_EMERG, errno, "mkdir() \"%s\" failed", dir.p);
        return -1;
    }
    for (unsigned i = 0; i < sandbox_set_count(set); i++) {
        struct map_node *n = map_find(&r->by_id, sandbox_set_nth(set, i)->id);
        AN(n != NULL);
        if (member_publish(member_of(n), dir) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool
member_is_used(
    const struct member *m, struct sandbox_set *const *sets, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (sandbox_by_id(sets[i], m->node.key) != NULL) {
            return true;
        }
    }
    return false;
}

static void
member_drop(struct roster *r, struct member *m, int chan, struct str dir)
{
    char buf[CHAN_DATA_MAX], path[4096];
    struct chan_msg answer;
    struct chan_msg ask = { .type = CHAN_DROP, .number = m->serial, .fd = -1 };
    if (keeper_call(chan, &ask, &answer, buf) != 0) {
        return; /* the next sweep tries again */
    }
    pem_path(path, sizeof path, dir, m->node.key);
    unlink(path);
    member_free(r, m);
}

void
roster_sweep(struct roster *r, int chan, struct sandbox_set *const *sets,
    unsigned n, struct str dir)
{
    struct member **unused = NULL;
    unsigned n_unused = 0;
    struct map_node *node = map_next(&r->by_id, NULL);
    for (; node != NULL; node = map_next(&r->by_id, node)) {
        if (!member_is_used(member_of(node), sets, n)) {
            unused = xgrow(unused, n_unused, sizeof *unused);
            unused[n_unused++] = member_of(node);
        }
    }
    for (unsigned i = 0; i < n_unused; i++) {
        member_drop(r, unused[i], chan, dir);
    }
    xfree(unused);
}
