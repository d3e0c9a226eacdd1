#pragma once

/*
 * Cached time. The loop refreshes it once a turn; nobody else asks the kernel.
 */

#include "base/str.h"

void clock_update(void);

/* Seconds of CLOCK_MONOTONIC: for deadlines and durations. */
double clock_mono(void);

/* Seconds since 1970 of the wall clock: for logs and certificates. */
double clock_wall(void);

/* Formatted once a second: "2026/11/23 20:17:12", local time (error log);
 * "23/Nov/2026:20:17:12 +0000" ($time_local); "2026-11-23T20:17:12+00:00"
 * ($time_iso8601); "Mon, 23 Nov 2026 20:17:12 GMT" (RFC 9110 5.6.7). */
struct str clock_error_log(void);
struct str clock_local(void);
struct str clock_iso8601(void);
struct str clock_http(void);
