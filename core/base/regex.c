/*
 * The owner of PCRE2. Patterns are compiled when the configuration is read,
 * with JIT if the machine has it. All matches of a process use one block of
 * match data. A match that explodes fails at a limit.
 */

#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>
#include <stdio.h>

#include "base/mem.h"

#define REGEX_MAGIC 0x4e6e8e9eu

/* Subjects are hosts and paths: a match that needs more is by a bad pattern. */
#define MATCH_LIMIT 100000
#define DEPTH_LIMIT 1000
#define HEAP_LIMIT_KIB 1024

struct regex {
    unsigned magic;
    pcre2_code *code;
    unsigned n_names;
    uint32_t name_size;
    const unsigned char *names;
};

/* Made with the first pattern and never freed. One is enough, as no match runs
 * inside another. */
static pcre2_match_data *match_data;
static pcre2_match_context *match_context;

static void
regex_init(void)
{
    if (match_data != NULL) {
        return;
    }
    match_data = pcre2_match_data_create(REGEX_CAPTURES, NULL);
    match_context = pcre2_match_context_create(NULL);
    AN(match_data != NULL && match_context != NULL);
    pcre2_set_match_limit(match_context, MATCH_LIMIT);
    pcre2_set_depth_limit(match_context, DEPTH_LIMIT);
    pcre2_set_heap_limit(match_context, HEAP_LIMIT_KIB);
}

static uint32_t
regex_options(unsigned flags)
{
    uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                       PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
    if (flags & REGEX_CASELESS) {
        options |= PCRE2_CASELESS;
    }
    if (flags & REGEX_WHOLE) {
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    }
    return options;
}

struct regex *
regex_new(struct str pattern, unsigned flags, char *err, size_t err_size)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128];
    regex_init();
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)(pattern.n != 0 ? pattern.p : ""), pattern.n,
            regex_options(flags), &code, &at, NULL);
    if (compiled == NULL) {
        pcre2_get_error_message(code, why, sizeof why);
        snprintf(err, err_size, "%s at offset %zu", (char *)why, (size_t)at);
        return NULL;
    }
    /* Without JIT the interpreter matches, under the same limits. */
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    struct regex *re = xcalloc(sizeof *re);
    re->magic = REGEX_MAGIC;
    re->code = compiled;
    uint32_t n = 0;
    AZ(pcre2_pattern_info(compiled, PCRE2_INFO_NAMECOUNT, &n));
    AZ(pcre2_pattern_info(compiled, PCRE2_INFO_NAMEENTRYSIZE, &re->name_size));
    AZ(pcre2_pattern_info(compiled, PCRE2_INFO_NAMETABLE, &re->names));
    re->n_names = n;
    return re;
}

void
regex_free(struct regex *re)
{
    if (re == NULL) {
        return;
    }
    CHECK(re, REGEX_MAGIC);
    pcre2_code_free(re->code);
    re->magic = 0;
    xfree(re);
}

/* PCRE2 has filled only the first `n` pairs. */
static void
take_captures(struct str subject, unsigned n, struct regex_match *m)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(match_data);
    for (unsigned i = 0; i < REGEX_CAPTURES; i++) {
        /* \K in a lookahead can put a match's start behind its end. */
        bool is_set = i < n && v[2 * i] != PCRE2_UNSET &&
                      v[2 * i] <= v[2 * i + 1] && v[2 * i + 1] <= subject.n;
        m->capture[i] =
            is_set ? str_n(subject.p + v[2 * i], v[2 * i + 1] - v[2 * i])
                   : STR_NONE;
    }
}

int
regex_run(const struct regex *re, struct str subject, struct regex_match *m)
{
    CHECK(re, REGEX_MAGIC);
    if (subject.p == NULL) {
        subject = STR("");
    }
    int rc = pcre2_match(re->code, (PCRE2_SPTR)subject.p, subject.n, 0, 0,
        match_data, match_context);
    if (rc == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    if (rc < 0) {
        return -1;
    }
    if (m != NULL) {
        take_captures(subject, rc != 0 ? (unsigned)rc : REGEX_CAPTURES, m);
    }
    return 1;
}

unsigned
regex_names(const struct regex *re)
{
    CHECK(re, REGEX_MAGIC);
    return re->n_names;
}

struct str
regex_name(const struct regex *re, unsigned i, unsigned *capture)
{
    CHECK(re, REGEX_MAGIC);
    AN(i < re->n_names);
    const unsigned char *entry = re->names + (size_t)i * re->name_size;
    *capture = (unsigned)entry[0] << 8 | entry[1];
    return str_of((const char *)entry + 2);
}

const char *
regex_library(char text[REGEX_LIBRARY_MAX])
{
    int n = pcre2_config(PCRE2_CONFIG_VERSION, NULL);
    AN(n > 0 && n <= REGEX_LIBRARY_MAX);
    (void)pcre2_config(PCRE2_CONFIG_VERSION, text);
    return text;
}
