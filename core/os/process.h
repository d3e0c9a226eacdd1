#pragma once

/*
 * What makes a process of weir's a child that holds no more than its role
 * needs: descriptors, uid, limits. And the memory files that are handed down.
 */

#include <sys/types.h>

#include "base/str.h"

/* Who a child is to be. */
struct process_role {
    const char *title; /* "worker process"; shown by ps */
    uid_t uid;
    gid_t gid;
    const char *user; /* for the supplementary groups; NULL: none */
    pid_t parent;     /* the master; -1 follows if it is gone */
    const int *keep;  /* descriptors that stay, with 0, 1, 2 */
    unsigned n_keep;
};

/* In a child, before it reads a byte: dies with the parent, undumpable, no
 * core, no new privileges, every other descriptor closed, uid and gid dropped
 * when it is root. -1 after a log line; the child exits then. */
must_check int process_become(const struct process_role *r);

/* Closes all descriptors from `fd` on. */
void process_close_from(int fd);

/* What every process of weir's has: no core, no dump, no ptrace by its user.
 * A change of uid takes it back. */
must_check int process_seal(void);

/* Moves the environment away from where ps and /proc/PID/environ look, and
 * wipes it there; *argv becomes a copy, too. Once, before getenv() is kept by
 * anyone. Both copies live as long as the process. */
void process_title_init(int argc, char ***argv);
void process_title(const char *title); /* "weir: TITLE" */

/* Soft limits up to `n`, the hard ones too where the process may, and never
 * down; returns what holds then. */
unsigned long process_raise_nofile(unsigned long n);
void process_raise_memlock(size_t bytes);

/* Looks up a user, and the group or the user's own. Where there is none of
 * that name, a number is the uid or gid itself; of a uid without a name the
 * group is that number, too. */
must_check bool process_user(
    const char *user, const char *group, uid_t *uid, gid_t *gid);

/* An anonymous memory file of that size, zeroed, close-on-exec, sealed against
 * resizing and further seals (one who holds it cannot forbid another to
 * write). -1 with errno. */
must_check int process_memory_file(const char *name, size_t size);

/* The same for secrets: pages that the kernel takes out of its own map
 * (memfd_secret(2)) where it can; no read() or write(), only mapping. */
must_check int process_secret_file(const char *name, size_t size);

/* Maps all of a secret file, shared, locked and in no core; its size in
 * `size`. NULL with errno: EAGAIN, ENOMEM and EPERM mean RLIMIT_MEMLOCK. */
void *process_secret_map(int fd, size_t *size);
void process_secret_unmap(void *p, size_t size);
