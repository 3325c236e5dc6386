/* SPDX-License-Identifier: Apache-2.0
 * test_openai.c - embeddings as OpenAI's and infinity's clients ask for them: their bodies, byte for byte, the vectors,
 * and what is said of requests that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "full.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>

#define RED_CAR "a-red-car-on-the-road-1.jpg"

/* ---- asking ---- */

static json_t *post(const char *target, const char *json, int status)
{
    return whole_post(status, target, json);
}

static const json_t *embedding(const json_t *root, size_t i)
{
    const json_t *one = json_array_get(json_object_get(root, "data"), i);
    assert_string_equal(json_string_value(json_object_get(one, "object")), "embedding");
    assert_int_equal(json_integer_value(json_object_get(one, "index")), i);
    return json_object_get(one, "embedding");
}

static void same_base64(const json_t *text, const float *wanted, size_t n)
{
    unsigned char *bytes;
    size_t len;
    assert_true(json_is_string(text));
    assert_int_equal(base64_decode(json_string_value(text), json_string_length(text), &bytes, &len, NULL), SIMILE_OK);
    assert_int_equal(len, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, bytes + i * sizeof x, sizeof x);
        assert_true(fabsf(x - wanted[i]) <= 1e-6f);
    }
    mem_free(bytes);
}

static void refused(const char *target, const char *json, int status, const char *words)
{
    json_t *root = post(target, json, status);
    char *text = json_dumps(root, JSON_COMPACT);
    if (!strstr(text, words)) fail_msg("%.200s: %s", json, text);
    if (status == 422)
        assert_true(json_is_array(json_object_get(root, "detail")));
    else
        assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "error"), "code")), status);
    free(text);
    json_decref(root);
}

/* ---- tests ---- */

/* What the Python client of OpenAI sends, version 3.54: base64, because nobody asked for anything. */
static void the_client_of_openai_is_served(void **state)
{
    static const char body[] = "{\"model\":\"simile-scenes\",\"input\":[\"a dog\",\"caf\xc3\xa9\"],"
                               "\"encoding_format\":\"base64\"}";
    char sent[2048];
    answer a;
    snprintf(sent, sizeof sent,
             "POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept-Encoding: gzip, deflate\r\n"
             "Connection: close\r\nauthorization: Bearer k\r\naccept: application/json\r\n"
             "content-type: application/json\r\nuser-agent: OpenAI/Python 3.54.0\r\nx-stainless-lang: python\r\n"
             "x-stainless-async: false\r\nx-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             whole.port, sizeof body - 1, body);
    client_raw(whole.port, sent, &a);
    if (a.status != 200) fail_msg("%d %s", a.status, a.body);
    json_t *root = answer_json(&a);
    assert_string_equal(json_string_value(json_object_get(root, "object")), "list");
    assert_string_equal(json_string_value(json_object_get(root, "model")), "simile-scenes");
    full_text("a dog", false, full.expected);
    same_base64(embedding(root, 0), full.expected, (size_t)full.dim);
    full_text("caf\xc3\xa9", false, full.expected);
    same_base64(embedding(root, 1), full.expected, (size_t)full.dim);
    const json_t *usage = json_object_get(root, "usage");
    assert_true(json_integer_value(json_object_get(usage, "prompt_tokens")) >= 6);
    assert_true(json_is_integer(json_object_get(usage, "total_tokens")));
    json_decref(root);
    answer_free(&a);
}

static void every_spelling_of_the_path_answers(void **state)
{
    static const char *const paths[] = {"/v1/embeddings", "/embeddings"};
    full_text("a red car", false, full.expected);
    for (size_t i = 0; i < 2; i++) {
        json_t *root = post(paths[i], "{\"input\": \"  a red car\\n\"}", 200);
        full_same(embedding(root, 0), full.expected, (size_t)full.dim);
        assert_string_equal(json_string_value(json_object_get(root, "model")), "simile-scenes");
        json_decref(root);
    }
}

/* White space on both sides is none of a text's bytes. */
static void blanks_around_a_text_do_not_count(void **state)
{
    buf body;
    buf_init(&body, 1 << 20);
    buf_text(&body, "{\"input\": [\"a red car");
    for (int i = 0; i < LIMIT_TEXT_BYTES; i++) buf_byte(&body, ' ');
    buf_text(&body, "\", \" \"]}");
    json_t *root = post("/v1/embeddings", body.data, 200);
    full_text("a red car", false, full.expected);
    full_same(embedding(root, 0), full.expected, (size_t)full.dim);
    full_text("", false, full.expected);
    full_same(embedding(root, 1), full.expected, (size_t)full.dim);
    json_decref(root);
    buf_release(&body);
}

/* The "modality" says so, or the input itself; the older path too. */
static void pictures_are_embedded(void **state)
{
    static const struct {
        const char *path, *more;
    } ways[] = {{"/v1/embeddings", ",\"modality\":\"image\""}, {"/v1/embeddings", ""}, {"/embeddings_image", ""}};
    char *uri = full_base64(RED_CAR, "data:image/jpeg;base64,");
    full_picture(RED_CAR, false, full.expected);
    for (size_t i = 0; i < 3; i++) {
        char *body = mem_printf("{\"model\":\"ViT-B-32__openai\",\"input\":[\"%s\"]%s}", uri, ways[i].more);
        json_t *root = post(ways[i].path, body, 200);
        full_same(embedding(root, 0), full.expected, (size_t)full.dim);
        json_decref(root);
        mem_free(body);
    }
    mem_free(uri);
}

/* Where nobody says "modality", each input is what it is, and the order is kept. */
static void texts_and_pictures_may_be_mixed(void **state)
{
    char *uri = full_base64(RED_CAR, "data:image/jpeg;base64,");
    char *body = mem_printf("{\"input\":[\"%s\",\"a forest\",\"%s\",\"a red car\"]}", uri, uri);
    json_t *root = post("/v1/embeddings", body, 200);
    full_picture(RED_CAR, false, full.expected);
    full_same(embedding(root, 0), full.expected, (size_t)full.dim);
    full_same(embedding(root, 2), full.expected, (size_t)full.dim);
    full_text("a forest", false, full.expected);
    full_same(embedding(root, 1), full.expected, (size_t)full.dim);
    full_text("a red car", false, full.expected);
    full_same(embedding(root, 3), full.expected, (size_t)full.dim);
    json_decref(root);
    mem_free(body);
    /* With a modality a data: URI is a text like any other. */
    body = mem_printf("{\"input\":\"data:image/png;base64,AAAA\",\"modality\":\"text\"}");
    root = post("/v1/embeddings", body, 200);
    full_text("data:image/png;base64,AAAA", false, full.expected);
    full_same(embedding(root, 0), full.expected, (size_t)full.dim);
    json_decref(root);
    mem_free(body);
    mem_free(uri);
}

static void dimensions_cut(void **state)
{
    char body[128];
    full_text("a red car", false, full.expected);
    json_t *root = post("/v1/embeddings", "{\"input\":\"a red car\",\"dimensions\":7}", 200);
    full_same(embedding(root, 0), full.expected, 7);
    json_decref(root);
    root = post("/v1/embeddings", "{\"input\":\"a red car\",\"dimensions\":3,\"encoding_format\":\"base64\"}", 200);
    same_base64(embedding(root, 0), full.expected, 3);
    json_decref(root);
    root = post("/v1/embeddings", "{\"input\":\"a red car\",\"dimensions\":0}", 200);
    full_same(embedding(root, 0), full.expected, (size_t)full.dim);
    json_decref(root);
    refused("/v1/embeddings", "{\"input\":\"x\",\"dimensions\":-1}", 400, "dimensions");
    snprintf(body, sizeof body, "{\"input\":\"x\",\"dimensions\":%d}", full.dim + 1);
    refused("/v1/embeddings", body, 400, "dimensions");
}

static void bad_requests_are_refused(void **state)
{
    static const struct {
        const char *json;
        int status;
        const char *words;
    } cases[] = {
        {"{\"input\":", 422, "json_invalid"},
        {"[]", 422, "json_invalid"},
        {"{}", 422, "\"loc\":[\"body\",\"input\"]"},
        {"{\"input\":[]}", 422, "too_short"},
        {"{\"input\":7}", 422, "string_type"},
        {"{\"input\":[\"a\",[1,2]]}", 422, "\"loc\":[\"body\",\"input\",1]"},
        {"{\"input\":\"a\",\"model\":1}", 422, "\"loc\":[\"body\",\"model\"]"},
        {"{\"input\":\"a\",\"encoding_format\":\"hex\"}", 422, "'float' or 'base64'"},
        {"{\"input\":\"a\",\"dimensions\":\"8\"}", 422, "int_type"},
        {"{\"input\":\"a\",\"modality\":\"smell\"}", 422, "union_tag_invalid"},
        {"{\"input\":\"a\",\"modality\":\"image\"}", 422, "url_parsing"},
        {"{\"input\":\"file:///etc/passwd\",\"modality\":\"image\"}", 422, "url_parsing"},
        {"{\"input\":\"a\",\"modality\":\"audio\"}", 400, "audio"},
        {"{\"input\":\"a\",\"model\":\"text-embedding-3-small\"}", 400, "text-embedding-3-small"},
        {"{\"input\":\"data:image/png;base64,????\",\"modality\":\"image\"}", 400, "input 0"},
        {"{\"input\":[\"data:image/png;base64,AAAA\"],\"modality\":\"image\"}", 400, "input 0"},
        {"{\"input\":\"http://192.0.2.1/x.png\",\"modality\":\"image\"}", 400, "fetches no pictures"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused("/v1/embeddings", cases[i].json, cases[i].status, cases[i].words);
}

/* Where URLs are fetched, not those of this machine and its network. */
static void urls_of_private_places_are_refused(void **state)
{
    char body[128];
    whole.s.options.remote_images = true;
    snprintf(body, sizeof body, "{\"input\":\"http://127.0.0.1:%d/health\",\"modality\":\"image\"}", whole.port);
    refused("/v1/embeddings", body, 400, "none of 80 and 443");
    refused("/v1/embeddings", "{\"input\":\"http://localhost/x.png\",\"modality\":\"image\"}", 400, "not a public one");
    refused("/embeddings_image", "{\"input\":[\"http://[::1]/x.png\"]}", 400, "not a public one");
    refused("/v1/embeddings", "{\"input\":\"https://u:p@192.0.2.1/\",\"modality\":\"image\"}", 400, "no http or https");
    whole.s.options.remote_images = false;
}

/* Whoever waits for a picture from elsewhere keeps a worker waiting: half of them do so at once. */
static void few_urls_are_fetched_at_once(void **state)
{
    static const char body[] = "{\"input\":\"http://127.0.0.1/x.png\",\"modality\":\"image\"}";
    (void)state;
    whole.s.options.remote_images = true;
    whole.s.options.workers = 6;
    atomic_store(&whole.s.fetching, 3);
    refused("/v1/embeddings", body, 429, "being fetched already");
    refused("/v1/embeddings", body, 429, "being fetched already");
    atomic_store(&whole.s.fetching, 2);
    refused("/v1/embeddings", body, 400, "not a public one");
    refused("/v1/embeddings", body, 400, "not a public one");
    assert_int_equal(atomic_load(&whole.s.fetching), 2);
    atomic_store(&whole.s.fetching, 0);
    whole.s.options.remote_images = false;
    whole.s.options.workers = 0;
}

static void counts_are_bounded(void **state)
{
    buf body;
    buf_init(&body, 1 << 20);
    buf_text(&body, "{\"input\":[{}");
    for (int i = 0; i < LIMIT_JSON_VALUES / 2; i++) buf_text(&body, ",{}");
    buf_text(&body, "]}");
    json_t *root = post("/v1/embeddings", body.data, 413);
    assert_non_null(strstr(json_string_value(json_object_get(root, "detail")), "values"));
    json_decref(root);
    buf_clear(&body);
    buf_text(&body, "{\"input\":[\"a\"");
    for (int i = 0; i < LIMIT_TEXTS; i++) buf_text(&body, ",\"a\"");
    buf_text(&body, "]}");
    refused("/v1/embeddings", body.data, 422, "too_long");
    buf_clear(&body);
    buf_text(&body, "{\"input\":[\"data:image/png;base64,AAAA\"");
    for (int i = 0; i < 32; i++) buf_text(&body, ",\"data:image/png;base64,AAAA\"");
    buf_text(&body, "]}");
    refused("/v1/embeddings", body.data, 422, "too_long");
    buf_clear(&body);
    buf_text(&body, "{\"input\":\"");
    for (int i = 0; i <= LIMIT_TEXT_BYTES; i++) buf_byte(&body, 'a');
    buf_text(&body, "\"}");
    refused("/v1/embeddings", body.data, 422, "string_too_long");
    buf_release(&body);
}

static void models_are_listed(void **state)
{
    static const char *const paths[] = {"/v1/models", "/models"};
    for (size_t p = 0; p < 2; p++) {
        answer a;
        client_get(whole.port, paths[p], &a);
        assert_int_equal(a.status, 200);
        json_t *root = answer_json(&a);
        const json_t *data = json_object_get(root, "data"), *first = json_array_get(data, 0);
        assert_string_equal(json_string_value(json_object_get(root, "object")), "list");
        assert_string_equal(json_string_value(json_object_get(first, "id")), "simile-scenes");
        assert_string_equal(json_string_value(json_object_get(first, "object")), "model");
        assert_true(json_is_true(json_object_get(first, "main")));
        assert_true(json_is_object(json_object_get(first, "stats")));
        assert_true(json_array_size(data) >= 3);
        json_decref(root);
        answer_free(&a);
    }
}

static void one_model_is_told(void **state)
{
    answer a;
    client_get(whole.port, "/v1/models/simile-scenes", &a);
    assert_int_equal(a.status, 200);
    json_t *root = answer_json(&a);
    assert_string_equal(json_string_value(json_object_get(root, "id")), "simile-scenes");
    json_decref(root);
    answer_free(&a);
    client_get(whole.port, "/v1/models/nobody", &a);
    assert_int_equal(a.status, 404);
    answer_free(&a);
}

static void health_is_told(void **state)
{
    answer a;
    client_get(whole.port, "/health", &a);
    assert_int_equal(a.status, 200);
    json_t *root = answer_json(&a);
    assert_true(json_real_value(json_object_get(root, "unix")) > 1e9);
    json_decref(root);
    answer_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_of_openai_is_served),
        cmocka_unit_test(every_spelling_of_the_path_answers),
        cmocka_unit_test(blanks_around_a_text_do_not_count),
        cmocka_unit_test(pictures_are_embedded),
        cmocka_unit_test(texts_and_pictures_may_be_mixed),
        cmocka_unit_test(dimensions_cut),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(urls_of_private_places_are_refused),
        cmocka_unit_test(few_urls_are_fetched_at_once),
        cmocka_unit_test(counts_are_bounded),
        cmocka_unit_test(models_are_listed),
        cmocka_unit_test(one_model_is_told),
        cmocka_unit_test(health_is_told),
    };
    return cmocka_run_group_tests(tests, full_set_up, full_tear_down);
}
