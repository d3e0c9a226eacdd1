/*
 * Driving filters between a source and a sink. Wakes both, knows neither.
 */

#include "wire/pump.h"

#include "base/clock.h"

void
pump_init(struct pump *p, struct task *source, struct task *sink)
{
    *p = (struct pump){ .source = source, .sink = sink };
    bufq_init(&p->in, PUMP_LIMIT);
    p->last_progress = clock_mono();
}

void
pump_fini(struct pump *p)
{
    for (unsigned i = 0; i < p->n_stages; i++) {
        struct pump_stage *s = &p->stages[i];
        bufq_fini(&s->out);
        if (s->filter->fini != NULL) {
            s->filter->fini(s->state);
        }
    }
    p->n_stages = 0;
    bufq_fini(&p->in);
}

void
pump_add(struct pump *p, void *owner, struct arena *a, const struct filter *f)
{
    if (p->stages == NULL) {
        p->stages = arena_calloc(a, PUMP_STAGES_MAX * sizeof *p->stages);
    }
    AN(p->n_stages < PUMP_STAGES_MAX);
    AZ(p->bytes_out);
    struct pump_stage *s = &p->stages[p->n_stages++];
    s->filter = f;
    s->state = arena_calloc(a, f->state_size);
    bufq_init(&s->out, PUMP_LIMIT);
    if (f->init != NULL) {
        f->init(owner, s->state);
    }
}

bool
pump_keeps_length(const struct pump *p)
{
    for (unsigned i = 0; i < p->n_stages; i++) {
        if (!(p->stages[i].filter->flags & FILTER_KEEPS_LENGTH)) {
            return false;
        }
    }
    return true;
}

struct bufq *
pump_in(struct pump *p)
{
    return &p->in;
}

struct bufq *
pump_out(struct pump *p)
{
    return p->n_stages != 0 ? &p->stages[p->n_stages - 1].out : &p->in;
}

void
pump_filled(struct pump *p, size_t n)
{
    AN(!p->is_ended || p->has_error);
    p->bytes_in += n;
    p->last_progress = clock_mono();
    if (p->sink != NULL) {
        task_wake(p->sink);
    }
}

void
pump_end(struct pump *p)
{
    p->is_ended = true;
    if (p->sink != NULL) {
        task_wake(p->sink);
    }
}

/* Less room than a record has is none: a read of what is left would cut each
 * record from there on in two, for the other side too. */
static bool
is_full(const struct pump *p)
{
    return bufq_room(&p->in) < CHUNK_SIZE;
}

bool
pump_stop_if_full(struct pump *p)
{
    p->is_stopped = is_full(p);
    p->is_woken = false;
    return p->is_stopped;
}

/* One stage until it neither takes nor gives. */
static bool
stage_run(struct pump_stage *s, struct bufq *in, enum need need)
{
    s->is_dry = s->is_done;
    s->is_busy = s->is_waiting = false;
    while (!s->is_done && !bufq_is_full(&s->out)) {
        size_t had_in = in->len, had_out = s->out.len;
        if (in->is_secret) {
            bufq_mark_secret(&s->out); /* whoever copies instead of moves */
        }
        enum flow flow = s->filter->run(s->state, in, &s->out, need);
        if (flow == F_ERROR) {
            return false;
        }
        s->is_done = flow == F_DONE;
        s->is_busy = flow == F_BUSY;
        s->is_waiting = flow == F_WAIT;
        s->is_dry = flow != F_FULL && flow != F_BUSY;
        AN(need == END || !s->is_done);
        if (s->is_busy || s->is_waiting) {
            break;
        }
        if (in->len == had_in && s->out.len == had_out) {
            AN(need != END || flow != F_NEED); /* it would never end */
            break;
        }
    }
    s->is_dry = s->is_dry && !bufq_is_full(&s->out);
    return true;
}

static void
pump_wake_source(struct pump *p)
{
    if (p->is_stopped && p->source != NULL && !is_full(p)) {
        p->is_stopped = false;
        p->is_woken = true;
        task_wake(p->source);
    }
}

/* The body cannot go on: both are woken. */
static void
stage_failed(struct pump *p, const struct pump_stage *s)
{
    p->has_error = true;
    p->failed = s->filter->name;
    p->why = s->filter->why != NULL ? s->filter->why(s->state)
                                    : "it does not say why";
    pump_end(p);
    if (p->source != NULL) {
        task_wake(p->source);
    }
}

/* For the first stage. A source that met a full queue has more at once, or has
 * not; then a filter with a wait() is run again. */
static enum need
first_need(const struct pump *p)
{
    if (p->is_ended) {
        return END;
    }
    bool is_dry = !p->is_stopped && !p->is_woken;
    return is_dry || p->stages[0].filter->wait == NULL ? FLUSH : MORE;
}

/* Each stage once; whether any byte moved, or may if they run again. */
static bool
pump_pass(struct pump *p)
{
    struct bufq *in = &p->in;
    enum need need = first_need(p);
    bool has_moved = false;
    for (unsigned i = 0; i < p->n_stages; i++) {
        struct pump_stage *s = &p->stages[i];
        size_t had_in = in->len, had_out = s->out.len;
        if (!stage_run(s, in, need)) {
            stage_failed(p, s);
            return false;
        }
        has_moved = has_moved || s->is_busy || in->len != had_in ||
                    s->out.len != had_out;
        p->turn.bytes += s->out.len - had_out;
        p->turn.bytes += s->is_busy ? PUMP_BUSY_BYTES : 0;
        bool is_dry = s->is_waiting || (need != MORE && s->is_dry);
        need = s->is_done ? END : is_dry ? FLUSH : MORE;
        in = &s->out;
    }
    return has_moved;
}

/* Whether the stages have had their share of this turn; the sink comes again
 * then. */
static bool
pump_has_had_turn(struct pump *p)
{
    return p->sink != NULL && turn_spend(&p->turn, p->sink, 0, PUMP_TURN_BYTES);
}

bool
pump_run(struct pump *p)
{
    bool goes_on = p->n_stages != 0;
    while (goes_on && !p->has_error && !pump_has_had_turn(p)) {
        goes_on = pump_pass(p);
    }
    pump_wake_source(p);
    return !bufq_is_empty(pump_out(p)) || pump_is_last(p);
}

/* Whether all that is there went through. */
static bool
pump_is_dry(const struct pump *p)
{
    bool is_dry = !p->is_ended && bufq_is_empty(&p->in);
    for (unsigned i = 0; i < p->n_stages; i++) {
        is_dry = is_dry && bufq_is_empty(&p->stages[i].out);
    }
    return is_dry;
}

double
pump_wait(struct pump *p)
{
    double until = TASK_NEVER;
    bool is_dry = p->n_stages != 0 && pump_is_dry(p);
    p->is_woken = false;
    for (unsigned i = 0; i < p->n_stages; i++) {
        struct pump_stage *s = &p->stages[i];
        bool is_asked = s->filter->wait != NULL && (is_dry || s->is_waiting);
        double at = is_asked ? s->filter->wait(s->state) : TASK_NEVER;
        until = at < until ? at : until;
    }
    return until;
}

void
pump_wake(struct pump *p)
{
    AN(p->sink != NULL);
    task_wake(p->sink);
}

void
pump_took(struct pump *p, size_t n)
{
    AN(n <= p->bytes_in || p->n_stages != 0);
    p->bytes_out += n;
    p->last_progress = clock_mono();
    pump_wake_source(p);
}

void
pump_give_back(struct pump *p, struct bufq *bytes)
{
    struct bufq *out = pump_out(p), rest = *out;
    size_t limit = out->limit;
    AN(bytes->len <= p->bytes_out);
    p->bytes_out -= bytes->len;
    *out = *bytes;
    bufq_init(bytes, bytes->limit);
    out->limit = SIZE_MAX;
    bufq_move(out, &rest, SIZE_MAX);
    AN(bufq_is_empty(&rest));
    out->limit = limit;
}

bool
pump_is_last(const struct pump *p)
{
    if (p->n_stages != 0) {
        return p->stages[p->n_stages - 1].is_done;
    }
    return p->is_ended;
}

bool
pump_is_done(const struct pump *p)
{
    struct bufq *out = pump_out((struct pump *)p);
    return pump_is_last(p) && bufq_is_empty(out);
}
