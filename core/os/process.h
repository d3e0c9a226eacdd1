#pragma once

/*
 * Makes a process a child that has only what its role needs: descriptors, user,
 * limits. Also memory files that are handed to children.
 */

#include <sys/types.h>

#include "base/str.h"

/* What a child becomes. */
struct process_role {
    const char *title; /* "worker process"; shown by ps */
    uid_t uid;
    gid_t gid;
    const char *user; /* for the supplementary groups; NULL: none */
    pid_t parent;     /* the master; process_become() fails if it has ended */
    const int *keep;  /* descriptors that stay open, beside 0, 1 and 2 */
    unsigned n_keep;
};

/* Called in a child before it reads a byte. The child dies with its parent; it
 * makes no core, is not dumpable and gets no new privileges; every other
 * descriptor is closed; if it is root it drops to uid and gid. -1 after a log
 * line: the child must exit. */
must_check int process_become(const struct process_role *r);

/* Closes all descriptors from `fd` on. */
void process_close_from(int fd);

/* For every process of weir: no core, no dump, no ptrace by its own user. A
 * change of uid undoes it. */
must_check int process_seal(void);

/* Copies the arguments and the environment away from where ps and
 * /proc/PID/environ look, and wipes the environment there. *argv becomes the
 * copy. To be called once, before anyone keeps a result of getenv(). Both
 * copies are never freed. */
void process_title_init(int argc, char ***argv);
void process_title(const char *title); /* "weir: TITLE" */

/* Raises the soft limit of descriptors to `n`, and the hard one if the process
 * may; never lowers them. Returns the limit. */
unsigned long process_raise_nofile(unsigned long n);
void process_raise_memlock(size_t bytes);

/* Looks up a user, and a group or that user's own. A name that does not exist
 * may be a number, which is the uid or gid; the group of a uid without a name
 * is the same number. */
must_check bool process_user(
    const char *user, const char *group, uid_t *uid, gid_t *gid);

/* An anonymous memory file of that size: zeroed, close-on-exec, sealed against
 * a change of size and against more seals, so that no holder can forbid others
 * to write. -1 with errno. */
must_check int process_memory_file(const char *name, size_t size);

/* The same for secrets: with pages that the kernel removes from its own map
 * (memfd_secret(2)) if it can. It can be mapped only, not read or written. */
must_check int process_secret_file(const char *name, size_t size);

/* Maps a whole secret file: shared, locked and in no core. *size is its size.
 * NULL with errno; EAGAIN, ENOMEM and EPERM mean RLIMIT_MEMLOCK. */
void *process_secret_map(int fd, size_t *size);
void process_secret_unmap(void *p, size_t size);
