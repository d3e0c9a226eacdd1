/*
 * Host pattern sets: each pattern is one entry, in the index for its form.
 * Never resolves a name, and never decides what a match means.
 */

#include "match/pattern.h"

#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "match/glob.h"
#include "match/pattern_text.h"
#include "match/prefix.h"

#define PATTERN_MAGIC 0x9a77e249u
#define NAME_BYTES_MAX 253

static const char no_range[] = "a range of addresses names no host block";

struct entry {
    struct map_node node; /* in `exact`, `suffix` or `prefix` */
    struct str text;      /* canonical */
    void *value;
    unsigned order;
    struct regex *regex;
    bool is_exact;
};

struct pattern_set {
    unsigned magic;
    unsigned refs;
    enum pattern_kind kind;
    bool is_compiled;
    struct arena *arena;
    struct entry **entries; /* in the order added */
    unsigned n, n_exact;
    struct map exact;  /* by name */
    struct map suffix; /* "*.NAME", by NAME */
    struct map prefix; /* "NAME.*" by NAME; server names only */
    struct glob_set *globs;
    struct prefix_map *ranges;
    struct cidr *cidrs;
    unsigned n_cidrs;
    struct entry **regexes;
    unsigned n_regexes;
};

struct pattern_set *
pattern_set_new(enum pattern_kind kind)
{
    struct arena *a = arena_new(1024);
    struct pattern_set *s = arena_calloc(a, sizeof *s);
    s->magic = PATTERN_MAGIC;
    s->refs = 1;
    s->kind = kind;
    s->arena = a;
    map_init(&s->exact);
    map_init(&s->suffix);
    map_init(&s->prefix);
    return s;
}

struct pattern_set *
pattern_set_ref(struct pattern_set *s)
{
    if (s != NULL) {
        CHECK(s, PATTERN_MAGIC);
        AN(s->refs != 0);
        s->refs++;
    }
    return s;
}

void
pattern_set_unref(struct pattern_set *s)
{
    if (s == NULL) {
        return;
    }
    CHECK(s, PATTERN_MAGIC);
    AN(s->refs != 0);
    if (--s->refs != 0) {
        return;
    }
    s->magic = 0;
    for (unsigned i = 0; i < s->n; i++) {
        regex_free(s->entries[i]->regex);
    }
    map_fini(&s->exact);
    map_fini(&s->suffix);
    map_fini(&s->prefix);
    glob_set_free(s->globs);
    prefix_map_free(s->ranges);
    xfree(s->entries);
    xfree(s->cidrs);
    xfree(s->regexes);
    arena_free(s->arena);
}

static struct entry *
entry_new(struct pattern_set *s, struct str text, void *value)
{
    struct entry *e = arena_calloc(s->arena, sizeof *e);
    e->text = text;
    e->value = value;
    e->order = s->n;
    s->entries = xgrow(s->entries, s->n, sizeof *s->entries);
    s->entries[s->n++] = e;
    return e;
}

/* A pattern that is there already: an error for server names; for lists it is
 * ignored. */
static bool
duplicate(const struct pattern_set *s, const struct entry *first,
    struct pattern_error *err)
{
    if (s->kind == PATTERN_LIST) {
        return true;
    }
    err->other = first->value;
    snprintf(err->text, sizeof err->text, "a host block for it stands already");
    return false;
}

static bool
add_hashed(struct pattern_set *s, struct map *m, struct str key,
    struct str text, void *value, struct pattern_error *err)
{
    struct map_node *node = map_find(m, key);
    if (node != NULL) {
        return duplicate(s, container_of(node, struct entry, node), err);
    }
    struct entry *e = entry_new(s, text, value);
    e->node.key = key;
    e->is_exact = m == &s->exact;
    s->n_exact += e->is_exact;
    map_add(m, &e->node);
    return true;
}

static bool
add_range(
    struct pattern_set *s, const struct cidr *c, struct str text, void *value)
{
    if (s->ranges == NULL) {
        s->ranges = prefix_map_new();
    }
    if (prefix_map_get(s->ranges, c) != NULL) {
        return true;
    }
    struct entry *e = entry_new(s, text, value);
    e->is_exact = c->bits == (c->addr.family == 4 ? 32 : 128);
    s->n_exact += e->is_exact;
    AN(prefix_map_add(s->ranges, c, e));
    s->cidrs = xgrow(s->cidrs, s->n_cidrs, sizeof *s->cidrs);
    s->cidrs[s->n_cidrs++] = *c;
    return true;
}

static struct str
range_text(struct pattern_set *s, const struct cidr *c, bool is_range)
{
    char text[ADDR_TEXT_MAX];
    struct str t = addr_format(&c->addr, false, text);
    return is_range ? arena_printf(s->arena, "%.*s/%u", STR_ARG(t), c->bits)
                    : arena_dup(s->arena, t);
}

static struct str
without_brackets(struct str s)
{
    bool has = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
    return has ? str_n(s.p + 1, s.n - 2) : s;
}

/* Adds an address or a range. 1: added; 0: it is neither; -1: refused. */
static int
add_address(struct pattern_set *s, struct str pattern, void *value,
    struct pattern_error *err)
{
    struct cidr c;
    struct str bare = without_brackets(pattern);
    bool is_range = str_find(bare, '/') < bare.n;
    if (!cidr_parse(bare, &c)) {
        return 0;
    }
    struct str text = range_text(s, &c, is_range);
    if (s->kind == PATTERN_LIST) {
        return add_range(s, &c, text, value) ? 1 : -1;
    }
    if (is_range) {
        pattern_refuse(err, no_range);
        return -1;
    }
    return add_hashed(s, &s->exact, text, text, value, err) ? 1 : -1;
}

static bool
add_glob(struct pattern_set *s, struct str text, void *value)
{
    if (s->globs == NULL) {
        s->globs = glob_set_new();
    }
    struct entry *e = entry_new(s, text, value);
    glob_set_add(s->globs, text, e->order);
    return true;
}

static bool
add_name(struct pattern_set *s, struct str text, void *value,
    struct pattern_error *err)
{
    if (pattern_ends_in_number(text)) {
        return pattern_refuse(err,
            "an address in ambiguous form: write all of its four "
            "parts, or a CIDR");
    }
    return add_hashed(s, &s->exact, text, text, value, err);
}

static bool
add_list(struct pattern_set *s, struct str text, void *value,
    struct pattern_error *err)
{
    if (!pattern_labels_check(text, true, err)) {
        return false;
    }
    if (str_find(text, '*') == text.n) {
        return add_name(s, text, value, err);
    }
    struct str rest = str_skip(text, text.n > 2 ? 2 : 0);
    if (str_starts(text, STR("*.")) && str_find(rest, '*') == rest.n) {
        return add_hashed(s, &s->suffix, rest, text, value, err);
    }
    return add_glob(s, text, value);
}

static bool
add_regex(struct pattern_set *s, struct str pattern, void *value,
    struct pattern_error *err)
{
    char why[160];
    struct str source = str_trim(str_skip(pattern, 1));
    struct str text = arena_printf(s->arena, "~%.*s", STR_ARG(source));
    for (unsigned i = 0; i < s->n_regexes; i++) {
        if (str_eq(s->regexes[i]->text, text)) {
            return duplicate(s, s->regexes[i], err);
        }
    }
    struct regex *re =
        regex_new(source, REGEX_CASELESS | REGEX_WHOLE, why, sizeof why);
    if (source.n == 0 || re == NULL) {
        snprintf(err->text, sizeof err->text, "invalid regular expression: %s",
            re == NULL ? why : "it is empty");
        regex_free(re);
        return false;
    }
    struct entry *e = entry_new(s, text, value);
    e->regex = re;
    s->regexes = xgrow(s->regexes, s->n_regexes, sizeof *s->regexes);
    s->regexes[s->n_regexes++] = e;
    return true;
}

/* Adds ".NAME": the name and all names below it. */
static bool
add_dotted(struct pattern_set *s, struct str text, void *value,
    struct pattern_error *err)
{
    struct str name = str_skip(text, 1);
    struct str wild = arena_printf(s->arena, "*.%.*s", STR_ARG(name));
    return pattern_labels_check(name, false, err) &&
           add_name(s, name, value, err) &&
           add_hashed(s, &s->suffix, name, wild, value, err);
}

static bool
add_server(struct pattern_set *s, struct str text, void *value,
    struct pattern_error *err)
{
    if (str_starts(text, STR("."))) {
        return add_dotted(s, text, value, err);
    }
    if (text.n > 2 && str_starts(text, STR("*."))) {
        struct str name = str_skip(text, 2);
        return pattern_labels_check(name, false, err) &&
               add_hashed(s, &s->suffix, name, text, value, err);
    }
    if (text.n > 2 && str_ends(text, STR(".*"))) {
        struct str name = str_n(text.p, text.n - 2);
        return pattern_labels_check(name, false, err) &&
               add_hashed(s, &s->prefix, name, text, value, err);
    }
    return pattern_labels_check(text, false, err) &&
           add_name(s, text, value, err);
}

bool
pattern_set_add(struct pattern_set *s, struct str pattern, void *value,
    struct pattern_error *err)
{
    CHECK(s, PATTERN_MAGIC);
    AZ(s->is_compiled);
    *err = (struct pattern_error){ .other = NULL };
    if (pattern.n == 0) {
        return pattern_refuse(err, "an empty host pattern");
    }
    if (s->kind == PATTERN_SERVER && pattern.p[0] == '~') {
        return add_regex(s, pattern, value, err);
    }
    int added = add_address(s, pattern, value, err);
    if (added != 0) {
        return added > 0;
    }
    struct str text = pattern_canonical(s->arena, pattern);
    if (text.n > NAME_BYTES_MAX) {
        return pattern_refuse(err, "a host pattern of more than 253 bytes");
    }
    if (memmem(text.p, text.n, "://", 3) != NULL) {
        return pattern_refuse(err, pattern_byte_reason('/'));
    }
    if (!pattern_range_check(text, err)) {
        return s->kind == PATTERN_SERVER ? pattern_refuse(err, no_range)
                                         : false;
    }
    return s->kind == PATTERN_LIST ? add_list(s, text, value, err)
                                   : add_server(s, text, value, err);
}

void
pattern_set_compile(struct pattern_set *s)
{
    CHECK(s, PATTERN_MAGIC);
    AZ(s->is_compiled);
    s->is_compiled = true;
    if (s->globs != NULL) {
        glob_set_compile(s->globs);
    }
}

static struct entry *
hashed_find(const struct map *m, struct str key)
{
    struct map_node *node = m->count != 0 ? map_find(m, key) : NULL;
    return node != NULL ? container_of(node, struct entry, node) : NULL;
}

static enum pattern_result
give(const struct entry *e, struct pattern_hit *hit)
{
    if (e == NULL) {
        return PATTERN_NONE;
    }
    if (hit != NULL) {
        hit->value = e->value;
        hit->pattern = e->text;
        hit->is_exact = e->is_exact;
        hit->is_regex = e->regex != NULL;
    }
    return PATTERN_MATCH;
}

static const struct entry *
earlier(const struct entry *a, const struct entry *b)
{
    return a == NULL || (b != NULL && b->order < a->order) ? b : a;
}

/* Of the "*.NAME" that match, the one that was added first; for server names,
 * the longest. */
static const struct entry *
suffix_find(const struct pattern_set *s, struct str host)
{
    const struct entry *best = NULL;
    struct str part;
    if (s->suffix.count == 0) {
        return NULL;
    }
    while (str_cut(&host, '.', &part) && host.p != NULL) {
        const struct entry *e = hashed_find(&s->suffix, host);
        if (e != NULL && s->kind == PATTERN_SERVER) {
            return e;
        }
        best = earlier(best, e);
    }
    return best;
}

static const struct entry *
prefix_find(const struct pattern_set *s, struct str host)
{
    if (s->prefix.count == 0) {
        return NULL;
    }
    for (size_t n = host.n; n > 1; n--) {
        const struct entry *e =
            host.p[n - 1] == '.' ? hashed_find(&s->prefix, str_n(host.p, n - 1))
                                 : NULL;
        if (e != NULL) {
            return e;
        }
    }
    return NULL;
}

struct range_hits {
    const struct entry *exact, *first;
};

static void
on_range(void *arg, void *value)
{
    struct range_hits *hits = arg;
    const struct entry *e = value;
    if (e->is_exact) {
        hits->exact = e;
    } else {
        hits->first = earlier(hits->first, e);
    }
}

static const struct entry *
list_find(
    const struct pattern_set *s, struct str host, const struct addr *literal)
{
    struct range_hits ranges = { NULL, NULL };
    const struct entry *best = hashed_find(&s->exact, host);
    if (best != NULL) {
        return best;
    }
    if (literal != NULL && s->ranges != NULL) {
        prefix_map_visit(s->ranges, literal, on_range, &ranges);
        if (ranges.exact != NULL) {
            return ranges.exact;
        }
    }
    best = earlier(ranges.first, suffix_find(s, host));
    if (s->globs != NULL) {
        uint32_t order = glob_set_find(s->globs, host);
        best = earlier(best, order != GLOB_NONE ? s->entries[order] : NULL);
    }
    return best;
}

static enum pattern_result
regex_find(
    const struct pattern_set *s, struct str host, struct pattern_hit *hit)
{
    struct regex_match m;
    for (unsigned i = 0; i < s->n_regexes; i++) {
        const struct entry *e = s->regexes[i];
        int r = regex_run(e->regex, host, &m);
        if (r < 0) {
            give(e, hit);
            return PATTERN_FAILED;
        }
        if (r > 0) {
            if (hit != NULL) {
                hit->captures = m;
            }
            return give(e, hit);
        }
    }
    return PATTERN_NONE;
}

enum pattern_result
pattern_match(const struct pattern_set *s, struct str host,
    const struct addr *literal, struct pattern_hit *hit)
{
    if (s == NULL) {
        return PATTERN_NONE;
    }
    CHECK(s, PATTERN_MAGIC);
    AN(s->is_compiled);
    if (s->kind == PATTERN_LIST) {
        return give(list_find(s, host, literal), hit);
    }
    const struct entry *e = hashed_find(&s->exact, host);
    if (e == NULL) {
        e = suffix_find(s, host);
    }
    if (e == NULL) {
        e = prefix_find(s, host);
    }
    return e != NULL ? give(e, hit) : regex_find(s, host, hit);
}

unsigned
pattern_set_count(const struct pattern_set *s)
{
    CHECK(s, PATTERN_MAGIC);
    return s->n;
}

struct str
pattern_set_nth(const struct pattern_set *s, unsigned i)
{
    CHECK(s, PATTERN_MAGIC);
    AN(i < s->n);
    return s->entries[i]->text;
}

bool
pattern_set_is_exact(const struct pattern_set *s)
{
    CHECK(s, PATTERN_MAGIC);
    return s->n_exact == s->n;
}

const struct cidr *
pattern_set_cidrs(const struct pattern_set *s, unsigned *n)
{
    CHECK(s, PATTERN_MAGIC);
    *n = s->n_cidrs;
    return s->cidrs;
}

bool
pattern_set_has_addr(const struct pattern_set *s, const struct addr *a)
{
    if (s == NULL) {
        return false;
    }
    CHECK(s, PATTERN_MAGIC);
    return s->ranges != NULL && prefix_map_find(s->ranges, a) != NULL;
}
