/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c - see options.h.
 *
 * The parser walks argv once. An option is looked for in the command's table first and in the global one after it, so a
 * global option may stand anywhere behind the program's name. A mistake ends the walk with one sentence and, where a
 * name of the table is near enough, with a guess at what was meant. Near enough is an edit distance (insert, delete,
 * replace, swap neighbours; Damerau 1964, the "optimal string alignment" form) of at most a third of the word. */
#include "options.h"

#include "app.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { GUESS_MAX = 31 }; /* longer names are not guessed at */

bool words_push(words *w, const char *text)
{
    const char **items = mem_grow(w->items, w->count + 1, sizeof *items);
    if (!items) return false;
    w->items = items;
    items[w->count++] = text;
    return true;
}

void words_release(words *w)
{
    mem_free(w->items);
    *w = (words){0};
}

/* ---- guessing ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the usual table: the swap looks two rows back. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    if (n > GUESS_MAX || m > GUESS_MAX) return GUESS_MAX;
    size_t row[3][GUESS_MAX + 1];
    for (size_t j = 0; j <= m; j++) row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3];
        const size_t *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

const char *suggestion(const char *word, const char *(*name_at)(const void *list, size_t i), const void *list)
{
    const char *best = NULL, *name;
    const size_t len = strlen(word);
    size_t bound = len < 3 ? 1 : 1 + len / 3;
    for (size_t i = 0; (name = name_at(list, i)); i++) {
        /* a beginning of the name is a better guess than any misspelling */
        if (len >= 2 && strncmp(word, name, len) == 0) return name;
        const size_t d = distance(word, name);
        if (d < bound || (d == bound && !best && d < len)) {
            best = name;
            bound = d;
        }
    }
    return best;
}

/* ---- tables ---- */

typedef struct {
    app *a;
    const option *own, *global;
    int (*take)(void *user, const char *word);
    void *user;
    int argc, at;
    char **argv;
    bool help;
} parser;

static const char *option_name_at(const void *list, size_t i)
{
    const parser *p = list;
    for (const option *o = p->own; o->name; o++)
        if (i-- == 0) return o->name;
    for (const option *o = p->global; o->name; o++)
        if (i-- == 0) return o->name;
    return NULL;
}

static const option *find_in(const option *table, const char *name, size_t len, char letter)
{
    for (const option *o = table; o->name; o++) {
        if (letter ? o->letter == letter : strlen(o->name) == len && memcmp(o->name, name, len) == 0) return o;
    }
    return NULL;
}

static const option *find(const parser *p, const char *name, size_t len, char letter)
{
    const option *o = find_in(p->own, name, len, letter);
    return o ? o : find_in(p->global, name, len, letter);
}

static int unknown_option(const parser *p, const char *word, const char *name, size_t len)
{
    char *copy = mem_strndup(name, len);
    const char *guess = copy ? suggestion(copy, option_name_at, p) : NULL;
    mem_free(copy);
    const char *of = p->a->command ? p->a->command->name : NULL;
    return app_usage(p->a, "unknown option '%s'%s%s%s%s%s%s", word, of ? " of '" : "", of ? of : "", of ? "'" : "",
                     guess ? "; did you mean '--" : "", guess ? guess : "", guess ? "'?" : "");
}

static int wrong_value(const parser *p, const option *o, const char *value)
{
    if (o->kind == OPTION_INT)
        return app_usage(p->a, "'%s' is no value for --%s: a whole number from %.0f to %.0f is needed", value, o->name,
                         o->min, o->max);
    return app_usage(p->a, "'%s' is no value for --%s: a number from %g to %g is needed", value, o->name, o->min,
                     o->max);
}

static int set_number(const parser *p, const option *o, const char *value)
{
    char *end;
    errno = 0;
    const double x = strtod(value, &end);
    /* strtod also takes blanks in front, hexadecimal and "nan": none of them is a number here */
    const bool plain = *value && strspn(value, "+-.0123456789eE") == strlen(value);
    if (!plain || *end || errno || !(x >= o->min && x <= o->max)) return wrong_value(p, o, value);
    if (o->kind == OPTION_INT && x != floor(x)) return wrong_value(p, o, value);
    if (o->kind == OPTION_INT)
        *(int32_t *)o->to = (int32_t)x;
    else
        *(float *)o->to = (float)x;
    return EXIT_OK;
}

static int set(parser *p, const option *o, const char *value)
{
    simile_error err;
    switch (o->kind) {
    case OPTION_FLAG: *(bool *)o->to = true; return EXIT_OK;
    case OPTION_STRING: *(const char **)o->to = value; return EXIT_OK;
    case OPTION_INT:
    case OPTION_REAL: return set_number(p, o, value);
    case OPTION_WORDS:
        if (words_push(o->to, value)) return EXIT_OK;
        err_nomem(&err);
        return app_fail(&err);
    case OPTION_CALL: return o->call(o->to, value);
    }
    return EXIT_OK;
}

/* Takes the value from behind the '=' or from the next word. */
static int set_from(parser *p, const option *o, const char *attached)
{
    if (!o->value) return set(p, o, NULL);
    if (attached) return set(p, o, attached);
    if (p->at + 1 >= p->argc) return app_usage(p->a, "--%s needs a value: %s", o->name, o->value);
    return set(p, o, p->argv[++p->at]);
}

static int long_option(parser *p, const char *word)
{
    const char *name = word + 2, *equals = strchr(name, '=');
    const size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const option *o = find(p, name, len, 0);
    if (!o) return unknown_option(p, word, name, len);
    if (equals && !o->value) return app_usage(p->a, "--%s takes no value", o->name);
    return set_from(p, o, equals ? equals + 1 : NULL);
}

static int short_options(parser *p, const char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const option *o = find(p, NULL, 0, *c);
        if (!o) return unknown_option(p, word, c, 1);
        if (o->value) return set_from(p, o, c[1] ? c + 1 : NULL);
        const int status = set(p, o, NULL);
        if (status) return status;
    }
    return EXIT_OK;
}

static bool parse(parser *p)
{
    bool only_words = false;
    for (p->at = 0; p->at < p->argc; p->at++) {
        const char *word = p->argv[p->at];
        int status;
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || word[0] != '-' || !word[1])
            status = p->take(p->user, word);
        else if (word[1] == '-')
            status = long_option(p, word);
        else
            status = short_options(p, word);
        p->a->status = status;
        if (status) return false;
    }
    return true;
}

/* Where --threads and the like go. The list is the single place that knows the global options. */
#define GLOBAL_OPTIONS(a, help_wanted)                                                                                 \
    {                                                                                                                  \
        {0, "json", NULL, "print JSON, as docs/json.md describes it", OPTION_FLAG, &(a)->json},                        \
            {0,                                                                                                        \
             "model",                                                                                                  \
             "DIR",                                                                                                    \
             "model: a folder, or a name below a models folder ($SIMILE_MODEL)",                                       \
             OPTION_STRING,                                                                                            \
             &(a)->model_name},                                                                                        \
            {0,                                                                                                        \
             "text-model",                                                                                             \
             "DIR",                                                                                                    \
             "another model that reads the texts ($SIMILE_TEXT_MODEL)",                                                \
             OPTION_STRING,                                                                                            \
             &(a)->text_model_name},                                                                                   \
            {0, "force-pairing", NULL, "even if it is not declared to fit", OPTION_FLAG, &(a)->force_pairing},         \
            {0, "catalog", "FILE", "the catalogue ($SIMILE_CATALOG)", OPTION_STRING, &(a)->catalog},                   \
            {0,                                                                                                        \
             "dtype",                                                                                                  \
             "TYPE",                                                                                                   \
             "what products are computed in: auto, f32, bf16 or int8 ($SIMILE_DTYPE)",                                 \
             OPTION_CALL,                                                                                              \
             (a),                                                                                                      \
             .call = app_compute_option},                                                                              \
            {0,          "threads",     "N",      "threads to use (default: all processors, at most 16)",              \
             OPTION_INT, &(a)->threads, .min = 1, .max = 1024},                                                        \
            {'q', "quiet", NULL, "no progress and no warnings", OPTION_FLAG, &(a)->quiet},                             \
            {'h', "help", NULL, "this text", OPTION_FLAG, (help_wanted)}, {0},                                         \
    }

bool options_parse_each(app *a, const option *options, int argc, char **argv, int (*take)(void *user, const char *word),
                        void *user)
{
    parser p = {.a = a, .own = options, .take = take, .user = user, .argc = argc, .argv = argv};
    const option global[] = GLOBAL_OPTIONS(a, &p.help);
    p.global = global;
    const bool good = parse(&p);
    if (!good || !p.help) return good;
    options_help(a->command, options);
    return false;
}

static int take_word(void *user, const char *word)
{
    if (words_push(user, word)) return EXIT_OK;
    simile_error err;
    err_nomem(&err);
    return app_fail(&err);
}

bool options_parse(app *a, const option *options, int argc, char **argv, words *rest)
{
    *rest = (words){0};
    const bool good = options_parse_each(a, options, argc, argv, take_word, rest);
    if (!good) words_release(rest);
    return good;
}

/* ---- help ---- */

/* Without what `instead` has under the same name. */
static void help_table(const option *options, const option *instead)
{
    for (const option *o = options; o->name; o++) {
        if (instead && find_in(instead, o->name, strlen(o->name), 0)) continue;
        char left[64];
        const int len =
            snprintf(left, sizeof left, "%s%c%s --%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
                     o->letter ? "," : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
        if (len > 25)
            printf("  %s\n  %-25s %s\n", left, "", o->help);
        else
            printf("  %-25s %s\n", left, o->help);
    }
}

void options_help(const command *c, const option *options)
{
    app none = {0};
    bool help;
    const option global[] = GLOBAL_OPTIONS(&none, &help);
    if (c) {
        const char first = c->summary[0];
        printf("usage: simile %s [options]%s%s\n\n%c%s.\n", c->name, *c->arguments ? " " : "", c->arguments,
               first >= 'a' && first <= 'z' ? first - 'a' + 'A' : first, c->summary + 1);
        if (c->about) printf("\n%s", c->about);
    } else {
        app_overview(stdout);
    }
    if (options && options->name) {
        printf("\noptions:\n");
        help_table(options, NULL);
    }
    printf("\noptions of every command:\n");
    help_table(global, options);
}
