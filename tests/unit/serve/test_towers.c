/* SPDX-License-Identifier: Apache-2.0
 * test_towers.c - towers and lanes: what comes out is what the library gives, whoever asks beside one; batches form and
 * nobody gets another one's error; full queues, unloading, stopping, names. */
#include "base/mem.h"
#include "counters.h"
#include "serve/lane.h"
#include "serve/towers.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
// clang-format on
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { CALLERS = 16, ROUNDS = 4, MOST_DIM = 1024 };

static const char *const sentences[] = {"two dogs in the snow",
                                        "a red car",
                                        "a boat on the sea at night",
                                        "a black cat on a table",
                                        "the tower of a church behind trees, seen from the other side of the river",
                                        "",
                                        "snow",
                                        "a photo of a blue bird"};
enum { SENTENCES = sizeof sentences / sizeof *sentences };

/* What the library itself says, without a server. */
static struct {
    simile_model *model;
    simile_encoder *encoder;
    int32_t dim;
    simile_image *picture;
} lab;

static int set_up(void **state)
{
    (void)state;
    uint8_t rgb[64 * 48 * 3];
    simile_error err;
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7 + i / 192);
    if (simile_model_open(SIMILE_MODEL, NULL, &lab.model, &err)) return 1;
    lab.dim = simile_model_get_info(lab.model)->dim;
    const simile_encoder_options alone = {.struct_size = sizeof alone, .threads = 1};
    if (simile_encoder_new(lab.model, &alone, &lab.encoder, &err)) return 1;
    return simile_image_from_pixels(rgb, 64, 48, 192, &lab.picture, &err);
}

static int tear_down(void **state)
{
    (void)state;
    simile_image_free(lab.picture);
    simile_encoder_free(lab.encoder);
    simile_model_close(lab.model);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    counters_forget();
    return 0;
}

static towers *open_towers(towers_options options)
{
    simile_error err;
    towers *t;
    options.search_path = SIMILE_MODELS_FOLDER;
    if (!options.model) options.model = "simile-scenes";
    options.threads = 1;
    assert_int_equal(towers_new(&options, no_metrics, &t, &err), SIMILE_OK);
    return t;
}

static bool is_close(const float *a, const float *b)
{
    float x[MOST_DIM], y[MOST_DIM];
    memcpy(x, a, (size_t)lab.dim * sizeof *x);
    memcpy(y, b, (size_t)lab.dim * sizeof *y);
    simile_normalize(x, lab.dim);
    simile_normalize(y, lab.dim);
    for (int32_t i = 0; i < lab.dim; i++)
        if (!(fabsf(x[i] - y[i]) <= 1e-6f)) return false;
    return true;
}

/* What the library gives for a text; that of each sentence is remembered. */
static bool is_right(const char *text, const float *vector)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static float known[SENTENCES][MOST_DIM];
    static bool is_known[SENTENCES];
    float other[MOST_DIM], *expected = other;
    size_t at = 0;
    simile_status status = SIMILE_OK;
    while (at < SENTENCES && strcmp(sentences[at], text) != 0) at++;
    pthread_mutex_lock(&lock);
    if (at < SENTENCES) expected = known[at];
    if (at == SENTENCES || !is_known[at]) status = simile_encode_texts(lab.encoder, &text, 1, expected, NULL, NULL);
    if (at < SENTENCES) is_known[at] = true;
    pthread_mutex_unlock(&lock);
    return !status && is_close(vector, expected);
}

/* ---- callers: threads that ask for one thing ---- */

typedef struct caller {
    tower *t;
    int number;
    const char *const *texts;
    size_t n;
    float *out;
    simile_status status;
    simile_error err;
    size_t wrong;
    pthread_t thread;
} caller;

static void start(caller *c, void *(*run)(void *))
{
    assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
}

static simile_status join(caller *c)
{
    assert_int_equal(pthread_join(c->thread, NULL), 0);
    return c->status;
}

static void *ask_texts(void *argument)
{
    caller *c = argument;
    c->status = tower_hold(c->t, &c->err);
    if (c->status) return NULL;
    c->status = tower_texts(c->t, c->texts, c->n, c->out, NULL, &c->err);
    tower_release(c->t);
    return NULL;
}

static void *ask_reading(void *argument)
{
    caller *c = argument;
    simile_readings *readings;
    c->status = tower_hold(c->t, &c->err);
    if (c->status) return NULL;
    c->status = tower_read(c->t, c->texts, c->n, NULL, &readings, &c->err);
    for (size_t i = 0; i < c->n && !c->status; i++) {
        const simile_reading *r = simile_readings_at(readings, i);
        if (strcmp(r->text, c->texts[i]) != 0 || !is_right(c->texts[i], r->vectors)) c->wrong++;
    }
    simile_readings_free(readings);
    tower_release(c->t);
    return NULL;
}

/* ---- vectors ---- */

static void ask_round(caller *c, int round)
{
    float out[2 * MOST_DIM];
    uint8_t truncated[2];
    simile_readings *readings;
    const char *texts[2] = {sentences[(c->number + round) % SENTENCES], sentences[(c->number * 3 + round) % SENTENCES]};
    if (tower_texts(c->t, texts, 2, out, truncated, &c->err)) c->wrong++;
    if (!is_right(texts[0], out) || !is_right(texts[1], out + lab.dim) || truncated[0] || truncated[1]) c->wrong++;
    const simile_image *pictures[] = {lab.picture, lab.picture};
    if (c->number % 4 == 0) {
        float alone[MOST_DIM];
        if (tower_images(c->t, pictures, 2, out, &c->err) || tower_images(c->t, pictures, 1, alone, &c->err))
            c->wrong++;
        if (!is_close(out, alone) || !is_close(out + lab.dim, alone)) c->wrong++;
    }
    const simile_read_options how = {.struct_size = sizeof how, .labels = c->number % 2};
    if (tower_read(c->t, texts, 2, &how, &readings, &c->err)) {
        c->wrong++;
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        float expected[MOST_DIM];
        const simile_reading *r = simile_readings_at(readings, i);
        if (how.labels) {
            char prompt[160];
            snprintf(prompt, sizeof prompt, "a photo of a %s.", texts[i]);
            memcpy(expected, r->vectors, (size_t)lab.dim * sizeof *expected);
            if (!is_right(prompt, expected)) c->wrong++;
        } else if (!is_right(texts[i], r->vectors)) {
            c->wrong++;
        }
    }
    simile_readings_free(readings);
}

static void *ask_everything(void *argument)
{
    caller *c = argument;
    for (int round = 0; round < ROUNDS; round++) {
        if (tower_hold(c->t, &c->err)) {
            c->wrong++;
            continue;
        }
        ask_round(c, round);
        tower_release(c->t);
    }
    return NULL;
}

static void test_vectors(void **state)
{
    (void)state;
    towers *t = open_towers((towers_options){0});
    caller callers[CALLERS];
    float expected[MOST_DIM], out[MOST_DIM];
    simile_error err;
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.t = towers_main(t), .number = i};
        start(&callers[i], ask_everything);
    }
    for (int i = 0; i < CALLERS; i++) {
        join(&callers[i]);
        assert_int_equal(callers[i].wrong, 0);
    }
    const simile_image *picture = lab.picture;
    assert_int_equal(tower_hold(towers_main(t), &err), SIMILE_OK);
    assert_int_equal(tower_images(towers_main(t), &picture, 1, out, &err), SIMILE_OK);
    assert_int_equal(simile_encode_images(lab.encoder, &picture, 1, expected, &err), SIMILE_OK);
    assert_true(is_close(out, expected));
    assert_int_equal(tower_texts(towers_main(t), NULL, 0, NULL, NULL, &err), SIMILE_OK);
    tower_release(towers_main(t));
    assert_int_equal(counters_count(COUNT_TEXTS), CALLERS * ROUNDS * 4);
    assert_int_equal(counters_count(COUNT_IMAGES), CALLERS / 4 * ROUNDS * 3 + 1);
    assert_int_equal(counters_count(COUNT_MODEL_LOADS), 1);
    assert_int_equal(counters_gauge(GAUGE_WORK_WAITING), 0);
    towers_free(t);
    assert_int_equal(counters_gauge(GAUGE_MODELS_LOADED), 0);
}

/* ---- batches: while the gate is closed, the thread for texts stands behind its first batch ---- */

static void close_behind(caller *first, towers *t, float *out)
{
    *first = (caller){.t = towers_main(t), .texts = sentences, .n = 1, .out = out};
    gate_close();
    start(first, ask_texts);
    gate_wait_for(1);
}

static void test_batch(void **state)
{
    (void)state;
    towers *t = open_towers((towers_options){0});
    caller first, callers[CALLERS];
    float out[MOST_DIM];
    close_behind(&first, t, out);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.t = towers_main(t), .texts = sentences + i % SENTENCES, .n = 1};
        start(&callers[i], ask_reading);
    }
    gauge_wait_for(GAUGE_WORK_WAITING, CALLERS);
    gate_open();
    assert_int_equal(join(&first), SIMILE_OK);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(join(&callers[i]), SIMILE_OK);
        assert_int_equal(callers[i].wrong, 0);
    }
    /* the first one, then all others at once */
    assert_int_equal(counters_observed(HISTOGRAM_BATCH_TEXTS), 2);
    assert_int_equal((int)counters_most(HISTOGRAM_BATCH_TEXTS), CALLERS);
    assert_int_equal(counters_observed(HISTOGRAM_WORK_SECONDS), CALLERS + 1);
    towers_free(t);
}

/* A text that is missing is the error of the one who forgot it. */
static void test_errors_are_ones_own(void **state)
{
    (void)state;
    towers *t = open_towers((towers_options){0});
    const char *const missing[] = {NULL};
    caller first, callers[6];
    float out[7][MOST_DIM];
    close_behind(&first, t, out[6]);
    for (int i = 0; i < 6; i++) {
        callers[i] = (caller){.t = towers_main(t), .texts = i % 3 == 1 ? missing : sentences, .n = 1, .out = out[i]};
        start(&callers[i], i < 3 ? ask_texts : ask_reading);
    }
    gauge_wait_for(GAUGE_WORK_WAITING, 6);
    gate_open();
    join(&first);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(join(&callers[i]), i % 3 == 1 ? SIMILE_E_ARG : SIMILE_OK);
        if (i < 3 && i != 1) assert_true(is_right(sentences[0], out[i]));
        assert_int_equal(callers[i].wrong, 0);
    }
    towers_free(t);
}

static void test_full(void **state)
{
    enum { FILLERS = LIMIT_WAITING / LIMIT_BATCH };
    (void)state;
    towers *t = open_towers((towers_options){0});
    const char *texts[LIMIT_BATCH + 1];
    for (size_t i = 0; i <= LIMIT_BATCH; i++) texts[i] = sentences[i % SENTENCES];
    float *out = mem_zero_array((FILLERS + 1) * (LIMIT_BATCH + 1) * (size_t)lab.dim, sizeof *out);
    caller first, callers[FILLERS], late = {.t = towers_main(t), .texts = texts, .n = 1};
    close_behind(&first, t, out);
    for (int i = 0; i < FILLERS; i++) {
        /* one piece more than a batch: nobody weighs more than a batch, and all are finished all the same */
        callers[i] = (caller){.t = towers_main(t), .texts = texts, .n = LIMIT_BATCH + 1};
        callers[i].out = out + (size_t)(i + 1) * (LIMIT_BATCH + 1) * (size_t)lab.dim;
        start(&callers[i], ask_texts);
    }
    gauge_wait_for(GAUGE_WORK_WAITING, LIMIT_WAITING);
    start(&late, ask_reading);
    assert_int_equal(join(&late), SIMILE_E_BUSY);
    assert_int_equal(counters_count(COUNT_REFUSED_BUSY), 1);
    gate_open();
    join(&first);
    for (int i = 0; i < FILLERS; i++) {
        assert_int_equal(join(&callers[i]), SIMILE_OK);
        for (size_t k = 0; k <= LIMIT_BATCH; k++) assert_true(is_right(texts[k], callers[i].out + k * (size_t)lab.dim));
    }
    start(&late, ask_reading);
    assert_int_equal(join(&late), SIMILE_OK);
    assert_int_equal((int)counters_most(HISTOGRAM_BATCH_TEXTS), LIMIT_BATCH);
    towers_free(t);
    mem_free(out);
}

/* ---- lanes by themselves ---- */

typedef struct {
    lane *l;
    work w;
    atomic_int *order;
    int place;
    simile_status status;
    pthread_t thread;
} worker;

static void *do_work(void *argument)
{
    worker *r = argument;
    r->status = lane_do(r->l, &r->w, NULL);
    r->place = atomic_fetch_add(r->order, 1);
    return NULL;
}

static void put(worker *r, lane *l, const char *const *texts, size_t n, float *out, atomic_int *order)
{
    *r = (worker){.l = l, .w = {.kind = WORK_TEXTS, .texts = texts, .n = n, .out = out}, .order = order};
    assert_int_equal(pthread_create(&r->thread, NULL, do_work, r), 0);
}

static lane *open_lane(void)
{
    const lane_options options = {
        .model = lab.model, .search_path = SIMILE_MODELS_FOLDER, .threads = 1, .metrics = no_metrics};
    lane *l;
    simile_error err;
    assert_int_equal(lane_new(&options, &l, &err), SIMILE_OK);
    return l;
}

/* A request of many texts is worked off by instalments, and a small one passes by. */
static void test_instalments(void **state)
{
    enum { MANY = 4 * LIMIT_BATCH };
    (void)state;
    const char *texts[MANY];
    for (size_t i = 0; i < MANY; i++) texts[i] = sentences[i % SENTENCES];
    float *out = mem_zero_array((MANY + 2) * (size_t)lab.dim, sizeof *out), *small = out + MANY * (size_t)lab.dim;
    atomic_int order = 0;
    lane *l = open_lane();
    worker workers[3];
    gate_close();
    put(&workers[0], l, texts, 1, small + lab.dim, &order);
    gate_wait_for(1);
    put(&workers[1], l, texts, MANY, out, &order);
    gauge_wait_for(GAUGE_WORK_WAITING, LIMIT_BATCH);
    put(&workers[2], l, texts + 1, 1, small, &order);
    gauge_wait_for(GAUGE_WORK_WAITING, LIMIT_BATCH + 1);
    gate_open();
    for (int i = 0; i < 3; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].status, SIMILE_OK);
    }
    assert_true(workers[2].place < workers[1].place);
    assert_true(is_right(texts[1], small));
    for (size_t i = 0; i < MANY; i++) assert_true(is_right(texts[i], out + i * (size_t)lab.dim));
    lane_free(l);
    mem_free(out);
}

static void test_stop(void **state)
{
    (void)state;
    float out[4][MOST_DIM];
    atomic_int order = 0;
    lane *l = open_lane();
    worker workers[4];
    simile_error err;
    gate_close();
    put(&workers[0], l, sentences, 1, out[0], &order);
    gate_wait_for(1);
    for (int i = 1; i < 4; i++) put(&workers[i], l, sentences, 1, out[i], &order);
    gauge_wait_for(GAUGE_WORK_WAITING, 3);
    lane_stop(l);
    gate_open();
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].status, i ? SIMILE_E_CANCELLED : SIMILE_OK);
    }
    work late = {.kind = WORK_TEXTS, .texts = sentences, .n = 1, .out = out[1]};
    assert_int_equal(lane_do(l, &late, &err), SIMILE_E_CANCELLED);
    assert_int_equal(counters_gauge(GAUGE_WORK_WAITING), 0);
    lane_free(l);
}

/* Somebody who is expected and comes shares the batch; who never comes delays it, and does not keep it. */
static void test_company(void **state)
{
    (void)state;
    float out[MOST_DIM];
    simile_error err;
    lane *l = open_lane();
    lane_expect(l);
    lane_expect(l);
    for (int i = 0; i < 3; i++) {
        work w = {.kind = WORK_TEXTS, .texts = sentences, .n = 1, .out = out};
        assert_int_equal(lane_do(l, &w, &err), SIMILE_OK);
    }
    lane_expect_less(l);
    lane_expect_less(l);
    lane_free(l);
}

/* ---- the life of a tower ---- */

typedef struct {
    const char *wanted;
    bool loaded;
    size_t names;
    char seen[512];
} look;

static int look_at(void *user, const char *name, tower *t, bool loaded)
{
    look *l = user;
    (void)t;
    l->names++;
    strncat(l->seen, name, sizeof l->seen - strlen(l->seen) - 2);
    strncat(l->seen, " ", 2);
    if (l->wanted && strcmp(name, l->wanted) == 0) l->loaded = loaded;
    return 0;
}

static bool is_loaded(towers *t, const char *name)
{
    look l = {.wanted = name};
    towers_each(t, look_at, &l);
    return l.loaded;
}

static void *free_towers(void *argument)
{
    towers_free(argument);
    return NULL;
}

/* Who holds a tower when it ends gets an answer, and is waited for. */
static void test_free_while_busy(void **state)
{
    (void)state;
    towers *t = open_towers((towers_options){.ttl_seconds = 3600});
    caller callers[4];
    float out[4][MOST_DIM];
    pthread_t ending;
    simile_error err;
    tower *main_one = towers_main(t);
    assert_int_equal(tower_hold(main_one, &err), SIMILE_OK);
    gate_close();
    for (int i = 0; i < 4; i++) {
        callers[i] = (caller){.t = main_one, .texts = sentences, .n = 1, .out = out[i]};
        start(&callers[i], ask_texts);
    }
    gate_wait_for(1);
    assert_int_equal(pthread_create(&ending, NULL, free_towers, t), 0);
    while (!tower_hold(main_one, &err)) tower_release(main_one);
    assert_int_equal(err.status, SIMILE_E_CANCELLED);
    gate_open();
    for (int i = 0; i < 4; i++) {
        const simile_status status = join(&callers[i]);
        assert_true(status == SIMILE_OK || status == SIMILE_E_CANCELLED);
    }
    assert_non_null(tower_model(main_one)); /* still held here */
    tower_release(main_one);
    pthread_join(ending, NULL);
    assert_int_equal(counters_gauge(GAUGE_MODELS_LOADED), 0);
}

static void test_time_to_live(void **state)
{
    (void)state;
    const char *const aliases[] = {"words=simile-languages"};
    towers *t = open_towers((towers_options){.ttl_seconds = 1, .aliases = aliases, .n_aliases = 1});
    tower *scenes = towers_main(t), *words = towers_find(t, "words");
    simile_error err;
    float out[MOST_DIM];
    assert_int_equal(tower_hold(scenes, &err), SIMILE_OK);
    for (int i = 0; i < 2; i++) {
        const int64_t unloaded = counters_count(COUNT_MODEL_UNLOADS);
        assert_int_equal(tower_hold(words, &err), SIMILE_OK);
        assert_string_equal(simile_model_get_info(tower_model(words))->name, "simile-languages");
        assert_int_equal(tower_texts(words, sentences, 1, out, NULL, &err), SIMILE_OK);
        assert_true(is_loaded(t, "words"));
        tower_release(words);
        gauge_wait_for(GAUGE_MODELS_LOADED, 1);
        assert_int_equal(counters_count(COUNT_MODEL_UNLOADS), unloaded + 1);
    }
    /* Whoever looks at it does not keep it loaded. */
    const int64_t unloaded = counters_count(COUNT_MODEL_UNLOADS);
    assert_int_equal(tower_hold(words, &err), SIMILE_OK);
    tower_release(words);
    while (counters_count(COUNT_MODEL_UNLOADS) == unloaded) {
        if (is_loaded(t, "words") && !tower_hold(words, NULL)) tower_release_unused(words);
        usleep(10000);
    }
    gauge_wait_for(GAUGE_MODELS_LOADED, 1);
    assert_true(is_loaded(t, "simile-scenes")); /* it was held */
    assert_int_equal(tower_texts(scenes, sentences, 1, out, NULL, &err), SIMILE_OK);
    assert_true(is_right(sentences[0], out));
    tower_release(scenes);
    gauge_wait_for(GAUGE_MODELS_LOADED, 0);
    towers_free(t);
}

/* Five spellings of one folder are five models. */
static void test_places(void **state)
{
    (void)state;
    const char *const aliases[] = {
        "b=" SIMILE_MODELS_FOLDER "/./simile-scenes", "c=" SIMILE_MODELS_FOLDER "//simile-scenes",
        "d=" SIMILE_MODELS_FOLDER "/././simile-scenes", "e=" SIMILE_MODELS_FOLDER "/.//simile-scenes"};
    const char *const names[] = {"simile-scenes", "b", "c", "d", "e"};
    towers *t = open_towers((towers_options){.aliases = aliases, .n_aliases = 4});
    tower *all[5];
    simile_error err;
    for (int i = 0; i < 5; i++) assert_non_null(all[i] = towers_find(t, names[i]));
    for (int i = 0; i < LIMIT_MODELS; i++) assert_int_equal(tower_hold(all[i], &err), SIMILE_OK);
    assert_int_equal(tower_hold(all[4], &err), SIMILE_E_BUSY);
    tower_release(all[2]);
    tower_release(all[1]); /* 2 has been idle for longer */
    assert_int_equal(tower_hold(all[4], &err), SIMILE_OK);
    assert_false(is_loaded(t, "c"));
    assert_true(is_loaded(t, "b"));
    tower_release(all[0]);
    tower_release(all[3]);
    tower_release(all[4]);
    towers_free(t);
}

static void test_own_encoder(void **state)
{
    (void)state;
    towers *t = open_towers((towers_options){0});
    simile_encoder *own;
    simile_error err;
    float out[MOST_DIM];
    assert_int_equal(tower_hold(towers_main(t), &err), SIMILE_OK);
    assert_int_equal(tower_own_encoder(towers_main(t), &own, &err), SIMILE_OK);
    assert_int_equal(simile_encode_texts(own, sentences, 1, out, NULL, &err), SIMILE_OK);
    assert_true(is_right(sentences[0], out));
    simile_encoder_free(own);
    tower_release(towers_main(t));
    towers_free(t);
}

/* ---- names ---- */

static void test_names(void **state)
{
    (void)state;
    const char *const aliases[] = {"ViT-B-32__openai=simile-scenes", "many=simile-scenes+simile-languages",
                                   "again=ViT-B-32__openai", "words=simile-languages"};
    towers *t = open_towers((towers_options){.aliases = aliases, .n_aliases = 4, .any_installed = true});
    look l = {0};
    towers_each(t, look_at, &l);
    assert_int_equal(strncmp(l.seen, "simile-scenes ViT-B-32__openai many again words ", 48), 0);
    assert_non_null(strstr(l.seen, " simile-languages "));
    assert_null(strstr(l.seen, "simile-zh-en")); /* a translator */
    assert_ptr_equal(towers_find(t, "simile-scenes"), towers_main(t));
    assert_ptr_equal(towers_find(t, "ViT-B-32__openai"), towers_main(t));
    assert_ptr_equal(towers_find(t, "again"), towers_main(t));
    assert_ptr_equal(towers_find(t, "words"), towers_find(t, "simile-languages"));
    assert_ptr_not_equal(towers_find(t, "many"), towers_main(t));
    assert_null(towers_find(t, "nothing"));
    assert_null(towers_find(t, "../simile-scenes"));
    assert_null(towers_find(t, ""));
    simile_error err;
    assert_int_equal(tower_hold(towers_find(t, "many"), &err), SIMILE_OK);
    const simile_model *pair = tower_model(towers_find(t, "many"));
    assert_string_equal(simile_model_get_info(pair)->text_name, "simile-languages");
    tower_release(towers_find(t, "many"));
    towers_free(t);

    t = open_towers((towers_options){.model = SIMILE_MODEL "/"});
    assert_ptr_equal(towers_find(t, "simile-scenes"), towers_main(t));
    assert_null(towers_find(t, "simile-languages")); /* installed, but nobody said that clients may name it */
    towers_free(t);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "name", "=simile-scenes", "name=", "name=simile-scenes+", "name=+x"};
    simile_error err;
    towers *t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const towers_options options = {.model = "simile-scenes", .aliases = &bad[i], .n_aliases = 1};
        assert_int_equal(towers_new(&options, no_metrics, &t, &err), SIMILE_E_ARG);
        assert_null(t);
    }
    const char *const twice[] = {"a=simile-scenes", "a=simile-languages"};
    assert_int_equal(
        towers_new(&(towers_options){.model = "simile-scenes", .aliases = twice, .n_aliases = 2}, no_metrics, &t, &err),
        SIMILE_E_EXISTS);
    assert_int_equal(towers_new(&(towers_options){0}, no_metrics, &t, &err), SIMILE_E_ARG);
    t = open_towers((towers_options){.model = "no-such-model"});
    assert_int_equal(tower_hold(towers_main(t), &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(tower_hold(towers_main(t), &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(counters_gauge(GAUGE_MODELS_LOADED), 0);
    towers_free(t);
}

/* ---- memory: every allocation of the towers' own is refused once ---- */

static simile_status open_and_ask(towers **t)
{
    const char *const aliases[] = {"a=simile-scenes", "b=simile-scenes+simile-languages"};
    const towers_options options = {.search_path = SIMILE_MODELS_FOLDER,
                                    .model = "simile-scenes",
                                    .threads = 1,
                                    .aliases = aliases,
                                    .n_aliases = 2,
                                    .any_installed = true};
    simile_error err;
    float out[2 * MOST_DIM];
    RETURN_IF_ERROR(towers_new(&options, no_metrics, t, &err));
    RETURN_IF_ERROR(tower_hold(towers_main(*t), &err));
    const simile_status status = tower_texts(towers_main(*t), sentences, 2, out, NULL, &err);
    tower_release(towers_main(*t));
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    bool hit = true;
    for (long n = 1; hit; n++) {
        towers *t = NULL;
        mem_fault_after(n, false);
        const simile_status status = open_and_ask(&t);
        hit = mem_fault_hit();
        mem_fault_after(0, false);
        towers_free(t);
        /* a folder that could not be looked at is no model, which is no error */
        assert_true(status == SIMILE_E_NOMEM || status == SIMILE_OK);
        if (!hit) assert_int_equal(status, SIMILE_OK);
        assert_true(n < 10000);
    }
    assert_int_equal(counters_gauge(GAUGE_MODELS_LOADED), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_vectors),
        TEST(test_batch),
        TEST(test_errors_are_ones_own),
        TEST(test_full),
        TEST(test_instalments),
        TEST(test_stop),
        TEST(test_company),
        TEST(test_own_encoder),
        TEST(test_places),
        TEST(test_free_while_busy),
        TEST(test_time_to_live),
        TEST(test_names),
        TEST(test_bad_names),
        TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
