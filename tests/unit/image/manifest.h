/* SPDX-License-Identifier: Apache-2.0
 * manifest.h - the lines of a manifest.txt that tools/fixtures/image_fixtures.py wrote, checked against src/image/. */
#ifndef SIMILE_TESTS_IMAGE_MANIFEST_H
#define SIMILE_TESTS_IMAGE_MANIFEST_H

#include "image/image.h"

typedef struct {
    char file[200], kind[8], upright[65], stored[65], clip[65], squash[65];
    char taken[24];
    int width, height, orientation;
} manifest_line;

/* One picture: what agreed, and how far a lossy one is from Pillow's pixels. */
typedef struct {
    bool facts, upright, stored, clip, squash; /* what the manifest leaves out ("-") counts as equal */
    bool near;
    int max_difference;     /* -1: sizes differ or FILE.rgb is missing */
    double mean_difference; /* over all bytes */
    char problem[300];      /* why it could not be read, or "" */
} manifest_result;

typedef void (*manifest_fn)(void *user, const manifest_line *line, const manifest_result *result);
/* Returns the number of lines, -1 when there is no manifest. */
int manifest_each(const char *folder, manifest_fn fn, void *user);

#endif
