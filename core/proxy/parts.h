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
    PART_CLASS,   /* policy/class.c: sandbox_class, the who-chain's policy */
    PART_SANDBOX, /* sandbox/sandbox_conf.c: sandbox */
    PART_BLOCK,   /* policy/block.c: handler, allow, deny, return, … */
    PART_SECRET,  /* policy/policy_secret_conf.c */
    PART_ROOMS    /* the first module's */
};
