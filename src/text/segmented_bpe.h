/* SPDX-License-Identifier: Apache-2.0
 * segmented_bpe.h - words of a dictionary, cut by byte-pair encoding into pieces with "@@" where a word goes on. */
#ifndef SIMILE_TEXT_SEGMENTED_BPE_H
#define SIMILE_TEXT_SEGMENTED_BPE_H

#include "text/kind.h"
#include "text/segment.h"

/* Does tokenizer_config.json ask for it ("segmenter")? */
bool segmented_bpe_is(const tokenizer_files *files);
simile_status segmented_bpe_from_files(const tokenizer_files *files, tokenizer **out, simile_error *err);

/* The segmenter of such a tokenizer, NULL for another kind. */
const segmenter *segmented_bpe_segmenter(const tokenizer *t);

#endif
