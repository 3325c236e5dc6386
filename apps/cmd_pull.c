/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_pull.c - `simile pull NAME`: fetches a published model. */
#include "app.h"
#include "base/mem.h"
#include "progress.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>
#include <string.h>

enum { MEGABYTE = 1000000 };

/* The progress line counts whole things: megabytes. */
static int on_progress(void *user, int64_t done, int64_t total, const char *subject)
{
    return progress_step(user, done / MEGABYTE, total / MEGABYTE, subject);
}

static const simile_known_model *known_as(const char *name)
{
    const simile_known_model *known;
    for (size_t i = 0; (known = simile_known_model_at(i)); i++)
        if (strcasecmp(known->name, name) == 0) return known;
    return NULL;
}

static void print_json(const simile_pull_report *r, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "name"), jw_string(&w, r->name);
    jw_key(&w, "source"), jw_string(&w, r->source);
    jw_key(&w, "directory"), jw_string(&w, r->directory);
    jw_key(&w, "files"), jw_int(&w, r->files);
    jw_key(&w, "bytes"), jw_int(&w, r->bytes);
    jw_key(&w, "fetched"), jw_int(&w, r->fetched);
    jw_key(&w, "resumed"), jw_int(&w, r->resumed);
    jw_key(&w, "cached"), jw_int(&w, r->cached);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

static void print_text(const simile_pull_report *r, const simile_known_model *known, buf *out)
{
    buf_printf(out, "pulled %s: %" PRId64 " file%s, ", r->name, r->files, r->files == 1 ? "" : "s");
    show_bytes(out, r->bytes);
    buf_text(out, "\n  from ");
    term_text(out, r->source);
    buf_text(out, "\n  into ");
    term_text(out, r->directory);
    if (known && !known->loads)
        buf_text(out, "\n  opening it needs a later version of simile\n");
    else
        buf_printf(out, "\n  try  simile --model %s info\n", r->name);
}

static int pull_one(app *a, const char *what, simile_pull_options *options)
{
    simile_pull_report report;
    simile_error err;
    progress bar;
    buf out;
    progress_begin(&bar, "MB", a->quiet);
    options->progress = on_progress;
    options->user = &bar;
    const simile_status status = simile_pull(what, options, &report, &err);
    progress_end(&bar);
    if (status == SIMILE_E_CANCELLED && !a->quiet && !a->json) app_warn("%s", err.message);
    if (status) return app_fail(&err);
    buf_init(&out, OUTPUT_MAX);
    if (a->json)
        print_json(&report, &out);
    else
        print_text(&report, known_as(what), &out);
    app_write(&out);
    buf_release(&out);
    return EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    bool replace = false;
    simile_pull_options o = {.struct_size = sizeof o, .retries = 5};
    const option options[] = {
        {0, "name", "NAME", "what to call it here", OPTION_STRING, &o.name},
        {0, "file", "FILE", "the weights to take, where there are several", OPTION_STRING, &o.file},
        {0, "replace", NULL, "fetch it again and replace what is there", OPTION_FLAG, &replace},
        {0, "retries", "N", "further attempts when a connection fails (default 5)", OPTION_INT, &o.retries,
         .max = 1000},
        {0, "timeout", "SECONDS", "give a silent connection up (default 30)", OPTION_INT, &o.stall_seconds, .min = 1,
         .max = 3600},
        {0},
    };
    words rest;
    int status = EXIT_OK;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    o.replace = replace;
    if (!o.retries) o.retries = -1;
    if (!rest.count)
        status = app_usage(a, "pull which model; 'simile models' lists those with a name");
    else if (o.name && rest.count > 1)
        status = app_usage(a, "--name is for one model alone");
    interrupt_catch();
    for (size_t i = 0; i < rest.count && !status; i++) status = pull_one(a, rest.items[i], &o);
    words_release(&rest);
    return status;
}

const command command_pull = {
    "pull", "NAME...", "fetch a published model",
    "A NAME is one of those that 'simile models' lists, owner/name or owner/name@revision of the Hugging Face Hub, or "
    "a\n"
    "URL with the file's SHA-256 before its last part, as OpenAI's have. Only what a model needs is fetched, and it "
    "is\n"
    "there when all of it has its checksum. After an interruption the same command goes on where it stopped.\n\n"
    "  simile pull clip-vit-base-patch32\n"
    "  simile pull OFA-Sys/chinese-clip-vit-base-patch16 --name chinese\n"
    "  HF_TOKEN=hf_... simile pull somebody/private-clip@v2\n",
    run};
