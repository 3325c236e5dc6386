/* SPDX-License-Identifier: Apache-2.0
 * full.h - for the tests of the server: one with the bundled model and a catalogue, and the library beside it, which
 * says what vectors have to come out. */
#ifndef SIMILE_TEST_FULL_H
#define SIMILE_TEST_FULL_H

#include "client.h"

#include "serve/towers.h"

enum { FULL_PICTURES = 8, FULL_TEXTS = 2 };

typedef struct {
    server s;
    http *http;
    int port;
    int32_t dim;
    simile_model *model, *pair;
    simile_encoder *encoder, *pair_encoder;
    char folder[64];
} full_server;

/* The pictures of the gallery that it has, and the texts. */
extern const char *const full_pictures[FULL_PICTURES], *const full_texts[FULL_TEXTS];

/* "ViT-B-32__openai" is an alias of the bundled model, "XLM-Roberta-Large-Vit-B-32" one of the pair of it and the
 * bundled text tower for many languages. */
void full_start(full_server *f, const serve_options *options);
void full_stop(full_server *f);

/* What the library makes of it: unit unless `raw`. out: [dim]. picture: a name in the gallery. */
void full_text(const full_server *f, const char *text, bool raw, float *out);
void full_pair_text(const full_server *f, const char *text, float *out);
void full_picture(const full_server *f, const char *picture, bool raw, float *out);
/* The bytes of a picture, for mem_free; as base64 behind `prefix`. */
char *full_bytes(const char *picture, size_t *len);
char *full_base64(const char *picture, const char *prefix);

/* Fails the test unless a JSON array has these numbers, each within 1e-6. */
void full_same(const json_t *array, const float *expected, size_t n);

#endif
