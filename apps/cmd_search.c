/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_search.c - `simile search`: finds pictures (or texts) by words, pictures, or both.
 *
 * The terms are taken in the order in which they stand: --weight belongs to the one before it. Words without an option
 * that follow each other are one text, so that forgotten quotes do no harm.
 *
 * Dates: a year, a month or a day, read as its first second in UTC. --after includes it, --before does not, so that
 * `--after 2023 --before 2024` is the year 2023. */
#include "app.h"
#include "base/mem.h"
#include "lines.h"
#include "query.h"
#include "term.h"

#include <errno.h>
#include <inttypes.h>

enum { AT_ONCE = 256, HITS_AT_ONCE = 1 << 20 }; /* lines; results of all of them */

typedef struct {
    query q;
    const char *queries; /* a file, or NULL */
    bool texts, paths, print0, show, others;
} search;

/* ---- options that are terms ---- */

static int done(simile_status status, const simile_error *err)
{
    return status ? app_fail(err) : EXIT_OK;
}

static int take_word(void *user, const char *word)
{
    simile_error err;
    return done(query_word(&((search *)user)->q, word, &err), &err);
}

static int take_text(void *to, const char *value)
{
    simile_error err;
    return done(query_text(&((search *)to)->q, value, 1, &err), &err);
}

static int take_not(void *to, const char *value)
{
    simile_error err;
    return done(query_text(&((search *)to)->q, value, -1, &err), &err);
}

static int take_image(void *to, const char *value)
{
    simile_error err;
    return done(query_path(&((search *)to)->q, value, 1, &err), &err);
}

static int take_not_image(void *to, const char *value)
{
    simile_error err;
    return done(query_path(&((search *)to)->q, value, -1, &err), &err);
}

static int take_like(void *to, const char *value)
{
    search *s = to;
    simile_error err;
    char *end;
    errno = 0;
    const long long id = strtoll(value, &end, 10);
    if (errno || *end || id <= 0 || *value < '0' || *value > '9')
        return app_usage(s->q.a, "'%s' is no value for --like: the id of an item is needed", value);
    return done(query_item(&s->q, id, &err), &err);
}

static int take_weight(void *to, const char *value)
{
    search *s = to;
    char *end;
    const float weight = strtof(value, &end);
    if (!*value || *end || !(weight >= -1000 && weight <= 1000))
        return app_usage(s->q.a, "'%s' is no value for --weight: a number is needed", value);
    if (!query_weight(&s->q, weight)) return app_usage(s->q.a, "--weight belongs behind a term, and there is none yet");
    return EXIT_OK;
}

/* ---- dates ---- */

static int take_after(void *to, const char *value)
{
    search *s = to;
    return app_date(s->q.a, "after", value, &s->q.options.after, &s->q.options.has_after);
}

static int take_before(void *to, const char *value)
{
    search *s = to;
    return app_date(s->q.a, "before", value, &s->q.options.before, &s->q.options.has_before);
}

/* ---- the search ---- */

static void print_paths(const simile_results *results, char end, buf *out)
{
    for (size_t i = 0; i < simile_results_count(results); i++) {
        const simile_hit *hit = simile_results_at(results, i);
        buf_text(out, hit->path ? hit->path : hit->text);
        buf_byte(out, end);
    }
}

static void print(const search *s, const query *q, const simile_results *results, buf *out)
{
    if (q->a->json)
        query_print_json(q, results, out);
    else if (s->paths || s->print0)
        print_paths(results, s->print0 ? 0 : '\n', out);
    else
        query_print(q, results, s->show && term_pictures(), out);
}

static int run_search(search *s)
{
    simile_results *results;
    simile_error err;
    buf out;
    if (query_run(&s->q, &results, &err)) return app_fail(&err);
    buf_init(&out, OUTPUT_MAX);
    print(s, &s->q, results, &out);
    app_write(&out);
    buf_release(&out);
    simile_results_free(results);
    return EXIT_OK;
}

/* ---- many ---- */

/* Lines that are searched for at once. */
typedef struct {
    search *s;
    query each[AT_ONCE];
    simile_results *results[AT_ONCE];
    int64_t numbers[AT_ONCE]; /* of the lines in their file */
    size_t n, most;
    const char *file;
    bool printed; /* something before these */
} lot;

/* Of many results a query few queries, as they are in memory together. */
static size_t most_at_once(const simile_query *q)
{
    const int64_t each = (int64_t)q->offset + q->limit, n = each > 0 ? HITS_AT_ONCE / each : AT_ONCE;
    return n > AT_ONCE ? AT_ONCE : n > 1 ? (size_t)n : 1;
}

static void print_lot(lot *l)
{
    const bool plain = !l->s->q.a->json && !l->s->paths && !l->s->print0;
    buf out;
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; i < l->n; i++) {
        buf name;
        buf_init(&name, OUTPUT_MAX);
        query_describe(&l->each[i], &name);
        if (plain && l->printed) buf_byte(&out, '\n');
        if (plain) term_text(&out, name.data ? name.data : "");
        if (plain) buf_byte(&out, '\n');
        buf_release(&name);
        print(l->s, &l->each[i], l->results[i], &out);
        l->printed = true;
    }
    app_write(&out);
    buf_release(&out);
}

static void lot_clear(lot *l)
{
    for (size_t i = 0; i < l->n; i++) {
        simile_results_free(l->results[i]);
        query_clear(&l->each[i]);
        l->results[i] = NULL;
    }
    l->n = 0;
}

/* The library counts queries, a person lines. */
static void name_line(const lot *l, simile_status status, simile_error *err)
{
    const simile_error was = *err;
    size_t at = 0;
    int behind = 0;
    if (sscanf(was.message, "query %zu: %n", &at, &behind) < 1 || !behind || !at || at > l->n) return;
    err_set(err, status, "cannot search for line %" PRId64 " of '%s': %s", l->numbers[at - 1], l->file,
            was.message + behind);
    err->sys_errno = was.sys_errno;
}

static simile_status run_lot(lot *l, simile_error *err)
{
    if (!l->n) return SIMILE_OK;
    const simile_status status = query_run_each(&l->s->q, l->each, l->n, l->results, err);
    if (!status) print_lot(l);
    if (status) name_line(l, status, err);
    lot_clear(l);
    return status;
}

static simile_status add_line(lot *l, const char *line, int64_t number, simile_error *err)
{
    if (!line[strspn(line, " \t")]) return SIMILE_OK;
    l->numbers[l->n] = number;
    RETURN_IF_ERROR(query_with_text(&l->s->q, line, &l->each[l->n++], err));
    return l->n == l->most ? run_lot(l, err) : SIMILE_OK;
}

static int run_lines(search *s)
{
    lines from;
    const char *line;
    simile_error err;
    lot *l = mem_new(lot);
    if (!l) return err_nomem(&err), app_fail(&err);
    l->s = s;
    l->most = most_at_once(&s->q.options);
    simile_status status = lines_open(&from, s->queries, &err);
    l->file = from.name;
    while (!status && app_output_ok()) {
        status = lines_next(&from, &line, &err);
        if (status || !line) break;
        status = add_line(l, line, from.number, &err);
    }
    lines_close(&from);
    if (!status) status = run_lot(l, &err);
    lot_clear(l);
    mem_free(l);
    return status ? app_fail(&err) : EXIT_OK;
}

static int run_either(search *s)
{
    s->q.options.target = s->texts ? SIMILE_KIND_TEXT : SIMILE_KIND_IMAGE;
    s->q.options.exclude_terms = s->others;
    if (s->show && !term_pictures()) app_warn("this terminal cannot show pictures");
    return s->queries ? run_lines(s) : run_search(s);
}

static int run(app *a, int argc, char **argv)
{
    search s = {0};
    query_init(&s.q, a);
    simile_query *q = &s.q.options;
    q->limit = 10;
    const option options[] = {
        {'t', "text", "STRING", "a text, as a term of its own", OPTION_CALL, &s, .call = take_text},
        {'i', "image", "FILE", "a picture", OPTION_CALL, &s, .call = take_image},
        {0, "like", "ID", "an item of the catalogue", OPTION_CALL, &s, .call = take_like},
        {0, "not", "STRING", "away from this text", OPTION_CALL, &s, .call = take_not},
        {0, "not-image", "FILE", "away from this picture", OPTION_CALL, &s, .call = take_not_image},
        {'w', "weight", "W", "weight of the term before it (default 1)", OPTION_CALL, &s, .call = take_weight},
        {0, "queries", "FILE", "each line of FILE ('-': stdin) is searched for by itself", OPTION_STRING, &s.queries},
        {'k', "limit", "N", "how many results (default 10)", OPTION_INT, &q->limit, .min = 1, .max = 1e7},
        {0, "offset", "N", "leave out the best N", OPTION_INT, &q->offset, .min = 0, .max = 1e9},
        {'g', "glob", "PATTERN", "only paths like this; '*' and '?' also stand for '/'", OPTION_STRING, &q->glob},
        {0, "after", "DATE", "only from this year, month or day on", OPTION_CALL, &s, .call = take_after},
        {0, "before", "DATE", "only before this year, month or day", OPTION_CALL, &s, .call = take_before},
        {0, "min", "PERCENT", "only from this similarity on", OPTION_REAL, &q->min_similarity, .min = -100, .max = 100},
        {0, "texts", NULL, "search the texts of the catalogue instead of its pictures", OPTION_FLAG, &s.texts},
        {0, "others", NULL, "leave out the items that the query itself names", OPTION_FLAG, &s.others},
        {0, "show", NULL, "show the pictures, where the terminal can", OPTION_FLAG, &s.show},
        {'p', "paths", NULL, "print paths alone", OPTION_FLAG, &s.paths},
        {'0', "print0", NULL, "print paths alone, a NUL behind each", OPTION_FLAG, &s.print0},
        VIA_OPTIONS(&s.q.how, 'n'),
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    int status;
    if (!options_parse_each(a, options, argc, argv, take_word, &s))
        status = a->status;
    else if (!s.q.n_terms && !s.queries)
        status = app_usage(a, "search for what");
    else
        status = run_either(&s);
    query_release(&s.q);
    return status;
}

const command command_search = {
    "search", "[TEXT]...", "find pictures by words, pictures, or both",
    "The query is the weighted sum of its terms; the words that stand alone are one term. All results are exact: "
    "filters\n"
    "never make the list shorter than it can be. A date is that of the camera, else of the file; DATE is 2023, "
    "2023-05\n"
    "or 2023-05-17, and --before leaves it out: --after 2023 --before 2024 is the year 2023.\n\n"
    "  simile search two dogs in the snow\n"
    "  simile search \"a dog\" --image beach.jpg --weight 0.5 --not people\n"
    "  simile search --like 17 --others --after 2023 --glob '*/holidays/*'\n"
    "  simile search --queries wishes.txt --limit 3 --json\n"
    "  simile search sunset -0 | xargs -0 cp -t sunsets/\n",
    run};
