/*
 * The fixture of tests that need a whole configuration.
 */

#include "whole_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/sock.h"
#include "proc/main_conf.h"

#include <cmocka.h>

int
whole_set_up(void **state)
{
    struct whole *w = xcalloc(sizeof *w);
    tmp_dir_make(&w->dir);
    w->log = memfd_create("log", MFD_CLOEXEC);
    log_set(w->log, LOG_DEBUG);
    *state = w;
    return w->log < 0 ? -1 : 0;
}

static void
forget(struct whole *w)
{
    if (w->conf != NULL) {
        conf_free(w->conf);
    }
    w->conf = NULL;
}

int
whole_tear_down(void **state)
{
    struct whole *w = *state;
    forget(w);
    log_set(STDERR_FILENO, LOG_NOTICE);
    close(w->log);
    tmp_dir_remove(&w->dir);
    xfree(w);
    return 0;
}

static bool
bind_text(struct whole *w, const char *text)
{
    unsigned n;
    const struct conf_part *const *parts = main_conf_parts(&n);
    forget(w);
    tmp_dir_write(&w->dir, "weir.conf", str_of(text));
    w->conf = conf_bind(parts, n, w->dir.path, "weir.conf", STR(""), false,
        w->err, sizeof w->err);
    return w->conf != NULL;
}

struct conf *
whole_binds(void **state, const char *text)
{
    struct whole *w = *state;
    if (!bind_text(w, text)) {
        fail_msg("%s", w->err);
    }
    return w->conf;
}

struct scope *
whole_egress(void **state, const char *text)
{
    size_t n = strlen(text) + sizeof "egress {  }";
    char *all = xalloc(n);
    snprintf(all, n, "egress { %s }", text);
    struct conf *conf = whole_binds(state, all);
    xfree(all);
    return conf_scope(conf, CONF_EGRESS);
}

void
whole_refuses(void **state, bool is_main, const char *text, const char *what,
    unsigned line)
{
    struct whole *w = *state;
    char all[8192], expected[1024];
    snprintf(all, sizeof all, is_main ? "%s" : "egress { %s }", text);
    if (bind_text(w, all)) {
        fail_msg("not refused: %s", text);
    }
    snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
        w->dir.path, line);
    assert_string_equal(w->err, line != 0 ? expected : what);
}

bool
whole_logged(void **state, const char *what)
{
    struct whole *w = *state;
    char text[16384];
    ssize_t n = pread(w->log, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    AZ(ftruncate(w->log, 0));
    AZ(lseek(w->log, 0, SEEK_SET));
    return strstr(text, what) != NULL;
}

int
whole_hold_port(struct addr *a)
{
    int on = 1;
    struct sockaddr_storage sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(addr_parse_port(STR("127.0.0.1:1"), 0, a));
    a->port = 0;
    socklen_t n = addr_to_sockaddr(a, &sa);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    sock_local(fd, a);
    return fd;
}
