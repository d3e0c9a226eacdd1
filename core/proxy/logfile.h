#pragma once

/*
 * Files that modules log to. The master opens them (USR1: again) and workers
 * inherit or are sent the descriptors; lines of one turn of the loop leave in
 * one write.
 */

#include "base/appender.h"
#include "base/buf.h"
#include "conf/bind.h"
#include "net/task.h"

struct logfile {
    struct str path; /* absolute; "stdout" or "stderr" of a stream */
    int stream;      /* 1 or 2: that is not opened, but duplicated; -1 */
    int fd;          /* -1 until opened */
    unsigned number; /* its place among the conf's */
    struct logfile *next;
    struct buf buf;
    struct appender out;
    struct task *task; /* of the worker: flushes; NULL in the master */
};

/* At bind or check: the file for `path`, under the prefix if it is relative, or
 * a stream (path_stream()); one for each path of a conf. */
struct logfile *logfile_get(struct conf *c, struct str path);

/* The master: opens all, append only, mode 0640, owned by uid:gid when the
 * master is root; those that are open, again, but for streams. -1 after a log
 * line for each that cannot be opened, which stays as it was. */
must_check int logfiles_open(struct conf *c, unsigned uid, unsigned gid);
void logfiles_close(struct conf *c);

/* The i-th, or NULL past the last. */
struct logfile *logfile_nth(const struct conf *c, unsigned i);

/* A worker's: starts to batch on this loop; flushes and stops. */
void logfiles_start(struct conf *c, struct loop *l);
void logfiles_stop(struct conf *c);

/* A worker's: the master has opened the path again, and `fd` (taken) replaces
 * the old one, to which goes what was written before. */
void logfile_reopened(struct logfile *f, int fd);

/* Appends a line (with its newline). Lost as a whole when the disk is full: a
 * log never stops traffic. The error log says that, and how many were lost. */
void logfile_write(struct logfile *f, struct str line);
