/* SPDX-License-Identifier: Apache-2.0
 * test_openapi.c - the description of the interface and the interface itself: each path and method of the one is in the
 * other, and the description is served as it stands in docs/. */
#include "whole.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>
// clang-format on

#include "base/file.h"
#include "base/mem.h"

static json_t *description;

/* "/v1/items/{id}/original" and "/v1/items/ * /original" without the blanks are the same. */
static bool is_same_path(const char *described, const char *routed)
{
    while (*described && *routed) {
        if (*described == '{' && *routed == '*') {
            described = strchr(described, '}');
            if (!described) return false;
        } else if (*described != *routed) {
            return false;
        }
        described++;
        routed++;
    }
    return !*described && !*routed;
}

static bool is_routed(const char *path, const char *method)
{
    for (const route *const *table = route_tables; *table; table++)
        for (const route *r = *table; r->path; r++)
            if (is_same_path(path, r->path) && !strcasecmp(r->method, method)) return true;
    return false;
}

static bool is_described(const route *r)
{
    const char *path;
    json_t *methods;
    json_object_foreach(json_object_get(description, "paths"), path, methods)
    {
        const char *method;
        json_t *operation;
        json_object_foreach(methods, method,
                            operation) if (is_same_path(path, r->path) && !strcasecmp(method, r->method)) return true;
    }
    return false;
}

static void test_what_is_described_is_there(void **state)
{
    const char *path, *method;
    json_t *methods, *operation;
    size_t n = 0;
    (void)state;
    json_object_foreach(json_object_get(description, "paths"), path, methods)
    {
        json_object_foreach(methods, method, operation)
        {
            if (!is_routed(path, method)) fail_msg("%s %s has no route", method, path);
            n++;
        }
    }
    assert_true(n >= 25);
}

static void test_what_is_there_is_described(void **state)
{
    (void)state;
    for (const route *r = routes_own; r->path; r++)
        if (!is_described(r)) fail_msg("%s %s is not described", r->method, r->path);
    for (const route *r = routes_health; r->path; r++)
        if (!is_described(r)) fail_msg("%s %s is not described", r->method, r->path);
}

/* Every operation has a name of its own, and says what it answers. */
static void test_operations(void **state)
{
    const char *path, *method;
    json_t *methods, *operation, *names = json_object();
    (void)state;
    json_object_foreach(json_object_get(description, "paths"), path, methods)
    {
        json_object_foreach(methods, method, operation)
        {
            const char *name = json_text_at(operation, "operationId");
            assert_null(json_object_get(names, name));
            json_object_set_new(names, name, json_true());
            assert_true(json_object_size(json_object_get(operation, "responses")) > 0);
        }
    }
    json_decref(names);
}

static void test_served(void **state)
{
    char *bytes, type[64];
    size_t len;
    bare_server b;
    answer a;
    (void)state;
    bare_start(&b, NULL, NULL, NULL);
    client_get(b.port, "/v1/openapi.json", &a);
    assert_int_equal(file_read(SIMILE_OPENAPI, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, len);
    assert_memory_equal(a.body, bytes, len);
    assert_true(answer_header(&a, "Content-Type", type, sizeof type));
    assert_string_equal(type, "application/json");
    answer_free(&a);
    mem_free(bytes);
    bare_stop(&b);
}

static int set_up(void **state)
{
    (void)state;
    return json_read_object(SIMILE_OPENAPI, 1 << 20, &description, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(description);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_described_is_there),
        cmocka_unit_test(test_what_is_there_is_described),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_served),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
