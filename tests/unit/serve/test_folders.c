/* SPDX-License-Identifier: Apache-2.0
 * test_folders.c - what is listed, what an id leads to, and what never leads anywhere: made-up ids, hidden folders,
 * symbolic links, folders that were replaced by one. */
#include "base/mem.h"
#include "scratch.h"
#include "serve/folders.h"

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

static simile_error err;

typedef struct {
    char ids[16][FOLDER_ID], names[16][64], paths[16][256];
    bool children[16];
    size_t n, stop_at;
} shown;

static int show(void *user, const folder_info *one)
{
    shown *s = user;
    assert_true(s->n < 16);
    assert_int_equal(strlen(one->id), FOLDER_ID - 1);
    strcpy(s->ids[s->n], one->id);
    snprintf(s->names[s->n], sizeof s->names[0], "%s", one->name);
    snprintf(s->paths[s->n], sizeof s->paths[0], "%s", one->path);
    s->children[s->n++] = one->has_children;
    return s->stop_at && s->n == s->stop_at;
}

static folders *open_folders(const char *root)
{
    folders *f;
    const char *const roots[] = {root};
    assert_int_equal(folders_new(roots, 1, &f, &err), SIMILE_OK);
    return f;
}

/* The id of the folder of that name below a parent. */
static const char *id_below(folders *f, const char *parent, const char *name)
{
    static char id[FOLDER_ID];
    shown s = {0};
    assert_int_equal(folders_list(f, parent, show, &s, &err), SIMILE_OK);
    for (size_t i = 0; i < s.n; i++)
        if (strcmp(s.names[i], name) == 0) return memcpy(id, s.ids[i], FOLDER_ID);
    fail_msg("there is no '%s'", name);
    return NULL;
}

static void make_tree(void)
{
    make_folder("root");
    make_folder("root/b");
    make_folder("root/A");
    make_folder("root/A/deep");
    make_folder("root/A/deep/er");
    make_folder("root/.hidden");
    make_folder("outside");
    make_folder("outside/secret");
    draw("root/picture.ppm", 1);
    assert_int_equal(symlink(in_scratch("outside"), in_scratch("root/link")), 0);
}

static void test_listing(void **state)
{
    (void)state;
    make_tree();
    folders *f = open_folders(in_scratch("root/"));
    shown roots = {0}, below = {0}, deep = {0}, first = {.stop_at = 1};
    assert_int_equal(folders_list(f, NULL, show, &roots, &err), SIMILE_OK);
    assert_int_equal(roots.n, 1);
    assert_string_equal(roots.names[0], "root");
    assert_string_equal(roots.paths[0], in_scratch("root"));
    assert_true(roots.children[0]);
    assert_int_equal(folders_list(f, roots.ids[0], show, &below, &err), SIMILE_OK);
    assert_int_equal(below.n, 2); /* no file, no link, nothing hidden */
    assert_string_equal(below.names[0], "A");
    assert_true(below.children[0]);
    assert_string_equal(below.names[1], "b");
    assert_false(below.children[1]);
    assert_int_equal(folders_list(f, below.ids[0], show, &deep, &err), SIMILE_OK);
    assert_int_equal(deep.n, 1);
    assert_string_equal(deep.paths[0], in_scratch("root/A/deep"));
    assert_int_equal(folders_list(f, roots.ids[0], show, &first, &err), SIMILE_OK);
    assert_int_equal(first.n, 1);
    folders_free(f);
}

static void test_ids(void **state)
{
    (void)state;
    make_tree();
    char id[FOLDER_ID], again[FOLDER_ID], *path;
    folders *f = open_folders(in_scratch("root"));
    const char *listed = id_below(f, id_below(f, NULL, "root"), "A");
    assert_int_equal(folders_id(f, in_scratch("root/A"), id, &err), SIMILE_OK);
    assert_string_equal(id, listed);
    assert_int_equal(folders_path(f, id, &path, &err), SIMILE_OK);
    assert_string_equal(path, in_scratch("root/A"));
    free(path);
    assert_int_equal(folders_open(f, id, &path, &err), SIMILE_OK);
    assert_string_equal(path, in_scratch("root/A"));
    free(path);
    folders_free(f);

    f = open_folders(in_scratch("root")); /* the same id after a restart, but not before it is handed out again */
    assert_int_equal(folders_path(f, id, &path, &err), SIMILE_E_NOT_FOUND);
    assert_null(path);
    assert_int_equal(folders_id(f, in_scratch("root/A"), again, &err), SIMILE_OK);
    assert_string_equal(id, again);
    folders_free(f);
}

static void test_made_up_ids(void **state)
{
    (void)state;
    static const char *const made_up[] = {"",         ".",
                                          "..",       "/",
                                          "/etc",     "../outside",
                                          "%2e%2e",   "root/../outside",
                                          "0",        "00000000000000000000000000000000",
                                          "-1",       " 1",
                                          "\xff\xfe", "ffff/../../"};
    make_tree();
    folders *f = open_folders(in_scratch("root"));
    shown s = {0};
    char *path;
    id_below(f, NULL, "root");
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++) {
        assert_int_equal(folders_path(f, made_up[i], &path, &err), SIMILE_E_NOT_FOUND);
        assert_int_equal(folders_open(f, made_up[i], &path, &err), SIMILE_E_NOT_FOUND);
        assert_int_equal(folders_list(f, made_up[i], show, &s, &err), SIMILE_E_NOT_FOUND);
    }
    assert_int_equal(s.n, 0);
    folders_free(f);
}

/* A folder that was listed, and then became a link: in the middle of the path, or at its end. */
static void test_replaced_by_a_link(void **state)
{
    (void)state;
    make_tree();
    char root[FOLDER_ID], a[FOLDER_ID], deep[FOLDER_ID], *path;
    folders *f = open_folders(in_scratch("root"));
    shown s = {0};
    strcpy(root, id_below(f, NULL, "root"));
    strcpy(a, id_below(f, root, "A"));
    strcpy(deep, id_below(f, a, "deep"));
    assert_int_equal(folders_open(f, deep, &path, &err), SIMILE_OK);
    free(path);

    assert_int_equal(rename(in_scratch("root/A"), in_scratch("outside/A")), 0);
    assert_int_equal(folders_open(f, deep, &path, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(symlink(in_scratch("outside/A"), in_scratch("root/A")), 0);
    assert_int_equal(folders_open(f, a, &path, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(folders_open(f, deep, &path, &err), SIMILE_E_NOT_FOUND);
    assert_null(path);
    assert_int_equal(folders_list(f, a, show, &s, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(folders_list(f, deep, show, &s, &err), SIMILE_E_NOT_FOUND);
    assert_int_equal(s.n, 0);
    assert_int_equal(folders_path(f, deep, &path, &err),
                     SIMILE_OK); /* what is in the catalogue may still be asked for */
    free(path);
    folders_free(f);
}

/* A root may be a link, and so may a folder of the catalogue: whoever named them could name paths. */
static void test_links_that_were_named(void **state)
{
    (void)state;
    make_tree();
    char id[FOLDER_ID], *path;
    folders *f = open_folders(in_scratch("root/link"));
    const char *secret = id_below(f, id_below(f, NULL, "link"), "secret");
    assert_int_equal(folders_open(f, secret, &path, &err), SIMILE_OK);
    assert_string_equal(path, in_scratch("root/link/secret"));
    free(path);
    folders_free(f);

    f = open_folders(in_scratch("root/b"));
    assert_int_equal(folders_id(f, in_scratch("root/link/secret"), id, &err), SIMILE_OK);
    assert_int_equal(folders_open(f, id, &path, &err), SIMILE_OK);
    free(path);
    folders_free(f);

    f = open_folders(in_scratch("root")); /* but a root answers for what is below it */
    assert_int_equal(folders_id(f, in_scratch("root/link/secret"), id, &err), SIMILE_OK);
    assert_int_equal(folders_open(f, id, &path, &err), SIMILE_E_NOT_FOUND);
    folders_free(f);
}

static void test_full_table(void **state)
{
    (void)state;
    char id[FOLDER_ID], kept[FOLDER_ID], first[FOLDER_ID], name[64], *path;
    make_folder("root");
    folders *f = open_folders(in_scratch("root"));
    assert_int_equal(folders_id(f, "/pictures/kept", kept, &err), SIMILE_OK);
    assert_int_equal(folders_id(f, "/pictures/first", first, &err), SIMILE_OK);
    for (int i = 0; i < 3 * FOLDERS_REMEMBERED; i++) {
        snprintf(name, sizeof name, "/pictures/%d", i);
        assert_int_equal(folders_id(f, name, id, &err), SIMILE_OK);
        if (i % 1000) continue;
        assert_int_equal(folders_path(f, kept, &path, &err), SIMILE_OK);
        free(path);
    }
    assert_int_equal(folders_path(f, id, &path, &err), SIMILE_OK);
    assert_string_equal(path, name);
    free(path);
    assert_int_equal(folders_path(f, kept, &path, &err), SIMILE_OK);
    assert_string_equal(path, "/pictures/kept");
    free(path);
    assert_int_equal(folders_path(f, first, &path, &err), SIMILE_E_NOT_FOUND);
    folders_free(f);
}

static void write_text(const char *name, const char *text)
{
    FILE *out = fopen(in_scratch(name), "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static size_t count_roots(char *path)
{
    folders *f;
    shown s = {0};
    assert_int_equal(folders_new(NULL, 0, &f, &err), SIMILE_OK);
    assert_int_equal(folders_list(f, NULL, show, &s, &err), SIMILE_OK);
    if (s.n) strcpy(path, s.paths[0]);
    folders_free(f);
    return s.n;
}

static void test_roots(void **state)
{
    (void)state;
    char path[256];
    folders *f;
    const char *const none[] = {in_scratch("nowhere")};
    assert_int_equal(folders_new(none, 1, &f, &err), SIMILE_E_NOT_FOUND);
    assert_null(f);
    setenv("HOME", scratch, 1);
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(count_roots(path), 0);
    make_folder("Pictures");
    assert_int_equal(count_roots(path), 1);
    assert_string_equal(path, in_scratch("Pictures"));
    make_folder("Meine \"Bilder\"");
    make_folder(".config");
    write_text(".config/user-dirs.dirs", "# a comment\nXDG_MUSIC_DIR=\"$HOME/Music\"\n"
                                         "XDG_PICTURES_DIR=\"$HOME/Meine \\\"Bilder\\\"\"\n");
    assert_int_equal(count_roots(path), 1);
    assert_string_equal(path, in_scratch("Meine \"Bilder\""));
    write_text(".config/user-dirs.dirs", "XDG_PICTURES_DIR=\"relative");
    assert_int_equal(count_roots(path), 1);
    assert_string_equal(path, in_scratch("Pictures"));
    write_text(".config/user-dirs.dirs", "XDG_PICTURES_DIR=\"$HOME/gone\"\n");
    assert_int_equal(count_roots(path), 0);
}

typedef struct {
    folders *f;
    int number;
    int wrong;
} caller;

static void *ask(void *argument)
{
    caller *c = argument;
    char id[FOLDER_ID], name[64], *path;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "/%d/%d", i % 2 ? c->number : 0, i);
        if (folders_id(c->f, name, id, NULL) || folders_path(c->f, id, &path, NULL)) {
            c->wrong++;
            continue;
        }
        c->wrong += strcmp(path, name) != 0;
        free(path);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    make_folder("root");
    folders *f = open_folders(in_scratch("root"));
    caller callers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        callers[i] = (caller){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
    folders_free(f);
}

static int ignore(void *user, const folder_info *one)
{
    (void)user, (void)one;
    return 0;
}

static simile_status open_and_list(folders **f, const char *root)
{
    char id[FOLDER_ID], *path;
    RETURN_IF_ERROR(folders_new(&root, 1, f, &err));
    RETURN_IF_ERROR(folders_id(*f, root, id, &err));
    RETURN_IF_ERROR(folders_list(*f, NULL, ignore, NULL, &err));
    RETURN_IF_ERROR(folders_list(*f, id, ignore, NULL, &err));
    RETURN_IF_ERROR(folders_open(*f, id, &path, &err));
    mem_free(path);
    return SIMILE_OK;
}

/* Every allocation is refused once. */
static void test_memory(void **state)
{
    (void)state;
    make_tree();
    bool hit = true;
    for (long n = 1; hit; n++) {
        folders *f = NULL;
        mem_fault_after(n, false);
        const simile_status status = open_and_list(&f, in_scratch("root"));
        hit = mem_fault_hit();
        mem_fault_after(0, false);
        folders_free(f);
        assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
        assert_true(n < 10000);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listing),
        TEST(test_ids),
        TEST(test_made_up_ids),
        TEST(test_replaced_by_a_link),
        TEST(test_links_that_were_named),
        TEST(test_full_table),
        TEST(test_roots),
        TEST(test_threads),
        TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
