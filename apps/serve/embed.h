/* SPDX-License-Identifier: Apache-2.0
 * embed.h - texts and pictures that came in one request to vectors, in their order.
 *
 * Pictures are decoded a few at a time, so that what a request holds does not grow with their number. */
#ifndef SIMILE_SERVE_EMBED_H
#define SIMILE_SERVE_EMBED_H

#include "serve/http.h"
#include "serve/towers.h"

enum {
    EMBED_NONE = 0,   /* nothing: its vector is left alone */
    EMBED_TEXT = 1,   /* data is a text */
    EMBED_URI = 2,    /* "data:image/...;base64,...", or a URL where those are fetched */
    EMBED_BASE64 = 3, /* a picture's bytes as base64 */
    EMBED_BYTES = 4   /* a picture's bytes */
};

typedef struct {
    int kind;
    const char *data; /* a text and a URI are followed by a NUL */
    size_t len;
} embed_input;

typedef struct {
    bool upright; /* EXIF orientation is applied; the systems that we stand in for leave pictures as they are stored */
    bool unit;    /* vectors are made unit vectors */
    size_t at;    /* out: the one that failed */
    bool theirs;  /* out: it failed for what the client sent, not for what happened here */
} embed_options;

/* The picture of one input. Errors also: UNSUPPORTED (a URL, and those are not fetched). */
simile_status embed_picture(server *s, const embed_input *in, bool upright, simile_image **out, simile_error *err);

/* t: held. out: [n, dim]. Errors also: LIMIT (more than LIMIT_PICTURES, or a text too long). */
simile_status embed_all(server *s, tower *t, const embed_input *in, size_t n, embed_options *options, float *out,
                        simile_error *err);

/* The tower of the catalogue, held, its model checked against it. Errors: VERSION (the vectors are another model's),
 * BUSY, CANCELLED, NOMEM; INTERNAL whatever else keeps the model from being loaded: that is no fault of a request. */
simile_status catalog_tower(server *s, tower **out, simile_error *err);

/* A vector as a term of a search: unlike SIMILE_TERM_VECTOR the library is told how long it is, which by then may not
 * be what those of the catalogue are. It lives as long as the vector. */
simile_reading vector_reading(const float *vector, int32_t dim);

#endif
