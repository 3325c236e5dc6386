/* SPDX-License-Identifier: Apache-2.0
 * own_vectors.c - what a model makes of many small pictures and of captions, as files that tools/rivals/search.py and
 * search_peer read.
 *
 *     simile-scenes render --number 1000000 --seed 9 --size 96 --held-out any --labels /dev/null -o /dev/stdout |
 *         own_vectors MODEL 96 CAPTIONS.txt FOLDER
 *
 * Standard input has squares of RGB bytes, one after the other, until it ends; CAPTIONS.txt has a text a line. Writes
 * FOLDER/rows.npy and FOLDER/queries.npy: float32 [n, dim], unit length. One thread encodes. */
#include "base/mem.h"
#include "simile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, HEAD = 128, LINE = 1024 };

static simile_error err;

static void stop(const char *message)
{
    fprintf(stderr, "own_vectors: %s\n", message);
    exit(1);
}

static void check(simile_status status)
{
    if (status) stop(err.message);
}

/* The header of numpy's format, version 1: 128 bytes with its end, so that the rows lie aligned. */
static void write_header(FILE *f, int64_t n, int32_t dim)
{
    char text[HEAD] = "\x93NUMPY\x01";
    const int at = 10;
    text[8] = HEAD - at;
    memset(text + at, ' ', HEAD - at - 1);
    text[HEAD - 1] = '\n';
    char words[HEAD];
    const int len =
        snprintf(words, sizeof words, "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRId64 ", %d), }", n, dim);
    memcpy(text + at, words, (size_t)len);
    if (fseek(f, 0, SEEK_SET) || fwrite(text, 1, HEAD, f) != HEAD) stop("cannot write");
}

static FILE *begin(const char *folder, const char *name, int32_t dim)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) stop("cannot write into the folder");
    write_header(f, 0, dim);
    return f;
}

static void finish(FILE *f, int64_t n, int32_t dim)
{
    write_header(f, n, dim);
    if (fclose(f)) stop("cannot write");
}

static void put(FILE *f, const float *vectors, size_t n, int32_t dim)
{
    if (fwrite(vectors, sizeof(float) * (size_t)dim, n, f) != n) stop("cannot write");
}

/* The next squares of standard input, at most BATCH. */
static size_t next_pictures(unsigned char *rgb, int side, simile_image *images[BATCH])
{
    const size_t bytes = (size_t)side * (size_t)side * 3;
    const size_t n = fread(rgb, bytes, BATCH, stdin);
    for (size_t i = 0; i < n; i++)
        check(simile_image_from_pixels(rgb + i * bytes, side, side, (size_t)side * 3, &images[i], &err));
    return n;
}

static void encode_pictures(simile_encoder *encoder, int side, int32_t dim, FILE *f)
{
    unsigned char *rgb = mem_array((size_t)side * (size_t)side * 3, BATCH);
    float *vectors = mem_array((size_t)dim * BATCH, sizeof *vectors);
    simile_image *images[BATCH];
    int64_t n = 0;
    if (!rgb || !vectors) stop("out of memory");
    for (size_t some; (some = next_pictures(rgb, side, images)) > 0; n += (int64_t)some) {
        check(simile_encode_images(encoder, (const simile_image *const *)images, some, vectors, &err));
        for (size_t i = 0; i < some; i++) simile_normalize(vectors + i * (size_t)dim, dim);
        put(f, vectors, some, dim);
        for (size_t i = 0; i < some; i++) simile_image_free(images[i]);
    }
    mem_free(rgb);
    mem_free(vectors);
    finish(f, n, dim);
    printf("%" PRId64 " pictures\n", n);
}

static void encode_captions(simile_encoder *encoder, const char *path, int32_t dim, FILE *f)
{
    FILE *captions = fopen(path, "r");
    float *vector = mem_array((size_t)dim, sizeof *vector);
    char line[LINE];
    int64_t n = 0;
    if (!captions || !vector) stop("cannot read the captions");
    for (; fgets(line, sizeof line, captions); n++) {
        const char *text = line;
        line[strcspn(line, "\n")] = 0;
        check(simile_encode_texts(encoder, &text, 1, vector, NULL, &err));
        simile_normalize(vector, dim);
        put(f, vector, 1, dim);
    }
    fclose(captions);
    mem_free(vector);
    finish(f, n, dim);
    printf("%" PRId64 " captions\n", n);
}

int main(int argc, char **argv)
{
    const simile_encoder_options one = {.struct_size = sizeof one, .threads = 1};
    simile_model *model;
    simile_encoder *encoder;
    const int side = argc == 5 ? atoi(argv[2]) : 0;
    if (side < 1 || side > 4096) {
        fputs("usage: own_vectors MODEL SIDE CAPTIONS.txt FOLDER <SQUARES\n", stderr);
        return 2;
    }
    check(simile_model_open(argv[1], NULL, &model, &err));
    check(simile_encoder_new(model, &one, &encoder, &err));
    const int32_t dim = simile_model_get_info(model)->dim;
    encode_captions(encoder, argv[3], dim, begin(argv[4], "queries.npy", dim));
    encode_pictures(encoder, side, dim, begin(argv[4], "rows.npy", dim));
    simile_encoder_free(encoder);
    simile_model_close(model);
    return 0;
}
