#pragma once

/*
 * The values of secrets, in locked memory that is in no core file and is wiped
 * when a value is replaced. The master loads and watches them. A worker
 * inherits them by the fork, and applies the changes that the master sends.
 *
 * Who calls what, and when:
 * - The master calls secret_store_load() at commit, before it forks. That fails
 *   if a value is empty, longer than SECRET_MAX or has CR, LF or NUL (one
 *   newline at the end is cut), if a source is no regular file, or if memory
 *   cannot be locked. A missing value is logged, and requests that need it get
 *   502. The same goes for a bad file of a dir: it concerns one sandbox alone.
 *   Of a dir, all files are read whose names are ids. An environment variable
 *   is read once, erased from the environment, and kept for later
 *   configurations of this process.
 * - The master calls secret_watch_run() when secret_watch_fd() is readable. It
 *   calls back with one message for each value that has changed; the master
 *   sends that to the workers of every generation that has the secret, and
 *   keeps no copy. If a file is gone, its value is missing. A new value that is
 *   not valid is logged, and the old one stays.
 * - A worker calls secret_store_after_fork() first, then secret_apply() for
 * each message.
 * - The keeper and any other child call secret_wipe_all() first.
 * - Master and workers call secret_get().
 */

#include "secret/secret_memory.h"

struct secret_spec;
struct secret_store;

/* The longest value, in bytes. */
#define SECRET_MAX 65536

/* The longest message of secret_watch_run(): a value, an id, and 16 bytes. */
#define SECRET_MESSAGE_MAX (SECRET_MAX + 64 + 16)

/* A store of these secrets; it borrows the specs. Until secret_store_load() all
 * values are missing. */
struct secret_store *secret_store_new(
    const struct secret_spec *const *specs, unsigned n);
void secret_store_free(struct secret_store *s);

/* Reads all values; called once. -1 with the reason, file and line in err. */
must_check int secret_store_load(
    struct secret_store *s, bool is_watched, char *err, size_t err_size);

/* The value for the sandbox of that id (not used if the secret is not per
 * sandbox), lent until the next secret_apply(). p NULL: it is missing. */
struct str secret_get(
    const struct secret_store *s, unsigned index, struct str sandbox);

/* The same, held: the value stays as it is until secret_value_free(), even if
 * the secret changes. For uses that last longer than one step of a task, such
 * as the search of a response. */
struct secret_value secret_hold(
    const struct secret_store *s, unsigned index, struct str sandbox);

/* How many changes of values this process has seen: a value that is held is
 * surely the newest while this number stays. */
unsigned secret_changes(const struct secret_store *s);

/* Starts to watch the directories of file: and dir: secrets. Returns a
 * descriptor of the store's, to be polled for input; -1 with errno, which is 0
 * if nothing is to be watched, as with -t. The first run reports what has
 * changed since secret_store_load(). In workers secret_store_after_fork()
 * closes it. */
int secret_watch_start(struct secret_store *s);
int secret_watch_fd(const struct secret_store *s);

/* Reads the values that changed. on_change() gets one message for each, which
 * is wiped when on_change() returns. */
void secret_watch_run(struct secret_store *s,
    void (*on_change)(void *arg, struct str message), void *arg);

/* Changes a message of the store `from` so that a worker with the store `to`,
 * of any generation, takes it for its secret of the same name, scope and
 * source. False: `to` has no such secret, and the message is not for that
 * worker. */
must_check bool secret_message_readdress(char *message, size_t n,
    const struct secret_store *from, const struct secret_store *to);

/* For a worker: applies a message. False: it is malformed (by our own bug, or
 * as the master has another version), and nothing has changed. If no memory can
 * be locked for a value, that is logged and the value is missing. */
must_check bool secret_apply(struct secret_store *s, struct str message);

/* For a worker: locks the values again, which the fork left unlocked, forgets
 * those of the environment, and closes the watch. */
void secret_store_after_fork(struct secret_store *s);

/* For a child that needs no secret: unmaps all values of all stores. */
void secret_wipe_all(void);
