/* SPDX-License-Identifier: Apache-2.0
 *
 * test_server.c - the parts together: start, stop and start again, health, metrics, the page's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "serve/page.h"
#include "serve/server.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], catalog[96];
static running *r;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/simile-server.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(catalog, sizeof catalog, "%s/below/catalog", folder);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-thumbs", "-thumbs-wal", "-thumbs-shm"};
    char path[200];
    (void)state;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s%s", catalog, endings[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/below", folder);
    rmdir(path);
    return rmdir(folder);
}

static simile_status try_start(const serve_options *options, const char *model, simile_error *err)
{
    const char *const roots[] = {folder};
    server_setup setup = {.towers = {.search_path = SIMILE_MODELS_FOLDER, .model = model, .threads = 1},
                          .catalog = catalog};
    if (options) setup.options = *options;
    setup.options.roots = roots;
    setup.options.n_roots = 1;
    setup.options.threads = 1;
    return server_start(&setup, &r, err);
}

static void start(const serve_options *options)
{
    simile_error err;
    if (try_start(options, "simile-scenes", &err)) fail_msg("%s", err.message);
    assert_true(server_port(r) > 0);
}

static void expect(const char *target, int status, const char *text)
{
    answer a;
    client_get(server_port(r), target, &a);
    if (a.status != status) fail_msg("%s: %d: %s", target, a.status, a.body);
    if (text && !strstr(a.body, text)) fail_msg("%s: no '%s' in %s", target, text, a.body);
    answer_free(&a);
}

static void test_start_and_again(void **state)
{
    simile_error err;
    (void)state;
    start(NULL);
    expect("/healthz", 200, "\"status\":\"ok\"");
    expect("/healthz?deep=1", 200, "\"embedded\":true");
    expect("/healthz?deep=2", 400, NULL);
    expect("/v1/stats", 200, "\"images\":0");
    server_stop(r);
    const serve_options read_only = {.read_only = true};
    start(&read_only);
    expect("/v1/stats", 200, "\"read_only\":true");
    server_stop(r);
    assert_int_equal(try_start(NULL, "no-such-model", &err), SIMILE_E_NOT_FOUND);
    assert_null(r);
    const serve_options everywhere = {.address = "0.0.0.0"};
    assert_int_equal(try_start(&everywhere, "simile-scenes", &err), SIMILE_E_ARG);
    server_stop(NULL);
}

static void test_read_only_needs_a_catalogue(void **state)
{
    const serve_options options = {.read_only = true};
    simile_error err;
    (void)state;
    assert_int_equal(try_start(&options, "simile-scenes", &err), SIMILE_E_NOT_FOUND);
    assert_null(r);
}

static void test_metrics(void **state)
{
    answer a;
    char type[100];
    (void)state;
    start(NULL);
    expect("/healthz?deep=1", 200, NULL);
    client_get(server_port(r), "/metrics", &a);
    assert_int_equal(a.status, 200);
    assert_true(answer_header(&a, "Content-Type", type, sizeof type));
    assert_string_equal(type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(a.body, "# TYPE simile_request_seconds histogram\n"));
    assert_non_null(strstr(a.body, "simile_request_seconds_bucket{le=\"+Inf\"} "));
    assert_non_null(strstr(a.body, "\nsimile_texts_encoded_total 1\n"));
    assert_non_null(strstr(a.body, "\nsimile_models_loaded 1\n"));
    assert_non_null(strstr(a.body, "\nsimile_catalog_images 0\n"));
    assert_null(strstr(a.body, "process_resident_memory_bytes 0\n"));
    answer_free(&a);
    server_stop(r);
}

static void test_page(void **state)
{
    (void)state;
    start(&(serve_options){.api_key = "a-key"}); /* the page itself is public: it asks for the key */
    for (const page_file *f = page_files; f->path; f++) {
        answer a;
        char tag[100], headers[140];
        client_get(server_port(r), f->path, &a);
        if (a.status != 200) fail_msg("%s: %d", f->path, a.status);
        assert_int_equal(a.len, f->end - f->bytes);
        assert_memory_equal(a.body, f->bytes, a.len);
        assert_true(answer_header(&a, "ETag", tag, sizeof tag));
        assert_true(answer_header(&a, "Content-Type", headers, sizeof headers));
        if (strcmp(headers, "application/octet-stream") == 0) fail_msg("%s has no type", f->path);
        answer_free(&a);
        snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", tag);
        client_ask(server_port(r), "GET", f->path, headers, NULL, 0, &a);
        assert_int_equal(a.status, 304);
        answer_free(&a);
    }
    expect("/", 200, "<html");
    expect("/v1/stats", 401, NULL);
    server_stop(r);
}

static void test_inherited(void **state)
{
    char pid[24];
    int fd;
    simile_error err;
    (void)state;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    unsetenv("LISTEN_PID");
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(server_inherited(&fd, &err), SIMILE_OK);
    assert_int_equal(fd, 0);
    setenv("LISTEN_PID", "1", 1); /* somebody else's */
    assert_int_equal(server_inherited(&fd, &err), SIMILE_OK);
    assert_int_equal(fd, 0);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    assert_int_equal(server_inherited(&fd, &err), SIMILE_E_LIMIT);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    server_notify("READY=1"); /* nobody listens, and that is no error */
    unsetenv("NOTIFY_SOCKET");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start_and_again),       TEST(test_read_only_needs_a_catalogue), TEST(test_metrics), TEST(test_page),
        cmocka_unit_test(test_inherited),
    };
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
