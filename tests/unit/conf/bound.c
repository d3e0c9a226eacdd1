/*
 * See bound.h.
 */

#include "bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"

int
bound_set_up(void **state)
{
    struct bound *f = xcalloc(sizeof *f);
    tmp_dir_make(&f->dir);
    *state = f;
    return 0;
}

int
bound_tear_down(void **state)
{
    struct bound *f = *state;
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    tmp_dir_remove(&f->dir);
    xfree(f);
    return 0;
}

struct conf *
bound_bind(struct bound *f, const struct conf_part *const *parts, unsigned n,
    const char *text, const char *globals, enum conf_use use)
{
    tmp_dir_write(&f->dir, "weir.conf", str_of(text));
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    f->conf = conf_bind(parts, n, f->dir.path, "weir.conf", str_of(globals),
        use, f->err, sizeof f->err);
    return f->conf;
}

void
bound_is_refused(const struct bound *f, const char *what, unsigned line)
{
    char expected[1024];
    assert_null(f->conf);
    snprintf(expected, sizeof expected, "%s in %sweir.conf:%u", what,
        f->dir.path, line);
    assert_string_equal(f->err, expected);
}
