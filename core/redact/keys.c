/*
 * Of each form the table has the last `stride` windows. A scan looks up every
 * stride-th window of a text: so wherever a whole form stands in the text, one
 * of its last windows is looked up. A tag lies in one of two buckets, which
 * its other words name (two-choice hashing): so few buckets are full, and a
 * look-up reads two.
 */

#include "redact/keys.h"

#include "base/mem.h"
#include "redact/token.h"

#define SLOTS 4 /* of a bucket */

static unsigned
forms_of(const struct str *secrets, unsigned n, struct redact_form *forms)
{
    unsigned n_forms = 0;
    for (unsigned i = 0; i < n; i++) {
        struct str run;
        size_t at = 0;
        while (worth_next(secrets[i], &at, &run)) {
            for (unsigned kind = REDACT_RAW; kind < REDACT_FORMS; kind++) {
                if (forms != NULL) {
                    forms[n_forms] = (struct redact_form){ run, i, kind };
                }
                n_forms++;
            }
        }
    }
    return n_forms;
}

static void
measure(struct redact_keys *k)
{
    k->stride = REDACT_STRIDE_MAX;
    k->shortest = k->n_forms != 0 ? SIZE_MAX : WORTH_MIN;
    for (unsigned i = 0; i < k->n_forms; i++) {
        const struct redact_form *f = &k->forms[i];
        size_t n = redact_form_length(f);
        unsigned stride = redact_stride(f->run.n);
        k->stride = stride < k->stride ? stride : k->stride;
        k->longest = n > k->longest ? n : k->longest;
        k->shortest = n < k->shortest ? n : k->shortest;
    }
    AN(k->n_forms == 0 || k->shortest <= k->longest);
}

static void
tag_of(const struct redact_keys *k, unsigned window, uint32_t tag[4])
{
    const struct redact_form *f = &k->forms[window / k->stride];
    unsigned char bytes[REDACT_WINDOW];
    AN(redact_form_length(f) >= REDACT_WINDOW + window % k->stride);
    size_t from = redact_form_length(f) - REDACT_WINDOW - window % k->stride;
    for (unsigned i = 0; i < REDACT_WINDOW; i++) {
        bytes[i] = redact_form_byte(f, from + i);
    }
    const unsigned char *at = bytes;
    uint32_t out[1][4];
    redact_prf_tags(&k->prf, &at, 1, out);
    memcpy(tag, out[0], sizeof out[0]);
    mem_wipe(bytes, sizeof bytes);
}

static unsigned
count(const struct redact_keys *k, uint32_t bucket)
{
    unsigned n = 0;
    while (n < SLOTS && k->first[bucket * SLOTS + n] != REDACT_NONE) {
        n++;
    }
    return n;
}

/* Chains the window to those with the same tag. False: the bucket has no such
 * tag. */
static bool
join(struct redact_keys *k, uint32_t bucket, uint32_t tag, uint32_t window)
{
    for (unsigned i = 0, n = count(k, bucket); i < n; i++) {
        if (k->buckets[bucket][i] == tag) {
            k->next[window] = k->first[bucket * SLOTS + i];
            k->first[bucket * SLOTS + i] = window;
            return true;
        }
    }
    return false;
}

/* False: both buckets are full. */
static bool
add(struct redact_keys *k, uint32_t window)
{
    uint32_t tag[4];
    tag_of(k, window, tag);
    uint32_t one = tag[1] & k->mask, two = tag[2] & k->mask;
    if (join(k, one, tag[0], window) || join(k, two, tag[0], window)) {
        return true;
    }
    AN(one <= k->mask && two <= k->mask);
    uint32_t bucket = count(k, two) < count(k, one) ? two : one;
    unsigned n = count(k, bucket);
    if (n == SLOTS) {
        return false;
    }
    k->buckets[bucket][n] = tag[0];
    k->first[bucket * SLOTS + n] = window;
    k->next[window] = REDACT_NONE;
    return true;
}

static void
free_table(struct redact_keys *k)
{
    if (k->buckets != NULL) {
        mem_wipe(k->buckets, (k->mask + (size_t)1) * sizeof *k->buckets);
    }
    xfree(k->buckets);
    xfree(k->first);
    k->buckets = NULL;
    k->first = NULL;
}

/* Makes the table with so many buckets, a power of two. False: that is too few.
 */
static bool
fill(struct redact_keys *k, uint32_t n_buckets, uint32_t n_windows)
{
    size_t slots = (size_t)n_buckets * SLOTS;
    AN(n_buckets != 0 && (n_buckets & (n_buckets - 1)) == 0);
    k->mask = n_buckets - 1;
    k->buckets = xcalloc(n_buckets * sizeof *k->buckets);
    k->first = xalloc(slots * sizeof *k->first);
    for (size_t i = 0; i < slots; i++) {
        k->first[i] = REDACT_NONE;
    }
    for (uint32_t i = 0; i < n_windows; i++) {
        if (!add(k, i)) {
            free_table(k);
            return false;
        }
    }
    return true;
}

static void
keys_init(struct redact_keys *k, const struct str *secrets, unsigned n,
    bool is_portable)
{
    AN(n == 0 || secrets != NULL);
    *k = (struct redact_keys){
        .magic = REDACT_KEYS_MAGIC, .secrets = secrets, .n = n
    };
    redact_prf_init(&k->prf, !is_portable);
    unsigned way = 0;
    while (is_portable && simd_way(way + 1) != NULL) {
        way++;
    }
    k->simd = simd_way(way);
    k->n_forms = forms_of(secrets, n, NULL);
    AN(k->n_forms <= INT32_MAX / REDACT_STRIDE_MAX);
    k->forms = xcalloc((k->n_forms + (size_t)1) * sizeof *k->forms);
    AN(forms_of(secrets, n, k->forms) == k->n_forms);
    measure(k);
    AN(k->stride != 0 && k->stride <= REDACT_STRIDE_MAX);
    AN(k->shortest >= REDACT_WINDOW && k->longest <= REDACT_FORM_MAX);
    uint32_t n_windows = k->n_forms * k->stride, n_buckets = 4;
    k->next = xalloc((n_windows + (size_t)1) * sizeof *k->next);
    while (n_buckets < n_windows - n_windows / 3) {
        n_buckets *= 2;
    }
    while (!fill(k, n_buckets, n_windows)) {
        n_buckets *= 2;
    }
}

void
redact_keys_init(struct redact_keys *k, const struct str *secrets, unsigned n)
{
    keys_init(k, secrets, n, false);
}

void
redact_keys_init_portable(
    struct redact_keys *k, const struct str *secrets, unsigned n)
{
    keys_init(k, secrets, n, true);
}

void
redact_keys_fini(struct redact_keys *k)
{
    CHECK(k, REDACT_KEYS_MAGIC);
    free_table(k);
    redact_prf_fini(&k->prf);
    xfree(k->forms);
    xfree(k->next);
    mem_wipe(k, sizeof *k);
}
