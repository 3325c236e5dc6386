/* SPDX-License-Identifier: Apache-2.0
 * test_api.c - the server's own interface: searches, lists, numbers, labels, folders and jobs, what each answers and
 * what it refuses. What a search finds is compared with the library's own. */
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

#include <inttypes.h>
#include <unistd.h>

static const json_t *result(const json_t *answered, size_t i)
{
    const json_t *one = json_array_get(json_object_get(answered, "results"), i);
    if (!one) fail_msg("there is no result %zu", i);
    return one;
}

static const char *name_of(const json_t *answered, size_t i)
{
    return json_text_at(result(answered, i), "name");
}

/* A file of the pictures as base64, for mem_free. */
static char *base64_of(const char *name)
{
    char path[256], *bytes;
    size_t len;
    buf text;
    snprintf(path, sizeof path, "%s/pictures/%s", whole.root, name);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    buf_init(&text, 1 << 22);
    assert_true(base64_append(&text, bytes, len));
    mem_free(bytes);
    return buf_take(&text, NULL);
}

/* ---- searches ---- */

static void test_words(void **state)
{
    simile_model *model;
    simile_encoder *encoder;
    simile_results *expected;
    (void)state;
    const simile_term term = {.kind = SIMILE_TERM_TEXT, .text = "a red bus", .weight = 1};
    const simile_query query = {.struct_size = sizeof query, .terms = &term, .n_terms = 1, .limit = 40};
    assert_int_equal(simile_model_open(SIMILE_MODEL, NULL, &model, NULL), SIMILE_OK);
    assert_int_equal(simile_encoder_new(model, NULL, &encoder, NULL), SIMILE_OK);
    assert_int_equal(simile_search(whole.s.library, encoder, &query, &expected, NULL), SIMILE_OK);

    json_t *found = whole_get(200, "/v1/search?text=a%20red+bus");
    assert_string_equal(json_text_at(found, "query"), "a red bus");
    assert_null(json_object_get(found, "texts")); /* read directly */
    assert_int_equal(json_int_at(found, "count"), 7);
    assert_true(json_is_false(json_object_get(found, "more")));
    assert_true(json_number_at(found, "seconds") > 0);
    json_array_at(found, "results", 7);
    for (size_t i = 0; i < 7; i++) {
        const simile_hit *hit = simile_results_at(expected, i);
        const json_t *one = result(found, i);
        assert_int_equal(json_int_at(one, "id"), hit->id);
        assert_int_equal(json_int_at(one, "rank"), (int)i + 1);
        assert_string_equal(json_text_at(one, "path"), hit->path);
        assert_float_equal(json_number_at(one, "similarity"), hit->similarity, 1e-4);
    }
    json_decref(found);
    simile_results_free(expected);
    simile_encoder_free(encoder);
    simile_model_close(model);
}

static void test_items_in_answers(void **state)
{
    char folder[64], place[64];
    (void)state;
    json_t *found = whole_get(200, "/v1/search?text=a+green+bus&limit=1");
    const json_t *one = result(found, 0);
    const int64_t id = whole_item("city/green-bus.jpg");
    whole_folder("city", folder);
    assert_int_equal(json_int_at(one, "id"), id);
    assert_string_equal(json_text_at(one, "kind"), "image");
    assert_string_equal(json_text_at(one, "name"), "green-bus.jpg");
    assert_string_equal(json_text_at(one, "date"), "2024-05-17T12:00:00Z");
    assert_string_equal(json_text_at(json_object_get(one, "folder"), "name"), "city");
    assert_string_equal(json_text_at(json_object_get(one, "folder"), "id"), folder);
    assert_true(json_int_at(one, "width") > 0 && json_int_at(one, "height") > 0 && json_int_at(one, "size") > 1000);
    snprintf(place, sizeof place, "/v1/items/%" PRId64 "/thumbnail?v=", id);
    assert_memory_equal(json_text_at(one, "thumbnail"), place, strlen(place));
    snprintf(place, sizeof place, "/v1/items/%" PRId64 "/original", id);
    assert_string_equal(json_text_at(one, "original"), place);
    json_decref(found);
}

static void test_pages(void **state)
{
    (void)state;
    json_t *all = whole_get(200, "/v1/search?text=snow");
    for (int offset = 0; offset < 9; offset += 3) {
        char target[64];
        snprintf(target, sizeof target, "/v1/search?text=snow&limit=3&offset=%d", offset);
        json_t *page = whole_get(200, target);
        const size_t n = offset < 6 ? 3 : 1;
        json_array_at(page, "results", n);
        assert_int_equal(json_is_true(json_object_get(page, "more")), offset < 6);
        for (size_t i = 0; i < n; i++) assert_true(json_equal(result(page, i), result(all, (size_t)offset + i)));
        json_decref(page);
    }
    json_t *beyond = whole_get(200, "/v1/search?text=snow&offset=1000");
    json_array_at(beyond, "results", 0);
    assert_true(json_is_false(json_object_get(beyond, "more")));
    json_decref(beyond);
    json_decref(all);
}

static void test_terms(void **state)
{
    char json[256], query[64];
    const int64_t id = whole_item("city/red-bus.jpg");
    (void)state;
    snprintf(json, sizeof json,
             "{\"terms\": [{\"text\": \"a bus\"}, {\"id\": %" PRId64 ", \"weight\": -2.5}], \"not\": \"London\", "
             "\"limit\": 7}",
             id);
    json_t *found = whole_post(200, "/v1/search", json);
    snprintf(query, sizeof query, "a bus - 2.5 x #%" PRId64 " - London", id);
    assert_string_equal(json_text_at(found, "query"), query);
    assert_string_equal(name_of(found, 6), "red-bus.jpg"); /* away from it */
    json_decref(found);

    /* an item alone needs no model, and finds itself unless it is left out */
    snprintf(json, sizeof json, "{\"terms\": [{\"id\": %" PRId64 "}]}", id);
    found = whole_post(200, "/v1/search", json);
    assert_string_equal(name_of(found, 0), "red-bus.jpg");
    assert_float_equal(json_number_at(result(found, 0), "similarity"), 100, 1e-3);
    json_decref(found);
    snprintf(json, sizeof json, "{\"terms\": [{\"id\": %" PRId64 "}], \"exclude_terms\": true}", id);
    found = whole_post(200, "/v1/search", json);
    json_array_at(found, "results", 6);
    assert_string_equal(name_of(found, 0), "green-bus.jpg");
    char target[64];
    snprintf(target, sizeof target, "/v1/items/%" PRId64 "/similar", id);
    json_t *similar = whole_get(200, target);
    assert_true(json_equal(json_object_get(similar, "results"), json_object_get(found, "results")));
    json_decref(similar);
    json_decref(found);
    snprintf(target, sizeof target, "/v1/items/%" PRId64 "/similar?limit=1&before=2024", id);
    similar = whole_get(200, target);
    assert_string_equal(json_text_at(json_object_get(result(similar, 0), "folder"), "name"), "winter");
    json_decref(similar);
}

static void test_pictures(void **state)
{
    buf body;
    size_t len;
    (void)state;
    char *base64 = base64_of("winter/red-house.jpg");
    char *json = mem_printf("{\"terms\": [{\"image\": \"data:image/jpeg;base64,%s\"}]}", base64);
    json_t *found = whole_post(200, "/v1/search", json);
    assert_string_equal(json_text_at(found, "query"), "picture");
    assert_string_equal(name_of(found, 0), "red-house.jpg");
    assert_true(json_number_at(result(found, 0), "similarity") > 99.99);
    mem_free(json);

    json = mem_printf("{\"terms\": [{\"image\": \"%s\", \"weight\": 0.5}]}", base64);
    json_t *bare = whole_post(200, "/v1/search", json);
    assert_true(json_equal(json_object_get(bare, "results"), json_object_get(found, "results")));
    json_decref(bare);
    mem_free(json);
    mem_free(base64);

    /* the same as parts of a form, with a query beside them and without */
    char path[256], *bytes;
    snprintf(path, sizeof path, "%s/pictures/winter/red-house.jpg", whole.root);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    buf_init(&body, 1 << 22);
    client_multipart(&body, "mine", "house \xc3\xa4.jpg", "image/jpeg", bytes, len);
    client_multipart_end(&body);
    json_t *form = whole_ask(200, "POST", "/v1/search", CLIENT_MULTIPART, body.data, body.len);
    assert_true(json_equal(json_object_get(form, "results"), json_object_get(found, "results")));
    assert_string_equal(json_text_at(form, "query"), "house \xc3\xa4.jpg");
    json_decref(form);
    buf_clear(&body);
    static const char query[] =
        "{\"terms\": [{\"part\": \"mine\"}, {\"text\": \"a car\", \"weight\": -0.2}], \"limit\": 1}";
    client_multipart(&body, "query", NULL, "application/json", query, sizeof query - 1);
    client_multipart(&body, "mine", "x.jpg", "image/jpeg", bytes, len);
    client_multipart_end(&body);
    form = whole_ask(200, "POST", "/v1/search", CLIENT_MULTIPART, body.data, body.len);
    assert_string_equal(json_text_at(form, "query"), "x.jpg - 0.2 x a car");
    assert_string_equal(name_of(form, 0), "red-house.jpg");
    json_decref(form);
    buf_release(&body);
    mem_free(bytes);
    json_decref(found);
}

static void test_filters(void **state)
{
    static const struct {
        const char *rest;
        size_t n;
    } cases[] = {
        {"&after=2024", 4},
        {"&before=2024", 3},
        {"&after=2024-05&before=2024-06", 2},
        {"&after=2024-05-17T12:00:00Z&before=2024-05-17T12:00:01Z", 2},
        {"&after=2024-05-17T12:00:01Z&before=2024-06", 0},
        {"&after=1715947200&before=1715947201", 2},
        {"&glob=*red*", 2},
        {"&min_similarity=99.99", 0},
        {"&min_similarity=-100", 7},
        {"&target=text", 2},
    };
    char target[160], folder[64];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(target, sizeof target, "/v1/search?text=a+red+house%s", cases[i].rest);
        json_t *found = whole_get(200, target);
        if (json_array_size(json_object_get(found, "results")) != cases[i].n)
            fail_msg("%s: %zu results", target, json_array_size(json_object_get(found, "results")));
        json_decref(found);
    }
    whole_folder("winter", folder);
    snprintf(target, sizeof target, "/v1/search?text=a+red+house&folder=%s", folder);
    json_t *found = whole_get(200, target);
    json_array_at(found, "results", 3);
    json_decref(found);
    json_t *texts = whole_get(200, "/v1/search?text=a+boat&target=text&limit=1");
    assert_string_equal(json_text_at(result(texts, 0), "text"), "a red boat");
    assert_string_equal(json_text_at(result(texts, 0), "kind"), "text");
    assert_null(json_object_get(result(texts, 0), "path"));
    assert_null(json_object_get(result(texts, 0), "thumbnail"));
    json_decref(texts);
}

static void test_languages(void **state)
{
    (void)state;
    json_t *found =
        whole_post(200, "/v1/search", "{\"text\": \"雪地里的红房子\", \"fuse\": \"max\", \"candidates\": 3}");
    const json_t *text = json_array_get(json_array_at(found, "texts", 1), 0);
    assert_string_equal(json_text_at(text, "text"), "雪地里的红房子");
    assert_string_equal(json_text_at(text, "via"), "translate");
    assert_string_equal(json_text_at(text, "translator"), "simile-zh-en");
    assert_string_equal(json_text_at(text, "fuse"), "max");
    json_array_at(text, "candidates", 3);
    assert_string_equal(name_of(found, 0), "red-house.jpg");
    assert_true(json_int_at(result(found, 0), "candidate") >= 0);
    json_decref(found);
    found = whole_get(200, "/v1/search?text=Haus&via=multilingual&language=de&limit=1");
    assert_string_equal(json_text_at(json_array_get(json_array_at(found, "texts", 1), 0), "read_by"),
                        "simile-languages");
    json_decref(found);
}

static void test_searches_that_are_refused(void **state)
{
    static const struct {
        int status;
        const char *json, *words;
    } cases[] = {
        {400, "", "JSON"},
        {400, "[]", "object"},
        {400, "{", "JSON"},
        {400, "{}", "nothing to search for"},
        {400, "{\"terms\": []}", "nothing to search for"},
        {400, "{\"text\": \"a\", \"txet\": \"b\"}", "txet"},
        {400, "{\"text\": \"\"}", "'text' is empty"},
        {400, "{\"text\": 5}", "'text' is no string"},
        {400, "{\"text\": null}", "'text' is no string"},
        {400, "{\"text\": \"a\", \"limit\": 0}", "from 1 to 1000"},
        {400, "{\"text\": \"a\", \"limit\": 1001}", "from 1 to 1000"},
        {400, "{\"text\": \"a\", \"limit\": 1.5}", "'limit'"},
        {400, "{\"text\": \"a\", \"limit\": \"5\"}", "'limit'"},
        {400, "{\"text\": \"a\", \"limit\": true}", "'limit'"},
        {400, "{\"text\": \"a\", \"offset\": -1}", "'offset'"},
        {400, "{\"text\": \"a\", \"offset\": 1000001}", "'offset'"},
        {400, "{\"text\": \"a\", \"after\": \"yesterday\"}", "'after'"},
        {400, "{\"text\": \"a\", \"before\": 1e300}", "'before'"},
        {400, "{\"text\": \"a\", \"before\": []}", "'before'"},
        {400, "{\"text\": \"a\", \"target\": \"video\"}", "image or text"},
        {400, "{\"text\": \"a\", \"via\": \"magic\"}", "auto, direct, translate or multilingual"},
        {400, "{\"text\": \"a\", \"fuse\": \"x\"}", "first, mean, max or weighted"},
        {400, "{\"text\": \"a\", \"candidates\": 65}", "from 1 to 64"},
        {400, "{\"text\": \"a\", \"language\": \"0123456789abcdef\"}", "'language'"},
        {400, "{\"text\": \"a\", \"language\": \"../zh\"}", "'language'"},
        {400, "{\"text\": \"a\", \"min_similarity\": 100.5}", "'min_similarity'"},
        {400, "{\"text\": \"a\", \"exclude_terms\": 1}", "'exclude_terms'"},
        {400, "{\"terms\": {}}", "'terms' is no array"},
        {400, "{\"terms\": [5]}", "a term is no object"},
        {400, "{\"terms\": [{}]}", "exactly one"},
        {400, "{\"terms\": [{\"weight\": 1}]}", "exactly one"},
        {400, "{\"terms\": [{\"text\": \"a\", \"id\": 1}]}", "exactly one"},
        {400, "{\"terms\": [{\"text\": \"a\", \"path\": \"/etc/passwd\"}]}", "'path'"},
        {400, "{\"terms\": [{\"text\": \"a\", \"weight\": 1001}]}", "'weight'"},
        {400, "{\"terms\": [{\"id\": 0}]}", "'id'"},
        {400, "{\"terms\": [{\"id\": 1.5}]}", "'id'"},
        {404, "{\"terms\": [{\"id\": 4711}]}", "4711"},
        {404, "{\"text\": \"a\", \"folder\": \"0123456789abcdef0123456789abcdef\"}", "folder"},
        {404, "{\"text\": \"a\", \"folder\": \"/etc\"}", "folder"},
        {400, "{\"terms\": [{\"image\": \"????\"}]}", "base64"},
        {400, "{\"terms\": [{\"image\": \"aGVsbG8=\"}]}", "picture"},
        {400, "{\"terms\": [{\"part\": \"mine\"}]}", "'mine'"},
        {400, "{\"text\": \"a\", \"text\": \"b\"}", "text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        whole_refuses(cases[i].status, "POST", "/v1/search", cases[i].json, cases[i].words);
    whole_refuses(400, "POST", "/v1/search?text=a", "{\"text\": \"a\"}", "'text'");
    whole_refuses(400, "GET", "/v1/search?text=a&terms=b", NULL, "'terms'");
    whole_refuses(400, "GET", "/v1/search?text=a&limit=5x", NULL, "'limit'");
    whole_refuses(400, "GET", "/v1/search?text=a&limit=%205", NULL, "'limit'");
    whole_refuses(400, "GET", "/v1/search?text=a&min_similarity=nan", NULL, "'min_similarity'");
    whole_refuses(404, "GET", "/v1/items/abc/similar", NULL, "'abc'");
    whole_refuses(404, "GET", "/v1/items/4711/similar", NULL, "4711");
    json_t *said = whole_ask(415, "POST", "/v1/search", "Content-Type: text/plain\r\n", "{\"text\":\"a\"}", 12);
    json_decref(said);
    said = whole_ask(400, "POST", "/v1/search", CLIENT_MULTIPART, "nothing", 7);
    json_decref(said);
}

static void test_limits(void **state)
{
    buf json;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_text(&json, "{\"terms\": [");
    for (int i = 0; i < LIMIT_TERMS; i++) buf_text(&json, "{\"text\": \"a\"},");
    buf_text(&json, "{\"text\": \"a\"}]}");
    whole_refuses(413, "POST", "/v1/search", json.data, "more than 32 terms");
    buf_clear(&json);
    buf_text(&json, "{\"text\": \"");
    for (int i = 0; i <= LIMIT_TEXT_BYTES; i++) buf_byte(&json, 'a');
    buf_text(&json, "\"}");
    whole_refuses(413, "POST", "/v1/search", json.data, "'text'");
    buf_clear(&json);
    buf_text(&json, "{\"text\": ");
    for (int i = 0; i < 100; i++) buf_byte(&json, '[');
    whole_refuses(400, "POST", "/v1/search", json.data, "");
    buf_release(&json);

    /* a body of this length is let in, but not as JSON */
    buf_init(&json, 2 * LIMIT_JSON_BYTES);
    buf_text(&json, "{\"text\": \"a\"");
    while (json.len <= LIMIT_JSON_BYTES) buf_text(&json, "                                ");
    buf_byte(&json, '}');
    whole_refuses(413, "POST", "/v1/search", json.data, "JSON");
    buf_release(&json);
}

/* ---- lists ---- */

static void test_lists(void **state)
{
    char target[192], folder[64];
    (void)state;
    json_t *list = whole_get(200, "/v1/items");
    assert_int_equal(json_int_at(list, "total"), 7);
    assert_int_equal(json_int_at(list, "count"), 7);
    const json_t *items = json_array_at(list, "items", 7);
    assert_string_equal(json_text_at(json_array_get(items, 0), "date"), "2024-06-01T00:00:00Z");
    assert_string_equal(json_text_at(json_array_get(items, 6), "date"), "2023-01-15T00:00:00Z");
    assert_string_equal(json_text_at(json_array_get(items, 0), "status"), "ok");
    assert_int_equal(strlen(json_text_at(json_array_get(items, 0), "hash")), 64);
    json_decref(list);

    list = whole_get(200, "/v1/items?order=path&limit=2&offset=1");
    assert_int_equal(json_int_at(list, "total"), 7);
    items = json_array_at(list, "items", 2);
    assert_string_equal(json_text_at(json_array_get(items, 0), "name"), "cat.jpg");
    assert_string_equal(json_text_at(json_array_get(items, 1), "name"), "green-bus.jpg");
    json_decref(list);

    list = whole_get(200, "/v1/items?status=quarantined");
    items = json_array_at(list, "items", 1);
    assert_string_equal(json_text_at(json_array_get(items, 0), "name"), "broken.jpg");
    assert_string_equal(json_text_at(json_array_get(items, 0), "status"), "quarantined");
    assert_true(*json_text_at(json_array_get(items, 0), "reason") != 0);
    json_decref(list);

    list = whole_get(200, "/v1/items?kind=text&order=id");
    items = json_array_at(list, "items", 2);
    assert_string_equal(json_text_at(json_array_get(items, 1), "text"), "two dogs in the snow");
    json_decref(list);

    whole_folder("winter", folder);
    snprintf(target, sizeof target, "/v1/items?folder=%s&glob=*bird.jpg&after=2023-01-15&before=2023-01-16", folder);
    list = whole_get(200, target);
    json_array_at(list, "items", 1);
    json_decref(list);
    whole_refuses(400, "GET", "/v1/items?order=size", NULL, "id, newest, oldest or path");
    whole_refuses(400, "GET", "/v1/items?kind=video", NULL, "image or text");
    whole_refuses(400, "GET", "/v1/items?status=lost", NULL, "ok or quarantined");
    whole_refuses(400, "GET", "/v1/items?limit=1001", NULL, "'limit'");
    whole_refuses(404, "GET", "/v1/items?folder=..%2F..", NULL, "folder");
}

static void test_facts(void **state)
{
    char target[64];
    (void)state;
    snprintf(target, sizeof target, "/v1/items/%" PRId64, whole_item("cat.jpg"));
    json_t *item = whole_get(200, target);
    assert_string_equal(json_text_at(item, "format"), "jpeg");
    assert_string_equal(json_text_at(item, "status"), "ok");
    assert_true(json_is_null(json_object_get(item, "reason")));
    json_decref(item);
    snprintf(target, sizeof target, "/v1/items/%" PRId64, whole_item("broken.jpg"));
    item = whole_get(200, target);
    assert_true(json_is_null(json_object_get(item, "format")));
    json_decref(item);
    whole_refuses(404, "GET", "/v1/items/4711", NULL, "4711");
    whole_refuses(404, "GET", "/v1/items/0", NULL, "'0'");
    whole_refuses(404, "GET", "/v1/items/-1", NULL, "'-1'");
    whole_refuses(404, "GET", "/v1/items/99999999999999999999", NULL, "item");
}

static void test_facets(void **state)
{
    char target[96], folder[64];
    (void)state;
    json_t *facets = whole_get(200, "/v1/facets");
    assert_int_equal(json_int_at(facets, "total"), 7);
    const json_t *periods = json_array_at(facets, "periods", 3);
    assert_int_equal(json_int_at(json_array_get(periods, 0), "year"), 2024);
    assert_int_equal(json_int_at(json_array_get(periods, 0), "month"), 6);
    assert_int_equal(json_int_at(json_array_get(periods, 2), "count"), 3);
    const json_t *folders_ = json_array_at(facets, "folders", 3);
    assert_string_equal(json_text_at(json_array_get(folders_, 1), "name"), "city");
    assert_int_equal(json_int_at(json_array_get(folders_, 1), "count"), 2);
    json_decref(facets);
    /* the periods are those of the folder, the folders those of the period, the total of both */
    whole_folder("winter", folder);
    snprintf(target, sizeof target, "/v1/facets?folder=%s&after=2024", folder);
    facets = whole_get(200, target);
    assert_int_equal(json_int_at(facets, "total"), 0);
    json_array_at(facets, "periods", 1);
    json_array_at(facets, "folders", 2);
    json_decref(facets);
    whole_refuses(400, "GET", "/v1/facets?after=x", NULL, "'after'");
}

static void test_duplicates(void **state)
{
    (void)state;
    json_t *all = whole_get(200, "/v1/duplicates?similarity=99.9");
    const json_t *group = json_array_get(json_array_at(all, "groups", 1), 0), *items = json_array_at(group, "items", 2);
    assert_int_equal(json_int_at(group, "count"), 2);
    assert_float_equal(json_number_at(json_array_get(items, 1), "similarity"), 100, 1e-2);
    const char *first = json_text_at(json_array_get(items, 0), "name");
    assert_true(!strcmp(first, "cat.jpg") || !strcmp(first, "again.jpg"));
    json_decref(all);
    whole_refuses(400, "GET", "/v1/duplicates?similarity=49", NULL, "from 50 to 100");
    whole_refuses(400, "GET", "/v1/duplicates?limit=0", NULL, "'limit'");
}

/* ---- words for a picture ---- */

static void test_classify(void **state)
{
    char json[256];
    (void)state;
    snprintf(json, sizeof json,
             "{\"id\": %" PRId64
             ", \"labels\": [\"a cat\", \"a bus\", \"a house\"], \"templates\": [\"a picture of {}\", "
             "\"{} in London\"]}",
             whole_item("city/red-bus.jpg"));
    json_t *said = whole_post(200, "/v1/classify", json);
    const json_t *labels = json_array_at(said, "labels", 3);
    assert_string_equal(json_text_at(said, "score"), "softmax");
    assert_string_equal(json_text_at(json_array_get(labels, 0), "label"), "a bus");
    double sum = 0, last = 101;
    for (size_t i = 0; i < 3; i++) {
        const double similarity = json_number_at(json_array_get(labels, i), "similarity");
        assert_true(similarity <= last);
        last = similarity;
        sum += json_number_at(json_array_get(labels, i), "confidence");
    }
    assert_float_equal(sum, 1, 1e-5);
    json_decref(said);

    char *base64 = base64_of("city/red-bus.jpg");
    char *long_json = mem_printf("{\"image\": \"%s\", \"labels\": [\"a bus\", \"a cat\"], \"top\": 1}", base64);
    said = whole_post(200, "/v1/classify", long_json);
    assert_string_equal(json_text_at(json_array_get(json_array_at(said, "labels", 1), 0), "label"), "a bus");
    json_decref(said);
    mem_free(long_json);
    mem_free(base64);
}

static void test_compare(void **state)
{
    char json[256];
    (void)state;
    snprintf(json, sizeof json, "{\"id\": %" PRId64 ", \"texts\": [\"a cat\", \"公共汽车\", \"a red bus\"]}",
             whole_item("city/red-bus.jpg"));
    json_t *said = whole_post(200, "/v1/compare", json);
    const json_t *texts = json_array_at(said, "texts", 3);
    assert_string_equal(json_text_at(json_array_get(texts, 0), "text"), "a cat"); /* in their order */
    assert_null(json_object_get(json_array_get(texts, 0), "via"));
    assert_string_equal(json_text_at(json_array_get(texts, 1), "via"), "translate");
    assert_true(json_number_at(json_array_get(texts, 2), "confidence") >
                json_number_at(json_array_get(texts, 0), "confidence"));
    json_decref(said);

    /* a form with one picture */
    char path[256], *bytes;
    size_t len;
    buf body;
    static const char query[] = "{\"texts\": [\"a red bus\"], \"part\": \"image\"}";
    snprintf(path, sizeof path, "%s/pictures/city/red-bus.jpg", whole.root);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &len, NULL), SIMILE_OK);
    buf_init(&body, 1 << 22);
    client_multipart(&body, "query", NULL, NULL, query, sizeof query - 1);
    client_multipart(&body, "image", "x.jpg", "image/jpeg", bytes, len);
    client_multipart_end(&body);
    json_t *form = whole_ask(200, "POST", "/v1/compare", CLIENT_MULTIPART, body.data, body.len);
    assert_float_equal(json_number_at(json_array_get(json_array_at(form, "texts", 1), 0), "confidence"), 1, 1e-6);
    json_decref(form);
    buf_release(&body);
    mem_free(bytes);
}

/* The number behind a name in /metrics. */
static double counted(const char *name)
{
    answer a;
    client_get(whole.port, "/metrics", &a);
    const char *at = strstr(a.body, name);
    if (!at) fail_msg("nobody counts %s", name);
    const double value = strtod(at + strlen(name), NULL);
    answer_free(&a);
    return value;
}

/* Many texts of one request are read a batch at a time, so that those of others get in between; what is said of each is
 * what is said of it alone. */
static void test_many_texts(void **state)
{
    enum { MANY = 100 };
    char text[64];
    buf json;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_printf(&json, "{\"id\": %" PRId64 ", \"texts\": [\"a red bus\"", whole_item("city/red-bus.jpg"));
    for (int i = 1; i < MANY; i++) buf_printf(&json, ", \"%d red buses\"", i);
    buf_text(&json, "]}");
    json_t *said = whole_post(200, "/v1/compare", json.data);
    const json_t *texts = json_array_at(said, "texts", MANY);
    for (int i = 1; i < MANY; i++) {
        snprintf(text, sizeof text, "%d red buses", i);
        assert_string_equal(json_text_at(json_array_get(texts, (size_t)i), "text"), text);
    }
    buf_clear(&json);
    buf_printf(&json, "{\"id\": %" PRId64 ", \"texts\": [\"%s\"]}", whole_item("city/red-bus.jpg"), text);
    json_t *alone = whole_post(200, "/v1/compare", json.data);
    assert_float_equal(json_number_at(json_array_get(texts, MANY - 1), "similarity"),
                       json_number_at(json_array_get(json_array_at(alone, "texts", 1), 0), "similarity"), 1e-4);
    json_decref(alone);
    json_decref(said);
    buf_release(&json);
    assert_true(counted("\nsimile_batch_texts_bucket{le=\"32\"} ") == counted("\nsimile_batch_texts_count "));
}

static void test_texts_times_candidates(void **state)
{
    buf body;
    (void)state;
    buf_init(&body, 1 << 16);
    buf_text(&body, "{\"id\": 1, \"candidates\": 64, \"texts\": [\"a\"");
    for (int i = 0; i < LIMIT_TEXTS / 64; i++) buf_text(&body, ", \"a\"");
    buf_text(&body, "]}");
    whole_refuses(413, "POST", "/v1/compare", body.data, "texts x candidates x templates");
    buf_release(&body);
}

static void test_judgements_that_are_refused(void **state)
{
    static const struct {
        int status;
        const char *target, *json, *words;
    } cases[] = {
        {400, "/v1/classify", "{\"labels\": [\"a\"]}", "exactly one"},
        {400, "/v1/classify", "{\"id\": 1, \"image\": \"aaaa\", \"labels\": [\"a\"]}", "exactly one"},
        {400, "/v1/classify", "{\"id\": 1}", "'labels'"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": []}", "'labels' is empty"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": [\"a\", \"\"]}", "entry 1"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": [\"a\", 5]}", "entry 1"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": \"a\"}", "array"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": [\"a\"], \"templates\": [\"no place\"]}", "{}"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": [\"a\"], \"top\": -1}", "'top'"},
        {400, "/v1/classify", "{\"id\": 1, \"labels\": [\"a\"], \"texts\": [\"a\"]}", "'texts'"},
        {404, "/v1/classify", "{\"id\": 4711, \"labels\": [\"a\"]}", "4711"},
        {400, "/v1/compare", "{\"id\": 1, \"texts\": []}", "'texts' is empty"},
        {404, "/v1/compare", "{\"id\": 4711, \"texts\": [\"a\"]}", "4711"},
        {400, "/v1/compare", "{\"image\": \"aGVsbG8=\", \"texts\": [\"a\"]}", "picture"},
    };
    char json[128];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        whole_refuses(cases[i].status, "POST", cases[i].target, cases[i].json, cases[i].words);
    json_t *texts = whole_get(200, "/v1/items?kind=text");
    snprintf(json, sizeof json, "{\"id\": %" PRId64 ", \"texts\": [\"a\"]}",
             json_int_at(json_array_get(json_object_get(texts, "items"), 0), "id"));
    whole_refuses(400, "POST", "/v1/compare", json, "no picture");
    json_decref(texts);
    snprintf(json, sizeof json, "{\"id\": %" PRId64 ", \"texts\": [\"a\"]}", whole_item("broken.jpg"));
    whole_refuses(404, "POST", "/v1/compare", json, "");
}

/* ---- folders and jobs ---- */

static void test_folders(void **state)
{
    char target[96];
    (void)state;
    json_t *top = whole_get(200, "/v1/folders");
    const json_t *root = json_array_get(json_array_at(top, "folders", 1), 0);
    assert_string_equal(json_text_at(root, "name"), "pictures");
    assert_true(json_is_true(json_object_get(root, "has_children")));
    snprintf(target, sizeof target, "/v1/folders?parent=%s", json_text_at(root, "id"));
    json_t *below = whole_get(200, target);
    const json_t *list = json_array_at(below, "folders", 3);
    assert_string_equal(json_text_at(json_array_get(list, 1), "name"), "new");
    assert_true(json_is_false(json_object_get(json_array_get(list, 1), "has_children")));
    json_decref(below);
    json_decref(top);
    whole_refuses(404, "GET", "/v1/folders?parent=/etc", NULL, "");
    whole_refuses(400, "GET", "/v1/folders?parent=", NULL, "'parent' is empty");
}

static void test_scan(void **state)
{
    char json[128], folder[64];
    (void)state;
    whole_folder("pictures", folder);
    snprintf(json, sizeof json, "{\"folder\": \"%s\"}", folder);
    json_t *said = whole_post(200, "/v1/scan", json);
    assert_int_equal(json_int_at(said, "pictures"), 9);
    assert_int_equal(json_int_at(said, "known"), 8);
    const json_t *periods = json_array_at(said, "periods", 4), *oldest = json_array_get(periods, 3);
    assert_int_equal(json_int_at(oldest, "year"), 2020);
    assert_int_equal(json_int_at(oldest, "month"), 2);
    assert_int_equal(json_int_at(oldest, "count"), 1);
    assert_int_equal(json_int_at(oldest, "known"), 0);
    assert_int_equal(json_int_at(json_array_get(periods, 0), "known"), 3);
    json_decref(said);
    whole_refuses(400, "POST", "/v1/scan", "{}", "'folder' is missing");
    whole_refuses(404, "POST", "/v1/scan", "{\"folder\": \"/etc\"}", "");
}

/* What takes minutes over many pictures does not keep the server from stopping. */
static void test_long_work_ends_with_the_server(void **state)
{
    char json[128], folder[64];
    (void)state;
    whole_folder("pictures", folder);
    snprintf(json, sizeof json, "{\"folder\": \"%s\"}", folder);
    atomic_store(&whole.s.stopping, true);
    whole_refuses(503, "POST", "/v1/scan", json, "cancelled");
    whole_refuses(503, "GET", "/v1/duplicates", NULL, "cancelled");
    atomic_store(&whole.s.stopping, false);
}

static json_t *wait_for_job(int64_t id)
{
    char target[64];
    snprintf(target, sizeof target, "/v1/jobs/%" PRId64, id);
    for (;;) {
        json_t *job = whole_get(200, target);
        const char *now = json_text_at(job, "state");
        if (strcmp(now, "waiting") && strcmp(now, "running") && strcmp(now, "paused")) return job;
        json_decref(job);
        usleep(20000);
    }
}

static void test_jobs(void **state)
{
    char json[192], folder[64], place[64], expected[64];
    answer a;
    (void)state;
    whole_folder("new", folder);
    snprintf(json, sizeof json, "{\"folders\": [\"%s\"], \"before\": \"2021\", \"newest_first\": false}", folder);
    client_post_json(whole.port, "/v1/jobs", json, &a);
    assert_int_equal(a.status, 202);
    json_t *job = answer_json(&a);
    const int64_t id = json_int_at(job, "id");
    assert_true(answer_header(&a, "Location", place, sizeof place));
    snprintf(expected, sizeof expected, "/v1/jobs/%" PRId64, id);
    assert_string_equal(place, expected);
    json_array_at(job, "paths", 1);
    json_decref(job);
    answer_free(&a);

    job = wait_for_job(id);
    assert_string_equal(json_text_at(job, "state"), "done");
    assert_int_equal(json_int_at(json_object_get(job, "report"), "added"), 1);
    json_t *all = whole_get(200, "/v1/jobs");
    assert_true(json_equal(json_array_get(json_array_at(all, "jobs", SIZE_MAX), 0), job));
    json_decref(all);
    json_decref(job);
    json_t *found = whole_get(200, "/v1/search?text=a+red+boat+on+the+sea&limit=1");
    assert_string_equal(name_of(found, 0), "boat.jpg");
    json_decref(found);

    snprintf(place, sizeof place, "/v1/jobs/%" PRId64 "/cancel", id);
    whole_refuses(409, "POST", place, NULL, "");
    whole_refuses(404, "POST", "/v1/jobs/4711/pause", NULL, "");
    whole_refuses(404, "POST", "/v1/jobs/x/resume", NULL, "'x'");
    whole_refuses(404, "GET", "/v1/jobs/4711", NULL, "4711");
    whole_refuses(404, "POST", "/v1/jobs", "{\"folders\": [\"/etc\"]}", "");
    whole_refuses(400, "POST", "/v1/jobs", "{\"folders\": \"/etc\"}", "array");
    whole_refuses(400, "POST", "/v1/jobs", "{\"paths\": [\"/etc\"]}", "'paths'");
    whole_refuses(400, "POST", "/v1/jobs", "{\"retry\": \"yes\"}", "'retry'");
}

/* ---- the server itself ---- */

static void test_stats(void **state)
{
    (void)state;
    json_t *stats = whole_get(200, "/v1/stats");
    assert_string_equal(json_text_at(stats, "version"), SIMILE_VERSION_STRING);
    assert_int_equal(json_int_at(stats, "texts"), 2);
    assert_int_equal(json_int_at(stats, "quarantined"), 1);
    assert_string_equal(json_text_at(stats, "model"), "simile-scenes");
    assert_true(json_is_null(json_object_get(stats, "text_model")));
    simile_stats numbers;
    assert_int_equal(simile_library_get_stats(whole.s.library, &numbers, NULL), SIMILE_OK);
    assert_int_equal(json_int_at(stats, "dim"), numbers.dim);
    assert_int_equal(strlen(json_text_at(stats, "digest")), 64);
    assert_true(json_is_false(json_object_get(stats, "read_only")));
    const json_t *languages = json_array_at(stats, "languages", 40);
    for (size_t i = 0; i < 40; i++) {
        const json_t *one = json_array_get(languages, i);
        const char *code = json_text_at(one, "code");
        const char *expected = !strcmp(code, "en") ? "direct" : !strncmp(code, "zh", 2) ? "translate" : "multilingual";
        assert_string_equal(json_text_at(one, "via"), expected);
    }
    json_decref(stats);
}

static void test_keys_that_nobody_knows(void **state)
{
    static const char *const targets[] = {
        "/v1/search",          "/v1/items",  "/v1/items/1",    "/v1/items/1/thumbnail", "/v1/items/1/original",
        "/v1/items/1/similar", "/v1/facets", "/v1/duplicates", "/v1/folders",           "/v1/jobs",
        "/v1/jobs/1",          "/v1/events", "/v1/stats",      "/v1/openapi.json"};
    char target[96];
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        snprintf(target, sizeof target, "%s?nonsense=1", targets[i]);
        whole_refuses(400, "GET", target, NULL, "'nonsense'");
    }
    whole_refuses(400, "DELETE", "/v1/items/1?nonsense=1", NULL, "'nonsense'");
    whole_refuses(400, "POST", "/v1/jobs/1/pause?nonsense=1", NULL, "'nonsense'");
}

static void test_forgetting(void **state)
{
    char target[64], path[128];
    const int64_t id = whole_item("again.jpg");
    (void)state;
    snprintf(target, sizeof target, "/v1/items/%" PRId64, id);
    json_t *said = whole_ask(200, "DELETE", target, NULL, NULL, 0);
    assert_int_equal(json_int_at(said, "removed"), id);
    json_decref(said);
    whole_refuses(404, "GET", target, NULL, "");
    whole_refuses(404, "DELETE", target, NULL, "");
    snprintf(path, sizeof path, "%s/pictures/again.jpg", whole.root);
    assert_true(file_exists(path)); /* files are never touched */
}

static int forget_meanwhile(void *user, int64_t done, int64_t total, const char *subject)
{
    (void)user, (void)done, (void)total, (void)subject;
    whole_refuses(404, "DELETE", "/v1/items/999999", NULL, "999999"); /* it may write, and finds nothing */
    return total > 0;
}

static void test_forgetting_while_indexing(void **state)
{
    char path[128];
    const char *folder = path;
    simile_error err;
    simile_model *model;
    simile_encoder *encoder;
    (void)state;
    snprintf(path, sizeof path, "%s/pictures/winter", whole.root);
    const simile_add_options options = {.struct_size = sizeof options, .progress = forget_meanwhile};
    assert_int_equal(simile_model_open(SIMILE_MODEL, NULL, &model, &err), SIMILE_OK);
    assert_int_equal(simile_encoder_new(model, NULL, &encoder, &err), SIMILE_OK);
    assert_int_equal(simile_library_add(whole.s.library, encoder, &folder, 1, &options, NULL, &err),
                     SIMILE_E_CANCELLED);
    simile_encoder_free(encoder);
    simile_model_close(model);
}

/* Over a copy of the catalogue whose bytes from `from` on are overwritten (-1: that is gone) when the server has opened
 * it: whoever asks did nothing wrong. */
static void damaged(long from)
{
    static const char *const targets[] = {
        "/v1/items",           "/v1/items/1",           "/v1/facets",    "/v1/search?text=a+cat",
        "/v1/items/1/similar", "/v1/items/1/thumbnail", "/v1/duplicates"};
    char path[96], *bytes;
    size_t len;
    simile_library *own = whole.s.library;
    snprintf(path, sizeof path, "%s/catalog.simile", whole.root);
    assert_int_equal(file_read(path, 1 << 24, &bytes, &len, NULL), SIMILE_OK);
    snprintf(path, sizeof path, "%s/damaged.simile", whole.root);
    assert_int_equal(file_replace(path, bytes, len, NULL), SIMILE_OK);
    assert_int_equal(simile_library_open(path, NULL, NULL, &whole.s.library, NULL), SIMILE_OK);
    if (from >= 0) {
        memset(bytes + from, 0x55, len - (size_t)from);
        FILE *file = fopen(path, "r+");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, len, file), len);
        assert_int_equal(fclose(file), 0);
    } else {
        assert_int_equal(remove(path), 0);
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) whole_refuses(500, "GET", targets[i], NULL, "");
    simile_library_close(whole.s.library);
    whole.s.library = own;
    remove(path);
    mem_free(bytes);
}

static void test_damaged_catalogs(void **state)
{
    (void)state;
    json_decref(whole_get(200, "/v1/items"));
    damaged(0);
    damaged(4096);
    damaged(-1);
}

static void test_damaged_pictures(void **state)
{
    char path[96], *bytes;
    size_t len;
    buf body;
    (void)state;
    snprintf(path, sizeof path, "%s/pictures/cat.jpg", whole.root);
    assert_int_equal(file_read(path, 1 << 24, &bytes, &len, NULL), SIMILE_OK);
    buf_init(&body, 1 << 22);
    client_multipart(&body, "image", "x.jpg", "image/jpeg", bytes, 100);
    client_multipart_end(&body);
    json_t *said = whole_ask(400, "POST", "/v1/search", CLIENT_MULTIPART, body.data, body.len);
    assert_string_equal(json_text_at(json_object_get(said, "error"), "code"), "format");
    json_decref(said);
    buf_release(&body);
    mem_free(bytes);
}

static void test_read_only(void **state)
{
    const serve_options options = {.read_only = true};
    char target[64];
    (void)state;
    whole_restart(&options);
    snprintf(target, sizeof target, "/v1/items/%" PRId64, whole_item("cat.jpg"));
    whole_refuses(403, "DELETE", target, NULL, "");
    whole_refuses(403, "POST", "/v1/jobs", "{}", "");
    json_t *found = whole_get(200, "/v1/search?text=a+cat");
    json_decref(found);
    whole_restart(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_items_in_answers),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_searches_that_are_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_facets),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_classify),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_many_texts),
        cmocka_unit_test(test_texts_times_candidates),
        cmocka_unit_test(test_judgements_that_are_refused),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_long_work_ends_with_the_server),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_keys_that_nobody_knows),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_forgetting_while_indexing),
        cmocka_unit_test(test_damaged_catalogs),
        cmocka_unit_test(test_damaged_pictures),
        cmocka_unit_test(test_read_only),
    };
    return cmocka_run_group_tests(tests, whole_set_up, whole_tear_down);
}
