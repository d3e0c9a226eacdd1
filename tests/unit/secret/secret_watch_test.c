/*
 * How a change gets from a file to a worker: by writing, renaming, linking,
 * of the file, of what leads to it, of the directories above it.
 */

#include "secret/secret_store.h"

#include "secret_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret/secret_memory.h"

static struct fixture *
fixture_of(void **state)
{
    return *state;
}

static void
written_and_renamed(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "s/a", "one\n");
    sec_start(f, "secret a file:s/a; secret b file:s/b;");
    sec_put(f, "s/a", "two\n");
    sec_settle(f, 0, NULL, "two");
    sec_put(f, "s/new", "three");
    sec_move(f, "s/new", "s/a");
    sec_settle(f, 0, NULL, "three");
    sec_put(f, "s/b", "other");
    sec_settle(f, 1, NULL, "other");
    AZ(unlink(sec_path(f, "s/a")));
    sec_settle(f, 0, NULL, NULL);
    assert_true(sec_is_logged(f, "[warn]"));
    sec_put(f, "s/a", "four");
    sec_settle(f, 0, NULL, "four");
    sec_move(f, "s/a", "s/away");
    sec_settle(f, 0, NULL, NULL);
    sec_assert_value(f->conf, 1, NULL, "other");
    assert_false(sec_is_logged(f, "four"));
}

static void
same_value_is_not_told(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "s/a", "one\n");
    sec_start(f, "secret a file:s/a;");
    sec_put(f, "s/a", "one");
    assert_true(sec_is_readable(f, WAIT_MS));
    sec_changes_nothing(f);
    sec_put(f, "s/unrelated", "x");
    assert_true(sec_is_readable(f, WAIT_MS));
    sec_changes_nothing(f);
}

static void
half_written_is_not_read(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "s/a", "one");
    sec_put(f, "d/box", "box-one");
    sec_start(f, "secret a file:s/a; secret d dir:d; secret l file:l;");
    AZ(unlink(sec_path(f, "s/a")));
    AZ(unlink(sec_path(f, "d/box")));
    sec_settle(f, 0, NULL, NULL);
    sec_settle(f, 1, "box", NULL);
    int a = open(sec_path(f, "s/a"), O_WRONLY | O_CREAT, 0600);
    int box = open(sec_path(f, "d/box"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(a, "ha", 2), 2);
    assert_int_equal(write(box, "ha", 2), 2);
    sec_put(f, "s/b", "x"); /* neighbours are no reason to look */
    sec_put(f, "d/two", "x");
    sec_settle(f, 1, "two", "x");
    assert_true(sec_is_told(f, 0, NULL, NULL));
    assert_true(sec_is_told(f, 1, "box", NULL));
    assert_int_equal(write(a, "lf", 2), 2);
    assert_int_equal(write(box, "lf", 2), 2);
    close(a);
    close(box);
    sec_settle(f, 0, NULL, "half");
    sec_settle(f, 1, "box", "half");
    assert_false(sec_is_logged(f, "[error]"));
}

static void
refused_change_keeps_the_old(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "one");
    sec_put(f, "d/box", "one");
    sec_start(f, "secret a file:a; secret d dir:d;");
    sec_put(f, "a", "two\nthree");
    sec_put(f, "d/box", "");
    assert_true(sec_is_readable(f, WAIT_MS));
    sec_changes_nothing(f);
    sec_assert_value(f->conf, 0, NULL, "one");
    sec_assert_value(f->conf, 1, "box", "one");
    assert_true(sec_is_logged(f, "[error]"));
    assert_true(sec_is_logged(f, "has a CR, LF or NUL in it"));
    assert_true(sec_is_logged(f, "is empty in "));
    sec_put(f, "a", "four");
    sec_settle(f, 0, NULL, "four");
}

static void
look_for_all(const struct conf *c)
{
    for (const struct policy_secret *d = policy_secrets(c); d != NULL;
         d = d->next) {
        ((struct policy_secret *)d)->spec.is_looked_for = true;
    }
}

#define STRONG "0123456789-abcdef-g"
#define WEAK "made-up"

/* It is used all the same, and said by name: a rotation must not fail. */
static void
weak_values(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", WEAK);
    sec_put(f, "b", WEAK);
    sec_put(f, "d/one", STRONG);
    f->conf = sec_bind_text(
        f, "secret a file:a; secret b file:b; secret d dir:d;", false);
    look_for_all(f->conf);
    ((struct policy_secret *)policy_secrets(f->conf)->next)
        ->spec.is_looked_for = false;
    assert_int_equal(policy_secrets_load(f->conf, f->err, sizeof f->err), 0);
    sec_assert_value(f->conf, 0, NULL, WEAK);
    assert_true(sec_is_logged(f, "[warn]"));
    assert_true(sec_is_logged(f, "secret \"a\" is used but not looked for"));
    assert_false(sec_is_logged(f, "\"b\" is used"));
    assert_false(sec_is_logged(f, "\"d\""));
    assert_false(sec_is_logged(f, WEAK));
}

static void
values_that_become_weak(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", STRONG);
    sec_put(f, "d/one", STRONG);
    sec_start(f, "secret a file:a; secret d dir:d;");
    look_for_all(f->conf);
    sec_put(f, "a", WEAK);
    sec_settle(f, 0, NULL, WEAK);
    sec_put(f, "d/one", WEAK);
    sec_settle(f, 1, "one", WEAK);
    assert_true(sec_is_logged(f, "secret \"a\" is used but not looked for"));
    assert_true(
        sec_is_logged(f, "secret \"d\" of sandbox \"one\" is used but"));
    assert_false(sec_is_logged(f, WEAK));
}

static void
dir_changes(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "d/one", "1");
    sec_put(f, "d/two", "2");
    sec_start(f, "secret d dir:d;");
    sec_put(f, "d/three", "3");
    sec_settle(f, 0, "three", "3");
    sec_put(f, "d/.tmp", "4");
    sec_move(f, "d/.tmp", "d/one");
    sec_settle(f, 0, "one", "4");
    AZ(unlink(sec_path(f, "d/two")));
    sec_settle(f, 0, "two", NULL);
    sec_move(f, "d/three", "d/four");
    sec_settle(f, 0, "four", "3");
    assert_true(sec_is_told(f, 0, "three", NULL));
    if (sec_has_openat2()) {
        AZ(symlink("four", sec_path(f, "d/five")));
        sec_settle(f, 0, "five", "3");
    }
    char old[512];
    snprintf(old, sizeof old, "%s", sec_path(f, "d/four"));
    AZ(link(old, sec_path(f, "d/six")));
    sec_settle(f, 0, "six", "3");
    assert_true(sec_is_told(f, 0, "one", "4"));
}

/* As Kubernetes mounts secrets: NAME -> ..data/NAME, ..data -> ..N. */
static void
swung_links(void **state)
{
    struct fixture *f = fixture_of(state);
    if (!sec_has_openat2()) {
        skip();
    }
    sec_put(f, "d/..1/box", "one");
    sec_put(f, "d/..1/gone", "one");
    AZ(symlink("..1", sec_path(f, "d/..data")));
    AZ(symlink("..data/box", sec_path(f, "d/box")));
    AZ(symlink("..data/gone", sec_path(f, "d/gone")));
    sec_start(f, "secret d dir:d; secret a file:d/box;");
    sec_assert_value(f->conf, 0, "box", "one");
    sec_assert_value(f->conf, 1, NULL, "one");
    for (int i = 0; i < 3; i++) {
        char name[64], text[32];
        snprintf(name, sizeof name, "d/..%d/box", i + 2);
        snprintf(text, sizeof text, "value %d", i);
        sec_put(f, name, text);
        snprintf(name, sizeof name, "..%d", i + 2);
        AZ(symlink(name, sec_path(f, "d/..data_tmp")));
        sec_move(f, "d/..data_tmp", "d/..data");
        sec_settle(f, 0, "box", text);
        sec_settle(f, 1, NULL, text);
        assert_true(sec_is_told(f, 0, "gone", NULL));
    }
}

static void
link_to_elsewhere(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "v1/token", "one");
    sec_put(f, "v2/token", "two");
    AZ(symlink("v1", sec_path(f, "current")));
    AZ(symlink("current/token", sec_path(f, "token")));
    sec_start(f, "secret a file:token; secret b file:current/token;"
                 "secret c dir:current;");
    sec_changes_nothing(f); /* what start() wrote */
    sec_put(f, "v1/token", "one again");
    sec_settle(f, 0, NULL, "one again");
    sec_settle(f, 1, NULL, "one again");
    sec_settle(f, 2, "token", "one again");
    AZ(symlink("v2", sec_path(f, "next")));
    sec_move(f, "next", "current");
    sec_settle(f, 1, NULL, "two");
    sec_settle(f, 2, "token", "two");
    sec_put(f, "v2/token", "three");
    sec_settle(f, 1, NULL, "three");
    sec_settle(f, 2, "token", "three");
}

/* A new file where a link leads is being written, too. */
static void
half_written_elsewhere(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "v/token", "one");
    AZ(symlink("v/token", sec_path(f, "token")));
    sec_start(f, "secret a file:token;");
    AZ(unlink(sec_path(f, "v/token")));
    sec_settle(f, 0, NULL, NULL);
    int fd = open(sec_path(f, "v/token"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "ha", 2), 2);
    assert_true(sec_is_readable(f, WAIT_MS));
    sec_changes_nothing(f);
    assert_int_equal(write(fd, "lf", 2), 2);
    close(fd);
    sec_settle(f, 0, NULL, "half");
}

/* The kernel's list of what is watched. */
static unsigned
count_watches(struct fixture *f)
{
    char line[512];
    unsigned n = 0;
    snprintf(
        line, sizeof line, "/proc/self/fdinfo/%d", secret_watch_fd(f->store));
    FILE *in = fopen(line, "r");
    while (fgets(line, sizeof line, in) != NULL) {
        n += strncmp(line, "inotify ", 8) == 0;
    }
    fclose(in);
    return n;
}

static void
remove_dir(struct fixture *f, const char *dir, const char *file)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", dir, file);
    AZ(unlink(sec_path(f, name)));
    AZ(rmdir(sec_path(f, dir)));
}

static void
directory_goes_and_comes(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "x/d/box", "one");
    sec_start(f, "secret a file:x/d/box; secret d dir:x/d;"
                 "secret n dir:not/yet/there;");
    for (int i = 0; i < 3; i++) {
        char text[32];
        remove_dir(f, "x/d", "box");
        sec_settle(f, 0, NULL, NULL);
        sec_settle(f, 1, "box", NULL);
        snprintf(text, sizeof text, "back %d", i);
        sec_put(f, "x/d/box", text);
        sec_settle(f, 0, NULL, text);
        sec_settle(f, 1, "box", text);
        sec_put(f, "x/d/box", "seen again");
        sec_settle(f, 0, NULL, "seen again");
        sec_settle(f, 1, "box", "seen again");
    }
    remove_dir(f, "x/d", "box");
    AZ(rmdir(sec_path(f, "x")));
    sec_settle(f, 0, NULL, NULL);
    sec_put(f, "x/d/box", "from above");
    sec_settle(f, 0, NULL, "from above");
    sec_settle(f, 1, "box", "from above");
    sec_put(f, "not/yet/there/box", "now");
    sec_settle(f, 2, "box", "now");
}

static void
directory_is_swapped(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "x/d/box", "one");
    sec_put(f, "x/d/only", "one");
    sec_put(f, "new/box", "two");
    sec_put(f, "new2/d/box", "three");
    sec_start(f, "secret a file:x/d/box; secret d dir:x/d;");
    unsigned before = count_watches(f);
    sec_move(f, "x/d", "x/old");
    sec_move(f, "new", "x/d");
    sec_settle(f, 0, NULL, "two");
    sec_settle(f, 1, "box", "two");
    assert_true(sec_is_told(f, 1, "only", NULL));
    sec_move(f, "x", "y"); /* one above it */
    sec_settle(f, 0, NULL, NULL);
    sec_move(f, "new2", "x");
    sec_settle(f, 0, NULL, "three");
    sec_settle(f, 1, "box", "three");
    assert_int_equal(count_watches(f), before);
}

static void
overflow_reads_all(void **state)
{
    struct fixture *f = fixture_of(state);
    unsigned long max = 0;
    FILE *in = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    assert_int_equal(fscanf(in, "%lu", &max), 1);
    fclose(in);
    if (max > 100000) {
        skip();
    }
    sec_put(f, "d/box", "one");
    sec_start(f, "secret d dir:d; secret a file:d/box;");
    char one[512];
    snprintf(one, sizeof one, "%s", sec_path(f, "d/.x"));
    for (unsigned long i = 0; i <= max / 2 + 1; i++) { /* two events each */
        close(open(one, O_WRONLY | O_CREAT, 0600));
        unlink(one);
    }
    sec_put(f, "d/box", "two"); /* its event is lost */
    sec_settle(f, 0, "box", "two");
    sec_settle(f, 1, NULL, "two");
}

/* Between the load and the first run nothing is lost. */
static void
change_before_start(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "one");
    sec_load(f, "secret a file:a;");
    sec_put(f, "a", "two");
    f->worker = sec_bind_text(f, "secret a file:a;", true);
    assert_true(secret_watch_start(f->store) >= 0);
    AZ(policy_secrets_load(f->worker, f->err, sizeof f->err));
    while (sec_is_readable(f, 0)) {
        secret_watch_run(f->store, sec_on_change, f);
    }
    assert_int_equal(f->n_messages, 1);
    sec_assert_value(f->conf, 0, NULL, "two");
}

static void
made_readable(void **state)
{
    struct fixture *f = fixture_of(state);
    if (geteuid() == 0) {
        AZ(chmod(f->dir.path, 0777));
        AZ(seteuid(65534));
    }
    sec_put(f, "s/a", "one");
    sec_start(f, "secret a file:s/a;");
    sec_put(f, "s/new", "two");
    AZ(chmod(sec_path(f, "s/new"), 0));
    sec_move(f, "s/new", "s/a");
    assert_true(sec_is_readable(f, WAIT_MS));
    sec_changes_nothing(f);
    assert_true(sec_is_logged(f, "weir.conf:2, the value before it stays"));
    AZ(chmod(sec_path(f, "s/a"), 0600));
    sec_settle(f, 0, NULL, "two");
    AZ(seteuid(getuid()));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, sec_set_up, sec_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(written_and_renamed),
        T(same_value_is_not_told),
        T(half_written_is_not_read),
        T(refused_change_keeps_the_old),
        T(weak_values),
        T(values_that_become_weak),
        T(dir_changes),
        T(swung_links),
        T(link_to_elsewhere),
        T(half_written_elsewhere),
        T(directory_goes_and_comes),
        T(directory_is_swapped),
        T(overflow_reads_all),
        T(change_before_start),
        T(made_readable),
    };
    return cmocka_run_group_tests_name("secret_watch", tests, NULL, NULL);
}
