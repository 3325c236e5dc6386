/* SPDX-License-Identifier: Apache-2.0
 * model.h - a dual encoder, whatever its family: the only door from model/ upward.
 *
 * model_open() reads the directory's configuration and picks the family; nothing above this header knows which it is.
 * A model is immutable and shared; model_encoder belongs to one thread at a time. Towers are packed at first use (under
 * a lock), so that a text search never touches the image tower. */
#ifndef SIMILE_MODEL_MODEL_H
#define SIMILE_MODEL_MODEL_H

#include "base/digest.h"
#include "base/err.h"
#include "image/image.h"
#include "text/tokenizer.h"

typedef struct model model;
typedef struct model_encoder model_encoder;

typedef struct {
    int64_t image_size; /* another resolution than the network was trained at; 0: its own */
    int32_t compute;    /* SIMILE_COMPUTE_... */
} model_options;

/* options: NULL for the defaults, and for products in float32. */
simile_status model_open(const char *path, const model_options *options, model **out, simile_error *err);
void model_close(model *m);

/* UNSUPPORTED unless `m` has an image tower, `reader` a text tower, and their vectors the same length. */
simile_status model_can_pair(const model *m, const model *reader, simile_error *err);
/* From now on `m` reads texts with the text tower and the tokenizer of `reader`, which it owns (also on failure).
 * Whether their vectors belong to one space is the caller's to know. */
simile_status model_pair(model *m, model *reader, simile_error *err);

const simile_model_info *model_info(const model *m);
int64_t model_packed_bytes(const model *m);                 /* of the towers that were used */
const tokenizer *model_tokenizer(const model *m);           /* NULL: no text tower */
const image_prepare_spec *model_image_spec(const model *m); /* NULL: no image tower */
/* The identity of the space of the vectors: of a pair, that of the model with the image tower. */
simile_status model_digest(const model *m, char out[DIGEST_HEX], simile_error *err);

/* From now on what its towers pack is written to a folder for files of packed weights, and taken from there: packed.h.
 * digest_text: that of this very model, not of one that it is paired with. Memory that is short makes it a no-op. */
void model_keep_packed(const model *m, const char *folder, const char *digest_text);
/* Bytes of the files in such a folder that belong to a model; of those that became free. */
uint64_t model_kept_size(const char *folder, const char *digest_text);
uint64_t model_kept_remove(const char *folder, const char *digest_text);

/* Writes it as a new folder with safetensors, as simile.h says of simile_model_convert(). */
simile_status model_convert(const model *m, const char *folder, const simile_convert_options *options,
                            simile_convert_report *report, simile_error *err);

simile_status model_encoder_new(const model *m, int threads, model_encoder **out, simile_error *err);
void model_encoder_free(model_encoder *e);
const model *model_encoder_model(const model_encoder *e);
int model_encoder_threads(const model_encoder *e);

/* pixels: [n, 3, image_size, image_size] as image_prepare() makes them; out: [n, dim], raw. */
simile_status model_encode_pixels(model_encoder *e, const float *pixels, size_t n, float *out, simile_error *err);
/* out: [n, dim], raw. */
simile_status model_encode_tokens(model_encoder *e, const token_list *texts, size_t n, float *out, simile_error *err);

#endif
