/* SPDX-License-Identifier: Apache-2.0
 * test_archives.c - one model in every form of file (tools/fixtures/archive_fixtures.py): the same identity, the same
 * vectors; and archives that were made to do harm: each refused with a sentence, within its bound of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_DIM = 64 };

static char *fixture(const char *name)
{
    return mem_printf("%s/archives/%s", SIMILE_FIXTURES, name);
}

static model *open_model(const char *name)
{
    model *m;
    simile_error err;
    char *path = fixture(name);
    if (model_open(path, NULL, &m, &err)) fail_msg("%s", err.message);
    mem_free(path);
    return m;
}

/* Unit vectors of a text and of a made-up picture, behind one another. */
static void vectors_of(const model *m, float *out)
{
    model_encoder *e;
    simile_error err;
    token_list tokens;
    const size_t dim = (size_t)model_info(m)->dim, size = (size_t)model_info(m)->image_size;
    float *pixels = mem_array(3 * size * size, sizeof *pixels);
    for (size_t i = 0; i < 3 * size * size; i++) pixels[i] = (float)(i % 17) / 8.0f - 1;
    if (model_encoder_new(m, 1, &e, &err) ||
        tokenizer_encode(model_tokenizer(m), "the dog", 7, (size_t)model_info(m)->context, &tokens, &err) ||
        model_encode_tokens(e, &tokens, 1, out, &err) || model_encode_pixels(e, pixels, 1, out + dim, &err))
        fail_msg("%s", err.message);
    for (int k = 0; k < 2; k++) {
        double sum = 0;
        for (size_t i = 0; i < dim; i++) sum += (double)out[(size_t)k * dim + i] * (double)out[(size_t)k * dim + i];
        for (size_t i = 0; i < dim; i++) out[(size_t)k * dim + i] /= (float)sqrt(sum);
    }
    mem_free(tokens.ids);
    mem_free(pixels);
    model_encoder_free(e);
}

static void expect_same(const char *reference, const char *name)
{
    model *a = open_model(reference), *b = open_model(name);
    char digest_a[DIGEST_HEX], digest_b[DIGEST_HEX];
    float of_a[2 * MAX_DIM], of_b[2 * MAX_DIM];
    assert_int_equal(model_digest(a, digest_a, NULL), 0);
    assert_int_equal(model_digest(b, digest_b, NULL), 0);
    if (strcmp(digest_a, digest_b) != 0) fail_msg("%s: another digest than %s", name, reference);
    vectors_of(a, of_a);
    vectors_of(b, of_b);
    assert_memory_equal(of_a, of_b, 2 * (size_t)model_info(a)->dim * sizeof(float));
    assert_int_equal(model_info(a)->parameters, model_info(b)->parameters);
    model_close(a);
    model_close(b);
}

static void every_form_is_the_same_model(void **state)
{
    static const char *const forms[] = {"same/sharded",
                                        "same/bin",
                                        "same/legacy",
                                        "same/bin/pytorch_model.bin",
                                        "same/open_clip",
                                        "same/gguf",
                                        "same/gguf/tiny-f16.gguf"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) expect_same("same/safetensors", forms[i]);
}

static void an_archive_of_openai_describes_itself(void **state)
{
    expect_same("openai/safetensors", "openai/script");
    expect_same("openai/safetensors", "openai/script/tiny.pt");
}

/* A folder of links to files of a fixture. */
static void link_files(const char *folder, const char *fixture_name, const char *const *names, size_t n)
{
    char *source = fixture(fixture_name);
    for (size_t i = 0; i < n; i++) {
        char *from = path_join(source, names[i]), *to = path_join(folder, names[i]);
        assert_int_equal(symlink(from, to), 0);
        mem_free(from);
        mem_free(to);
    }
    mem_free(source);
}

static void delete_files(const char *folder, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *path = path_join(folder, names[i]);
        unlink(path);
        mem_free(path);
    }
    rmdir(folder);
}

static void expect_digest(const char *reference, const char *path)
{
    model *a = open_model(reference), *b;
    char digest_a[DIGEST_HEX], digest_b[DIGEST_HEX];
    simile_error err;
    if (model_open(path, NULL, &b, &err)) fail_msg("%s", err.message);
    assert_int_equal(model_digest(a, digest_a, NULL), 0);
    assert_int_equal(model_digest(b, digest_b, NULL), 0);
    assert_string_equal(digest_a, digest_b);
    model_close(a);
    model_close(b);
}

/* OpenAI's models as Hugging Face publishes them say eos_token_id 2, which means the largest id. */
static void the_older_rule_of_pooling_is_the_same_model(void **state)
{
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt"};
    char folder[] = "/tmp/simile-archives-XXXXXX", *config = fixture("same/safetensors/config.json"), *text;
    size_t len;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(file_read(config, 1 << 20, &text, &len, NULL), 0);
    char *eos = strstr(text, "\"eos_token_id\": ");
    assert_non_null(eos);
    eos[16] = '2';
    eos[17] = ' '; /* it had two digits */
    mem_free(config);
    config = path_join(folder, "config.json");
    assert_int_equal(file_replace(config, text, len, NULL), 0);
    link_files(folder, "same/safetensors", names + 1, 3);
    expect_digest("same/safetensors", folder);
    delete_files(folder, names, 4);
    mem_free(config);
    mem_free(text);
}

/* 8 bits of 127 levels: each component of a vector of 24 moves by little. */
static void blocks_of_eight_bits_come_close(void **state)
{
    model *a = open_model("same/safetensors"), *b = open_model("same/gguf-q8_0");
    float of_a[2 * MAX_DIM], of_b[2 * MAX_DIM];
    vectors_of(a, of_a);
    vectors_of(b, of_b);
    const size_t dim = (size_t)model_info(a)->dim;
    for (size_t k = 0; k < 2; k++) {
        double dot = 0;
        for (size_t i = 0; i < dim; i++) dot += (double)of_a[k * dim + i] * (double)of_b[k * dim + i];
        assert_true(dot > 0.999 && dot < 0.9999999);
    }
    model_close(a);
    model_close(b);
}

/* ---- what is refused ---- */

typedef struct {
    uint8_t *bytes;
    size_t len;
} blob;

static blob load(const char *name)
{
    char *path = fixture(name), *text;
    blob b;
    simile_error err;
    if (file_read(path, 16 << 20, &text, &b.len, &err)) fail_msg("%s", err.message);
    b.bytes = (uint8_t *)text;
    mem_free(path);
    return b;
}

/* Any of the readers, by the first bytes, as weights.c chooses. */
static simile_status read_any(const uint8_t *bytes, size_t len, simile_error *err)
{
    weight_table t;
    gguf_facts facts;
    bool script;
    simile_status status = len && bytes[0] == 'G'    ? gguf_read(bytes, len, "x", &t, &facts, err)
                           : len && bytes[0] == 0x80 ? torch_legacy_read(bytes, len, "x", &t, err)
                                                     : torch_zip_read(bytes, len, "x", &t, &script, err);
    if (!status)
        weight_table_release(&t);
    else
        assert_null(t.entries);
    return status;
}

static void refuse_file(const char *name, const char *part)
{
    weights *w;
    simile_error err = {0};
    char *path = fixture(name);
    if (!weights_open(path, &w, &err)) fail_msg("%s was accepted", name);
    if (!strstr(err.message, part)) fail_msg("%s: '%s' lacks '%s'", name, err.message, part);
    assert_null(strchr(err.message, '\n'));
    mem_free(path);
}

static void refuses_files_that_were_made_to_do_harm(void **state)
{
    refuse_file("bad/system.pt", "'posix.system'");
    refuse_file("bad/numpy.pt", "numpy");
    refuse_file("bad/protocol.pt", "protocol");
    refuse_file("bad/timm.pt", "one of timm");
    refuse_file("bad/deflated.pt", "compressed");
    refuse_file("bad/climbs.pt", "leaves the archive");
    refuse_file("bad/plain.pkl", "does not hold two arrays");
    refuse_file("bad", "name the one that is meant");
    refuse_file("nowhere.pt", "no such file");
}

/* A ZIP of one stored entry, a/data.pkl, around a pickle. */
static blob zip_of(const char *pickle, size_t len)
{
    static const uint8_t local[30] = {'P', 'K', 3, 4, 20}, end[22] = {'P', 'K', 5, 6, 0, 0, 0, 0, 1, 0, 1};
    uint8_t central[46] = {'P', 'K', 1, 2, 20, 0, 20};
    blob b = {mem_zero(30 + 10 + len + 46 + 10 + 22), 30 + 10 + len + 46 + 10 + 22};
    uint8_t *at = b.bytes;
    memcpy(at, local, 30);
    at[26] = 10;
    memcpy(at + 30, "a/data.pkl", 10);
    memcpy(at + 40, pickle, len);
    at += 40 + len;
    for (int i = 0; i < 4; i++) central[20 + i] = central[24 + i] = (uint8_t)(len >> (8 * i));
    central[28] = 10;
    memcpy(at, central, 46);
    memcpy(at + 46, "a/data.pkl", 10);
    memcpy(at + 56, end, 22);
    at[56 + 12] = 56;
    for (int i = 0; i < 4; i++) at[56 + 16 + i] = (uint8_t)((40 + len) >> (8 * i));
    return b;
}

static void refuse_pickle(const char *pickle, size_t len, const char *part)
{
    blob b = zip_of(pickle, len);
    simile_error err = {0};
    if (!read_any(b.bytes, b.len, &err)) fail_msg("accepted, though it wants '%s'", part);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    mem_free(b.bytes);
}
#define REFUSE(pickle, part) refuse_pickle(pickle, sizeof(pickle) - 1, part)

#define STORAGE                                                                                                        \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                                                 \
    "0X\3\0\0\0cpuK\4tQ"
#define TENSOR(sizes, strides)                                                                                         \
    "\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\0" sizes strides "tRs."

static void refuses_pickles_that_were_made_to_do_harm(void **state)
{
    REFUSE("\x80\2cposix\nsystem\nX\4\0\0\0true\x85R.", "asks for 'posix.system'");
    REFUSE("\x80\2c__builtin__\neval\nX\1\0\0\0001\x85R.", "asks for '__builtin__.eval'");
    REFUSE("\x80\2ctorch\nload\n.", "asks for 'torch.load'");
    REFUSE("\x80\2ctorch\nFloatStorage\n)R.", "no function");
    REFUSE("\x80\2(iposix\nsystem\n.", "operation 0x69");
    REFUSE("\x80\2"
           "\x93.",
           "operation 0x93");
    REFUSE("\x80\4}.", "protocol 4");
    REFUSE("\x80\2h\0.", "never remembered");
    REFUSE("\x80\2}r\xff\xff\xff\xff.", "remembered values");
    REFUSE("\x80\2}}.", "one value");
    REFUSE("\x80\2}", "too early");
    REFUSE("\x80\2X\xff\xff\xff\xff"
           "a.",
           "too early");
    REFUSE("\x80\2t.", "mark");
    REFUSE("\x80\2R.", "too few");
    REFUSE("\x80\2(R.", "too few");
    REFUSE("\x80\2]}a}s.", "too few");
    REFUSE("\x80\2}]a.", "no container");
    REFUSE("\x80\2c__torch__\nA\n)\x81.", "no tensors");
    REFUSE("\x80\2K\1.", "no dictionary");
    REFUSE("\x80\2]Q.", "not described");
    REFUSE(TENSOR("K\2\x85", "K\1\x85"), "lacks its data");
    REFUSE(TENSOR("\x8a\x09\0\0\0\0\0\0\0\x80\0\x85", "K\1\x85"), "no numbers");
    REFUSE(TENSOR("J\xff\xff\xff\xff\x85", "K\1\x85"), "no numbers");
    REFUSE(TENSOR("K\2\x85", "K\1K\1\x86"), "no numbers");
}

/* ---- the bound of memory: the size of the file and 64 MiB ---- */

static void limit_memory(rlim_t extra)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;
    struct rlimit l;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &pages), 1);
    fclose(f);
    assert_int_equal(getrlimit(RLIMIT_AS, &l), 0);
    l.rlim_cur = extra ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + extra : l.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &l), 0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMIT = 0 }; /* a sanitizer reserves far more than it uses */
#else
enum { LIMIT = 1 };
#endif

/* A list within a list within a list: nothing here goes down by calling itself. */
static void deep_values_cost_no_stack(void **state)
{
    enum { DEEP = 200000 };
    char *pickle = mem_alloc(2 + 2 * DEEP + 1);
    pickle[0] = '\x80';
    pickle[1] = 2;
    memset(pickle + 2, ']', DEEP);
    memset(pickle + 2 + DEEP, 'a', DEEP);
    pickle[2 + 2 * DEEP - 1] = '.';
    if (LIMIT) limit_memory(2 * (2 * DEEP) + (64 << 20)); /* refuse_pickle() makes a second copy */
    refuse_pickle(pickle, 2 + 2 * DEEP, "no dictionary");
    memset(pickle + 2, '(', 2 * DEEP);
    refuse_pickle(pickle, 2 + 2 * DEEP, "marks");
    memset(pickle + 2, '}', 2 * DEEP);
    refuse_pickle(pickle, 2 + 2 * DEEP, "more than");
    for (int i = 0; i < DEEP; i++)
        memcpy(pickle + 2 + 2 * i,
               i % 3 ? "}"
                       ")"
                     : "h\0",
               2);
    refuse_pickle(pickle, 2 + 2 * DEEP, "never remembered");
    if (LIMIT) limit_memory(0);
    mem_free(pickle);
}

/* Each object holds the next twice: 2^60 ways to the last. */
static void ways_through_objects_are_counted(void **state)
{
    buf b;
    buf_init(&b, 1 << 20);
    buf_append(&b, "\x80\2c__torch__\nA\nq\0)\x81}(X\1\0\0\0a", 27);
    for (int i = 1; i < 25; i++) buf_append(&b, "h\0)\x81}(X\1\0\0\0a", 12);
    buf_append(&b, "N", 1);
    for (int i = 0; i < 25; i++) {
        /* {"a": inner, "b": inner} */
        const char again[] = {'q', (char)(i + 1), 'X', 1, 0, 0, 0, 'b', 'h', (char)(i + 1), 'u', 'b'};
        buf_append(&b, again, sizeof again);
    }
    buf_append(&b, ".", 1);
    refuse_pickle(b.data, b.len, "attributes");
    buf_release(&b);
}

/* ---- every byte changed, every length cut: no crash, and never more memory than the bound ---- */

static void damage(const char *name, size_t step)
{
    static const uint8_t changes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    const blob b = load(name);
    uint8_t *copy = mem_alloc(b.len);
    size_t refused = 0;
    if (LIMIT) limit_memory((rlim_t)b.len + (64 << 20));
    for (size_t at = 0; at < b.len; at += at < 512 || at + 4096 > b.len ? 1 : step) {
        memcpy(copy, b.bytes, b.len);
        copy[at] = changes[at % sizeof changes] ^ copy[at];
        simile_error err = {0};
        const simile_status status = read_any(copy, b.len, &err);
        if (status == SIMILE_E_NOMEM) fail_msg("%s: byte %zu: out of memory", name, at);
        refused += status != SIMILE_OK;
        assert_true(!status || err.message[0]);
    }
    for (size_t len = 0; len < b.len; len += 1 + step) {
        uint8_t *cut = mem_alloc(len);
        memcpy(cut, b.bytes, len);
        simile_error err = {0};
        const simile_status status = read_any(cut, len, &err);
        assert_int_not_equal(status, SIMILE_OK);
        assert_int_not_equal(status, SIMILE_E_NOMEM);
        mem_free(cut);
    }
    if (LIMIT) limit_memory(0);
    assert_true(refused > 100);
    mem_free(copy);
    mem_free(b.bytes);
}

static void damaged_files_do_no_harm(void **state)
{
    damage("same/bin/pytorch_model.bin", 97);
    damage("same/legacy/pytorch_model.bin", 97);
    damage("openai/script/tiny.pt", 997);
    damage("same/gguf/tiny-f16.gguf", 97);
}

/* ---- archives of other shapes: a good one, one field of it changed ---- */

static size_t find_last(const blob *b, const char *bytes, size_t n)
{
    for (size_t at = b->len - n;; at--) {
        if (!memcmp(b->bytes + at, bytes, n)) return at;
        assert_true(at > 0);
    }
}

/* Sets a byte at `offset` behind the last place where `mark` stands. */
static void refuse_change(const char *name, const char *mark, size_t offset, int value, const char *part)
{
    blob b = load(name);
    simile_error err = {0};
    b.bytes[find_last(&b, mark, 4) + offset] = (uint8_t)value;
    if (!read_any(b.bytes, b.len, &err)) fail_msg("accepted, though it wants '%s'", part);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
    mem_free(b.bytes);
}

static void refuses_archives_that_lie(void **state)
{
    static const char zip[] = "same/bin/pytorch_model.bin";
    refuse_change(zip, "PK\1\2", 8, 1, "encrypted");
    refuse_change(zip, "PK\1\2", 24, 77, "two sizes");
    refuse_change(zip, "PK\1\2", 46, 'x', "another name");
    refuse_change(zip, "PK\3\4", 0, 'x', "no header");
    refuse_change(zip, "PK\3\4", 29, 0xff, "another name");
    refuse_change(zip, "PK\5\6", 20, 1, "directory is missing");
    refuse_change(zip, "\0cpu", 7, 2, "another size than its pickle says");
    blob b = zip_of("\x80\2}.", 4);
    const size_t central = find_last(&b, "PK\1\2", 4);
    b.bytes[central + 5] = 3;
    b.bytes[central + 41] = 0xa1;
    simile_error err = {0};
    assert_int_not_equal(read_any(b.bytes, b.len, &err), 0);
    assert_non_null(strstr(err.message, "is a link"));
    b.bytes[central + 5] = 0;
    memset(b.bytes + central + 20, 0xff, 8); /* sizes that an extra field would have to hold */
    assert_int_not_equal(read_any(b.bytes, b.len, &err), 0);
    assert_non_null(strstr(err.message, "ZIP64"));
    mem_free(b.bytes);
}

static void refuse_blob(const blob *b, const char *part)
{
    simile_error err = {0};
    if (!read_any(b->bytes, b->len, &err)) fail_msg("accepted, though it wants '%s'", part);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
}

/* A directory that names one entry twice, a locator that points nowhere, counts that nothing backs. */
static void refuses_directories_that_lie(void **state)
{
    blob b = zip_of("\x80\2}.", 4), twice = {mem_zero(b.len + 56), b.len + 56},
         far = {mem_zero(b.len + 20), b.len + 20};
    const size_t end = b.len - 22;
    memcpy(twice.bytes, b.bytes, end);
    memcpy(twice.bytes + end, b.bytes + end - 56, 56);
    memcpy(twice.bytes + end + 56, b.bytes + end, 22);
    twice.bytes[end + 56 + 8] = twice.bytes[end + 56 + 10] = 2;
    twice.bytes[end + 56 + 12] = 112;
    refuse_blob(&twice, "overlaps");
    memcpy(far.bytes, b.bytes, end);
    memcpy(far.bytes + end, "PK\6\7\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\1", 17);
    memcpy(far.bytes + end + 20, b.bytes + end, 22);
    refuse_blob(&far, "ZIP64 record");
    b.bytes[end + 9] = b.bytes[end + 11] = 0xff;
    refuse_blob(&b, "shorter than its entries");
    b.bytes[end + 19] = 0x7f;
    refuse_blob(&b, "beyond the end");
    mem_free(b.bytes);
    mem_free(twice.bytes);
    mem_free(far.bytes);
}

static void refuses_gguf_that_lies(void **state)
{
    static const char gguf[] = "same/gguf/tiny-f16.gguf";
    refuse_change(gguf, "GGUF", 4, 1, "version");
    refuse_change(gguf, "GGUF", 15, 0xff, "more than");
    refuse_change(gguf, "GGUF", 23, 0xff, "more than");
    refuse_change(gguf, "bias", 20, 1, "begins where it may not");
    refuse_change(gguf, "bias", 15, 0x7f, "too large");
    refuse_change(gguf, "bias", 4, 5, "four dimensions");
    refuse_change(gguf, "bias", 16, 99, "unknown type 99");
    refuse_change(gguf, "kens", 4, 6, "'tokenizer.ggml.tokens' is not what it should be");
    refuse_change(gguf, "kens", 8, 9, "an array of an unknown type");
    refuse_change(gguf, "kens", 15, 1, "the file is cut short");
}

/* 0 x 2^40 x 2^40 elements: none, but no number holds the product of the others. */
static void refuses_sizes_without_a_product(void **state)
{
    static const char name[] = "v.patch_embd.weight";
    blob b = load("same/gguf/tiny-f16.gguf");
    simile_error err = {0};
    uint8_t *sizes = b.bytes + find_last(&b, name, sizeof name - 1) + sizeof name - 1 + 4;
    for (int i = 0; i < 4; i++) memcpy(sizes + 8 * i, (const uint64_t[]){i ? UINT64_C(1) << 40 : 0}, 8);
    assert_int_equal(read_any(b.bytes, b.len, &err), SIMILE_E_CORRUPT);
    if (!strstr(err.message, "too large")) fail_msg("%s", err.message);
    mem_free(b.bytes);
}

static void expect_refused(const char *path, simile_status status, const char *part)
{
    model *m;
    simile_error err = {0};
    assert_int_equal(model_open(path, NULL, &m, &err), status);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
}

static void tokens_without_merges_leave_it_to_what_lies_beside(void **state)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "x.gguf"};
    char folder[] = "/tmp/simile-archives-XXXXXX";
    blob b = load("same/gguf/tiny-f16.gguf");
    assert_non_null(mkdtemp(folder));
    char *path = path_join(folder, "x.gguf");
    const size_t at = find_last(&b, "\3\0\0\0\0\0\0\0sno", 11) + 8;
    memcpy(b.bytes + at, "xyz", 3); /* "sn" and "o" make no "xyz" */
    assert_int_equal(file_replace(path, b.bytes, b.len, NULL), 0);
    expect_refused(folder, SIMILE_E_NOT_FOUND, "cannot open the tokenizer in");
    link_files(folder, "same/safetensors", names, 2);
    expect_digest("same/safetensors", folder);
    b.bytes[at + 1] = 0;
    assert_int_equal(file_replace(path, b.bytes, b.len, NULL), 0);
    expect_refused(folder, SIMILE_E_CORRUPT, "its token 59 is no text");
    delete_files(folder, names, 3);
    mem_free(path);
    mem_free(b.bytes);
}

static void more_tokens_than_the_network_has_are_refused(void **state)
{
    static const char mark[] = "t.token_embd.weight", *const names[] = {"x.gguf"};
    char folder[] = "/tmp/simile-archives-XXXXXX";
    blob b = load("same/gguf/tiny-f16.gguf");
    assert_non_null(mkdtemp(folder));
    char *path = path_join(folder, "x.gguf");
    b.bytes[find_last(&b, mark, sizeof mark - 1) + sizeof mark - 1 + 4 + 8] -= 1; /* behind the rank, the first size */
    assert_int_equal(file_replace(path, b.bytes, b.len, NULL), 0);
    expect_refused(path, SIMILE_E_FORMAT, "its tokenizer has 62 tokens, its network only 61");
    delete_files(folder, names, 1);
    mem_free(path);
    mem_free(b.bytes);
}

static void survives_short_memory(void **state)
{
    static const char *const names[] = {"same/legacy", "same/open_clip", "same/gguf", "openai/script"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = fixture(names[i]);
        bool done = false;
        for (long n = 1; !done; n++) {
            model *m = NULL;
            simile_error err = {0};
            mem_fault_after(n, true);
            const simile_status status = model_open(path, NULL, &m, &err);
            const bool hit = mem_fault_hit();
            mem_fault_after(0, false);
            if (hit != (status == SIMILE_E_NOMEM))
                fail_msg("%s: allocation %ld: status %d: %s", names[i], n, status, err.message);
            done = !hit;
            model_close(m);
            assert_true(n < 20000);
        }
        mem_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_the_same_model),
        cmocka_unit_test(an_archive_of_openai_describes_itself),
        cmocka_unit_test(the_older_rule_of_pooling_is_the_same_model),
        cmocka_unit_test(blocks_of_eight_bits_come_close),
        cmocka_unit_test(refuses_files_that_were_made_to_do_harm),
        cmocka_unit_test(refuses_pickles_that_were_made_to_do_harm),
        cmocka_unit_test(deep_values_cost_no_stack),
        cmocka_unit_test(ways_through_objects_are_counted),
        cmocka_unit_test(refuses_archives_that_lie),
        cmocka_unit_test(refuses_directories_that_lie),
        cmocka_unit_test(refuses_gguf_that_lies),
        cmocka_unit_test(refuses_sizes_without_a_product),
        cmocka_unit_test(tokens_without_merges_leave_it_to_what_lies_beside),
        cmocka_unit_test(more_tokens_than_the_network_has_are_refused),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(survives_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
