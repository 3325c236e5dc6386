/* SPDX-License-Identifier: Apache-2.0
 * sentencepiece.h - SentencePiece unigram models, from their own files and from tokenizer.json. */
#ifndef SIMILE_TEXT_SENTENCEPIECE_H
#define SIMILE_TEXT_SENTENCEPIECE_H

#include "text/kind.h"

/* A .model or .spm file with the ids that one of these wraps around it. */
typedef enum { SPM_XLMR, SPM_SIGLIP, SPM_MARIAN } spm_wrapper;
simile_status sentencepiece_from_model(const tokenizer_files *files, spm_wrapper wrapper, tokenizer **out,
                                       simile_error *err);

simile_status unigram_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                simile_error *err);

#endif
