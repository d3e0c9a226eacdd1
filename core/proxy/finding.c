/*
 * See finding.h. A sandbox gets counters with its first finding, and keeps them
 * until it ends. When FINDING_SANDBOXES sandboxes have counters, the findings
 * of all others are counted together.
 */

#include "proxy/finding.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "proxy/conn.h"
#include "proxy/worker.h"
#include "sandbox/sandbox.h"

struct counters {
    struct map_node node;
    uint64_t serial;
    uint64_t counts[FINDING_KINDS];
};

struct findings {
    unsigned magic;
    struct map by_serial;
    uint64_t others[FINDING_KINDS];
    void (*observe)(void *arg, const struct finding *found);
    void *arg;
};

#define FINDINGS_MAGIC 0xf17d1265u

const char *
finding_name(enum finding_kind kind)
{
    static const char *const names[] = { [FINDING_DENIED] = "denied",
        [FINDING_ADDRESS] = "address_denied",
        [FINDING_LIMIT] = "limit_exceeded",
        [FINDING_CREDENTIAL] = "credential_refused",
        [FINDING_SECRET_ECHOED] = "secret_echoed",
        [FINDING_SECRET_PROBED] = "secret_probed",
        [FINDING_MINT] = "mint_denied",
        [FINDING_DISTRUST] = "ca_distrusted",
        [FINDING_SNI] = "sni_mismatch" };
    AN(kind < FINDING_KINDS);
    return names[kind];
}

struct findings *
findings_new(void)
{
    struct findings *f = xcalloc(sizeof *f);
    f->magic = FINDINGS_MAGIC;
    map_init(&f->by_serial);
    return f;
}

static void
counters_free(struct findings *f, struct counters *k)
{
    map_del(&f->by_serial, &k->node);
    xfree(k);
}

void
findings_free(struct findings *f)
{
    if (f == NULL) {
        return;
    }
    CHECK(f, FINDINGS_MAGIC);
    struct map_node *node = map_next(&f->by_serial, NULL);
    while (node != NULL) {
        counters_free(f, container_of(node, struct counters, node));
        node = map_next(&f->by_serial, NULL);
    }
    map_fini(&f->by_serial);
    f->magic = 0;
    xfree(f);
}

void
findings_observe(struct findings *f,
    void (*fn)(void *arg, const struct finding *found), void *arg)
{
    CHECK(f, FINDINGS_MAGIC);
    f->observe = fn;
    f->arg = arg;
}

static struct counters *
counters_find(const struct findings *f, uint64_t serial)
{
    struct str key = str_n((const char *)&serial, sizeof serial);
    struct map_node *node = map_find(&f->by_serial, key);
    return node != NULL ? container_of(node, struct counters, node) : NULL;
}

/* Where this sandbox's findings are counted. */
static uint64_t *
counts_for(struct findings *f, uint64_t serial)
{
    struct counters *k = serial != 0 ? counters_find(f, serial) : NULL;
    if (k != NULL) {
        return k->counts;
    }
    if (serial == 0 || f->by_serial.count >= FINDING_SANDBOXES) {
        return f->others;
    }
    k = xcalloc(sizeof *k);
    k->serial = serial;
    k->node.key = str_n((const char *)&k->serial, sizeof k->serial);
    map_add(&f->by_serial, &k->node);
    return k->counts;
}

void
findings_add(struct findings *f, const struct finding *found)
{
    CHECK(f, FINDINGS_MAGIC);
    AN(found->kind < FINDING_KINDS);
    AN(found->rule != NULL && found->host.n <= FINDING_HOST_MAX);
    counts_for(f, found->serial)[found->kind]++;
    if (f->observe != NULL) {
        f->observe(f->arg, found);
    }
}

const uint64_t *
findings_counts(const struct findings *f, uint64_t serial)
{
    CHECK(f, FINDINGS_MAGIC);
    if (serial == 0) {
        return f->others;
    }
    const struct counters *k = counters_find(f, serial);
    return k != NULL ? k->counts : NULL;
}

void
findings_forget(struct findings *f, uint64_t serial)
{
    CHECK(f, FINDINGS_MAGIC);
    struct counters *k = serial != 0 ? counters_find(f, serial) : NULL;
    if (k != NULL) {
        counters_free(f, k);
    }
}

void
finding(const struct conn *c, enum finding_kind kind, struct str host,
    const char *rule)
{
    CHECK(c, CONN_MAGIC);
    struct finding found = { .kind = kind,
        .serial = c->sandbox != NULL ? c->sandbox->serial : 0,
        .host = str_n(
            host.p, host.n < FINDING_HOST_MAX ? host.n : FINDING_HOST_MAX),
        .rule = rule };
    conn_log(c, LOG_DEBUG, "finding: %s, host: \"%.*s\", rule: %s",
        finding_name(kind), STR_ARG(found.host), rule);
    findings_add(c->worker->findings, &found);
}
