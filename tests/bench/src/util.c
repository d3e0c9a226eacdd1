/*
 * What the origin and the load client share; see util.h.
 */

#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

uint64_t
now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void
die(const char *fmt, ...)
{
    int e = errno;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s%s\n", e != 0 ? ": " : "", e != 0 ? strerror(e) : "");
    exit(2);
}

uint64_t
number_of(const char *what, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        die("%s is not a number: %s", what, text);
    }
    return n;
}

void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static size_t
slot_of(uint64_t v)
{
    if (v < HIST_STEPS) {
        return (size_t)v;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - 6u;
    size_t slot =
        (size_t)(shift + 1) * HIST_STEPS + (size_t)((v >> shift) - HIST_STEPS);
    return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

static uint64_t
value_of(size_t slot)
{
    if (slot < HIST_STEPS) {
        return slot;
    }
    unsigned shift = (unsigned)(slot / HIST_STEPS) - 1;
    return (HIST_STEPS + slot % HIST_STEPS) << shift;
}

void
hist_add(struct hist *h, uint64_t ns)
{
    h->slots[slot_of(ns)]++;
    h->count++;
    h->max = ns > h->max ? ns : h->max;
}

uint64_t
hist_quantile(const struct hist *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count + 0.999999), seen = 0;
    if (h->count == 0) {
        return 0;
    }
    for (size_t i = 0; i < HIST_SLOTS; i++) {
        seen += h->slots[i];
        if (seen >= wanted) {
            return value_of(i);
        }
    }
    return h->max;
}
