/* SPDX-License-Identifier: Apache-2.0
 *
 * json_shape.c - has the JSON of a command the shape that the documentation shows? usage: json_shape WANTED ACTUAL
 *
 * Both files hold JSON values, one behind the other. Objects have to have the same keys in the same order, and equal
 * kinds of values; every element of an array is compared with the wanted array's first one, and an array that is shown
 * with elements may not be empty. Numbers and strings only have to be numbers and strings; where null is shown, a
 * string or an array may stand. */
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>

typedef struct {
    char where[256];
    char why[256];
} difference;

static const char *kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER:
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    case JSON_NULL: return "null";
    }
    return "?";
}

static bool same(const json_t *wanted, const json_t *actual, size_t len, difference *d);

static bool inside(difference *d, size_t *len, const char *name)
{
    const int n = snprintf(d->where + *len, sizeof d->where - *len, ".%s", name);
    *len += (size_t)n;
    return *len < sizeof d->where;
}

static bool same_objects(const json_t *wanted, const json_t *actual, size_t len, difference *d)
{
    void *w = json_object_iter((json_t *)(uintptr_t)wanted), *a = json_object_iter((json_t *)(uintptr_t)actual);
    while (w || a) {
        if (!w || !a || strcmp(json_object_iter_key(w), json_object_iter_key(a)) != 0) {
            snprintf(d->why, sizeof d->why, "\"%s\" is wanted, \"%s\" is there",
                     w ? json_object_iter_key(w) : "nothing", a ? json_object_iter_key(a) : "nothing");
            return false;
        }
        size_t deeper = len;
        if (!inside(d, &deeper, json_object_iter_key(w))) return false;
        if (!same(json_object_iter_value(w), json_object_iter_value(a), deeper, d)) return false;
        d->where[len] = 0;
        w = json_object_iter_next((json_t *)(uintptr_t)wanted, w);
        a = json_object_iter_next((json_t *)(uintptr_t)actual, a);
    }
    return true;
}

static bool same_arrays(const json_t *wanted, const json_t *actual, size_t len, difference *d)
{
    if (!json_array_size(wanted)) return true;
    if (!json_array_size(actual)) {
        snprintf(d->why, sizeof d->why, "it is empty");
        return false;
    }
    for (size_t i = 0; i < json_array_size(actual); i++) {
        char name[24];
        size_t deeper = len;
        snprintf(name, sizeof name, "%zu", i);
        if (!inside(d, &deeper, name)) return false;
        if (!same(json_array_get(wanted, 0), json_array_get(actual, i), deeper, d)) return false;
        d->where[len] = 0;
    }
    return true;
}

/* Our own documentation is no deeper than a few levels, and jansson refuses what is deeper than 2,048. */
static bool same(const json_t *wanted, const json_t *actual, size_t len, difference *d)
{
    if (json_is_null(wanted) && (json_is_string(actual) || json_is_array(actual))) return true;
    if (strcmp(kind(wanted), kind(actual)) != 0) {
        snprintf(d->why, sizeof d->why, "%s is wanted, %s is there", kind(wanted), kind(actual));
        return false;
    }
    if (json_is_object(wanted)) return same_objects(wanted, actual, len, d);
    if (json_is_array(wanted)) return same_arrays(wanted, actual, len, d);
    return true;
}

/* The next value of a text, NULL at its end. */
static json_t *next_value(const char **at)
{
    json_error_t why;
    *at += strspn(*at, " \t\r\n");
    if (!**at) return NULL;
    json_t *value = json_loads(*at, JSON_DISABLE_EOF_CHECK, &why);
    if (!value) {
        printf("not JSON: %s: %.60s\n", why.text, *at);
        exit(1);
    }
    *at += why.position;
    return value;
}

int main(int argc, char **argv)
{
    char *wanted_text, *actual_text;
    size_t len;
    simile_error err;
    if (argc != 3) return 2;
    if (file_read(argv[1], 1 << 24, &wanted_text, &len, &err) ||
        file_read(argv[2], 1 << 28, &actual_text, &len, &err)) {
        printf("%s\n", err.message);
        return 2;
    }
    const char *wanted_at = wanted_text, *actual_at = actual_text;
    json_t *wanted = next_value(&wanted_at), *actual = next_value(&actual_at);
    int n = 0, status = 0;
    for (; wanted && actual && !status; n++) {
        difference d = {0};
        if (!same(wanted, actual, 0, &d)) {
            printf("value %d, at '%s': %s\n", n + 1, d.where, d.why);
            status = 1;
        }
        json_decref(actual);
        actual = next_value(&actual_at);
        json_t *more = next_value(&wanted_at); /* the last one shown stands for all that follow */
        if (more) {
            json_decref(wanted);
            wanted = more;
            if (!actual && !status) printf("the documentation shows more values\n");
            if (!actual) status = 1;
        }
    }
    if (!n) printf("there is nothing to compare\n");
    json_decref(wanted);
    json_decref(actual);
    mem_free(wanted_text);
    mem_free(actual_text);
    return n ? status : 1;
}
