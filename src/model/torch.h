/* SPDX-License-Identifier: Apache-2.0
 * torch.h - what the two file formats of torch.save share: a pickle that names tensors, and the bytes it points to. */
#ifndef SIMILE_MODEL_TORCH_H
#define SIMILE_MODEL_TORCH_H

#include "model/pickle.h"
#include "model/weights.h"

/* The bytes of the storage with this key; false when there is none. */
typedef bool (*torch_find)(void *user, const char *key, size_t len, const uint8_t **data, uint64_t *size);

/* Appends the tensors of the dictionary, or the object of TorchScript, that the pickle holds, and sorts them. */
simile_status torch_collect(const pickle *p, torch_find find, void *user, const char *subject, weight_table *out,
                            simile_error *err);

#endif
