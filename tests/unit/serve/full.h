/* SPDX-License-Identifier: Apache-2.0
 * full.h - for the tests of the protocols: the server of whole.h, and the library beside it, which says what vectors
 * have to come out. */
#ifndef SIMILE_TEST_FULL_H
#define SIMILE_TEST_FULL_H

#include "whole.h"

#include "serve/towers.h"

typedef struct {
    int32_t dim;
    simile_model *model, *pair;
    simile_encoder *encoder, *pair_encoder;
    float *expected, *other; /* [dim] each: room for the test */
} full_library;

extern full_library full;

/* For cmocka's groups: whole_set_up and whole_tear_down along with it. */
int full_set_up(void **state);
int full_tear_down(void **state);

/* What the library makes of it: unit unless `raw`. out: [dim]. picture: a name in the gallery, or an absolute path. */
void full_text(const char *text, bool raw, float *out);
void full_pair_text(const char *text, float *out);
void full_picture(const char *picture, bool raw, float *out);
/* The bytes of a picture, for mem_free; as base64 behind `prefix`. */
char *full_bytes(const char *picture, size_t *len);
char *full_base64(const char *picture, const char *prefix);

/* Fails the test unless a JSON array has the first n of these numbers, each within 1e-6. */
void full_same(const json_t *array, const float *expected, size_t n);

#endif
