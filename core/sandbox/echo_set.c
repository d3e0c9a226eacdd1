/*
 * Sets by the addresses of their values: a value that is held stays where it
 * is, and another never lies there meanwhile.
 */

#include "sandbox/echo_set.h"

#include "base/mem.h"
#include "redact/worth.h"
#include "sandbox/secret.h"
#include "sandbox/secret_priv.h"

/* What is asked for, while it is sought. */
struct wanted {
    unsigned n, room;
    const struct secret_def **secrets;
    struct str *texts;
};

struct echo_sets {
    unsigned magic;
    struct map all;
    struct echo_set *last; /* that was asked for; NULL: it has gone */
    struct list kept;      /* used last first */
    unsigned n_kept;
    struct wanted wanted; /* of one call at a time */
};

#define ECHO_SET_MAGIC 0xec05e701u
#define ECHO_SETS_MAGIC 0xec05e702u

static struct str
key_of(const struct str *texts, unsigned n)
{
    return str_n((const char *)texts, n * sizeof *texts);
}

struct echo_sets *
echo_sets_new(void)
{
    struct echo_sets *sets = xcalloc(sizeof *sets);
    sets->magic = ECHO_SETS_MAGIC;
    map_init(&sets->all);
    list_init(&sets->kept);
    return sets;
}

void
echo_sets_free(struct echo_sets *sets)
{
    CHECK(sets, ECHO_SETS_MAGIC);
    echo_sets_forget(sets);
    AZ(sets->all.count);
    map_fini(&sets->all);
    xfree(sets->wanted.secrets);
    xfree(sets->wanted.texts);
    sets->magic = 0;
    xfree(sets);
}

static void
keep(struct echo_sets *sets, struct echo_set *set)
{
    list_add_head(&sets->kept, &set->kept);
    sets->n_kept++;
}

static void
take(struct echo_sets *sets, struct echo_set *set)
{
    AN(sets->n_kept);
    list_del(&set->kept);
    sets->n_kept--;
}

static void
set_free(struct echo_sets *sets, struct echo_set *set)
{
    CHECK(set, ECHO_SET_MAGIC);
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
forget_last(struct echo_sets *sets)
{
    struct echo_set *set = container_of(sets->kept.prev, struct echo_set, kept);
    take(sets, set);
    set_free(sets, set);
}

void
echo_sets_forget(struct echo_sets *sets)
{
    CHECK(sets, ECHO_SETS_MAGIC);
    while (!list_is_empty(&sets->kept)) {
        forget_last(sets);
    }
}

unsigned
echo_sets_kept(const struct secret_store *s)
{
    return s->echo_sets->n_kept;
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
want(struct wanted *w, const struct secret_def *secret, struct str text)
{
    AN(w->n < w->room);
    w->secrets[w->n] = secret;
    w->texts[w->n++] = text;
}

/* Two secrets may have one value; a secret may change to what it was. */
static void
look_for(struct echo_set *set, const struct secret_def *secret, struct str text)
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

/* Those from `n_first` on are the store's newest. */
static struct echo_set *
set_new(struct secret_store *s, const struct echo_set *first,
    const struct sandbox *sandbox)
{
    const struct wanted *w = &s->echo_sets->wanted;
    unsigned n_first = first != NULL ? first->n_asked : 0;
    struct echo_set *set = xcalloc(sizeof *set);
    set->magic = ECHO_SET_MAGIC;
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
    map_add(&s->echo_sets->all, &set->node);
    return set;
}

/* Held by `first`: where it lies is what it is. */
static bool
is_asked(const struct echo_set *first, struct str text)
{
    for (unsigned i = 0; first != NULL && i < first->n_asked; i++) {
        if (first->asked[i].p == text.p) {
            return true;
        }
    }
    return false;
}

static void
gather(struct secret_store *s, const struct echo_set *first,
    const struct secret_def *const *secrets, unsigned n,
    const struct sandbox *sandbox)
{
    struct wanted *w = &s->echo_sets->wanted;
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

/* Most requests ask for what the one before them did. */
static struct echo_set *
set_find(struct echo_sets *sets, struct str key)
{
    if (sets->last != NULL && str_eq(sets->last->node.key, key)) {
        return sets->last;
    }
    struct map_node *node = map_find(&sets->all, key);
    return node != NULL ? container_of(node, struct echo_set, node) : NULL;
}

struct echo_set *
echo_set_get(struct secret_store *s, const struct echo_set *first,
    const struct secret_def *const *secrets, unsigned n,
    const struct sandbox *sandbox)
{
    struct echo_sets *sets = s->echo_sets;
    CHECK(sets, ECHO_SETS_MAGIC);
    gather(s, first, secrets, n, sandbox);
    struct str key = key_of(sets->wanted.texts, sets->wanted.n);
    struct echo_set *set = set_find(sets, key);
    set = set != NULL ? echo_set_ref(set) : set_new(s, first, sandbox);
    sets->last = set;
    if (first == NULL) {
        set->is_newest = true;
        set->changes = secret_changes(s);
    }
    return set;
}

struct echo_set *
echo_set_ref(struct echo_set *set)
{
    CHECK(set, ECHO_SET_MAGIC);
    if (set->refs++ == 0) {
        take(set->store->echo_sets, set);
    }
    return set;
}

/* A value that is replaced is wiped with the last exchange that has it. */
static bool
may_keep(const struct echo_set *set)
{
    return set->is_newest && set->changes == secret_changes(set->store);
}

void
echo_set_put(struct echo_set *set)
{
    if (set == NULL) {
        return;
    }
    CHECK(set, ECHO_SET_MAGIC);
    AN(set->refs);
    struct echo_sets *sets = set->store->echo_sets;
    if (--set->refs != 0) {
        return;
    }
    if (!may_keep(set)) {
        set_free(sets, set);
        return;
    }
    keep(sets, set);
    if (sets->n_kept > ECHO_SETS_KEPT) {
        forget_last(sets);
    }
}
