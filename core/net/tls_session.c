/*
 * The cache of sessions with origins, one for each trust store and worker. Used
 * by tls.c.
 */

#include "net/tls_session.h"

#include <openssl/ssl.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/shares.h"

struct entry {
    struct map_node node;
    struct share share; /* of the holder */
    SSL_SESSION *session;
};

struct tls_sessions {
    struct map by_key;
    struct shares *shares;
    unsigned max;
};

struct tls_sessions *
tls_sessions_new(unsigned max)
{
    struct tls_sessions *s = xcalloc(sizeof *s);
    map_init(&s->by_key);
    s->shares = shares_new();
    s->max = max;
    return s;
}

static void
entry_free(struct tls_sessions *s, struct entry *e)
{
    map_del(&s->by_key, &e->node);
    shares_drop(s->shares, &e->share);
    SSL_SESSION_free(e->session);
    xfree((void *)e->node.key.p);
    xfree(e);
}

static struct entry *
entry_oldest(const struct tls_sessions *s)
{
    struct share *e = shares_oldest(s->shares, NULL);
    return e != NULL ? container_of(e, struct entry, share) : NULL;
}

void
tls_sessions_free(struct tls_sessions *s)
{
    struct entry *e = entry_oldest(s);
    while (e != NULL) {
        entry_free(s, e);
        e = entry_oldest(s);
    }
    shares_free(s->shares);
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
    e = xcalloc(sizeof *e);
    e->node.key = str_n(xstrndup(key), key.n);
    e->session = session;
    map_add(&s->by_key, &e->node);
    shares_give(s->shares, &e->share, str_n(key.p, TLS_SESSION_HOLDER));
    if (shares_total(s->shares) > s->max) {
        entry_free(s, entry_oldest(s));
    }
}

struct ssl_session_st *
tls_sessions_get(struct tls_sessions *s, struct str key)
{
    struct entry *e = entry_find(s, key);
    if (e == NULL) {
        return NULL;
    }
    shares_touch(&e->share);
    if (!SSL_SESSION_is_resumable(e->session)) {
        entry_free(s, e);
        return NULL;
    }
    return e->session;
}
