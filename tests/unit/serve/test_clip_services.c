/* SPDX-License-Identifier: Apache-2.0
 * test_clip_services.c - what clip-retrieval's ClipClient and clip-as-service's client send, and what they have to get.
 */
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
#define RED_BUS "a-red-bus-in-london-1.jpg" /* city/red-bus.jpg of the catalogue */

enum { PICTURES = 7, DIFFERENT = 6, TEXTS = 2 }; /* of the catalogue; one picture is there twice */

/* Without a Content-Type, as ClipClient sends its bodies. */
static json_t *post(const char *target, const char *json, int status)
{
    static const char headers[] = "User-Agent: python-requests/2.34.2\r\nAccept: */*\r\n";
    return whole_ask(status, "POST", target, headers, json, strlen(json));
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- clip-retrieval ---- */

/* query: in the place of the four that ClipClient sends. */
static json_t *knn(const char *query, const char *more, int status)
{
    char *body = mem_printf("{%s, \"deduplicate\": true, \"use_safety_model\": true, \"use_violence_detector\": true, "
                            "\"indice_name\": \"simile\", \"use_mclip\": false, \"aesthetic_score\": 9, "
                            "\"aesthetic_weight\": 0.5, %s}",
                            query, more);
    json_t *root = post("/knn-service", body, status);
    mem_free(body);
    return root;
}

static const char images[] = "\"modality\": \"image\", \"num_images\": 40, \"num_result_ids\": 40";

static void indices_are_listed(void **state)
{
    answer a;
    client_get(whole.port, "/indices-list", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "[\"simile\"]");
    answer_free(&a);
}

static void ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), len = strlen(end);
    if (n < len || strcmp(text + n - len, end) != 0) fail_msg("'%s' does not end in '%s'", text, end);
}

static void a_text_finds_pictures(void **state)
{
    json_t *root = knn("\"text\": \"a red bus in london\", \"image\": null, \"image_url\": null, "
                       "\"embedding_input\": null",
                       images, 200);
    const json_t *first = json_array_get(root, 0);
    assert_true(json_array_size(root) > 2);
    ends_in(word(first, "image_path"), "/city/red-bus.jpg");
    assert_memory_equal(word(first, "image"), "UklGR", 5); /* base64 of "RIFF": a WebP */
    full_text("a red bus in london", false, full.expected);
    full_picture(RED_BUS, false, full.other);
    assert_true(fabs(json_number_value(json_object_get(first, "similarity")) -
                     (double)simile_similarity(full.expected, full.other, full.dim) / 100) <= 1e-5);
    for (size_t i = 1; i < json_array_size(root); i++)
        assert_true(json_number_value(json_object_get(json_array_get(root, i), "similarity")) <=
                    json_number_value(json_object_get(json_array_get(root, i - 1), "similarity")));
    json_decref(root);
}

static void a_picture_finds_itself(void **state)
{
    char *image = full_base64(RED_BUS, "");
    char *query =
        mem_printf("\"text\": null, \"image\": \"%s\", \"image_url\": null, \"embedding_input\": null", image);
    json_t *root = knn(query, "\"modality\": \"image\", \"num_images\": 1, \"num_result_ids\": 3", 200);
    const json_t *first = json_array_get(root, 0), *second = json_array_get(root, 1);
    assert_int_equal(json_array_size(root), 3);
    ends_in(word(first, "image_path"), "/city/red-bus.jpg");
    assert_true(json_number_value(json_object_get(first, "similarity")) > 0.999);
    /* Behind num_images there is nothing but id and similarity. */
    assert_int_equal(json_object_size(second), 2);
    json_decref(root);
    mem_free(query);
    mem_free(image);
}

static size_t count_found(bool deduplicate)
{
    char body[160];
    snprintf(body, sizeof body,
             "{\"text\": \"a red car\", \"modality\": \"image\", \"num_images\": 40, \"indice_name\": null, "
             "\"deduplicate\": %s}",
             deduplicate ? "true" : "false");
    json_t *root = post("/knn-service", body, 200);
    const size_t n = json_array_size(root);
    json_decref(root);
    return n;
}

static void likes_are_one_result(void **state)
{
    assert_int_equal(count_found(false), PICTURES);
    assert_int_equal(count_found(true), DIFFERENT);
}

static void vectors_and_texts_are_found(void **state)
{
    buf query;
    buf_init(&query, 1 << 16);
    full_text("a red boat", true, full.expected);
    buf_text(&query, "\"embedding_input\": [");
    for (int32_t i = 0; i < full.dim; i++) buf_printf(&query, "%s%.9g", i ? "," : "", (double)full.expected[i]);
    buf_text(&query, "]");
    json_t *root = knn(query.data, "\"modality\": \"text\", \"num_images\": 5", 200);
    assert_int_equal(json_array_size(root), TEXTS);
    assert_string_equal(word(json_array_get(root, 0), "caption"), "a red boat");
    json_decref(root);
    buf_release(&query);
}

static void the_multilingual_tower_is_asked_for(void **state)
{
    json_t *root =
        post("/knn-service",
             "{\"text\": \"ein roter Bus\", \"modality\": \"image\", \"num_images\": 8, \"indice_name\": null, "
             "\"use_mclip\": true}",
             200);
    assert_int_equal(json_array_size(root), PICTURES);
    full_pair_text("ein roter Bus", full.expected);
    for (size_t i = 0; i < PICTURES; i++) {
        const json_t *one = json_array_get(root, i);
        full_picture(word(one, "image_path"), false, full.other);
        assert_true(fabs(json_number_value(json_object_get(one, "similarity")) -
                         (double)simile_similarity(full.expected, full.other, full.dim) / 100) <= 1e-3);
    }
    json_decref(root);
}

static void wrong_questions_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{\"modality\":\"image\",\"num_images\":1,\"indice_name\":null}",
        "{\"text\":\"x\",\"num_images\":1,\"indice_name\":null}",
        "{\"text\":\"x\",\"modality\":\"image\",\"indice_name\":null}",
        "{\"text\":\"x\",\"modality\":\"smell\",\"num_images\":1,\"indice_name\":null}",
        "{\"text\":\"x\",\"modality\":\"image\",\"num_images\":-1,\"indice_name\":null}",
        "{\"embedding_input\":[1,2],\"modality\":\"image\",\"num_images\":1,\"indice_name\":null}",
        "{\"image\":\"????\",\"modality\":\"image\",\"num_images\":1,\"indice_name\":null}",
        "{\"image_url\":\"http://192.0.2.1/\",\"modality\":\"image\",\"num_images\":1,\"indice_name\":null}",
        "{\"image_url\":\"/etc/passwd\",\"modality\":\"image\",\"num_images\":1,\"indice_name\":null}",
        "nonsense",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        json_t *root = post("/knn-service", bodies[i], 400);
        assert_true(json_string_length(json_object_get(root, "message")) > 0);
        json_decref(root);
    }
    json_decref(post("/knn-service",
                     "{\"text\":\"x\",\"modality\":\"image\",\"num_images\":1,\"indice_name\":\"laion5B\"}", 404));
    json_t *root = post("/knn-service",
                        "{\"text\":\"x\",\"modality\":\"image\",\"num_images\":0,\"aesthetic_score\":null,"
                        "\"indice_name\":null}",
                        200);
    assert_int_equal(json_array_size(root), 0);
    json_decref(root);
}

static void metadata_are_told(void **state)
{
    json_t *root = post("/metadata", "{\"ids\": [2, 1], \"indice_name\": \"simile\"}", 200);
    assert_int_equal(json_array_size(root), 2);
    const json_t *first = json_array_get(root, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "id")), 2);
    assert_non_null(strstr(word(json_object_get(first, "metadata"), "image_path"), ".jpg"));
    json_decref(root);
    json_decref(post("/metadata", "{\"ids\": [99999], \"indice_name\": null}", 404));
    json_decref(post("/metadata", "{\"ids\": 1}", 400));
    json_decref(post("/metadata", "{\"ids\": [\"1\"]}", 400));
    root = post("/metadata", "{\"ids\": []}", 200);
    assert_int_equal(json_array_size(root), 0);
    json_decref(root);
}

/* ---- a catalogue of another model ---- */

/* With one text, whose vector is that of another model, and of another length. */
static simile_library *other_catalog(void)
{
    static const char *const text = "a dog";
    char path[96];
    simile_error why;
    simile_model *model;
    simile_encoder *encoder;
    simile_library *library;
    snprintf(path, sizeof path, "%s/other.simile", whole.root);
    assert_int_equal(simile_model_open(SIMILE_FIXTURES "/models/tiny-quick", NULL, &model, &why), SIMILE_OK);
    assert_int_equal(simile_encoder_new(model, NULL, &encoder, &why), SIMILE_OK);
    assert_int_equal(simile_library_open(path, model, NULL, &library, &why), SIMILE_OK);
    assert_int_equal(simile_library_add_texts(library, encoder, &text, 1, NULL, NULL, &why), SIMILE_OK);
    simile_encoder_free(encoder);
    simile_model_close(model);
    return library;
}

static void another_models_vectors_are_not_searched(void **state)
{
    static const char asked[] =
        "{\"text\": \"a dog\", \"modality\": \"text\", \"num_images\": 3, \"indice_name\": null}";
    simile_library *own = whole.s.library;
    whole.s.library = other_catalog();
    json_decref(post("/knn-service", asked, 409));
    json_decref(whole_get(409, "/v1/search?text=a+dog&target=text"));
    /* Emptied, it is anybody's. */
    assert_int_equal(simile_library_remove_id(whole.s.library, 1, NULL), SIMILE_OK);
    json_t *root = post("/knn-service", asked, 200);
    assert_int_equal(json_array_size(root), 0);
    json_decref(root);
    root = whole_get(200, "/v1/search?text=a+dog&target=text");
    assert_int_equal(json_integer_value(json_object_get(root, "count")), 0);
    json_decref(root);
    simile_library_close(whole.s.library);
    whole.s.library = own;
}

/* ---- clip-as-service ---- */

static const json_t *document(const json_t *root, size_t i)
{
    return json_array_get(json_object_get(root, "data"), i);
}

static void documents_are_encoded(void **state)
{
    char *blob = full_base64(RED_CAR, ""), *uri = full_base64(RED_CAR, "data:image/jpeg;base64,");
    char *body = mem_printf("{\"header\": {\"request_id\": \"r\", \"exec_endpoint\": \"/encode\"}, "
                            "\"parameters\": {\"drop_image_content\": true}, \"exec_endpoint\": \"/encode\", "
                            "\"data\": [{\"id\": \"a\", \"text\": \"a red car\", \"uri\": \"ignored.png\"}, "
                            "{\"id\": \"b\", \"blob\": \"%s\", \"tags\": {\"k\": [1, 2.5]}}, {\"uri\": \"%s\"}, "
                            "{\"id\": \"e\"}]}",
                            blob, uri);
    json_t *root = post("/post", body, 200);
    full_text("a red car", true, full.expected); /* not normalised */
    full_same(json_object_get(document(root, 0), "embedding"), full.expected, (size_t)full.dim);
    full_picture(RED_CAR, true, full.expected);
    full_same(json_object_get(document(root, 1), "embedding"), full.expected, (size_t)full.dim);
    full_same(json_object_get(document(root, 2), "embedding"), full.expected, (size_t)full.dim);
    assert_string_equal(word(document(root, 0), "id"), "a");
    assert_string_equal(word(document(root, 0), "text"), "a red car");
    assert_null(json_object_get(document(root, 1), "blob"));
    assert_non_null(json_object_get(document(root, 1), "tags"));
    assert_true(strlen(word(document(root, 2), "id")) > 8);
    assert_true(json_is_null(json_object_get(document(root, 3), "embedding")));
    const json_t *head = json_object_get(root, "header");
    assert_string_equal(word(head, "execEndpoint"), "/encode");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(head, "status"), "code")), 0);
    const json_t *routes = json_object_get(root, "routes");
    assert_int_equal(json_array_size(routes), 2);
    const json_t *gateway = json_array_get(routes, 0);
    assert_true(strcmp(word(gateway, "startTime"), word(gateway, "endTime")) < 0); /* the client divides by it */
    json_decref(root);
    mem_free(body);
    mem_free(blob);
    mem_free(uri);
}

static void models_are_named_in_the_endpoint(void **state)
{
    static const char *const good[] = {"/", "", "encode", "/encode/ViT-B-32::openai", "/encode/simile-scenes"};
    full_text("a forest", true, full.expected);
    for (size_t i = 0; i < 5; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"data\": {\"docs\": [{\"text\": \"a forest\"}]}, \"execEndpoint\": \"%s\"}",
                 good[i]);
        json_t *root = post("/post", body, 200);
        full_same(json_object_get(document(root, 0), "embedding"), full.expected, (size_t)full.dim);
        json_decref(root);
    }
}

static void matches_are_ranked(void **state)
{
    char *blob = full_base64(RED_CAR, "");
    char *body =
        mem_printf("{\"execEndpoint\": \"/rank\", \"data\": [{\"id\": \"q\", \"blob\": \"%s\", \"matches\": "
                   "[{\"id\": \"1\", \"text\": \"a forest\"}, {\"id\": \"2\", \"text\": \"a red car on the road\"}, "
                   "{\"id\": \"3\", \"text\": \"a brown dog in a room\"}]}, "
                   "{\"text\": \"a forest\", \"matches\": []}]}",
                   blob);
    json_t *root = post("/post", body, 200);
    const json_t *matches = json_object_get(document(root, 0), "matches");
    double sum = 0, before = 2;
    assert_int_equal(json_array_size(matches), 3);
    assert_string_equal(word(json_array_get(matches, 0), "id"), "2");
    full_picture(RED_CAR, true, full.other);
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_array_get(matches, i), *scores = json_object_get(one, "scores");
        const double share = json_number_value(json_object_get(json_object_get(scores, "clip_score"), "value"));
        const double cosine = json_number_value(json_object_get(json_object_get(scores, "clip_score_cosine"), "value"));
        full_text(word(one, "text"), true, full.expected);
        assert_true(fabs(cosine - (double)simile_similarity(full.expected, full.other, full.dim) / 100) <= 1e-6);
        assert_null(json_object_get(one, "embedding"));
        assert_true(share <= before);
        before = share;
        sum += share;
    }
    assert_true(fabs(sum - 1) < 1e-5);
    full_same(json_object_get(document(root, 0), "embedding"), full.other, (size_t)full.dim);
    assert_int_equal(json_array_size(json_object_get(document(root, 1), "matches")), 0);
    json_decref(root);
    mem_free(body);
    mem_free(blob);
}

static void wrong_documents_are_refused(void **state)
{
    static const struct {
        const char *json;
        int status;
    } cases[] = {
        {"{\"data\": [{\"text\": \"x\"}], \"execEndpoint\": \"/index\"}", 501},
        {"{\"data\": [{\"text\": \"x\"}], \"execEndpoint\": \"/encode/nobody\"}", 400},
        {"{\"data\": [{\"text\": \"x\"}], \"parameters\": {\"access_paths\": \"@c\"}}", 501},
        {"{\"data\": [{\"uri\": \"/etc/passwd\"}]}", 400},
        {"{\"data\": [{\"uri\": \"file:///etc/passwd\"}]}", 400},
        {"{\"data\": [{\"uri\": \"http://192.0.2.1/x.png\"}]}", 400},
        {"{\"data\": [{\"blob\": \"AAAA\"}]}", 400},
        {"{\"data\": [{\"tensor\": [[1]]}]}", 501},
        {"{\"data\": [{\"text\": \"x\", \"matches\": [{}]}], \"execEndpoint\": \"/rank\"}", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = post("/post", cases[i].json, cases[i].status);
        const json_t *status = json_object_get(json_object_get(root, "header"), "status");
        assert_int_equal(json_integer_value(json_object_get(status, "code")), 1);
        assert_true(strlen(word(status, "description")) > 0);
        json_decref(root);
    }
    json_decref(post("/post", "{\"data\": [7]}", 422));
    json_decref(post("/post", "{\"data\": [{\"text\": \"x\", \"matches\": 7}]}", 422));
    json_decref(post("/post", "{}", 422));
    json_decref(post("/post", "[", 422));
}

static void too_many_pictures_are_refused(void **state)
{
    buf body;
    buf_init(&body, 1 << 16);
    buf_text(&body, "{\"data\": [{\"text\": \"x\"}");
    for (int i = 0; i <= LIMIT_PICTURES; i++) buf_text(&body, ", {\"blob\": \"AAAA\"}");
    buf_text(&body, "]}");
    json_decref(post("/post", body.data, 413));
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_are_listed),
        cmocka_unit_test(a_text_finds_pictures),
        cmocka_unit_test(a_picture_finds_itself),
        cmocka_unit_test(likes_are_one_result),
        cmocka_unit_test(vectors_and_texts_are_found),
        cmocka_unit_test(the_multilingual_tower_is_asked_for),
        cmocka_unit_test(wrong_questions_are_refused),
        cmocka_unit_test(metadata_are_told),
        cmocka_unit_test(documents_are_encoded),
        cmocka_unit_test(models_are_named_in_the_endpoint),
        cmocka_unit_test(another_models_vectors_are_not_searched),
        cmocka_unit_test(matches_are_ranked),
        cmocka_unit_test(wrong_documents_are_refused),
        cmocka_unit_test(too_many_pictures_are_refused),
    };
    return cmocka_run_group_tests(tests, full_set_up, full_tear_down);
}
