/*
 * The cache of client sessions. One a trust store and worker; tls.c puts and
 * gets.
 */

#include "net/tls_session.h"

#include <openssl/ssl.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct entry {
    struct map_node node;
    struct list used; /* most recent first */
    SSL_SESSION *session;
};

struct tls_sessions {
    struct map by_key;
    struct list used;
    unsigned n, max;
};

struct tls_sessions *
tls_sessions_new(unsigned max)
{
    struct tls_sessions *s = xcalloc(sizeof *s);
    map_init(&s->by_key);
    list_init(&s->used);
    s->max = max;
    return s;
}

static void
entry_free(struct tls_sessions *s, struct entry *e)
{
    map_del(&s->by_key, &e->node);
    list_del(&e->used);
    SSL_SESSION_free(e->session);
    xfree((void *)e->node.key.p);
    xfree(e);
    s->n--;
}

void
tls_sessions_free(struct tls_sessions *s)
{
    while (!list_is_empty(&s->used)) {
        entry_free(s, container_of(s->used.next, struct entry, used));
    }
    map_fini(&s->by_key);
    xfree(s);
}

static struct entry *
entry_find(struct tls_sessions *s, struct str key)
{
    struct map_node *n = map_find(&s->by_key, key);
    return n != NULL ? container_of(n, struct entry, node) : NULL;
}

void
tls_sessions_put(
    struct tls_sessions *s, struct str key, struct ssl_session_st *session)
{
    struct entry *e = entry_find(s, key);
    if (e != NULL) {
        SSL_SESSION_free(e->session);
        e->session = session;
        return;
    }
    if (s->n == s->max) {
        entry_free(s, container_of(s->used.prev, struct entry, used));
    }
    e = xcalloc(sizeof *e);
    e->node.key = str_n(xstrndup(key), key.n);
    e->session = session;
    map_add(&s->by_key, &e->node);
    list_add_head(&s->used, &e->used);
    s->n++;
}

struct ssl_session_st *
tls_sessions_get(struct tls_sessions *s, struct str key)
{
    struct entry *e = entry_find(s, key);
    if (e == NULL) {
        return NULL;
    }
    list_del(&e->used);
    list_add_head(&s->used, &e->used);
    if (!SSL_SESSION_is_resumable(e->session)) {
        entry_free(s, e);
        return NULL;
    }
    return e->session;
}
