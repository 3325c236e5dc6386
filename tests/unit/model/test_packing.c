/* SPDX-License-Identifier: Apache-2.0
 * test_packing.c - a tower whose matrices come out of a file gives the vectors that it gives otherwise, bit for bit,
 * and a file that is not right is made anew. Where the product library packs the weights nothing is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/packed.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 4096 };
static const char identity[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

typedef struct {
    char folder[64];
    float text[MOST], picture[MOST];
    size_t dim;
} place;

static void begin(place *p)
{
    *p = (place){.folder = "/tmp/simile-packing-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
}

static void end(place *p)
{
    packed_remove(p->folder, NULL);
    assert_int_equal(rmdir(p->folder), 0);
}

/* The vectors of a text and of a picture, with the folder or, NULL, without. */
static simile_status encode_in(int32_t compute, const char *name, const char *folder, place *out)
{
    const model_options options = {.compute = compute};
    char path[512];
    model *m = NULL;
    model_encoder *e = NULL;
    token_list tokens = {0};
    float *pixels = NULL;
    snprintf(path, sizeof path, "%s/%s", SIMILE_FIXTURES, name);
    simile_status status = model_open(path, &options, &m, NULL);
    if (status) return status;
    if (folder) model_keep_packed(m, folder, identity);
    const size_t size = (size_t)model_info(m)->image_size, context = (size_t)model_info(m)->context;
    out->dim = (size_t)model_info(m)->dim;
    status = model_encoder_new(m, 1, &e, NULL);
    if (!status && context) status = tokenizer_encode(model_tokenizer(m), "two dogs", 8, context, &tokens, NULL);
    if (!status && context) status = model_encode_tokens(e, &tokens, 1, out->text, NULL);
    if (!status && size && !(pixels = mem_array(3 * size * size, sizeof *pixels))) status = SIMILE_E_NOMEM;
    for (size_t i = 0; pixels && i < 3 * size * size; i++) pixels[i] = (float)(i % 17) / 8 - 1;
    if (pixels) status = model_encode_pixels(e, pixels, 1, out->picture, NULL);
    mem_free(pixels);
    mem_free(tokens.ids);
    model_encoder_free(e);
    model_close(m);
    return status;
}

static simile_status encode(const char *name, const char *folder, place *out)
{
    return encode_in(SIMILE_COMPUTE_INT8, name, folder, out);
}

static bool same(const place *a, const place *b)
{
    return a->dim == b->dim && !memcmp(a->text, b->text, a->dim * sizeof(float)) &&
           !memcmp(a->picture, b->picture, a->dim * sizeof(float));
}

typedef struct {
    char paths[8][512];
    size_t n;
} files;

static int note(void *user, const char *path, const file_facts *facts)
{
    files *f = user;
    assert_true(f->n < 8);
    snprintf(f->paths[f->n++], sizeof f->paths[0], "%s", path);
    return 0;
}

static files files_in(const place *p)
{
    files f = {.n = 0};
    file_walk(p->folder, note, NULL, &f, NULL);
    return f;
}

/* Turns all bits of the blocks around; the file looks as if nobody had touched it, unless `later`. */
static void spoil(const char *path, bool later)
{
    struct stat st;
    uint8_t bytes[4096];
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 4096 + 64; at < st.st_size; at += (off_t)sizeof bytes) {
        const ssize_t n = pread(fd, bytes, sizeof bytes, at);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) bytes[i] ^= 0x11;
        assert_int_equal(pwrite(fd, bytes, (size_t)n, at), n);
    }
    const struct timespec times[2] = {st.st_atim, {st.st_mtim.tv_sec + later, st.st_mtim.tv_nsec}};
    futimens(fd, times);
    close(fd);
}

/* False: nothing is kept on this machine. */
static bool check_model(int32_t compute, const char *name, size_t towers)
{
    static place plain, first, again;
    begin(&first);
    plain = again = first;
    assert_int_equal(encode_in(compute, name, NULL, &plain), SIMILE_OK);
    assert_int_equal(files_in(&first).n, 0);
    assert_int_equal(encode_in(compute, name, first.folder, &first), SIMILE_OK);
    assert_true(same(&plain, &first));
    const files made = files_in(&first);
    if (made.n) {
        assert_int_equal(made.n, towers);
        assert_int_equal(encode_in(compute, name, first.folder, &again), SIMILE_OK);
        assert_true(same(&plain, &again));
        for (size_t i = 0; i < made.n; i++) spoil(made.paths[i], true);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(encode_in(compute, name, first.folder, &again), SIMILE_OK);
            assert_true(same(&plain, &again));
        }
    }
    end(&first);
    return made.n > 0;
}

static void vectors_are_the_same_with_and_without_files(void **state)
{
    static const struct {
        const char *name;
        size_t towers;
    } models[] = {{"models/tiny-quick", 2},
                  {"models/tiny-bf16", 2},
                  {"models/tiny-sharded", 2},
                  {"models/chinese-hf", 2},
                  {"models/sentence-distil", 1}};
    for (int32_t compute = SIMILE_COMPUTE_F32; compute <= SIMILE_COMPUTE_INT8; compute++)
        for (size_t i = 0; i < sizeof models / sizeof *models; i++)
            if (!check_model(compute, models[i].name, models[i].towers))
                print_message("%s: nothing is kept\n", models[i].name);
}

/* What lies in the file is what is computed with: nobody looks at blocks that nobody doubts. */
static void what_is_in_the_file_is_used(void **state)
{
    static place first, again;
    begin(&first);
    again = first;
    assert_int_equal(encode("models/tiny-quick", first.folder, &first), SIMILE_OK);
    const files made = files_in(&first);
    struct stat before, after;
    if (made.n) {
        const int fd = open(made.paths[0], O_RDONLY);
        assert_int_equal(fstat(fd, &before), 0);
        close(fd);
        assert_int_equal(encode("models/tiny-quick", first.folder, &again), SIMILE_OK);
        assert_int_equal(stat(made.paths[0], &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    }
    end(&first);
}

/* Neither read nor written again. */
static void what_others_may_write_to_is_left_alone(void **state)
{
    static place first, again;
    struct stat st;
    begin(&first);
    again = first;
    assert_int_equal(encode("models/tiny-quick", first.folder, &first), SIMILE_OK);
    const files made = files_in(&first);
    for (size_t i = 0; i < made.n; i++) assert_int_equal(chmod(made.paths[i], 0666), 0);
    assert_int_equal(encode("models/tiny-quick", first.folder, &again), SIMILE_OK);
    assert_true(same(&first, &again));
    for (size_t i = 0; i < made.n; i++) {
        assert_int_equal(stat(made.paths[i], &st), 0);
        assert_int_equal(st.st_mode & 0777, 0666);
    }
    end(&first);
}

static size_t foreign_bytes(const void *user, size_t i)
{
    return 200;
}

static void foreign_make(const void *user, size_t i, void *out)
{
    memset(out, (int)i + 1, 200);
}

/* A file with the right key and the right digests, but with other things in it. */
static void other_blocks_are_refused(void **state)
{
    static place plain, first;
    begin(&first);
    plain = first;
    assert_int_equal(encode("models/tiny-quick", first.folder, &plain), SIMILE_OK);
    const files made = files_in(&first);
    for (size_t i = 0; i < made.n; i++) {
        packed_key key = {.tower = strstr(made.paths[i], "-text-") ? "text" : "image", .precision = NN_COMPUTE_INT8};
        memcpy(key.model, identity, sizeof identity);
        key.packing = strtoull(strrchr(made.paths[i], '-') + 1, NULL, 16);
        for (size_t n = 0; n < 60; n += 29) {
            const packed_blocks blocks = {n, foreign_bytes, foreign_make, NULL};
            assert_int_equal(packed_write(made.paths[i], &key, &blocks, 1 << 20, NULL), SIMILE_OK);
            assert_int_equal(encode("models/tiny-quick", first.folder, &first), SIMILE_OK);
            assert_true(same(&plain, &first));
            packed *file;
            assert_int_equal(packed_open(made.paths[i], &key, &file, NULL), SIMILE_OK);
            assert_int_not_equal(packed_count(file), n);
            packed_close(file);
        }
    }
    end(&first);
}

static packed *opened;

static size_t opened_bytes(const void *user, size_t i)
{
    size_t bytes;
    packed_block(opened, i, &bytes);
    return bytes;
}

static void opened_copy(const void *user, size_t i, void *out)
{
    size_t bytes;
    const void *const block = packed_block(opened, i, &bytes);
    memcpy(out, block, bytes);
}

/* The same matrices, each of the right shape, but packed for another precision. */
static void another_precision_is_refused(void **state)
{
    static place plain, int8, bf16;
    begin(&int8);
    plain = int8;
    begin(&bf16);
    assert_int_equal(encode("models/tiny-quick", int8.folder, &plain), SIMILE_OK);
    assert_int_equal(encode_in(SIMILE_COMPUTE_BF16, "models/tiny-quick", bf16.folder, &bf16), SIMILE_OK);
    assert_false(same(&plain, &bf16));
    const files to = files_in(&int8), from = files_in(&bf16);
    for (size_t i = 0; i < from.n; i++) {
        packed_key key = {.tower = strstr(from.paths[i], "-text-") ? "text" : "image", .precision = NN_COMPUTE_BF16};
        memcpy(key.model, identity, sizeof identity);
        key.packing = strtoull(strrchr(from.paths[i], '-') + 1, NULL, 16);
        assert_int_equal(packed_open(from.paths[i], &key, &opened, NULL), SIMILE_OK);
        const packed_blocks blocks = {packed_count(opened), opened_bytes, opened_copy, NULL};
        for (size_t j = 0; j < to.n; j++) {
            if (!strstr(to.paths[j], key.tower)) continue;
            key.precision = NN_COMPUTE_INT8;
            key.packing = strtoull(strrchr(to.paths[j], '-') + 1, NULL, 16);
            assert_int_equal(packed_write(to.paths[j], &key, &blocks, 1 << 20, NULL), SIMILE_OK);
        }
        packed_close(opened);
    }
    assert_int_equal(encode("models/tiny-quick", int8.folder, &int8), SIMILE_OK);
    assert_true(same(&plain, &int8));
    end(&int8);
    end(&bf16);
}

static void survives_every_failing_allocation(void **state)
{
    static place plain, first;
    begin(&first);
    plain = first;
    assert_int_equal(encode("models/tiny-quick", first.folder, &plain), SIMILE_OK);
    simile_status status = SIMILE_E_NOMEM;
    for (long n = 1; status; n++) {
        mem_fault_after(n, false);
        status = encode("models/tiny-quick", first.folder, &first);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        if (!status) assert_true(same(&plain, &first));
        if (!hit) break;
        status = SIMILE_E_NOMEM;
    }
    end(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_the_same_with_and_without_files),
        cmocka_unit_test(what_is_in_the_file_is_used),
        cmocka_unit_test(what_others_may_write_to_is_left_alone),
        cmocka_unit_test(other_blocks_are_refused),
        cmocka_unit_test(another_precision_is_refused),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
