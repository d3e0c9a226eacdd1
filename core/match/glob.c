/*
 * An Aho-Corasick automaton over one literal piece of each glob. The subject is
 * read as "^subject$", so that a piece at either end of a glob is anchored.
 * States are small and sparse: children are a list, only the root has a table.
 */

#include "match/glob.h"

#include "base/map.h"
#include "base/mem.h"

#define GLOB_MAGIC 0x610b610bu
#define BEGIN '^'
#define END '$'

struct glob {
    struct str pattern, piece;
    uint32_t number;
    uint32_t next; /* the next glob with the same piece, plus 1 */
};

struct state {
    uint32_t child, sibling; /* 0: none, as the root is no child */
    uint32_t fail;
    uint32_t dict;  /* the nearest state along `fail` that has globs */
    uint32_t globs; /* the first glob, plus 1 */
    char c;
};

struct glob_set {
    unsigned magic;
    bool is_compiled;
    struct glob *globs;
    uint32_t n_globs;
    uint32_t all; /* the lowest number of a glob "*" */
    struct state *states;
    uint32_t n_states;
    uint32_t root[256];
    struct arena *arena; /* of the pieces with their anchors */
};

/* A piece, and how many globs have it. */
struct piece_use {
    struct map_node node;
    unsigned n;
};

struct glob_set *
glob_set_new(void)
{
    struct glob_set *g = xcalloc(sizeof *g);
    g->magic = GLOB_MAGIC;
    g->all = GLOB_NONE;
    g->arena = arena_new(4096);
    return g;
}

void
glob_set_free(struct glob_set *g)
{
    if (g == NULL) {
        return;
    }
    CHECK(g, GLOB_MAGIC);
    g->magic = 0;
    xfree(g->globs);
    xfree(g->states);
    arena_free(g->arena);
    xfree(g);
}

void
glob_set_add(struct glob_set *g, struct str pattern, uint32_t number)
{
    CHECK(g, GLOB_MAGIC);
    AZ(g->is_compiled);
    AN(str_find(pattern, '*') < pattern.n);
    if (pattern.n == 1) {
        g->all = number < g->all ? number : g->all;
        return;
    }
    g->globs = xgrow(g->globs, g->n_globs, sizeof *g->globs);
    g->globs[g->n_globs++] =
        (struct glob){ .pattern = pattern, .number = number };
}

/* The next literal piece with its anchors, in `a`; false after the last one.
 * *at starts at 0. */
static bool
piece_next(struct arena *a, struct str pattern, size_t *at, struct str *out)
{
    while (*at < pattern.n && pattern.p[*at] == '*') {
        (*at)++;
    }
    if (*at >= pattern.n) {
        return false;
    }
    struct str rest = str_skip(pattern, *at);
    size_t n = str_find(rest, '*');
    char *p = arena_alloc(a, n + 2);
    size_t put = 0;
    if (*at == 0) {
        p[put++] = BEGIN;
    }
    memcpy(p + put, rest.p, n);
    put += n;
    if (n == rest.n) {
        p[put++] = END;
    }
    *out = str_n(p, put);
    *at += n;
    return true;
}

static void
pieces_count(struct glob_set *g, struct map *uses, struct arena *a)
{
    for (uint32_t i = 0; i < g->n_globs; i++) {
        struct str piece;
        size_t at = 0;
        while (piece_next(a, g->globs[i].pattern, &at, &piece)) {
            struct map_node *node = map_find(uses, piece);
            struct piece_use *u;
            if (node == NULL) {
                u = arena_calloc(a, sizeof *u);
                u->node.key = piece;
                map_add(uses, &u->node);
            } else {
                u = container_of(node, struct piece_use, node);
            }
            u->n++;
        }
    }
}

/* The piece that the fewest globs have; of several such, the longest. */
static struct str
piece_choose(struct arena *a, const struct glob *glob, const struct map *uses)
{
    struct str best = STR_NONE, piece;
    unsigned best_n = 0;
    size_t at = 0;
    while (piece_next(a, glob->pattern, &at, &piece)) {
        const struct map_node *node = map_find(uses, piece);
        unsigned n = container_of(node, const struct piece_use, node)->n;
        if (best.p == NULL || n < best_n || (n == best_n && piece.n > best.n)) {
            best = piece;
            best_n = n;
        }
    }
    return best;
}

static uint32_t
state_new(struct glob_set *g, char c)
{
    g->states = xgrow(g->states, g->n_states, sizeof *g->states);
    g->states[g->n_states] = (struct state){ .c = c };
    return g->n_states++;
}

static uint32_t
state_child(const struct glob_set *g, uint32_t s, char c)
{
    if (s == 0) {
        return g->root[(unsigned char)c];
    }
    uint32_t k = g->states[s].child;
    while (k != 0 && g->states[k].c != c) {
        k = g->states[k].sibling;
    }
    return k;
}

static void
trie_add(struct glob_set *g, uint32_t number)
{
    struct glob *glob = &g->globs[number];
    uint32_t s = 0;
    for (size_t i = 0; i < glob->piece.n; i++) {
        char c = glob->piece.p[i];
        uint32_t k = state_child(g, s, c);
        if (k == 0) {
            k = state_new(g, c);
            g->states[k].sibling = g->states[s].child;
            g->states[s].child = k;
            if (s == 0) {
                g->root[(unsigned char)c] = k;
            }
        }
        s = k;
    }
    glob->next = g->states[s].globs;
    g->states[s].globs = number + 1;
}

static uint32_t
state_step(const struct glob_set *g, uint32_t s, char c)
{
    uint32_t k = state_child(g, s, c);
    while (k == 0 && s != 0) {
        s = g->states[s].fail;
        k = state_child(g, s, c);
    }
    return k;
}

/* Breadth first, so that the `fail` of a state is set before others need it. */
static void
fails_set(struct glob_set *g)
{
    uint32_t *queue = xalloc(g->n_states * sizeof *queue);
    uint32_t head = 0, tail = 0;
    queue[tail++] = 0;
    while (head < tail) {
        uint32_t s = queue[head++];
        for (uint32_t k = g->states[s].child; k != 0;
             k = g->states[k].sibling) {
            struct state *kid = &g->states[k];
            kid->fail = s == 0 ? 0 : state_step(g, g->states[s].fail, kid->c);
            const struct state *f = &g->states[kid->fail];
            kid->dict = f->globs != 0 ? kid->fail : f->dict;
            queue[tail++] = k;
        }
    }
    xfree(queue);
}

void
glob_set_compile(struct glob_set *g)
{
    CHECK(g, GLOB_MAGIC);
    AZ(g->is_compiled);
    g->is_compiled = true;
    struct arena *a = arena_new(4096);
    struct map uses;
    map_init(&uses);
    pieces_count(g, &uses, a);
    AZ(state_new(g, 0));
    for (uint32_t i = 0; i < g->n_globs; i++) {
        g->globs[i].piece =
            arena_dup(g->arena, piece_choose(a, &g->globs[i], &uses));
        trie_add(g, i);
    }
    fails_set(g);
    map_fini(&uses);
    arena_free(a);
}

bool
glob_match(struct str pattern, struct str subject)
{
    size_t first = str_find(pattern, '*'), last = pattern.n;
    if (first == pattern.n) {
        return str_eq(pattern, subject);
    }
    while (pattern.p[last - 1] != '*') {
        last--;
    }
    struct str tail = str_skip(pattern, last);
    if (subject.n < first + tail.n ||
        !str_starts(subject, str_n(pattern.p, first)) ||
        !str_ends(subject, tail)) {
        return false;
    }
    struct str rest = str_n(subject.p + first, subject.n - first - tail.n);
    struct str middle = str_n(pattern.p + first, last - first), piece;
    while (str_cut(&middle, '*', &piece)) {
        if (piece.n == 0) {
            continue;
        }
        const char *hit =
            rest.n != 0 ? memmem(rest.p, rest.n, piece.p, piece.n) : NULL;
        if (hit == NULL) {
            return false;
        }
        rest = str_skip(rest, (size_t)(hit - rest.p) + piece.n);
    }
    return true;
}

/* Compares the globs whose piece ends in state `s`. */
static uint32_t
state_try(
    const struct glob_set *g, uint32_t s, struct str subject, uint32_t best)
{
    uint32_t at = g->states[s].globs != 0 ? s : g->states[s].dict;
    for (; at != 0; at = g->states[at].dict) {
        for (uint32_t i = g->states[at].globs; i != 0;
             i = g->globs[i - 1].next) {
            const struct glob *glob = &g->globs[i - 1];
            if (glob->number < best && glob_match(glob->pattern, subject)) {
                best = glob->number;
            }
        }
    }
    return best;
}

uint32_t
glob_set_find(const struct glob_set *g, struct str subject)
{
    CHECK(g, GLOB_MAGIC);
    AN(g->is_compiled);
    uint32_t best = g->all;
    if (g->n_globs == 0) {
        return best;
    }
    uint32_t s = state_step(g, 0, BEGIN);
    best = state_try(g, s, subject, best);
    for (size_t i = 0; i < subject.n; i++) {
        s = state_step(g, s, subject.p[i]);
        best = state_try(g, s, subject, best);
    }
    s = state_step(g, s, END);
    return state_try(g, s, subject, best);
}
