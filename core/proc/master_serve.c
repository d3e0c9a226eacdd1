/*
 * Which workers accept: the hand-over from one generation to the next, and a
 * generation's shares as its workers come, go and fill up.
 */

#include "proc/master_priv.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proc/main_conf.h"
#include "proxy/listen.h"

/* Least seconds between two messages: a child that reads too slowly is killed.
 */
#define SHARE_EVERY 0.05

static bool
is_server(const struct master *m, const struct child *ch)
{
    return child_is_of_cycle(ch) && ch->cycle == m->current && ch->is_ready &&
           link_is_open(&ch->link) && !child_is_ending(ch);
}

/* If all are full each keeps its own sockets, for when it has room again. */
static void
collect(const struct master *m, uint8_t *set, size_t n)
{
    bool has_room = false;
    const struct list *k = m->children.next;
    for (; k != &m->children; k = k->next) {
        const struct child *ch = container_of(k, struct child, node);
        has_room = has_room || (is_server(m, ch) && !ch->is_full);
    }
    for (k = m->children.next; k != &m->children; k = k->next) {
        const struct child *ch = container_of(k, struct child, node);
        if (is_server(m, ch) && !(has_room && ch->is_full)) {
            bits_add(set, n, ch->index);
        }
    }
}

void
master_share_soon(struct master *m, const struct cycle *c)
{
    double soonest = m->shared_at + SHARE_EVERY;
    if (c != NULL && c == m->current) {
        m->share_at = soonest > clock_mono() ? soonest : clock_mono();
    }
}

void
master_share(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    m->share_at = 0;
    m->shared_at = clock_mono();
    if (m->current == NULL || m->stop != STOP_NOT) {
        return;
    }
    size_t n = BITS_BYTES(m->current->main->worker_processes);
    uint8_t *set = xcalloc(n);
    struct chan_msg msg = { .type = CHAN_SERVE, .fd = -1 };
    collect(m, set, n);
    struct link_body *body = link_body_new(str_n((const char *)set, n));
    struct list *k = m->children.next;
    for (; k != &m->children; k = k->next) {
        struct child *ch = container_of(k, struct child, node);
        if (is_server(m, ch)) {
            child_send_body(ch, &msg, body);
        }
    }
    link_body_unref(body);
    xfree(set);
}

void
master_drain(struct master *m, const struct cycle *c, enum chan_type how)
{
    CHECK(m, MASTER_MAGIC);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->cycle == c && !child_is_ending(ch)) {
            child_end(
                ch, how, c->main->worker_shutdown_timeout, cycle_leaving(c));
        }
    }
}

/* In this order: the new sockets listen, the new workers are told to accept,
 * connections are steered to them, and only then the old workers drain. */
void
master_hand_over(struct master *m)
{
    CHECK(m, MASTER_MAGIC);
    struct cycle *old = m->current;
    AN(m->next != NULL);
    m->current = m->next;
    m->next = NULL;
    cycle_begin(m->current);
    master_share(m);
    cycle_steer(m->current);
    if (old != NULL) {
        cycle_retire(old);
        master_drain(m, old, CHAN_DRAIN);
    }
}
