/*
 * Reads Content-Type (RFC 9110 8.3) as far as a filter needs it.
 */

#include "http/media.h"

static struct str
unquoted(struct str s)
{
    bool is_quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
    return is_quoted ? str_n(s.p + 1, s.n - 2) : s;
}

/* Whether no parameter names a charset other than UTF-8 or ASCII. A malformed
 * charset is another one. */
static bool
is_utf8(struct str parameters)
{
    struct str part;
    while (str_cut(&parameters, ';', &part)) {
        size_t eq = str_find(part, '=');
        if (eq == part.n ||
            !str_ieq(str_trim(str_n(part.p, eq)), STR("charset"))) {
            continue;
        }
        struct str value = unquoted(str_trim(str_skip(part, eq + 1)));
        if (!str_ieq(value, STR("utf-8")) && !str_ieq(value, STR("utf8")) &&
            !str_ieq(value, STR("us-ascii"))) {
            return false;
        }
    }
    return true;
}

static bool
is_json(struct str type)
{
    struct str start = STR("application/"), end = STR("+json");
    return str_ieq(type, STR("application/json")) ||
           (type.n > start.n + end.n &&
               str_ieq(str_n(type.p, start.n), start) &&
               str_ieq(str_n(type.p + type.n - end.n, end.n), end));
}

/* The field that an origin may read as that name; NULL: there are 0 or several.
 * *n is set to their number. */
static const struct field *
only(const struct head *h, struct str name, unsigned *n)
{
    const struct field *found = NULL;
    *n = 0;
    for (unsigned i = 0; i < h->n; i++) {
        if (field_name_eq(h->fields[i].name, name)) {
            found = &h->fields[i];
            (*n)++;
        }
    }
    return *n == 1 ? found : NULL;
}

static bool
is_coded(const struct head *h)
{
    unsigned n;
    const struct field *f = only(h, STR("Content-Encoding"), &n);
    return n > 1 || (n == 1 && !str_ieq(f->value, STR("identity")));
}

static enum media
read_media(const struct head *h, const char **says)
{
    unsigned n;
    const struct field *f = only(h, STR("Content-Type"), &n);
    struct str rest, type;
    *says = is_coded(h) ? "has a content coding" : "has no type, or several";
    if (f == NULL || is_coded(h)) {
        return MEDIA_OTHER;
    }
    rest = f->value;
    bool has_type = str_cut(&rest, ';', &type);
    *says = "has another charset than UTF-8";
    if (!has_type || !is_utf8(rest)) {
        return MEDIA_OTHER;
    }
    type = str_trim(type);
    if (is_json(type)) {
        *says = "is JSON";
        return MEDIA_JSON;
    }
    bool is_form = str_ieq(type, STR("application/x-www-form-urlencoded"));
    *says = is_form ? "is a form" : "is neither JSON nor a form";
    return is_form ? MEDIA_FORM : MEDIA_OTHER;
}

enum media
media_of(const struct head *h)
{
    const char *says;
    return read_media(h, &says);
}

const char *
media_says(const struct head *h)
{
    const char *says;
    read_media(h, &says);
    return says;
}

/* A subtype is text if one of its words is in the list: "vnd.api+json",
 * "x-amz-json-1.1", "svg+xml". "vnd.openxmlformats-…" is not: an archive. */
static bool
has_text_word(struct str subtype)
{
    static const char *const words[] = { "ecmascript", "graphql", "http",
        "javascript", "json", "json5", "jsonl", "jsonlines", "jwt", "ldjson",
        "ndjson", "sql", "toml", "urlencoded", "xml", "yaml" };
    for (size_t i = 0; i < subtype.n;) {
        size_t n = 0;
        while (i + n < subtype.n && strchr("+-./_", subtype.p[i + n]) == NULL) {
            n++;
        }
        for (size_t k = 0; k < LEN(words); k++) {
            if (str_ieq(str_n(subtype.p + i, n), str_of(words[k]))) {
                return true;
            }
        }
        i += n + 1;
    }
    return false;
}

static bool
is_text(struct str type)
{
    static const char *const kinds[] = { "message", "multipart", "text" };
    size_t slash = str_find(type, '/');
    for (size_t i = 0; i < LEN(kinds); i++) {
        if (str_ieq(str_n(type.p, slash), str_of(kinds[i]))) {
            return true;
        }
    }
    return slash == type.n || slash == 0 || slash + 1 == type.n ||
           has_text_word(str_skip(type, slash + 1));
}

/* A quick answer for the most frequent types. */
static bool
begins_as_text(struct str value)
{
    struct str begins = STR("text/");
    return value.n > begins.n && str_ieq(str_n(value.p, begins.n), begins);
}

bool
media_is_text(const struct head *h)
{
    const struct field *f = head_next(h, FIELD_CONTENT_TYPE, NULL);
    if (f == NULL) {
        return true;
    }
    for (; f != NULL; f = head_next(h, FIELD_CONTENT_TYPE, f)) {
        struct str rest = f->value, type;
        if (rest.n == 0 || begins_as_text(rest)) {
            return true;
        }
        while (str_cut(&rest, ',', &type)) {
            if (is_text(str_trim(str_n(type.p, str_find(type, ';'))))) {
                return true;
            }
        }
    }
    return false;
}
