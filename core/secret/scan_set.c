/*
 * Finds sets by the addresses of their values. While a set holds a value, that
 * stays at its address, and no other value can have it.
 */

#include "secret/scan_set.h"

#include "base/mem.h"
#include "redact/worth.h"
#include "secret/secret_priv.h"
#include "secret/secret_spec.h"

/* The values that a set is sought for. */
struct wanted {
    unsigned n, room;
    const struct secret_spec **secrets;
    struct str *texts;
};

struct scan_sets {
    unsigned magic;
    struct map all;
    struct scan_set *last; /* that was asked for; NULL: it has gone */
    struct list kept;      /* used last first */
    unsigned n_kept;
    struct wanted wanted; /* of one call at a time */
};

#define SCAN_SET_MAGIC 0xec05e701u
#define SCAN_SETS_MAGIC 0xec05e702u

static struct str
key_of(const struct str *texts, unsigned n)
{
    return str_n((const char *)texts, n * sizeof *texts);
}

struct scan_sets *
scan_sets_new(void)
{
    struct scan_sets *sets = xcalloc(sizeof *sets);
    sets->magic = SCAN_SETS_MAGIC;
    map_init(&sets->all);
    list_init(&sets->kept);
    return sets;
}

void
scan_sets_free(struct scan_sets *sets)
{
    CHECK(sets, SCAN_SETS_MAGIC);
    scan_sets_forget(sets);
    AZ(sets->all.count);
    map_fini(&sets->all);
    xfree(sets->wanted.secrets);
    xfree(sets->wanted.texts);
    sets->magic = 0;
    xfree(sets);
}

static void
keep(struct scan_sets *sets, struct scan_set *set)
{
    list_add_head(&sets->kept, &set->kept);
    sets->n_kept++;
}

static void
take(struct scan_sets *sets, struct scan_set *set)
{
    AN(sets->n_kept);
    list_del(&set->kept);
    sets->n_kept--;
}

static void
set_free(struct scan_sets *sets, struct scan_set *set)
{
    CHECK(set, SCAN_SET_MAGIC);
    AZ(set->refs);
    AZ(list_is_linked(&set->kept));
    sets->last = sets->last != set ? sets->last : NULL;
    map_del(&sets->all, &set->node);
    redact_keys_fini(&set->keys);
    for (unsigned i = 0; i < set->n_asked; i++) {
        secret_value_free(&set->held[i]);
    }
    set->magic = 0;
    xfree(set->secrets);
    xfree(set->texts);
    xfree(set->asked);
    xfree(set->asked_by);
    xfree(set->held);
    xfree(set);
}

static void
forget_last(struct scan_sets *sets)
{
    struct scan_set *set = container_of(sets->kept.prev, struct scan_set, kept);
    take(sets, set);
    set_free(sets, set);
}

void
scan_sets_forget(struct scan_sets *sets)
{
    CHECK(sets, SCAN_SETS_MAGIC);
    while (!list_is_empty(&sets->kept)) {
        forget_last(sets);
    }
}

unsigned
scan_sets_kept(const struct secret_store *s)
{
    return s->scan_sets->n_kept;
}

static void
wanted_reserve(struct wanted *w, unsigned n)
{
    if (n > w->room) {
        xfree(w->secrets);
        xfree(w->texts);
        w->secrets = xalloc(n * sizeof *w->secrets);
        w->texts = xalloc(n * sizeof *w->texts);
        w->room = n;
    }
    w->n = 0;
}

static void
want(struct wanted *w, const struct secret_spec *secret, struct str text)
{
    AN(w->n < w->room);
    w->secrets[w->n] = secret;
    w->texts[w->n++] = text;
}

/* Whether the value is there already: two secrets may have the same, and a
 * secret may get back a value that it had. */
static void
look_for(
    struct scan_set *set, const struct secret_spec *secret, struct str text)
{
    if (!worth_looking_for(text)) {
        return;
    }
    for (unsigned i = 0; i < set->n; i++) {
        if (str_eq(set->texts[i], text)) {
            return;
        }
    }
    set->secrets[set->n] = secret;
    set->texts[set->n++] = text;
}

/* The values from `n_first` on are the newest of the store. */
static struct scan_set *
set_new(
    struct secret_store *s, const struct scan_set *first, struct str sandbox)
{
    const struct wanted *w = &s->scan_sets->wanted;
    unsigned n_first = first != NULL ? first->n_asked : 0;
    struct scan_set *set = xcalloc(sizeof *set);
    set->magic = SCAN_SET_MAGIC;
    set->refs = 1;
    set->n_asked = w->n;
    set->store = s;
    set->secrets = xcalloc((w->n + 1) * sizeof *set->secrets);
    set->texts = xcalloc((w->n + 1) * sizeof *set->texts);
    set->asked = xcalloc((w->n + 1) * sizeof *set->asked);
    set->asked_by = xcalloc((w->n + 1) * sizeof *set->asked_by);
    set->held = xcalloc((w->n + 1) * sizeof *set->held);
    for (unsigned i = 0; i < w->n; i++) {
        set->asked[i] = w->texts[i];
        set->asked_by[i] = w->secrets[i];
        set->held[i] = i < n_first
                           ? secret_value_ref(&first->held[i])
                           : secret_hold(s, w->secrets[i]->index, sandbox);
        AN(set->held[i].p == w->texts[i].p);
        look_for(set, w->secrets[i], w->texts[i]);
    }
    redact_keys_init(&set->keys, set->texts, set->n);
    list_init(&set->kept);
    set->node.key = key_of(set->asked, set->n_asked);
    map_add(&s->scan_sets->all, &set->node);
    return set;
}

/* Whether `first` has the value. It holds what it has: so the address says
 * that. */
static bool
is_asked(const struct scan_set *first, struct str text)
{
    for (unsigned i = 0; first != NULL && i < first->n_asked; i++) {
        if (first->asked[i].p == text.p) {
            return true;
        }
    }
    return false;
}

static void
gather(struct secret_store *s, const struct scan_set *first,
    const struct secret_spec *const *secrets, unsigned n, struct str sandbox)
{
    struct wanted *w = &s->scan_sets->wanted;
    unsigned n_first = first != NULL ? first->n_asked : 0;
    wanted_reserve(w, n_first + n);
    for (unsigned i = 0; i < n_first; i++) {
        want(w, first->asked_by[i], first->asked[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        struct str now = secret_get(s, secrets[i]->index, sandbox);
        if (now.p != NULL && !is_asked(first, now)) {
            want(w, secrets[i], now);
        }
    }
}

/* Most requests ask for the same as the request before them. */
static struct scan_set *
set_find(struct scan_sets *sets, struct str key)
{
    if (sets->last != NULL && str_eq(sets->last->node.key, key)) {
        return sets->last;
    }
    struct map_node *node = map_find(&sets->all, key);
    return node != NULL ? container_of(node, struct scan_set, node) : NULL;
}

struct scan_set *
scan_set_get(struct secret_store *s, const struct scan_set *first,
    const struct secret_spec *const *secrets, unsigned n, struct str sandbox)
{
    struct scan_sets *sets = s->scan_sets;
    CHECK(sets, SCAN_SETS_MAGIC);
    gather(s, first, secrets, n, sandbox);
    struct str key = key_of(sets->wanted.texts, sets->wanted.n);
    struct scan_set *set = set_find(sets, key);
    set = set != NULL ? scan_set_ref(set) : set_new(s, first, sandbox);
    sets->last = set;
    if (first == NULL) {
        set->is_newest = true;
        set->changes = secret_changes(s);
    }
    return set;
}

struct scan_set *
scan_set_ref(struct scan_set *set)
{
    CHECK(set, SCAN_SET_MAGIC);
    if (set->refs++ == 0) {
        take(set->store->scan_sets, set);
    }
    return set;
}

/* A value that was replaced is wiped when the last exchange that uses it ends.
 */
static bool
may_keep(const struct scan_set *set)
{
    return set->is_newest && set->changes == secret_changes(set->store);
}

void
scan_set_put(struct scan_set *set)
{
    if (set == NULL) {
        return;
    }
    CHECK(set, SCAN_SET_MAGIC);
    AN(set->refs);
    struct scan_sets *sets = set->store->scan_sets;
    if (--set->refs != 0) {
        return;
    }
    if (!may_keep(set)) {
        set_free(sets, set);
        return;
    }
    keep(sets, set);
    if (sets->n_kept > SCAN_SETS_KEPT) {
        forget_last(sets);
    }
}
