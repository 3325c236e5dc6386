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
#include "query.h"
#include "term.h"

#include <errno.h>
#include <inttypes.h>

typedef struct {
    query q;
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

static int run_search(search *s)
{
    simile_results *results;
    simile_error err;
    buf out;
    s->q.options.target = s->texts ? SIMILE_KIND_TEXT : SIMILE_KIND_IMAGE;
    s->q.options.exclude_terms = s->others;
    if (query_run(&s->q, &results, &err)) return app_fail(&err);
    if (s->show && !term_pictures()) app_warn("this terminal cannot show pictures");
    buf_init(&out, OUTPUT_MAX);
    if (s->q.a->json)
        query_print_json(&s->q, results, &out);
    else if (s->paths || s->print0)
        print_paths(results, s->print0 ? 0 : '\n', &out);
    else
        query_print(&s->q, results, s->show && term_pictures(), &out);
    app_write(&out);
    buf_release(&out);
    simile_results_free(results);
    return EXIT_OK;
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
    else if (!s.q.n_terms)
        status = app_usage(a, "search for what");
    else
        status = run_search(&s);
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
    "  simile search sunset -0 | xargs -0 cp -t sunsets/\n",
    run};
