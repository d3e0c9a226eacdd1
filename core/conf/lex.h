#pragma once

/*
 * Words of a configuration, by nginx's rules: blanks separate, `;` `{` `}`
 * end, `#` at a word's start is a comment, quotes of both kinds, a backslash
 * keeps the next byte from ending anything. `\"` `\'` `\\` `\t` `\r` `\n` are
 * resolved, any other backslash stays (`\.` in a regex); `${` opens no block.
 */

#include "conf/tree.h"

#define LEX_WORD_MAX 16384 /* bytes of one word, as written */

enum lex {
    LEX_WORD,  /* *t is filled */
    LEX_END,   /* `;` */
    LEX_OPEN,  /* `{` */
    LEX_CLOSE, /* `}` where a directive may start */
    LEX_EOF,
    LEX_ERROR /* see message; *t says where */
};

struct lexer {
    struct arena *arena;
    struct str text;
    size_t pos, line_start;
    unsigned line;
    const char *file;
    bool in_directive; /* a word was read since the last `;` `{` `}` */
    bool was_quoted;   /* the byte behind a closing quote is to be checked */
    char message[128];
};

/* `text` is lent while the lexer lives; `file` as long as the arena. A byte
 * order mark at the start is skipped. */
void lex_init(
    struct lexer *x, struct arena *a, struct str text, const char *file);

/* The next item; for all but LEX_WORD *t has a place and no text. */
enum lex lex_next(struct lexer *x, struct token *t);
