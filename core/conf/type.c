/*
 * The common types of fields: flags, numbers, sizes, times, strings, paths. The
 * binder calls them through command tables.
 */

#include "conf/type.h"

bool
size_parse(struct str s, uint64_t *out)
{
    uint64_t unit = 1, v;
    if (s.n == 0) {
        return false;
    }
    switch (ascii_lower((unsigned char)s.p[s.n - 1])) {
    case 'k':
        unit = 1024;
        break;
    case 'm':
        unit = 1024 * 1024;
        break;
    case 'g':
        unit = 1024 * 1024 * 1024;
        break;
    default:
        break;
    }
    s.n -= unit != 1;
    return str_u64(s, &v) && !__builtin_mul_overflow(v, unit, out);
}

/* How many seconds the unit at the start of `s` has; 0: it is no unit. *n is
 * the unit's length. */
static double
time_unit(struct str s, size_t *n)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 },
        { "d", 86400 }, { "w", 604800 }, { "M", 2592000 }, { "y", 31536000 } };
    for (size_t i = 0; i < LEN(units); i++) {
        if (str_starts(s, str_of(units[i].name))) {
            *n = strlen(units[i].name);
            return units[i].seconds;
        }
    }
    *n = 0;
    return 0;
}

bool
time_parse(struct str s, double *seconds)
{
    double total = 0, last = 1e99;
    while (s.n != 0) {
        uint64_t v;
        size_t digits = 0, n;
        while (digits < s.n && ascii_is_digit((unsigned char)s.p[digits])) {
            digits++;
        }
        if (!str_u64(str_n(s.p, digits), &v) || v > 1000000000) {
            return false;
        }
        s = str_skip(s, digits);
        bool is_plain = s.n == 0;
        double unit = is_plain ? 1 : time_unit(s, &n);
        if (unit == 0 || unit >= last) { /* largest first: 1h30m */
            return false;
        }
        total += (double)v * unit;
        last = unit;
        if (is_plain) {
            *seconds = total;
            return true;
        }
        s = str_skip(s, n);
    }
    *seconds = total;
    return last < 1e99;
}

static bool
invalid(struct bind *b, const struct directive *d)
{
    return conf_error(b, &d->args[0],
        "invalid value \"%.*s\" in \"%.*s\" directive",
        STR_ARG(d->args[0].text), STR_ARG(d->name.text));
}

bool
set_flag(struct bind *b, const struct directive *d, void *field)
{
    bool is_on = str_eq(d->args[0].text, STR("on"));
    if (!is_on && !str_eq(d->args[0].text, STR("off"))) {
        return conf_error(b, &d->args[0],
            "invalid value \"%.*s\" in \"%.*s\" directive, it must be \"on\" "
            "or \"off\"",
            STR_ARG(d->args[0].text), STR_ARG(d->name.text));
    }
    *(bool *)field = is_on;
    return true;
}

bool
set_uint(struct bind *b, const struct directive *d, void *field)
{
    uint64_t v;
    if (!str_u64(d->args[0].text, &v) || v > UINT32_MAX) {
        return invalid(b, d);
    }
    *(unsigned *)field = (unsigned)v;
    return true;
}

/* For limits: 0 would stop everything. */
bool
set_count(struct bind *b, const struct directive *d, void *field)
{
    unsigned *n = field;
    return set_uint(b, d, n) && (*n != 0 || invalid(b, d));
}

bool
set_size(struct bind *b, const struct directive *d, void *field)
{
    return size_parse(d->args[0].text, field) || invalid(b, d);
}

bool
set_time(struct bind *b, const struct directive *d, void *field)
{
    return time_parse(d->args[0].text, field) || invalid(b, d);
}

bool
set_str(struct bind *b, const struct directive *d, void *field)
{
    (void)b;
    *(struct str *)field = d->args[0].text;
    return true;
}

struct str
conf_path(const struct conf *c, struct str name)
{
    if (name.n != 0 && name.p[0] == '/') {
        return name;
    }
    return arena_printf(
        c->arena, "%.*s%.*s", STR_ARG(c->prefix), STR_ARG(name));
}

bool
set_path(struct bind *b, const struct directive *d, void *field)
{
    struct str s = d->args[0].text;
    if (s.n == 0) {
        return invalid(b, d);
    }
    *(struct str *)field = conf_path(bind_conf(b), s);
    return true;
}

bool
set_value(struct bind *b, const struct directive *d, void *field)
{
    struct value *v = value_compile(b, &d->args[0], false);
    *(struct value **)field = v;
    return v != NULL;
}

bool
set_secret_value(struct bind *b, const struct directive *d, void *field)
{
    struct value *v = value_compile(b, &d->args[0], true);
    *(struct value **)field = v;
    return v != NULL;
}
