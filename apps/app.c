/* SPDX-License-Identifier: Apache-2.0
 *
 * app.c - what the commands share: messages, handles, output, interruption.
 *
 * Messages go to stderr, results to stdout, and the two never mix: a line about a warning first wipes the progress bar
 * away. Output that cannot be written is a failure like any other. SIGPIPE is ignored, so that the end of a reader
 * (`simile embed ... | head -1`) never kills the program between two statements of a transaction: the next write fails,
 * and the program ends quietly with the status that a shell shows for a program killed by SIGPIPE.
 *
 * One thread, but for the signal handler, which only stores a number. */
#include "app.h"

#include "dates.h"

#include "base/file.h"
#include "base/mem.h"
#include "progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages ---- */

/* err_vset also takes control characters out: a path with an escape sequence in it must not reach the terminal. */
static void complain(const char *kind, const char *format, va_list args)
{
    simile_error message;
    err_vset(&message, SIMILE_OK, format, args);
    progress_wipe();
    fprintf(stderr, "simile: %s%s\n", kind, message.message);
}

int app_failf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain("", format, args);
    va_end(args);
    return EXIT_FAILED;
}

int app_fail(const simile_error *err)
{
    if (err->status == SIMILE_E_CANCELLED && interrupt_wanted()) return interrupt_status();
    return app_failf("%s", err->message);
}

void app_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain("warning: ", format, args);
    va_end(args);
}

void app_warn_truncated(const app *a, const char *text)
{
    if (a->quiet) return;
    app_warn("'%.40s%s' was cut to the %d tokens that the model reads", text, strlen(text) > 40 ? "..." : "",
             simile_model_get_info(a->model)->context);
}

int app_usage(const app *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain("", format, args);
    va_end(args);
    if (a->command)
        fprintf(stderr, "try 'simile %s --help'\n", a->command->name);
    else
        fprintf(stderr, "try 'simile help'\n");
    return EXIT_USAGE;
}

int app_date(const app *a, const char *option_name, const char *value, int64_t *to, int32_t *has)
{
    if (!date_parse(value, to))
        return app_usage(a, "'%s' is no value for --%s: 2023, 2023-05 or 2023-05-17 is needed", value, option_name);
    *has = 1;
    return EXIT_OK;
}

/* ---- the type to compute in ---- */

bool app_compute(const char *name, int32_t *out)
{
    for (int32_t i = SIMILE_COMPUTE_AUTO; i <= SIMILE_COMPUTE_INT8; i++) {
        if (strcasecmp(simile_compute_name(i), name) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

int app_compute_option(void *to, const char *value)
{
    app *a = to;
    if (app_compute(value, &a->compute)) return EXIT_OK;
    return app_usage(a, "'%s' is no value for --dtype: auto, f32, bf16 or int8 is needed", value);
}

/* ---- places ---- */

char *app_beside(const char *relative)
{
    char self[4096];
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) return mem_strdup(relative);
    self[len] = 0;
    char *folder = path_folder(self);
    char *joined = folder ? path_join(folder, relative) : NULL;
    char *path = joined ? path_absolute(joined) : NULL;
    mem_free(folder);
    mem_free(joined);
    return path;
}

/* The model's folder in the tree of the sources comes first, so that build/simile uses the models beside it. */
static char *model_search_path(void)
{
    char *tree = app_beside("../models"), *installed = app_beside("../share/simile/models");
    char *both = tree && installed ? mem_printf("%s:%s", tree, installed) : NULL;
    mem_free(tree);
    mem_free(installed);
    return both;
}

simile_status app_catalog_path(app *a, simile_error *err)
{
    if (a->catalog_path) return SIMILE_OK;
    if (a->catalog) {
        a->catalog_path = mem_strdup(a->catalog);
        return a->catalog_path ? SIMILE_OK : err_nomem(err);
    }
    char *home = path_data_home();
    if (!home)
        return err_set(
            err, SIMILE_E_NOT_FOUND,
            "cannot find a place for the catalogue: neither HOME nor XDG_DATA_HOME is set; say --catalog FILE");
    a->catalog_path = path_join(home, "catalog.simile");
    mem_free(home);
    return a->catalog_path ? SIMILE_OK : err_nomem(err);
}

/* ---- handles ---- */

simile_status app_search_path(app *a, simile_error *err)
{
    if (!a->model_path) a->model_path = model_search_path();
    return a->model_path ? SIMILE_OK : err_nomem(err);
}

simile_status app_model(app *a, simile_error *err)
{
    if (a->model) return SIMILE_OK;
    RETURN_IF_ERROR(app_search_path(a, err));
    const simile_model_options options = {.struct_size = sizeof options,
                                          .search_path = a->model_path,
                                          .text_model = a->text_model_name,
                                          .force_pairing = a->force_pairing,
                                          .image_size = a->image_size,
                                          .compute = a->compute};
    return simile_model_open(a->model_name, &options, &a->model, err);
}

simile_status app_open_model(app *a, const char *name, simile_model **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(app_search_path(a, err));
    const simile_model_options options = {
        .struct_size = sizeof options, .search_path = a->model_path, .compute = a->compute};
    return simile_model_open(name, &options, out, err);
}

simile_status app_encoder(app *a, simile_error *err)
{
    if (a->encoder) return SIMILE_OK;
    RETURN_IF_ERROR(app_model(a, err));
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = a->threads};
    return simile_encoder_new(a->model, &options, &a->encoder, err);
}

simile_status app_library(app *a, int mode, bool with_model, simile_error *err)
{
    if (a->library) return SIMILE_OK;
    RETURN_IF_ERROR(app_catalog_path(a, err));
    if (with_model) RETURN_IF_ERROR(app_model(a, err));
    if (mode != LIBRARY_CREATE && !file_exists(a->catalog_path))
        return err_set(err, SIMILE_E_NOT_FOUND,
                       "cannot open the catalogue '%s': there is none yet; make it with 'simile add FOLDER'",
                       a->catalog_path);
    if (mode == LIBRARY_CREATE) RETURN_IF_ERROR(path_make_folder_above(a->catalog_path, err));
    const simile_library_options options = {
        .struct_size = sizeof options, .read_only = mode == LIBRARY_READ, .threads = a->threads};
    return simile_library_open(a->catalog_path, with_model ? a->model : NULL, &options, &a->library, err);
}

void app_close(app *a)
{
    simile_library_close(a->library);
    simile_encoder_free(a->encoder);
    simile_model_close(a->model);
    mem_free(a->model_path);
    mem_free(a->catalog_path);
    a->library = NULL;
    a->encoder = NULL;
    a->model = NULL;
    a->model_path = a->catalog_path = NULL;
}

/* ---- output ---- */

static int output_errno; /* why stdout failed; 0: it did not */
static bool output_nomem;

bool app_write(buf *out)
{
    if (!buf_ok(out)) output_nomem = true;
    if (out->len && fwrite(out->data, 1, out->len, stdout) != out->len && !output_errno)
        output_errno = errno ? errno : EIO;
    buf_clear(out);
    return app_output_ok();
}

simile_status app_save(const char *path, const buf *out, simile_error *err)
{
    struct stat st;
    const char *data = out->data ? out->data : "";
    if (lstat(path, &st) || S_ISREG(st.st_mode)) return file_replace(path, data, out->len, err);
    FILE *file = fopen(path, "wbe");
    if (!file) return err_errno(err, "cannot write '%s'", path);
    const bool written = fwrite(data, 1, out->len, file) == out->len && !fflush(file);
    const simile_status status = written ? SIMILE_OK : err_errno(err, "cannot write '%s'", path);
    fclose(file);
    return status;
}

void app_models_json(const app *a, json_writer *w)
{
    const simile_model_info *info = simile_model_get_info(a->model);
    jw_key(w, "model"), jw_string(w, info ? info->name : NULL);
    jw_key(w, "text_model"), jw_string(w, info ? info->text_name : NULL);
}

const char *app_model_name(const app *a, bool of_texts)
{
    const simile_model_info *info = simile_model_get_info(a->model);
    return of_texts && info->text_name ? info->text_name : info->name;
}

bool app_output_ok(void)
{
    return !output_errno && !output_nomem;
}

int app_finish(int status)
{
    errno = 0;
    const bool failed = ferror(stdout) || fflush(stdout);
    if (failed && !output_errno) output_errno = errno ? errno : EIO;
    if (output_errno == EPIPE) return EXIT_PIPE;
    if (output_errno) return app_failf("cannot write the output: %s", strerror(output_errno));
    if (output_nomem) return app_failf("cannot write the output: out of memory");
    return status;
}

/* ---- interruption ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

void interrupt_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction old;
        if (sigaction(numbers[i], NULL, &old) || old.sa_handler == SIG_IGN) continue; /* nohup stays in force */
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
}

bool interrupt_wanted(void)
{
    return interrupted != 0;
}

int interrupt_status(void)
{
    return 128 + (int)interrupted;
}
