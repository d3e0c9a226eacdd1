/*
 * Variables of an exchange. What has no value yet is "-" in the times and
 * empty elsewhere, as in nginx.
 */

#include "proxy/var.h"

#include "base/clock.h"
#include "policy/class.h"
#include "proxy/conn.h"
#include "proxy/tx.h"
#include "sandbox/sandbox.h"

static bool
give_seconds(struct arena *a, double from, double to, struct str *out)
{
    *out = from != 0 && to != 0 ? arena_printf(a, "%.3f", to - from) : STR("-");
    return true;
}

static bool
var_method(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->xfer.request.method;
    return true;
}

static bool
var_uri(void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->path;
    return true;
}

static bool
var_args(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->query;
    return true;
}

static bool
var_host(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->authority.host;
    return true;
}

static bool
var_port(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = arena_printf(a, "%u", tx->authority.port);
    return true;
}

static bool
var_scheme(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = conn_has_tls_inside(tx->conn) ? STR("https") : STR("http");
    return true;
}

static bool
var_http(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)arg;
    *out = head_find(&tx->xfer.request, name);
    return true;
}

static bool
var_sandbox_id(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->sandbox != NULL ? tx->sandbox->id : STR_NONE;
    return true;
}

static bool
var_sandbox_class(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->sandbox != NULL ? tx->policy->class->name : STR_NONE;
    return true;
}

static bool
var_status(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = arena_printf(a, "%u", tx_status(tx));
    return true;
}

static bool
var_bytes_sent(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = arena_printf(a, "%llu", (unsigned long long)tx->xfer.bytes_sent);
    return true;
}

static bool
var_body_bytes_sent(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = arena_printf(a, "%llu", (unsigned long long)tx->xfer.down.bytes_out);
    return true;
}

static bool
var_request_length(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = arena_printf(a, "%llu",
        (unsigned long long)(tx->head_bytes_in + tx->xfer.up.bytes_in));
    return true;
}

static bool
var_remote_addr(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    char text[ADDR_TEXT_MAX];
    *out = arena_dup(a, addr_format(&tx->conn->client, false, text));
    return true;
}

static bool
var_realip_remote_addr(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    char text[ADDR_TEXT_MAX];
    *out = arena_dup(a, addr_format(&tx->conn->front_end, false, text));
    return true;
}

static bool
var_upstream_addr(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    char text[ADDR_TEXT_MAX];
    if (tx->peer_addr.family == ADDR_UNIX) {
        *out = arena_printf(a, "unix:%.*s", STR_ARG(tx->route.host));
        return true;
    }
    *out = tx->peer_addr.family != 0
               ? arena_dup(a, addr_format(&tx->peer_addr, true, text))
               : STR("-");
    return true;
}

static bool
var_request_time(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    return give_seconds(a, tx->t_start, clock_mono(), out);
}

static bool
var_slot_wait_time(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    return give_seconds(a, tx->t_queued, tx->t_slot, out);
}

static bool
var_upstream_connect_time(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    return give_seconds(a, tx->t_connect, tx->t_connected, out);
}

static bool
var_upstream_header_time(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    return give_seconds(a, tx->t_connect, tx->t_head, out);
}

static bool
var_time_local(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)name, (void)arg;
    *out = arena_dup(a, clock_local());
    return true;
}

static bool
var_time_iso8601(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    (void)ctx, (void)name, (void)arg;
    *out = arena_dup(a, clock_iso8601());
    return true;
}

static bool
var_connection(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = arena_printf(a, "%llu", (unsigned long long)tx->conn->id);
    return true;
}

static bool
var_rule(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)name, (void)arg;
    *out = tx->decision.rule != 0 ? arena_printf(a, "%u", tx->decision.rule)
                                  : STR("-");
    return true;
}

static bool
var_cause(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    (void)a, (void)name, (void)arg;
    *out = tx->cause.p != NULL ? tx->cause : STR("-");
    return true;
}

/* A group of the host block's regex; empty when another name of the block
 * matched. */
static bool
var_capture(
    void *ctx, struct arena *a, struct str name, void *arg, struct str *out)
{
    const struct tx *tx = ctx;
    uintptr_t number = (uintptr_t)arg;
    (void)a, (void)name;
    AN(number < REGEX_CAPTURES);
    *out = tx->decision.has_captures ? tx->decision.captures.capture[number]
                                     : STR_NONE;
    return true;
}

const struct var_def proxy_vars[] = {
    { .name = "capture",
        .flags = VAR_CAPTURE | VAR_PUBLIC,
        .get = var_capture },
    { .name = "request_method", .flags = VAR_PUBLIC, .get = var_method },
    { .name = "uri", .flags = VAR_PUBLIC, .get = var_uri },
    { .name = "args", .flags = VAR_PUBLIC, .get = var_args },
    { .name = "query_string", .flags = VAR_PUBLIC, .get = var_args },
    { .name = "host", .flags = VAR_PUBLIC, .get = var_host },
    { .name = "port", .flags = VAR_PUBLIC, .get = var_port },
    { .name = "scheme", .flags = VAR_PUBLIC, .get = var_scheme },
    { .name = "http_", .flags = VAR_PREFIX, .get = var_http },
    { .name = "sandbox_id", .flags = VAR_PUBLIC, .get = var_sandbox_id },
    { .name = "sandbox_class", .flags = VAR_PUBLIC, .get = var_sandbox_class },
    { .name = "status", .get = var_status },
    { .name = "bytes_sent", .get = var_bytes_sent },
    { .name = "body_bytes_sent", .get = var_body_bytes_sent },
    { .name = "request_length", .get = var_request_length },
    { .name = "remote_addr", .get = var_remote_addr },
    { .name = "realip_remote_addr", .get = var_realip_remote_addr },
    { .name = "upstream_addr", .get = var_upstream_addr },
    { .name = "request_time", .get = var_request_time },
    { .name = "slot_wait_time", .get = var_slot_wait_time },
    { .name = "upstream_connect_time", .get = var_upstream_connect_time },
    { .name = "upstream_header_time", .get = var_upstream_header_time },
    { .name = "time_local", .flags = VAR_PUBLIC, .get = var_time_local },
    { .name = "time_iso8601", .flags = VAR_PUBLIC, .get = var_time_iso8601 },
    { .name = "connection", .get = var_connection },
    { .name = "rule", .flags = VAR_PUBLIC, .get = var_rule },
    { .name = "cause", .get = var_cause },
    { 0 },
};
