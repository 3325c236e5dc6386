/* SPDX-License-Identifier: Apache-2.0
 * test_api_files.c - thumbnails and originals: the bytes, what may be kept, parts of files, and files that are no
 * longer what was indexed. */
#include "whole.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
// clang-format on

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(const char *name, char out[256])
{
    snprintf(out, 256, "%s/pictures/%s", whole.root, name);
}

static void ask(const char *name, const char *what, const char *headers, answer *out)
{
    char target[128];
    snprintf(target, sizeof target, "/v1/items/%" PRId64 "/%s", whole_item(name), what);
    client_ask(whole.port, "GET", target, headers, NULL, 0, out);
}

static void has_header(const answer *a, const char *name, const char *expected)
{
    char value[256] = "";
    assert_true(answer_header(a, name, value, sizeof value));
    assert_string_equal(value, expected);
}

/* ---- thumbnails ---- */

static void test_thumbnails(void **state)
{
    char etag[128], headers[192], target[128];
    answer a;
    (void)state;
    ask("cat.jpg", "thumbnail", NULL, &a);
    assert_int_equal(a.status, 200);
    assert_memory_equal(a.body, "RIFF", 4);
    assert_memory_equal(a.body + 8, "WEBP", 4);
    has_header(&a, "Content-Type", "image/webp");
    has_header(&a, "Cache-Control", "private, no-cache");
    assert_true(answer_header(&a, "ETag", etag, sizeof etag));
    answer_free(&a);

    snprintf(headers, sizeof headers, "If-None-Match: \"x\", %s\r\n", etag);
    ask("cat.jpg", "thumbnail", headers, &a);
    assert_int_equal(a.status, 304);
    assert_int_equal(a.len, 0);
    has_header(&a, "ETag", etag);
    answer_free(&a);
    ask("cat.jpg", "thumbnail", "If-None-Match: \"x\"\r\n", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);

    /* under the name that stands in the item it may be kept for ever, under another it may not */
    json_t *found = whole_get(200, "/v1/search?text=a+cat&limit=1");
    client_get(whole.port, json_text_at(json_array_get(json_object_get(found, "results"), 0), "thumbnail"), &a);
    assert_int_equal(a.status, 200);
    has_header(&a, "Cache-Control", "private, max-age=31536000, immutable");
    answer_free(&a);
    json_decref(found);
    ask("cat.jpg", "thumbnail?v=0123456789abcdef", NULL, &a);
    has_header(&a, "Cache-Control", "private, no-cache");
    answer_free(&a);

    json_t *texts = whole_get(200, "/v1/items?kind=text&limit=1");
    snprintf(target, sizeof target, "/v1/items/%" PRId64 "/thumbnail",
             json_int_at(json_array_get(json_object_get(texts, "items"), 0), "id"));
    whole_refuses(404, "GET", target, NULL, "no picture");
    json_decref(texts);
    snprintf(target, sizeof target, "/v1/items/%" PRId64 "/thumbnail", whole_item("broken.jpg"));
    whole_refuses(404, "GET", target, NULL, "");
    whole_refuses(404, "GET", "/v1/items/4711/thumbnail", NULL, "4711");
}

/* ---- originals ---- */

static void test_originals(void **state)
{
    char path[256], *bytes, etag[128], headers[192];
    size_t len;
    answer a;
    (void)state;
    path_of("city/red-bus.jpg", path);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    ask("city/red-bus.jpg", "original", NULL, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, len);
    assert_memory_equal(a.body, bytes, len);
    has_header(&a, "Content-Type", "image/jpeg");
    has_header(&a, "X-Content-Type-Options", "nosniff");
    has_header(&a, "Accept-Ranges", "bytes");
    has_header(&a, "Content-Disposition", "inline; filename*=UTF-8''red-bus.jpg");
    char policy[128];
    assert_true(answer_header(&a, "Content-Security-Policy", policy, sizeof policy));
    assert_non_null(strstr(policy, "sandbox"));
    assert_true(answer_header(&a, "ETag", etag, sizeof etag));
    answer_free(&a);

    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", etag);
    ask("city/red-bus.jpg", "original", headers, &a);
    assert_int_equal(a.status, 304);
    answer_free(&a);
    ask("city/red-bus.jpg", "original?download=1", NULL, &a);
    has_header(&a, "Content-Disposition", "attachment; filename*=UTF-8''red-bus.jpg");
    answer_free(&a);
    mem_free(bytes);
}

static void test_parts_of_files(void **state)
{
    char path[256], *bytes, range[96], etag[128], headers[192];
    size_t len;
    answer a;
    (void)state;
    path_of("city/red-bus.jpg", path);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    ask("city/red-bus.jpg", "original", "Range: bytes=100-299\r\n", &a);
    assert_int_equal(a.status, 206);
    assert_int_equal(a.len, 200);
    assert_memory_equal(a.body, bytes + 100, 200);
    snprintf(range, sizeof range, "bytes 100-299/%zu", len);
    has_header(&a, "Content-Range", range);
    assert_true(answer_header(&a, "ETag", etag, sizeof etag));
    answer_free(&a);
    ask("city/red-bus.jpg", "original", "Range: bytes=-10\r\n", &a);
    assert_int_equal(a.status, 206);
    assert_memory_equal(a.body, bytes + len - 10, 10);
    answer_free(&a);
    ask("city/red-bus.jpg", "original", "Range: bytes=10000000-\r\n", &a);
    assert_int_equal(a.status, 416);
    snprintf(range, sizeof range, "bytes */%zu", len);
    has_header(&a, "Content-Range", range);
    has_header(&a, "Content-Type", "application/json");
    answer_free(&a);
    ask("city/red-bus.jpg", "original", "Range: bytes=0-1,5-6\r\n", &a); /* several: all */
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, len);
    answer_free(&a);
    snprintf(headers, sizeof headers, "Range: bytes=0-9\r\nIf-Range: %s\r\n", etag);
    ask("city/red-bus.jpg", "original", headers, &a);
    assert_int_equal(a.status, 206);
    answer_free(&a);
    ask("city/red-bus.jpg", "original", "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    mem_free(bytes);
}

/* What was quarantined was no picture either when it was indexed: it is given, but as a download. */
static void test_what_is_no_picture(void **state)
{
    answer a;
    (void)state;
    ask("broken.jpg", "original", NULL, &a);
    assert_int_equal(a.status, 200);
    has_header(&a, "Content-Type", "application/octet-stream");
    has_header(&a, "Content-Disposition", "attachment; filename*=UTF-8''broken.jpg");
    assert_memory_equal(a.body, "no picture", 10);
    answer_free(&a);
}

static void answers(const char *name, int status)
{
    answer a;
    ask(name, "original", NULL, &a);
    if (a.status != status) fail_msg("%s: %d, not %d: %.300s", name, a.status, status, a.body);
    answer_free(&a);
}

/* The path of an item leads to something else by now. */
static void test_files_that_changed(void **state)
{
    static const char *const name = "winter/white-rabbit.jpg";
    char path[256], aside[256], secret[256], *bytes;
    size_t len;
    (void)state;
    path_of(name, path);
    path_of("aside", aside);
    path_of("secret.txt", secret);
    assert_int_equal(rename(path, aside), 0);
    answers(name, 404);
    assert_int_equal(file_replace(secret, "secret", 6, NULL), SIMILE_OK);
    assert_int_equal(symlink(secret, path), 0);
    answers(name, 404);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    answers(name, 404);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    answers(name, 404);
    rmdir(path);
    assert_int_equal(symlink("white-rabbit.jpg", path), 0); /* to itself */
    answers(name, 404);
    unlink(path);
    /* another picture in its place is a picture */
    assert_int_equal(file_read(aside, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    assert_int_equal(file_replace(path, bytes, len - 1, NULL), SIMILE_OK);
    answers(name, 200);
    mem_free(bytes);
    assert_int_equal(rename(aside, path), 0);
    answers(name, 200);
    unlink(secret);
}

static void test_head(void **state)
{
    char said[256];
    answer a;
    (void)state;
    snprintf(said, sizeof said,
             "HEAD /v1/items/%" PRId64 "/original HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n",
             whole_item("cat.jpg"), whole.port);
    client_raw(whole.port, said, &a);
    assert_int_equal(a.status, 200);
    has_header(&a, "Content-Type", "image/jpeg");
    answer_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_originals),
        cmocka_unit_test(test_parts_of_files),
        cmocka_unit_test(test_what_is_no_picture),
        cmocka_unit_test(test_files_that_changed),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_thumbnails),
    };
    return cmocka_run_group_tests(tests, whole_set_up, whole_tear_down);
}
