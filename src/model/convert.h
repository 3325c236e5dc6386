/* SPDX-License-Identifier: Apache-2.0
 * convert.h - writing a model anew: what model.c, convert.c, safetensors_write.c and staging.c share. */
#ifndef SIMILE_MODEL_CONVERT_H
#define SIMILE_MODEL_CONVERT_H

#include "model/family.h"
#include "model/model.h"

/* ---- an open model from the inside (model.c) ---- */

typedef struct {
    const model_family *family;
    const model_source *source; /* its documents were given back */
    const model_parts *parts;
    const param_list *params;
    const char *name;
    bool paired;
} model_inside;
model_inside model_look_inside(const model *m);

/* Told how many parameters were gone through since the last call; false ends the work with SIMILE_E_CANCELLED. */
typedef struct {
    bool (*go_on)(void *user, int64_t parameters);
    void *user;
} model_watch;
simile_status model_digest_watched(const model *m, const model_watch *watch, char out[DIGEST_HEX], simile_error *err);

/* ---- a folder that appears whole (staging.c) ---- */

/* Everything goes to .NAME.simile-convert beside NAME, which is renamed in the end. */
typedef struct {
    char *final, *path, *parent;
    int fd; /* of `path`, locked while it is open; -1: nothing was made */
    bool finished;
    int64_t files, bytes;
} staging;

/* EXISTS unless `final` is not there or an empty folder. What a run that was killed left is deleted. */
simile_status staging_open(const char *final, staging *out, simile_error *err);
simile_status staging_finish(staging *s, simile_error *err); /* everything to the disk, and the rename */
void staging_close(staging *s);                              /* what was not finished is deleted; needs no memory */

typedef struct {
    staging *s;
    char *path;
    int fd;
} staged_file;
/* folder: below the staging's own, or "". */
simile_status staged_open(staging *s, const char *folder, const char *name, staged_file *out, simile_error *err);
simile_status staged_write(staged_file *f, const void *bytes, size_t len, simile_error *err);
/* Passes `status` on, or tells that the last bytes did not reach the disk. */
simile_status staged_close(staged_file *f, simile_status status, simile_error *err);
simile_status staging_put(staging *s, const char *folder, const char *name, const void *bytes, size_t len,
                          simile_error *err);

/* ---- safetensors (safetensors_write.c) ---- */

/* A parameter as 8-bit integers; quantised.h. */
typedef struct {
    float *scale, *columns; /* [n], NULL: it does not become such; [k], NULL: all 1 */
    bool possible;          /* its numbers are finite, and not too small */
} quantised;

typedef struct {
    quantised *items; /* one for each parameter; NULL: nothing becomes integers */
    size_t n;
} quantised_list;

typedef enum { PART_VALUES, PART_SCALE, PART_COLUMNS } written_part;

typedef struct {
    const param *param;
    written_part part;          /* of integers: they, or their factors */
    const quantised *quantised; /* where they come into being */
    nn_dtype dtype;             /* in the file */
    uint64_t bytes;
    size_t place; /* in the order in which the network asks */
} written_tensor;

typedef struct {
    written_tensor *items;
    size_t n;
    uint64_t bytes;
} tensor_plan;

/* The parameters of one weight file, or of two (`also` may be NULL), each once, in the order in which they are written.
 * wanted: SIMILE_DTYPE_... */
simile_status tensor_plan_make(const param_list *params, const quantised_list *integers, const weights *from,
                               const weights *also, int32_t wanted, tensor_plan *out, simile_error *err);
void tensor_plan_release(tensor_plan *p);

/* digest_text: of the source, for the header. *worst grows with what becomes of the numbers; the first tensor with one
 * that is too large is an error. */
simile_status safetensors_write(const tensor_plan *p, const char *digest_text, const char *model_name, staged_file *out,
                                const model_watch *watch, nn_narrowing *worst, simile_error *err);

#endif
