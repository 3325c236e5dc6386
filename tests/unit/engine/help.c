/* SPDX-License-Identifier: Apache-2.0
 * help.c - see help.h. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/catalog.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

simile_error err;
bench lab;

const char *bench_model_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/models/%s", SIMILE_FIXTURES, name);
    return path;
}

int bench_open(void **state)
{
    snprintf(lab.folder, sizeof lab.folder, "/tmp/simile-engine-XXXXXX");
    if (!mkdtemp(lab.folder)) return -1;
    snprintf(lab.pictures, sizeof lab.pictures, "%s/p", lab.folder);
    snprintf(lab.catalog, sizeof lab.catalog, "%s/c.simile", lab.folder);
    make_folder(lab.pictures);
    if (lab.model) return 0;
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = 2};
    assert_ok(simile_model_open(bench_model_path("tiny-quick"), NULL, &lab.model, &err));
    assert_ok(simile_encoder_new(lab.model, &options, &lab.encoder, &err));
    return 0;
}

int bench_close(void **state)
{
    remove_tree(lab.folder);
    return 0;
}

void bench_forget_model(void)
{
    simile_encoder_free(lab.encoder);
    simile_model_close(lab.model);
    lab = (bench){0};
}

/* ---- files ---- */

const char *in_pictures(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", lab.pictures, name);
    return path;
}

void write_bytes(const char *path, const void *bytes, size_t len, long mtime_s)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    const struct timespec times[2] = {{.tv_sec = mtime_s}, {.tv_sec = mtime_s}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

void draw(const char *path, unsigned seed, long mtime_s)
{
    enum { WIDTH = 40, HEIGHT = 30, HEAD = 13 };
    uint8_t bytes[HEAD + WIDTH * HEIGHT * 3 + 1];
    const unsigned a = seed * 2654435761u + 12345, c = seed * 40503u + 7;
    snprintf((char *)bytes, HEAD + 1, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
    uint8_t *at = bytes + HEAD;
    for (unsigned y = 0; y < HEIGHT; y++)
        for (unsigned x = 0; x < WIDTH; x++)
            for (unsigned channel = 0; channel < 3; channel++)
                *at++ =
                    (uint8_t)(((x * (a >> 8 & 15) + y * (c >> 4 & 15)) * (channel + 1) + (a >> (8 * channel))) & 255);
    write_bytes(path, bytes, HEAD + WIDTH * HEIGHT * 3, mtime_s);
}

void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    return remove(path);
}

void remove_tree(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- catalogues ---- */

simile_library *open_library(void)
{
    simile_library *library;
    const simile_library_options options = {.struct_size = sizeof options, .threads = 2};
    assert_ok(simile_library_open(lab.catalog, lab.model, &options, &library, &err));
    return library;
}

simile_add_report add_with(simile_library *library, const simile_add_options *options)
{
    simile_add_report report;
    const char *path = lab.pictures;
    assert_ok(simile_library_add(library, lab.encoder, &path, 1, options, &report, &err));
    return report;
}

simile_add_report add_all(simile_library *library)
{
    return add_with(library, NULL);
}

typedef struct {
    const char *path;
    int64_t id;
    int32_t status;
    char reason[256];
} item_search;

static int match_item(void *user, const simile_item *item)
{
    item_search *search = user;
    if (!item->path || strcmp(item->path, search->path)) return 0;
    search->id = item->id;
    search->status = item->status;
    snprintf(search->reason, sizeof search->reason, "%s", item->reason ? item->reason : "");
    return 1;
}

int64_t item_id(simile_library *library, const char *name)
{
    item_search search = {.path = in_pictures(name)};
    assert_ok(simile_library_each(library, match_item, &search, &err));
    return search.id;
}

bool item_is_quarantined(simile_library *library, const char *name, char reason[256])
{
    item_search search = {.path = in_pictures(name)};
    assert_ok(simile_library_each(library, match_item, &search, &err));
    if (reason) memcpy(reason, search.reason, sizeof search.reason);
    return search.id && search.status == SIMILE_ITEM_QUARANTINED;
}

bool item_vector(const char *catalog_path, int64_t id, float *out)
{
    catalog *c;
    assert_ok(catalog_open(catalog_path, true, &c, &err));
    const simile_status status = catalog_get_vector(c, id, out, simile_model_get_info(lab.model)->dim, &err);
    catalog_close(c);
    assert_true(status == SIMILE_OK || status == SIMILE_E_NOT_FOUND);
    return !status;
}

static int dump_item(void *user, const catalog_item *item)
{
    char hash[DIGEST_HEX];
    digest_hex(item->hash, hash);
    fprintf(user, "%lld %d %d %s|%s|%s %s %lld %lld %lld %d %d\n", (long long)item->id, item->kind, item->status,
            item->path ? item->path : "-", item->text ? item->text : "-", item->reason ? item->reason : "-", hash,
            (long long)item->size, (long long)item->mtime_ns, (long long)item->taken, item->width, item->height);
    return 0;
}

static int dump_vector(void *user, int64_t id, const void *vector, size_t bytes)
{
    fprintf(user, "%lld ", (long long)id);
    for (size_t i = 0; i < bytes; i++) fprintf(user, "%02x", ((const unsigned char *)vector)[i]);
    fputc('\n', user);
    return 0;
}

char *dump(const char *catalog_path)
{
    catalog *c;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_ok(catalog_open(catalog_path, true, &c, &err));
    assert_ok(catalog_each(c, dump_item, out, &err));
    for (int kind = 0; kind < 2; kind++) assert_ok(catalog_each_vector(c, kind, 0, dump_vector, out, &err));
    catalog_close(c);
    fclose(out);
    return text;
}
