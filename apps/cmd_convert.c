/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_convert.c - `simile convert SOURCE DEST`: any model that opens, as a folder with one file of safetensors. */
#include "app.h"
#include "base/file.h"
#include "base/mem.h"
#include "progress.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>
#include <string.h>

enum { MEGABYTE = 1000000 };

typedef struct {
    const char *source, *folder; /* as given */
    char *directory;             /* absolute */
    simile_convert_options options;
    simile_convert_report report;
} work;

/* The progress line counts whole things: megabytes. */
static int on_progress(void *user, int64_t done, int64_t total, const char *subject)
{
    return progress_step(user, done / MEGABYTE, total / MEGABYTE, subject);
}

static void print_json(const app *a, const work *w, buf *out)
{
    const simile_convert_report *r = &w->report;
    json_writer j;
    jw_init(&j, out);
    jw_object(&j);
    jw_key(&j, "source"), jw_string(&j, simile_model_get_info(a->model)->directory);
    jw_key(&j, "directory"), jw_string(&j, w->directory);
    jw_key(&j, "files"), jw_int(&j, r->files);
    jw_key(&j, "bytes"), jw_int(&j, r->bytes);
    jw_key(&j, "weights"), jw_string(&j, r->weights_dtype);
    jw_key(&j, "exact"), jw_bool(&j, r->exact);
    jw_key(&j, "digest"), jw_string(&j, r->digest);
    jw_key(&j, "source_digest"), jw_string(&j, r->source_digest);
    jw_object_end(&j);
    buf_byte(out, '\n');
}

static void print_text(const app *a, const work *w, buf *out)
{
    const simile_convert_report *r = &w->report;
    buf_text(out, "converted ");
    term_text(out, simile_model_get_info(a->model)->directory);
    buf_text(out, "\n  into ");
    term_text(out, w->directory);
    buf_printf(out, "\n  %" PRId64 " files, ", r->files);
    show_bytes(out, r->bytes);
    buf_printf(out, ", weights in %s\n", r->weights_dtype);
    if (r->exact)
        buf_printf(out, "  the same model: digest %s\n", r->digest);
    else
        buf_printf(out, "  rounded: digest %s, declared to go with %s\n", r->digest, r->source_digest);
}

/* A file or folder here goes before a model of that name. */
static simile_status open_source(app *a, const work *w, simile_error *err)
{
    const bool here = !strchr(w->source, '/') && file_exists(w->source);
    char *path = here ? path_join(".", w->source) : NULL;
    if (here && !path) return err_nomem(err);
    a->model_name = path ? path : w->source;
    const simile_status status = app_model(a, err);
    a->model_name = w->source;
    mem_free(path);
    return status;
}

static simile_status convert(app *a, work *w, simile_error *err)
{
    progress bar;
    RETURN_IF_ERROR(open_source(a, w, err));
    w->directory = path_absolute(w->folder);
    if (!w->directory) return err_nomem(err);
    interrupt_catch();
    progress_begin(&bar, "MB", a->quiet);
    w->options.progress = on_progress;
    w->options.user = &bar;
    const simile_status status = simile_model_convert(a->model, w->folder, &w->options, &w->report, err);
    progress_end(&bar);
    return status;
}

static int run_convert(app *a, work *w)
{
    simile_error err;
    buf out;
    const simile_status status = convert(a, w, &err);
    if (status) {
        mem_free(w->directory);
        return app_fail(&err);
    }
    buf_init(&out, OUTPUT_MAX);
    if (a->json)
        print_json(a, w, &out);
    else
        print_text(a, w, &out);
    app_write(&out);
    buf_release(&out);
    mem_free(w->directory);
    return EXIT_OK;
}

static bool read_dtype(const char *text, int32_t *out)
{
    static const char *const names[] = {[SIMILE_DTYPE_F32] = "f32",
                                        [SIMILE_DTYPE_F16] = "f16",
                                        [SIMILE_DTYPE_BF16] = "bf16",
                                        [SIMILE_DTYPE_INT8] = "int8"};
    for (int32_t i = SIMILE_DTYPE_F32; i <= SIMILE_DTYPE_INT8; i++) {
        if (strcasecmp(names[i], text) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

static int run(app *a, int argc, char **argv)
{
    const char *dtype = NULL;
    work w = {.options.struct_size = sizeof w.options};
    const option options[] = {
        {0, "dtype", "TYPE", "f32, f16, bf16 or int8 (default: as stored, quantised blocks as f32)", OPTION_STRING,
         &dtype},
        {0},
    };
    words rest;
    int status = EXIT_OK;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    if (rest.count != 2) {
        status = app_usage(a, "a model and a folder to make are needed");
    } else if (dtype && !read_dtype(dtype, &w.options.dtype)) {
        status = app_usage(a, "'%s' is no value for --dtype: f32, f16, bf16 or int8 is needed", dtype);
    } else {
        w.source = rest.items[0];
        w.folder = rest.items[1];
        status = run_convert(a, &w);
    }
    words_release(&rest);
    return status;
}

const command command_convert = {
    "convert", "SOURCE DEST", "a model as a folder with one safetensors file",
    "SOURCE is any model that opens: a folder, a name, or a single file (.safetensors, .bin, .pt, .gguf). DEST must "
    "not\n"
    "exist, or be an empty folder; it appears when all of it was written, opened again and compared.\n"
    "With the type as stored, or a wider one, the result is the same model, and catalogues go on with it. f16, "
    "bf16\n"
    "and int8 may round numbers: then it is another model, declared in its simile.json to go with the vectors of the\n"
    "first. What was converted to int8 is computed in int8 unless --dtype says otherwise when it is used.\n\n"
    "  simile convert ViT-B-32.pt models/vit-b-32\n"
    "  simile convert clip-vit-base-patch32 ~/models/b32-f16 --dtype f16\n"
    "  simile convert ./clip-q8_0.gguf models/clip --json\n",
    run};
