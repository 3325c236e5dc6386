/* SPDX-License-Identifier: Apache-2.0
 * check_model.h - what the tests of whole models share. A fixture is a directory under tests/fixtures/models/ with an
 * expected.json: texts (with their ids), pictures, and the reference library's unit vectors. */
#ifndef SIMILE_TESTS_CHECK_MODEL_H
#define SIMILE_TESTS_CHECK_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/model.h"

enum { MAX_DIM = 1024 };

char *fixture(const char *name); /* its path, for mem_free */
model *open_model(const char *directory);
model *open_at(const char *directory, int64_t image_size);
model_encoder *new_encoder(const model *m, int threads);
void normalize(float *v, size_t n);
void encode_text(model_encoder *e, const char *text, float *out); /* out: normalised */

typedef struct {
    double largest_difference, lowest_cosine;
} distance;

/* All that expected.json holds: every text's ids, every vector. */
distance check_model(const char *directory, int threads);
/* Each fixture on one thread and on two: every component within 2e-5. */
void check_fixtures(const char *const *names, size_t n);
/* The same texts alone, amid others, and on two threads; the same pictures likewise: within 1e-6. */
void check_text_batches(const char *const *names, size_t n);
void check_picture_batches(const char *const *names, size_t n);
/* The vectors of resized.json, each picture at a size of its own: every component within 2e-5. */
void check_resized(const char *const *names, size_t n);
/* Each has an identity of its own. */
void check_digests_differ(const char *const *names, size_t n);
/* Opens the model, reads a text and looks at a picture (of 64 x 64 at most) with every allocation failing in turn. */
void check_short_memory(const char *name);
/* main() of `test --full DIR`: one model at full size, cosine at least 0.99999. */
int run_full(const char *directory);

#endif
