/* SPDX-License-Identifier: Apache-2.0
 * test_convert.c - models of every form of file written anew: the same identity and the same vectors where no number
 * was rounded, close ones where some were; and nothing left where it does not come to an end. */
#include "check_model.h"

#include "base/documents.h"
#include "model/convert.h"

#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* All that there is of file formats and families. */
static const char *const sources[] = {
    "archives/same/safetensors", "archives/same/sharded",
    "archives/same/bin",         "archives/same/legacy",
    "archives/same/open_clip",   "archives/same/bin/pytorch_model.bin",
    "archives/same/gguf",        "archives/same/gguf/tiny-f16.gguf",
    "archives/same/gguf-q8_0",   "archives/openai/safetensors",
    "archives/openai/script",    "archives/openai/script/tiny.pt",
    "models/tiny-quick",         "models/tiny-gelu",
    "models/tiny-sharded",       "models/tiny-f16",
    "models/tiny-bf16",          "models/tiny-resnet",
    "models/tiny-resnet-quick",  "models/tiny-resnet-script",
    "models/tiny-siglip",        "models/tiny-siglip-timm",
    "models/tiny-siglip2",       "models/tiny-siglip2-timm",
    "models/chinese-hf",         "models/chinese-hf-64",
    "models/chinese-ofa",        "models/chinese-flash",
    "models/open-clip-bert",     "models/open-clip-roberta",
    "models/open-clip-xlmr",     "models/sentence-bert",
    "models/sentence-distil",    "models/sentence-xlmr",
    "models/mclip-bert",         "models/mclip-distil",
    "models/mclip-labse",        "models/mclip-xlmr",
    "models/chinese-resnet",
};
enum { SOURCES = sizeof sources / sizeof *sources };

/* ---- a folder for each test ---- */

static char scratch[64];

static int set_up(void **state)
{
    snprintf(scratch, sizeof scratch, "/tmp/simile-convert-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int tear_down(void **state)
{
    return nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* scratch/NAME; of the last eight calls. */
static const char *at(const char *name)
{
    static char paths[8][256];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static int entries_seen;

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    entries_seen += where->level > 0;
    return 0;
}

/* Files and folders anywhere below scratch, hidden ones too. */
static int entries(void)
{
    entries_seen = 0;
    assert_int_equal(nftw(scratch, count_entry, 16, FTW_PHYS), 0);
    return entries_seen;
}

static void put(const char *path, const void *bytes, size_t len)
{
    simile_error err;
    if (file_replace(path, bytes, len, &err)) fail_msg("%s", err.message);
}

static void get(const char *path, char **bytes, size_t *len)
{
    simile_error err;
    if (file_read(path, 1 << 24, bytes, len, &err)) fail_msg("%s", err.message);
}

/* ---- models ---- */

static model *open_source(const char *name)
{
    char *path = mem_printf("%s/%s", SIMILE_FIXTURES, name);
    model *m = open_model(path);
    mem_free(path);
    return m;
}

static simile_convert_report convert(const model *m, const char *folder, int32_t dtype)
{
    const simile_convert_options options = {.struct_size = sizeof options, .dtype = dtype};
    simile_convert_report report;
    simile_error err;
    if (model_convert(m, folder, &options, &report, &err)) fail_msg("%s", err.message);
    return report;
}

static void refuses(const model *m, const char *folder, int32_t dtype, simile_status status, const char *part)
{
    const simile_convert_options options = {.struct_size = sizeof options, .dtype = dtype};
    simile_convert_report report;
    simile_error err = {0};
    const simile_status got = model_convert(m, folder, &options, &report, &err);
    if (got != status || !strstr(err.message, part)) fail_msg("%d, not %d: %s", got, status, err.message);
}

/* Unit vectors of a text and of a made-up picture, behind one another; 0 where it has no such tower. */
static void vectors_of(const model *m, float *out)
{
    simile_error err;
    model_encoder *e = new_encoder(m, 1);
    const size_t dim = (size_t)model_info(m)->dim, size = (size_t)model_info(m)->image_size;
    float *pixels = mem_array(3 * size * size + 1, sizeof *pixels);
    for (size_t i = 0; i < 3 * size * size; i++) pixels[i] = (float)(i % 17) / 8.0f - 1;
    memset(out, 0, 2 * dim * sizeof *out);
    if (model_tokenizer(m)) encode_text(e, "The dog's snow: 2 cats", out);
    if (size && model_encode_pixels(e, pixels, 1, out + dim, &err)) fail_msg("%s", err.message);
    if (size) normalize(out + dim, dim);
    mem_free(pixels);
    model_encoder_free(e);
}

/* Of unit vectors; 1 for two that are zero. */
static double cosine(const float *a, const float *b, size_t n)
{
    double dot = 0;
    bool some = false;
    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * (double)b[i];
        some |= a[i] != 0 || b[i] != 0;
    }
    return some ? dot : 1;
}

/* The result opens as the model that the report says, and sees and reads as the source does. */
static void check_result(const model *m, const char *folder, const simile_convert_report *r, double bound)
{
    char hex[DIGEST_HEX];
    float wanted[2 * MAX_DIM], got[2 * MAX_DIM];
    model *result = open_model(folder);
    const size_t dim = (size_t)model_info(m)->dim;
    assert_int_equal(model_digest(result, hex, NULL), 0);
    assert_string_equal(hex, r->digest);
    assert_int_equal(model_digest(m, hex, NULL), 0);
    assert_string_equal(hex, r->source_digest);
    assert_int_equal(!strcmp(r->digest, r->source_digest), r->exact);
    assert_string_equal(model_info(result)->weights_dtype, r->weights_dtype);
    assert_int_equal(model_info(result)->parameters, model_info(m)->parameters);
    vectors_of(m, wanted);
    vectors_of(result, got);
    if (r->exact) assert_memory_equal(wanted, got, 2 * dim * sizeof *got);
    const double text = cosine(wanted, got, dim), picture = cosine(wanted + dim, got + dim, dim);
    if (!(text >= bound && picture >= bound)) fail_msg("%s: %.6f, %.6f", model_info(m)->name, text, picture);
    model_close(result);
}

static bool has_file(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    const bool there = file_exists(path);
    mem_free(path);
    return there;
}

static void every_form_becomes_the_same_model(void **state)
{
    static const int32_t exact[] = {SIMILE_DTYPE_STORED, SIMILE_DTYPE_F32};
    for (size_t i = 0; i < SOURCES; i++) {
        model *m = open_source(sources[i]);
        for (size_t k = 0; k < 2; k++) {
            const char *folder = at(k ? "f32" : "stored");
            const simile_convert_report r = convert(m, folder, exact[k]);
            if (!r.exact) fail_msg("%s: another model", sources[i]);
            check_result(m, folder, &r, 0.9999);
            assert_false(has_file(folder, "simile.json"));
            assert_true(!k || !strcmp(r.weights_dtype, "F32"));
        }
        model_close(m);
        tear_down(NULL);
        mkdir(scratch, 0755);
    }
}

/* Convolutions of random weights, with nothing between them that makes lengths equal again, lose more by the eight bits
 * of BF16. */
static void narrower_numbers_come_close(void **state)
{
    static const int32_t narrow[] = {SIMILE_DTYPE_F16, SIMILE_DTYPE_BF16};
    int rounded = 0;
    for (size_t i = 0; i < SOURCES; i++) {
        model *m = open_source(sources[i]);
        for (size_t k = 0; k < 2; k++) {
            const char *folder = at(k ? "bf16" : "f16");
            const simile_convert_report r = convert(m, folder, narrow[k]);
            check_result(m, folder, &r, k && strstr(sources[i], "resnet") ? 0.999 : 0.9999);
            assert_int_equal(has_file(folder, "simile.json"), !r.exact);
            rounded += !r.exact;
        }
        model_close(m);
        tear_down(NULL);
        mkdir(scratch, 0755);
    }
    assert_true(rounded > SOURCES / 2 && rounded < 2 * (int)SOURCES);
}

/* Integers come close too, whatever the network; what was made of them is the same model in any type that holds them.
 */
static void integers_come_close_and_stay(void **state)
{
    for (size_t i = 0; i < SOURCES; i++) {
        model *m = open_source(sources[i]), *small, *wide;
        simile_error err;
        const simile_convert_report r = convert(m, at("int8"), SIMILE_DTYPE_INT8);
        check_result(m, at("int8"), &r, 0.99);
        assert_string_equal(r.weights_dtype, "I8");
        assert_false(r.exact);
        assert_true(has_file(at("int8"), "simile.json"));
        const model_options automatic = {.compute = SIMILE_COMPUTE_AUTO};
        if (model_open(at("int8"), &automatic, &small, &err)) fail_msg("%s", err.message);
        assert_int_equal(model_info(small)->compute, SIMILE_COMPUTE_INT8);
        const simile_convert_report same = convert(small, at("same"), SIMILE_DTYPE_INT8);
        const simile_convert_report f32 = convert(small, at("f32"), SIMILE_DTYPE_F32);
        assert_true(same.exact && f32.exact);
        assert_string_equal(same.digest, r.digest);
        assert_string_equal(f32.digest, r.digest);
        if (model_open(at("f32"), NULL, &wide, &err)) fail_msg("%s", err.message);
        assert_string_equal(model_info(wide)->weights_dtype, "F32");
        model_close(wide);
        model_close(small);
        model_close(m);
        tear_down(NULL);
        mkdir(scratch, 0755);
    }
}

/* ---- the bytes ---- */

static void expect_same_files(const char *a, const char *b)
{
    const char *name;
    for (size_t i = 0; i < 64; i++) {
        name = i ? document_at(i - 1) : "model.safetensors";
        if (!name) return;
        char *of_a = path_join(a, name), *of_b = path_join(b, name), *bytes_a, *bytes_b;
        size_t len_a, len_b;
        assert_int_equal(file_exists(of_a), file_exists(of_b));
        if (file_exists(of_a)) {
            get(of_a, &bytes_a, &len_a);
            get(of_b, &bytes_b, &len_b);
            assert_int_equal(len_a, len_b);
            assert_memory_equal(bytes_a, bytes_b, len_a);
            mem_free(bytes_a);
            mem_free(bytes_b);
        }
        mem_free(of_a);
        mem_free(of_b);
    }
}

static void converting_again_changes_no_byte(void **state)
{
    static const char *const names[] = {"archives/same/gguf", "archives/openai/script", "models/tiny-sharded",
                                        "models/tiny-resnet-script", "models/sentence-xlmr"};
    static const int32_t dtypes[] = {SIMILE_DTYPE_STORED, SIMILE_DTYPE_F32};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 2; k++) {
            model *m = open_source(names[i]);
            convert(m, at("once"), dtypes[k]);
            convert(m, at("twice"), dtypes[k]);
            model_close(m);
            m = open_model(at("once"));
            convert(m, at("again"), dtypes[k]);
            model_close(m);
            expect_same_files(at("once"), at("twice"));
            expect_same_files(at("once"), at("again"));
            tear_down(NULL);
            mkdir(scratch, 0755);
        }
    }
}

/* The same weights in files of other layouts, all of float32, are one file. */
static void all_forms_become_one_file(void **state)
{
    static const char *const same[] = {"archives/same/sharded", "archives/same/bin", "archives/same/legacy",
                                       "archives/same/open_clip", "archives/same/gguf"};
    char *wanted, *got;
    size_t len, n;
    model *m = open_source("archives/same/safetensors");
    convert(m, at("wanted"), SIMILE_DTYPE_F32);
    model_close(m);
    get(at("wanted/model.safetensors"), &wanted, &len);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char name[32], inner[64];
        snprintf(name, sizeof name, "%zu", i);
        snprintf(inner, sizeof inner, "%zu/model.safetensors", i);
        m = open_source(same[i]);
        convert(m, at(name), SIMILE_DTYPE_F32);
        model_close(m);
        get(at(inner), &got, &n);
        assert_int_equal(n, len);
        assert_memory_equal(got, wanted, len);
        mem_free(got);
    }
    mem_free(wanted);
}

static void tensors_lie_where_they_map_well(void **state)
{
    file_map map;
    weight_table table;
    model *m = open_source("models/tiny-gelu"); /* odd widths */
    const simile_convert_report r = convert(m, at("x"), SIMILE_DTYPE_F16);
    assert_int_equal(file_map_open(at("x/model.safetensors"), &map, NULL), 0);
    assert_int_equal(safetensors_read(map.data, map.len, "x", &table, NULL), 0);
    uint64_t header = 0;
    for (int i = 0; i < 8; i++) header |= (uint64_t)map.data[i] << (8 * i);
    assert_int_equal((header + 8) % 64, 0);
    assert_int_equal(map.data[8], '{');
    assert_non_null(strstr((const char *)map.data + 8, r.source_digest));
    for (size_t i = 0; i < table.n; i++) {
        const weight_entry *e = &table.entries[i];
        const uint64_t bytes = e->end - e->begin, grain = bytes & -bytes;
        assert_int_equal(e->begin % (grain < 64 ? grain : 64), 0);
    }
    for (size_t i = 0; i < table.n; i++)
        assert_string_equal(table.entries[i].dtype, table.entries[i].tensor.rank > 1 ? "F16" : "F32");
    weight_table_release(&table);
    file_map_close(&map);
    model_close(m);
}

static void what_nobody_asked_for_is_left_behind(void **state)
{
    model *m = open_source("archives/same/bin"); /* has position_ids */
    convert(m, at("x"), SIMILE_DTYPE_STORED);
    model_close(m);
    char *bytes;
    size_t len;
    get(at("x/model.safetensors"), &bytes, &len);
    assert_null(memmem(bytes, len, "position_ids", 12));
    assert_false(has_file(at("x"), "pytorch_model.bin"));
    mem_free(bytes);
}

/* ---- documents ---- */

static void link_from(const char *fixture, const char *name, const char *to)
{
    char *from = mem_printf("%s/%s/%s", SIMILE_FIXTURES, fixture, name);
    assert_int_equal(symlink(from, to), 0);
    mem_free(from);
}

/* A file that describes itself lies beside things that are not its own. */
static void foreign_documents_stay_where_they_are(void **state)
{
    mkdir(at("source"), 0755);
    link_from("archives/openai/script", "tiny.pt", at("source/tiny.pt"));
    link_from("archives/openai/script", "bpe_simple_vocab_16e6.txt.gz", at("source/bpe_simple_vocab_16e6.txt.gz"));
    put(at("source/config.json"), "{\"model_type\": \"other\"}", 23);
    put(at("source/preprocessor_config.json"), "{\"image_mean\": [0, 0, 0]}", 25);
    put(at("source/modules.json"), "[]", 2);
    put(at("source/README.md"), "another", 7);
    model *m = open_model(at("source/tiny.pt"));
    const simile_convert_report r = convert(m, at("x"), SIMILE_DTYPE_STORED);
    check_result(m, at("x"), &r, 0.9999);
    assert_false(has_file(at("x"), "README.md"));
    assert_false(has_file(at("x"), "modules.json"));
    assert_int_equal(r.files, 5);
    model_close(m);
}

static void documents_go_along_as_they_lie(void **state)
{
    static const char *const names[] = {"model.safetensors", "config.json", "preprocessor_config.json", "vocab.json",
                                        "merges.txt"};
    char path[64];
    mkdir(at("source"), 0755);
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "source/%s", names[i]);
        link_from("models/tiny-quick", names[i], at(path));
    }
    put(at("source/LICENSE"), "free", 4);
    put(at("source/tf_model.h5"), "weights", 7);
    put(at("source/simile.json"), "{\"embedding_space\": {\"name\": \"a\"}}\n", 35);
    mkdir(at("source/tokenizer.json.d"), 0755);
    model *m = open_model(at("source"));
    const simile_convert_report r = convert(m, at("x"), SIMILE_DTYPE_STORED), n = convert(m, at("y"), SIMILE_DTYPE_F16);
    struct stat st;
    assert_int_equal(lstat(at("x/config.json"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(r.files, 7);
    assert_int_equal(n.files, 7);
    assert_true(has_file(at("x"), "LICENSE") && !has_file(at("x"), "tf_model.h5"));
    json_t *root;
    assert_int_equal(json_read_object(at("y/simile.json"), 4096, &root, NULL), 0);
    const json_t *space = json_object_get(root, "embedding_space"), *list = json_object_get(space, "compatible_with");
    assert_string_equal(json_string_value(json_object_get(space, "name")), "a");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), r.source_digest);
    json_decref(root);
    model_close(m);
}

/* ---- what is refused, and what is left then ---- */

static void numbers_too_large_are_refused(void **state)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt"};
    static const char tensor[] = "visual_projection.weight";
    char path[64], *bytes;
    size_t len;
    weight_table table;
    mkdir(at("source"), 0755);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "source/%s", names[i]);
        link_from("models/tiny-quick", names[i], at(path));
    }
    char *from = mem_printf("%s/models/tiny-quick/model.safetensors", SIMILE_FIXTURES);
    get(from, &bytes, &len);
    assert_int_equal(safetensors_read((const uint8_t *)bytes, len, "x", &table, NULL), 0);
    const size_t where = (size_t)((const char *)weight_table_find(&table, tensor)->tensor.data - bytes);
    for (int i = 0; i < 3; i++) {
        static const float values[] = {65519.99f, 65520.0f, 3.4e38f};
        memcpy(bytes + where + 8, &values[i], sizeof values[i]);
        put(at("source/model.safetensors"), bytes, len);
        model *m = open_model(at("source"));
        if (i == 0) convert(m, at("x"), SIMILE_DTYPE_F16);
        const int before = entries();
        if (i > 0) refuses(m, at("y"), SIMILE_DTYPE_F16, SIMILE_E_LIMIT, tensor);
        if (i > 0) refuses(m, at("y"), SIMILE_DTYPE_F16, SIMILE_E_LIMIT, "bf16 holds them");
        if (i == 2) refuses(m, at("y"), SIMILE_DTYPE_BF16, SIMILE_E_LIMIT, "f32 holds them");
        assert_int_equal(entries(), before);
        model_close(m);
    }
    weight_table_release(&table);
    mem_free(bytes);
    mem_free(from);
}

static void a_folder_with_something_in_it_is_left_alone(void **state)
{
    model *m = open_source("models/tiny-quick"), *pair = open_source("models/tiny-quick"), *resized;
    mkdir(at("empty"), 0755);
    mkdir(at("full"), 0755);
    put(at("full/x"), "x", 1);
    put(at("file"), "x", 1);
    assert_int_equal(symlink("empty", at("link")), 0);
    const int before = entries();
    refuses(m, at("full"), 0, SIMILE_E_EXISTS, "not empty");
    refuses(m, at("file"), 0, SIMILE_E_EXISTS, "there already");
    refuses(m, at("link"), 0, SIMILE_E_EXISTS, "there already");
    refuses(m, at("nowhere/x"), 0, SIMILE_E_NOT_FOUND, "no such file");
    refuses(m, "/proc/simile-convert", 0, SIMILE_E_NOT_FOUND, "cannot make");
    assert_int_equal(model_pair(pair, m, NULL), 0);
    refuses(pair, at("x"), 0, SIMILE_E_UNSUPPORTED, "paired");
    const model_options options = {.image_size = 24};
    char *path = mem_printf("%s/models/tiny-quick", SIMILE_FIXTURES);
    assert_int_equal(model_open(path, &options, &resized, NULL), 0);
    refuses(resized, at("x"), 0, SIMILE_E_UNSUPPORTED, "size of pictures");
    assert_int_equal(entries(), before);
    model_close(resized);
    model_close(pair);
    m = open_model(path);
    convert(m, at("empty/"), 0);
    assert_int_equal(entries(), before + 5);
    mem_free(path);
    model_close(m);
}

typedef struct {
    int calls, stop_at;
    int64_t last, total;
    bool ordered;
} stopper;

static int stop(void *user, int64_t done, int64_t total, const char *subject)
{
    stopper *s = user;
    s->ordered &= done >= s->last && done <= total && subject;
    s->last = done;
    s->total = total;
    return ++s->calls == s->stop_at;
}

static void an_interruption_leaves_nothing(void **state)
{
    model *m = open_source("archives/same/gguf");
    simile_error err;
    simile_convert_report report;
    int calls = 0;
    for (int n = 1;; n += 5) {
        stopper s = {.stop_at = n, .ordered = true};
        const simile_convert_options options = {.struct_size = sizeof options, .progress = stop, .user = &s};
        const simile_status status = model_convert(m, at("x"), &options, &report, &err);
        assert_true(s.ordered);
        calls = s.calls;
        if (!status) {
            assert_int_equal(s.last, s.total);
            break;
        }
        assert_int_equal(status, SIMILE_E_CANCELLED);
        assert_int_equal(entries(), 0);
    }
    assert_true(calls > 20);
    model_close(m);
}

/* The file cannot grow beyond a limit: as on a disk that fills up after the room on it was looked at. */
static void a_write_that_fails_leaves_nothing(void **state)
{
    struct rlimit was, limit;
    model *m = open_source("models/tiny-gelu");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 0; bytes <= 150000; bytes += 50000) {
        limit = (struct rlimit){.rlim_cur = bytes, .rlim_max = was.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        refuses(m, at("x"), SIMILE_DTYPE_F32, SIMILE_E_IO, "cannot write '");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
        assert_int_equal(entries(), 0);
    }
    convert(m, at("x"), SIMILE_DTYPE_F32);
    model_close(m);
}

static void what_a_killed_run_left_is_cleared_away(void **state)
{
    model *m = open_source("models/tiny-quick");
    mkdir(at(".x.simile-convert"), 0755);
    mkdir(at(".x.simile-convert/2_Dense"), 0755);
    put(at(".x.simile-convert/model.safetensors"), "half", 4);
    put(at(".x.simile-convert/2_Dense/model.safetensors"), "half", 4);
    const int fd = open(at(".x.simile-convert"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    refuses(m, at("x"), 0, SIMILE_E_BUSY, "another program");
    assert_true(has_file(scratch, ".x.simile-convert/2_Dense/model.safetensors"));
    close(fd);
    const simile_convert_report r = convert(m, at("x"), 0);
    check_result(m, at("x"), &r, 0.9999);
    assert_int_equal(r.files, 5);
    assert_int_equal(entries(), 6);
    model_close(m);
}

/* The sizes of the fixture with one text transformer as wide and as rich in words as one can be. */
static int64_t enlarged(const char *name, int64_t size)
{
    const bool text = !strncmp(name, "text_", 5);
    return text && size == 32 ? 16384 : text && size == 62 ? 4000000 : size;
}

/* A header for tensors of those sizes, and a hole in the place of their data. */
static void put_hole(const weight_table *table, const char *path)
{
    buf out;
    json_writer w;
    uint64_t end = 0;
    buf_init(&out, 1 << 20);
    buf_append(&out, "\0\0\0\0\0\0\0", 8);
    jw_init(&w, &out);
    jw_object(&w);
    for (size_t i = 0; i < table->n; i++) {
        const weight_entry *e = &table->entries[i];
        uint64_t bytes = nn_dtype_size(e->tensor.dtype);
        jw_key(&w, e->name), jw_object(&w);
        jw_key(&w, "dtype"), jw_string(&w, e->dtype);
        jw_key(&w, "shape"), jw_array(&w);
        for (int k = 0; k < e->tensor.rank; k++) {
            jw_int(&w, enlarged(e->name, e->tensor.dim[k]));
            bytes *= (uint64_t)enlarged(e->name, e->tensor.dim[k]);
        }
        jw_array_end(&w);
        jw_key(&w, "data_offsets"), jw_array(&w), jw_int(&w, (int64_t)end), jw_int(&w, (int64_t)(end += bytes));
        jw_array_end(&w);
        jw_object_end(&w);
    }
    jw_object_end(&w);
    for (int i = 0; i < 8; i++) out.data[i] = (char)((out.len - 8) >> (8 * i));
    put(path, out.data, out.len);
    assert_int_equal(truncate(path, (off_t)(out.len + end)), 0);
    buf_release(&out);
}

/* A model of more bytes than most disks have: its file is a hole. */
static void no_room_is_told_before_anything_is_read(void **state)
{
    static const char config[] =
        "{\"model_type\": \"clip\", \"projection_dim\": 8, \"text_config\": {\"hidden_size\": 16384, \"vocab_size\": "
        "4000000, \"num_hidden_layers\": 1, \"num_attention_heads\": 4, \"intermediate_size\": 16, "
        "\"max_position_embeddings\": 12, \"eos_token_id\": 61}, \"vision_config\": {\"hidden_size\": 32, "
        "\"num_hidden_layers\": 1, \"num_attention_heads\": 4, \"intermediate_size\": 16, \"image_size\": 8, "
        "\"patch_size\": 2}}";
    uint64_t room;
    file_map map;
    weight_table table;
    assert_int_equal(file_room(scratch, &room, NULL), 0);
    if (room > (uint64_t)260e9) skip();
    char *from = mem_printf("%s/archives/same/safetensors/model.safetensors", SIMILE_FIXTURES);
    assert_int_equal(file_map_open(from, &map, NULL), 0);
    assert_int_equal(safetensors_read(map.data, map.len, "x", &table, NULL), 0);
    mkdir(at("source"), 0755);
    put_hole(&table, at("source/model.safetensors"));
    put(at("source/config.json"), config, sizeof config - 1);
    link_from("archives/same/safetensors", "vocab.json", at("source/vocab.json"));
    link_from("archives/same/safetensors", "merges.txt", at("source/merges.txt"));
    model *m = open_model(at("source"));
    refuses(m, at("x"), SIMILE_DTYPE_F32, SIMILE_E_LIMIT, " MB are needed on the disk");
    assert_int_equal(entries(), 5);
    model_close(m);
    weight_table_release(&table);
    file_map_close(&map);
    mem_free(from);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_form_becomes_the_same_model),
        TEST(narrower_numbers_come_close),
        TEST(integers_come_close_and_stay),
        TEST(converting_again_changes_no_byte),
        TEST(all_forms_become_one_file),
        TEST(tensors_lie_where_they_map_well),
        TEST(what_nobody_asked_for_is_left_behind),
        TEST(foreign_documents_stay_where_they_are),
        TEST(documents_go_along_as_they_lie),
        TEST(numbers_too_large_are_refused),
        TEST(a_folder_with_something_in_it_is_left_alone),
        TEST(an_interruption_leaves_nothing),
        TEST(a_write_that_fails_leaves_nothing),
        TEST(what_a_killed_run_left_is_cleared_away),
        TEST(no_room_is_told_before_anything_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
