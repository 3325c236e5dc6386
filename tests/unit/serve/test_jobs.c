/* SPDX-License-Identifier: Apache-2.0
 * test_jobs.c - indexing in the background: what a job does, how it is paused, goes on and is cancelled, what it tells,
 * what is left of it after a restart.
 *
 * The events go to a stand-in. News of the catalogue are told by the thread at work without a lock, the first time
 * before the first batch: there the test stops it. */
#include "base/buf.h"
#include "base/mem.h"
#include "counters.h"
#include "scratch.h"
#include "serve/events.h"
#include "serve/folders.h"
#include "serve/jobs.h"
#include "serve/towers.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PICTURES = 20, JOBS = 100 };

static simile_error err;

/* ---- the stand-in for events ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped, at_gate;
    char states[2048]; /* of all jobs, "1:running " */
    char last[JOBS][16];
    char catalog[128];
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Each change of a job's state: progress is told as often as there is time for it. */
static void hear_job(const char *json)
{
    json_t *root = json_loads(json, 0, NULL);
    const int64_t id = json_integer_value(json_object_get(root, "id"));
    const char *state = json_string_value(json_object_get(root, "state"));
    char text[64];
    if (!root || id < 1 || id >= JOBS || !state) abort();
    if (strcmp(heard.last[id], state) != 0) {
        snprintf(heard.last[id], sizeof heard.last[id], "%s", state);
        snprintf(text, sizeof text, "%d:%s ", (int)id, state);
        strncat(heard.states, text, sizeof heard.states - strlen(heard.states) - 1);
    }
    json_decref(root);
}

void events_publish(events *e, const char *name, const char *json)
{
    (void)e;
    pthread_mutex_lock(&heard.lock);
    if (strcmp(name, "job") == 0) {
        hear_job(json);
    } else {
        snprintf(heard.catalog, sizeof heard.catalog, "%s", json);
        heard.at_gate = true;
        pthread_cond_broadcast(&heard.changed);
        while (heard.stopped) pthread_cond_wait(&heard.changed, &heard.lock);
        heard.at_gate = false;
    }
    pthread_cond_broadcast(&heard.changed);
    pthread_mutex_unlock(&heard.lock);
}

static void stop_work(void)
{
    pthread_mutex_lock(&heard.lock);
    heard.stopped = true;
    heard.at_gate = false;
    pthread_mutex_unlock(&heard.lock);
}

static void wait_at_gate(void)
{
    pthread_mutex_lock(&heard.lock);
    while (!heard.at_gate) pthread_cond_wait(&heard.changed, &heard.lock);
    pthread_mutex_unlock(&heard.lock);
}

static void go_on(void)
{
    pthread_mutex_lock(&heard.lock);
    heard.stopped = false;
    pthread_cond_broadcast(&heard.changed);
    pthread_mutex_unlock(&heard.lock);
}

static void wait_to_hear(const char *what)
{
    pthread_mutex_lock(&heard.lock);
    while (!strstr(heard.states, what)) pthread_cond_wait(&heard.changed, &heard.lock);
    pthread_mutex_unlock(&heard.lock);
}

static void assert_heard(const char *states)
{
    char copy[sizeof heard.states];
    pthread_mutex_lock(&heard.lock);
    memcpy(copy, heard.states, sizeof copy);
    pthread_mutex_unlock(&heard.lock);
    assert_string_equal(copy, states);
}

/* ---- a server without HTTP ---- */

static server s;

static void open_server(void)
{
    const towers_options options = {.search_path = SIMILE_MODELS_FOLDER, .model = "simile-scenes", .threads = 1};
    s = (server){0};
    heard.states[0] = 0;
    memset(heard.last, 0, sizeof heard.last);
    assert_int_equal(towers_new(&options, no_metrics, &s.towers, &err), SIMILE_OK);
    assert_int_equal(simile_library_open(in_scratch("catalog.simile"), NULL, NULL, &s.library, &err), SIMILE_OK);
    assert_int_equal(jobs_new(&s, &s.jobs, &err), SIMILE_OK);
}

static void close_server(void)
{
    jobs_free(s.jobs);
    simile_library_close(s.library);
    towers_free(s.towers);
}

static int set_up(void **state)
{
    counters_forget();
    if (scratch_make(state)) return 1;
    make_folder("pictures");
    draw_many("pictures", PICTURES);
    open_server();
    return 0;
}

static int tear_down(void **state)
{
    go_on();
    close_server();
    return scratch_remove(state);
}

static int64_t start(const char *path)
{
    int64_t id = 0;
    const job_request request = {.paths = &path, .n_paths = path ? 1 : 0};
    assert_int_equal(jobs_start(s.jobs, &request, &id, &err), SIMILE_OK);
    return id;
}

/* The job as JSON says it is; json_decref. */
static json_t *look(int64_t id)
{
    buf text;
    json_writer w;
    buf_init(&text, 1 << 20);
    jw_init(&w, &text);
    assert_true(jobs_json(s.jobs, id, &w));
    json_t *root = json_loads(text.data, 0, NULL);
    assert_non_null(root);
    buf_release(&text);
    return root;
}

static int64_t number(const json_t *root, const char *key)
{
    const json_t *report = json_object_get(root, "report"), *value = json_object_get(root, key);
    return json_integer_value(value ? value : json_object_get(report, key));
}

static const char *word(const json_t *root, const char *key)
{
    return json_string_value(json_object_get(root, key));
}

static int64_t images(void)
{
    simile_stats stats;
    assert_int_equal(simile_library_get_stats(s.library, &stats, &err), SIMILE_OK);
    return stats.images;
}

/* ---- tests ---- */

static void test_job(void **state)
{
    (void)state;
    FILE *broken = fopen(in_scratch("pictures/broken.jpg"), "w");
    assert_non_null(broken);
    fputs("no picture", broken);
    fclose(broken);
    const int64_t id = start(in_scratch("pictures"));
    assert_int_equal(id, 1);
    wait_to_hear("1:done");
    assert_heard("1:waiting 1:running 1:done ");
    json_t *job = look(id);
    assert_string_equal(word(job, "state"), "done");
    assert_int_equal(number(job, "done"), PICTURES + 1);
    assert_int_equal(number(job, "total"), PICTURES + 1);
    assert_int_equal(number(job, "found"), PICTURES + 1);
    assert_int_equal(number(job, "added"), PICTURES);
    assert_int_equal(number(job, "quarantined"), 1);
    assert_int_equal(strlen(word(job, "started")), 20);
    assert_int_equal(strlen(word(job, "ended")), 20);
    assert_true(json_is_null(json_object_get(job, "error")));
    assert_true(json_is_null(json_object_get(job, "seconds_left")));
    assert_non_null(word(job, "limit"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(job, "paths"), 0)), in_scratch("pictures"));
    json_decref(job);
    assert_non_null(strstr(heard.catalog, "\"texts\":0"));
}

/* Where nothing is worked on, nothing limits. */
static void test_no_limit(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_scratch("empty"), 0777), 0);
    const int64_t id = start(in_scratch("empty"));
    wait_to_hear("1:done");
    json_t *job = look(id);
    assert_true(json_is_null(json_object_get(job, "limit")));
    json_decref(job);
}

static void test_pause(void **state)
{
    (void)state;
    stop_work();
    const int64_t id = start(in_scratch("pictures"));
    wait_at_gate();
    assert_int_equal(jobs_tell(s.jobs, id, JOB_PAUSE, &err), SIMILE_OK);
    assert_int_equal(jobs_tell(s.jobs, id, JOB_PAUSE, &err), SIMILE_OK); /* again changes nothing */
    go_on();
    usleep(100000); /* long enough for the work, if it did not stop */
    json_t *job = look(id);
    assert_string_equal(word(job, "state"), "paused");
    assert_int_equal(number(job, "added"), 0);
    assert_true(json_is_null(json_object_get(job, "ended")));
    json_decref(job);
    assert_int_equal(images(), 0);
    assert_int_equal(jobs_tell(s.jobs, id, JOB_RESUME, &err), SIMILE_OK);
    wait_to_hear("1:done");
    assert_heard("1:waiting 1:running 1:paused 1:running 1:done ");
    assert_int_equal(images(), PICTURES);
    assert_int_equal(jobs_tell(s.jobs, id, JOB_PAUSE, &err), SIMILE_E_EXISTS);
    assert_int_equal(jobs_tell(s.jobs, id + 1, JOB_PAUSE, &err), SIMILE_E_NOT_FOUND);
}

static void test_cancel(void **state)
{
    (void)state;
    stop_work();
    const int64_t id = start(in_scratch("pictures"));
    wait_at_gate();
    assert_int_equal(jobs_tell(s.jobs, id, JOB_CANCEL, &err), SIMILE_OK);
    go_on();
    wait_to_hear("1:cancelled");
    assert_int_equal(images(), 0);

    stop_work();
    const int64_t paused = start(in_scratch("pictures"));
    wait_at_gate();
    assert_int_equal(jobs_tell(s.jobs, paused, JOB_PAUSE, &err), SIMILE_OK);
    go_on();
    assert_int_equal(jobs_tell(s.jobs, paused, JOB_CANCEL, &err), SIMILE_OK);
    wait_to_hear("2:cancelled");
    assert_int_equal(images(), 0);
    assert_int_equal(jobs_tell(s.jobs, id, JOB_CANCEL, &err), SIMILE_E_EXISTS);
    json_t *job = look(id);
    assert_true(json_is_null(json_object_get(job, "error")));
    json_decref(job);
}

/* One at a time, in order; those that wait can be paused and cancelled too. */
static void test_queue(void **state)
{
    (void)state;
    make_folder("more");
    draw("more/a.ppm", 1000);
    stop_work();
    start(in_scratch("pictures"));
    wait_at_gate();
    start(in_scratch("more"));
    start(in_scratch("more"));
    assert_int_equal(start(in_scratch("pictures")), 4);
    assert_int_equal(jobs_tell(s.jobs, 2, JOB_PAUSE, &err), SIMILE_OK);
    assert_int_equal(jobs_tell(s.jobs, 3, JOB_CANCEL, &err), SIMILE_OK);
    go_on();
    wait_to_hear("4:done");
    assert_heard("1:waiting 1:running 2:waiting 3:waiting 4:waiting 2:paused 3:cancelled 1:done 4:running 4:done ");
    assert_int_equal(images(), PICTURES);
    assert_int_equal(jobs_tell(s.jobs, 2, JOB_RESUME, &err), SIMILE_OK);
    wait_to_hear("2:done");
    assert_int_equal(images(), PICTURES + 1);
}

static void test_limits(void **state)
{
    (void)state;
    const char *path = in_scratch("pictures");
    const job_request request = {.paths = &path, .n_paths = 1};
    int64_t id = 0;
    stop_work();
    start(path);
    wait_at_gate();
    for (int i = 0; i < LIMIT_JOBS; i++) start(path);
    assert_int_equal(jobs_start(s.jobs, &request, &id, &err), SIMILE_E_LIMIT);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(jobs_tell(s.jobs, 2 + i, JOB_CANCEL, &err), SIMILE_OK);
        assert_int_equal(start(path), LIMIT_JOBS + 2 + i);
    }
    buf text;
    json_writer w;
    buf_init(&text, 1 << 20);
    jw_init(&w, &text);
    jobs_list_json(s.jobs, &w);
    json_t *list = json_loads(text.data, 0, NULL);
    assert_int_equal(json_array_size(list), 32);
    assert_int_equal(number(json_array_get(list, 0), "id"), LIMIT_JOBS + 41);
    assert_int_equal(number(json_array_get(list, 31), "id"), 1); /* at work: not forgotten */
    json_decref(list);
    assert_false(jobs_json(s.jobs, 2, &w));
    buf_release(&text);
}

static void test_failure(void **state)
{
    (void)state;
    const int64_t id = start(in_scratch("nowhere"));
    wait_to_hear("1:failed");
    json_t *job = look(id);
    assert_non_null(strstr(word(job, "error"), "nowhere"));
    json_decref(job);
    start(in_scratch("pictures")); /* and the next one is none the worse */
    wait_to_hear("2:done");
    assert_int_equal(images(), PICTURES);
}

/* A job of nothing in particular is about the folders that are known and there. */
static void test_everything_known(void **state)
{
    (void)state;
    start(NULL);
    wait_to_hear("1:done");
    make_folder("pictures/below");
    make_folder("disk");
    draw("pictures/below/a.ppm", 2000);
    draw("disk/b.ppm", 2001);
    start(in_scratch("pictures"));
    start(in_scratch("disk"));
    wait_to_hear("3:done");
    assert_int_equal(images(), PICTURES + 2);
    draw("pictures/below/new.ppm", 2002);
    assert_int_equal(rename(in_scratch("disk"), in_scratch("unplugged")), 0);
    const int64_t id = start(NULL);
    wait_to_hear("4:done");
    json_t *job = look(id);
    assert_int_equal(json_array_size(json_object_get(job, "paths")), 0);
    assert_int_equal(number(job, "found"), PICTURES + 2); /* and not that of the folder that is away */
    assert_int_equal(number(job, "added"), 1);
    assert_int_equal(number(job, "removed"), 0);
    json_decref(job);
    assert_int_equal(images(), PICTURES + 3);
}

/* Every allocation of a start is refused once, and of what does not start nothing is left. */
static void test_memory(void **state)
{
    (void)state;
    const char *const paths[] = {in_scratch("pictures"), in_scratch("nowhere")};
    const job_request request = {.paths = paths, .n_paths = 2};
    int64_t id = 0;
    stop_work();
    start(in_scratch("pictures"));
    wait_at_gate(); /* nobody else allocates meanwhile */
    long n = 0;
    do {
        mem_fault_after(++n, false);
        const simile_status status = jobs_start(s.jobs, &request, &id, &err);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        /* an event that there is no memory for is not sent */
        assert_true(hit || !status);
        if (status) assert_int_equal(status, SIMILE_E_NOMEM);
    } while (!id);
    assert_true(n > 3);
    assert_int_equal(jobs_tell(s.jobs, id, JOB_CANCEL, &err), SIMILE_OK);
}

/* ---- periods ---- */

typedef struct {
    char names[8][64];
    size_t n;
} name_list;

static int take_name(void *user, const simile_item *item)
{
    name_list *l = user;
    assert_true(l->n < 8);
    snprintf(l->names[l->n++], sizeof l->names[0], "%s", strrchr(item->path, '/') + 1);
    return 0;
}

static void draw_of_year(const char *name, unsigned seed, int64_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    draw(name, seed);
    assert_int_equal(utimensat(AT_FDCWD, in_scratch(name), times, 0), 0);
}

/* Pictures of the time that was asked for, the newest first: it gets the smallest id. */
static void test_period(void **state)
{
    (void)state;
    name_list found = {0};
    int64_t id;
    make_folder("years");
    draw_of_year("years/2001.ppm", 3000, 978307200);
    draw_of_year("years/2011.ppm", 3001, 1293840000);
    draw_of_year("years/2021.ppm", 3002, 1609459200);
    draw_of_year("years/2031.ppm", 3003, 1924992000);
    const char *path = in_scratch("years");
    const job_request request = {.paths = &path,
                                 .n_paths = 1,
                                 .newest_first = true,
                                 .has_after = true,
                                 .after = 1000000000,
                                 .has_before = true,
                                 .before = 1924992000};
    assert_int_equal(jobs_start(s.jobs, &request, &id, &err), SIMILE_OK);
    wait_to_hear("1:done");
    assert_int_equal(simile_library_list(s.library, NULL, take_name, &found, NULL, &err), SIMILE_OK);
    assert_int_equal(found.n, 2);
    assert_string_equal(found.names[0], "2021.ppm");
    assert_string_equal(found.names[1], "2011.ppm");
    json_t *job = look(id);
    assert_int_equal(number(job, "found"), 2);
    json_decref(job);
}

/* Folders of the catalogue are known by the ids of an earlier run. */
static void test_folders_of_the_catalogue(void **state)
{
    (void)state;
    const char *root = in_scratch("pictures");
    char id[FOLDER_ID], *path;
    folders *f;
    make_folder("elsewhere");
    draw("elsewhere/a.ppm", 4000);
    start(in_scratch("elsewhere"));
    wait_to_hear("1:done");
    assert_int_equal(folders_new(&root, 1, &f, &err), SIMILE_OK);
    assert_int_equal(folders_id(f, in_scratch("elsewhere"), id, &err), SIMILE_OK);
    folders_free(f);
    assert_int_equal(folders_new(&root, 1, &f, &err), SIMILE_OK);
    assert_int_equal(folders_path(f, id, &path, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(folders_remember(f, s.library, &err), SIMILE_OK);
    assert_int_equal(folders_open(f, id, &path, &err), SIMILE_OK);
    assert_string_equal(path, in_scratch("elsewhere"));
    free(path);
    folders_free(f);
}

/* Stopping cancels the job; in the next run of the server the same job goes on. */
static void test_restart(void **state)
{
    (void)state;
    make_folder("first");
    draw_many("first", 3);
    start(in_scratch("first"));
    wait_to_hear("1:done");
    assert_int_equal(rename(in_scratch("first"), in_scratch("pictures/first")), 0);
    stop_work();
    start(in_scratch("pictures"));
    wait_at_gate();
    assert_int_equal(jobs_tell(s.jobs, 2, JOB_PAUSE, &err), SIMILE_OK);
    go_on();
    jobs_free(s.jobs);
    s.jobs = NULL;
    assert_heard("1:waiting 1:running 1:done 2:waiting 2:running 2:paused 2:cancelled ");
    assert_int_equal(images(), 3);
    close_server();
    open_server();
    json_writer w;
    buf text;
    buf_init(&text, 1 << 20);
    jw_init(&w, &text);
    assert_false(jobs_json(s.jobs, 1, &w));
    buf_release(&text);
    assert_int_equal(start(in_scratch("pictures")), 1);
    wait_to_hear("1:done");
    json_t *job = look(1);
    assert_int_equal(number(job, "found"), PICTURES + 3);
    json_decref(job);
    assert_int_equal(images(), PICTURES + 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_job),     TEST(test_no_limit), TEST(test_pause),   TEST(test_cancel),
        TEST(test_queue),   TEST(test_limits),   TEST(test_failure), TEST(test_everything_known),
        TEST(test_restart), TEST(test_period),   TEST(test_memory),  TEST(test_folders_of_the_catalogue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
