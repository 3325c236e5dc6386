/* SPDX-License-Identifier: Apache-2.0
 * wordpiece.h - the tokenizer of BERT and its kin. */
#ifndef SIMILE_TEXT_WORDPIECE_H
#define SIMILE_TEXT_WORDPIECE_H

#include "text/kind.h"

simile_status wordpiece_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                  simile_error *err);
/* vocab.txt, with what tokenizer_config.json and special_tokens_map.json say. */
simile_status wordpiece_from_vocab(const tokenizer_files *files, tokenizer **out, simile_error *err);

#endif
