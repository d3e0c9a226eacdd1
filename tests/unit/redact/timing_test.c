/*
 * How long a scan takes: Welch's t-test over a million scans, of runs whose
 * every window agrees with the secret's end in all bytes but one, and of runs
 * that come as near to another secret, mixed by chance (Reparaz, Balasch,
 * Verbauwhede: "Dude, is my code constant time?", 2017). There are as many of
 * the one kind as of the other, and a run is made by the same steps: else the
 * processor would know them apart. trace_test.c counts instructions; this would
 * show what takes the same ones and not the same time, as caches do.
 *
 * A clock is needed that nobody else's work turns: it runs where
 * WEIR_TEST_LONG is set (auto/test --long). The positive control compares as
 * nobody should.
 */

#include "redact/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "near.h"

#define SAMPLES 1000000
#define RUN 512
#define WINDOW 16
#define TRIES 3

/* Squares of t: from the first on two means differ; the control's. */
#define LIMIT (5.0 * 5)
#define SEEN (50.0 * 50)

static char bytes[NEAR_SECRET], other[NEAR_SECRET];
static struct str secret = { bytes, NEAR_SECRET };
static struct redact_keys keys;
static unsigned result;

static void
on_report(void *arg, enum redact_event event, unsigned which, uint64_t from,
    uint64_t to)
{
    (void)arg, (void)event, (void)which, (void)from, (void)to;
    result++;
}

static void
scan(struct str text)
{
    struct redact_scan s;
    redact_scan_init(&s, &keys);
    redact_scan_text(&s, text, on_report, NULL);
    redact_scan_fini(&s);
}

/* With a run that goes on behind a piece. */
static void
scan_pieces(struct str text)
{
    struct redact_scan s;
    redact_scan_init(&s, &keys);
    redact_scan_feed(&s, str_n(text.p, text.n / 2), on_report, NULL);
    redact_scan_feed(&s, str_skip(text, text.n / 2), on_report, NULL);
    redact_scan_end(&s, on_report, NULL);
    redact_scan_fini(&s);
}

/* What the scan is not. */
static void
compare(struct str text)
{
    const char *end = secret.p + secret.n - WINDOW;
    for (size_t i = 0; i + WINDOW <= text.n; i += keys.stride) {
        size_t k = 0;
        while (k < WINDOW && text.p[i + k] == end[k]) {
            k++;
        }
        result += k == WINDOW;
    }
}

/* Runs of one window again and again: the end of a secret but for one byte. */
static char runs[2][WINDOW][RUN];

static void
substitute_runs(char (*to)[RUN], struct str from)
{
    for (unsigned wrong = 0; wrong < WINDOW; wrong++) {
        for (size_t i = 0; i < RUN; i++) {
            char c = from.p[from.n - WINDOW + i % WINDOW];
            to[wrong][i] = i % WINDOW == wrong ? c == 'x' ? 'y' : 'x' : c;
        }
    }
}

static double
seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static float (*times)[SAMPLES]; /* of this process alone: see units.c */
static unsigned counts[2];

static void
measure(void (*fn)(struct str))
{
    static char run[RUN];
    counts[0] = counts[1] = 0;
    for (unsigned i = 0; i < SAMPLES; i++) {
        unsigned is_near = (unsigned)rand() % 2;
        memcpy(run, runs[is_near][rand() % WINDOW], RUN);
        double begin = seconds();
        fn(str_n(run, RUN));
        times[is_near][counts[is_near]++] = (float)(seconds() - begin);
    }
}

static int
by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The square of t, of what took no longer than `most`. */
static double
t_of(float most)
{
    double mean[2], variance[2], n[2];
    for (unsigned k = 0; k < 2; k++) {
        double sum = 0, squares = 0;
        n[k] = 0;
        for (unsigned i = 0; i < counts[k] && times[k][i] <= most; i++) {
            sum += times[k][i];
            squares += (double)times[k][i] * times[k][i];
            n[k]++;
        }
        mean[k] = sum / n[k];
        variance[k] = (squares - sum * mean[k]) / (n[k] - 1);
    }
    double difference = mean[1] - mean[0];
    double error = variance[0] / n[0] + variance[1] / n[1];
    return error > 0 ? difference * difference / error : 0;
}

/* The greatest of all scans, and of those that nothing has interrupted. */
static double
most_t(void (*fn)(struct str))
{
    double most = 0;
    measure(fn);
    for (unsigned k = 0; k < 2; k++) {
        qsort(times[k], counts[k], sizeof times[k][0], by_value);
    }
    for (unsigned percent = 50; percent <= 100; percent += 10) {
        unsigned at = (unsigned)((counts[0] - 1) * (uint64_t)percent / 100);
        double t = t_of(times[0][at]);
        most = t > most ? t : most;
    }
    return most;
}

static void
skip_unless_long(void)
{
    if (getenv("WEIR_TEST_LONG") == NULL) {
        skip();
    }
}

/* Another's work may fall on one kind of run more than on the other once, and
 * not again and again; nor may what the key of a table puts where. */
static void
takes_the_same(const char *name, void (*fn)(struct str))
{
    double t = SEEN;
    skip_unless_long();
    for (unsigned i = 0; i < TRIES && t >= LIMIT; i++) {
        redact_keys_init(&keys, &secret, 1);
        t = most_t(fn);
        redact_keys_fini(&keys);
        print_message("%s: t squared %.1f\n", name, t);
    }
    assert_true(t < LIMIT);
    assert_int_equal(result, 0);
}

static void
test_whole_runs(void **state)
{
    (void)state;
    takes_the_same("whole runs", scan);
}

static void
test_runs_in_pieces(void **state)
{
    (void)state;
    takes_the_same("runs in pieces", scan_pieces);
}

static void
test_a_comparison_is_seen(void **state)
{
    (void)state;
    skip_unless_long();
    keys.stride = redact_stride(NEAR_SECRET);
    double t = most_t(compare);
    print_message("comparisons: t squared %.1f\n", t);
    assert_true(t > SEEN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_runs),
        cmocka_unit_test(test_runs_in_pieces),
        cmocka_unit_test(test_a_comparison_is_seen),
    };
    srand(1);
    times = xcalloc(2 * sizeof *times);
    near_secret(other, NEAR_SECRET);
    near_secret(bytes, NEAR_SECRET);
    substitute_runs(runs[0], str_n(other, NEAR_SECRET));
    substitute_runs(runs[1], secret);
    return cmocka_run_group_tests_name("redact_timing", tests, NULL, NULL);
}
