/*
 * Room for sandboxes' records: segments of the vault and of the ledger, made
 * before the first index that needs them is used. Children that run are sent
 * the segments; those that start later inherit them.
 */

#include "proc/master_priv.h"

#include <errno.h>

#include "base/log.h"
#include "keeper/vault.h"
#include "ledger/ledger.h"

_Static_assert(VAULT_SEGMENT == LEDGER_SEGMENT &&
                   VAULT_SEGMENTS_MAX == LEDGER_SEGMENTS_MAX,
    "both have a record for each index");

static int
grow_vault(struct master *m)
{
    if (vault_files_grow(&m->vault) != 0) {
        return -1;
    }
    unsigned last = m->vault.n - 1;
    struct chan_msg msg = {
        .type = CHAN_SEGMENT, .number = last, .fd = m->vault.fds[last]
    };
    struct child *keeper = master_one(m, &role_keeper);
    if (keeper != NULL) {
        child_send(keeper, &msg);
    }
    return 0;
}

static int
grow_ledger(struct master *m)
{
    struct chan_msg msg = { .type = CHAN_SEGMENT,
        .number = ledger_segments(m->ledger) };
    if (ledger_grow(m->ledger, &msg.fd) != 0) {
        return -1;
    }
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->role->has_ledger) {
            child_send(ch, &msg);
        }
    }
    return 0;
}

int
master_make_room(struct master *m, const struct cycle *c)
{
    CHECK(m, MASTER_MAGIC);
    if (roster_allot(&m->roster, cycle_sandboxes(c)) != 0) {
        return -1;
    }
    unsigned n = (m->roster.n_records + VAULT_SEGMENT - 1) / VAULT_SEGMENT;
    bool ok = true;
    while (ok && m->vault.n < n) {
        ok = grow_vault(m) == 0;
    }
    while (ok && ledger_segments(m->ledger) < n) {
        ok = grow_ledger(m) == 0;
    }
    if (!ok) {
        log_errno(LOG_EMERG, errno, "cannot make room for %u sandboxes",
            m->roster.n_records);
    }
    return ok ? 0 : -1;
}
