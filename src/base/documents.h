/* SPDX-License-Identifier: Apache-2.0
 * documents.h - the small files that go with the weights of a published model, by the names that everybody gives them.
 *
 * What is fetched, and what a conversion takes along. Weights and their indices are no documents. */
#ifndef SIMILE_BASE_DOCUMENTS_H
#define SIMILE_BASE_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    DOCUMENT_NONE,
    DOCUMENT_NETWORK, /* what describes the network and its preprocessing */
    DOCUMENT_TOKENIZER
} document_kind;

document_kind document_kind_of(const char *name); /* without its folder */
const char *document_at(size_t i);                /* each such name once; NULL beyond the end */

/* Does this path, relative to a model, lie in the model itself or in a folder of sentence-transformers' modules:
 * digits,
 * '_', anything ("0_CLIPModel/config.json", "2_Dense/config.json")? */
bool document_in_module(const char *path);

#endif
