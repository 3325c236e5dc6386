/* SPDX-License-Identifier: Apache-2.0
 * scratch.c - see scratch.h. */
#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char scratch[64];

int scratch_make(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/simile-serve-XXXXXX");
    return mkdtemp(scratch) ? 0 : 1;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *in_scratch(const char *name)
{
    static char paths[4][512];
    static int at;
    char *path = paths[at++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

void make_folder(const char *name)
{
    if (mkdir(in_scratch(name), 0777)) abort();
}

void draw(const char *name, unsigned seed)
{
    enum { SIDE = 24 };
    FILE *out = fopen(in_scratch(name), "wb");
    if (!out) abort();
    fprintf(out, "P6 %d %d 255\n", SIDE, SIDE);
    for (unsigned i = 0; i < SIDE * SIDE * 3; i++) {
        seed = seed * 1664525u + 1013904223u;
        fputc((int)(seed >> 24), out);
    }
    if (fclose(out)) abort();
}

void draw_many(const char *folder, unsigned n)
{
    char name[256];
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s/%04u.ppm", folder, i);
        draw(name, i + 1);
    }
}
