/* SPDX-License-Identifier: Apache-2.0
 * app.h - what the commands of `simile` share: the table of commands, the global options, the handles that most of them
 * need, and how they end.
 *
 * A command is one function that gets its own words, parses them with an option table (options.h) and returns the exit
 * status: 0 done, 1 it failed and one sentence on stderr says why, 2 it was called wrongly, 130 it was interrupted. */
#ifndef SIMILE_APPS_APP_H
#define SIMILE_APPS_APP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "options.h"
#include "simile.h"

#include <stdbool.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PIPE = 141 };

/* One run of the program. The handles are opened when a command first asks for them. */
struct app {
    const char *program; /* as it was called */
    const command *command;
    /* global options */
    bool json, quiet;
    const char *model_name, *text_model_name; /* the latter reads the texts; NULL: the model itself */
    bool force_pairing;
    int32_t threads, image_size, compute; /* compute: SIMILE_COMPUTE_... */
    const char *catalog;                  /* as given; NULL: the default */

    char *model_path;   /* where bundled models are: "<dir>/../models:<dir>/../share/simile/models" */
    char *catalog_path; /* the one in use */
    simile_model *model;
    simile_encoder *encoder;
    simile_library *library;
    int status; /* what the parser decided, see options.h */
};

/* A row of the option tables of commands that encode. */
#define IMAGE_SIZE_OPTION(a)                                                                                           \
    {                                                                                                                  \
        0, "image-size", "N", "see pictures at N x N (default: as the model was trained)", OPTION_INT,                 \
            &(a)->image_size, .min = 1, .max = 8192                                                                    \
    }

extern const command *const commands[]; /* ends with NULL */
void app_overview(FILE *out);           /* what `simile help` prints */

/* ---- how a command ends ---- */

/* Prints "simile: <sentence>" and gives EXIT_FAILED; for SIMILE_E_CANCELLED the exit status of an interruption. */
int app_fail(const simile_error *err);
int app_failf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void app_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void app_warn_truncated(const app *a, const char *text); /* the model reads only the beginning of it */
/* "simile: <sentence>" and how to get help; gives EXIT_USAGE. */
int app_usage(const app *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The value of an option that takes a date; *has becomes 1. EXIT_OK, or the status of a mistake, which was told. */
int app_date(const app *a, const char *option_name, const char *value, int64_t *to, int32_t *has);

/* "auto", "f32", "bf16" or "int8"; false: another word. */
bool app_compute(const char *name, int32_t *out);
int app_compute_option(void *to, const char *value); /* of --dtype; to: the app */

/* ---- handles: NULL and a filled-in err when it cannot be had ---- */

simile_status app_search_path(app *a, simile_error *err); /* fills in model_path */
simile_status app_model(app *a, simile_error *err);
simile_status app_encoder(app *a, simile_error *err); /* and the model */

enum { LIBRARY_READ, LIBRARY_CHANGE, LIBRARY_CREATE };
/* with_model: check that the vectors in it are this model's. LIBRARY_CREATE makes it, and the folders above it. */
simile_status app_library(app *a, int mode, bool with_model, simile_error *err);
simile_status app_catalog_path(app *a, simile_error *err); /* fills in catalog_path */
void app_close(app *a);
/* A model of its own by name or path, to be closed by the caller: none of the global options takes part. */
simile_status app_open_model(app *a, const char *name, simile_model **out, simile_error *err);

/* Folder or file of the installation, found beside the program; NULL when memory is short. */
char *app_beside(const char *relative);

/* ---- output ----
 * A command writes into a buf and hands it over line by line or all at once. */
enum { OUTPUT_MAX = 1 << 30 };
bool app_write(buf *out); /* to stdout; clears it; false when stdout is gone or memory was short */
/* Into a file of that name: whole or not at all where it is an ordinary file, written through where it is a device, a
 * pipe or a link (-o /dev/null). */
simile_status app_save(const char *path, const buf *out, simile_error *err);
bool app_output_ok(void);   /* has everything so far reached stdout's buffer? */
int app_finish(int status); /* flushes stdout; EXIT_FAILED with a sentence when that fails */

/* "model" and "text_model": the names of those in use, null where there is none. */
void app_models_json(const app *a, json_writer *w);
/* The name of the one that makes the vectors of texts, or of pictures. */
const char *app_model_name(const app *a, bool of_texts);

/* ---- interruption ---- */

void interrupt_catch(void); /* from now on the first Ctrl-C only sets a flag, the second one ends the program */
bool interrupt_wanted(void);
int interrupt_status(void); /* 128 + the signal */

/* ---- the commands ---- */

extern const command command_add, command_classify, command_compare, command_convert, command_demo, command_duplicates,
    command_embed, command_eval, command_help, command_info, command_languages, command_models, command_pair,
    command_preprocess, command_pull, command_quantize_report, command_remove, command_rm, command_search,
    command_segment, command_serve, command_tokenize, command_translate, command_verify, command_version;

#endif
