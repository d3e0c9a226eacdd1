#pragma once

/*
 * `deny_message TEXT`: the operator's own sentence, which is added to what
 * policy refuses.
 */

#include "conf/bind.h"

struct tx;

/* Its bytes at most, as it is written and as it is sent. */
#define DENY_MESSAGE_MAX 512

/* The directive's set(): a struct value *. No control byte, and no variable
 * but those of VAR_PUBLIC. */
bool deny_message_set(struct bind *b, const struct directive *d, void *field);

/* The one that holds for `tx`: that of the location, host block or handler
 * that serves it, else of the sandbox, its class, egress. n 0: none. Valid
 * UTF-8 without control bytes, in the tx's arena: "?" stands for what is
 * neither, and what is longer than DENY_MESSAGE_MAX is cut. */
struct str deny_message(struct tx *tx);
