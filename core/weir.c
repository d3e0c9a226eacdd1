/*
 * The program: reads the command line, and becomes what it asks for: a test
 * of the configuration, a signal to a running master, or the master.
 */

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/regex.h"
#include "http/gzip.h"
#include "net/dns_servers.h"
#include "net/loop.h"
#include "os/process.h"
#include "proc/cycle.h"
#include "proc/daemon.h"
#include "proc/explain_cmd.h"
#include "proc/files.h"
#include "proc/main_conf.h"
#include "proc/master.h"

struct options {
    struct cycle_options cycle;
    const char *signal;          /* -s */
    struct explain_args explain; /* -E; its sandbox p NULL: not given */
    bool is_help, is_version, is_configure, is_test, is_dump, is_quiet;
};

static const char usage[] =
    "Usage: weir [-?hvVtTq] [-s signal] [-p prefix] [-c filename] "
    "[-g directives]\n"
    "       weir [-p prefix] [-c filename] [-g directives] "
    "-E sandbox [method url]\n"
    "\n"
    "Options:\n"
    "  -?,-h         : this help\n"
    "  -v            : show version and exit\n"
    "  -V            : show version and configure options then exit\n"
    "  -t            : test configuration and exit\n"
    "  -T            : test configuration, dump it and exit\n"
    "  -q            : suppress non-error messages during configuration test\n"
    "  -s signal     : send signal to a master process: stop, quit, reopen, "
    "reload\n"
    "  -p prefix     : set prefix path (default: " WEIR_PREFIX ")\n"
    "  -c filename   : set configuration file (default: conf/weir.conf)\n"
    "  -g directives : set global directives out of configuration file\n"
    "  -E sandbox    : explain what is decided of a request, send nothing; "
    "without "
    "one,\n"
    "                  list what the sandbox may reach\n";

static bool
option_flag(struct options *o, int c)
{
    switch (c) {
    case 'h':
        return o->is_help = true;
    case 'v':
        return o->is_version = true;
    case 'V':
        return o->is_version = o->is_configure = true;
    case 't':
        return o->is_test = true;
    case 'T':
        return o->is_test = o->is_dump = true;
    case 'q':
        return o->is_quiet = true;
    default:
        return false;
    }
}

static bool
option_value(struct options *o, int c, const char *value)
{
    switch (c) {
    case 's':
        o->signal = value;
        return true;
    case 'p':
        o->cycle.prefix = value;
        return true;
    case 'c':
        o->cycle.file = value;
        return true;
    case 'g':
        o->cycle.globals = str_of(value);
        return true;
    case 'E':
        o->explain.sandbox = str_of(value);
        return true;
    default:
        return option_flag(o, c);
    }
}

/* What stands behind the options: -E's method and URL. */
static int
parse_rest(struct options *o, int argc, char **argv)
{
    bool is_explain = o->explain.sandbox.p != NULL;
    if (is_explain && argc - optind == 1) {
        fprintf(stderr, "weir: option \"-E\" requires a sandbox alone, or a "
                        "sandbox, a method and a URL\n");
        return -1;
    }
    if (is_explain && argc != optind) {
        o->explain.method = str_of(argv[optind++]);
        o->explain.url = str_of(argv[optind++]);
    }
    if (optind < argc) {
        fprintf(stderr, "weir: invalid option: \"%s\"\n", argv[optind]);
        return -1;
    }
    return 0;
}

static int
parse(struct options *o, int argc, char **argv)
{
    int c;
    opterr = 0;
    while ((c = getopt(argc, argv, "?hvVtTqs:p:c:g:E:")) != -1) {
        if (c == '?' && optopt != 0 && strchr("spcgE", optopt) != NULL) {
            fprintf(
                stderr, "weir: option \"-%c\" requires a parameter\n", optopt);
            o->explain.sandbox = optopt == 'E' ? STR("") : o->explain.sandbox;
            return -1;
        }
        if (c == '?' && optopt != 0 && optopt != '?') {
            fprintf(stderr, "weir: invalid option: \"-%c\"\n", optopt);
            return -1;
        }
        if (!option_value(o, c == '?' ? 'h' : c, optarg)) {
            return -1;
        }
    }
    return parse_rest(o, argc, argv);
}

static int
print_version(const struct options *o)
{
    fprintf(stderr, "weir version: weir/" WEIR_VERSION "\n");
    if (o->is_configure) {
        char libev[LOOP_LIBRARY_MAX], pcre2[REGEX_LIBRARY_MAX];
        fprintf(stderr,
            "running with %s, libev %s, PCRE2 %s, c-ares %s, zlib %s\n",
            digest_library(), loop_library(libev), regex_library(pcre2),
            dns_library(), gzip_library());
        fprintf(stderr, "built by " WEIR_COMPILER "\n"
                        "configure arguments: " WEIR_CONFIGURE "\n");
    }
    return 0;
}

static void
dump(const struct conf *c)
{
    struct str name, text;
    for (unsigned i = 0; conf_files(c, i, &name, &text); i++) {
        printf(
            "# configuration file %.*s:\n%.*s\n", STR_ARG(name), STR_ARG(text));
    }
}

static int
test(const struct options *o)
{
    struct cycle *c = cycle_read(&o->cycle, CONF_TEST);
    if (c == NULL) {
        fprintf(
            stderr, "weir: configuration file %s test failed\n", o->cycle.file);
        return 1;
    }
    cycle_warn(c, NULL);
    if (!o->is_quiet) {
        fprintf(stderr, "weir: configuration file %.*s test is successful\n",
            STR_ARG(c->conf->file));
    }
    if (o->is_dump) {
        dump(c->conf);
    }
    cycle_free(c);
    return 0;
}

static int
signal_number(const char *name)
{
    static const struct {
        const char *name;
        int signo;
    } signals[] = { { "stop", SIGTERM }, { "quit", SIGQUIT },
        { "reload", SIGHUP }, { "reopen", SIGUSR1 } };
    for (size_t i = 0; i < LEN(signals); i++) {
        if (strcmp(name, signals[i].name) == 0) {
            return signals[i].signo;
        }
    }
    return 0;
}

/* Of a configuration that cannot be read a reload would come to nothing. */
static bool
may_reload(const struct options *o)
{
    struct conf *c = cycle_conf(&o->cycle, CONF_LOOK);
    if (c == NULL) {
        return false;
    }
    conf_free(c);
    return true;
}

static int
signal_pid(const char *path, int signo)
{
    int pid = pid_file_read(path);
    if (pid == 0) {
        return 1;
    }
    if (kill(pid, signo) != 0) {
        log_errno(LOG_EMERG, errno, "%s \"%s\": kill(%d, %d) failed",
            errno == ESRCH ? "stale pid file" : "pid file", path, pid, signo);
        return 1;
    }
    return 0;
}

/* To the master whose pid file the configuration names; of that nothing else
 * is needed, so that weir can be stopped whatever became of it. */
static int
send_signal(const struct options *o)
{
    char err[1024];
    int signo = signal_number(o->signal), result = 1;
    if (signo == 0) {
        fprintf(stderr, "weir: invalid option: \"-s %s\"\n", o->signal);
        return 1;
    }
    struct arena *a = arena_new(65536);
    struct str path = cycle_pid_path(&o->cycle, a, err, sizeof err);
    if (path.n == 0) {
        log_at(LOG_EMERG, "%s", err);
    } else if (signo != SIGHUP || may_reload(o)) {
        result = signal_pid(path.p, signo);
    }
    arena_free(a);
    return result;
}

static int
explain(const struct options *o)
{
    struct conf *c = cycle_conf(&o->cycle, CONF_LOOK);
    if (c == NULL) {
        return EXPLAIN_USAGE;
    }
    int code = (int)explain_cmd_run(c, &o->explain);
    conf_free(c);
    return code;
}

static int
serve(const struct options *o)
{
    struct cycle *c = cycle_read(&o->cycle, CONF_SERVE);
    int parent = -1;
    if (c == NULL) {
        return 1;
    }
    cycle_warn(c, NULL);
    if (files_check(c->conf) != 0 || pid_file_is_held(c->main->pid.p)) {
        cycle_free(c);
        return 1;
    }
    if (c->main->daemon) {
        parent = daemon_start();
        if (parent < 0) {
            cycle_free(c);
            return 1;
        }
    }
    process_title("master process");
    return master_run(&o->cycle, role_table, c, parent);
}

int
main(int argc, char **argv)
{
    struct options o = { .cycle = { .prefix = WEIR_PREFIX,
                             .file = "conf/weir.conf",
                             .globals = STR_NONE } };
    clock_update();
    process_title_init(argc, &argv);
    if (parse(&o, argc, argv) != 0) {
        return o.explain.sandbox.p != NULL ? EXPLAIN_USAGE : 1;
    }
    if (o.is_help) {
        fputs(usage, stderr);
        return 0;
    }
    if (o.is_version) {
        return print_version(&o);
    }
    char *prefix = realpath(o.cycle.prefix, NULL);
    if (prefix == NULL) {
        log_errno(LOG_EMERG, errno, "prefix \"%s\"", o.cycle.prefix);
        return o.explain.sandbox.p != NULL ? EXPLAIN_USAGE : 1;
    }
    o.cycle.prefix = prefix;
    process_close_from(3);
    int code = process_seal() != 0           ? 1
               : o.signal != NULL            ? send_signal(&o)
               : o.explain.sandbox.p != NULL ? explain(&o)
               : o.is_test                   ? test(&o)
                                             : serve(&o);
    free(prefix);
    return code;
}
