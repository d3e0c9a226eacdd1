/*
 * Policies, counted by reference. class.c and sandbox_conf.c make them from a
 * configuration; at run time one is made for a single sandbox. Sandboxes hold
 * references, and so do the exchanges that were decided under a policy.
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
