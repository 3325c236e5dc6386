/* SPDX-License-Identifier: Apache-2.0
 * make_pictures.c - fills a folder with pictures for tests that need many: make_pictures FOLDER COUNT
 *
 * The same arguments always make the same files, times of change included. Fifty a sub-folder; every 17th has the bytes
 * of an earlier one, every 23rd is no picture. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WIDTH = 64, HEIGHT = 48, PER_FOLDER = 50 };

static void paint(unsigned seed, uint8_t *rgb)
{
    uint32_t state = seed * 2654435761u + 1;
    uint8_t colours[12];
    for (size_t i = 0; i < sizeof colours; i++) {
        state = state * 1664525u + 1013904223u;
        colours[i] = (uint8_t)(state >> 24);
    }
    const unsigned split_x = 8 + seed % 48, split_y = 8 + seed / 48 % 32;
    for (unsigned y = 0; y < HEIGHT; y++)
        for (unsigned x = 0; x < WIDTH; x++)
            for (unsigned c = 0; c < 3; c++) {
                const unsigned quarter = (x >= split_x ? 1u : 0u) + (y >= split_y ? 2u : 0u);
                rgb[(y * WIDTH + x) * 3 + c] = (uint8_t)(colours[3 * quarter + c] + ((x ^ y) & 15));
            }
}

static int write_picture(const char *path, unsigned at)
{
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    FILE *out = fopen(path, "wb");
    if (!out) return -1;
    if (at % 23 == 22) {
        fprintf(out, "this is file %u and no picture", at);
    } else {
        paint(at % 17 == 16 ? at / 2 : at, rgb);
        fprintf(out, "P6\n%d %d\n255\n", WIDTH, HEIGHT);
        fwrite(rgb, 1, sizeof rgb, out);
    }
    const struct timespec times[2] = {{.tv_sec = 1000000000 + at}, {.tv_sec = 1000000000 + at}};
    const int failed = ferror(out);
    return fclose(out) || failed || utimensat(AT_FDCWD, path, times, 0) ? -1 : 0;
}

int main(int argc, char **argv)
{
    const int count = argc == 3 ? atoi(argv[2]) : 0;
    char path[4096];
    if (count < 1) {
        fprintf(stderr, "usage: make_pictures FOLDER COUNT\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%03d", argv[1], i / PER_FOLDER);
        int failed = i % PER_FOLDER == 0 && mkdir(path, 0777) && errno != EEXIST;
        snprintf(path, sizeof path, "%s/%03d/%05d.ppm", argv[1], i / PER_FOLDER, i);
        if (!failed) failed = write_picture(path, (unsigned)i);
        if (failed) {
            fprintf(stderr, "make_pictures: %s: %s\n", path, strerror(errno));
            return 1;
        }
    }
    return 0;
}
