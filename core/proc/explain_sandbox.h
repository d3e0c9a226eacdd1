#pragma once

/*
 * weir -E SANDBOX: all that a sandbox may reach, by which rules and with which
 * secrets, on standard output. Reads no secret, resolves no name.
 */

struct conf;
struct sandbox;

void explain_sandbox(const struct conf *c, const struct sandbox *sb);
