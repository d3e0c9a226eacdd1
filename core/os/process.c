/*
 * Roles, titles, memory files. Called by proc/ alone.
 */

#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config.h"

static char *title_room;
static size_t title_size;
/* Never freed; known here so that leak checkers find it. */
static char **kept_argv __attribute__((used));
static char **kept_environ __attribute__((used));

static int
compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void
close_gap(unsigned from, unsigned to)
{
    AN(from > STDERR_FILENO);
    if (from <= to && close_range(from, to, 0) != 0) {
        for (unsigned fd = from; fd <= to && fd < 65536; fd++) {
            close((int)fd);
        }
    }
}

static void
close_others(const int *keep, unsigned n)
{
    int *sorted = xalloc((n + 1) * sizeof *sorted);
    unsigned from = 3;
    if (n != 0) {
        memcpy(sorted, keep, n * sizeof *sorted);
    }
    qsort(sorted, n, sizeof *sorted, compare_ints);
    for (unsigned i = 0; i < n; i++) {
        if (sorted[i] >= (int)from) {
            close_gap(from, (unsigned)sorted[i] - 1);
            from = (unsigned)sorted[i] + 1;
        }
    }
    close_gap(from, ~0U);
    xfree(sorted);
}

void
process_close_from(int fd)
{
    AN(fd > STDERR_FILENO);
    close_gap((unsigned)fd, ~0U);
}

static int
drop_user(const struct process_role *r)
{
    if (geteuid() != 0) {
        return 0;
    }
    int groups =
        r->user != NULL ? initgroups(r->user, r->gid) : setgroups(0, NULL);
    if (groups != 0 || setresgid(r->gid, r->gid, r->gid) != 0 ||
        setresuid(r->uid, r->uid, r->uid) != 0) {
        log_errno(LOG_EMERG, errno, "cannot become uid %u", (unsigned)r->uid);
        return -1;
    }
    if (r->uid != 0 && setuid(0) == 0) {
        log_at(LOG_EMERG, "could become root again");
        return -1;
    }
    return 0;
}

int
process_seal(void)
{
    struct rlimit no_core = { 0, 0 };
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        log_errno(LOG_EMERG, errno, "cannot seal the process");
        return -1;
    }
    return 0;
}

int
process_become(const struct process_role *r)
{
    AN(r->parent > 0 && r->title != NULL);
    close_others(r->keep, r->n_keep);
    process_title(r->title);
    if (drop_user(r) != 0 || process_seal() != 0) {
        return -1;
    }
    /* after the change of user, which clears the death signal */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        log_errno(LOG_EMERG, errno, "cannot seal the process");
        return -1;
    }
    return getppid() == r->parent ? 0 : -1;
}

static unsigned long
raise_limit(int what, rlim_t n)
{
    struct rlimit now, want;
    AZ(getrlimit((__rlimit_resource_t)what, &now));
    if (now.rlim_cur >= n) {
        return now.rlim_cur;
    }
    want = (struct rlimit){ n, now.rlim_max > n ? now.rlim_max : n };
    if (setrlimit((__rlimit_resource_t)what, &want) == 0) {
        return n;
    }
    want = (struct rlimit){ n < now.rlim_max ? n : now.rlim_max, now.rlim_max };
    bool is_raised = want.rlim_cur > now.rlim_cur &&
                     setrlimit((__rlimit_resource_t)what, &want) == 0;
    return is_raised ? want.rlim_cur : now.rlim_cur;
}

unsigned long
process_raise_nofile(unsigned long n)
{
    return raise_limit(RLIMIT_NOFILE, n);
}

void
process_raise_memlock(size_t bytes)
{
    raise_limit(RLIMIT_MEMLOCK, bytes);
}

/* The end of the strings that follow one another in memory from *end on,
 * without a gap. */
static char *
strings_end(char *const *strings, char *end)
{
    for (; *strings != NULL && *strings == end; strings++) {
        end += strlen(*strings) + 1;
    }
    return end;
}

/* Copies pointers and strings to one piece of memory, so that leak checkers see
 * a variable that is taken out of the environment. */
static char **
strings_dup(char *const *strings)
{
    size_t n = 0, bytes = 0;
    for (; strings[n] != NULL; n++) {
        bytes += strlen(strings[n]) + 1;
    }
    char **out = xcalloc((n + 1) * sizeof *out + bytes);
    char *to = (char *)(out + n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(strings[i]) + 1;
        out[i] = memcpy(to, strings[i], size);
        to += size;
    }
    return out;
}

void
process_title_init(int argc, char ***argv)
{
    AN(argc > 0);
    title_room = (*argv)[0];
    char *end = strings_end(*argv, title_room);
    end = strings_end(environ, end);
    title_size = (size_t)(end - title_room);
    *argv = kept_argv = strings_dup(*argv);
    environ = kept_environ = strings_dup(environ);
    /* the arguments stay for ps until there is a title */
    end = title_room + strlen(title_room) + 1;
    for (int i = 1; i < argc; i++) {
        end += strlen((*argv)[i]) + 1;
    }
    if (end < title_room + title_size) {
        mem_wipe(end, (size_t)(title_room + title_size - end));
    }
}

void
process_title(const char *title)
{
    if (title_room == NULL) {
        return;
    }
    memset(title_room, 0, title_size);
    snprintf(title_room, title_size, "weir: %s", title);
}

/* The kernel takes (uid_t)-1 for "no change". */
static bool
id_parse(const char *text, uint32_t *id)
{
    uint64_t v;
    if (!str_u64(str_of(text), &v) || v >= UINT32_MAX) {
        return false;
    }
    *id = (uint32_t)v;
    return true;
}

bool
process_user(const char *user, const char *group, uid_t *uid, gid_t *gid)
{
    const struct passwd *pw = getpwnam(user);
    if (pw == NULL && id_parse(user, uid)) {
        *gid = *uid;
        pw = getpwuid(*uid);
    } else if (pw == NULL) {
        return false;
    }
    if (pw != NULL) {
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
    }
    const struct group *gr = group != NULL ? getgrnam(group) : NULL;
    if (gr != NULL) {
        *gid = gr->gr_gid;
    }
    return group == NULL || gr != NULL || id_parse(group, gid);
}

int
process_memory_file(const char *name, size_t size)
{
    AN(size != 0);
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, (off_t)size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
            0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

#ifdef HAVE_MEMFD_SECRET
/* The kernel allows its size to be set once. */
static int
secret_memory_file(size_t size)
{
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}
#else
static int
secret_memory_file(size_t size)
{
    (void)size;
    return -1;
}
#endif

int
process_secret_file(const char *name, size_t size)
{
    AN(size != 0);
    int fd = secret_memory_file(size);
    return fd >= 0 ? fd : process_memory_file(name, size);
}

/* Secret memory is always locked and refuses mlock(). It is told from an
 * ordinary memory file by having no seals. */
static int
lock_secret(int fd, void *p, size_t n)
{
    if (fcntl(fd, F_GET_SEALS) >= 0 && mlock(p, n) != 0) {
        return -1;
    }
    return madvise(p, n, MADV_DONTDUMP);
}

void *
process_secret_map(int fd, size_t *size)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return NULL;
    }
    *size = (size_t)st.st_size;
    void *p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (lock_secret(fd, p, *size) != 0) {
        int err = errno;
        munmap(p, *size);
        errno = err;
        return NULL;
    }
    return p;
}

void
process_secret_unmap(void *p, size_t size)
{
    AZ(munmap(p, size));
}
