/*
 * What a sandbox sees of a response that is looked through: TLS records, their
 * sizes, what they hold, and when they come. The same whatever the secrets are,
 * for bodies that come near to one pair of them, cut and stalled by chance, a
 * reader that stops, and secrets that change meanwhile. The worker is live.h's:
 * the clock is the test's.
 *
 * The positive control is a filter that holds back what begins a secret.
 */

#include "module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <valgrind/valgrind.h>
#include <zlib.h>

#define NEAR_SECRET 88 /* the longest that is tried */

#include "../proc/whole_conf.h"
#include "../proxy/live_end.h"
#include "../redact/near.h"
#include "secret/secret_priv.h"

#define EPISODES (RUNNING_ON_VALGRIND ? 1 : 60)
#define WIRE_MAX (1 << 18)
#define EVENTS_MAX (1 << 16)
#define BLANKS 8 /* pieces of a run, on average */

/* What is tried by chance, the same in both runs. */
static uint64_t chance;

static unsigned
below(unsigned n)
{
    chance = chance * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(chance >> 33) % n;
}

/* Two secrets that begin alike, what they become, and the keys of all. */
struct pair {
    size_t n;
    char bytes[4][NEAR_SECRET];
    struct str secrets[4];
    struct redact_keys keys;
};

static void
pair_init(struct pair *p, size_t n)
{
    p->n = n;
    for (unsigned i = 0; i < LEN(p->secrets); i++) {
        near_secret(p->bytes[i], n);
        memcpy(p->bytes[i], p->bytes[0], n / 2);
        p->secrets[i] = str_n(p->bytes[i], n);
    }
    redact_keys_init(&p->keys, p->secrets, LEN(p->secrets));
}

/* Texts */

/* What an origin echoes, once in a while; NULL: nothing. */
static const struct pair *echoed;

static void
add_some(struct near *t, const struct pair *p)
{
    char room[NEAR_SECRET * 2 + 8];
    enum near_how how = below(NEAR_HOWS);
    unsigned which = below(LEN(p->secrets));
    if (below(4) == 0 && echoed != NULL) {
        near_put(t, near_form(echoed->secrets[which % 2], how, room), how);
        return;
    }
    struct str form = near_form(p->secrets[which], how, room);
    size_t most = form.n - p->keys.stride;
    size_t n = below(2) ? most : below((unsigned)most) + 1;
    switch (below(4)) {
    case 0: /* its beginning */
        form.n = n;
        break;
    case 1: /* with one byte wrong in each 16 */
        for (size_t i = form.n; i >= 16; i -= 16) {
            room[form.p - room + (long)(i - 16)] ^= 1;
        }
        break;
    case 2: /* of its end */
        form = str_n(form.p + form.n - 15, 15);
        break;
    default: /* a run of its own */
        form.n = n;
        for (size_t i = 0; i < n; i++) {
            room[form.p - room + (long)i] = (char)('a' + below(26));
        }
    }
    near_put(t, form, how);
    if (below(BLANKS) != 0) {
        t->text[t->n - 1] = '~'; /* of the run, and of no secret */
    }
}

static void
on_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    (void)event, (void)secret, (void)from, (void)to;
    *(bool *)arg = true;
}

/* No 16 bytes are right: pieces may have made them so, side by side. */
static bool
is_found(const struct pair *p, struct str text)
{
    struct redact_scan s;
    bool is = false;
    redact_scan_init(&s, &p->keys);
    redact_scan_text(&s, text, on_report, &is);
    redact_scan_fini(&s);
    return is;
}

static struct str
near_text(struct near *t, const struct pair *near, size_t n)
{
    AN(n + 1024 < sizeof t->text);
    do {
        t->n = 0;
        while (t->n < n) {
            add_some(t, near);
        }
    } while (echoed == NULL && is_found(near, str_n(t->text, t->n)));
    return str_n(t->text, t->n);
}

enum how { CHUNKED, LENGTH, GZIP, PART, HEADS, HOWS };

static char wire[WIRE_MAX];
static size_t n_wire;

static void
put(struct str s)
{
    AN(n_wire + s.n <= sizeof wire);
    if (s.n != 0) {
        memcpy(wire + n_wire, s.p, s.n);
    }
    n_wire += s.n;
}

static void
put_text(const char *before, const struct pair *near, size_t n)
{
    static struct near t;
    put(str_of(before));
    put(near_text(&t, near, n));
    put(STR("\r\n"));
}

static void
put_chunks(struct str body)
{
    char line[32];
    while (body.n != 0) {
        size_t n = echoed != NULL ? body.n : below((unsigned)body.n) + 1;
        put(str_n(line, (size_t)sprintf(line, "%zx\r\n", n)));
        put(str_n(body.p, n));
        put(STR("\r\n"));
        body = str_skip(body, n);
    }
}

/* Flushed by chance; once in a while its check is one that the sandbox knows.
 */
static struct str
compress_text(struct str text, bool is_gzip)
{
    static unsigned char out[2 * NEAR_TEXT_MAX];
    static const int flushes[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_BLOCK,
        Z_PARTIAL_FLUSH };
    z_stream z = { .next_out = out, .avail_out = sizeof out };
    AZ(deflateInit2(&z, (int)below(9) + 1, Z_DEFLATED, is_gzip ? 31 : 15, 8,
        Z_DEFAULT_STRATEGY));
    while (text.n != 0) {
        size_t n = below((unsigned)text.n) + 1;
        z.next_in = (unsigned char *)text.p;
        z.avail_in = (unsigned)n;
        text = str_skip(text, n);
        AZ(deflate(&z, flushes[below(4)]));
    }
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    if (below(4) == 0) {
        memset(out + z.total_out - (is_gzip ? 8 : 4), 0, 4);
    }
    return str_n((char *)out, z.total_out);
}

static void
put_body(enum how how, struct str body)
{
    char line[64];
    if (how == GZIP) {
        bool is_gzip = below(3) != 0;
        body = compress_text(body, is_gzip);
        put(is_gzip ? STR("Content-Encoding: gzip\r\n")
                    : STR("Content-Encoding: deflate\r\n"));
    }
    if (how != CHUNKED && how != GZIP) {
        sprintf(line, "Content-Length: %zu\r\n\r\n", body.n);
        put(str_of(line));
        put(how != HEADS ? body : STR_NONE);
        return;
    }
    put(STR("Transfer-Encoding: chunked\r\n\r\n"));
    put_chunks(body);
}

static void
respond(enum how how, const struct pair *near)
{
    static struct near t;
    n_wire = 0;
    if (below(4) == 0) {
        put_text("HTTP/1.1 103 Early Hints\r\nLink: ", near, 100);
        put(STR("\r\n"));
    }
    put(how == PART ? STR("HTTP/1.1 206 Part\r\nContent-Range: bytes 0-9/*\r\n")
                    : STR("HTTP/1.1 200 OK\r\n"));
    put_text("Content-Type: text/plain\r\nETag: \"1\"\r\nX-Echo: ", near, 300);
    put_body(how, near_text(&t, near, below(4) ? below(2000) : 14000));
    if (how == CHUNKED || how == GZIP) {
        put_text("0\r\nX-Trailer: ", near, 100);
        put(STR("\r\n"));
    }
}

/* What is seen: whether bytes lie there, after each thing that happens; the
 * records that are read. */

struct seen {
    unsigned n;
    uint64_t events[EVENTS_MAX];
};

struct view {
    struct live *l;
    const struct pair *is; /* the secrets that there are */
    bool has_changed;      /* the first is what it becomes */
    struct live_end *client, *origin;
    struct seen *seen;
    unsigned char head[5];
    size_t n_head, left; /* of a record */
    uint64_t digest;     /* of all that they held */
};

static void
see(struct view *v, uint64_t what)
{
    AN(v->seen->n < EVENTS_MAX);
    v->seen->events[v->seen->n++] = what;
}

static void
see_record_bytes(struct view *v, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v->left != 0) {
            v->left--;
            continue;
        }
        v->head[v->n_head++] = p[i];
        if (v->n_head == sizeof v->head) {
            v->n_head = 0;
            v->left = v->head[3] * 256u + v->head[4];
            see(v, UINT64_C(1) << 32 | (uint64_t)v->head[0] << 16 | v->left);
        }
    }
}

/* The reader takes so many bytes at most. */
static void
take(struct view *v, size_t most)
{
    unsigned char bytes[4096];
    ssize_t n = 1;
    size_t k = 0;
    for (; most != 0 && n > 0; most -= (size_t)n) {
        n = recv(
            v->client->fd, bytes, most < sizeof bytes ? most : sizeof bytes, 0);
        if (n <= 0) {
            break;
        }
        see_record_bytes(v, bytes, (size_t)n);
        AN(BIO_write(SSL_get_rbio(v->client->ssl), bytes, (int)n) == n);
        live_settle(v->l);
    }
    while (SSL_read_ex(v->client->ssl, bytes, sizeof bytes, &k)) {
        for (size_t i = 0; i < k; i++) {
            v->digest = (v->digest ^ bytes[i]) * 0x100000001b3;
        }
    }
    see(v, v->digest & ~(UINT64_C(3) << 32));
}

static void
pass(struct view *v, unsigned ms)
{
    for (; ms != 0; ms -= 10) {
        live_pass(v->l, 10);
        see(v, UINT64_C(1) << 33 | live_unread(v->client));
    }
}

/* The first secret is another, or again what it was. */
static void
change(struct view *v)
{
    struct secret_value m;
    struct whole *w = v->l->whole;
    v->has_changed = !v->has_changed;
    struct str to = v->is->secrets[v->has_changed ? 2 : 0];
    AZ(secret_message_make(&m, 0, STR_NONE, to));
    AN(secret_apply(policy_secret_store(w->conf), str_n(m.p, m.n)));
    secret_value_free(&m);
}

static void
happen(struct view *v)
{
    static const unsigned pauses[] = { 10, 50, 90, 100, 110, 400, 1200 };
    unsigned what = below(8);
    see(v, UINT64_C(1) << 33 | live_unread(v->client));
    if (what < 2) {
        pass(v, pauses[below(LEN(pauses))]);
    } else if (what < 4) {
        take(v, below(2) ? SIZE_MAX : below(3000));
    } else if (what == 4 && below(8) == 0 && echoed == NULL) {
        change(v);
    }
}

static void
send_wire(struct view *v)
{
    static const unsigned cuts[] = { 1, 3, 30, 200, 1500, 9000 };
    for (size_t at = 0, n = 0; at < n_wire; at += n) {
        n = echoed != NULL ? n_wire : below(cuts[below(LEN(cuts))]) + 1;
        n = n < n_wire - at ? n : n_wire - at;
        live_send_n(v->origin, wire + at, n);
        happen(v);
    }
    pass(v, 200);
    take(v, SIZE_MAX);
    pass(v, 10);
}

static void
episode(struct view *v, bool is_all, const struct pair *near)
{
    enum how how = below(is_all ? PART : HOWS);
    live_asks_more(v->client, how == HEADS ? "HEAD" : "GET",
        how == PART ? "Range: bytes=0-9\r\n\r\n" : "\r\n");
    if (live_is_dialled(v->l)) {
        v->origin = live_origin(v->l);
        live_tls_origin(v->origin);
        live_shake(v->origin);
    }
    live_waste(v->origin, SIZE_MAX); /* what was asked */
    respond(how, near);
    send_wire(v);
}

/* So that a reader who stops is felt. */
static int room = 4096;

static const char conf[] =
    "secret sa file:sa; secret sb file:sb; redact %s;"
    "host up.test { bearer $secret_sa; proxy_set_header x-b $secret_sb; }";

/* With the secrets of `is`, texts that come near to those of `near`. */
static void
watch(void **state, const char *mode, const struct pair *is,
    const struct pair *near, struct seen *seen)
{
    char text[256];
    struct whole *w = ((struct live *)*state)->whole;
    tmp_dir_write(&w->dir, "sa", is->secrets[0]);
    tmp_dir_write(&w->dir, "sb", is->secrets[1]);
    snprintf(text, sizeof text, conf, mode);
    struct live *l = live_start(state, text, "");
    struct view v = { .l = l, .is = is, .seen = seen };
    l->room = room;
    v.client = live_tunnel(l, "up.test");
    seen->n = 0;
    chance = near->n;
    for (int i = 0; i < EPISODES; i++) {
        episode(&v, mode[1] == 'n', near);
    }
}

static struct seen seen[2];

/* The secrets that an origin echoes: none, those that are looked for, or the
 * first run's. */
static enum { NONE, OWN, FIRST } echo;

/* Whether the same was seen; where not, `at` is the first that differs. */
static bool
is_same(void **state, const char *mode, size_t n, unsigned *at)
{
    static struct pair pairs[2];
    unsigned i = 0;
    srand((unsigned)n);
    for (unsigned k = 0; k < 2; k++) {
        pair_init(&pairs[k], n);
    }
    for (unsigned k = 0; k < 2; k++) {
        echoed = echo == NONE ? NULL : &pairs[echo == OWN ? k : 0];
        watch(state, mode, &pairs[k], &pairs[0], &seen[k]);
    }
    redact_keys_fini(&pairs[0].keys);
    redact_keys_fini(&pairs[1].keys);
    while (i < seen[0].n && i < seen[1].n &&
           seen[0].events[i] == seen[1].events[i]) {
        i++;
    }
    *at = i;
    assert_true(seen[0].n > 10);
    return i == seen[0].n && i == seen[1].n;
}

static void
is_same_everywhere(void **state)
{
    static const size_t lengths[] = { 20, 41, 88 };
    static const char *const modes[] = { "text", "on" };
    for (unsigned i = 0; i < LEN(lengths) * LEN(modes); i++) {
        unsigned at;
        const char *mode = modes[i % LEN(modes)];
        if (!is_same(state, mode, lengths[i / LEN(modes)], &at)) {
            fail_msg("redact %s, %zu bytes: event %u of %u: %llx, %llx", mode,
                lengths[i / LEN(modes)], at, seen[0].n,
                (unsigned long long)seen[0].events[at],
                (unsigned long long)seen[1].events[at]);
        }
    }
}

static void
test_near(void **state)
{
    is_same_everywhere(state);
}

/* What is masked shows nothing of what it was: not in how it was compressed,
 * nor in a check. */
static void
test_echoed(void **state)
{
    echo = OWN;
    is_same_everywhere(state);
    echo = NONE;
}

/* Every read and write of one byte. */
static void
test_one_byte(void **state)
{
    unsigned at;
    int was = room;
    room = 0; /* many bytes, one by one, take much more */
    bool is = is_same(state, "text", 41, &at);
    room = was;
    assert_true(is);
}

/* One that is there is taken out. */
static void
test_a_secret_is_seen(void **state)
{
    unsigned at;
    echo = FIRST;
    bool is = is_same(state, "text", 41, &at);
    echo = NONE;
    assert_false(is);
}

/* The control */

struct leak {
    struct tx *tx;
    struct bufq kept;
};

static void
leak_init(void *owner, void *state)
{
    *(struct leak *)state = (struct leak){ .tx = owner };
    bufq_init(&((struct leak *)state)->kept, SIZE_MAX);
}

/* How many of the last bytes begin the first secret. */
static size_t
beginning(const struct leak *k)
{
    const struct secret_store *store = k->tx->conn->worker->secrets;
    struct str secret = secret_get(store, 0, k->tx->sandbox->id);
    size_t n = k->kept.len < secret.n ? k->kept.len : secret.n - 1;
    for (; n != 0; n--) {
        size_t i = 0, at = k->kept.len - n;
        while (i < n && bufq_peek_at(&k->kept, at + i).p[0] == secret.p[i]) {
            i++;
        }
        if (i == n) {
            break;
        }
    }
    return n;
}

static enum flow
leak_run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct leak *k = state;
    bufq_move(&k->kept, in, SIZE_MAX);
    size_t held = need == END ? 0 : beginning(k), n = k->kept.len - held;
    if (bufq_move(out, &k->kept, n) != n) {
        return F_FULL;
    }
    return need == END ? F_DONE : F_NEED;
}

static void
leak_fini(void *state)
{
    bufq_fini(&((struct leak *)state)->kept);
}

static bool
leak_want(const void *owner)
{
    (void)owner;
    return true;
}

static const struct filter leak_filter = { .name = "leak",
    .state_size = sizeof(struct leak),
    .flags = FILTER_IDENTITY | FILTER_KEEPS_LENGTH | FILTER_LOOKS,
    .want = leak_want,
    .init = leak_init,
    .run = leak_run,
    .fini = leak_fini };

extern const struct module redact_module;

/* In the module's place, which a compiler takes for constant if it sees it. */
static void
stand_in(const struct filter *f)
{
    struct module *volatile hidden = (struct module *)&redact_module;
    struct module *m = hidden;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)m / page * page;
    AZ(mprotect(
        (void *)from, (uintptr_t)(m + 1) - from, PROT_READ | PROT_WRITE));
    m->response_body = f;
}

static void
test_a_leak_is_seen(void **state)
{
    unsigned at;
    const struct filter *was = redact_module.response_body;
    stand_in(&leak_filter);
    bool is = is_same(state, "text", 41, &at);
    stand_in(was);
    assert_true(RUNNING_ON_VALGRIND || !is); /* too few are tried there */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_near),
        LIVE_TEST(test_echoed),
        LIVE_TEST_BYTES(test_one_byte),
        LIVE_TEST(test_a_secret_is_seen),
        LIVE_TEST(test_a_leak_is_seen),
    };
    return cmocka_run_group_tests_name("redact_records", tests, NULL, NULL);
}
