#pragma once

/*
 * The values of secrets, in locked memory that no core holds, wiped when they
 * are replaced. The master loads and watches; a worker has what it inherited
 * by the fork, and applies what the master sends.
 *
 * Who calls what, when:
 * - master, at commit, before forking: secret_store_load(). Refuses what holds
 *   CR, LF or NUL or is empty or longer than SECRET_MAX (one newline at the end
 *   is cut), what is no regular file, and memory that cannot be locked. What
 *   is missing is logged, and missing for requests (502); so is a file of a
 *   dir: that would be refused, which is one sandbox's trouble and no other's.
 *   Of a dir: all files whose names are sandbox ids are read. Environment
 *   variables are read once, erased from the environment, and kept for later
 *   configurations of this process.
 * - master, poll loop: when secret_watch_fd() is readable, secret_watch_run();
 *   it calls back with one message for each value that changed. The master
 *   sends it to the workers of every generation that has the secret, and keeps
 *   no copy. A file that is
 *   gone is a change (missing); a new value that would be refused is logged,
 *   and the one before it stays.
 * - worker, first thing: secret_store_after_fork(); then secret_apply() for
 *   each message.
 * - keeper and any other child, first thing: secret_wipe_all().
 * - all: secret_get().
 */

#include "secret/secret_memory.h"

struct secret_spec;
struct secret_store;

/* Longest value, in bytes. */
#define SECRET_MAX 65536

/* Longest message of secret_watch_run(): the value, an id, 16 bytes. */
#define SECRET_MESSAGE_MAX (SECRET_MAX + 64 + 16)

/* Of secrets whose specs live as long. Not loaded: all are missing. */
struct secret_store *secret_store_new(
    const struct secret_spec *const *specs, unsigned n);
void secret_store_free(struct secret_store *s);

/* Reads all of them; once. -1 with the reason, with file and line, in err. */
must_check int secret_store_load(
    struct secret_store *s, bool is_watched, char *err, size_t err_size);

/* The value for the sandbox of that id (STR_NONE is fine for one that is not
 * per sandbox), lent until the next secret_apply(). p NULL: missing. */
struct str secret_get(
    const struct secret_store *s, unsigned index, struct str sandbox);

/* The same, held: it stays as it is, in its locked memory, until
 * secret_value_free(), whatever becomes of the secret. For what lives longer
 * than a step, as a response does that is searched for it. */
struct secret_value secret_hold(
    const struct secret_store *s, unsigned index, struct str sandbox);

/* How often a value of the store has changed in this process: what was held
 * before is not the newest when it is another number. */
unsigned secret_changes(const struct secret_store *s);

/* Starts to watch the directories of file: and dir: secrets; -1 with errno. An
 * fd to poll for input, the store's own; -1 also if nothing is to be watched
 * (errno 0), as under -t. What changed since secret_store_load() is told by the
 * first run. Workers close it after the fork (secret_store_after_fork does). */
int secret_watch_start(struct secret_store *s);
int secret_watch_fd(const struct secret_store *s);

/* Reads what changed. `on_change` gets one message a changed value; it is
 * wiped when the call returns. */
void secret_watch_run(struct secret_store *s,
    void (*on_change)(void *arg, struct str message), void *arg);

/* Changes a message of the store `from` for a worker of any generation, whose
 * store is `to`: the message is then for the secret of the same name, scope and
 * source there. False where there is none: the value is not for that worker. */
must_check bool secret_message_readdress(char *message, size_t n,
    const struct secret_store *from, const struct secret_store *to);

/* A worker: takes a message. False when it is malformed (our own bug or a
 * master of another version): nothing is changed then. When no memory can be
 * locked for a value it is logged, and the value is missing. */
must_check bool secret_apply(struct secret_store *s, struct str message);

/* A worker: locks again what the fork unlocked, forgets the environment's
 * values, closes the watch. */
void secret_store_after_fork(struct secret_store *s);

/* A child that needs no secret: unmaps all values of all stores. */
void secret_wipe_all(void);
