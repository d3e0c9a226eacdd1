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

#include "base/log.h"
#include "os/process.h"
#include "os/sock.h"

static const uint8_t key_a[VAULT_KEY_SIZE] = "key a, 32 bytes 0123456789abcde";
static const uint8_t key_b[VAULT_KEY_SIZE] = "key b, 32 bytes 0123456789abcde";

static int
add(struct vault *v, uint64_t serial, struct str id, const uint8_t *key)
{
    struct vault_record r = { serial, 1700000000, id, key, STR("signature") };
    return vault_add(v, &r);
}

static struct vault *
vault_of(unsigned records, int *fd)
{
    *fd = vault_create(records);
    assert_true(*fd >= 0);
    struct vault *v = vault_open(*fd);
    assert_non_null(v);
    assert_int_equal(vault_size(v), records);
    return v;
}

static void
what_is_added_is_there(void **state)
{
    struct vault_record r;
    int fd;
    struct vault *v = vault_of(8, &fd);
    (void)state;
    assert_int_equal(vault_find(v, 5), -1);
    int i = add(v, 5, STR("demo"), key_a);
    assert_in_range(i, 0, 7);
    assert_int_equal(vault_find(v, 5), i);
    assert_true(vault_get(v, (unsigned)i, &r));
    assert_int_equal(r.serial, 5);
    assert_int_equal(r.created, 1700000000);
    assert_true(str_eq(r.id, STR("demo")));
    assert_true(str_eq(r.signature, STR("signature")));
    assert_memory_equal(r.key, key_a, VAULT_KEY_SIZE);
    assert_false(vault_get(v, (unsigned)(i + 1) % 8, &r));
    assert_false(vault_get(v, 8, &r));
    assert_false(vault_get(v, ~0u, &r));
    vault_close(v);
    close(fd);
}

/* The record that is there stays: its certificate is out already. */
static void
a_serial_twice(void **state)
{
    struct vault_record r;
    int fd;
    struct vault *v = vault_of(8, &fd);
    (void)state;
    int i = add(v, 5, STR("demo"), key_a);
    assert_int_equal(add(v, 5, STR("demo"), key_b), i);
    assert_true(vault_get(v, (unsigned)i, &r));
    assert_memory_equal(r.key, key_a, VAULT_KEY_SIZE);
    vault_close(v);
    close(fd);
}

/* Serials that share a home, a vault that is full, and gaps in the row. */
static void
full_and_with_gaps(void **state)
{
    int fd;
    struct vault *v = vault_of(4, &fd);
    (void)state;
    for (uint64_t s = 0; s < 4; s++) {
        assert_true(add(v, 3 + 4 * s, STR("x"), key_a) >= 0);
    }
    assert_int_equal(add(v, 100, STR("x"), key_a), -1);
    assert_true(add(v, 7, STR("x"), key_b) >= 0); /* it is there */
    for (uint64_t s = 0; s < 4; s++) {
        assert_true(vault_find(v, 3 + 4 * s) >= 0);
    }
    vault_drop(v, (unsigned)vault_find(v, 3));
    assert_int_equal(vault_find(v, 3), -1);
    assert_true(vault_find(v, 15) >= 0); /* beyond the gap */
    int i = vault_find(v, 15);
    assert_int_equal(add(v, 15, STR("x"), key_b), i);
    assert_true(add(v, UINT64_MAX, STR("x"), key_a) >= 0);
    assert_int_equal(add(v, 101, STR("x"), key_a), -1);
    vault_close(v);
    close(fd);
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
    struct vault_record r;
    int fd;
    struct vault *v = vault_of(4, &fd);
    (void)state;
    int a = add(v, 1, STR("a"), key_a), b = add(v, 2, STR("b"), key_b);
    assert_true(file_holds(fd, key_a));
    vault_drop(v, (unsigned)a);
    assert_false(file_holds(fd, key_a));
    assert_false(vault_get(v, (unsigned)a, &r));
    assert_int_equal(vault_find(v, 1), -1);
    assert_true(vault_get(v, (unsigned)b, &r));
    assert_true(file_holds(fd, key_b));
    vault_close(v);
    close(fd);
}

/* After a crash, and from another generation at the same time. */
static void
another_keeper_finds_the_same(void **state)
{
    struct vault_record r;
    int fd;
    struct vault *v = vault_of(8, &fd);
    (void)state;
    int i = add(v, 5, STR("demo"), key_a);
    struct vault *w = vault_open(fd);
    assert_non_null(w);
    assert_int_equal(vault_find(w, 5), i);
    int j = add(w, 13, STR("late"), key_b);
    assert_int_equal(vault_find(v, 13), j);
    vault_close(v);
    assert_true(vault_get(w, (unsigned)i, &r));
    assert_memory_equal(r.key, key_a, VAULT_KEY_SIZE);
    vault_close(w);
    close(fd);
}

/* A record without its last store is none, and its key does not stay. */
static void
what_a_dead_keeper_left_half_done(void **state)
{
    int fd;
    size_t size;
    struct vault *v = vault_of(4, &fd);
    (void)state;
    int i = add(v, 1, STR("a"), key_a);
    vault_close(v);
    char *p = process_secret_map(fd, &size);
    char *key = memmem(p, size, key_a, VAULT_KEY_SIZE);
    assert_non_null(key);
    memset(key - 24, 0, 4); /* the state, which stands first */
    process_secret_unmap(p, size);
    v = vault_open(fd);
    assert_non_null(v);
    assert_int_equal(vault_find(v, 1), -1);
    assert_false(file_holds(fd, key_a));
    assert_int_equal(add(v, 1, STR("a"), key_b), i);
    vault_close(v);
    close(fd);
}

static void
a_file_of_another_version(void **state)
{
    size_t size;
    int fd = vault_create(4);
    (void)state;
    uint32_t *p = process_secret_map(fd, &size);
    assert_non_null(p);
    p[0] = 0x12345678;
    assert_null(vault_open(fd));
    p[0] = 0;
    vault_close(vault_open(fd));
    p[1]++; /* version */
    assert_null(vault_open(fd));
    p[1]--;
    p[2]++; /* records */
    assert_null(vault_open(fd));
    process_secret_unmap(p, size);
    close(fd);
    fd = process_memory_file("small", 64);
    assert_null(vault_open(fd));
    close(fd);
    assert_null(vault_open(-1));
}

/* In an ordinary memory file too, where the kernel has no other. */
static void
without_secret_memory(void **state)
{
    int fd = process_memory_file("vault", vault_bytes(4));
    (void)state;
    struct vault *v = vault_open(fd);
    assert_non_null(v);
    assert_int_equal(vault_size(v), 4);
    int i = add(v, 1, STR("a"), key_a);
    assert_int_equal(vault_find(v, 1), i);
    vault_close(v);
    close(fd);
}

#define ADDERS 4
#define EACH 200

/* Processes that share the open file, as generations do; all add the same
 * serials at once. */
static void
writers_at_the_same_time(void **state)
{
    int fd = vault_create(EACH + 8);
    (void)state;
    pid_t pids[ADDERS];
    for (int p = 0; p < ADDERS; p++) {
        pids[p] = fork();
        if (pids[p] == 0) {
            struct vault *v = vault_open(fd);
            int failed = v == NULL;
            for (uint64_t s = 0; s < EACH && v != NULL; s++) {
                failed |= add(v, s * 1000, STR("x"), key_a) < 0;
            }
            _exit(failed);
        }
    }
    for (int p = 0; p < ADDERS; p++) {
        int status;
        assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
        assert_int_equal(status, 0);
    }
    struct vault *v = vault_open(fd);
    unsigned n = 0;
    for (unsigned i = 0; i < vault_size(v); i++) {
        struct vault_record r;
        n += vault_get(v, i, &r);
    }
    assert_int_equal(n, EACH); /* none twice */
    vault_close(v);
    close(fd);
}

/* Adding waits while another process holds the lock. */
static void
adding_waits_for_the_lock(void **state)
{
    int fd, pair[2];
    char byte = 0;
    struct vault *v = vault_of(4, &fd);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    assert_int_equal(fcntl(fd, F_SETLKW, &lock), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct vault_record r = { 1, 0, STR("x"), key_b, STR_NONE };
        char ready = 1;
        int i = write(pair[1], &ready, 1) == 1 ? vault_add(v, &r) : -1;
        bool ok = i >= 0 && vault_get(v, (unsigned)i, &r) &&
                  memcmp(r.key, key_a, VAULT_KEY_SIZE) == 0;
        vault_close(v);
        _exit(!ok);
    }
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(kill(pid, 0), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    /* ours goes in while we hold the lock; unlocks when done */
    assert_true(add(v, 1, STR("x"), key_a) >= 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pair[0]);
    close(pair[1]);
    vault_close(v);
    close(fd);
}

/* The log line names the limit. */
static void
a_limit_that_is_too_low(void **state)
{
    int pipes[2], status;
    char text[4096];
    struct rlimit none = { 0, 0 };
    (void)state;
    int fd = vault_create(4);
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        log_set(pipes[1], LOG_ERR);
        bool is_set = setrlimit(RLIMIT_MEMLOCK, &none) == 0 &&
                      (geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
        _exit(is_set && vault_open(fd) == NULL ? 0 : 1);
    }
    close(pipes[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t n = read(pipes[0], text, sizeof text - 1);
    close(pipes[0]);
    close(fd);
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
    struct vault *v = vault_open(fd);
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
    check_map_flags(vault_create(4));
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
    check_map_flags(process_memory_file("weir vault", vault_bytes(4)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_there),
        cmocka_unit_test(a_serial_twice),
        cmocka_unit_test(full_and_with_gaps),
        cmocka_unit_test(a_dropped_key_is_wiped),
        cmocka_unit_test(another_keeper_finds_the_same),
        cmocka_unit_test(what_a_dead_keeper_left_half_done),
        cmocka_unit_test(a_file_of_another_version),
        cmocka_unit_test(without_secret_memory),
        cmocka_unit_test(writers_at_the_same_time),
        cmocka_unit_test(adding_waits_for_the_lock),
        cmocka_unit_test(a_limit_that_is_too_low),
        cmocka_unit_test(the_memory_stays_out_of_cores),
        cmocka_unit_test(ordinary_memory_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
