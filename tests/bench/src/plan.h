#pragma once

/*
 * What a run of the load client is to do, as its command line says it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "client.h"

#define GROUPS_MAX 4
#define PIDS_MAX 64

/* Processes whose CPU time is reported together. */
struct group {
    const char *name;
    clockid_t clocks[PIDS_MAX];
    size_t n_clocks;
    uint64_t at_start;
};

struct plan {
    const char *ca;
    const char *beside; /* source address of the first connection, or NULL */
    const char *beside_ca;
    uint64_t connections, requests, rate;
    uint64_t at_once; /* requests of a held load that wait for an answer */
    double seconds, warm;
    bool is_new;  /* a connection for each request */
    bool is_mint; /* … and a host */
    bool is_held;
    bool must_tell;        /* that the first answer has come */
    uint64_t first, names; /* numbers of the hosts */
    struct group groups[GROUPS_MAX];
    size_t n_groups;
};

/* Fills both; what makes no sense ends the program with the usage. */
void plan_parse(
    struct plan *plan, struct client_run *run, int argc, char **argv);

/* The CPU time of a group's processes since they began. */
uint64_t group_ns(const struct group *g);
