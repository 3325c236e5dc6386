/* SPDX-License-Identifier: Apache-2.0
 * test_fault.c - every public call with its first allocation failing, then its second, and so on until none is left to
 * fail: once with that one alone refused, once with all after it refused too. simile's own allocations and SQLite's
 * count. glib's cannot (it aborts), and jansson's are left alone: when the buffer of its lexer (2.14) cannot grow it
 * drops the byte without notice and later looks for the lost quotation mark beyond the end.
 *
 * Each time the call must either fail with a status and a sentence, or do without the memory and succeed; nothing may
 * leak or crash (the sanitizers watch), and a catalogue that it wrote to must verify clean afterwards. When no
 * allocation was refused, it must succeed.
 *
 * Calls that make many thousands of allocations are tried at every one of the first hundred and at every 31st after
 * that, starting elsewhere in the two rounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "simile.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static long dense = 100, stride = 31; /* all of them when the program is given the word "all" */
static const char *only = "";         /* another word: calls whose name begins with it */

static char folder[64], pictures[80], filled[80], catalog_path[80], model_path[512], reader_path[80];
static simile_model *model, *reader;
static simile_encoder *encoder;
static simile_image *picture;
static simile_error err;

/* ---- SQLite's allocator ---- */

static sqlite3_mem_methods sqlite_own;

static void *sqlite_malloc(int n)
{
    return mem_fault_now() ? NULL : sqlite_own.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return mem_fault_now() ? NULL : sqlite_own.xRealloc(p, n);
}

static void route_sqlite(void)
{
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_own), SQLITE_OK);
    sqlite3_mem_methods faulty = sqlite_own;
    faulty.xMalloc = sqlite_malloc;
    faulty.xRealloc = sqlite_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &faulty), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0), SQLITE_OK);
}

/* ---- what the calls work on ---- */

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static void draw(const char *name, unsigned seed)
{
    enum { SIDE = 20, HEAD = 13 };
    char path[160], bytes[HEAD + SIDE * SIDE * 3 + 1];
    snprintf(bytes, HEAD + 1, "P6\n%d %d\n255\n", SIDE, SIDE);
    for (unsigned i = 0; i < SIDE * SIDE * 3; i++) bytes[HEAD + i] = (char)(i * seed + (i >> 3) * seed * seed);
    snprintf(path, sizeof path, "%s/%s", pictures, name);
    write_file(path, bytes, HEAD + SIDE * SIDE * 3);
}

/* The files of a catalogue are copied, so that each call starts from the same one. */
static void reset_catalog(bool from_filled)
{
    char *bytes;
    size_t len;
    static const char *const endings[] = {"", "-wal", "-shm", "-lock", "-thumbs", "-thumbs-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", catalog_path, endings[i]);
        unlink(path);
    }
    if (!from_filled) return;
    assert_int_equal(file_read(filled, 1 << 24, &bytes, &len, NULL), SIMILE_OK);
    write_file(catalog_path, bytes, len);
    mem_free(bytes);
}

static const char *const texts[2] = {"a cat on a table", "two dogs"};

static void make_filled(void)
{
    simile_library *library;
    const char *path = pictures;
    assert_int_equal(simile_library_open(filled, model, NULL, &library, NULL), SIMILE_OK);
    assert_int_equal(simile_library_add(library, encoder, &path, 1, NULL, NULL, NULL), SIMILE_OK);
    assert_int_equal(simile_library_add_texts(library, encoder, texts, 2, NULL, NULL, NULL), SIMILE_OK);
    simile_library_close(library);
}

/* A model of links, so that a declaration can lie beside its files. */
static void make_reader(void)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json", "model.safetensors", "vocab.json",
                                        "merges.txt"};
    snprintf(reader_path, sizeof reader_path, "%s/reader", folder);
    assert_int_equal(mkdir(reader_path, 0755), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[600], to[160];
        snprintf(from, sizeof from, "%s/models/tiny-reader/%s", SIMILE_FIXTURES, names[i]);
        snprintf(to, sizeof to, "%s/%s", reader_path, names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    assert_int_equal(simile_model_open(reader_path, NULL, &reader, NULL), SIMILE_OK);
    assert_int_equal(simile_model_declare(reader, model, 0, NULL, NULL), SIMILE_OK);
    simile_model_close(reader); /* a handle knows what was declared when it was opened */
    assert_int_equal(simile_model_open(reader_path, NULL, &reader, NULL), SIMILE_OK);
}

static int set_up(void **state)
{
    char path[160];
    /* Thousands of catalogues are made: in memory, where that is to be had. */
    snprintf(folder, sizeof folder, "%s/simile-fault-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(folder)) return -1;
    snprintf(pictures, sizeof pictures, "%s/p", folder);
    snprintf(filled, sizeof filled, "%s/filled", folder);
    snprintf(catalog_path, sizeof catalog_path, "%s/c", folder);
    snprintf(model_path, sizeof model_path, "%s/models/tiny-quick", SIMILE_FIXTURES);
    route_sqlite();
    if (mkdir(pictures, 0755)) return -1;
    draw("a.ppm", 3);
    draw("b.ppm", 5);
    draw("c.ppm", 5); /* the same as b */
    snprintf(path, sizeof path, "%s/bad.png", pictures);
    write_file(path, "bad", 3);
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = 2};
    if (simile_model_open(model_path, NULL, &model, NULL)) return -1;
    if (simile_encoder_new(model, &options, &encoder, NULL)) return -1;
    snprintf(path, sizeof path, "%s/a.ppm", pictures);
    if (simile_image_open(path, NULL, &picture, NULL)) return -1;
    make_filled();
    make_reader();
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return at->level ? remove(path) : 0;
}

static void clear_below(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"p/a.ppm", "p/b.ppm", "p/c.ppm", "p/d.ppm", "p/bad.png", "filled", "c", "p"};
    char path[160];
    reset_catalog(false);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    clear_below(folder);
    rmdir(folder);
    simile_image_free(picture);
    simile_encoder_free(encoder);
    simile_model_close(reader);
    simile_model_close(model);
    return 0;
}

/* ---- the calls ----
 * A call prepares with allocations intact, then acts with one failing, then cleans up. */

typedef struct {
    const char *name;
    void (*prepare)(void);
    simile_status (*act)(void);
    void (*clean_up)(void);
    bool writes; /* to the catalogue */
} call;

static simile_library *library;
static simile_encoder *own_encoder;
static simile_model *own_model;
static simile_image *own_image;
static simile_results *results;
static simile_segmenter *own_segmenter;
static simile_words *own_words;
static simile_translator *own_translator;
static simile_translator_session *own_session;
static simile_translations *own_translations;
static simile_reader *own_reader;
static simile_readings *own_readings;
static float vectors[8 * 1024], tensor[3 * 256 * 256];

static void release_all(void)
{
    simile_results_free(results);
    simile_readings_free(own_readings);
    simile_reader_free(own_reader);
    simile_library_close(library);
    simile_encoder_free(own_encoder);
    simile_model_close(own_model);
    simile_image_free(own_image);
    simile_words_free(own_words);
    simile_segmenter_free(own_segmenter);
    simile_translations_free(own_translations);
    simile_translator_session_free(own_session);
    simile_translator_close(own_translator);
    own_words = NULL;
    own_segmenter = NULL;
    own_translations = NULL;
    own_session = NULL;
    own_translator = NULL;
    own_readings = NULL;
    own_reader = NULL;
    results = NULL;
    library = NULL;
    own_encoder = NULL;
    own_model = NULL;
    own_image = NULL;
}

static void need_model(void)
{
    assert_int_equal(simile_model_open(model_path, NULL, &own_model, NULL), SIMILE_OK);
}

static void need_empty(void)
{
    reset_catalog(false);
    assert_int_equal(simile_library_open(catalog_path, NULL, NULL, &library, NULL), SIMILE_OK);
}

static void need_filled(void)
{
    reset_catalog(true);
    assert_int_equal(simile_library_open(catalog_path, NULL, NULL, &library, NULL), SIMILE_OK);
}

static void no_catalog(void)
{
    reset_catalog(false);
}

static void closed_catalog(void)
{
    reset_catalog(true);
}

static simile_status open_model(void)
{
    return simile_model_open(model_path, NULL, &own_model, &err);
}

static simile_status open_pair(void)
{
    const simile_model_options options = {.struct_size = sizeof options, .text_model = reader_path};
    return simile_model_open(model_path, &options, &own_model, &err);
}

static simile_status open_undeclared_pair(void)
{
    const simile_model_options options = {.struct_size = sizeof options, .text_model = model_path};
    const simile_status status = simile_model_open(reader_path, &options, &own_model, &err);
    return status == SIMILE_E_VERSION ? SIMILE_OK : status;
}

static simile_status take_declaration_back(void)
{
    return simile_model_declare(reader, model, 1, NULL, &err);
}

/* Whatever happened, the file is whole and can be written again. */
static void declare_again(void)
{
    assert_int_equal(simile_model_open(reader_path, NULL, &own_model, &err), SIMILE_OK);
    assert_int_equal(simile_model_declare(own_model, model, 0, NULL, &err), SIMILE_OK);
    release_all();
}

static void nothing_declared(void)
{
    assert_int_equal(simile_model_declare(reader, model, 1, NULL, NULL), SIMILE_OK);
}

static simile_status declare(void)
{
    return simile_model_declare(reader, model, 0, NULL, &err);
}

static simile_status open_segmenter(void)
{
    const simile_segmenter_options options = {.struct_size = sizeof options,
                                              .dictionary = SIMILE_FIXTURES "/text/segment/dict.txt",
                                              .user_dictionary = SIMILE_FIXTURES "/text/segment/user.txt",
                                              .hmm = SIMILE_FIXTURES "/text/segment/finalseg"};
    return simile_segmenter_open(&options, &own_segmenter, &err);
}

static void need_segmenter(void)
{
    assert_int_equal(open_segmenter(), SIMILE_OK);
}

static simile_status segment(void)
{
    static const char text[] = "北京大学生在杭州研大厦, C++ 3.14%";
    const simile_segment_options options = {.struct_size = sizeof options, .mode = SIMILE_SEGMENT_SEARCH};
    return simile_segment(own_segmenter, text, sizeof text - 1, &options, &own_words, &err);
}

static simile_status segment_fully(void)
{
    static const char text[] = "北京大学生abc在C++";
    const simile_segment_options options = {.struct_size = sizeof options, .mode = SIMILE_SEGMENT_FULL};
    return simile_segment(own_segmenter, text, sizeof text - 1, &options, &own_words, &err);
}

static simile_status open_translator(void)
{
    return simile_translator_open(SIMILE_FIXTURES "/translate/swish", NULL, &own_translator, &err);
}

static simile_status open_bundled_translator(void)
{
    return simile_translator_open(SIMILE_BUNDLED "/simile-zh-en", NULL, &own_translator, &err);
}

static simile_status new_session(void)
{
    const simile_translator_session_options options = {.struct_size = sizeof options, .threads = 2};
    return simile_translator_session_new(own_translator, &options, &own_session, &err);
}

static void need_translator(void)
{
    assert_int_equal(open_translator(), SIMILE_OK);
}

static void need_session(void)
{
    need_translator();
    assert_int_equal(new_session(), SIMILE_OK);
}

static void need_bundled_session(void)
{
    assert_int_equal(open_bundled_translator(), SIMILE_OK);
    assert_int_equal(new_session(), SIMILE_OK);
}

/* Its weights are packed within the call. */
static simile_status translate(void)
{
    static const char *const sources[] = {"ab", "", "b"};
    const simile_translate_options options = {.struct_size = sizeof options, .best = 2, .beams = 3};
    return simile_translate(own_session, sources, 3, &options, &own_translations, &err);
}

static simile_status translate_words(void)
{
    static const char *const source = "夜晚的伦敦";
    const simile_translate_options options = {.struct_size = sizeof options, .best = 1, .beams = 2};
    return simile_translate(own_session, &source, 1, &options, &own_translations, &err);
}

static simile_status new_reader(void)
{
    const simile_reader_options options = {.struct_size = sizeof options,
                                           .search_path = SIMILE_BUNDLED,
                                           .translator = SIMILE_FIXTURES "/translate/swish",
                                           .text_model = reader_path,
                                           .threads = 2};
    return simile_reader_new(encoder, &options, &own_reader, &err);
}

static void need_reader(void)
{
    assert_int_equal(new_reader(), SIMILE_OK);
}

static simile_status read_texts(int32_t via, int32_t fuse, const char *const *templates)
{
    static const char *const foreign[] = {"in the snow", "", "两条狗", "две собаки"};
    const simile_read_options options = {.struct_size = sizeof options,
                                         .via = via,
                                         .fuse = fuse,
                                         .candidates = 2,
                                         .templates = templates,
                                         .n_templates = templates ? 1 : 0};
    return simile_read(own_reader, foreign, 4, &options, &own_readings, &err);
}

static simile_status read_directly(void)
{
    return read_texts(SIMILE_VIA_DIRECT, SIMILE_FUSE_FIRST, NULL);
}

/* The translator is opened within the call, and so is the text tower. */
static simile_status read_translated(void)
{
    return read_texts(SIMILE_VIA_TRANSLATE, SIMILE_FUSE_WEIGHTED, NULL);
}

static simile_status read_labels(void)
{
    static const char *const template = "a drawing of {}";
    return read_texts(SIMILE_VIA_TRANSLATE, SIMILE_FUSE_MAX, &template);
}

static simile_status read_by_tower(void)
{
    return read_texts(SIMILE_VIA_MULTILINGUAL, SIMILE_FUSE_FIRST, NULL);
}

static simile_status read_somehow(void)
{
    return read_texts(SIMILE_VIA_AUTO, SIMILE_FUSE_FIRST, NULL);
}

static simile_status evaluate(void)
{
    enum { QUERIES = 300, DIM = 2 };
    static float queries[QUERIES * DIM];
    static simile_match matches[QUERIES];
    static int64_t starts[QUERIES / 2 + 1]; /* two vectors a query */
    int64_t ranks[QUERIES];
    for (int i = 0; i <= QUERIES / 2; i++) starts[i] = 2 * i;
    for (int i = 0; i < QUERIES; i++) {
        matches[i] = (simile_match){i / 2, QUERIES - 1 - i};
        queries[DIM * i] = (float)i;
        queries[DIM * i + 1] = 1;
    }
    const simile_evaluation e = {.struct_size = sizeof e,
                                 .queries = queries,
                                 .candidates = queries,
                                 .n_queries = QUERIES / 2,
                                 .n_candidates = QUERIES,
                                 .matches = matches,
                                 .n_matches = QUERIES,
                                 .dim = DIM,
                                 .threads = 2,
                                 .query_starts = starts};
    return simile_evaluate(&e, ranks, &err);
}

static simile_status digest_model(void)
{
    char out[65];
    return simile_model_digest(own_model, out, &err);
}

static simile_status tokenize(void)
{
    int32_t ids[64];
    size_t n;
    return simile_tokenize(model, "two dogs in the SNOW &amp; rain", 31, ids, 64, &n, NULL, &err);
}

static simile_status open_image(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/a.ppm", pictures);
    return simile_image_open(path, NULL, &own_image, &err);
}

static simile_status image_from_pixels(void)
{
    const uint8_t rgb[12] = {0};
    return simile_image_from_pixels(rgb, 2, 2, 6, &own_image, &err);
}

static simile_status preprocess(void)
{
    return simile_preprocess(model, picture, tensor, sizeof tensor / sizeof *tensor, &err);
}

static simile_status new_encoder(void)
{
    const simile_encoder_options options = {.struct_size = sizeof options, .threads = 2};
    return simile_encoder_new(model, &options, &own_encoder, &err);
}

static void need_encoder(void)
{
    need_model();
    assert_int_equal(simile_encoder_new(own_model, NULL, &own_encoder, NULL), SIMILE_OK);
}

static void need_resized(void)
{
    const simile_model_options options = {.struct_size = sizeof options, .image_size = 24};
    assert_int_equal(simile_model_open(model_path, &options, &own_model, NULL), SIMILE_OK);
    assert_int_equal(simile_encoder_new(own_model, NULL, &own_encoder, NULL), SIMILE_OK);
}

/* A model of its own, whose towers are packed within the call. */
static simile_status encode_texts(void)
{
    return simile_encode_texts(own_encoder, texts, 2, vectors, NULL, &err);
}

static simile_status encode_images(void)
{
    const simile_image *const images[2] = {picture, picture};
    return simile_encode_images(own_encoder, images, 2, vectors, &err);
}

static simile_status label_vectors(void)
{
    return simile_label_vectors(encoder, texts, 2, NULL, 0, vectors, &err);
}

static simile_status open_library(void)
{
    return simile_library_open(catalog_path, model, NULL, &library, &err);
}

static simile_status open_to_read(void)
{
    const simile_library_options options = {.struct_size = sizeof options, .read_only = 1};
    return simile_library_open(catalog_path, model, &options, &library, &err);
}

static simile_status open_for_reader(void)
{
    return simile_library_open(catalog_path, reader, NULL, &library, &err);
}

static void old_catalog(void)
{
    char path[600], *bytes;
    size_t len;
    reset_catalog(false);
    snprintf(path, sizeof path, "%s/catalogs/schema-1.simile", SIMILE_FIXTURES);
    assert_int_equal(file_read(path, 1 << 24, &bytes, &len, NULL), SIMILE_OK);
    write_file(catalog_path, bytes, len);
    mem_free(bytes);
}

static simile_status get_space(void)
{
    char name[SIMILE_SPACE_NAME];
    return simile_library_get_space(library, name, &err);
}

static simile_status check_model(void)
{
    return simile_library_check_model(library, reader, &err);
}

static simile_status add(void)
{
    const char *path = pictures;
    simile_add_report report;
    return simile_library_add(library, encoder, &path, 1, NULL, &report, &err);
}

static simile_status add_newest(void)
{
    const char *path = pictures;
    const simile_add_options options = {
        .struct_size = sizeof options, .newest_first = 1, .has_after = 1, .no_thumbnails = 1};
    return simile_library_add(library, encoder, &path, 1, &options, NULL, &err);
}

static int look_at_file(void *user, const simile_scanned *file)
{
    return 0;
}

static simile_status scan(void)
{
    const char *path = pictures;
    return simile_library_scan(library, &path, 1, NULL, look_at_file, NULL, &err);
}

/* One picture moved, one changed, one gone, one new, the bad one tried again. */
static void need_changes(void)
{
    char from[160], to[160];
    need_filled();
    snprintf(from, sizeof from, "%s/a.ppm", pictures);
    snprintf(to, sizeof to, "%s/d.ppm", pictures);
    assert_int_equal(rename(from, to), 0);
    draw("b.ppm", 7);
    snprintf(to, sizeof to, "%s/c.ppm", pictures);
    assert_int_equal(unlink(to), 0);
}

static simile_status add_changes(void)
{
    const char *path = pictures;
    const simile_add_options options = {.struct_size = sizeof options, .batch = 1, .retry_quarantined = 1};
    return simile_library_add(library, encoder, &path, 1, &options, NULL, &err);
}

static void undo_changes(void)
{
    char path[160];
    release_all();
    snprintf(path, sizeof path, "%s/d.ppm", pictures);
    unlink(path);
    draw("a.ppm", 3);
    draw("b.ppm", 5);
    draw("c.ppm", 5);
}

static simile_status add_texts(void)
{
    return simile_library_add_texts(library, encoder, texts, 2, NULL, NULL, &err);
}

static simile_status remove_folder(void)
{
    return simile_library_remove(library, pictures, NULL, &err);
}

static simile_status remove_glob(void)
{
    return simile_library_remove(library, "*.ppm", NULL, &err);
}

static simile_status remove_text(void)
{
    return simile_library_remove_text(library, texts[0], NULL, &err);
}

static simile_status get_stats(void)
{
    simile_stats stats;
    return simile_library_get_stats(library, &stats, &err);
}

static int look(void *user, const simile_item *item)
{
    return 0;
}

static simile_status each(void)
{
    return simile_library_each(library, look, NULL, &err);
}

static simile_status list(void)
{
    const simile_filter filter = {
        .struct_size = sizeof filter, .folder = pictures, .glob = "*.ppm", .order = SIMILE_ORDER_NEWEST};
    int64_t total;
    return simile_library_list(library, &filter, look, NULL, &total, &err);
}

static simile_status find(void)
{
    return simile_library_find(library, 1, look, NULL, &err);
}

static int look_at_period(void *user, int32_t year, int32_t month, int64_t count)
{
    return 0;
}

static simile_status periods(void)
{
    return simile_library_periods(library, NULL, look_at_period, NULL, &err);
}

static int look_at_folder(void *user, const char *name, int64_t count)
{
    return 0;
}

static simile_status folders(void)
{
    return simile_library_folders(library, NULL, look_at_folder, NULL, &err);
}

static simile_status get_vector(void)
{
    return simile_library_get_vector(library, 1, vectors, simile_model_get_info(model)->dim, &err);
}

static int look_at_group(void *user, const simile_group *group)
{
    return 0;
}

static simile_status duplicates(void)
{
    const simile_duplicates_options options = {.struct_size = sizeof options, .folder = pictures, .similarity = 1};
    return simile_library_duplicates(library, &options, look_at_group, NULL, &err);
}

static simile_status get_thumbnail(void)
{
    void *bytes;
    size_t len;
    const simile_status status = simile_library_thumbnail(library, 1, &bytes, &len, &err);
    simile_free(bytes);
    return status;
}

static simile_status remove_id(void)
{
    return simile_library_remove_id(library, 1, &err);
}

static simile_status verify(void)
{
    return simile_library_verify(library, 1, NULL, NULL, NULL, NULL, &err);
}

static simile_status search(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/b.ppm", pictures);
    const simile_term terms[4] = {{.kind = SIMILE_TERM_TEXT, .text = texts[0], .weight = 1},
                                  {.kind = SIMILE_TERM_PATH, .text = path, .weight = -0.5f},
                                  {.kind = SIMILE_TERM_IMAGE, .image = picture, .weight = 0.25f},
                                  {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = 0.125f}};
    const simile_query query = {.struct_size = sizeof query,
                                .terms = terms,
                                .n_terms = 4,
                                .glob = "*.ppm",
                                .folder = pictures,
                                .has_after = 1,
                                .exclude_terms = 1};
    return simile_search(library, encoder, &query, &results, &err);
}

static simile_status search_texts(void)
{
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = texts[0], .weight = 1};
    const simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1, .target = SIMILE_KIND_TEXT};
    return simile_search(library, encoder, &query, &results, &err);
}

static simile_results *many_results[3];

static simile_status search_many(void)
{
    const simile_term terms[3] = {{.kind = SIMILE_TERM_TEXT, .text = texts[0], .weight = 1},
                                  {.kind = SIMILE_TERM_TEXT, .text = texts[1], .weight = 1},
                                  {.kind = SIMILE_TERM_ITEM, .id = 1, .weight = 1}};
    simile_query queries[3];
    for (int i = 0; i < 3; i++)
        queries[i] = (simile_query){.struct_size = sizeof *queries,
                                    .terms = terms + i,
                                    .n_terms = 1,
                                    .target = i == 1 ? SIMILE_KIND_TEXT : SIMILE_KIND_IMAGE,
                                    .folder = i == 1 ? NULL : pictures,
                                    .exclude_terms = 1};
    const simile_query *const all[3] = {&queries[0], &queries[1], &queries[2]};
    return simile_search_many(library, encoder, all, 3, many_results, &err);
}

static void release_many(void)
{
    for (int i = 0; i < 3; i++) {
        simile_results_free(many_results[i]);
        many_results[i] = NULL;
    }
    release_all();
}

/* ---- models from the cache of the Hugging Face libraries: no network is needed ---- */

static char data_home[96], cache_home[96];

static void link_cached(const char *name)
{
    char from[600], to[400];
    snprintf(from, sizeof from, "%s/%s", model_path, name);
    snprintf(to, sizeof to, "%s/models--t--x/snapshots/0123456789abcdef0123456789abcdef01234567/%s", cache_home, name);
    if (access(from, F_OK) == 0) symlink(from, to);
}

static void need_cache(void)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json", "model.safetensors", "vocab.json"};
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    char path[400];
    snprintf(data_home, sizeof data_home, "%s/data", folder);
    snprintf(cache_home, sizeof cache_home, "%s/hub", folder);
    setenv("XDG_DATA_HOME", data_home, 1);
    setenv("HF_HUB_CACHE", cache_home, 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
    snprintf(path, sizeof path, "%s/models--t--x/snapshots/%s", cache_home, commit);
    assert_int_equal(path_make_folders(path, NULL), SIMILE_OK);
    snprintf(path, sizeof path, "%s/models--t--x/refs", cache_home);
    assert_int_equal(path_make_folders(path, NULL), SIMILE_OK);
    snprintf(path, sizeof path, "%s/models--t--x/refs/main", cache_home);
    write_file(path, commit, sizeof commit - 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) link_cached(names[i]);
}

/* The same as the model of a name that is known. */
static void need_known(void)
{
    char path[400];
    need_cache();
    snprintf(path, sizeof path, "%s/models--openai--clip-vit-base-patch32", cache_home);
    if (access(path, F_OK)) assert_int_equal(symlink("models--t--x", path), 0);
}

static simile_status pull_known(void)
{
    const simile_pull_options options = {.struct_size = sizeof options, .name = "x"};
    return simile_pull("clip-vit-base-patch32", &options, NULL, &err);
}

static simile_status pull(void)
{
    return simile_pull("t/x", NULL, NULL, &err);
}

static void need_pulled(void)
{
    need_cache();
    assert_int_equal(simile_pull("t/x", NULL, NULL, NULL), SIMILE_OK);
}

static simile_status pull_again(void)
{
    const simile_pull_options options = {.struct_size = sizeof options, .replace = 1};
    return simile_pull("t/x", &options, NULL, &err);
}

static simile_status pull_refused(void)
{
    setenv("HF_HUB_OFFLINE", "0", 1);
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    const simile_pull_options options = {.struct_size = sizeof options, .retries = -1};
    const simile_status status = simile_pull("t/x", &options, NULL, &err);
    return status == SIMILE_E_IO ? SIMILE_OK : status; /* nobody is there */
}

static int look_at(void *user, const simile_installed_model *found)
{
    return 0;
}

static simile_status installed(void)
{
    return simile_installed_models(NULL, look_at, NULL, &err);
}

/* By the record of what was pulled; by a name alone. */
static simile_status tower_of(void)
{
    const simile_text_tower *tower;
    const simile_status status = simile_text_tower_of("x", NULL, &tower, &err);
    return status ? status : simile_text_tower_of("RN50", NULL, &tower, &err);
}

static simile_status remove_model(void)
{
    return simile_model_remove("x", NULL, &err);
}

/* Whatever a failure left can still be removed. */
static void drop_pulled(void)
{
    char path[160];
    const simile_status status = simile_model_remove("x", NULL, &err);
    if (status && status != SIMILE_E_NOT_FOUND) {
        snprintf(path, sizeof path, "%s/simile/models/x.part", data_home);
        if (rmdir(path)) fail_msg("%s", err.message); /* a folder in which nothing is yet */
    }
}

/* ---- converting ---- */

static char gguf_path[600], converted[96];

static void need_gguf(void)
{
    snprintf(gguf_path, sizeof gguf_path, "%s/archives/same/gguf-q8_0", SIMILE_FIXTURES);
    snprintf(converted, sizeof converted, "%s/converted", folder);
    assert_int_equal(simile_model_open(gguf_path, NULL, &own_model, NULL), SIMILE_OK);
}

static simile_status convert(void)
{
    const simile_convert_options options = {.struct_size = sizeof options, .dtype = SIMILE_DTYPE_F16};
    return simile_model_convert(own_model, converted, &options, NULL, &err);
}

/* Whole or not there, and nothing beside it. */
static void drop_converted(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/.converted.simile-convert", folder);
    assert_int_not_equal(access(path, F_OK), 0);
    release_all();
    if (access(converted, F_OK)) return;
    if (simile_model_open(converted, NULL, &own_model, &err)) fail_msg("%s", err.message);
    release_all();
    clear_below(converted);
    assert_int_equal(rmdir(converted), 0);
}

static const call calls[] = {
    {"model_convert", need_gguf, convert, drop_converted, false},
    {"pull, from the cache", need_cache, pull, drop_pulled, false},
    {"pull, a known one", need_known, pull_known, drop_pulled, false},
    {"pull, replacing", need_pulled, pull_again, drop_pulled, false},
    {"pull, nobody there", need_cache, pull_refused, drop_pulled, false},
    {"installed_models", need_pulled, installed, drop_pulled, false},
    {"text_tower_of", need_pulled, tower_of, drop_pulled, false},
    {"model_remove", need_pulled, remove_model, drop_pulled, false},
    {"model_open", NULL, open_model, release_all, false},
    {"model_open, a pair", NULL, open_pair, release_all, false},
    {"model_open, no pair", NULL, open_undeclared_pair, release_all, false},
    {"segmenter_open", NULL, open_segmenter, release_all, false},
    {"segment", need_segmenter, segment, release_all, false},
    {"segment, full", need_segmenter, segment_fully, release_all, false},
    {"translator_open", NULL, open_translator, release_all, false},
    {"translator_open, words", NULL, open_bundled_translator, release_all, false},
    {"translator_session_new", need_translator, new_session, release_all, false},
    {"translate", need_session, translate, release_all, false},
    {"translate, words", need_bundled_session, translate_words, release_all, false},
    {"reader_new", NULL, new_reader, release_all, false},
    {"read, directly", need_reader, read_directly, release_all, false},
    {"read, translated", need_reader, read_translated, release_all, false},
    {"read, labels", need_reader, read_labels, release_all, false},
    {"read, by a text tower", need_reader, read_by_tower, release_all, false},
    {"read, somehow", need_reader, read_somehow, release_all, false},
    {"evaluate", NULL, evaluate, release_all, false},
    {"model_declare", nothing_declared, declare, declare_again, false},
    {"model_declare, undo", NULL, take_declaration_back, declare_again, false},
    {"model_digest", need_model, digest_model, release_all, false},
    {"tokenize", NULL, tokenize, release_all, false},
    {"image_open", NULL, open_image, release_all, false},
    {"image_from_pixels", NULL, image_from_pixels, release_all, false},
    {"preprocess", NULL, preprocess, release_all, false},
    {"encoder_new", NULL, new_encoder, release_all, false},
    {"encode_texts", need_encoder, encode_texts, release_all, false},
    {"encode_images", need_encoder, encode_images, release_all, false},
    {"encode_images, another size", need_resized, encode_images, release_all, false},
    {"label_vectors", NULL, label_vectors, release_all, false},
    {"library_open, new", no_catalog, open_library, release_all, true},
    {"library_open", closed_catalog, open_library, release_all, true},
    {"library_open, read only", closed_catalog, open_to_read, release_all, true},
    {"library_open, with a reader", closed_catalog, open_for_reader, release_all, true},
    {"library_open, version 1", old_catalog, open_library, release_all, true},
    {"library_open, version 1, read only", old_catalog, open_to_read, release_all, true},
    {"library_get_space", need_filled, get_space, release_all, true},
    {"library_check_model", need_filled, check_model, release_all, true},
    {"library_add", need_empty, add, release_all, true},
    {"library_add, changes", need_changes, add_changes, undo_changes, true},
    {"library_add, the newest first", need_empty, add_newest, release_all, true},
    {"library_scan", need_filled, scan, release_all, true},
    {"library_add_texts", need_empty, add_texts, release_all, true},
    {"library_remove, folder", need_filled, remove_folder, release_all, true},
    {"library_remove, glob", need_filled, remove_glob, release_all, true},
    {"library_remove_text", need_filled, remove_text, release_all, true},
    {"library_get_stats", need_filled, get_stats, release_all, true},
    {"library_each", need_filled, each, release_all, true},
    {"library_list", need_filled, list, release_all, true},
    {"library_find", need_filled, find, release_all, true},
    {"library_periods", need_filled, periods, release_all, true},
    {"library_folders", need_filled, folders, release_all, true},
    {"library_get_vector", need_filled, get_vector, release_all, true},
    {"library_duplicates", need_filled, duplicates, release_all, true},
    {"library_thumbnail", need_filled, get_thumbnail, release_all, true},
    {"library_remove_id", need_filled, remove_id, release_all, true},
    {"library_verify", need_filled, verify, release_all, true},
    {"search", need_filled, search, release_all, true},
    {"search, texts", need_filled, search_texts, release_all, true},
    {"search, many", need_filled, search_many, release_many, true},
};

/* ---- the trial ---- */

static void tell_problem(void *user, int64_t id, const char *path, const char *problem)
{
    print_error("item %lld, %s: %s\n", (long long)id, path ? path : "the catalogue", problem);
}

static void assert_catalog_is_whole(const call *c, long n)
{
    simile_verify_report report;
    simile_library *opened;
    if (access(catalog_path, F_OK)) return; /* none came to be */
    if (simile_library_open(catalog_path, NULL, NULL, &opened, &err) ||
        simile_library_verify(opened, 0, tell_problem, NULL, NULL, &report, &err))
        fail_msg("%s, allocation %ld: the catalogue cannot be opened: %s", c->name, n, err.message);
    if (report.problems) fail_msg("%s, allocation %ld: the catalogue is damaged", c->name, n);
    simile_library_close(opened);
}

/* True when allocation n was refused: there may be more of them. */
static bool try_once(const call *c, long n, bool sticky)
{
    if (c->prepare) c->prepare();
    err = (simile_error){0};
    mem_fault_after(n, sticky);
    const simile_status status = c->act();
    const bool hit = mem_fault_hit();
    mem_fault_after(0, false);
    if (!hit && status) fail_msg("%s: %s", c->name, err.message);
    if (status && (err.status != status || !err.message[0]))
        fail_msg("%s, allocation %ld: status %d, but no error", c->name, n, status);
    if (status && status != SIMILE_E_NOMEM)
        print_message("%s, allocation %ld%s: %s: %s\n", c->name, n, sticky ? " and on" : "", simile_status_name(status),
                      err.message);
    c->clean_up();
    if (c->writes) assert_catalog_is_whole(c, n);
    return hit;
}

static void every_allocation_may_fail(void **state)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        long tries = 0;
        if (strncmp(calls[i].name, only, strlen(only))) continue;
        for (int sticky = 0; sticky < 2; sticky++) {
            long n = 1;
            for (; try_once(&calls[i], n, sticky); tries++) n += n < dense ? 1 : stride - (stride > 2 ? sticky * 2 : 0);
            if (!sticky) print_message("%s: about %ld allocations\n", calls[i].name, n);
        }
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "all"))
            only = argv[i];
        else
            stride = 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
