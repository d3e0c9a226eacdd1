#pragma once

/*
 * The places of the rooms' conf parts in every conf: proc/main_conf.c builds
 * the array in this order and puts the modules' parts behind, in theirs.
 */

enum part {
    PART_MAIN,    /* proc: user, worker_processes, error_log, … */
    PART_EVENTS,  /* proc: worker_connections */
    PART_LISTEN,  /* proxy/listen.c */
    PART_PROXY,   /* proxy/proxy_conf.c */
    PART_SANDBOX, /* sandbox/class.c, sandbox.c: the who-chain's policy */
    PART_BLOCK,   /* sandbox: host, handler, location, allow, deny, classes */
    PART_SECRET,  /* sandbox/secret.c */
    PART_ROOMS    /* the first module's */
};
