/* SPDX-License-Identifier: Apache-2.0
 * spm_model.h - a SentencePiece model file: what of its protobuf message changes ids. */
#ifndef SIMILE_TEXT_SPM_MODEL_H
#define SIMILE_TEXT_SPM_MODEL_H

#include "base/err.h"
#include "text/kind.h"

typedef enum {
    SPM_NORMAL = 1,
    SPM_UNKNOWN = 2,
    SPM_CONTROL = 3,
    SPM_USER_DEFINED = 4,
    SPM_UNUSED = 5,
    SPM_BYTE = 6
} spm_type;

typedef struct {
    const char *piece; /* borrowed from the file */
    size_t len;
    float score;
    uint64_t type;
} spm_piece;

enum { SPM_UNIGRAM = 1 };

typedef struct {
    spm_piece *pieces; /* owned */
    size_t n, capacity;
    uint64_t model_type;
    bool suffix; /* white space belongs to the end of a word */
    bool byte_fallback;
    const uint8_t *charsmap; /* borrowed, NULL: none */
    size_t charsmap_len;
    bool dummy_prefix, remove_extra, escape;
    size_t unknown; /* index of the one unknown piece */
} spm_model;

/* What is kept borrows from the file. On an error nothing is to be released. */
simile_status spm_model_read(const text_file *file, spm_model *out, simile_error *err);
void spm_model_release(spm_model *m);

#endif
