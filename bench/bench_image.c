/* SPDX-License-Identifier: Apache-2.0
 * bench_image.c - how long decoding, resizing and preparing take.
 *
 *     bench_image [--json] [FILE...]
 *     bench_image --peer
 *
 * The pictures are drawn, so that every machine measures the same work; files named on the command line are decoded as
 * well. Each figure is the median of 7 runs on one thread. Resizing is measured with every set of kernels that this
 * processor has. A JPEG is prepared whole, and decoded at the part of its size that indexing decodes it at.
 *
 * --peer is for tools/rivals/images.py, which takes turns with another program: each line of standard input, "whole
 * TIMES FILE OUT" or "reduced TIMES FILE OUT", is answered with the mean of the seconds that decoding the file and
 * preparing it for a network of 224 pixels took; OUT gets the numbers, float32 ("-": it does not). */
#include "base/file.h"
#include "base/mem.h"
#include "image/image.h"
#include "image/resample.h"
#include "measure.h"
#include "photographs.h"

#include <stdio.h>

enum { RUNS = 7 };

static bool as_json;
static int n_rows;

static void report(const char *what, const char *subject, int width, int height, double *ms)
{
    const double median = bench_median(ms, RUNS);
    if (as_json)
        printf("%s{\"what\":\"%s\",\"subject\":\"%s\",\"width\":%d,\"height\":%d,\"ms\":%.3f}", n_rows ? ",\n " : "[",
               what, subject, width, height, median);
    else
        printf("%-16s %-24.24s %6d x %-6d %10.3f ms\n", what, subject, width, height, median);
    n_rows++;
}

static image draw(int width, int height)
{
    image img = {.rgb = mem_array((size_t)width * (size_t)height, 3), .width = width, .height = height};
    uint32_t noise = 1;
    for (size_t i = 0; img.rgb && i < (size_t)width * (size_t)height * 3; i++) {
        noise = noise * 1664525U + 1013904223U;
        img.rgb[i] = (uint8_t)((i / 3 % (size_t)width >> 4) + (i / (size_t)width >> 6) + (noise >> 28));
    }
    return img;
}

static void bench_resize(const image *img, image_filter filter, const char *name)
{
    double ms[RUNS];
    const resample_window all = {0, 0, 224, 224};
    uint8_t *out = mem_array(224 * 224, 3);
    for (int level = 0; level < RESAMPLE_LEVELS; level++) {
        const resample_kernels *kernels = resample_kernels_at(level);
        char what[32];
        if (!kernels) continue;
        for (int i = 0; out && i < RUNS; i++) {
            const double start = bench_now();
            if (resample(img, filter, 224, 224, &all, kernels, out, NULL)) return;
            ms[i] = 1e3 * (bench_now() - start);
        }
        snprintf(what, sizeof what, "resize %s", kernels->name);
        report(what, name, img->width, img->height, ms);
    }
    mem_free(out);
}

/* As CLIP's models say. */
static const image_prepare_spec clip_spec = {.fit = IMAGE_FIT_SHORTEST,
                                             .filter = IMAGE_FILTER_BICUBIC,
                                             .resize_short = 224,
                                             .width = 224,
                                             .height = 224,
                                             .crop = true,
                                             .rescale = true,
                                             .normalize = true,
                                             .rescale_factor = 1 / 255.0,
                                             .mean = {0.48145466F, 0.4578275F, 0.40821073F},
                                             .std = {0.26862954F, 0.26130258F, 0.27577711F}};

static void bench_prepare(const image *img)
{
    double ms[RUNS];
    float *out = mem_array(3 * 224 * 224, sizeof *out);
    for (int i = 0; out && i < RUNS; i++) {
        const double start = bench_now();
        if (image_prepare(img, &clip_spec, out, NULL)) return;
        ms[i] = 1e3 * (bench_now() - start);
    }
    report("prepare", "shortest edge, bicubic", img->width, img->height, ms);
    mem_free(out);
}

/* Seconds of decoding and preparing; err is set where that is not 0 or more. */
static double decode_and_prepare(const void *bytes, size_t len, bool reduced, float *out, simile_error *err)
{
    const image_options options = {.enough = reduced ? image_enough(&clip_spec) : 0};
    image img;
    const double start = bench_now();
    if (image_decode(bytes, len, "picture", &options, &img, err)) return -1;
    const simile_status status = image_prepare(&img, &clip_spec, out, err);
    image_release(&img);
    return status ? -1 : bench_now() - start;
}

static void bench_jpeg(int width, int height)
{
    uint8_t *rgb = mem_array((size_t)width * (size_t)height, 3);
    float *out = mem_array(3 * 224 * 224, sizeof *out);
    void *jpeg = NULL;
    size_t len;
    simile_error err;
    if (rgb && out && !photograph_draw(1, width, height, rgb, &err) &&
        !photograph_jpeg(rgb, width, height, PHOTOGRAPH_QUALITY, false, &jpeg, &len, &err)) {
        for (int reduced = 0; reduced < 2; reduced++) {
            double ms[RUNS];
            for (int i = 0; i < RUNS; i++) ms[i] = 1e3 * decode_and_prepare(jpeg, len, reduced, out, &err);
            report("decode + prepare", reduced ? "drawn.jpg, as indexed" : "drawn.jpg, whole", width, height, ms);
        }
    }
    mem_free(jpeg);
    mem_free(rgb);
    mem_free(out);
}

static void bench_decode(const void *bytes, size_t len, const char *name)
{
    double ms[RUNS];
    simile_error err;
    int width = 0, height = 0;
    for (int i = 0; i < RUNS; i++) {
        image img;
        const double start = bench_now();
        if (image_decode(bytes, len, name, NULL, &img, &err)) {
            fprintf(stderr, "bench_image: %s\n", err.message);
            return;
        }
        ms[i] = 1e3 * (bench_now() - start);
        width = img.width;
        height = img.height;
        image_release(&img);
    }
    report("decode", name, width, height, ms);
}

static void bench_file(const char *path)
{
    char *bytes = NULL, *name = path_name(path);
    size_t len = 0;
    simile_error err;
    if (file_read(path, (size_t)1 << 30, &bytes, &len, &err))
        fprintf(stderr, "bench_image: %s\n", err.message);
    else
        bench_decode(bytes, len, name ? name : path);
    mem_free(bytes);
    mem_free(name);
}

static void bench_drawn(int width, int height)
{
    image img = draw(width, height);
    const size_t n = (size_t)width * (size_t)height * 3;
    char head[64];
    const int head_len = snprintf(head, sizeof head, "P6 %d %d 255\n", width, height);
    char *ppm = mem_alloc(n + sizeof head);
    if (img.rgb && ppm) {
        memcpy(ppm, head, (size_t)head_len);
        memcpy(ppm + head_len, img.rgb, n);
        bench_decode(ppm, n + (size_t)head_len, "drawn.ppm");
        bench_resize(&img, IMAGE_FILTER_BICUBIC, "bicubic");
        bench_resize(&img, IMAGE_FILTER_BILINEAR, "bilinear");
        bench_prepare(&img);
    }
    mem_free(ppm);
    image_release(&img);
}

static void peer_stop(const char *message)
{
    fprintf(stderr, "bench_image: %s\n", message);
    exit(1);
}

static double peer_answer(char *line, float *out)
{
    char *word[4] = {NULL}, *rest = line, *bytes;
    size_t len;
    simile_error err;
    for (int i = 0; i < 4; i++) {
        word[i] = strtok_r(rest, " \n", &rest);
        if (!word[i]) peer_stop("a line is \"whole|reduced TIMES FILE OUT\"");
    }
    const bool reduced = !strcmp(word[0], "reduced");
    const long times = strtol(word[1], NULL, 10);
    if ((!reduced && strcmp(word[0], "whole") != 0) || times < 1) peer_stop("a line cannot be read");
    if (file_read(word[2], (size_t)1 << 30, &bytes, &len, &err)) peer_stop(err.message);
    double seconds = 0;
    for (long i = 0; i < times; i++) {
        const double one = decode_and_prepare(bytes, len, reduced, out, &err);
        if (one < 0) peer_stop(err.message);
        seconds += one;
    }
    mem_free(bytes);
    FILE *f = strcmp(word[3], "-") ? fopen(word[3], "wb") : NULL;
    if (f && (fwrite(out, sizeof *out, 3 * 224 * 224, f) != 3 * 224 * 224 || fclose(f))) peer_stop("cannot write");
    return seconds / (double)times;
}

static int serve_peer(void)
{
    char line[8192];
    float *out = mem_array(3 * 224 * 224, sizeof *out);
    if (!out) peer_stop("out of memory");
    while (fgets(line, sizeof line, stdin)) {
        printf("%.9f\n", peer_answer(line, out));
        fflush(stdout);
    }
    mem_free(out);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--peer")) return serve_peer();
    as_json = argc > 1 && !strcmp(argv[1], "--json");
    bench_drawn(640, 480);
    bench_drawn(4000, 3000);
    bench_jpeg(4000, 3000);
    for (int i = 1 + as_json; i < argc; i++) bench_file(argv[i]);
    if (as_json) printf("]\n");
    return 0;
}
