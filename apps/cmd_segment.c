/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_segment.c - `simile segment TEXT...`: Chinese texts cut into words. Without a text on the command line each line
 * of stdin is one. */
#include "app.h"
#include "base/mem.h"
#include "lines.h"
#include "progress.h"
#include "term.h"

#include <unistd.h>

static const char *const modes[] = {
    [SIMILE_SEGMENT_PRECISE] = "precise", [SIMILE_SEGMENT_FULL] = "full", [SIMILE_SEGMENT_SEARCH] = "search"};

typedef struct {
    app *a;
    int mode; /* SIMILE_SEGMENT_... */
    bool no_hmm;
    simile_segmenter_options files;
    simile_segmenter *segmenter;
    buf out;
    progress bar;
    int64_t done, total; /* total 0: not known */
} segmenting;

static bool uses_hmm(const segmenting *s)
{
    return !s->no_hmm && s->mode != SIMILE_SEGMENT_FULL && simile_segmenter_get_info(s->segmenter)->hmm;
}

static void write_json(segmenting *s, const char *text, const simile_words *found)
{
    json_writer w;
    jw_init(&w, &s->out);
    jw_object(&w);
    jw_key(&w, "text"), jw_string(&w, text);
    jw_key(&w, "words"), jw_array(&w);
    for (size_t i = 0; i < simile_words_count(found); i++) jw_string(&w, simile_words_at(found, i, NULL));
    jw_array_end(&w);
    jw_key(&w, "mode"), jw_string(&w, modes[s->mode]);
    jw_key(&w, "hmm"), jw_bool(&w, uses_hmm(s));
    jw_key(&w, "dictionary"), jw_string(&w, simile_segmenter_get_info(s->segmenter)->dictionary);
    jw_object_end(&w);
}

static void write_text(segmenting *s, const simile_words *found)
{
    for (size_t i = 0; i < simile_words_count(found); i++) {
        if (i) buf_text(&s->out, " / ");
        term_text(&s->out, simile_words_at(found, i, NULL));
    }
}

static simile_status one(void *user, const char *text, simile_error *err)
{
    segmenting *s = user;
    const simile_segment_options options = {.struct_size = sizeof options, .mode = s->mode, .no_hmm = s->no_hmm};
    simile_words *found;
    RETURN_IF_ERROR(simile_segment(s->segmenter, text, strlen(text), &options, &found, err));
    if (s->a->json)
        write_json(s, text, found);
    else
        write_text(s, found);
    simile_words_free(found);
    buf_byte(&s->out, '\n');
    if (!app_write(&s->out)) return err_set(err, SIMILE_E_IO, "cannot write the output");
    if (progress_step(&s->bar, ++s->done, s->total, NULL)) return err_set(err, SIMILE_E_CANCELLED, "interrupted");
    return SIMILE_OK;
}

static simile_status all(segmenting *s, const words *texts, simile_error *err)
{
    RETURN_IF_ERROR(app_search_path(s->a, err));
    s->files.struct_size = sizeof s->files;
    s->files.search_path = s->a->model_path;
    RETURN_IF_ERROR(simile_segmenter_open(&s->files, &s->segmenter, err));
    interrupt_catch();
    progress_begin(&s->bar, "texts", s->a->quiet);
    s->total = (int64_t)texts->count;
    const simile_status status = lines_each(texts, one, s, err);
    progress_end(&s->bar);
    return status;
}

static int set_mode(void *to, const char *value)
{
    segmenting *s = to;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i], value) != 0) continue;
        s->mode = (int)i;
        return EXIT_OK;
    }
    return app_usage(s->a, "--mode is precise, full or search, not '%.40s'", value);
}

static int run(app *a, int argc, char **argv)
{
    segmenting s = {.a = a};
    const option options[] = {
        {0, "mode", "MODE", "precise, full or search (default precise)", OPTION_CALL, &s, .call = set_mode},
        {0, "no-hmm", NULL, "only words of the dictionary", OPTION_FLAG, &s.no_hmm},
        {0, "dict", "FILE", "another dictionary", OPTION_STRING, &s.files.dictionary},
        {0, "user-dict", "FILE", "words of your own, added to it", OPTION_STRING, &s.files.user_dictionary},
        {0, "hmm", "DIR", "tables of the hidden Markov model (jieba's finalseg)", OPTION_STRING, &s.files.hmm},
        {0}};
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    simile_error err;
    buf_init(&s.out, OUTPUT_MAX);
    int status = EXIT_OK;
    if (!rest.count && isatty(STDIN_FILENO))
        status = app_usage(a, "no text");
    else if (all(&s, &rest, &err))
        status = app_output_ok() ? app_fail(&err) : EXIT_FAILED;
    simile_segmenter_free(s.segmenter);
    buf_release(&s.out);
    words_release(&rest);
    return status;
}

const command command_segment = {
    "segment", "[TEXT]...", "Chinese texts as words",
    "Cuts texts into words by jieba's algorithm, one line a text. Without a text on the command line each line of "
    "stdin\n"
    "is one. precise is the most probable cut, full every word that can be read, search precise with the short words\n"
    "within long ones. Words that no dictionary has are found by a hidden Markov model, where its tables are there.\n"
    "Dictionary (dict.txt) and tables (finalseg) are those of the first of these folders that has them: "
    "$SIMILE_JIEBA,\n"
    "jieba in the data folder, Debian's python3-jieba; otherwise a small dictionary serves that comes with simile.\n\n"
    "  simile segment 在雪地里有两条狗\n"
    "  simile segment --mode search --user-dict names.txt <captions.txt\n",
    run};
