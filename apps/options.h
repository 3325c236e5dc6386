/* SPDX-License-Identifier: Apache-2.0
 * options.h - option tables: one array of options says what a command understands, where the values go and what
 * --help prints.
 *
 *     int32_t limit = 10;
 *     const option options[] = {
 *         {'k', "limit", "N", "how many results (default 10)", OPTION_INT, &limit, .min = 1, .max = 1000000},
 *         {0},
 *     };
 *     if (!options_parse(a, options, argc, argv, &words)) return a->status;
 *
 * Understood are --name VALUE, --name=VALUE, -k VALUE, -kVALUE, flags bundled (-p0), "--" as the end of the options and
 * "-" as an ordinary word. Options and words may be mixed. The global options stand in every table by themselves. */
#ifndef SIMILE_APPS_OPTIONS_H
#define SIMILE_APPS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct app app;

typedef struct {
    const char *name, *arguments, *summary;
    const char *about; /* a paragraph or two for --help, and examples */
    int (*run)(app *a, int argc, char **argv);
} command;

/* Words in the order in which they were given. They are borrowed from argv. */
typedef struct {
    const char **items;
    size_t count;
} words;
bool words_push(words *w, const char *text); /* false: out of memory */
void words_release(words *w);

typedef enum {
    OPTION_FLAG,   /* bool: set to true */
    OPTION_STRING, /* const char *: the last one wins */
    OPTION_INT,    /* int32_t between min and max */
    OPTION_REAL,   /* float between min and max */
    OPTION_WORDS,  /* words: each one is kept */
    OPTION_CALL    /* call(to, value): EXIT_OK or what the command returns at once, having said why */
} option_kind;

typedef struct {
    char letter;       /* 0: none */
    const char *name;  /* NULL: end of the table */
    const char *value; /* what it takes, for --help; NULL: a flag */
    const char *help;
    option_kind kind;
    void *to;
    double min, max;
    int (*call)(void *to, const char *value);
} option;

/* Sorts argv into the options' places and the words. False: a->status is what the command has to return, either
 * because of a mistake, which was reported, or because --help was asked for and given. */
bool options_parse(app *a, const option *options, int argc, char **argv, words *rest);

/* As options_parse, but each word is handed to take(user, word), in order with the OPTION_CALLs. */
bool options_parse_each(app *a, const option *options, int argc, char **argv, int (*take)(void *user, const char *word),
                        void *user);

/* The name in a list that the word was probably meant to be, or NULL. name_at(list, i) gives NULL at the end. */
const char *suggestion(const char *word, const char *(*name_at)(const void *list, size_t i), const void *list);

void options_help(const command *c, const option *options);

#endif
