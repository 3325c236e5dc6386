/* SPDX-License-Identifier: Apache-2.0
 * clip_bpe.h - the tokenizer of CLIP: cleaning, words, byte-pair encoding on bytes. */
#ifndef SIMILE_TEXT_CLIP_BPE_H
#define SIMILE_TEXT_CLIP_BPE_H

#include "text/bpe.h"
#include "text/staged.h"

typedef struct {
    staged base;
    bpe *merges;
    bool nfc, one_space, lower; /* the steps of cleaning, in this order */
    bool special_words; /* <|startoftext|> and <|endoftext|> left over in the cleaned text are words of their own... */
    bool byte_words;    /* ...which are then cut by the general pattern for words of byte-level encodings */
    int32_t unknown;    /* id of a byte that the vocabulary lacks; -1: it is dropped */
    bool fuse_unknown;  /* one id for a run of them */
    int32_t inner[256], last[256]; /* ids of a byte within a word, and at its end; -1: not in the vocabulary */
} clip_bpe;

clip_bpe *clip_bpe_new(void); /* empty, with the defaults of CLIP; NULL: out of memory */
void clip_bpe_free(clip_bpe *t);

/* Call once the vocabulary, the merges and the added tokens are in. suffix marks the end of a word: "</w>". */
simile_status clip_bpe_finish(clip_bpe *t, const char *suffix, simile_error *err);

/* A vocabulary writes a byte as a visible character (Radford et al., 2019, GPT-2's encoder): 0x21-0x7e, 0xa1-0xac and
 * 0xae-0xff as themselves, the other 68 in increasing order as U+0100, U+0101... */
enum { CLIP_BPE_HIDDEN = 0x100, CLIP_BPE_CHARS_END = CLIP_BPE_HIDDEN + 68 };
static inline bool clip_bpe_is_visible(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* The forms of the files. */
simile_status clip_bpe_from_json(const text_file *tokenizer_json, const json_t *root, tokenizer **out,
                                 simile_error *err);
simile_status clip_bpe_from_vocab(const tokenizer_files *files, tokenizer **out, simile_error *err);
simile_status clip_bpe_from_merges(const text_file *file, tokenizer **out, simile_error *err);

#endif
