#pragma once

/*
 * Roles, the kinds of child processes that a master has, as a table: the name
 * of each, which of the master's descriptors it keeps, its links to other
 * processes, when it is started again, which function takes its messages. The
 * table is an argument of the master: a new role is a new entry, and a test may
 * have its own.
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
#define ROLES_MAX 8 /* in a table */

/* How many processes of a role there are, and when. */
enum role_life {
    ROLE_ONE,     /* one, ready before the first process of a cycle starts, and
                     there until the last has ended; started again if it dies */
    ROLE_OF_CYCLE /* worker_processes for each cycle; started again if they die
                     while it serves. A table has one role of this life */
};

/* A link: a pair of sockets between each process of the role that has this
 * entry and the process of the role `to`. The master holds both ends, so that
 * it can give a new process of `to` the same pairs. */
struct role_link {
    const struct role *to;  /* of ROLE_ONE; NULL: the list ends here */
    enum chan_type give;    /* the message that brings `to` its end */
    enum chan_type renewed; /* tells the other side of a new process of `to` */
};

/* What a child process gets, as seen in that process. Descriptors have the
 * numbers that they have in the master; each stays open only if it is kept
 * (role_keep()). */
struct role_process {
    const struct role *role;
    const struct cycle *cycle; /* its own; for ROLE_ONE the cycle that serves,
                                  or starts */
    unsigned index;            /* among the cycle's workers */
    int chan;                  /* to the master; non-blocking, kept */
    int links[ROLE_LINKS_MAX]; /* this end of each; kept */
    const struct vault_files *vault;
    int tickets;           /* memory file of the keys of TLS tickets */
    struct ledger *ledger; /* NULL unless the role has_ledger */
    pid_t master;
    unsigned long nofile; /* its limit of descriptors; 0: as it was */
    int *kept;
    unsigned n_kept;
};

struct role {
    const char *name; /* "worker process": in its title and in the log */
    enum role_life life;
    size_t user;      /* offset of its user_conf in struct main_conf */
    bool has_secrets; /* it gets their values, and each change of them;
                         only for ROLE_OF_CYCLE */
    bool has_ledger;
    size_t message_max; /* bytes of data in a message from it, at most; at
                           least CHAN_DATA_MAX */
    struct role_link links[ROLE_LINKS_MAX + 1];

    /* In the child, still with the master's rights: keeps more descriptors than
     * the channel, the links and the error log. NULL: none. */
    void (*keep)(struct role_process *p);
    /* There, too: how many descriptors it may have. NULL: as many as before. */
    unsigned long (*nofile)(const struct cycle *c);
    /* In the child, with its own rights: its work; returns the exit code. */
    int (*run)(struct role_process *p);

    /* In the master: takes a message other than CHAN_READY. It may take its fd,
     * and sets that to -1 then. NULL: every message is an error. */
    void (*on_message)(
        struct master *m, struct child *ch, struct chan_msg *msg);
};

extern const struct role role_keeper, role_worker;

/* weir's own roles, with NULL at the end. */
extern const struct role *const role_table[];

/* Called by role->keep(). */
void role_keep(struct role_process *p, int fd);
