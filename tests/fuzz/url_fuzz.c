/*
 * Authorities, hosts and paths: a canonical form is its own canonical form,
 * and has none of what it was made to lose.
 */

#include "fuzz.h"

#include "http/url.h"

static bool
is_name_byte(char c)
{
    unsigned char u = (unsigned char)c;
    return ascii_is_digit(u) || (u >= 'a' && u <= 'z') || c == '-' ||
           c == '_' || c == '.';
}

static void
check_host(const struct authority *au)
{
    char text[ADDR_TEXT_MAX];
    AN(au->kind != HOST_NONE && au->host.n != 0 && au->host.n <= 253);
    if (au->kind == HOST_NAME) {
        AN(au->ip.family == 0);
        for (size_t i = 0; i < au->host.n; i++) {
            AN(is_name_byte(au->host.p[i]));
        }
        AN(au->host.p[au->host.n - 1] != '.');
        return;
    }
    AN(au->ip.family == (au->kind == HOST_IP4 ? 4 : 6));
    AN(str_eq(au->host, addr_format(&au->ip, false, text)));
}

static void
check_authority(struct arena *a, struct str s, uint16_t port)
{
    struct authority au, again;
    const char *why = NULL;
    if (!authority_parse(a, s, port, &au, &why)) {
        AN(why != NULL);
        return;
    }
    check_host(&au);
    struct str text = authority_format(a, &au, port);
    AN(authority_parse(a, text, port, &again, &why));
    AN(authority_eq(&au, &again));
    AN(str_eq(text, authority_format(a, &again, port)));
    if (au.port != 0) {
        text = authority_format(a, &au, 0);
        AN(authority_parse(a, text, 0, &again, &why));
        AN(authority_eq(&au, &again));
    }
}

static void
check_plain_host(struct arena *a, struct str s)
{
    struct authority au, again;
    const char *why = NULL;
    if (!host_parse(a, s, &au, &why)) {
        AN(why != NULL);
        return;
    }
    check_host(&au);
    AN(au.port == 0);
    AN(host_parse(a, au.host, &again, &why));
    AN(authority_eq(&au, &again));
    AN(host_parse(a, authority_format(a, &au, 0), &again, &why));
    AN(authority_eq(&au, &again));
}

/* No empty segment, none of dots. */
static void
check_segments(struct str path)
{
    AN(path.n != 0 && path.p[0] == '/');
    struct str rest = str_skip(path, 1), seg;
    while (str_cut(&rest, '/', &seg)) {
        AN(seg.n != 0 || rest.p == NULL);
        AN(!str_eq(seg, STR(".")) && !str_eq(seg, STR("..")));
        AN(!str_starts(seg, STR("..;")) && !str_starts(seg, STR(".;")));
    }
}

static void
check_decoded(struct arena *a, struct str path, unsigned which)
{
    struct str out, again;
    const char *why = NULL;
    if (!path_decode_slashes(a, path, which, &out)) {
        return;
    }
    check_segments(out);
    AN((path_encoded_slashes(out) & which) == 0);
    AN(out.n <= path.n);
    AN(path_canonical(a, out, &again, &why));
    AN(str_eq(out, again));
}

static void
check_path(struct arena *a, struct str s)
{
    struct str out, again;
    const char *why = NULL;
    if (!path_canonical(a, s, &out, &why)) {
        AN(why != NULL);
        return;
    }
    if (str_eq(out, STR("*"))) {
        return;
    }
    check_segments(out);
    AN(out.n <= s.n);
    AN(path_canonical(a, out, &again, &why));
    AN(str_eq(out, again));
    for (unsigned which = 1; which <= 3; which++) {
        check_decoded(a, out, which);
    }
    if (path_encoded_slashes(out) == 0) {
        AN(path_decode_slashes(a, out, 3, &again));
        AN(str_eq(out, again));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(4096);
    struct str s = arena_dup(a, str_n((const char *)data, size));
    check_authority(a, s, 443);
    check_authority(a, s, 0);
    check_plain_host(a, s);
    check_path(a, s);
    arena_free(a);
    return 0;
}
