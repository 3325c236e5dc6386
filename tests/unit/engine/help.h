/* SPDX-License-Identifier: Apache-2.0
 * help.h - what the tests of the engine share: a folder of their own with drawn pictures, a tiny model, shortcuts that
 * fail the test with the library's own sentence. */
#ifndef SIMILE_TESTS_ENGINE_HELP_H
#define SIMILE_TESTS_ENGINE_HELP_H

#include "simile.h"

#include <stdbool.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern simile_error err; /* of the last call within assert_ok */

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        const simile_status status_ = (expression);                                                                    \
        if (status_) fail_msg("%s: %d: %s", #expression, status_, err.message);                                        \
    } while (0)
/* The call fails with this status, and says so in a sentence of lower case without a full stop. */
#define assert_fails(expression, expected)                                                                             \
    do {                                                                                                               \
        err = (simile_error){0};                                                                                       \
        const simile_status status_ = (expression);                                                                    \
        if (status_ != (expected)) fail_msg("%s: %d instead of %d: %s", #expression, status_, expected, err.message);  \
        assert_int_equal(err.status, expected);                                                                        \
        assert_true(err.message[0] >= ' ' && err.message[strlen(err.message) - 1] != '.');                             \
    } while (0)

/* A fresh folder for each test; the model and the encoder for all tests of a program. */
typedef struct {
    char folder[64];   /* /tmp/... */
    char pictures[80]; /* folder/p */
    char catalog[80];  /* folder/c.simile */
    simile_model *model;
    simile_encoder *encoder;
} bench;
extern bench lab;

int bench_open(void **state); /* cmocka set-up and tear-down of a test */
int bench_close(void **state);
void bench_forget_model(void); /* at the end of the program */
const char *bench_model_path(const char *name);

/* folder/p/<name>; the same buffer for every call. */
const char *in_pictures(const char *name);
/* A picture that depends on seed alone, as a PPM file, with a time of change of its own. */
void draw(const char *path, unsigned seed, long mtime_s);
void write_bytes(const char *path, const void *bytes, size_t len, long mtime_s);
void make_folder(const char *path);
void remove_tree(const char *path);

simile_library *open_library(void);
/* Adds folder/p. */
simile_add_report add_all(simile_library *library);
simile_add_report add_with(simile_library *library, const simile_add_options *options);

/* The item at folder/p/<name>: its id, 0 when there is none; *status and *reason if wanted. */
int64_t item_id(simile_library *library, const char *name);
bool item_is_quarantined(simile_library *library, const char *name, char reason[256]);
/* [dim] of the stored vector; false: none. */
bool item_vector(const char *catalog_path, int64_t id, float *out);
/* Everything in a catalogue as one text, vectors as hex: equal texts, equal catalogues. For free(). */
char *dump(const char *catalog_path);

#endif
