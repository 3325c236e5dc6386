/* SPDX-License-Identifier: Apache-2.0
 * dump_catalog.c - everything that a catalogue says, one line an item: dump_catalog FILE
 *
 * Two catalogues with the same dump are the same: model, ids, facts, vectors bit for bit. */
#include "base/mem.h"
#include "store/catalog.h"

#include <stdio.h>

static int print_item(void *user, const catalog_item *item)
{
    char hash[DIGEST_HEX] = "-";
    if (item->has_hash) digest_hex(item->hash, hash);
    printf("item %lld kind %d status %d path %s text %s reason %s hash %s size %lld mtime %lld taken %lld %d x %d\n",
           (long long)item->id, item->kind, item->status, item->path ? item->path : "-", item->text ? item->text : "-",
           item->reason ? item->reason : "-", hash, (long long)item->size, (long long)item->mtime_ns,
           (long long)item->taken, item->width, item->height);
    return 0;
}

static int print_vector(void *user, int64_t id, const void *vector, size_t bytes)
{
    printf("vector %lld ", (long long)id);
    for (size_t i = 0; i < bytes; i++) printf("%02x", ((const unsigned char *)vector)[i]);
    putchar('\n');
    return 0;
}

static simile_status dump(catalog *c, simile_error *err)
{
    catalog_model model;
    RETURN_IF_ERROR(catalog_get_model(c, &model, err));
    printf("model %s %s %d space %s\n", model.digest, model.name, model.dim, *model.space ? model.space : "-");
    RETURN_IF_ERROR(catalog_each(c, print_item, NULL, err));
    RETURN_IF_ERROR(catalog_each_vector(c, SIMILE_KIND_IMAGE, 0, print_vector, NULL, err));
    return catalog_each_vector(c, SIMILE_KIND_TEXT, 0, print_vector, NULL, err);
}

int main(int argc, char **argv)
{
    catalog *c;
    simile_error err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: dump_catalog FILE\n");
        return 2;
    }
    simile_status status = catalog_open(argv[1], true, &c, &err);
    if (!status) status = dump(c, &err);
    if (status) fprintf(stderr, "dump_catalog: %s\n", err.message);
    catalog_close(c);
    return status ? 1 : 0;
}
