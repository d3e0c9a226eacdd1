/*
 * Searches the lists of RFC 9110 11.6 for schemes.
 */

#include "http/auth.h"

#include "http/scan.h"

/* WinRM uses the last two. */
static const struct str schemes[] = { STR_INIT("NTLM"), STR_INIT("Negotiate"),
    STR_INIT("Kerberos"), STR_INIT("CredSSP") };

static bool
is_of_connection(struct str challenge)
{
    size_t n = 0, i = 0;
    while (n < challenge.n && scan_is_token[(unsigned char)challenge.p[n]]) {
        n++;
    }
    struct str scheme = str_n(challenge.p, n);
    while (i < LEN(schemes) && !str_ieq(scheme, schemes[i])) {
        i++;
    }
    return i < LEN(schemes);
}

bool
auth_is_of_connection(const struct head *h, enum field_id id)
{
    for (const struct field *f = head_next(h, id, NULL); f != NULL;
         f = head_next(h, id, f)) {
        struct str rest = f->value, part;
        while (str_cut(&rest, ',', &part)) {
            if (is_of_connection(str_trim(part))) {
                return true;
            }
        }
    }
    return false;
}

size_t
auth_basic_prefix(struct str credentials)
{
    struct str name = STR("Basic");
    size_t n = name.n;
    if (credentials.n <= n || !str_ieq(str_n(credentials.p, n), name)) {
        return 0;
    }
    while (n < credentials.n && credentials.p[n] == ' ') {
        n++;
    }
    return n > name.n ? n : 0;
}
