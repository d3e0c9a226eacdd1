/* The resolver against a server of the test's own on loopback. */

#include "net/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "drive.h"
#include "time_shift.h"

#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_AAAA 28

static struct loop *loop;
static struct drive drive;

/* Answers by the first label of the name that is asked for. */
static struct {
    struct watch watch;
    struct addr addr;
    unsigned asked_a, asked_aaaa;
    bool is_mute;
} server;

struct packet {
    uint8_t p[1024];
    size_t n;
};

static void
put_u16(struct packet *k, unsigned v)
{
    k->p[k->n++] = (uint8_t)(v >> 8);
    k->p[k->n++] = (uint8_t)v;
}

/* A record for the name at `name`: an offset into the message. */
static void
put_record(struct packet *k, unsigned name, unsigned type, unsigned ttl,
    const void *data, size_t n)
{
    put_u16(k, 0xc000 | name);
    put_u16(k, type);
    put_u16(k, 1);
    put_u16(k, ttl >> 16);
    put_u16(k, ttl);
    put_u16(k, (unsigned)n);
    memcpy(k->p + k->n, data, n);
    k->n += n;
    k->p[7]++; /* answers */
}

static void
put_addr(struct packet *k, unsigned type, unsigned ttl, uint8_t last)
{
    uint8_t ip[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = last };
    if (type == TYPE_A) {
        memcpy(ip, (uint8_t[]){ 192, 0, 2, last }, 4);
    }
    put_record(k, 12, type, ttl, ip, type == TYPE_A ? 4 : 16);
}

/* An alias to a name that stands behind it. */
static void
put_alias(struct packet *k, unsigned type, bool is_true)
{
    static const uint8_t target[] = "\6target\7example";
    uint8_t ip[16] = { 192, 0, 2, 77 };
    unsigned at = (unsigned)k->n + 12;
    put_record(k, 12, TYPE_CNAME, 2, target, sizeof target);
    if (type == TYPE_A) {
        put_record(k, is_true ? at : at + 7, TYPE_A, 60, ip, 4);
    }
}

/* False: say nothing. */
static bool
answer(struct packet *k, const char *label, unsigned type)
{
    k->p[2] = 0x84; /* response, authoritative */
    k->p[3] = 0;
    if (strcmp(label, "both") == 0 || strcmp(label, "brief") == 0) {
        put_addr(k, type, label[1] == 'o' ? 60 : 2, 1);
    } else if (strcmp(label, "four") == 0 && type == TYPE_A) {
        put_addr(k, type, 60, 4);
    } else if (strcmp(label, "half") == 0) {
        if (type == TYPE_AAAA) {
            k->p[3] = 2; /* SERVFAIL */
        } else {
            put_addr(k, type, 60, 5);
        }
    } else if (strcmp(label, "many") == 0) {
        for (uint8_t i = 0; i < 14; i++) {
            put_addr(k, type, 60, i);
        }
    } else if (strcmp(label, "none") == 0) {
        k->p[3] = 3;
    } else if (strcmp(label, "torn") == 0) {
        k->p[3] = type == TYPE_AAAA ? 2 : 3;
    } else if (strcmp(label, "lame") == 0) {
        k->p[3] = 3;
        return type == TYPE_A;
    } else if (strcmp(label, "fail") == 0) {
        k->p[3] = 2;
    } else if (strcmp(label, "alias") == 0 || strcmp(label, "astray") == 0) {
        put_alias(k, type, label[1] == 'l');
    } else if (strcmp(label, "cut") == 0) {
        put_addr(k, type, 60, 1);
        k->n -= 3;
    } else if (strcmp(label, "forged") == 0) {
        put_addr(k, type, 60, 66);
        k->p[1] ^= 1; /* another query's id */
    } else if (strcmp(label, "mute") == 0) {
        return false;
    } else if (strcmp(label, "lone4") == 0 || strcmp(label, "lone6") == 0) {
        put_addr(k, type, 60, (uint8_t)(label[4] - '0'));
        return type == (label[4] == '4' ? TYPE_A : TYPE_AAAA);
    }
    return true;
}

static void
on_query(struct watch *w, int events)
{
    struct packet k;
    struct sockaddr_storage from;
    socklen_t from_n = sizeof from;
    char label[64];
    (void)events;
    ssize_t n =
        recvfrom(w->ev.fd, k.p, 512, 0, (struct sockaddr *)&from, &from_n);
    if (n < 17) {
        return;
    }
    size_t end = 12;
    while (k.p[end] != 0) {
        end += k.p[end] + 1u;
    }
    unsigned type = (unsigned)(k.p[end + 1] << 8 | k.p[end + 2]);
    k.n = end + 5;
    memset(k.p + 6, 0, 6);
    memcpy(label, k.p + 13, k.p[12]);
    label[k.p[12]] = '\0';
    *(type == TYPE_A ? &server.asked_a : &server.asked_aaaa) += 1;
    if (!server.is_mute && answer(&k, label, type)) {
        sendto(w->ev.fd, k.p, k.n, 0, (struct sockaddr *)&from, from_n);
    }
}

static void
server_open(void)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    assert_true(addr_parse(STR("127.0.0.1"), &server.addr));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    n = addr_to_sockaddr(&server.addr, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    addr_from_sockaddr((struct sockaddr *)&sa, &server.addr);
    server.asked_a = server.asked_aaaa = 0;
    server.is_mute = false;
    watch_init(&server.watch, loop, fd, on_query);
    watch_set(&server.watch, WATCH_READ);
}

static int
setup(void **state)
{
    (void)state;
    loop = loop_new();
    drive_init(&drive, loop);
    server_open();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    watch_set(&server.watch, 0);
    close(server.watch.ev.fd);
    drive_fini(&drive);
    loop_free(loop);
    return 0;
}

static struct dns *
dns_open(struct dns_conf c)
{
    c.servers = &server.addr;
    c.n_servers = 1;
    c.timeout = c.timeout > 0 ? c.timeout : 8;
    struct dns *d = dns_new(loop, &c);
    assert_non_null(d);
    return d;
}

struct ask {
    struct dns *dns;
    struct str name;
    uint64_t asker;
    enum dns_state state;
    struct dns_answer answer;
};

static bool
is_answered(void *arg)
{
    struct ask *a = arg;
    a->state = dns_get(a->dns, a->asker, a->name, &drive.task, &a->answer);
    return a->state != DNS_PENDING;
}

static enum dns_state
ask_as(uint64_t asker, struct dns *d, const char *name, struct dns_answer *out)
{
    struct ask a = { .dns = d, .name = str_of(name), .asker = asker };
    drive_until(&drive, is_answered, &a);
    *out = a.answer;
    return a.state;
}

static enum dns_state
ask(struct dns *d, const char *name, struct dns_answer *out)
{
    return ask_as(0, d, name, out);
}

static bool
has_addr(const struct dns_answer *a, const char *text)
{
    struct addr want;
    assert_true(addr_parse(str_of(text), &want));
    for (unsigned i = 0; i < a->n; i++) {
        if (addr_eq(&a->addrs[i], &want)) {
            return true;
        }
    }
    return false;
}

static void
test_answers(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ 0 });
    struct dns_answer a;
    assert_int_equal(ask(d, "both.example", &a), DNS_READY);
    assert_int_equal(a.n, 2);
    assert_true(has_addr(&a, "192.0.2.1") && has_addr(&a, "2001:db8::1"));
    assert_int_equal(ask(d, "four.example", &a), DNS_READY);
    assert_int_equal(a.n, 1);
    assert_int_equal(ask(d, "half.example", &a), DNS_READY);
    assert_true(a.n == 1 && has_addr(&a, "192.0.2.5"));
    assert_int_equal(ask(d, "many.example", &a), DNS_READY);
    assert_int_equal(a.n, DNS_ADDRS_MAX);
    unsigned n_ip4 = 0;
    for (unsigned i = 0; i < a.n; i++) {
        n_ip4 += a.addrs[i].family == 4;
    }
    assert_int_equal(n_ip4, DNS_ADDRS_MAX / 2);
    assert_int_equal(ask(d, "alias.example", &a), DNS_READY);
    assert_true(a.n == 1 && has_addr(&a, "192.0.2.77"));
    assert_int_equal(ask(d, "none.example", &a), DNS_NONE);
    assert_int_equal(ask(d, "empty.example", &a), DNS_NONE);
    assert_int_equal(ask(d, "torn.example", &a), DNS_NONE);
    assert_int_equal(ask(d, "fail.example", &a), DNS_FAILED);
    dns_free(d);
}

/* An A is used though AAAA is never answered, by whoever asks from then on; an
 * AAAA waits for A, be that asked for again. */
static void
test_a_family_that_is_never_answered(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ .timeout = 1e6 });
    struct dns_answer a;
    assert_int_equal(ask(d, "lone4.example", &a), DNS_READY);
    assert_int_equal(ask_as(1, d, "lone4.example", &a), DNS_READY);
    assert_true(a.n == 1 && has_addr(&a, "192.0.2.4") && server.asked_a == 1);
    dns_free(d);
    d = dns_open((struct dns_conf){ .timeout = 0.8 });
    server.asked_a = 0;
    assert_int_equal(ask(d, "lone6.example", &a), DNS_READY);
    assert_true(has_addr(&a, "2001:db8::6") && server.asked_a > 1);
    dns_free(d);
}

/* Nothing of an answer to something else (another query, another name), or that
 * ends early, is taken. */
static void
test_answers_that_are_none(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ .timeout = 0.2 });
    struct dns_answer a;
    assert_int_not_equal(ask(d, "cut.example", &a), DNS_READY);
    assert_int_equal(ask(d, "forged.example", &a), DNS_TIMEOUT);
    assert_int_equal(ask(d, "mute.example", &a), DNS_TIMEOUT);
    assert_int_equal(ask(d, "lame.example", &a), DNS_NONE);
    assert_int_equal(ask(d, "astray.example", &a), DNS_NONE);
    assert_int_equal(a.n, 0);
    assert_int_equal(ask(d, "both.example", &a), DNS_READY);
    dns_free(d);
}

static void
test_an_answer_is_kept_for_its_ttl(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ 0 });
    struct dns_answer a;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask(d, "both.example", &a), DNS_READY);
        assert_int_equal(ask(d, "brief.example", &a), DNS_READY);
        assert_int_equal(a.n, 2);
        assert_int_equal(ask(d, "none.example", &a), DNS_NONE);
    }
    assert_int_equal(server.asked_a, 3);
    assert_int_equal(server.asked_aaaa, 3);
    time_shift(3);
    assert_int_equal(ask(d, "both.example", &a), DNS_READY);
    assert_int_equal(ask(d, "none.example", &a), DNS_NONE);
    assert_int_equal(server.asked_a, 3);
    assert_int_equal(ask(d, "brief.example", &a), DNS_READY);
    assert_int_equal(a.n, 2);
    assert_int_equal(server.asked_a, 4);
    time_shift(60);
    assert_int_equal(ask(d, "both.example", &a), DNS_READY);
    assert_int_equal(ask(d, "none.example", &a), DNS_NONE);
    assert_int_equal(server.asked_a, 6);
    dns_free(d);
}

struct anew {
    struct ask ask;
    double since;
};

static bool
is_answered_anew(void *arg)
{
    struct anew *a = arg;
    a->ask.state = dns_get_anew(a->ask.dns, a->ask.asker, a->ask.name, a->since,
        &drive.task, &a->ask.answer);
    return a->ask.state != DNS_PENDING;
}

static enum dns_state
ask_anew(struct dns *d, uint64_t asker, const char *name, double since)
{
    struct anew a = { .ask = { .dns = d, .asker = asker, .name = str_of(name) },
        .since = since };
    drive_until(&drive, is_answered_anew, &a);
    return a.ask.state;
}

/* One question each time, of what is there and of what is not, and what all
 * share is neither looked at nor changed. */
static void
test_asked_anew(void **state)
{
    static const struct {
        const char *name;
        enum dns_state state;
    } all[] = { { "both.example", DNS_READY }, { "none.example", DNS_NONE },
        { "fail.example", DNS_FAILED } };
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ 0 });
    struct dns_answer a;
    for (size_t i = 0; i < LEN(all); i++) {
        const char *name = all[i].name;
        ask(d, name, &a);
        server.asked_a = 0;
        double since = clock_mono();
        assert_int_equal(ask_anew(d, 1, name, since), all[i].state);
        unsigned each = server.asked_a; /* failures are asked for again */
        assert_int_equal(ask_anew(d, 1, name, since), all[i].state);
        assert_int_equal(server.asked_a, each);
        assert_int_equal(ask_anew(d, 2, name, since), all[i].state);
        assert_int_equal(server.asked_a, 2 * each);
        time_shift(1);
        clock_update();
        assert_int_equal(ask_anew(d, 1, name, clock_mono()), all[i].state);
        assert_true(server.asked_a >= 3 * each);
        unsigned before = server.asked_a;
        if (all[i].state != DNS_FAILED) {
            assert_int_equal(ask(d, name, &a), all[i].state);
            assert_int_equal(server.asked_a, before);
        }
    }
    dns_free(d);
}

/* An alias may point elsewhere when its own time has come. */
static void
test_an_alias_has_a_ttl_too(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ 0 });
    struct dns_answer a;
    assert_int_equal(ask(d, "alias.example", &a), DNS_READY);
    assert_int_equal(ask(d, "alias.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 1);
    time_shift(3);
    assert_int_equal(ask(d, "alias.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 2);
    dns_free(d);
}

static void
test_names_that_are_set(void **state)
{
    (void)state;
    struct addr addrs[2];
    assert_true(addr_parse(STR("10.0.0.1"), &addrs[0]));
    assert_true(addr_parse(STR("fd00::1"), &addrs[1]));
    struct dns_static names[] = { { STR("both.example"), addrs, 2 } };
    struct dns *d = dns_open((struct dns_conf){ .names = names, .n_names = 1 });
    struct dns_answer a;
    assert_int_equal(ask(d, "both.example", &a), DNS_READY);
    assert_int_equal(a.n, 2);
    assert_true(has_addr(&a, "10.0.0.1") && has_addr(&a, "fd00::1"));
    assert_int_equal(server.asked_a, 0);
    assert_int_equal(ask(d, "xboth.example", &a), DNS_NONE);
    assert_int_equal(server.asked_a, 1);
    dns_free(d);
}

/* A second task that waits. */
struct other {
    struct task task;
    unsigned runs;
};

static const struct step *
run_other(struct task *t)
{
    container_of(t, struct other, task)->runs++;
    return TASK_WAIT;
}

static const struct step step_other = { "other", run_other };

static void
other_init(struct other *o)
{
    *o = (struct other){ .runs = 0 };
    task_init(&o->task, loop, &step_other, NULL);
}

static void
test_who_asks_meanwhile_waits_for_the_same(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ 0 });
    struct dns_answer a;
    struct other gone, stays;
    other_init(&gone);
    other_init(&stays);
    struct str name = STR("both.example");
    assert_int_equal(dns_get(d, 1, name, &gone.task, &a), DNS_PENDING);
    assert_int_equal(dns_get(d, 2, name, &stays.task, &a), DNS_PENDING);
    dns_forget(d, &gone.task);
    assert_int_equal(ask(d, "both.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 1);
    assert_int_equal(gone.runs, 0);
    assert_int_equal(stays.runs, 1);
    task_fini(&gone.task);
    task_fini(&stays.task);
    dns_free(d);
}

static enum dns_state
ask_n(struct dns *d, uint64_t asker, unsigned i, struct other *o)
{
    char name[32];
    struct dns_answer a;
    snprintf(name, sizeof name, "mute.n%u.example", i);
    return dns_get(d, asker, str_of(name), &o->task, &a);
}

/* One asker does not use up the queries of all. */
static void
test_shares(void **state)
{
    (void)state;
    struct dns *d =
        dns_open((struct dns_conf){ .asker_max = 3, .queries_max = 5 });
    struct other o;
    other_init(&o);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask_n(d, 1, i, &o), DNS_PENDING);
    }
    assert_int_equal(ask_n(d, 1, 3, &o), DNS_BUSY);
    assert_int_equal(ask_n(d, 1, 2, &o), DNS_PENDING); /* runs already */
    assert_int_equal(ask_n(d, 2, 4, &o), DNS_PENDING);
    assert_int_equal(ask_n(d, 2, 5, &o), DNS_PENDING);
    assert_int_equal(ask_n(d, 3, 6, &o), DNS_BUSY); /* of all */
    dns_forget(d, &o.task);
    dns_free(d); /* with queries that run */
    assert_int_equal(o.runs, 0);
    task_fini(&o.task);
}

static void
test_the_cache_is_bounded(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ .cache_max = 2 });
    struct dns_answer a;
    assert_int_equal(ask(d, "both.one.example", &a), DNS_READY);
    assert_int_equal(ask(d, "both.two.example", &a), DNS_READY);
    assert_int_equal(ask(d, "both.one.example", &a), DNS_READY);
    assert_int_equal(ask(d, "both.three.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 3);
    assert_int_equal(ask(d, "both.one.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 3);
    assert_int_equal(ask(d, "both.two.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 4);
    dns_free(d);
}

/* One who asks for many names, those of others among them, loses his own. */
static void
test_a_flood_of_names(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ .cache_max = 8 });
    struct dns_answer a;
    char name[32];
    assert_int_equal(ask_as(2, d, "both.common.example", &a), DNS_READY);
    assert_int_equal(ask_as(1, d, "both.common.example", &a), DNS_READY);
    assert_int_equal(ask_as(1, d, "both.own.example", &a), DNS_READY);
    assert_int_equal(ask_as(2, d, "both.own.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 2);
    for (unsigned i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "both.n%u.example", i);
        assert_int_equal(ask_as(2, d, name, &a), DNS_READY);
    }
    assert_int_equal(server.asked_a, 32);
    assert_int_equal(ask_as(1, d, "both.common.example", &a), DNS_READY);
    assert_int_equal(ask_as(1, d, "both.own.example", &a), DNS_READY);
    assert_int_equal(ask_as(2, d, "both.n29.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 32);
    assert_int_equal(ask_as(2, d, "both.n0.example", &a), DNS_READY);
    assert_int_equal(server.asked_a, 33);
    dns_free(d);
}

/* However little room there is, those who wait have their answer. */
static void
test_a_cache_smaller_than_its_queries(void **state)
{
    (void)state;
    struct dns *d = dns_open((struct dns_conf){ .cache_max = 1 });
    struct dns_answer a;
    struct other first, second;
    other_init(&first);
    other_init(&second);
    struct str one = STR("both.one.example"), two = STR("both.two.example");
    assert_int_equal(dns_get(d, 1, one, &first.task, &a), DNS_PENDING);
    assert_int_equal(dns_get(d, 2, two, &second.task, &a), DNS_PENDING);
    assert_int_equal(ask_as(3, d, "both.one.example", &a), DNS_READY);
    assert_int_equal(ask_as(3, d, "both.two.example", &a), DNS_READY);
    assert_int_equal(first.runs, 1);
    assert_int_equal(second.runs, 1);
    task_fini(&first.task);
    task_fini(&second.task);
    dns_free(d);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_answers_that_are_none),
        TEST(test_a_family_that_is_never_answered),
        TEST(test_an_answer_is_kept_for_its_ttl),
        TEST(test_asked_anew),
        TEST(test_an_alias_has_a_ttl_too),
        TEST(test_names_that_are_set),
        TEST(test_who_asks_meanwhile_waits_for_the_same),
        TEST(test_shares),
        TEST(test_the_cache_is_bounded),
        TEST(test_a_flood_of_names),
        TEST(test_a_cache_smaller_than_its_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
