/* SPDX-License-Identifier: Apache-2.0
 * documents.c - see documents.h. */
#include "base/documents.h"

#include <string.h>

static const struct {
    const char *name;
    document_kind kind;
} documents[] = {
    {"config.json", DOCUMENT_NETWORK},
    {"preprocessor_config.json", DOCUMENT_NETWORK},
    {"processor_config.json", DOCUMENT_NETWORK},
    {"open_clip_config.json", DOCUMENT_NETWORK},
    {"modules.json", DOCUMENT_NETWORK},
    {"sentence_bert_config.json", DOCUMENT_NETWORK},
    {"sentence_distilbert_config.json", DOCUMENT_NETWORK},
    {"sentence_roberta_config.json", DOCUMENT_NETWORK},
    {"sentence_xlm-roberta_config.json", DOCUMENT_NETWORK},
    {"generation_config.json", DOCUMENT_NETWORK},
    {"config_sentence_transformers.json", DOCUMENT_NETWORK},
    {"tokenizer.json", DOCUMENT_TOKENIZER},
    {"tokenizer_config.json", DOCUMENT_TOKENIZER},
    {"special_tokens_map.json", DOCUMENT_TOKENIZER},
    {"added_tokens.json", DOCUMENT_TOKENIZER},
    {"vocab.json", DOCUMENT_TOKENIZER},
    {"merges.txt", DOCUMENT_TOKENIZER},
    {"vocab.txt", DOCUMENT_TOKENIZER},
    {"spiece.model", DOCUMENT_TOKENIZER},
    {"source.spm", DOCUMENT_TOKENIZER},
    {"tokenizer.model", DOCUMENT_TOKENIZER},
    {"sentencepiece.bpe.model", DOCUMENT_TOKENIZER},
    {"bpe_simple_vocab_16e6.txt.gz", DOCUMENT_TOKENIZER},
    {"bpe_simple_vocab_16e6.txt", DOCUMENT_TOKENIZER},
    {"bpe.codes", DOCUMENT_TOKENIZER},
    {"dict.txt", DOCUMENT_TOKENIZER},
};

document_kind document_kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        if (!strcmp(documents[i].name, name)) return documents[i].kind;
    }
    return DOCUMENT_NONE;
}

const char *document_at(size_t i)
{
    return i < sizeof documents / sizeof *documents ? documents[i].name : NULL;
}

bool document_in_module(const char *path)
{
    const char *slash = strchr(path, '/');
    if (!slash) return true;
    const size_t digits = strspn(path, "0123456789");
    return digits && path[digits] == '_' && !strchr(slash + 1, '/');
}
