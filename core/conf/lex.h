#pragma once

/*
 * The words of a configuration, by nginx's rules. Blanks separate words; `;`
 * `{` and `}` end them; `#` at the start of a word begins a comment; both kinds
 * of quotes are known; the byte behind a backslash ends nothing. `\"` `\'` `\\`
 * `\t` `\r` and `\n` are resolved; any other backslash stays, such as `\.` in a
 * regex. `${` opens no block.
 */

#include "conf/tree.h"

#define LEX_WORD_MAX 16384 /* bytes of one word, as written */

enum lex {
    LEX_WORD,  /* *t is filled */
    LEX_END,   /* `;` */
    LEX_OPEN,  /* `{` */
    LEX_CLOSE, /* `}` where a directive may begin */
    LEX_EOF,
    LEX_ERROR /* see message; *t says where */
};

struct lexer {
    struct arena *arena;
    struct str text;
    size_t pos, line_start;
    unsigned line;
    const char *file;
    bool in_directive; /* a word was read since the last `;`, `{` or `}` */
    bool was_quoted;   /* the byte behind a closing quote must be checked */
    char message[128];
};

/* Borrows `text` for the life of the lexer, `file` for that of the arena. Skips
 * a byte order mark at the start. */
void lex_init(
    struct lexer *x, struct arena *a, struct str text, const char *file);

/* The next item. *t is a word with its text, or any other item's place. */
enum lex lex_next(struct lexer *x, struct token *t);
