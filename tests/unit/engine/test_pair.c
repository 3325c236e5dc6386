/* SPDX-License-Identifier: Apache-2.0
 * test_pair.c - the text tower of one model beside the image tower of another, and which catalogues take whose vectors.
 *
 * tiny-quick sees, tiny-reader (another tokenizer, another context, vectors of the same length) reads, or
 * sentence-bert, which does nothing else. Copies of them in a folder of the test's own hold the declarations. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include "base/file.h"
#include "base/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIM = 16 };
static const char *const sentences[3] = {"two dogs in the snow", "a cat on a table", "naïve café — 日本語"};

static char places[4][600];

/* A copy of a fixture in the folder of the test, with this as its simile.json; one of four buffers. */
static const char *copy_model(const char *fixture, const char *name, const char *declares)
{
    static unsigned next;
    char command[1600], *place = places[next++ % 4];
    snprintf(place, sizeof places[0], "%s/%s", lab.folder, name);
    snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", place, bench_model_path(fixture), place);
    assert_int_equal(system(command), 0);
    if (declares) {
        char file[700];
        snprintf(file, sizeof file, "%s/" SPACE_FILE, place);
        write_bytes(file, declares, strlen(declares), 1000);
    }
    return place;
}

/* What makes a reader fit beside a model. */
static const char *beside(const char *digest_or_name)
{
    static char text[256];
    snprintf(text, sizeof text, "{\"embedding_space\": {\"compatible_with\": [\"%s\"]}}", digest_or_name);
    return text;
}

static const char *digest_of_quick(void)
{
    static char hex[65];
    assert_ok(simile_model_digest(lab.model, hex, &err));
    return hex;
}

static simile_model *open_model(const char *path)
{
    simile_model *model;
    assert_ok(simile_model_open(path, NULL, &model, &err));
    return model;
}

static simile_status try_pair(const char *sees, const char *reads, int32_t forced, simile_model **out)
{
    const simile_model_options options = {.struct_size = sizeof options, .text_model = reads, .force_pairing = forced};
    return simile_model_open(sees, &options, out, &err);
}

static simile_model *open_pair(const char *sees, const char *reads)
{
    simile_model *model;
    assert_ok(try_pair(sees, reads, 0, &model));
    return model;
}

static simile_encoder *encoder_of(const simile_model *model)
{
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = 2};
    simile_encoder *encoder;
    assert_ok(simile_encoder_new(model, &options, &encoder, &err));
    return encoder;
}

/* ---- pairs ---- */

static void encode_all(const simile_model *model, float texts[3 * DIM], float pixels[DIM])
{
    const uint8_t rgb[12] = {200, 10, 10, 10, 200, 10, 10, 10, 200, 99, 99, 99};
    simile_image *picture;
    simile_encoder *encoder = encoder_of(model);
    assert_ok(simile_image_from_pixels(rgb, 2, 2, 6, &picture, &err));
    const simile_image *const images[1] = {picture};
    assert_ok(simile_encode_texts(encoder, sentences, 3, texts, NULL, &err));
    assert_ok(simile_encode_images(encoder, images, 1, pixels, &err));
    simile_image_free(picture);
    simile_encoder_free(encoder);
}

static void assert_tokens_of(const simile_model *pair, const simile_model *reader)
{
    int32_t a[64], b[64];
    size_t n, m;
    int cut_a, cut_b;
    const char *text = "a sentence that is longer than the context of either of the two small models, by far";
    assert_ok(simile_tokenize(pair, text, strlen(text), a, 64, &n, &cut_a, &err));
    assert_ok(simile_tokenize(reader, text, strlen(text), b, 64, &m, &cut_b, &err));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n * sizeof *a);
    assert_true(cut_a && cut_b);
}

static void the_one_sees_and_the_other_reads(void **state)
{
    float texts[3][3 * DIM], pixels[3][DIM];
    char hex[65];
    const char *path = copy_model("tiny-reader", "reader", beside(digest_of_quick()));
    simile_model *reader = open_model(path), *pair = open_pair(bench_model_path("tiny-quick"), path);
    const simile_model_info *info = simile_model_get_info(pair), *reads = simile_model_get_info(reader),
                            *sees = simile_model_get_info(lab.model);
    assert_string_equal(info->name, "tiny-quick");
    assert_string_equal(info->text_name, "reader");
    assert_string_equal(info->text_directory, path);
    assert_null(sees->text_name);
    assert_null(sees->text_directory);
    assert_int_equal(info->context, reads->context);
    assert_int_not_equal(info->context, sees->context);
    assert_int_equal(info->vocab_size, reads->vocab_size);
    assert_int_equal(info->image_size, sees->image_size);
    assert_true(info->logit_scale == sees->logit_scale && info->logit_scale != reads->logit_scale);
    assert_ok(simile_model_digest(pair, hex, &err));
    assert_string_equal(hex, digest_of_quick());
    encode_all(pair, texts[0], pixels[0]);
    encode_all(reader, texts[1], pixels[1]);
    encode_all(lab.model, texts[2], pixels[2]);
    assert_memory_equal(texts[0], texts[1], sizeof texts[0]);
    assert_memory_equal(pixels[0], pixels[2], sizeof pixels[0]);
    assert_memory_not_equal(texts[0], texts[2], sizeof texts[0]);
    assert_memory_not_equal(pixels[0], pixels[1], sizeof pixels[0]);
    assert_tokens_of(pair, reader);
    simile_model_close(pair);
    simile_model_close(reader);
}

static void a_name_stands_for_a_digest(void **state)
{
    static const struct {
        const char *sees, *reads;
        bool good;
    } cases[] = {
        {"{\"embedding_space\": {\"name\": \"toys/one\"}}",
         "{\"embedding_space\": {\"compatible_with\": [\"a\", \"toys/one\"]}}", true},
        {"{\"embedding_space\": {\"name\": \"toys/one\"}}", "{\"embedding_space\": {\"name\": \"toys/one\"}}", true},
        {"{\"embedding_space\": {\"name\": \"toys/one\"}}",
         "{\"embedding_space\": {\"name\": \"toys/two\", \"compatible_with\": [\"toys/three\"]}}", false},
        {"{\"embedding_space\": {\"name\": \"toys/one\"}}", NULL, false},
        {NULL, "{\"embedding_space\": {\"name\": \"toys/one\"}}", false},
        {NULL, NULL, false},
        /* that the model which sees claims something does not make the other one a reader */
        {"{\"embedding_space\": {\"name\": \"toys/one\", \"compatible_with\": [\"toys/two\"]}}",
         "{\"embedding_space\": {\"name\": \"toys/two\"}}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *sees = copy_model("tiny-quick", "sees", cases[i].sees);
        const char *reads = copy_model("tiny-reader", "reads", cases[i].reads);
        simile_model *pair;
        if (cases[i].good) {
            assert_ok(try_pair(sees, reads, 0, &pair));
            simile_model_close(pair);
            continue;
        }
        assert_fails(try_pair(sees, reads, 0, &pair), SIMILE_E_VERSION);
        assert_null(pair);
        assert_string_equal(err.message, "'reads' is not declared to read texts for 'sees': its simile.json does not "
                                         "name that model's space ('simile pair' adds it, --force-pairing goes "
                                         "without)");
        assert_ok(try_pair(sees, reads, 1, &pair));
        assert_string_equal(simile_model_get_info(pair)->text_name, "reads");
        simile_model_close(pair);
    }
}

static void the_same_weights_need_no_declaration(void **state)
{
    simile_model *pair = open_pair(bench_model_path("tiny-quick"), copy_model("tiny-quick", "copy", NULL));
    assert_string_equal(simile_model_get_info(pair)->text_name, "copy");
    simile_model_close(pair);
    char path[600];
    snprintf(path, sizeof path, "%s", bench_model_path("tiny-quick"));
    pair = open_pair(bench_model_path("tiny-quick"), path); /* itself: no pair at all */
    assert_null(simile_model_get_info(pair)->text_name);
    simile_model_close(pair);
    pair = open_pair(bench_model_path("tiny-quick"), "");
    assert_null(simile_model_get_info(pair)->text_name);
    simile_model_close(pair);
}

static void what_cannot_be_a_pair_is_refused_even_by_force(void **state)
{
    simile_model *pair;
    for (int32_t forced = 0; forced < 2; forced++) {
        char path[600];
        snprintf(path, sizeof path, "%s", bench_model_path("tiny-gelu"));
        assert_fails(try_pair(bench_model_path("tiny-quick"), path, forced, &pair), SIMILE_E_UNSUPPORTED);
        assert_string_equal(err.message, "cannot pair the model 'tiny-quick' with the texts of 'tiny-gelu': their "
                                         "vectors have 16 and 17 numbers");
        assert_null(pair);
        assert_fails(try_pair(bench_model_path("tiny-quick"), "./nothing", forced, &pair), SIMILE_E_NOT_FOUND);
        assert_fails(try_pair(bench_model_path("tiny-quick"), "nothing", forced, &pair), SIMILE_E_NOT_FOUND);
        assert_non_null(strstr(err.message, "cannot find the model 'nothing'"));
        assert_fails(try_pair("./nothing", bench_model_path("tiny-quick"), forced, &pair), SIMILE_E_NOT_FOUND);
    }
    simile_model_options options = {.struct_size = sizeof options, .text_model = "tiny-quick", .force_pairing = 1};
    char folder[600];
    snprintf(folder, sizeof folder, "%s", bench_model_path(""));
    options.search_path = folder;
    assert_ok(simile_model_open("tiny-reader", &options, &pair, &err)); /* by name, through the search path */
    assert_string_equal(simile_model_get_info(pair)->text_name, "tiny-quick");
    simile_model_close(pair);
}

static void an_older_program_asks_for_no_pair(void **state)
{
    struct {
        size_t struct_size;
        const char *search_path;
    } old = {.struct_size = sizeof old};
    simile_model *model;
    assert_ok(simile_model_open(bench_model_path("tiny-quick"), (const simile_model_options *)&old, &model, &err));
    assert_null(simile_model_get_info(model)->text_name);
    simile_model_close(model);
}

static void a_tampered_declaration_is_a_sentence(void **state)
{
    static const char *const bad[][2] = {
        {"", "not JSON"},
        {"{\"embedding_space\": {\"name\": \"two words\"}}", "'two words' cannot be the name of a space"},
        {"{\"embedding_space\": {\"compatible_with\": [\"DEADBEEF\", 7]}}", "what it is compatible with"},
        {"{\"embedding_space\": {\"digest\": \"x\"}}", "\"digest\" is no part of a space"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = copy_model("tiny-reader", "reader", bad[i][0]);
        simile_model *model;
        assert_fails(simile_model_open(path, NULL, &model, &err), SIMILE_E_FORMAT);
        assert_non_null(strstr(err.message, SPACE_FILE));
        if (!strstr(err.message, bad[i][1])) fail_msg("%s", err.message);
        assert_fails(try_pair(bench_model_path("tiny-quick"), path, 1, &model), SIMILE_E_FORMAT);
    }
}

static void a_single_file_declares_nothing(void **state)
{
    char file[700], path[700];
    const char *folder = copy_model("../archives/same/gguf", "gguf", beside(digest_of_quick()));
    simile_model *model = open_model(folder), *single;
    assert_string_equal(simile_model_compatible_at(model, 0), digest_of_quick());
    assert_null(simile_model_compatible_at(model, 1));
    assert_null(simile_model_space_name(model));
    snprintf(path, sizeof path, "%s/tiny-f16.gguf", folder);
    single = open_model(path);
    assert_null(simile_model_compatible_at(single, 0));
    assert_fails(simile_model_declare(single, model, 0, NULL, &err), SIMILE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "it is a single file"));
    snprintf(file, sizeof file, "%s/" SPACE_FILE, folder);
    assert_true(file_exists(file));
    simile_model_close(single);
    simile_model_close(model);
}

/* ---- declaring ---- */

static void a_user_declares_and_takes_back(void **state)
{
    char file[700];
    int32_t changed;
    simile_model *pair;
    const char *path = copy_model("tiny-reader", "reader", NULL);
    const char *named = copy_model("tiny-quick", "named", "{\"embedding_space\": {\"name\": \"toys/one\"}}");
    simile_model *reader = open_model(path), *sees = open_model(named);
    snprintf(file, sizeof file, "%s/" SPACE_FILE, path);
    assert_fails(try_pair(named, path, 0, &pair), SIMILE_E_VERSION);
    assert_ok(simile_model_declare(reader, sees, 0, &changed, &err));
    assert_int_equal(changed, 1);
    assert_null(simile_model_compatible_at(reader, 0)); /* the handle stays as it was opened */
    pair = open_pair(named, path);
    simile_model_close(pair);
    simile_model_close(reader);
    reader = open_model(path);
    assert_string_equal(simile_model_compatible_at(reader, 0), digest_of_quick());
    assert_string_equal(simile_model_compatible_at(reader, 1), "toys/one");
    assert_ok(simile_model_declare(reader, sees, 0, &changed, &err));
    assert_int_equal(changed, 0);
    assert_ok(simile_model_declare(reader, sees, 1, &changed, &err));
    assert_int_equal(changed, 1);
    assert_false(file_exists(file));
    assert_ok(simile_model_declare(reader, sees, 1, &changed, &err));
    assert_int_equal(changed, 0);
    assert_fails(try_pair(named, path, 0, &pair), SIMILE_E_VERSION);
    simile_model_close(reader);
    simile_model_close(sees);
}

static void what_cannot_be_declared_is_refused(void **state)
{
    simile_model *pair, *other = open_model(bench_model_path("tiny-gelu"));
    const char *path = copy_model("tiny-reader", "reader", NULL);
    simile_model *reader = open_model(path);
    assert_fails(simile_model_declare(NULL, reader, 0, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_model_declare(reader, NULL, 0, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_model_declare(reader, other, 0, NULL, &err), SIMILE_E_UNSUPPORTED);
    assert_ok(try_pair(bench_model_path("tiny-quick"), path, 1, &pair));
    assert_fails(simile_model_declare(reader, pair, 0, NULL, &err), SIMILE_E_ARG);
    assert_fails(simile_model_declare(pair, reader, 0, NULL, &err), SIMILE_E_ARG);
    simile_model_close(pair);
    simile_model_close(reader);
    simile_model_close(other);
}

/* ---- catalogues ---- */

static simile_status try_library(const char *path, const simile_model *model, int32_t read_only, simile_library **out)
{
    const simile_library_options options = {.struct_size = sizeof options, .read_only = read_only};
    return simile_library_open(path, model, &options, out, &err);
}

static void assert_finds(simile_library *library, const simile_model *model, size_t wanted)
{
    simile_results *results;
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = sentences[0], .weight = 1};
    const simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1};
    simile_encoder *encoder = encoder_of(model);
    assert_ok(simile_search(library, encoder, &query, &results, &err));
    assert_int_equal(simile_results_count(results), wanted);
    simile_results_free(results);
    simile_encoder_free(encoder);
}

static void make_catalog(const simile_model *model)
{
    const char *path = lab.pictures;
    simile_library *library;
    simile_encoder *encoder = encoder_of(model);
    draw(in_pictures("a.ppm"), 1, 1000);
    draw(in_pictures("b.ppm"), 2, 2000);
    unlink(lab.catalog);
    assert_ok(try_library(lab.catalog, model, 0, &library));
    assert_ok(simile_library_add(library, encoder, &path, 1, NULL, NULL, &err));
    simile_library_close(library);
    simile_encoder_free(encoder);
}

static void assert_space_of_catalog(const char *name, const char *model_name)
{
    char space[SIMILE_SPACE_NAME];
    simile_library *library;
    simile_stats stats;
    assert_ok(try_library(lab.catalog, NULL, 1, &library));
    assert_ok(simile_library_get_space(library, space, &err));
    assert_string_equal(space, name);
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_string_equal(stats.model_name, model_name);
    assert_string_equal(stats.model_digest, digest_of_quick());
    simile_library_close(library);
}

static void a_pair_searches_and_adds_what_its_model_did(void **state)
{
    make_catalog(lab.model);
    simile_library *library;
    simile_add_report report;
    const char *path = copy_model("tiny-reader", "reader", beside(digest_of_quick()));
    simile_model *pair = open_pair(bench_model_path("tiny-quick"), path);
    simile_encoder *encoder = encoder_of(pair);
    const char *folder = lab.pictures;
    draw(in_pictures("c.ppm"), 3, 3000);
    assert_ok(try_library(lab.catalog, pair, 0, &library));
    assert_finds(library, pair, 2);
    assert_ok(simile_library_add(library, encoder, &folder, 1, NULL, &report, &err));
    assert_int_equal(report.added, 1);
    assert_int_equal(report.unchanged, 2);
    assert_ok(simile_library_add_texts(library, encoder, sentences, 3, NULL, &report, &err));
    assert_int_equal(report.added, 3);
    assert_finds(library, lab.model, 3); /* either way */
    simile_library_close(library);
    simile_encoder_free(encoder);
    simile_model_close(pair);
    assert_space_of_catalog("", "tiny-quick");
}

static void a_declared_reader_searches_alone(void **state)
{
    make_catalog(lab.model);
    simile_library *library;
    simile_model *reader = open_model(copy_model("tiny-reader", "reader", beside(digest_of_quick())));
    for (int32_t read_only = 0; read_only < 2; read_only++) {
        assert_ok(try_library(lab.catalog, reader, read_only, &library));
        assert_ok(simile_library_check_model(library, reader, &err));
        assert_finds(library, reader, 2);
        simile_library_close(library);
    }
    simile_model_close(reader);
    assert_space_of_catalog("", "tiny-quick");
}

/* What the story is about: a model without an image tower beside one that has one, and by itself. */
static void a_model_of_texts_alone_reads_for_another(void **state)
{
    float pair_texts[3 * DIM], texts[3 * DIM], pixels[DIM];
    simile_library *library;
    simile_model *none;
    const char *path = copy_model("sentence-bert", "words", beside(digest_of_quick()));
    make_catalog(lab.model);
    simile_model *words = open_model(path), *pair = open_pair(bench_model_path("tiny-quick"), path);
    simile_encoder *encoder = encoder_of(words);
    assert_int_equal(simile_model_get_info(pair)->image_size, 16);
    assert_int_equal(simile_model_get_info(words)->image_size, 0);
    encode_all(pair, pair_texts, pixels);
    assert_ok(simile_encode_texts(encoder, sentences, 3, texts, NULL, &err));
    assert_memory_equal(texts, pair_texts, sizeof texts);
    assert_tokens_of(pair, words);
    assert_ok(try_library(lab.catalog, words, 1, &library));
    assert_finds(library, words, 2);
    assert_finds(library, pair, 2);
    simile_library_close(library);
    assert_fails(try_pair(path, bench_model_path("tiny-quick"), 1, &none), SIMILE_E_UNSUPPORTED);
    assert_string_equal(err.message, "cannot pair the model 'words' with the texts of 'tiny-quick': 'words' has no "
                                     "image tower");
    assert_fails(simile_model_declare(lab.model, words, 0, NULL, &err), SIMILE_E_UNSUPPORTED);
    simile_encoder_free(encoder);
    simile_model_close(pair);
    simile_model_close(words);
}

/* At another size of pictures a model has another digest, and what its folder declares is not meant of it. */
static void another_size_of_pictures_is_another_space_to_a_catalogue(void **state)
{
    const char *path = copy_model("tiny-quick", "named", "{\"embedding_space\": {\"name\": \"toys/one\"}}");
    const char *reads = copy_model("sentence-bert", "words", beside("toys/one"));
    simile_model_options options = {.struct_size = sizeof options, .image_size = 24};
    simile_model *larger, *pair, *own = open_model(path);
    simile_library *library;
    char space[SIMILE_SPACE_NAME];
    assert_ok(simile_model_open(path, &options, &larger, &err));
    options.text_model = reads;
    assert_ok(simile_model_open(path, &options, &pair, &err)); /* by the name: the texts are the same */
    make_catalog(own);
    assert_fails(try_library(lab.catalog, larger, 1, &library), SIMILE_E_VERSION);
    assert_fails(try_library(lab.catalog, pair, 1, &library), SIMILE_E_VERSION);
    make_catalog(larger);
    assert_ok(try_library(lab.catalog, pair, 1, &library));
    assert_finds(library, pair, 2);
    assert_ok(simile_library_get_space(library, space, &err));
    assert_string_equal(space, "");
    assert_fails(simile_library_check_model(library, own, &err), SIMILE_E_VERSION);
    simile_library_close(library);
    simile_model_close(own);
    simile_model_close(larger);
    simile_model_close(pair);
}

/* A lossy conversion stands for this: same towers, other digest. */
static void a_declared_image_model_goes_on_with_the_catalogue(void **state)
{
    static const char named[] = "{\"embedding_space\": {\"name\": \"toys/one\"}}";
    simile_model *first = open_model(copy_model("tiny-quick", "first", named));
    make_catalog(first);
    simile_model_close(first);
    assert_space_of_catalog("toys/one", "first");
    const char *const claims[2] = {"toys/one", digest_of_quick()};
    for (size_t i = 0; i < 2; i++) {
        simile_model *second = open_model(copy_model("tiny-reader", "second", beside(claims[i])));
        simile_encoder *encoder = encoder_of(second);
        simile_library *library;
        simile_add_report report;
        const char *folder = lab.pictures, *name = i ? "d.ppm" : "c.ppm";
        draw(in_pictures(name), 5 + (unsigned)i, 5000);
        assert_ok(try_library(lab.catalog, second, 0, &library));
        assert_ok(simile_library_add(library, encoder, &folder, 1, NULL, &report, &err));
        assert_int_equal(report.added, 1);
        assert_finds(library, second, 3 + i);
        simile_library_close(library);
        simile_encoder_free(encoder);
        simile_model_close(second);
    }
    assert_space_of_catalog("toys/one", "first"); /* it keeps its space */
}

static void anything_else_is_refused(void **state)
{
    make_catalog(lab.model);
    simile_library *library;
    simile_results *results;
    const char *text = sentences[0], *folder = lab.pictures;
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = text, .weight = 1};
    const simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1};
    const char *const declared[3] = {NULL, beside("toys/one"), "{\"embedding_space\": {\"name\": \"tiny-quick\"}}"};
    for (size_t i = 0; i < 3; i++) {
        simile_model *reader = open_model(copy_model("tiny-reader", "reader", declared[i]));
        simile_encoder *encoder = encoder_of(reader);
        assert_fails(try_library(lab.catalog, reader, 0, &library), SIMILE_E_VERSION);
        assert_non_null(strstr(err.message, "those of the model 'tiny-quick' ("));
        assert_non_null(strstr(err.message, "not of 'reader' ("));
        assert_ok(try_library(lab.catalog, NULL, 0, &library));
        assert_fails(simile_library_check_model(library, reader, &err), SIMILE_E_VERSION);
        assert_fails(simile_search(library, encoder, &query, &results, &err), SIMILE_E_VERSION);
        assert_fails(simile_library_add(library, encoder, &folder, 1, NULL, NULL, &err), SIMILE_E_VERSION);
        assert_fails(simile_library_add_texts(library, encoder, &text, 1, NULL, NULL, &err), SIMILE_E_VERSION);
        simile_library_close(library);
        simile_encoder_free(encoder);
        simile_model_close(reader);
    }
    /* vectors of another length never fit, whatever is declared */
    simile_model *other = open_model(copy_model("tiny-gelu", "gelu", beside(digest_of_quick())));
    assert_fails(try_library(lab.catalog, other, 0, &library), SIMILE_E_VERSION);
    simile_model_close(other);
}

static void an_emptied_catalogue_takes_the_next_space(void **state)
{
    static const char named[] = "{\"embedding_space\": {\"name\": \"toys/one\"}}";
    simile_model *first = open_model(copy_model("tiny-reader", "first", named));
    simile_library *library;
    make_catalog(first);
    simile_model_close(first);
    assert_ok(try_library(lab.catalog, NULL, 0, &library));
    assert_ok(simile_library_remove(library, lab.pictures, NULL, &err));
    simile_library_close(library);
    assert_ok(try_library(lab.catalog, lab.model, 0, &library));
    const char *folder = lab.pictures;
    assert_ok(simile_library_add(library, lab.encoder, &folder, 1, NULL, NULL, &err));
    simile_library_close(library);
    assert_space_of_catalog("", "tiny-quick");
}

/* ---- a catalogue of version 1 ---- */

static void copy_old_catalog(void)
{
    char command[1024];
    snprintf(command, sizeof command, "cp '%s/catalogs/schema-1.simile' '%s' && chmod u+w '%s'", SIMILE_FIXTURES,
             lab.catalog, lab.catalog);
    assert_int_equal(system(command), 0);
}

static int32_t schema_of(simile_library *library)
{
    simile_stats stats;
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_int_equal(stats.images, 3);
    assert_true(stats.texts >= 3);
    return stats.schema;
}

static void an_old_catalogue_is_read_migrated_and_named(void **state)
{
    static const char named[] = "{\"embedding_space\": {\"name\": \"toys/one\"}}";
    simile_library *library;
    const char *text = "a new one";
    copy_old_catalog();
    simile_model *pair =
        open_pair(bench_model_path("tiny-quick"), copy_model("tiny-reader", "reader", beside(digest_of_quick())));
    assert_ok(try_library(lab.catalog, pair, 1, &library));
    assert_int_equal(schema_of(library), 1);
    assert_finds(library, pair, 3);
    assert_finds(library, lab.model, 3);
    simile_library_close(library);
    simile_model_close(pair);
    simile_model *same = open_model(copy_model("tiny-quick", "same", named));
    simile_encoder *encoder = encoder_of(same);
    assert_ok(try_library(lab.catalog, same, 0, &library));
    assert_int_equal(schema_of(library), 2);
    assert_finds(library, same, 3);
    assert_ok(simile_library_add_texts(library, encoder, &text, 1, NULL, NULL, &err));
    simile_library_close(library);
    simile_encoder_free(encoder);
    simile_model_close(same);
    assert_space_of_catalog("toys/one", "tiny-quick");
}

#define pair_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        pair_test(the_one_sees_and_the_other_reads),
        pair_test(a_name_stands_for_a_digest),
        pair_test(the_same_weights_need_no_declaration),
        pair_test(what_cannot_be_a_pair_is_refused_even_by_force),
        pair_test(an_older_program_asks_for_no_pair),
        pair_test(a_tampered_declaration_is_a_sentence),
        pair_test(a_single_file_declares_nothing),
        pair_test(a_user_declares_and_takes_back),
        pair_test(what_cannot_be_declared_is_refused),
        pair_test(a_pair_searches_and_adds_what_its_model_did),
        pair_test(a_declared_reader_searches_alone),
        pair_test(a_model_of_texts_alone_reads_for_another),
        pair_test(another_size_of_pictures_is_another_space_to_a_catalogue),
        pair_test(a_declared_image_model_goes_on_with_the_catalogue),
        pair_test(anything_else_is_refused),
        pair_test(an_emptied_catalogue_takes_the_next_space),
        pair_test(an_old_catalogue_is_read_migrated_and_named),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
