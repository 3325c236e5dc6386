/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_tokenize.c - `simile tokenize TEXT...`: the token ids that the text tower sees, the two special ones included.
 * Without a text on the command line each line of stdin is one. */
#include "app.h"
#include "base/mem.h"
#include "lines.h"

#include <unistd.h>

typedef struct {
    app *a;
    int32_t *ids; /* [context] */
    size_t cap;
    buf out;
} tokens;

static simile_status one(void *user, const char *text, simile_error *err)
{
    tokens *t = user;
    size_t n;
    int truncated;
    RETURN_IF_ERROR(simile_tokenize(t->a->model, text, strlen(text), t->ids, t->cap, &n, &truncated, err));
    if (truncated) app_warn_truncated(t->a, text);
    if (t->a->json) {
        json_writer w;
        jw_init(&w, &t->out);
        jw_object(&w);
        jw_key(&w, "text"), jw_string(&w, text);
        jw_key(&w, "ids"), jw_array(&w);
        for (size_t i = 0; i < n; i++) jw_int(&w, t->ids[i]);
        jw_array_end(&w);
        jw_key(&w, "truncated"), jw_bool(&w, truncated);
        jw_key(&w, "model"), jw_string(&w, app_model_name(t->a, true));
        jw_object_end(&w);
    } else {
        for (size_t i = 0; i < n; i++) buf_printf(&t->out, i ? " %d" : "%d", t->ids[i]);
    }
    buf_byte(&t->out, '\n');
    return app_write(&t->out) ? SIMILE_OK : err_set(err, SIMILE_E_IO, "cannot write the output");
}

static simile_status all(tokens *t, const words *texts, simile_error *err)
{
    RETURN_IF_ERROR(app_model(t->a, err));
    t->cap = (size_t)simile_model_get_info(t->a->model)->context;
    t->ids = mem_array(t->cap, sizeof *t->ids);
    if (!t->ids) return err_nomem(err);
    return lines_each(texts, one, t, err);
}

static int run(app *a, int argc, char **argv)
{
    const option options[] = {{0}};
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    tokens t = {.a = a};
    simile_error err;
    buf_init(&t.out, OUTPUT_MAX);
    int status = EXIT_OK;
    if (!rest.count && isatty(STDIN_FILENO))
        status = app_usage(a, "no text");
    else if (all(&t, &rest, &err))
        status = app_output_ok() ? app_fail(&err) : EXIT_FAILED;
    mem_free(t.ids);
    buf_release(&t.out);
    words_release(&rest);
    return status;
}

const command command_tokenize = {
    "tokenize", "[TEXT]...", "the token ids of texts",
    "One line a text. Without a text on the command line each line of stdin is one. A text that is longer than the\n"
    "model's context is cut, which is said on stderr and in the JSON.\n\n"
    "  simile tokenize \"two dogs in the snow\"\n",
    run};
