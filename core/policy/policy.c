/*
 * Policies, counted by reference. Made by class.c and sandbox_conf.c from a
 * configuration, and at run time for one sandbox; held by sandboxes and by the
 * exchanges that were decided under them.
 */

#include "policy/policy.h"

#include "base/mem.h"

struct policy *
policy_new(const struct policy *values)
{
    struct policy *p = xalloc(sizeof *p);
    AN(values->class != NULL);
    *p = *values;
    p->magic = POLICY_MAGIC;
    p->refs = 1;
    pattern_set_ref(p->allowed);
    pattern_set_ref(p->denied);
    pattern_set_ref(p->own_denied);
    pattern_set_ref(p->outbound_by_host);
    return p;
}

struct policy *
policy_ref(struct policy *p)
{
    CHECK(p, POLICY_MAGIC);
    AN(p->refs != 0);
    p->refs++;
    return p;
}

void
policy_unref(struct policy *p)
{
    CHECK(p, POLICY_MAGIC);
    AN(p->refs != 0);
    if (--p->refs != 0) {
        return;
    }
    pattern_set_unref(p->allowed);
    pattern_set_unref(p->denied);
    pattern_set_unref(p->own_denied);
    pattern_set_unref(p->outbound_by_host);
    p->magic = 0;
    xfree(p);
}
