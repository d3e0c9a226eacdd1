/*
 * Opens and closes listening sockets; accepts nothing. Called by cycle.c.
 */

#include "proc/listener.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/sock.h"

static bool
listener_is(const struct listener *k, const struct listen *l)
{
    if (k->path != NULL || l->path.n != 0) {
        return k->path != NULL && str_eq(str_of(k->path), l->path);
    }
    return addr_eq(&k->addr, &l->addr);
}

static struct listener *
listener_find(struct list *all, const struct listen *l)
{
    for (struct list *n = all->next; n != all; n = n->next) {
        struct listener *k = container_of(n, struct listener, node);
        CHECK(k, LISTENER_MAGIC);
        if (listener_is(k, l)) {
            return k;
        }
    }
    return NULL;
}

static bool
listener_open(struct listener *k, const struct listen *l)
{
    bool is_free = k->path != NULL || k->n != 0 || sock_probe(&k->addr) == 0;
    int fd = !is_free          ? -1
             : k->path != NULL ? sock_listen_unix(k->path, l->backlog, l->mode)
                               : sock_listen(&k->addr, l->backlog, true);
    if (fd < 0) {
        log_errno(LOG_EMERG, errno, "listen on %.*s failed in %s:%u",
            STR_ARG(l->text), l->at->file, l->at->line);
        return false;
    }
    k->fds = xgrow(k->fds, k->n, sizeof *k->fds);
    k->fds[k->n++] = fd;
    return true;
}

struct listener *
listener_get(
    struct list *all, const struct listen *l, unsigned sockets, unsigned *had)
{
    struct listener *k = listener_find(all, l);
    if (k == NULL) {
        k = xcalloc(sizeof *k);
        k->magic = LISTENER_MAGIC;
        k->addr = l->addr;
        k->path = l->path.n != 0 ? xstrndup(l->path) : NULL;
        list_add_tail(all, &k->node);
    }
    *had = k->n;
    k->refs++;
    while (k->n < (k->path != NULL ? 1 : sockets)) {
        if (!listener_open(k, l)) {
            listener_trim(k, *had);
            listener_put(k);
            return NULL;
        }
    }
    return k;
}

void
listener_trim(struct listener *l, unsigned n)
{
    CHECK(l, LISTENER_MAGIC);
    if (l->path != NULL && l->n != 0 && n == 0) {
        unlink(l->path);
    }
    while (l->n > n) {
        close(l->fds[--l->n]);
    }
}

void
listener_put(struct listener *l)
{
    CHECK(l, LISTENER_MAGIC);
    AN(l->refs > 0);
    if (--l->refs != 0) {
        return;
    }
    listener_trim(l, 0);
    list_del(&l->node);
    xfree(l->fds);
    xfree(l->path);
    l->magic = 0;
    xfree(l);
}
