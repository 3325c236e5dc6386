/* SPDX-License-Identifier: Apache-2.0
 * bench_peer.c - simile's encoders as a program that takes turns with another one: tools/rivals/encoders.py.
 *
 *     bench_peer MODEL [--threads N] [--dtype f32 | bf16 | int8]
 *
 * Each line of standard input is answered with a line: seconds.
 *
 *     pixels N FILE OUT        N pictures, prepared: float32 [N, 3, size, size]; OUT gets the vectors, float32 [N, dim]
 *     tokens N LENGTH FILE OUT N texts of LENGTH ids: int32 [N, LENGTH], start and end tokens among them
 *     again TIMES              what came last, TIMES times: the mean of their seconds
 *
 * Reading and writing the files is not counted. One thread, beside those of the encoder. */
#include "base/file.h"
#include "base/mem.h"
#include "measure.h"
#include "model/model.h"

#include <stdio.h>

enum { MOST_PIECES = 4096, MOST_TOKENS = 4096, WORDS = 5 };

typedef struct {
    model *m;
    model_encoder *e;
    size_t n;
    float *pixels, *out; /* pixels NULL: texts */
    int32_t *ids;
    token_list *texts;
} peer;

static void stop(const char *message)
{
    fprintf(stderr, "bench_peer: %s\n", message);
    exit(1);
}

/* n bytes of a file, which has just as many. */
static void *read_exactly(const char *path, size_t n)
{
    char *data;
    size_t len;
    simile_error err;
    if (file_read(path, n, &data, &len, &err)) stop(err.message);
    if (len != n) stop("a file has another length than its numbers take");
    return data;
}

static size_t count(const char *text, size_t most)
{
    const long n = text ? strtol(text, NULL, 10) : 0;
    if (n < 1 || (size_t)n > most) stop("a number is out of range");
    return (size_t)n;
}

static void forget(peer *p)
{
    mem_free(p->pixels);
    mem_free(p->ids);
    mem_free(p->texts);
    mem_free(p->out);
    p->pixels = p->out = NULL;
    p->ids = NULL;
    p->texts = NULL;
}

static double encode(peer *p)
{
    simile_error err;
    if (!p->out) stop("nothing to encode");
    const double start = bench_now();
    const simile_status status = p->pixels ? model_encode_pixels(p->e, p->pixels, p->n, p->out, &err)
                                           : model_encode_tokens(p->e, p->texts, p->n, p->out, &err);
    if (status) stop(err.message);
    return bench_now() - start;
}

static double encode_to(peer *p, const char *path)
{
    const size_t dim = (size_t)model_info(p->m)->dim;
    p->out = mem_array(p->n, dim * sizeof *p->out);
    if (!p->out) stop("out of memory");
    const double seconds = encode(p);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p->out, dim * sizeof *p->out, p->n, f) != p->n || fclose(f)) stop("cannot write the vectors");
    return seconds;
}

static double take_pixels(peer *p, char **word)
{
    const image_prepare_spec *spec = model_image_spec(p->m);
    if (!spec || !word[2] || !word[3]) stop("pixels N FILE OUT, and a model with an image tower");
    forget(p);
    p->n = count(word[1], MOST_PIECES);
    p->pixels = read_exactly(word[2], p->n * 3 * (size_t)spec->width * (size_t)spec->height * sizeof *p->pixels);
    return encode_to(p, word[3]);
}

static double take_tokens(peer *p, char **word)
{
    if (!word[3] || !word[4]) stop("tokens N LENGTH FILE OUT");
    forget(p);
    p->n = count(word[1], MOST_PIECES);
    const size_t length = count(word[2], MOST_TOKENS);
    p->ids = read_exactly(word[3], p->n * length * sizeof *p->ids);
    p->texts = mem_array(p->n, sizeof *p->texts);
    if (!p->texts) stop("out of memory");
    for (size_t i = 0; i < p->n; i++) p->texts[i] = (token_list){.ids = p->ids + i * length, .n = length};
    return encode_to(p, word[4]);
}

static double again(peer *p, size_t times)
{
    double seconds = 0;
    for (size_t i = 0; i < times; i++) seconds += encode(p);
    return seconds / (double)times;
}

static double answer(peer *p, char *line)
{
    char *word[WORDS] = {NULL}, *rest = line;
    for (int i = 0; i < WORDS && (word[i] = strtok_r(rest, " \n", &rest)); i++) {
    }
    if (word[0] && !strcmp(word[0], "pixels")) return take_pixels(p, word);
    if (word[0] && !strcmp(word[0], "tokens")) return take_tokens(p, word);
    if (!word[0] || strcmp(word[0], "again") != 0) stop("a line is \"pixels\", \"tokens\" or \"again\"");
    return again(p, count(word[1], 1000));
}

int main(int argc, char **argv)
{
    char line[8192];
    int threads = 1;
    model_options how = {.compute = SIMILE_COMPUTE_F32};
    peer p = {.n = 0};
    simile_error err;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--threads"))
            threads = (int)count(argv[i + 1], 256);
        else if (!strcmp(argv[i], "--dtype") && bench_compute(argv[i + 1]) >= 0)
            how.compute = bench_compute(argv[i + 1]);
        else
            stop("usage: bench_peer MODEL [--threads N] [--dtype f32 | bf16 | int8]");
    }
    if (argc < 2 || argc % 2) stop("usage: bench_peer MODEL [--threads N] [--dtype f32 | bf16 | int8]");
    if (model_open(argv[1], &how, &p.m, &err) || model_encoder_new(p.m, threads, &p.e, &err)) stop(err.message);
    while (fgets(line, sizeof line, stdin)) {
        printf("%.9f\n", answer(&p, line));
        fflush(stdout);
    }
    forget(&p);
    model_encoder_free(p.e);
    model_close(p.m);
    return 0;
}
