/*
 * The access log: one line for each exchange, in a format of the operator's or
 * as JSON. Lines are written through a logfile. Values are escaped, so that a
 * sandbox cannot forge a line.
 */

#include "module.h"

#define LINE_MAX_BYTES 65536 /* what a logfile takes */
#define FORMAT_MAX 16384
#define PIECES_MAX 128

/* The most bytes of one value; an escape makes up to six of each. A longer
 * value is cut: a client cannot keep its request out of the log by a long line.
 */
#define VALUE_MAX 4096

extern const unsigned access_log_module_index;

enum escape { ESCAPE_DEFAULT, ESCAPE_JSON };

/* A piece of a format: a literal, then a variable; the last may have none. */
struct piece {
    struct str literal;
    struct value *value;
};

struct log_format {
    struct str name;
    enum escape escape;
    struct piece *pieces;
    unsigned n;
    struct log_format *next;
};

struct access_log {
    struct log_format *formats; /* egress */
    struct logfile *file;       /* NULL: off */
    struct log_format *format;
};

static const char default_format[] =
    "$remote_addr $sandbox_id [$time_local] \"$request_method "
    "$scheme://$host:$port$uri\" $status $body_bytes_sent $request_time "
    "$upstream_addr \"$cause\"\n";

static const char json_format[] =
    "{\"time\":\"$time_iso8601\",\"sandbox\":\"$sandbox_id\","
    "\"class\":\"$sandbox_class\",\"client\":\"$remote_addr\","
    "\"method\":\"$request_method\",\"scheme\":\"$scheme\","
    "\"host\":\"$host\",\"port\":$port,\"path\":\"$uri\","
    "\"status\":$status,\"rule\":\"$rule\",\"request_length\":$request_length,"
    "\"bytes_sent\":$bytes_sent,\"request_time\":$request_time,"
    "\"slot_wait_time\":\"$slot_wait_time\","
    "\"upstream_addr\":\"$upstream_addr\","
    "\"upstream_connect_time\":\"$upstream_connect_time\","
    "\"upstream_header_time\":\"$upstream_header_time\","
    "\"cause\":\"$cause\"}\n";

static bool
is_name_byte(char ch)
{
    return ascii_is_alpha((unsigned char)ch) ||
           ascii_is_digit((unsigned char)ch) || ch == '_';
}

/* The length of the reference at the start of `s`: "$name" or "${name}". */
static size_t
reference_length(struct str s)
{
    size_t n = 1;
    if (s.n > 1 && s.p[1] == '{') {
        return str_find(s, '}') < s.n ? str_find(s, '}') + 1 : s.n;
    }
    while (n < s.n && is_name_byte(s.p[n])) {
        n++;
    }
    return n;
}

static bool
format_compile(struct bind *b, const struct token *at, struct str text,
    struct log_format *f)
{
    struct arena *a = bind_conf(b)->arena;
    f->pieces = arena_calloc(a, PIECES_MAX * sizeof *f->pieces);
    while (text.n != 0) {
        if (f->n == PIECES_MAX) {
            return conf_error(b, at, "log format has too many variables");
        }
        struct piece *piece = &f->pieces[f->n++];
        size_t dollar = str_find(text, '$');
        piece->literal = arena_dup(a, str_n(text.p, dollar));
        text = str_skip(text, dollar);
        if (text.n == 0) {
            return true;
        }
        size_t n = reference_length(text);
        struct token var = *at;
        var.text = arena_dup(a, str_n(text.p, n));
        piece->value = value_compile(b, &var, false);
        if (piece->value == NULL) {
            return false;
        }
        text = str_skip(text, n);
    }
    return true;
}

static struct log_format *
format_find(struct log_format *f, struct str name)
{
    while (f != NULL && !str_eq(f->name, name)) {
        f = f->next;
    }
    return f;
}

static struct log_format *
format_add(struct bind *b, struct log_format **list, struct str name)
{
    struct log_format *f = arena_calloc(bind_conf(b)->arena, sizeof *f);
    f->name = name;
    f->next = *list;
    *list = f;
    return f;
}

static bool
is_builtin(struct str name)
{
    return str_eq(name, STR("json")) || str_eq(name, STR("default"));
}

static bool
parse_escape(struct bind *b, const struct token *t, enum escape *out)
{
    struct str word = str_skip(t->text, sizeof "escape=" - 1);
    bool is_json = str_eq(word, STR("json"));
    *out = is_json ? ESCAPE_JSON : ESCAPE_DEFAULT;
    return is_json || str_eq(word, STR("default")) ||
           conf_error(b, t, "unknown escaping \"%.*s\": default or json",
               STR_ARG(word));
}

/* Compiles the arguments from `i` on, which are one format, and adds a newline.
 */
static bool
format_read(
    struct bind *b, const struct directive *d, unsigned i, struct log_format *f)
{
    struct buf text;
    bool ok = true;
    buf_init(&text, FORMAT_MAX);
    for (; i < d->n_args && ok; i++) {
        ok = buf_add(&text, d->args[i].text);
    }
    ok = ok && buf_addc(&text, '\n');
    ok = ok ? format_compile(b, &d->args[0], buf_str(&text), f)
            : conf_error(b, &d->args[0], "log format is too long");
    buf_fini(&text);
    return ok;
}

/* log_format NAME [escape=default|json] STRING…; */
static bool
set_log_format(struct bind *b, const struct directive *d, void *field)
{
    struct log_format **list = field;
    struct str name = d->args[0].text;
    bool has_escape = str_starts(d->args[1].text, STR("escape="));
    if (format_find(*list, name) != NULL || is_builtin(name)) {
        return conf_error(
            b, &d->args[0], "duplicate log_format \"%.*s\"", STR_ARG(name));
    }
    struct log_format *f = format_add(b, list, name);
    if (has_escape && !parse_escape(b, &d->args[1], &f->escape)) {
        return false;
    }
    if (has_escape && d->n_args == 2) {
        return conf_error(b, &d->args[1], "log format is empty");
    }
    return format_read(b, d, has_escape ? 2 : 1, f);
}

static struct log_format *
builtin_format(struct bind *b, const struct token *at, struct log_format **list,
    struct str name)
{
    bool is_json = str_eq(name, STR("json"));
    struct log_format *f = format_add(b, list, name);
    f->escape = is_json ? ESCAPE_JSON : ESCAPE_DEFAULT;
    bool ok = format_compile(
        b, at, str_of(is_json ? json_format : default_format), f);
    return ok ? f : NULL;
}

/* access_log off | PATH [FORMAT]; */
static bool
set_access_log(struct bind *b, const struct directive *d, void *field)
{
    struct access_log *log = bind_part(b);
    (void)field;
    log->file = NULL;
    if (str_eq(d->args[0].text, STR("off"))) {
        return d->n_args == 1 ||
               conf_error(b, &d->args[1], "\"off\" takes no format");
    }
    struct str name = d->n_args > 1 ? d->args[1].text : STR("default");
    log->format = format_find(log->formats, name);
    if (log->format == NULL && is_builtin(name)) {
        log->format = builtin_format(b, &d->args[0], &log->formats, name);
    }
    if (log->format == NULL) {
        return conf_error(b, &d->args[d->n_args - 1],
            "unknown log format \"%.*s\"", STR_ARG(name));
    }
    struct str path = d->args[0].text;
    if (path.n == 0) {
        return conf_error(b, &d->args[0], "empty path");
    }
    log->file = logfile_get(bind_conf(b), path);
    return true;
}

static bool
add_escaped(struct buf *line, struct str s)
{
    bool ok = true;
    for (size_t i = 0; i < s.n && ok; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        bool is_plain = ch >= 0x20 && ch < 0x7f && ch != '"' && ch != '\\';
        ok =
            is_plain ? buf_addc(line, (char)ch) : buf_addf(line, "\\x%02X", ch);
    }
    return ok;
}

static bool
add_value(struct buf *line, const struct log_format *f, struct str s)
{
    if (f->escape == ESCAPE_JSON) {
        return json_escape(line, s);
    }
    return s.n != 0 ? add_escaped(line, s) : buf_addc(line, '-');
}

/* Writes the line with at most `value_max` bytes of each value; false: it is
 * too long. */
static bool
format_line(const struct log_format *f, const struct tx *tx, size_t value_max,
    struct buf *line)
{
    bool ok = true;
    buf_clear(line);
    for (unsigned i = 0; i < f->n && ok; i++) {
        const struct piece *piece = &f->pieces[i];
        struct str s = STR_NONE;
        ok = buf_add(line, piece->literal);
        if (piece->value != NULL && ok) {
            if (!value_eval(piece->value, (void *)tx, tx->xfer.arena, &s)) {
                s = STR_NONE;
            }
            s.n = s.n < value_max ? s.n : value_max;
            ok = add_value(line, f, s);
        }
    }
    return ok;
}

static void
on_log(const struct tx *tx)
{
    const struct access_log *log = module_where(tx, access_log_module_index);
    struct buf line;
    if (log->file == NULL) {
        return;
    }
    buf_init(&line, LINE_MAX_BYTES);
    size_t value_max = VALUE_MAX;
    bool ok = format_line(log->format, tx, value_max, &line);
    while (!ok && value_max != 0) {
        value_max /= 4;
        ok = format_line(log->format, tx, value_max, &line);
    }
    AN(ok); /* the literals alone always fit */
    logfile_write(log->file, buf_str(&line));
    buf_fini(&line);
}

static const struct cmd cmds[] = {
    CMD("access_log", CONF_WHERE, 1, 2, struct access_log, file,
        struct logfile *, set_access_log),
    {
        .name = "log_format",
        .contexts = CONF_EGRESS,
        .min_args = 2,
        .max_args = 255,
        .offset = CMD_AT(struct access_log, formats, struct log_format *),
        .flags = CMD_LIST | CMD_FREE,
        .size = sizeof(struct log_format *),
        .set = set_log_format,
    },
    { 0 },
};

const struct module access_log_module = {
    .conf = { .name = "access_log",
        .cmds = cmds,
        .size = sizeof(struct access_log) },
    .on_log = on_log,
};
