/* SPDX-License-Identifier: Apache-2.0
 * torch_zip.c - the archives of torch.save (since 1.6) and torch.jit.save.
 *
 *     <folder>/data.pkl       a pickle of tensors that name their storages
 *     <folder>/data/<key>     the bytes of a storage, little-endian
 *     <folder>/byteorder      "little" or "big", in newer files
 *     <folder>/constants.pkl  TorchScript alone; its code, its constants and what else there is are never looked at
 *
 * Reference: pytorch, torch/serialization.py (_load) and docs/source/notes/serialization.rst. The bytes are hostile:
 * zip.c and pickle.c say what is refused. */
#include "base/mem.h"
#include "model/torch.h"
#include "model/zip.h"

#include <stdio.h>

typedef struct {
    const uint8_t *data;
    const zip_archive *zip;
} source;

static bool find_storage(void *user, const char *key, size_t len, const uint8_t **data, uint64_t *size)
{
    const source *s = user;
    char name[MAX_TENSOR_NAME];
    if (len > sizeof name - 6) return false;
    memcpy(name, "data/", 5);
    memcpy(name + 5, key, len);
    const zip_entry *e = zip_find(s->zip, name, 5 + len);
    if (!e) return false;
    *data = s->data + e->begin;
    *size = e->end - e->begin;
    return true;
}

static simile_status check_order(const uint8_t *data, const zip_archive *zip, const char *subject, simile_error *err)
{
    const zip_entry *e = zip_find(zip, "byteorder", 9);
    if (!e || (e->end - e->begin == 6 && !memcmp(data + e->begin, "little", 6))) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': its numbers are not little-endian", subject);
}

/* What is read has to be stored as it is; torch compresses code alone. */
static simile_status check_packed(const zip_archive *zip, const char *subject, simile_error *err)
{
    for (size_t i = 0; i < zip->n; i++) {
        const zip_entry *e = &zip->entries[i];
        const bool read = (e->name_len == 8 && !memcmp(e->name, "data.pkl", 8)) ||
                          (e->name_len == 9 && !memcmp(e->name, "byteorder", 9)) ||
                          (e->name_len > 5 && !memcmp(e->name, "data/", 5));
        if (read && e->packed)
            return err_set(err, SIMILE_E_UNSUPPORTED,
                           "cannot read '%s': the archive's entry '%.*s' is compressed, which torch never does",
                           subject, (int)(e->name_len < 100 ? e->name_len : 100), e->name);
    }
    return SIMILE_OK;
}

static simile_status read_archive(const uint8_t *data, const zip_archive *zip, const char *subject, weight_table *out,
                                  simile_error *err)
{
    pickle p;
    source s = {data, zip};
    const zip_entry *e = zip_find(zip, "data.pkl", 8);
    RETURN_IF_ERROR(check_packed(zip, subject, err));
    RETURN_IF_ERROR(check_order(data, zip, subject, err));
    if (!e)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a ZIP archive, but not one of torch: no data.pkl in it",
                       subject);
    RETURN_IF_ERROR(pickle_read(PICKLE_OF_TORCH, data + e->begin, (size_t)(e->end - e->begin), subject, &p, NULL, err));
    const simile_status status = torch_collect(&p, find_storage, &s, subject, out, err);
    pickle_release(&p);
    return status;
}

simile_status torch_zip_read(const uint8_t *data, size_t len, const char *subject, weight_table *out, bool *script,
                             simile_error *err)
{
    zip_archive zip;
    *out = (weight_table){.copy_max = len + COPY_ROOM};
    *script = false;
    RETURN_IF_ERROR(zip_read(data, len, subject, &zip, err));
    *script = zip_find(&zip, "constants.pkl", 13) != NULL;
    const simile_status status = read_archive(data, &zip, subject, out, err);
    zip_release(&zip);
    if (status) weight_table_release(out);
    return status;
}
