/*
 * The vault: what is added is there for every keeper, what is dropped is gone
 * from the memory, and two writers do not meet.
 */

#include "keeper/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../os/fds.h"
#include "base/log.h"
#include "os/process.h"
#include "os/sock.h"

static const uint8_t key_a[VAULT_KEY_SIZE] = "key a, 32 bytes 0123456789abcde";
static const uint8_t key_b[VAULT_KEY_SIZE] = "key b, 32 bytes 0123456789abcde";

static struct vault_files files;

static int
add(struct vault *v, unsigned index, uint64_t serial, const uint8_t *key)
{
    struct vault_record r = { serial, 1700000000, STR("demo"), key,
        STR("signature") };
    return vault_add(v, index, &r);
}

static bool
has(const struct vault *v, unsigned index, uint64_t serial, const uint8_t *key)
{
    struct vault_record r;
    return vault_get(v, index, serial, &r) &&
           memcmp(r.key, key, VAULT_KEY_SIZE) == 0;
}

static int
setup(void **state)
{
    (void)state;
    return vault_files_grow(&files);
}

static int
teardown(void **state)
{
    (void)state;
    vault_files_close(&files);
    return 0;
}

static struct vault *
opened(void)
{
    struct vault *v = vault_open(&files);
    assert_non_null(v);
    return v;
}

static void
what_is_added_is_there(void **state)
{
    struct vault_record r;
    struct vault *v = opened();
    (void)state;
    assert_false(vault_get(v, 3, 5, &r));
    assert_int_equal(add(v, 3, 5, key_a), 0);
    assert_true(vault_get(v, 3, 5, &r));
    assert_int_equal(r.serial, 5);
    assert_int_equal(r.created, 1700000000);
    assert_true(str_eq(r.id, STR("demo")));
    assert_true(str_eq(r.signature, STR("signature")));
    assert_memory_equal(r.key, key_a, VAULT_KEY_SIZE);
    assert_false(vault_get(v, 3, 6, &r)); /* another serial's */
    assert_false(vault_get(v, 4, 5, &r));
    assert_false(vault_get(v, VAULT_SEGMENT, 5, &r));
    assert_false(vault_get(v, ~0u, 5, &r));
    vault_close(v);
}

/* The record that is there stays: its certificate is out already. */
static void
an_index_twice(void **state)
{
    struct vault *v = opened();
    (void)state;
    assert_int_equal(add(v, 3, 5, key_a), 0);
    assert_int_equal(add(v, 3, 5, key_b), 0);
    assert_true(has(v, 3, 5, key_a));
    assert_int_equal(add(v, 3, 6, key_b), -1);
    assert_true(has(v, 3, 5, key_a));
    assert_int_equal(vault_drop(v, 3, 6), 0); /* is not there */
    assert_true(has(v, 3, 5, key_a));
    assert_int_equal(vault_drop(v, 3, 5), 0);
    assert_int_equal(vault_drop(v, 3, 5), 0);
    assert_int_equal(add(v, 3, 6, key_b), 0);
    assert_true(has(v, 3, 6, key_b));
    vault_close(v);
}

static void
it_grows(void **state)
{
    const unsigned index = 2 * VAULT_SEGMENT - 1;
    struct vault *v = opened();
    (void)state;
    assert_int_equal(add(v, index, 5, key_a), -1);
    assert_int_equal(vault_drop(v, index, 5), -1);
    assert_int_equal(vault_files_grow(&files), 0);
    assert_false(vault_extend(v, 0, files.fds[1]));
    assert_false(vault_extend(v, 2, files.fds[1]));
    int fd = dup(files.fds[1]);
    assert_true(vault_extend(v, 1, fd));
    assert_int_equal(add(v, index, 5, key_a), 0);
    assert_false(has(v, index - VAULT_SEGMENT, 5, key_a));
    vault_close(v);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    v = opened(); /* the next keeper */
    assert_true(has(v, index, 5, key_a));
    vault_close(v);
}

static void
it_grows_to_an_end(void **state)
{
    struct vault *v = opened();
    const unsigned last = VAULT_SEGMENT * VAULT_SEGMENTS_MAX - 1;
    (void)state;
    while (files.n < VAULT_SEGMENTS_MAX) {
        assert_int_equal(vault_files_grow(&files), 0);
    }
    assert_int_equal(vault_files_grow(&files), -1);
    assert_int_equal(files.n, VAULT_SEGMENTS_MAX);
    vault_close(v);
    v = opened();
    assert_false(vault_extend(v, VAULT_SEGMENTS_MAX, files.fds[0]));
    assert_int_equal(add(v, last, 5, key_a), 0);
    assert_true(has(v, last, 5, key_a));
    assert_int_equal(add(v, last + 1, 5, key_a), -1);
    vault_close(v);
}

/* That has no records; the others' stay, and no key goes to another index. */
static void
a_file_in_anothers_place(void **state)
{
    struct vault *v = opened();
    (void)state;
    assert_int_equal(add(v, 3, 5, key_a), 0);
    assert_true(vault_extend(v, 1, dup(files.fds[0])));
    assert_int_equal(add(v, VAULT_SEGMENT + 3, 6, key_b), -1);
    assert_false(has(v, VAULT_SEGMENT + 3, 5, key_a));
    assert_true(has(v, 3, 5, key_a));
    vault_close(v);
}

/* Whether those bytes stand anywhere in the file. */
static bool
file_holds(int fd, const uint8_t *key)
{
    size_t size;
    char *p = process_secret_map(fd, &size);
    assert_non_null(p);
    bool is_there = memmem(p, size, key, VAULT_KEY_SIZE) != NULL;
    process_secret_unmap(p, size);
    return is_there;
}

static void
a_dropped_key_is_wiped(void **state)
{
    struct vault *v = opened();
    (void)state;
    assert_int_equal(add(v, 0, 1, key_a), 0);
    assert_int_equal(add(v, 1, 2, key_b), 0);
    assert_true(file_holds(files.fds[0], key_a));
    assert_int_equal(vault_drop(v, 0, 1), 0);
    assert_false(file_holds(files.fds[0], key_a));
    assert_false(has(v, 0, 1, key_a));
    assert_true(has(v, 1, 2, key_b));
    vault_close(v);
}

/* After a crash, and from another generation at the same time. */
static void
another_keeper_finds_the_same(void **state)
{
    struct vault *v = opened();
    (void)state;
    assert_int_equal(add(v, 2, 5, key_a), 0);
    struct vault *w = opened();
    assert_true(has(w, 2, 5, key_a));
    assert_int_equal(add(w, 3, 13, key_b), 0);
    assert_true(has(v, 3, 13, key_b));
    vault_close(v);
    assert_true(has(w, 2, 5, key_a));
    vault_close(w);
}

/* A record without its last store is none, and its key does not stay. */
static void
what_a_dead_keeper_left_half_done(void **state)
{
    size_t size;
    struct vault *v = opened();
    (void)state;
    assert_int_equal(add(v, 0, 1, key_a), 0);
    vault_close(v);
    char *p = process_secret_map(files.fds[0], &size);
    char *key = memmem(p, size, key_a, VAULT_KEY_SIZE);
    assert_non_null(key);
    memset(key - 24, 0, 4); /* the state, which stands first */
    process_secret_unmap(p, size);
    v = opened();
    assert_false(has(v, 0, 1, key_a));
    assert_false(file_holds(files.fds[0], key_a));
    assert_int_equal(add(v, 0, 1, key_b), 0);
    vault_close(v);
}

static void
a_file_of_another_version(void **state)
{
    size_t size;
    (void)state;
    uint32_t *p = process_secret_map(files.fds[0], &size);
    assert_non_null(p);
    p[0] = 0x12345678;
    assert_null(vault_open(&files));
    p[0] = 0;
    vault_close(vault_open(&files));
    for (unsigned i = 1; i < 5; i++) { /* version, place, records, size */
        p[i]++;
        assert_null(vault_open(&files));
        p[i]--;
    }
    vault_close(vault_open(&files));
    process_secret_unmap(p, size);
    struct vault_files other = { 1, { process_memory_file("small", 64) } };
    assert_null(vault_open(&other));
    vault_files_close(&other);
    other = (struct vault_files){ 1, { -1 } };
    assert_null(vault_open(&other));
}

/* In an ordinary memory file too, where the kernel has no other. */
static void
without_secret_memory(void **state)
{
    struct vault_files other = { 1,
        { process_memory_file("vault", vault_bytes(1)) } };
    (void)state;
    struct vault *v = vault_open(&other);
    assert_non_null(v);
    assert_int_equal(add(v, 7, 1, key_a), 0);
    assert_true(has(v, 7, 1, key_a));
    vault_close(v);
    vault_files_close(&other);
}

#define ADDERS 4
#define EACH 200

/* Processes that share the open file, as generations do; all add the same
 * serials at once. */
static void
writers_at_the_same_time(void **state)
{
    pid_t pids[ADDERS];
    (void)state;
    for (int p = 0; p < ADDERS; p++) {
        pids[p] = fork();
        if (pids[p] == 0) {
            struct vault *v = vault_open(&files);
            int failed = v == NULL;
            for (unsigned i = 0; i < EACH && v != NULL; i++) {
                failed |= add(v, i, 1000 + i, key_a) != 0;
            }
            _exit(failed);
        }
    }
    for (int p = 0; p < ADDERS; p++) {
        int status;
        assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
        assert_int_equal(status, 0);
    }
    struct vault *v = opened();
    for (unsigned i = 0; i < EACH; i++) {
        assert_true(has(v, i, 1000 + i, key_a));
    }
    vault_close(v);
}

/* Adding waits while another process holds the lock. */
static void
adding_waits_for_the_lock(void **state)
{
    int pair[2];
    char byte = 0;
    struct vault *v = opened();
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    assert_int_equal(fcntl(files.fds[0], F_SETLKW, &lock), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char ready = 1;
        bool ok = write(pair[1], &ready, 1) == 1 && add(v, 0, 1, key_b) == 0 &&
                  has(v, 0, 1, key_a);
        vault_close(v);
        _exit(!ok);
    }
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(kill(pid, 0), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    /* ours goes in while we hold the lock; unlocks when done */
    assert_int_equal(add(v, 0, 1, key_a), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pair[0]);
    close(pair[1]);
    vault_close(v);
}

static size_t
locked_bytes(void)
{
    unsigned long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        (void)sscanf(line, "VmLck: %lu", &kib);
    }
    fclose(f);
    return kib * 1024;
}

/* Indexes are used again and again. */
static void
many_come_and_go(void **state)
{
    struct vault *v = opened();
    size_t locked = locked_bytes();
    unsigned fds = fds_open();
    (void)state;
    for (uint64_t serial = 1; serial <= 100000; serial++) {
        unsigned index = (unsigned)serial % 7;
        assert_int_equal(add(v, index, serial, key_a), 0);
        assert_true(has(v, index, serial, key_a));
        assert_int_equal(vault_drop(v, index, serial), 0);
    }
    assert_int_equal(locked_bytes(), locked);
    assert_int_equal(fds_open(), fds);
    assert_false(file_holds(files.fds[0], key_a));
    vault_close(v);
}

/* The log line names the limit. */
static void
a_limit_that_is_too_low(void **state)
{
    int pipes[2], status;
    char text[4096];
    struct rlimit none = { 0, 0 };
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        log_set(pipes[1], LOG_ERR);
        bool is_set = setrlimit(RLIMIT_MEMLOCK, &none) == 0 &&
                      (geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
        _exit(is_set && vault_open(&files) == NULL ? 0 : 1);
    }
    close(pipes[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t n = read(pipes[0], text, sizeof text - 1);
    close(pipes[0]);
    assert_int_equal(status, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "RLIMIT_MEMLOCK"));
}

/* Takes the file, of which nothing else is mapped. */
static void
check_map_flags(int fd)
{
    char line[512];
    bool is_in = false, is_locked = false, is_dumped = true;
    struct vault_files one = { 1, { fd } };
    struct vault *v = vault_open(&one);
    assert_non_null(v);
    FILE *f = fopen("/proc/self/smaps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] < 'A' || line[0] > 'Z') { /* a range, not a field */
            is_in = strstr(line, "secretmem") != NULL ||
                    strstr(line, "weir vault") != NULL;
        } else if (is_in && strncmp(line, "VmFlags:", 8) == 0) {
            is_locked = strstr(line, " lo") != NULL;
            is_dumped = strstr(line, " dd") == NULL;
        }
    }
    fclose(f);
    vault_close(v);
    close(fd);
    assert_true(is_locked);
    assert_false(is_dumped);
}

static void
the_memory_stays_out_of_cores(void **state)
{
    (void)state;
    check_map_flags(dup(files.fds[0]));
}

/* AddressSanitizer makes mlock() do nothing; the kernel is asked whether that
 * is so. */
static void
ordinary_memory_too(void **state)
{
    char page[1] = { 0 };
    (void)state;
    bool is_real = mlock(page, 1) == 0 && munlock(page, 1) == 0 &&
                   mlock((void *)1, 1) != 0;
    if (!is_real) {
        skip();
    }
    check_map_flags(process_memory_file("weir vault", vault_bytes(1)));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_added_is_there),
        T(an_index_twice),
        T(it_grows),
        T(it_grows_to_an_end),
        T(a_file_in_anothers_place),
        T(a_dropped_key_is_wiped),
        T(another_keeper_finds_the_same),
        T(what_a_dead_keeper_left_half_done),
        T(a_file_of_another_version),
        T(without_secret_memory),
        T(writers_at_the_same_time),
        T(adding_waits_for_the_lock),
        T(many_come_and_go),
        T(a_limit_that_is_too_low),
        T(the_memory_stays_out_of_cores),
        T(ordinary_memory_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
