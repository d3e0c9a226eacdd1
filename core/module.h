#pragma once

/*
 * All that a module may include: the public face of the proxy layer. A module
 * is one const struct; its hooks stand in the order of a request's path.
 */

#include "base/addr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/regex.h"
#include "conf/bind.h"
#include "conf/type.h"
#include "conf/value.h"
#include "http/head.h"
#include "http/query.h"
#include "http/url.h"
#include "proxy/conn.h"
#include "proxy/hook.h"
#include "proxy/listen.h"
#include "proxy/logfile.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/slot.h"
#include "proxy/tx.h"
#include "proxy/tx_secret.h"
#include "proxy/var.h"
#include "proxy/worker.h"
#include "sandbox/block.h"
#include "sandbox/decide.h"
#include "sandbox/echo.h"
#include "sandbox/ledger_limit.h"
#include "sandbox/sandbox.h"
#include "sandbox/secret.h"
