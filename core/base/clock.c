/*
 * The process's cached clock and its formatted forms, each made at most once
 * a second.
 */

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum form { FORM_ERROR, FORM_LOCAL, FORM_ISO, FORM_HTTP, FORMS };

static double now_mono, now_wall;
static struct {
    time_t at;
    size_t n;
    char text[40];
} cached[FORMS];

void
clock_update(void)
{
    struct timespec m, w;
    clock_gettime(CLOCK_MONOTONIC, &m);
    clock_gettime(CLOCK_REALTIME, &w);
    now_mono = (double)m.tv_sec + (double)m.tv_nsec / 1e9;
    now_wall = (double)w.tv_sec + (double)w.tv_nsec / 1e9;
}

double
clock_mono(void)
{
    if (now_mono == 0) {
        clock_update();
    }
    return now_mono;
}

double
clock_wall(void)
{
    if (now_wall == 0) {
        clock_update();
    }
    return now_wall;
}

/* strftime's %a and %b follow the locale; weir never sets one. */
static struct str
clock_form(enum form f, const char *fmt)
{
    time_t t = (time_t)clock_wall();
    if (cached[f].at != t || cached[f].n == 0) {
        struct tm tm;
        if (f == FORM_HTTP) {
            gmtime_r(&t, &tm);
        } else {
            localtime_r(&t, &tm);
        }
        cached[f].n = strftime(cached[f].text, sizeof cached[f].text, fmt, &tm);
        cached[f].at = t;
        if (f == FORM_ISO && cached[f].n > 2) { /* +0000 to +00:00 */
            char *end = cached[f].text + cached[f].n;
            memmove(end - 1, end - 2, 3);
            end[-2] = ':';
            cached[f].n++;
        }
    }
    return str_n(cached[f].text, cached[f].n);
}

struct str
clock_error_log(void)
{
    return clock_form(FORM_ERROR, "%Y/%m/%d %H:%M:%S");
}

struct str
clock_local(void)
{
    return clock_form(FORM_LOCAL, "%d/%b/%Y:%H:%M:%S %z");
}

struct str
clock_iso8601(void)
{
    return clock_form(FORM_ISO, "%Y-%m-%dT%H:%M:%S%z");
}

struct str
clock_http(void)
{
    return clock_form(FORM_HTTP, "%a, %d %b %Y %H:%M:%S GMT");
}
