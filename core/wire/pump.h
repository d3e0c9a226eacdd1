#pragma once

/*
 * One direction of an exchange's body: a queue that the source fills, the
 * filters between, and a queue that the sink drains (the same queue where
 * there is no filter, so a body passes without a copy). The pump is the
 * backpressure: a source stops at its limit and is woken when the sink took.
 */

#include "base/bufq.h"
#include "base/mem.h"
#include "net/task.h"

/* What a filter is told of its input. */
enum need {
    MORE,  /* more will come in this turn */
    FLUSH, /* the input is dry this turn */
    END    /* it is the last: F_DONE is the answer once the output took all */
};

/* What it answers. */
enum flow {
    F_NEED, /* took what it could; more input, please */
    F_FULL, /* the output is full */
    F_DONE, /* after END: no output will follow */
    F_WAIT, /* it keeps what it has, room or not, until its wait() says, or an
               event calls pump_wake() */
    F_BUSY, /* it worked and has more to do, whether or not a byte moved: again,
               when others have had their turn */
    F_ERROR /* the body cannot go on; the exchange fails */
};

/* Of a response's filter: wants the bytes decoded; the core wraps it in gunzip
 * and gzip where the body is compressed, and asks the origin for what it reads
 * (coding.h). A filter without it gets them as they come. */
#define FILTER_IDENTITY 1u
#define FILTER_KEEPS_LENGTH 2u /* the body's length does not change */
/* With both others: it looks for something that is nearly never there. It gives
 * as many bytes as it takes, in order, each as it was or masked, some of them
 * later, and all at END. A compressed body leaves as it came, but from a masked
 * byte on, where all that want it decoded are of this kind; what it has given
 * is what may leave. What the head says of a body stays, though of one in which
 * something was found its digest is not true any more; a part of a body, and
 * one that cannot be decoded, it gets as they come, unless its owner says
 * that they are to be refused. It may be made more than once for an exchange,
 * for texts that are whole; and it does not fail. */
#define FILTER_LOOKS 4u

/* Bytes in, bytes out; the core drives it, it never chains. `want` is asked
 * when the response's head has come, one of FILTER_IDENTITY before the request
 * leaves too. `owner` is given by whoever adds the filter: a module's is the
 * struct tx. */
struct filter {
    const char *name;
    size_t state_size; /* zeroed before init */
    unsigned flags;
    bool (*want)(const void *owner);
    void (*init)(void *owner, void *state);
    enum flow (*run)(
        void *state, struct bufq *in, struct bufq *out, enum need need);
    void (*fini)(void *state);
    /* After F_ERROR: the cause, for the log; static or in the exchange's
     * arena. May be NULL. */
    const char *(*why)(const void *state);
    /* When run() is to come though no byte does, by clock_mono(); TASK_NEVER;
     * may be NULL, which is the same. Asked before each wait of the sink: after
     * F_WAIT; and, of a filter that holds bytes back for a time, when all that
     * it gave was taken and the source is waited for. After MORE it asks for a
     * run at once. */
    double (*wait)(void *state);
};

struct pump_stage {
    const struct filter *filter;
    void *state;
    struct bufq out;
    bool is_done;
    bool is_dry;     /* its last answer was F_NEED: no output waits in it */
    bool is_busy;    /* its last answer was F_BUSY */
    bool is_waiting; /* its last answer was F_WAIT */
};

#define PUMP_STAGES_MAX 8

struct pump {
    struct bufq in;
    struct pump_stage *stages; /* in the exchange's arena */
    unsigned n_stages;
    struct task *source;      /* woken when there is room again; may be NULL */
    struct task *sink;        /* woken when there is something; may be NULL */
    bool is_ended;            /* the source has given its last byte */
    bool is_stopped;          /* the source met a full queue */
    bool is_woken;            /* ... and then room: it has not come yet */
    bool has_error;           /* a filter's: nothing more will come out */
    const char *failed, *why; /* that filter's name, and what it said */
    struct turn turn;         /* of what came out of all stages */
    double last_progress;     /* clock_mono() of the last byte in or out */
    uint64_t bytes_in, bytes_out;
};

/* The limit of each queue, in bytes. */
#define PUMP_LIMIT (64 * 1024)

/* What the stages of one pump give in a turn of the loop, before others have
 * theirs: a few bytes of gzip may be many. */
#define PUMP_TURN_BYTES (256 * 1024)

/* What an F_BUSY counts as. */
#define PUMP_BUSY_BYTES (64 * 1024)

void pump_init(struct pump *p, struct task *source, struct task *sink);
void pump_fini(struct pump *p);

/* Adds a filter behind those there are; the source may have begun, the sink
 * may not. `owner` is for the filter's init(), which may be NULL. */
void pump_add(
    struct pump *p, void *owner, struct arena *a, const struct filter *f);
bool pump_keeps_length(const struct pump *p);

/* For the source: the queue to fill; then how much it put there. */
struct bufq *pump_in(struct pump *p);
void pump_filled(struct pump *p, size_t n);
void pump_end(struct pump *p);

/* The source asks before it gives more. True: the queue has no room for a chunk
 * (base/bufq.h), the source must stop, and it is woken when there is. */
must_check bool pump_stop_if_full(struct pump *p);

/* Runs the filters, in the sink's own step: until nothing moves, so that what
 * does not come out now needs more input or a sink that takes; beyond
 * PUMP_TURN_BYTES the sink is run again in the next turn. True when the sink
 * has something to look at. */
bool pump_run(struct pump *p);

/* For a sink that has sent all that it took and is about to wait: when, by
 * clock_mono(), to call pump_run() again even if nothing comes; TASK_NEVER: not
 * at all. A sink that cannot send does not ask, and no filter's time passes. */
double pump_wait(struct pump *p);

/* The event has come that a filter's F_WAIT was for. */
void pump_wake(struct pump *p);

/* For the sink: the queue to drain; then how much it took. */
struct bufq *pump_out(struct pump *p);
void pump_took(struct pump *p, size_t n);

/* Puts back the last bytes that the sink took, since they must be sent again:
 * in front of all others, even beyond the limit. Empties `bytes`. */
void pump_give_back(struct pump *p, struct bufq *bytes);

/* The source has ended, all stages are done, and the sink took all. */
bool pump_is_done(const struct pump *p);

/* All that will come is in pump_out(). */
bool pump_is_last(const struct pump *p);
