/* SPDX-License-Identifier: Apache-2.0
 * test_ingest.c - simile_library_add: what becomes of new, changed, touched, moved, copied, deleted and broken files.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_DIM = 256 };

#define assert_report(r, ...)                                                                                          \
    do {                                                                                                               \
        const simile_add_report got_ = (r), want_ = {__VA_ARGS__};                                                     \
        if (memcmp(&got_, &want_, offsetof(simile_add_report, bytes)))                                                 \
            fail_msg("line %d: found %d added %d updated %d moved %d unchanged %d removed %d quarantined %d",          \
                     __LINE__, (int)got_.found, (int)got_.added, (int)got_.updated, (int)got_.moved,                   \
                     (int)got_.unchanged, (int)got_.removed, (int)got_.quarantined);                                   \
    } while (0)

static void assert_same_vector(int64_t a, int64_t c, bool same)
{
    float x[MAX_DIM], y[MAX_DIM];
    assert_true(item_vector(lab.catalog, a, x) && item_vector(lab.catalog, c, y));
    const float similarity = simile_similarity(x, y, simile_model_get_info(lab.model)->dim);
    assert_true(same ? similarity > 99.9999f : similarity < 99.999f);
}

/* Three pictures, one of them in a folder. */
static simile_library *open_filled(void)
{
    simile_library *library = open_library();
    make_folder(in_pictures("sub"));
    draw(in_pictures("a.ppm"), 1, 1000);
    draw(in_pictures("b.ppm"), 2, 2000);
    draw(in_pictures("sub/c.ppm"), 3, 3000);
    assert_report(add_all(library), .found = 3, .added = 3);
    return library;
}

static void assert_sound(simile_library *library)
{
    simile_verify_report report;
    assert_ok(simile_library_verify(library, 1, NULL, NULL, NULL, &report, &err));
    assert_int_equal(report.problems, 0);
}

static void pictures_are_added_in_order_of_their_paths(void **state)
{
    simile_library *library = open_filled();
    draw(in_pictures(".hidden.ppm"), 9, 1);
    write_bytes(in_pictures("notes.txt"), "x", 1, 1);
    assert_report(add_all(library), .found = 3, .unchanged = 3);
    assert_int_equal(item_id(library, "a.ppm"), 1);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    assert_int_equal(item_id(library, "sub/c.ppm"), 3);
    assert_sound(library);
    simile_library_close(library);
}

static void unchanged_files_are_not_read(void **state)
{
    simile_library *library = open_filled();
    const simile_add_report report = add_all(library);
    assert_report(report, .found = 3, .unchanged = 3);
    assert_int_equal(report.bytes, 0);
    simile_library_close(library);
}

static void a_changed_file_is_encoded_again(void **state)
{
    simile_library *library = open_filled();
    float before[MAX_DIM], after[MAX_DIM];
    assert_true(item_vector(lab.catalog, 2, before));
    draw(in_pictures("b.ppm"), 77, 2001);
    const simile_add_report report = add_all(library);
    assert_report(report, .found = 3, .updated = 1, .unchanged = 2);
    assert_true(report.bytes > 0);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    assert_true(item_vector(lab.catalog, 2, after));
    assert_true(simile_similarity(before, after, simile_model_get_info(lab.model)->dim) < 99.999f);
    assert_sound(library);
    simile_library_close(library);
}

static void a_touched_file_is_read_once(void **state)
{
    simile_library *library = open_filled();
    draw(in_pictures("b.ppm"), 2, 2222);
    simile_add_report report = add_all(library);
    assert_report(report, .found = 3, .unchanged = 3);
    assert_true(report.bytes > 0);
    report = add_all(library);
    assert_int_equal(report.bytes, 0);
    assert_sound(library);
    simile_library_close(library);
}

static void a_moved_file_keeps_its_id(void **state)
{
    simile_library *library = open_filled();
    char from[512];
    float before[MAX_DIM], after[MAX_DIM];
    assert_true(item_vector(lab.catalog, 3, before));
    snprintf(from, sizeof from, "%s", in_pictures("sub/c.ppm"));
    assert_int_equal(rename(from, in_pictures("0.ppm")), 0);
    assert_report(add_all(library), .found = 3, .moved = 1, .unchanged = 2);
    assert_int_equal(item_id(library, "0.ppm"), 3);
    assert_int_equal(item_id(library, "sub/c.ppm"), 0);
    assert_true(item_vector(lab.catalog, 3, after));
    assert_memory_equal(before, after, sizeof(float) * (size_t)simile_model_get_info(lab.model)->dim);
    assert_sound(library);
    simile_library_close(library);
}

static void a_moved_and_a_copied_file_share_out_the_item(void **state)
{
    simile_library *library = open_filled();
    char from[512];
    snprintf(from, sizeof from, "%s", in_pictures("a.ppm"));
    assert_int_equal(rename(from, in_pictures("m.ppm")), 0);
    draw(in_pictures("n.ppm"), 1, 5);
    assert_report(add_all(library), .found = 4, .added = 1, .moved = 1, .unchanged = 2);
    assert_int_equal(item_id(library, "m.ppm"), 1);
    assert_int_equal(item_id(library, "n.ppm"), 4);
    assert_same_vector(1, 4, true);
    assert_sound(library);
    simile_library_close(library);
}

static void a_missing_file_is_forgotten_or_kept(void **state)
{
    simile_library *library = open_filled();
    const simile_add_options keep = {.struct_size = sizeof keep, .keep_missing = 1};
    unlink(in_pictures("b.ppm"));
    assert_report(add_with(library, &keep), .found = 2, .unchanged = 2);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    draw(in_pictures("copy.ppm"), 2, 1); /* kept means kept: the path is not taken from it either */
    assert_report(add_with(library, &keep), .found = 3, .added = 1, .unchanged = 2);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    assert_report(add_all(library), .found = 3, .unchanged = 3, .removed = 1);
    assert_int_equal(item_id(library, "b.ppm"), 0);
    assert_sound(library);
    simile_library_close(library);
}

static void only_what_is_below_the_given_folders_is_forgotten(void **state)
{
    simile_library *library = open_filled();
    char sub[512], file[512];
    simile_add_report report;
    snprintf(sub, sizeof sub, "%s", in_pictures("sub"));
    snprintf(file, sizeof file, "%s", in_pictures("a.ppm"));
    const char *path = sub;
    unlink(in_pictures("b.ppm"));
    unlink(in_pictures("sub/c.ppm"));
    path = file;
    assert_ok(simile_library_add(library, lab.encoder, &path, 1, NULL, &report, &err));
    assert_report(report, .found = 1, .unchanged = 1);
    path = sub;
    assert_ok(simile_library_add(library, lab.encoder, &path, 1, NULL, &report, &err));
    assert_report(report, .removed = 1);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    rmdir(sub);
    assert_fails(simile_library_add(library, lab.encoder, &path, 1, NULL, &report, &err), SIMILE_E_NOT_FOUND);
    simile_library_close(library);
}

static void a_folder_that_is_gone_takes_nothing_with_it(void **state)
{
    simile_library *library = open_filled();
    const char *paths[2] = {lab.pictures, "/nonexistent/folder"};
    simile_add_report report;
    unlink(in_pictures("b.ppm"));
    assert_fails(simile_library_add(library, lab.encoder, paths, 2, NULL, &report, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(item_id(library, "b.ppm"), 2);
    char moved[128];
    snprintf(moved, sizeof moved, "%s.away", lab.pictures);
    assert_int_equal(rename(lab.pictures, moved), 0);
    assert_fails(simile_library_add(library, lab.encoder, paths, 1, NULL, &report, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(item_id(library, "a.ppm"), 1);
    simile_library_close(library);
}

static void copies_share_their_vector(void **state)
{
    simile_library *library = open_filled();
    draw(in_pictures("copy.ppm"), 1, 4000);
    draw(in_pictures("twin1.ppm"), 50, 1);
    draw(in_pictures("twin2.ppm"), 50, 2); /* both new, in one batch */
    assert_report(add_all(library), .found = 6, .added = 3, .unchanged = 3);
    assert_same_vector(item_id(library, "a.ppm"), item_id(library, "copy.ppm"), true);
    assert_same_vector(item_id(library, "twin1.ppm"), item_id(library, "twin2.ppm"), true);
    assert_same_vector(item_id(library, "twin1.ppm"), item_id(library, "a.ppm"), false);
    assert_sound(library);
    simile_library_close(library);
}

static void swapped_names_swap_their_vectors(void **state)
{
    simile_library *library = open_filled();
    float a[MAX_DIM], c[MAX_DIM], after[MAX_DIM];
    assert_true(item_vector(lab.catalog, 1, a) && item_vector(lab.catalog, 2, c));
    draw(in_pictures("a.ppm"), 2, 1111);
    draw(in_pictures("b.ppm"), 1, 2222);
    assert_report(add_all(library), .found = 3, .updated = 2, .unchanged = 1);
    const size_t bytes = sizeof(float) * (size_t)simile_model_get_info(lab.model)->dim;
    assert_true(item_vector(lab.catalog, 1, after));
    assert_memory_equal(after, c, bytes);
    assert_true(item_vector(lab.catalog, 2, after));
    assert_memory_equal(after, a, bytes);
    assert_sound(library);
    simile_library_close(library);
}

/* The old file under a new name, a new file under the old one: the vector must not get lost between the two. */
static void a_name_that_is_taken_over_loses_nothing(void **state)
{
    simile_library *library = open_filled();
    draw(in_pictures("a.ppm"), 60, 1111);
    draw(in_pictures("z.ppm"), 1, 2222);
    assert_report(add_all(library), .found = 4, .added = 1, .updated = 1, .unchanged = 2);
    assert_same_vector(item_id(library, "a.ppm"), item_id(library, "z.ppm"), false);
    assert_sound(library);
    simile_library_close(library);
}

/* ---- what cannot be read ---- */

static void a_bad_file_is_quarantined_and_stops_nothing(void **state)
{
    simile_library *library = open_filled();
    char reason[256];
    write_bytes(in_pictures("aa.png"), "not a picture at all", 20, 5);
    write_bytes(in_pictures("empty.jpg"), "", 0, 5);
    draw(in_pictures("z.ppm"), 8, 5);
    assert_report(add_all(library), .found = 6, .added = 1, .unchanged = 3, .quarantined = 2);
    assert_true(item_is_quarantined(library, "aa.png", reason));
    assert_string_equal(reason, "not a picture");
    assert_true(item_is_quarantined(library, "empty.jpg", reason));
    assert_true(reason[0] != 0);
    assert_false(item_is_quarantined(library, "z.ppm", NULL));
    assert_sound(library);

    const simile_add_report again = add_all(library);
    assert_report(again, .found = 6, .unchanged = 6);
    assert_int_equal(again.bytes, 0);
    const simile_add_options retry = {.struct_size = sizeof retry, .retry_quarantined = 1};
    assert_report(add_with(library, &retry), .found = 6, .unchanged = 4, .quarantined = 2);
    draw(in_pictures("aa.png"), 9, 6);
    assert_report(add_all(library), .found = 6, .updated = 1, .unchanged = 5);
    assert_false(item_is_quarantined(library, "aa.png", NULL));
    assert_sound(library);
    simile_library_close(library);
}

static void a_picture_that_goes_bad_loses_its_vector(void **state)
{
    simile_library *library = open_filled();
    float vector[MAX_DIM];
    simile_stats stats;
    write_bytes(in_pictures("b.ppm"), "P6 gone", 7, 2001);
    assert_report(add_all(library), .found = 3, .unchanged = 2, .quarantined = 1);
    assert_true(item_is_quarantined(library, "b.ppm", NULL));
    assert_int_equal(item_id(library, "b.ppm"), 2);
    assert_false(item_vector(lab.catalog, 2, vector));
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_int_equal(stats.images, 2);
    assert_int_equal(stats.quarantined, 1);
    assert_sound(library);
    simile_library_close(library);
}

static void a_named_file_is_tried_whatever_its_name(void **state)
{
    simile_library *library = open_filled();
    simile_add_report report;
    draw(in_pictures("scan.dat"), 30, 1);
    const char *const path = in_pictures("scan.dat");
    const char *const twice[2] = {path, path};
    assert_ok(simile_library_add(library, lab.encoder, twice, 2, NULL, &report, &err));
    assert_report(report, .found = 1, .added = 1);
    draw(in_pictures("scan.dat"), 31, 2);
    assert_report(add_all(library), .found = 4, .updated = 1, .unchanged = 3); /* it is an item now */
    assert_int_equal(mkfifo(in_pictures("pipe.dat"), 0600), 0);
    const char *const pipe_path = in_pictures("pipe.dat");
    assert_ok(simile_library_add(library, lab.encoder, &pipe_path, 1, NULL, &report, &err));
    assert_report(report, .found = 1, .quarantined = 1);
    assert_report(add_all(library), .found = 4, .unchanged = 4);
    simile_library_close(library);
}

static void links_to_files_are_followed_and_overlaps_counted_once(void **state)
{
    simile_library *library = open_filled();
    char target[512];
    snprintf(target, sizeof target, "%s", in_pictures("a.ppm"));
    assert_int_equal(symlink(target, in_pictures("link.ppm")), 0);
    assert_int_equal(symlink("/nonexistent", in_pictures("dangling.ppm")), 0);
    char sub[512];
    snprintf(sub, sizeof sub, "%s/../p/./sub/", lab.pictures);
    const char *const paths[3] = {lab.pictures, sub, target};
    simile_add_report report;
    assert_ok(simile_library_add(library, lab.encoder, paths, 3, NULL, &report, &err));
    assert_report(report, .found = 4, .added = 1, .unchanged = 3);
    simile_library_close(library);
}

/* ---- stopping, going on, keeping others out ---- */

typedef struct {
    simile_library *library;
    int64_t before; /* items, when the run began */
} canceller;

static int64_t items_of(simile_library *library)
{
    simile_stats stats;
    assert_ok(simile_library_get_stats(library, &stats, &err));
    return stats.images + stats.quarantined;
}

/* Stops once something was committed. */
static int cancel_after_a_batch(void *user, int64_t done, int64_t total, const char *subject)
{
    const canceller *c = user;
    assert_true(total == 0 || done <= total);
    assert_non_null(subject);
    return total && items_of(c->library) > c->before;
}

static void a_cancelled_run_goes_on_where_it_stopped(void **state)
{
    char name[32], whole_path[128];
    for (unsigned i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "%02u.ppm", i);
        if (i % 7 == 3)
            write_bytes(in_pictures(name), name, 6, 100 + i);
        else
            draw(in_pictures(name), i < 25 ? i : i - 20, 100 + i); /* some twice */
    }
    /* One run without a stop, in a catalogue of its own. */
    snprintf(whole_path, sizeof whole_path, "%s/whole.simile", lab.folder);
    const char *path = lab.pictures;
    simile_library *whole;
    simile_add_options options = {.struct_size = sizeof options, .batch = 4};
    assert_ok(simile_library_open(whole_path, lab.model, NULL, &whole, &err));
    assert_ok(simile_library_add(whole, lab.encoder, &path, 1, &options, NULL, &err));
    simile_library_close(whole);

    simile_library *library = open_library();
    simile_add_report report;
    canceller c = {.library = library};
    int runs = 0;
    options.progress = cancel_after_a_batch;
    options.user = &c;
    for (;; runs++) {
        c.before = items_of(library);
        const simile_status status = simile_library_add(library, lab.encoder, &path, 1, &options, &report, &err);
        if (!status) break;
        assert_int_equal(status, SIMILE_E_CANCELLED);
        assert_true(report.added + report.quarantined == 4 || report.added + report.quarantined == 2);
        assert_sound(library);
        assert_true(runs < 20);
    }
    assert_true(runs >= 6);
    simile_library_close(library);
    char *a = dump(whole_path), *b = dump(lab.catalog);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

typedef struct {
    simile_library *same, *other;
    int calls;
} rival;

static int try_to_write(void *user, int64_t done, int64_t total, const char *subject)
{
    rival *r = user;
    const char *path = lab.pictures;
    if (!done || r->calls++) return 0;
    simile_encoder *encoder;
    assert_ok(simile_encoder_new(lab.model, NULL, &encoder, &err));
    assert_fails(simile_library_add(r->same, encoder, &path, 1, NULL, NULL, &err), SIMILE_E_BUSY);
    assert_fails(simile_library_add(r->other, encoder, &path, 1, NULL, NULL, &err), SIMILE_E_BUSY);
    assert_fails(simile_library_remove(r->other, lab.pictures, NULL, &err), SIMILE_E_BUSY);
    simile_stats stats;
    assert_ok(simile_library_get_stats(r->other, &stats, &err));
    assert_true(stats.images > 0); /* reading goes on, and sees what was committed */
    simile_encoder_free(encoder);
    return 0;
}

static void a_second_writer_is_turned_away(void **state)
{
    rival r = {.same = open_library(), .other = open_library()};
    draw(in_pictures("a.ppm"), 1, 1);
    const simile_add_options options = {.struct_size = sizeof options, .progress = try_to_write, .user = &r};
    assert_report(add_with(r.same, &options), .found = 1, .added = 1);
    assert_true(r.calls > 0);
    assert_report(add_all(r.other), .found = 1, .unchanged = 1);
    simile_library_close(r.same);
    simile_library_close(r.other);
}

/* ---- others who write meanwhile ---- */

typedef struct {
    simile_library *library;
    simile_status status;
    int calls;
} forgetter;

/* Once something was committed, another thread forgets it, and must not be turned away. */
static void *forget_first(void *user)
{
    forgetter *f = user;
    char path[128];
    snprintf(path, sizeof path, "%s", in_pictures("00.ppm"));
    f->status = simile_library_remove(f->library, path, NULL, NULL);
    return NULL;
}

static int forget_once(void *user, int64_t done, int64_t total, const char *subject)
{
    forgetter *f = user;
    pthread_t thread;
    if (!done || f->calls++) return 0;
    assert_int_equal(pthread_create(&thread, NULL, forget_first, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return 0;
}

static void an_item_may_be_forgotten_meanwhile(void **state)
{
    char name[32];
    simile_stats stats;
    for (unsigned i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%02u.ppm", i);
        draw(in_pictures(name), i, i + 1);
    }
    forgetter f = {.library = open_library(), .status = -1};
    const simile_add_options options = {.struct_size = sizeof options, .batch = 2, .progress = forget_once, .user = &f};
    assert_report(add_with(f.library, &options), .found = 12, .added = 12);
    assert_int_equal(f.status, SIMILE_OK);
    assert_ok(simile_library_get_stats(f.library, &stats, &err));
    assert_int_equal(stats.images, 11);
    assert_sound(f.library);
    assert_report(add_all(f.library), .found = 12, .added = 1, .unchanged = 11);
    simile_library_close(f.library);
}

/* ---- copies among what is added ---- */

static void copies_of_what_cannot_be_read_cannot_be_read(void **state)
{
    char name[32], reason[256];
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%02u.png", i);
        write_bytes(in_pictures(name), "\x89PNG\r\n\x1a\nhello", 13, 1);
    }
    simile_library *library = open_library();
    assert_report(add_all(library), .found = 20, .quarantined = 20);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%02u.png", i);
        snprintf(reason, sizeof reason, "damaged or truncated png");
        assert_true(item_is_quarantined(library, name, reason));
    }
    assert_sound(library);
    simile_library_close(library);
}

/* Every copy is forgotten as soon as it is stored, so that the next one finds nothing to be a copy of. */
static int forget_each_copy(void *user, int64_t done, int64_t total, const char *subject)
{
    int64_t removed;
    forgetter *f = user;
    if (!simile_library_remove(f->library, "*[13579].ppm", &removed, NULL)) f->calls += (int)removed;
    return 0;
}

static void copies_outlive_what_they_are_copies_of(void **state)
{
    enum { N = 60, THREADS = 4 };
    char name[32];
    simile_stats stats;
    simile_encoder *encoder;
    const char *pictures = lab.pictures;
    simile_add_report report;
    for (unsigned i = 0; i < N; i++) {
        snprintf(name, sizeof name, "%02u.ppm", i);
        draw(in_pictures(name), i % 2 ? 1 : i + 2, i + 1);
    }
    forgetter f = {.library = open_library()};
    const simile_encoder_options threads = {.struct_size = sizeof threads, .threads = THREADS};
    const simile_add_options options = {
        .struct_size = sizeof options, .batch = 4, .progress = forget_each_copy, .user = &f};
    assert_ok(simile_encoder_new(lab.model, &threads, &encoder, &err));
    assert_ok(simile_library_add(f.library, encoder, &pictures, 1, &options, &report, &err));
    assert_report(report, .found = N, .added = N);
    assert_int_equal(f.calls, N / 2);
    assert_ok(simile_library_get_stats(f.library, &stats, &err));
    assert_int_equal(stats.images, N / 2);
    assert_sound(f.library);
    simile_library_close(f.library);
    simile_encoder_free(encoder);
}

/* However many threads there are, and whether or not thumbnails are made: the catalogue is the same, byte for byte. */
static void the_number_of_threads_does_not_show(void **state)
{
    enum { WAYS = 3 };
    char name[32], path[WAYS][128], *dumps[WAYS];
    const char *pictures = lab.pictures;
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "%02u.ppm", i);
        if (i % 11 == 5)
            write_bytes(in_pictures(name), name, 6, 100 + i);
        else
            draw(in_pictures(name), i % 4 == 3 ? i - 3 : i % 13 == 12 ? 12 : i, 100 + i); /* near and far copies */
    }
    for (int way = 0; way < WAYS; way++) {
        const simile_encoder_options threads = {.struct_size = sizeof threads, .threads = 1 + 2 * way};
        const simile_add_options options = {.struct_size = sizeof options, .no_thumbnails = way == 1};
        simile_library *library;
        simile_encoder *encoder;
        snprintf(path[way], sizeof path[way], "%s/%d.simile", lab.folder, way);
        assert_ok(simile_encoder_new(lab.model, &threads, &encoder, &err));
        assert_ok(simile_library_open(path[way], lab.model, NULL, &library, &err));
        assert_ok(simile_library_add(library, encoder, &pictures, 1, &options, NULL, &err));
        assert_sound(library);
        simile_library_close(library);
        simile_encoder_free(encoder);
        dumps[way] = dump(path[way]);
        assert_string_equal(dumps[0], dumps[way]);
    }
    for (int way = 0; way < WAYS; way++) free(dumps[way]);
}

static void what_the_work_was_is_told(void **state)
{
    double all = 0;
    simile_add_work work = {.struct_size = sizeof work};
    const simile_add_options options = {.struct_size = sizeof options, .exact = 1, .work = &work};
    simile_library *library = open_library();
    draw(in_pictures("a.ppm"), 1, 1);
    assert_report(add_with(library, &options), .found = 1, .added = 1);
    assert_int_equal(work.struct_size, sizeof work);
    assert_true(work.threads >= 1 && work.elapsed > 0);
    assert_true(work.limit >= 0 && work.limit < SIMILE_STAGES);
    for (int i = 0; i < SIMILE_STAGES; i++) {
        assert_true(work.seconds[i] >= 0 && work.seconds[i] <= work.seconds[work.limit]);
        all += work.seconds[i];
    }
    assert_true(all > 0);
    assert_report(add_with(library, &options), .found = 1, .unchanged = 1);
    assert_int_equal(work.limit, -1);
    work.struct_size = 0;
    const char *path = lab.pictures;
    assert_fails(simile_library_add(library, lab.encoder, &path, 1, &options, NULL, &err), SIMILE_E_ARG);
    simile_library_close(library);
}

static void the_size_of_a_batch_does_not_show(void **state)
{
    char other_path[128], name[32];
    float x[MAX_DIM], y[MAX_DIM];
    for (unsigned i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "%u.ppm", i);
        draw(in_pictures(name), i, i);
    }
    snprintf(other_path, sizeof other_path, "%s/other.simile", lab.folder);
    simile_library *library = open_library(), *other;
    assert_ok(simile_library_open(other_path, lab.model, NULL, &other, &err));
    simile_add_options options = {.struct_size = sizeof options, .batch = 1};
    add_with(library, &options);
    options.batch = 1000;
    add_with(other, &options);
    for (int64_t id = 1; id <= 9; id++) {
        assert_true(item_vector(lab.catalog, id, x) && item_vector(other_path, id, y));
        for (int32_t i = 0; i < simile_model_get_info(lab.model)->dim; i++)
            assert_true(fabs((double)x[i] - (double)y[i]) <= 1e-6);
    }
    simile_library_close(library);
    simile_library_close(other);
}

static void another_models_vectors_are_refused(void **state)
{
    simile_library *library = open_filled();
    simile_model *model;
    simile_encoder *encoder;
    const char *path = lab.pictures;
    assert_ok(simile_model_open(bench_model_path("tiny-gelu"), NULL, &model, &err));
    assert_ok(simile_encoder_new(model, NULL, &encoder, &err));
    assert_fails(simile_library_add(library, encoder, &path, 1, NULL, NULL, &err), SIMILE_E_VERSION);
    simile_library *other;
    assert_fails(simile_library_open(lab.catalog, model, NULL, &other, &err), SIMILE_E_VERSION);
    assert_null(other);
    assert_non_null(strstr(err.message, "tiny-quick"));
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = "x", .weight = 1};
    const simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1};
    simile_results *results;
    assert_fails(simile_search(library, encoder, &query, &results, &err), SIMILE_E_VERSION);
    /* An emptied catalogue may change hands. */
    assert_ok(simile_library_remove(library, lab.pictures, NULL, &err));
    assert_ok(simile_search(library, encoder, &query, &results, &err));
    assert_int_equal(simile_results_count(results), 0);
    simile_results_free(results);
    /* A vector of another length finds nothing either. */
    const float numbers[3] = {1, 2, 3};
    const simile_reading reading = {.text = "", .candidate = -1, .vectors = numbers, .n_vectors = 1, .dim = 3};
    const simile_term seen = {.kind = SIMILE_TERM_READING, .reading = &reading, .weight = 1};
    const simile_query by_vector = {.struct_size = sizeof by_vector, .terms = &seen, .n_terms = 1};
    assert_ok(simile_search(library, NULL, &by_vector, &results, &err));
    assert_int_equal(simile_results_count(results), 0);
    simile_results_free(results);
    assert_ok(simile_library_add(library, encoder, &path, 1, NULL, NULL, &err));
    assert_fails(simile_search(library, NULL, &by_vector, &results, &err), SIMILE_E_VERSION);
    assert_ok(simile_search(library, encoder, &query, &results, &err));
    assert_int_equal(simile_results_count(results), 3);
    simile_results_free(results);
    simile_library_close(library);
    simile_encoder_free(encoder);
    simile_model_close(model);
}

/* ---- as a user who may not read everything: in a process of its own, before the model starts any thread ---- */

static int be_nobody(void)
{
    const char *path = lab.pictures;
    simile_add_report report;
    char reason[256];
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) return 10;
    make_folder(in_pictures("sub"));
    draw(in_pictures("a.ppm"), 1, 1);
    draw(in_pictures("sub/b.ppm"), 2, 2);
    simile_library *library = open_library();
    add_all(library);
    /* A folder that cannot be listed, and a file that cannot be opened. */
    chmod(in_pictures("sub"), 0300);
    unlink(in_pictures("sub/b.ppm"));
    draw(in_pictures("closed.ppm"), 3, 3);
    chmod(in_pictures("closed.ppm"), 0);
    report = add_all(library);
    if (report.found != 2 || report.removed || report.quarantined != 1) return 11;
    if (!item_is_quarantined(library, "closed.ppm", reason) || !strstr(reason, "permission denied")) return 12;
    /* A folder that cannot be entered. */
    chmod(in_pictures("sub"), 0600);
    if (add_all(library).removed) return 13;
    chmod(in_pictures("sub"), 0700);
    if (add_all(library).removed != 1) return 14;
    chmod(lab.pictures, 0300);
    if (simile_library_add(library, lab.encoder, &path, 1, NULL, &report, &err) != SIMILE_E_IO) return 15;
    chmod(lab.pictures, 0700);
    simile_library_close(library);
    return 0;
}

static int rights(void **state)
{
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        if (bench_open(NULL)) _exit(20);
        if (geteuid() == 0 && (chown(lab.folder, 65534, 65534) || chown(lab.pictures, 65534, 65534))) _exit(21);
        const int result = be_nobody();
        if (result) fprintf(stderr, "what may not be read: step %d: %s\n", result, err.message);
        bench_close(NULL);
        _exit(result);
    }
    waitpid(child, &status, 0);
    *(int *)*state = status;
    return 0;
}

static void what_may_not_be_read_is_not_forgotten(void **state)
{
    assert_int_equal(*(int *)*state, 0);
}

#define ingest_test(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
    static int result = -1;
    void *place = &result;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(what_may_not_be_read_is_not_forgotten, &result),
        ingest_test(pictures_are_added_in_order_of_their_paths),
        ingest_test(unchanged_files_are_not_read),
        ingest_test(a_changed_file_is_encoded_again),
        ingest_test(a_touched_file_is_read_once),
        ingest_test(a_moved_file_keeps_its_id),
        ingest_test(a_moved_and_a_copied_file_share_out_the_item),
        ingest_test(a_missing_file_is_forgotten_or_kept),
        ingest_test(only_what_is_below_the_given_folders_is_forgotten),
        ingest_test(a_folder_that_is_gone_takes_nothing_with_it),
        ingest_test(copies_share_their_vector),
        ingest_test(swapped_names_swap_their_vectors),
        ingest_test(a_name_that_is_taken_over_loses_nothing),
        ingest_test(a_bad_file_is_quarantined_and_stops_nothing),
        ingest_test(a_picture_that_goes_bad_loses_its_vector),
        ingest_test(a_named_file_is_tried_whatever_its_name),
        ingest_test(links_to_files_are_followed_and_overlaps_counted_once),
        ingest_test(a_cancelled_run_goes_on_where_it_stopped),
        ingest_test(a_second_writer_is_turned_away),
        ingest_test(an_item_may_be_forgotten_meanwhile),
        ingest_test(copies_of_what_cannot_be_read_cannot_be_read),
        ingest_test(copies_outlive_what_they_are_copies_of),
        ingest_test(the_number_of_threads_does_not_show),
        ingest_test(what_the_work_was_is_told),
        ingest_test(the_size_of_a_batch_does_not_show),
        ingest_test(another_models_vectors_are_refused),
    };
    rights(&place);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
