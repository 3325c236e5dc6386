/* SPDX-License-Identifier: Apache-2.0
 * test_hub.c - headers, addresses, names, lists; the table of known models. What needs a server is in tests/cli/hub.t.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/space.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/listing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static simile_error err;

/* ---- headers ---- */

static void line(http_head *head, const char *text)
{
    http_head_line(head, text, strlen(text));
}

static void headers_are_read(void **state)
{
    http_head h;
    http_head_init(&h);
    line(&h, "HTTP/1.1 206 Partial Content\r\n");
    line(&h, "content-LENGTH:  100 \r\n");
    line(&h, "Content-Range: bytes 10-109/110\r\n");
    line(&h, "Content-Type: Text/HTML; charset=utf-8\r\n");
    line(&h, "ETag: \"v1\"\r\n");
    line(&h, "Retry-After: 7\r\n");
    line(&h, "Link: <http://a/prev>; rel=\"prev\", <http://a/b?c=1>; rel=\"next\"\r\n");
    assert_int_equal(h.status, 206);
    assert_int_equal(h.content_length, 100);
    assert_int_equal(h.range_first, 10);
    assert_int_equal(h.range_total, 110);
    assert_int_equal(h.retry_after, 7);
    assert_string_equal(h.type, "text/html");
    assert_string_equal(h.etag, "\"v1\"");
    assert_string_equal(h.next, "http://a/b?c=1");
}

static void a_new_status_line_forgets_the_old_headers(void **state)
{
    http_head h;
    http_head_init(&h);
    line(&h, "HTTP/1.1 302 Found\r\n");
    line(&h, "Location: /x\r\n");
    assert_string_equal(h.location, "/x");
    line(&h, "HTTP/1.1 200 OK\r\n");
    assert_string_equal(h.location, "");
    assert_int_equal(h.content_length, -1);
}

static void odd_headers_count_for_nothing(void **state)
{
    http_head h;
    char huge[HTTP_URL + 64];
    http_head_init(&h);
    line(&h, "HTTP/1.1 99999\r\n");
    assert_int_equal(h.status, 0);
    line(&h, "ETag: W/\"weak\"\r\n");
    assert_string_equal(h.etag, "");
    line(&h, "Content-Length: 99999999999999999999\r\n");
    assert_int_equal(h.content_length, -1);
    line(&h, "Content-Length: -5\r\n");
    assert_int_equal(h.content_length, -1);
    line(&h, "Content-Range: bytes */12\r\n");
    assert_int_equal(h.range_first, -1);
    line(&h, "Location: http://x/\001\r\n");
    assert_string_equal(h.location, "");
    memset(huge, 'a', sizeof huge);
    memcpy(huge, "Location: ", 10);
    http_head_line(&h, huge, sizeof huge);
    assert_string_equal(h.location, "");
    http_head_line(&h, "", 0);
    http_head_line(&h, ":", 1);
    http_head_line(&h, "Link: <", 7);
    assert_string_equal(h.next, "");
}

/* ---- addresses ---- */

static bool is_private(const char *text)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) return http_address_is_private((const struct sockaddr *)&in4);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return http_address_is_private((const struct sockaddr *)&in6);
}

static void private_addresses_are_known(void **state)
{
    static const char *const inner[] = {
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::",
        "2001::1",
        "2001:0:808:808::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "3fff::1",
    };
    static const char *const outer[] = {
        "1.1.1.1",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255",  "128.0.0.1",       "172.15.0.1",      "172.32.0.1",     "192.167.1.1",
        "192.169.1.1",      "223.255.255.255", "2001:4860::8888", "2606:4700::1",   "::ffff:8.8.8.8",
        "64:ff9b::808:808", "2002:808:808::",  "2001:200::1",     "2001:db9::1",    "3ffe::1",
    };
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (!is_private(inner[i])) fail_msg("%s is private", inner[i]);
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
        if (is_private(outer[i])) fail_msg("%s is public", outer[i]);
}

static void references_are_resolved(void **state)
{
    static const char *const cases[][3] = {
        {"http://a/b/c?d", "e", "http://a/b/e"},
        {"https://a/b", "/x", "https://a/x"},
        {"https://a/b", "//c/x", "https://c/x"},
        {"https://a/b", "http://c/", "http://c/"},
        {"https://a/b", "ftp://c/", NULL},
        {"https://a/b", "file:///etc/passwd", NULL},
        {"https://a/b", "https://user:word@c/", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *url = http_resolve(cases[i][0], cases[i][1]);
        if (cases[i][2])
            assert_string_equal(url, cases[i][2]);
        else
            assert_null(url);
        mem_free(url);
    }
}

/* ---- names ---- */

static void names_are_judged(void **state)
{
    static const char *const good[] = {"config.json", "0_CLIPModel/model.safetensors", "a/b/c/d", "a b", "x+y@z"};
    static const char *const bad[] = {"",        "/a",   "a/",   "a//b", ".",     "..",        "../a", "a/../b",
                                      ".hidden", "a/.b", "a\nb", "a\\b", "a\x7f", "r\xc3\xa9", "a:b",  "a/b/c/d/e"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!hub_path_is_safe(good[i])) fail_msg("'%s' is good", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hub_path_is_safe(bad[i])) fail_msg("'%s' is bad", bad[i]);
    assert_true(hub_name_is_safe("ViT-L-14-336px"));
    assert_false(hub_name_is_safe("a/b"));
    assert_false(hub_name_is_safe("x.part"));
    assert_false(hub_name_is_safe("a b"));
}

/* ---- choosing ---- */

#define SUM "0123456789abcdef0123456789abcdef01234567"

/* names: with blanks between them; wanted: in the order in which they are chosen. */
static void check_choice(const char *names, const char *weights, const char *wanted)
{
    hub_files all = {0}, chosen = {0};
    char text[1024] = "";
    for (const char *p = names; *p;) {
        const size_t n = strcspn(p, " ");
        char *name = mem_strndup(p, n);
        assert_int_equal(hub_files_add(&all, name, 1, SUM, &err), SIMILE_OK);
        mem_free(name);
        p += n + (p[n] == ' ');
    }
    assert_int_equal(hub_choose(&all, weights, "t", &chosen, &err), SIMILE_OK);
    for (size_t i = 0; i < chosen.n; i++) {
        const size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", chosen.items[i].path);
    }
    assert_string_equal(text, wanted);
    hub_files_release(&all);
    hub_files_release(&chosen);
}

static void weights_are_chosen(void **state)
{
    check_choice("pytorch_model.bin config.json model.safetensors README.md", NULL, "config.json model.safetensors");
    check_choice("config.json pytorch_model.bin tf_model.h5", NULL, "config.json pytorch_model.bin");
    check_choice("config.json model.safetensors open_clip_config.json open_clip_model.safetensors", NULL,
                 "config.json model.safetensors");
    check_choice("open_clip_config.json open_clip_pytorch_model.bin tokenizer.json", NULL,
                 "open_clip_config.json tokenizer.json open_clip_pytorch_model.bin");
    check_choice("config.json open_clip_config.json open_clip_model.safetensors", NULL,
                 "open_clip_config.json open_clip_model.safetensors");
    check_choice("pytorch_model.bin.index.json pytorch_model-00001-of-00002.bin pytorch_model-00002-of-00002.bin "
                 "pytorch_model-x-of-00002.bin",
                 NULL,
                 "pytorch_model.bin.index.json pytorch_model-00001-of-00002.bin pytorch_model-00002-of-00002.bin");
    check_choice("clip.gguf config.json", NULL, "config.json clip.gguf");
    check_choice("config.json a.gguf b.gguf", "b.gguf", "config.json b.gguf");
    check_choice("modules.json config.json 1_Pooling/config.json 2_Dense/config.json 2_Dense/model.safetensors "
                 "model.safetensors onnx/model.onnx onnx/config.json 2_Dense/pytorch_model.bin",
                 NULL,
                 "modules.json config.json 1_Pooling/config.json 2_Dense/config.json model.safetensors "
                 "2_Dense/model.safetensors");
    check_choice("modules.json config.json 1_Pooling/config.json 2_Dense/config.json 2_Dense/model.safetensors "
                 "model.safetensors pytorch_model.bin 2_Dense/pytorch_model.bin",
                 "pytorch_model.bin",
                 "modules.json config.json 1_Pooling/config.json 2_Dense/config.json pytorch_model.bin "
                 "2_Dense/model.safetensors");
    check_choice(
        "README.md modules.json 0_Transformer/config.json 0_Transformer/pytorch_model.bin 0_Transformer/vocab.txt "
        "0_Transformer/sentence_distilbert_config.json 1_Pooling/config.json 2_Dense/pytorch_model.bin "
        "2_Dense/config.json config_sentence_transformers.json 0_Transformer/rust_model.ot",
        NULL,
        "modules.json 0_Transformer/config.json 0_Transformer/vocab.txt "
        "0_Transformer/sentence_distilbert_config.json 1_Pooling/config.json 2_Dense/config.json "
        "config_sentence_transformers.json 0_Transformer/pytorch_model.bin 2_Dense/pytorch_model.bin");
    check_choice("0_CLIPModel/config.json 0_CLIPModel/merges.txt 0_CLIPModel/preprocessor_config.json "
                 "0_CLIPModel/pytorch_model.bin 0_CLIPModel/vocab.json modules.json",
                 NULL,
                 "0_CLIPModel/config.json 0_CLIPModel/merges.txt 0_CLIPModel/preprocessor_config.json "
                 "0_CLIPModel/vocab.json modules.json 0_CLIPModel/pytorch_model.bin");
    check_choice("config.json pytorch_model.bin sentencepiece.bpe.model special_tokens_map.json tokenizer.json "
                 "tokenizer_config.json tf_model.h5",
                 NULL,
                 "config.json sentencepiece.bpe.model special_tokens_map.json tokenizer.json tokenizer_config.json "
                 "pytorch_model.bin");
}

/* ---- lists ---- */

static const char list[] =
    "[{\"type\":\"directory\",\"path\":\"d\"},"
    "{\"type\":\"file\",\"oid\":\"" SUM "\",\"size\":5,\"path\":\"config.json\"},"
    "{\"type\":\"file\",\"oid\":\"" SUM "\",\"size\":134,\"path\":\"model.safetensors\",\"lfs\":"
    "{\"oid\":\"afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762\",\"size\":99}}]";

static void lists_are_read(void **state)
{
    hub_files all = {0};
    assert_int_equal(hub_tree_parse(list, sizeof list - 1, "t", &all, &err), SIMILE_OK);
    assert_int_equal(all.n, 2);
    assert_int_equal(hub_files_find(&all, "config.json")->size, 5);
    assert_int_equal(hub_files_find(&all, "model.safetensors")->size, 99);
    assert_int_equal(strlen(hub_files_find(&all, "model.safetensors")->oid), 64);
    hub_files_release(&all);
}

static void a_list_without_memory_is_an_error(void **state)
{
    for (long n = 1;; n++) {
        hub_files all = {0}, chosen = {0};
        mem_fault_after(n, false);
        simile_status status = hub_tree_parse(list, sizeof list - 1, "t", &all, &err);
        if (!status) status = hub_choose(&all, NULL, "t", &chosen, &err);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        hub_files_release(&all);
        hub_files_release(&chosen);
        if (!hit) break;
        if (status) assert_int_equal(err.status, status);
    }
}

/* ---- known models ---- */

static void known_models_are_sound(void **state)
{
    const simile_known_model *m;
    size_t n = 0;
    for (; (m = hub_known_at(n)); n++) {
        assert_true(hub_name_is_safe(m->name));
        assert_true(*m->use && *m->languages && *m->family && *m->source && *m->licence);
        assert_true(m->dim > 0 && m->parameters >= 0 && m->bytes >= 0);
        for (size_t i = 0; i < n; i++) assert_string_not_equal(hub_known_at(i)->name, m->name);
    }
    assert_true(n >= 15);
}

static const char *space_of(const simile_known_model *m)
{
    return m->space ? m->space : m->source;
}

/* What a text tower stands beside is the space of models with vectors as long, none of which is such a tower itself. */
static void spaces_of_known_models_are_sound(void **state)
{
    const simile_known_model *m, *other;
    size_t readers = 0;
    for (size_t n = 0; (m = hub_known_at(n)); n++) {
        assert_true(space_is_name(space_of(m)));
        readers += m->beside != NULL;
        if (m->beside) assert_true(space_is_name(m->beside));
        for (size_t i = 0; (other = hub_known_at(i)); i++) {
            if (!strcmp(space_of(m), space_of(other)))
                assert_true(m->dim == other->dim && !m->beside == !other->beside);
            if (m->beside && !strcmp(m->beside, space_of(other))) assert_true(m->dim == other->dim && !other->beside);
        }
    }
    assert_true(readers >= 6);
}

static const simile_known_model *known(const char *name)
{
    const simile_known_model *m;
    for (size_t n = 0; (m = hub_known_at(n)); n++)
        if (!strcmp(m->name, name)) return m;
    fail_msg("%s is not known", name);
    return NULL;
}

static void the_same_weights_share_a_space(void **state)
{
    static const char *const same[] = {"clip-vit-base-patch32", "ViT-B-32", "clip-ViT-B-32"};
    static const char *const readers[] = {"clip-ViT-B-32-multilingual-v1", "XLM-Roberta-Large-Vit-B-32",
                                          "M-BERT-Base-ViT-B"};
    const char *space = space_of(known("clip-vit-base-patch32"));
    for (size_t i = 0; i < 3; i++) assert_string_equal(space_of(known(same[i])), space);
    for (size_t i = 0; i < 3; i++) assert_string_equal(known(readers[i])->beside, space);
    assert_string_equal(known("LABSE-Vit-L-14")->beside, space_of(known("ViT-L-14")));
    assert_string_not_equal(space_of(known("CLIP-ViT-B-32-laion2B")), space);
    assert_string_not_equal(space_of(known("xlm-roberta-base-ViT-B-32")), space);
}

/* ---- languages ---- */

static bool is_language(const char *code, size_t len)
{
    const simile_language *l;
    for (size_t i = 0; (l = hub_language_at(i)); i++)
        if (strlen(l->code) == len && memcmp(l->code, code, len) == 0) return true;
    return false;
}

/* Of a list of codes: how many, each of them a language of the table and none twice. */
static int codes_in(const char *codes)
{
    int n = 0;
    for (const char *at = codes; at && *at; n++) {
        const size_t len = strcspn(at, " ");
        assert_true(is_language(at, len));
        char word[16];
        snprintf(word, sizeof word, " %.*s ", (int)len, at);
        at += len + (at[len] == ' ');
        char rest[256];
        snprintf(rest, sizeof rest, " %s ", at);
        assert_null(strstr(rest, word));
    }
    return n;
}

static void languages_are_sound(void **state)
{
    const simile_language *l;
    size_t n = 0;
    for (; (l = hub_language_at(n)); n++) {
        assert_true(*l->native);
        if (n) assert_true(strcmp(hub_language_at(n - 1)->name, l->name) < 0);
        for (size_t i = 0; i < n; i++) assert_string_not_equal(hub_language_at(i)->code, l->code);
    }
    assert_int_equal(n, 40);
}

/* Each known model is in one row, and a row names known models alone, but for the bundled one. */
static void each_known_model_has_a_tower(void **state)
{
    const simile_known_model *m;
    const simile_text_tower *t;
    size_t models = 0, named = 0;
    for (; (m = hub_known_at(models)); models++) {
        t = hub_tower_of_name(m->name);
        if (!t) fail_msg("languages.c has no row for '%s'", m->name);
        assert_ptr_equal(hub_tower_of_source(m->source), t);
    }
    for (size_t i = 0; (t = hub_text_tower_at(i)); i++) {
        assert_true(*t->source && t->listed >= 0 && (t->taught || !t->listed));
        for (const char *at = t->models; *at; at++) named += at == t->models || at[-1] == ' ';
    }
    assert_non_null(hub_tower_of_name("simile-scenes"));
    assert_non_null(hub_tower_of_name("simile-languages"));
    assert_int_equal(named, models + 2); /* the bundled ones */
    assert_null(hub_tower_of_name("ViT-B"));
    assert_null(hub_tower_of_name(""));
    assert_null(hub_tower_of_source("openai/clip"));
}

/* What the publishers' lists say of the forty: see languages.c. */
static void languages_are_counted_as_published(void **state)
{
    static const struct {
        const char *model;
        int taught, encoder;
    } rows[] = {
        {"clip-vit-base-patch32", 1, 1}, {"chinese-clip-vit-huge-patch14", 2, 2},
        {"M-BERT-Base-ViT-B", 40, 38},   {"clip-ViT-B-32-multilingual-v1", 33, 38},
        {"LABSE-Vit-L-14", 0, 39},       {"XLM-Roberta-Large-Vit-B-16Plus", 32, 40},
        {"simile-scenes", 1, 1},         {"xlm-roberta-base-ViT-B-32", 0, 40},
        {"simile-languages", 40, 40},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const simile_text_tower *t = hub_tower_of_name(rows[i].model);
        assert_non_null(t);
        assert_int_equal(codes_in(t->taught), rows[i].taught);
        assert_int_equal(codes_in(t->encoder), rows[i].encoder);
    }
    const simile_text_tower *t = hub_tower_of_name("M-BERT-Base-ViT-B");
    assert_int_equal(hub_tower_reads(t, "am"), SIMILE_READS_TAUGHT);
    assert_int_equal(hub_tower_reads(t, "zh-tw"), SIMILE_READS_TAUGHT | SIMILE_READS_ENCODER);
    assert_int_equal(hub_tower_reads(t, "zh"), 0);
    t = hub_tower_of_source("sentence-transformers/clip-ViT-B-32-multilingual-v1@0123");
    assert_ptr_equal(t, hub_tower_of_name("clip-ViT-B-32-multilingual-v1"));
    assert_int_equal(hub_tower_reads(t, "am"), 0);
    assert_int_equal(hub_tower_reads(t, "kk"), SIMILE_READS_ENCODER);
    t = hub_tower_of_name("LABSE-Vit-L-14");
    assert_int_equal(hub_tower_reads(t, "ps"), SIMILE_READS_TAUGHT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(a_new_status_line_forgets_the_old_headers),
        cmocka_unit_test(odd_headers_count_for_nothing),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(references_are_resolved),
        cmocka_unit_test(names_are_judged),
        cmocka_unit_test(weights_are_chosen),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(a_list_without_memory_is_an_error),
        cmocka_unit_test(known_models_are_sound),
        cmocka_unit_test(spaces_of_known_models_are_sound),
        cmocka_unit_test(the_same_weights_share_a_space),
        cmocka_unit_test(languages_are_sound),
        cmocka_unit_test(each_known_model_has_a_tower),
        cmocka_unit_test(languages_are_counted_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
