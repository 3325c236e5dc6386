/* SPDX-License-Identifier: Apache-2.0
 * fuzz_catalog.c - any bytes as a catalogue that is opened for reading, checked and listed. SQLite needs a file, so
 * each input is written to one in memory (/dev/shm) or, where there is none, in /tmp. */
#include "base/mem.h"
#include "store/catalog.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink; /* what is read must really be read */

static void look_at_problem(void *user, int64_t id, const char *path, const char *problem)
{
    sink ^= (unsigned char)problem[0];
}

static int look_at_item(void *user, const catalog_item *item)
{
    const char *text = item->path ? item->path : item->text;
    for (size_t i = 0; text[i]; i++) sink ^= (unsigned char)text[i];
    if (item->kind == SIMILE_KIND_IMAGE ? text[0] != '/' : item->path != NULL) __builtin_trap();
    if (item->width < 0 || item->height < 0 || item->size < 0) __builtin_trap();
    return 0;
}

static int look_at_vector(void *user, int64_t id, const void *vector, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) sink ^= ((const unsigned char *)vector)[i];
    return 0;
}

static int look_at_id(void *user, int64_t id)
{
    sink ^= (unsigned char)id;
    return 0;
}

static int look_at_period(void *user, int32_t year, int32_t month, int64_t count)
{
    if (month < 1 || month > 12 || count < 1) abort();
    return 0;
}

static int look_at_folder(void *user, const char *folder, int64_t count)
{
    if (*folder != '/' || count < 1) abort();
    return 0;
}

static void read_all(catalog *c)
{
    const catalog_filter filter = {.glob = "*.[a-p]*", .has_after = true, .after = 5};
    const catalog_filter below = {.kind = SIMILE_ANY, .status = SIMILE_ANY, .folder = "/"};
    catalog_item item;
    float vector[16];
    int64_t items;
    bool found;
    catalog_check(c, look_at_problem, NULL, &items, NULL);
    catalog_each(c, look_at_item, NULL, NULL);
    catalog_each_below(c, "/p", look_at_item, NULL, NULL);
    catalog_each_vector(c, SIMILE_KIND_IMAGE, 0, look_at_vector, NULL, NULL);
    catalog_each_match(c, &filter, look_at_id, NULL, NULL);
    catalog_list(c, &below, SIMILE_ORDER_NEWEST, 0, 0, look_at_item, NULL, NULL);
    catalog_each_period(c, &below, look_at_period, NULL, NULL);
    catalog_each_folder(c, &below, look_at_folder, NULL, NULL);
    catalog_find_text(c, "two dogs", &item, &found, NULL);
    catalog_get_vector(c, 1, vector, 4, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    const char *folder = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(path, sizeof path, "%s/simile-fuzz-%ld", folder, (long)getpid());
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return 0;
    const bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    catalog *c;
    if (written && !catalog_open(path, true, &c, NULL)) {
        read_all(c);
        catalog_close(c);
    }
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    return 0;
}
