/* SPDX-License-Identifier: Apache-2.0
 * gemma_bpe.h - SentencePiece's byte-pair encoding as Gemma's tokenizer.json holds it, for SigLIP 2. */
#ifndef SIMILE_TEXT_GEMMA_BPE_H
#define SIMILE_TEXT_GEMMA_BPE_H

#include "text/kind.h"

/* Whether this "model" of a tokenizer.json is one, and not CLIP's. */
bool gemma_bpe_is(const json_t *model);
simile_status gemma_bpe_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                  simile_error *err);

#endif
