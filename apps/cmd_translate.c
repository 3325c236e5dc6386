/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_translate.c - `simile translate TEXT...`: the words of each text and its best translations with their scores.
 * Without a text on the command line each line of stdin is one. Texts are translated in batches, and written in the
 * order in which they came. */
#include "app.h"
#include "base/mem.h"
#include "lines.h"
#include "progress.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>
#include <unistd.h>

enum { BATCH = 32, MAX_BEST = 64 };

typedef struct {
    app *a;
    const char *name; /* of the translator; NULL: by its languages */
    simile_translator_options languages;
    int32_t best, beams;
    simile_translator *translator;
    simile_translator_session *session;
    char *batch[BATCH];
    size_t n;
    buf out;
    progress bar;
    int64_t done, total; /* total 0: unknown */
} translating;

/* ---- output ---- */

static void string_or_null(json_writer *w, const char *key, const char *text)
{
    jw_key(w, key);
    if (text)
        jw_string(w, text);
    else
        jw_null(w);
}

static void write_json(translating *t, const char *text, const simile_translation *found)
{
    const simile_translator_info *info = simile_translator_get_info(t->translator);
    json_writer w;
    jw_init(&w, &t->out);
    jw_object(&w);
    jw_key(&w, "text"), jw_string(&w, text);
    jw_key(&w, "tokens"), jw_array(&w);
    for (size_t i = 0; i < found->n_tokens; i++) jw_string(&w, found->tokens[i]);
    jw_array_end(&w);
    jw_key(&w, "candidates"), jw_array(&w);
    for (size_t i = 0; i < found->n_candidates; i++) {
        jw_object(&w);
        jw_key(&w, "text"), jw_string(&w, found->candidates[i].text);
        jw_key(&w, "score"), jw_float(&w, found->candidates[i].score);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_key(&w, "truncated"), jw_bool(&w, found->truncated);
    jw_key(&w, "translator"), jw_string(&w, info->name);
    string_or_null(&w, "from", info->from);
    string_or_null(&w, "to", info->to);
    jw_object_end(&w);
    buf_byte(&t->out, '\n');
}

static void write_text(translating *t, const char *text, const simile_translation *found)
{
    term_text(&t->out, text);
    buf_text(&t->out, "\n  tokens: ");
    show_texts(&t->out, found->tokens, found->n_tokens);
    buf_byte(&t->out, '\n');
    for (size_t i = 0; i < found->n_candidates; i++) {
        buf_printf(&t->out, "  %7.3f  ", (double)found->candidates[i].score);
        term_text(&t->out, found->candidates[i].text);
        buf_byte(&t->out, '\n');
    }
}

/* One text's translation and nothing else: for pipes. */
static void write_best(translating *t, const simile_translation *found)
{
    if (found->n_candidates) term_text(&t->out, found->candidates[0].text);
    buf_byte(&t->out, '\n');
}

static void write_one(translating *t, const char *text, const simile_translation *found)
{
    if (t->a->json)
        write_json(t, text, found);
    else if (t->best == 1)
        write_best(t, found);
    else
        write_text(t, text, found);
    if (found->truncated && !t->a->quiet)
        app_warn("'%.40s%s' was cut to the %" PRId32 " tokens that the translator reads", text,
                 strlen(text) > 40 ? "..." : "", simile_translator_get_info(t->translator)->context);
}

/* ---- batches ---- */

/* A simile_progress_fn: counts go on from batch to batch. */
static int step(void *user, int64_t done, int64_t total, const char *subject)
{
    translating *t = user;
    (void)total;
    return progress_step(&t->bar, t->done + done, t->total, subject);
}

static simile_status flush_batch(translating *t, simile_error *err)
{
    const simile_translate_options options = {
        .struct_size = sizeof options, .best = t->best, .beams = t->beams, .progress = step, .user = t};
    const char *texts[BATCH];
    simile_translations *all = NULL;
    for (size_t i = 0; i < t->n; i++) texts[i] = t->batch[i];
    simile_status status = simile_translate(t->session, texts, t->n, &options, &all, err);
    for (size_t i = 0; i < t->n; i++) {
        if (!status) write_one(t, texts[i], simile_translations_at(all, i));
        mem_free(t->batch[i]);
    }
    simile_translations_free(all);
    t->done += (int64_t)t->n;
    t->n = 0;
    if (status) return status;
    return app_write(&t->out) ? SIMILE_OK : err_set(err, SIMILE_E_IO, "cannot write the output");
}

static simile_status push(void *user, const char *text, simile_error *err)
{
    translating *t = user;
    t->batch[t->n] = mem_strdup(text);
    if (!t->batch[t->n]) return err_nomem(err);
    return ++t->n == BATCH ? flush_batch(t, err) : SIMILE_OK;
}

static simile_status open_translator(translating *t, simile_error *err)
{
    RETURN_IF_ERROR(app_search_path(t->a, err));
    t->languages.struct_size = sizeof t->languages;
    t->languages.search_path = t->a->model_path;
    RETURN_IF_ERROR(simile_translator_open(t->name, &t->languages, &t->translator, err));
    const simile_translator_session_options options = {.struct_size = sizeof options, .threads = t->a->threads};
    return simile_translator_session_new(t->translator, &options, &t->session, err);
}

static simile_status all(translating *t, const words *texts, simile_error *err)
{
    RETURN_IF_ERROR(open_translator(t, err));
    interrupt_catch();
    progress_begin(&t->bar, "texts", t->a->quiet);
    t->total = (int64_t)texts->count;
    simile_status status = lines_each(texts, push, t, err);
    if (!status && t->n) status = flush_batch(t, err);
    progress_end(&t->bar);
    return status;
}

static int run(app *a, int argc, char **argv)
{
    translating t = {.a = a, .best = 5};
    const char *named = getenv("SIMILE_TRANSLATOR");
    const option options[] = {
        {0, "from", "LANG", "language of the texts (default zh)", OPTION_STRING, &t.languages.from},
        {0, "to", "LANG", "language to translate to (default en)", OPTION_STRING, &t.languages.to},
        {'n', "best", "N", "how many candidates (default 5); 1: the translation alone", OPTION_INT, &t.best, .min = 1,
         .max = MAX_BEST},
        {0, "beams", "N", "hypotheses that grow at once (default: the translator's)", OPTION_INT, &t.beams, .min = 1,
         .max = MAX_BEST},
        {0, "translator", "NAME", "this one, by name or folder ($SIMILE_TRANSLATOR)", OPTION_STRING, &t.name},
        {0}};
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    simile_error err;
    buf_init(&t.out, OUTPUT_MAX);
    int status = EXIT_OK;
    if (!t.name && !t.languages.from && !t.languages.to && named && *named) t.name = named;
    if (!rest.count && isatty(STDIN_FILENO))
        status = app_usage(a, "no text");
    else if (t.beams && t.beams < t.best)
        status = app_usage(a, "cannot give the %d best of %d beams", t.best, t.beams);
    else if (all(&t, &rest, &err))
        status = app_output_ok() ? app_fail(&err) : EXIT_FAILED;
    for (size_t i = 0; i < t.n; i++) mem_free(t.batch[i]);
    simile_translator_session_free(t.session);
    simile_translator_close(t.translator);
    buf_release(&t.out);
    words_release(&rest);
    return status;
}

const command command_translate = {
    "translate", "[TEXT]...", "texts in another language, the best candidates first",
    "Shows the words into which a text was cut, and the best candidates with their scores (mean log probability of a\n"
    "token). Without a text on the command line each line of stdin is one. The translator that comes with simile "
    "knows\n"
    "the world of the bundled pictures; an opus-mt model in a models folder takes its place.\n\n"
    "  simile translate 在雪地里有两条狗\n"
    "  simile translate -n 1 <captions.zh.txt >captions.en.txt\n"
    "  simile translate --from de --to en --translator ~/models/opus-mt-de-en \"zwei Hunde im Schnee\"\n",
    run};
