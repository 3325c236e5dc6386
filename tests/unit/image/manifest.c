/* SPDX-License-Identifier: Apache-2.0
 * manifest.c - see manifest.h. */
#include "manifest.h"

#include "base/file.h"
#include "base/mem.h"
#include "samples.h"

#include <inttypes.h>
#include <stdio.h>

static bool tensor_equal(const image *img, const image_prepare_spec *spec, const char *expected)
{
    char hash[65] = "";
    if (!strcmp(expected, "-")) return true;
    const size_t n = (size_t)spec->width * (size_t)spec->height * 3;
    float *tensor = mem_array(n, sizeof *tensor);
    if (tensor && !image_prepare(img, spec, tensor, NULL)) hash_of(tensor, n * sizeof *tensor, hash);
    mem_free(tensor);
    return !strcmp(hash, expected);
}

static bool pixels_equal(const image *img, const char *expected)
{
    char hash[65];
    hash_of(img->rgb, (size_t)img->width * (size_t)img->height * 3, hash);
    return !strcmp(expected, "-") || !strcmp(hash, expected);
}

static void measure(const char *path, const image *img, manifest_result *result)
{
    char *name = mem_printf("%s.rgb", path), *data = NULL;
    const size_t n = (size_t)img->width * (size_t)img->height * 3;
    size_t len = 0;
    result->max_difference = -1;
    if (name && !file_read(name, (size_t)1 << 30, &data, &len, NULL) && len == n) {
        int64_t sum = 0;
        result->max_difference = 0;
        for (size_t i = 0; i < n; i++) {
            const int d = abs((int)(uint8_t)data[i] - (int)img->rgb[i]);
            sum += d;
            if (d > result->max_difference) result->max_difference = d;
        }
        result->mean_difference = (double)sum / (double)n;
    }
    mem_free(data);
    mem_free(name);
}

static bool facts_equal(const manifest_line *line, const image *img)
{
    char taken[24] = "-";
    if (img->taken != INT64_MIN) snprintf(taken, sizeof taken, "%" PRId64, img->taken);
    return img->width == line->width && img->height == line->height && img->orientation == line->orientation &&
           !strcmp(taken, line->taken);
}

static void check_line(const char *folder, const manifest_line *line, manifest_result *result)
{
    *result = (manifest_result){.near = !strcmp(line->kind, "near")};
    const image_prepare_spec clip = spec_of(224, IMAGE_FILTER_BICUBIC, 224, 224);
    const image_prepare_spec squash = spec_of(0, IMAGE_FILTER_BILINEAR, 64, 48);
    const image_options raw = {.ignore_orientation = true};
    char *path = path_join(folder, line->file);
    image img = {0};
    simile_error err = {.message = ""};
    if (!image_open(path, NULL, &img, &err)) {
        result->facts = facts_equal(line, &img);
        result->upright = pixels_equal(&img, line->upright);
        if (result->near) measure(path, &img, result);
        image_release(&img);
    }
    if (!image_open(path, &raw, &img, &err)) {
        result->stored = pixels_equal(&img, line->stored);
        result->clip = tensor_equal(&img, &clip, line->clip);
        result->squash = tensor_equal(&img, &squash, line->squash);
        image_release(&img);
    }
    snprintf(result->problem, sizeof result->problem, "%s", err.message);
    mem_free(path);
}

int manifest_each(const char *folder, manifest_fn fn, void *user)
{
    char *path = path_join(folder, "manifest.txt");
    FILE *f = fopen(path, "r");
    mem_free(path);
    if (!f) return -1;
    manifest_line line;
    manifest_result result;
    int n = 0;
    while (fscanf(f, "%199s %7s %d %d %d %23s %64s %64s %64s %64s", line.file, line.kind, &line.width, &line.height,
                  &line.orientation, line.taken, line.upright, line.stored, line.clip, line.squash) == 10) {
        check_line(folder, &line, &result);
        fn(user, &line, &result);
        n++;
    }
    fclose(f);
    return n;
}
