/* SPDX-License-Identifier: Apache-2.0
 * test_immich.c - what Immich's server sends, byte for byte, and what it has to get. The requests are those of Node
 * 20's fetch with a FormData, which Immich uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "full.h"

#include "base/mem.h"
#include "serve/names.h"

#include <stdio.h>
#include <unistd.h>

#define BOUNDARY "----formdata-undici-079988138981"
#define RED_CAR  "a-red-car-on-the-road-1.jpg"

/* ---- requests ---- */

static void field(buf *body, const char *name, const char *value)
{
    buf_printf(body, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", name, value);
}

static void file(buf *body, const char *name, const void *bytes, size_t len)
{
    buf_printf(body,
               "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"blob\"\r\n"
               "Content-Type: application/octet-stream\r\n\r\n",
               name);
    buf_append(body, bytes, len);
    buf_text(body, "\r\n");
}

/* Sends the form with undici's headers; the connection stays open for the next one, as undici leaves it. */
static void post(buf *body, answer *a)
{
    buf sent;
    buf_init(&sent, 1 << 24);
    buf_text(body, "--" BOUNDARY "--\r\n");
    assert_true(buf_ok(body));
    buf_printf(&sent,
               "POST /predict HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nconnection: keep-alive\r\n"
               "content-type: multipart/form-data; boundary=" BOUNDARY "\r\naccept: */*\r\naccept-language: *\r\n"
               "sec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: gzip, deflate\r\n"
               "content-length: %zu\r\n\r\n",
               whole.port, body->len);
    buf_append(&sent, body->data, body->len);
    const int fd = client_connect(whole.port);
    client_send(fd, sent.data, sent.len);
    client_read(fd, false, a);
    close(fd);
    buf_release(&sent);
    buf_release(body);
}

static void ask(const char *entries, const char *text, const char *picture, answer *a)
{
    buf body;
    buf_init(&body, 1 << 24);
    if (entries) field(&body, "entries", entries);
    if (picture) {
        size_t len;
        char *bytes = full_bytes(picture, &len);
        file(&body, "image", bytes, len);
        mem_free(bytes);
    }
    if (text) field(&body, "text", text);
    post(&body, a);
}

static void expect(const char *entries, const char *text, const char *picture, int status, const char *words)
{
    answer a;
    ask(entries, text, picture, &a);
    if (a.status != status || !strstr(a.body, words)) fail_msg("%s: %d %s", entries ? entries : "", a.status, a.body);
    answer_free(&a);
}

/* The vector is a string, which Immich hands to PostgreSQL as it is. */
static void check_vector(const json_t *root)
{
    const char *text = json_string_value(json_object_get(root, "clip"));
    assert_non_null(text);
    json_t *vector = json_loads(text, 0, NULL);
    assert_non_null(vector);
    full_same(vector, full.expected, (size_t)full.dim);
    json_decref(vector);
}

/* ---- tests ---- */

static void ping_is_answered(void **state)
{
    answer a;
    char text[512], type[64];
    snprintf(
        text, sizeof text,
        "GET /ping HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nconnection: keep-alive\r\naccept: */*\r\naccept-language: *\r\n"
        "sec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: gzip, deflate\r\n\r\n",
        whole.port);
    client_raw(whole.port, text, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "pong");
    assert_true(answer_header(&a, "Content-Type", type, sizeof type));
    assert_memory_equal(type, "text/plain", 10);
    answer_free(&a);
}

static void texts_are_embedded(void **state)
{
    static const char *const entries[] = {
        "{\"clip\":{\"textual\":{\"modelName\":\"ViT-B-32__openai\",\"options\":{\"language\":\"en\"}}}}",
        "{\"clip\":{\"textual\":{\"modelName\":\"ViT-B-32__openai\",\"options\":{\"language\":\"en-null\"}}}}",
        "{\"clip\":{\"textual\":{\"modelName\":\" ViT-B-32::openai \"}}}",
        "{\"clip\":{\"textual\":{\"modelName\":\"simile-scenes\",\"options\":null}}}",
        "{\"clip\":{\"textual\":{\"modelName\":\"openai/clip-vit-base-patch32\"}}}",
    };
    full_text("a red car", false, full.expected);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        answer a;
        ask(entries[i], "a red car", NULL, &a);
        if (a.status != 200) fail_msg("%s: %d %s", entries[i], a.status, a.body);
        json_t *root = answer_json(&a);
        assert_int_equal(json_object_size(root), 1);
        check_vector(root);
        json_decref(root);
        answer_free(&a);
    }
}

/* Of a text and an image the image counts. */
static void pictures_are_embedded(void **state)
{
    answer a;
    full_picture(RED_CAR, false, full.expected);
    ask("{\"clip\":{\"visual\":{\"modelName\":\"ViT-B-32__openai\"}}}", "a forest", RED_CAR, &a);
    assert_int_equal(a.status, 200);
    json_t *root = answer_json(&a);
    check_vector(root);
    assert_true(json_integer_value(json_object_get(root, "imageHeight")) > 0);
    assert_true(json_integer_value(json_object_get(root, "imageWidth")) > 0);
    json_decref(root);
    answer_free(&a);
}

/* Configured so, the texts of a name are read by the tower for many languages, the pictures are seen as ever. */
static void another_tower_may_read(void **state)
{
    answer a;
    full_pair_text("ein rotes Auto", full.expected);
    ask("{\"clip\":{\"textual\":{\"modelName\":\"XLM-Roberta-Large-Vit-B-32\",\"options\":{\"language\":\"de\"}}}}",
        "ein rotes Auto", NULL, &a);
    json_t *root = answer_json(&a);
    check_vector(root);
    json_decref(root);
    answer_free(&a);
    full_picture(RED_CAR, false, full.expected);
    ask("{\"clip\":{\"visual\":{\"modelName\":\"XLM-Roberta-Large-Vit-B-32\"}}}", NULL, RED_CAR, &a);
    root = answer_json(&a);
    check_vector(root);
    json_decref(root);
    answer_free(&a);
}

static void older_servers_are_understood(void **state)
{
    answer a;
    buf body;
    buf_init(&body, 1 << 24);
    field(&body, "modelName", "ViT-B-32__openai");
    field(&body, "modelType", "clip");
    field(&body, "options", "{\"mode\":\"text\"}");
    field(&body, "text", "a red car");
    post(&body, &a);
    assert_int_equal(a.status, 200);
    json_t *vector = answer_json(&a);
    full_text("a red car", false, full.expected);
    full_same(vector, full.expected, (size_t)full.dim);
    json_decref(vector);
    answer_free(&a);
    buf_init(&body, 1 << 24);
    field(&body, "modelName", "buffalo_l");
    field(&body, "modelType", "facial-recognition");
    field(&body, "options", "{\"minScore\":0.7}");
    file(&body, "image", "x", 1);
    post(&body, &a);
    assert_int_equal(a.status, 501);
    answer_free(&a);
}

static void other_tasks_are_refused(void **state)
{
    expect("{\"facial-recognition\":{\"detection\":{\"modelName\":\"buffalo_l\",\"options\":{\"minScore\":0.7}},"
           "\"recognition\":{\"modelName\":\"buffalo_l\"}}}",
           NULL, RED_CAR, 501, "facial-recognition");
    expect("{\"ocr\":{\"detection\":{\"modelName\":\"PP-OCRv5_mobile\"},\"recognition\":{\"modelName\":"
           "\"PP-OCRv5_mobile\"}}}",
           NULL, RED_CAR, 501, "ocr");
}

static void bad_requests_are_refused(void **state)
{
    static const char visual[] = "{\"clip\":{\"visual\":{\"modelName\":\"ViT-B-32__openai\"}}}";
    static const char textual[] = "{\"clip\":{\"textual\":{\"modelName\":\"ViT-B-32__openai\"}}}";
    expect("{\"clip\"", "x", NULL, 422, "\"Invalid request format.\"");
    expect("[]", "x", NULL, 422, "\"Invalid request format.\"");
    expect("{\"clip\":1}", "x", NULL, 422, "\"Invalid request format.\"");
    expect("{\"clip\":{\"textual\":{}}}", "x", NULL, 422, "\"Invalid request format.\"");
    expect("{\"clip\":{\"textual\":{\"modelName\":7}}}", "x", NULL, 422, "\"Invalid request format.\"");
    expect(NULL, "x", NULL, 422, "\"loc\":[\"body\",\"entries\"]");
    expect(textual, NULL, NULL, 400, "\"Either image or text must be provided\"");
    expect(textual, "", NULL, 400, "\"Either image or text must be provided\"");
    expect(visual, "x", NULL, 400, "needs an image");
    expect("{\"clip\":{\"textual\":{\"modelName\":\"ViT-H-14__laion2b-s32b-b79k\"}}}", "x", NULL, 404, "no model here");
}

static void a_damaged_picture_is_refused(void **state)
{
    answer a;
    buf body;
    buf_init(&body, 1 << 20);
    field(&body, "entries", "{\"clip\":{\"visual\":{\"modelName\":\"ViT-B-32__openai\"}}}");
    file(&body, "image", "\xff\xd8\xff\xe0 no picture", 15);
    post(&body, &a);
    assert_int_equal(a.status, 400);
    assert_non_null(strstr(a.body, "\"detail\""));
    answer_free(&a);
    client_post_json(whole.port, "/predict", "{}", &a);
    assert_int_equal(a.status, 422);
    answer_free(&a);
}

static void names_are_cleaned(void **state)
{
    static const char *const cases[][2] = {
        {"ViT-B-32__openai", "ViT-B-32__openai"},
        {"openai/ViT-B-32::openai", "ViT-B-32__openai"},
        {"  a.b\\c\t", "ab_c"},
        {"immich-app/nllb-clip-base", "nllb-clip-base"},
        {"XLM-Roberta.v1", "XLM-Robertav1"},
    };
    char out[NAME_SIZE], huge[2 * NAME_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(name_clean(cases[i][0], out));
        assert_string_equal(out, cases[i][1]);
    }
    assert_false(name_clean("", out));
    assert_false(name_clean("a/", out));
    assert_false(name_clean(" . ", out));
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    assert_false(name_clean(huge, out));
    assert_null(name_find(whole.s.towers, huge));
    assert_null(name_find(whole.s.towers, " "));
    assert_ptr_equal(name_find(whole.s.towers, "ViT-B/32"), towers_main(whole.s.towers));
    assert_ptr_equal(name_find(whole.s.towers, "clip-ViT-B-32"), towers_main(whole.s.towers));
    assert_null(name_find(whole.s.towers, "ViT-B-16__openai"));
    assert_ptr_equal(name_find_seeing(whole.s.towers, "M-CLIP/XLM-Roberta-Large-Vit-B-32"),
                     towers_main(whole.s.towers));
    assert_null(name_find_seeing(whole.s.towers, "LABSE-Vit-L-14"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_is_answered),
        cmocka_unit_test(texts_are_embedded),
        cmocka_unit_test(pictures_are_embedded),
        cmocka_unit_test(another_tower_may_read),
        cmocka_unit_test(older_servers_are_understood),
        cmocka_unit_test(other_tasks_are_refused),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(a_damaged_picture_is_refused),
        cmocka_unit_test(names_are_cleaned),
    };
    return cmocka_run_group_tests(tests, full_set_up, full_tear_down);
}
