#pragma once

/*
 * The kinds of processes that a master has, as a table: what each is called,
 * what it keeps of what the master has open, with whom it is linked, when it
 * is started again, who takes its messages. A master is given a table, so that
 * a new kind is an entry, and a test may have one of its own.
 */

#include <sys/types.h>

#include "os/chan.h"

struct child;
struct cycle;
struct ledger;
struct main_conf;
struct master;
struct role;
struct user_conf;
struct vault_files;

#define ROLE_LINKS_MAX 4
#define ROLES_MAX 8 /* of a table */

/* When there is a process of that role. */
enum role_life {
    ROLE_ONE,     /* one, ready before the first process of a cycle starts, and
                     there until the last has ended; started again if it dies */
    ROLE_OF_CYCLE /* worker_processes for each cycle; started again if they die
                     while it serves. A table has one role of this life */
};

/* A pair of sockets between each process of the role that has this entry and
 * the one of `to`. The master holds both ends, so that a new process of `to`
 * gets the same pairs. */
struct role_link {
    const struct role *to;  /* of ROLE_ONE; NULL: no link, the last entry */
    enum chan_type give;    /* brings its end to `to` */
    enum chan_type renewed; /* says that there is a new process of `to` */
};

/* What a child's process has, in that process. The descriptors are numbers
 * of the master's: each stays open if it is kept (role_keep()). */
struct role_process {
    const struct role *role;
    const struct cycle *cycle; /* its own; of ROLE_ONE the one that serves, or
                                  starts */
    unsigned index;            /* among the cycle's */
    int chan;                  /* to the master; non-blocking, kept */
    int links[ROLE_LINKS_MAX]; /* this end of each; kept */
    const struct vault_files *vault;
    int tickets;           /* memory file of the keys of TLS tickets */
    struct ledger *ledger; /* NULL unless the role has_ledger */
    pid_t master;
    unsigned long nofile; /* the limit, where the role has one */
    int *kept;
    unsigned n_kept;
};

struct role {
    const char *name; /* "worker process": its title, and in the log */
    enum role_life life;
    size_t user;      /* where its user_conf is in struct main_conf */
    bool has_secrets; /* their values, and each change of them; only of
                         ROLE_OF_CYCLE */
    bool has_ledger;
    size_t message_max; /* bytes of data that the master takes of it; at least
                           CHAN_DATA_MAX */
    struct role_link links[ROLE_LINKS_MAX + 1];

    /* In the child, with the master's rights: says what is kept beside the
     * channel, the links and the error log. NULL: nothing. */
    void (*keep)(struct role_process *p);
    /* ... and how many descriptors it should be allowed. NULL: as it is. */
    unsigned long (*nofile)(const struct cycle *c);
    /* In the child, with its own rights: the exit code. */
    int (*run)(struct role_process *p);

    /* In the master: a message that is not CHAN_READY. It may take the fd, and
     * says so by -1. NULL: none makes sense. */
    void (*on_message)(
        struct master *m, struct child *ch, struct chan_msg *msg);
};

extern const struct role role_keeper, role_worker;

/* weir's own; NULL ends it. */
extern const struct role *const role_table[];

/* Called by role->keep(). */
void role_keep(struct role_process *p, int fd);
