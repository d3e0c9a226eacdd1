/*
 * The load client's command line; see plan.h.
 */

#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec ts = { 0 };
    clock_gettime(clock, &ts); /* one that ended has zero */
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
group_ns(const struct group *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < g->n_clocks; i++) {
        sum += clock_ns(g->clocks[i]);
    }
    return sum;
}

static void
usage(void)
{
    fputs("usage: load --port N --ca FILE [options]\n"
          "  --connect PORT     through CONNECT, for that port of the origin\n"
          "  --from ADDRESS     source address\n"
          "  --path /bytes/N | /sse/N/US | /hold …   --upload BYTES\n"
          "  --label L --domain D --first N --names N    hosts LN.D\n"
          "  --connections N    --new | --resume | --mint | --hold\n"
          "  --at-once N        of the held: requests at a time\n"
          "  --beside ADDRESS --beside-ca FILE    of the first connection\n"
          "  --tell             a line at the first answer\n"
          "  --abort            each connection is cut within the response\n"
          "  --rate N           open loop: requests a second in all\n"
          "  --seconds S --warm S | --requests N\n"
          "  --cpu NAME=PID,…   whose CPU time is reported\n",
        stderr);
    exit(2);
}

static void
add_group(struct plan *plan, char *text)
{
    struct group *g = &plan->groups[plan->n_groups++];
    char *equals = strchr(text, '=');
    if (equals == NULL || plan->n_groups > GROUPS_MAX) {
        usage();
    }
    *equals = '\0';
    g->name = text;
    for (char *s = strtok(equals + 1, ","); s != NULL; s = strtok(NULL, ",")) {
        if (g->n_clocks == PIDS_MAX ||
            clock_getcpuclockid(
                (pid_t)number_of("--cpu", s), &g->clocks[g->n_clocks++]) != 0) {
            die("--cpu %s", s);
        }
    }
}

enum {
    O_PORT,
    O_CA,
    O_CONNECT,
    O_FROM,
    O_PATH,
    O_UPLOAD,
    O_LABEL,
    O_DOMAIN,
    O_FIRST,
    O_NAMES,
    O_CONNECTIONS,
    O_NEW,
    O_RESUME,
    O_MINT,
    O_HOLD,
    O_AT_ONCE,
    O_BESIDE,
    O_BESIDE_CA,
    O_TELL,
    O_ABORT,
    O_RATE,
    O_SECONDS,
    O_WARM,
    O_REQUESTS,
    O_CPU
};

static const struct option options[] = {
    { "port", 1, NULL, O_PORT },
    { "ca", 1, NULL, O_CA },
    { "connect", 1, NULL, O_CONNECT },
    { "from", 1, NULL, O_FROM },
    { "path", 1, NULL, O_PATH },
    { "upload", 1, NULL, O_UPLOAD },
    { "label", 1, NULL, O_LABEL },
    { "domain", 1, NULL, O_DOMAIN },
    { "first", 1, NULL, O_FIRST },
    { "names", 1, NULL, O_NAMES },
    { "connections", 1, NULL, O_CONNECTIONS },
    { "new", 0, NULL, O_NEW },
    { "resume", 0, NULL, O_RESUME },
    { "mint", 0, NULL, O_MINT },
    { "hold", 0, NULL, O_HOLD },
    { "at-once", 1, NULL, O_AT_ONCE },
    { "beside", 1, NULL, O_BESIDE },
    { "beside-ca", 1, NULL, O_BESIDE_CA },
    { "tell", 0, NULL, O_TELL },
    { "abort", 0, NULL, O_ABORT },
    { "rate", 1, NULL, O_RATE },
    { "seconds", 1, NULL, O_SECONDS },
    { "warm", 1, NULL, O_WARM },
    { "requests", 1, NULL, O_REQUESTS },
    { "cpu", 1, NULL, O_CPU },
    { 0 },
};

/* Options of the form --NAME NUMBER; NULL: another. */
static uint64_t *
number_option(struct plan *plan, struct client_run *run, int o)
{
    switch (o) {
    case O_UPLOAD:
        return &run->upload;
    case O_FIRST:
        return &plan->first;
    case O_NAMES:
        return &plan->names;
    case O_CONNECTIONS:
        return &plan->connections;
    case O_AT_ONCE:
        return &plan->at_once;
    case O_RATE:
        return &plan->rate;
    case O_REQUESTS:
        return &plan->requests;
    default:
        return NULL;
    }
}

/* Options of the form --NAME TEXT; NULL: another. */
static const char **
text_option(struct plan *plan, struct client_run *run, int o)
{
    switch (o) {
    case O_CA:
        return &plan->ca;
    case O_BESIDE:
        return &plan->beside;
    case O_BESIDE_CA:
        return &plan->beside_ca;
    case O_PATH:
        return &run->path;
    case O_LABEL:
        return &run->label;
    case O_DOMAIN:
        return &run->domain;
    default:
        return NULL;
    }
}

static void
take_option(struct plan *plan, struct client_run *run, int o, char *arg)
{
    uint64_t *number = number_option(plan, run, o);
    if (number != NULL) {
        *number = number_of("an option", arg);
        return;
    }
    const char **text = text_option(plan, run, o);
    if (text != NULL) {
        *text = arg;
        return;
    }
    switch (o) {
    case O_PORT:
        run->port = (uint16_t)number_of("--port", arg);
        break;
    case O_CONNECT:
        run->origin_port = (uint16_t)number_of("--connect", arg);
        break;
    case O_FROM:
        run->from = inet_addr(arg);
        break;
    case O_SECONDS:
        plan->seconds = strtod(arg, NULL);
        break;
    case O_WARM:
        plan->warm = strtod(arg, NULL);
        break;
    case O_CPU:
        add_group(plan, arg);
        break;
    case O_NEW:
    case O_RESUME:
    case O_MINT:
        plan->is_new = true;
        plan->is_mint = o == O_MINT;
        run->does_resume = o == O_RESUME;
        break;
    case O_HOLD:
        plan->is_held = true;
        break;
    case O_TELL:
        plan->must_tell = true;
        break;
    case O_ABORT:
        run->does_abort = true;
        break;
    default:
        usage();
    }
}

void
plan_parse(struct plan *plan, struct client_run *run, int argc, char **argv)
{
    int o;
    *plan = (struct plan){ .connections = 1, .names = 1, .at_once = 64 };
    *run = (struct client_run){ .path = "/bytes/1024", .label = "h" };
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        take_option(plan, run, o, optarg);
    }
    run->does_hold = plan->is_held && strstr(run->path, "hold") != NULL;
    if (run->port == 0 || optind != argc || plan->connections == 0 ||
        plan->at_once == 0 || plan->names == 0 || run->domain == NULL ||
        plan->ca == NULL ||
        (plan->beside == NULL) != (plan->beside_ca == NULL)) {
        usage();
    }
}
