/* SPDX-License-Identifier: Apache-2.0
 * test_page.c - the page's files over HTTP: all of them are there with a type that browsers take, asked for again they
 * are not sent again, and everything that the page and its service worker name is among them. */
#include "client.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
// clang-format on

#include "serve/page.h"

static bare_server b;

static int set_up(void **state)
{
    (void)state;
    bare_start(&b, NULL, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bare_stop(&b);
    return 0;
}

static void test_files(void **state)
{
    size_t n = 0, bytes = 0;
    (void)state;
    for (const page_file *f = page_files; f->path; f++, n++) {
        char type[64], tag[96], again[128];
        answer a;
        client_get(b.port, f->path, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.len, f->end - f->bytes);
        assert_memory_equal(a.body, f->bytes, a.len);
        bytes += a.len;
        assert_true(answer_header(&a, "Content-Type", type, sizeof type));
        if (strcmp(type, "application/octet-stream") == 0) fail_msg("%s has no type", f->path);
        assert_true(answer_header(&a, "ETag", tag, sizeof tag));
        answer_free(&a);
        snprintf(again, sizeof again, "If-None-Match: %s\r\n", tag);
        client_ask(b.port, "GET", f->path, again, NULL, 0, &a);
        assert_int_equal(a.status, 304);
        assert_int_equal(a.len, 0);
        answer_free(&a);
    }
    assert_true(n > 30);
    assert_true(bytes < 400 * 1000);
}

/* Whether every "/path" between double quotes in a file of the page is there; how many there are. */
static size_t check_paths(const char *file)
{
    size_t n = 0;
    answer a, other;
    client_get(b.port, file, &a);
    assert_int_equal(a.status, 200);
    for (const char *at = strstr(a.body, "\"/"); at; at = strstr(at + 1, "\"/")) {
        char path[128];
        const size_t len = strcspn(at + 1, "\"");
        assert_true(len < sizeof path);
        snprintf(path, sizeof path, "%.*s", (int)len, at + 1);
        client_get(b.port, path, &other);
        if (other.status != 200) fail_msg("%s names %s, which is not there", file, path);
        answer_free(&other);
        n++;
    }
    answer_free(&a);
    return n;
}

static void test_paths(void **state)
{
    (void)state;
    assert_true(check_paths("/") > 20);
    assert_true(check_paths("/sw.js") > 20);
    assert_true(check_paths("/manifest.webmanifest") > 4);
}

/* A service worker fetches by the policy that came with its own script. */
static void test_policy(void **state)
{
    static const char *const files[] = {"/", "/sw.js"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char policy[512];
        answer a;
        client_get(b.port, files[i], &a);
        assert_true(answer_header(&a, "Content-Security-Policy", policy, sizeof policy));
        assert_non_null(strstr(policy, "connect-src 'self'"));
        assert_non_null(strstr(policy, "script-src 'self'"));
        assert_null(strstr(policy, "unsafe"));
        answer_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_policy),
    };
    return cmocka_run_group_tests_name("page", tests, set_up, tear_down);
}
