/* SPDX-License-Identifier: Apache-2.0
 * kind.h - what a kind of tokenizer gives to tokenizer.c, which does for all of them: files, invalid UTF-8, special
 * tokens around the text, truncation. */
#ifndef SIMILE_TEXT_KIND_H
#define SIMILE_TEXT_KIND_H

#include "base/buf.h"
#include "text/normalizer.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

/* Ids on their way to the caller. A kind puts ids until `full`, then it may stop. */
typedef struct {
    int32_t *ids;
    size_t n, capacity, max;
    bool full; /* an id had no room: the text is truncated */
} id_list;
simile_status id_list_put(id_list *list, const int32_t *ids, size_t n, simile_error *err);

typedef struct {
    const char *name;
    void (*free)(tokenizer *t); /* all of it, the vocabulary too */
    /* As vocab.json and merges.txt. NULL: this kind cannot be written so. */
    simile_status (*write)(const tokenizer *t, buf *vocab_json, buf *merges_txt, simile_error *err);
    /* The ids of valid UTF-8, without the special tokens around them. */
    simile_status (*encode)(const tokenizer *t, const char *text, size_t len, id_list *out, simile_error *err);
    /* Appends what a piece stands for; spaces at the ends of the whole go. NULL: this kind only encodes. */
    void (*decode_piece)(const tokenizer *t, const char *piece, buf *out);
} tokenizer_ops;

/* The first member of each kind's own struct. */
struct tokenizer {
    const tokenizer_ops *ops;
    vocab *vocab;
    int32_t start_id, end_id; /* -1: nothing is put there */
    normalizer *before;       /* what is done to a text before all else; NULL: nothing */
};

/* One of a model's files in memory, data NULL when it is absent; path is for messages. */
typedef struct {
    const char *path;
    char *data;
    size_t len;
    json_part vocab, merges; /* of a tokenizer.json: parts that its tree is without */
} text_file;

typedef struct {
    const char *directory;
    text_file tokenizer_json, vocab_json, merges_txt, vocab_txt, tokenizer_config, special_tokens_map;
    text_file clip_merges;       /* bpe_simple_vocab_16e6.txt.gz, or unpacked without .gz */
    text_file spm;               /* sentencepiece.bpe.model, spiece.model or source.spm */
    text_file codes, dictionary; /* bpe.codes, dict.txt */
} tokenizer_files;

/* tokenizer_open() on files that were read already. */
simile_status tokenizer_from_files(const tokenizer_files *files, tokenizer **out, simile_error *err);

enum { TEXT_FILE_MAX = 100 << 20 }; /* bytes of one tokenizer file */
enum { TEXT_MAX = 16 << 20 };       /* bytes of one text */

#endif
