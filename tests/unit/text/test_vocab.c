/* SPDX-License-Identifier: Apache-2.0
 * test_vocab.c - a vocabulary that is read quickly is the one that its JSON's tree makes, and so is every complaint;
 * merges likewise; pieces that are looked up together are found as they are alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/merges.h"

#include <stdio.h>

static vocab *by_tree(const char *text, simile_status *status, simile_error *err)
{
    json_t *root = NULL;
    vocab *v = vocab_new();
    assert_non_null(v);
    *status = json_parse_object(text, strlen(text), "v.json", &root, err);
    if (!*status) *status = vocab_add_json(v, root, "v.json", err);
    json_decref(root);
    return v;
}

static void check_same(const char *text)
{
    simile_error err = {0}, expected = {0};
    simile_status status;
    vocab *tree = by_tree(text, &status, &expected), *quick = vocab_new();
    assert_int_equal(vocab_read_json(quick, text, strlen(text), "v.json", &err), status);
    assert_string_equal(err.message, expected.message);
    if (!status) assert_int_equal(vocab_size(quick), vocab_size(tree));
    for (int32_t id = 0; !status && (size_t)id < vocab_size(tree); id++) {
        const char *piece = vocab_piece(tree, id);
        if (!piece)
            assert_null(vocab_piece(quick, id));
        else
            assert_string_equal(vocab_piece(quick, id), piece);
        if (piece) assert_int_equal(vocab_find(quick, piece, strlen(piece)), id);
    }
    vocab_free(tree);
    vocab_free(quick);
}

static void bytes_and_tree_agree(void **state)
{
    static const char *const texts[] = {
        "{\"a\":0}",
        "{\"a\":0,\"b\":1,\"ab\":2}",
        " {\n\t\"a\" : 0 ,\r\n \"b\":10 } \n",
        "{\"\\u0120a\":0,\"\\\"\":1,\"\\\\\":2,\"/"
        "\":3,\"\\n\":4,\"\xc3\xa9\":5,\"\xf0\x9f\x98\x80\":6,\"\\ud83d\\ude00x\":7}",
        "{\"\":0,\"a\":1}",
        "{\"a\":1999999}",
        "{}",
        "{\"a\":0,\"a\":0}",
        "{\"a\":0,\"a\":1}",
        "{\"a\":0,\"\\u0061\":1}",
        "{\"a\":1,\"b\":1}",
        "{\"a\":-1}",
        "{\"a\":2000000}",
        "{\"a\":99999999999999999999}",
        "{\"a\":01}",
        "{\"a\":1.0}",
        "{\"a\":1e1}",
        "{\"a\":true}",
        "{\"a\":\"1\"}",
        "{\"a\":{}}",
        "{\"a\":0,}",
        "{\"a\":0 \"b\":1}",
        "{,\"a\":0}",
        "{\"a\":0}x",
        "{\"a\":0} {}",
        "{\"a\":0",
        "{\"a\":",
        "{\"a\"",
        "{\"a",
        "{",
        "",
        "[1]",
        "{\"a\\u0000b\":0}",
        "{\"\\ud800\":0}",
        "{\"\\q\":0}",
        "{\"\x01\":0}",
        "{\"\xff\":0}",
        "{\"a:b\":0,\"::\":1}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_same(texts[i]);
}

static void large_vocabularies_are_found_again(void **state)
{
    enum { N = 5000 };
    buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < N; i++) buf_printf(&text, "%s\"piece%d\": %d", i ? ", " : "{", i * i, N - i);
    buf_byte(&text, '}');
    check_same(text.data);
    vocab *v = vocab_new();
    assert_int_equal(vocab_read_json(v, text.data, text.len, "v.json", NULL), SIMILE_OK);
    for (int first = 0; first < N; first += VOCAB_AT_ONCE / 2) {
        char names[VOCAB_AT_ONCE][24];
        vocab_text pieces[VOCAB_AT_ONCE];
        int32_t ids[VOCAB_AT_ONCE];
        for (int i = 0; i < VOCAB_AT_ONCE; i++) { /* the second half is not there */
            const int number = (first + i % (VOCAB_AT_ONCE / 2)) % N;
            snprintf(names[i], sizeof names[i], i < VOCAB_AT_ONCE / 2 ? "piece%d" : "piecf%d", number * number);
            pieces[i] = (vocab_text){names[i], strlen(names[i])};
        }
        vocab_find_all(v, pieces, VOCAB_AT_ONCE, ids);
        for (int i = 0; i < VOCAB_AT_ONCE; i++) assert_int_equal(ids[i], vocab_find(v, pieces[i].text, pieces[i].len));
        assert_int_equal(ids[0], N - first);
        assert_int_equal(ids[VOCAB_AT_ONCE - 1], -1);
    }
    vocab_free(v);
    buf_release(&text);
}

static void joined_pieces_are_known(void **state)
{
    static const char text[] = "{\"a\":0,\"bc\":1,\"abc\":2,\"ab\":4}";
    vocab *v = vocab_new();
    assert_int_equal(vocab_read_json(v, text, strlen(text), "v.json", NULL), SIMILE_OK);
    assert_true(vocab_is_joined(v, 2, "a", 1, "bc", 2));
    assert_false(vocab_is_joined(v, 4, "a", 1, "bc", 2));
    assert_false(vocab_is_joined(v, 2, "a", 1, "bd", 2));
    assert_false(vocab_is_joined(v, 3, "a", 1, "bc", 2));
    assert_false(vocab_is_joined(v, -1, "a", 1, "bc", 2));
    assert_false(vocab_is_joined(v, 99999, "a", 1, "bc", 2));
    vocab_free(v);
}

static void check_merges(const char *array)
{
    static const char pieces[] = "{\"a\":0,\"b\":1,\"ab\":2,\"abab\":3,\"\\u0120\":4,\"\\u0120a\":5,\"bb\":9}";
    simile_error errors[2] = {{0}, {0}};
    simile_status status[2];
    bpe_pair *pairs[2];
    size_t n[2];
    for (int by_part = 0; by_part < 2; by_part++) {
        vocab *v = vocab_new();
        bpe *b = bpe_new();
        json_t *root = NULL;
        char *text = mem_printf("{\"merges\":%s}", array);
        assert_int_equal(vocab_read_json(v, pieces, strlen(pieces), "v.json", NULL), SIMILE_OK);
        merge_reader m = {.vocab = v, .merges = b, .path = "t.json", .unit = "merge"};
        const json_part part = {by_part ? array : NULL, strlen(array)};
        status[by_part] =
            by_part ? SIMILE_OK : json_parse_object(text, strlen(text), "t.json", &root, &errors[by_part]);
        if (!status[by_part]) status[by_part] = merge_part(&m, part, json_object_get(root, "merges"), &errors[by_part]);
        pairs[by_part] = bpe_list(b, &n[by_part]);
        json_decref(root);
        mem_free(text);
        bpe_free(b);
        vocab_free(v);
    }
    assert_int_equal(status[0], status[1]);
    assert_string_equal(errors[0].message, errors[1].message);
    if (!status[0]) assert_int_equal(n[0], n[1]);
    if (!status[0]) assert_memory_equal(pairs[0], pairs[1], n[0] * sizeof *pairs[0]);
    mem_free(pairs[0]);
    mem_free(pairs[1]);
}

static void merges_of_a_part_and_of_a_tree_agree(void **state)
{
    static const char *const arrays[] = {
        "[]",
        "[\"a b\"]",
        "[[\"a\",\"b\"]]",
        " [ \"a b\" , [\"ab\" , \"ab\"],\"b b\", \"\\u0120 a\"] ",
        "[\"a b\",\"a b\",\"ab ab\",\"a b\"]",
        "[\"ab\"]",
        "[\"a b b\"]",
        "[\" a\"]",
        "[\"a x\"]",
        "[\"a b\",\"b a\"]",
        "[1]",
        "[[\"a\"]]",
        "[[\"a\",\"b\",\"b\"]]",
        "[[\"a\",1]]",
        "[{}]",
        "[\"a b\",]",
        "[\"a b\" \"a b\"]",
        "[\"a \\u0000\"]",
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) check_merges(arrays[i]);
    buf many;
    buf_init(&many, 1 << 20);
    for (int i = 0; i < 3000; i++) buf_text(&many, i ? ",\"a b\"" : "[\"ab ab\"");
    buf_text(&many, ",[\"b\",\"b\"]]");
    check_merges(many.data);
    buf_release(&many);
}

static void each_failing_allocation_is_reported(void **state)
{
    static const char text[] = "{\"a\":0,\"\\u00e9\":1}";
    simile_status status = SIMILE_E_NOMEM;
    for (long n = 1; status && n < 100; n++) {
        vocab *v = vocab_new();
        mem_fault_after(n, true);
        status = vocab_read_json(v, text, strlen(text), "v.json", NULL);
        mem_fault_after(0, false);
        if (status) assert_int_equal(status, SIMILE_E_NOMEM);
        vocab_free(v);
    }
    assert_int_equal(status, SIMILE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_tree_agree),
        cmocka_unit_test(large_vocabularies_are_found_again),
        cmocka_unit_test(joined_pieces_are_known),
        cmocka_unit_test(merges_of_a_part_and_of_a_tree_agree),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
