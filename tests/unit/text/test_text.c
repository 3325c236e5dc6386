/* SPDX-License-Identifier: Apache-2.0
 * test_text.c - src/text: ids equal to the reference library's, truncation, special tokens, hostile files, short
 * memory. Fixtures: tools/fixtures/text_fixtures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "pairs.h"
#include "text/bpe.h"
#include "text/kind.h"
#include "text/tokenizer.h"

#include <stdio.h>

static const char *root = ".";

static char *fixture(const char *name)
{
    char *path = mem_printf("%s/tests/fixtures/text/%s", root, name);
    assert_non_null(path);
    return path;
}

static tokenizer *open_fixture(const char *name)
{
    tokenizer *t;
    simile_error err;
    char *path = fixture(name);
    if (tokenizer_open(path, &t, &err)) fail_msg("%s", err.message);
    mem_free(path);
    return t;
}

/* ---- equality with the reference library ---- */

static void check_pairs(const char *folder, const char *texts, const char *ids)
{
    tokenizer *t = open_fixture(folder);
    char *texts_path = fixture(texts), *ids_path = fixture(ids);
    pair_report r;
    if (pairs_compare(t, texts_path, ids_path, &r)) fail_msg("%s", r.detail);
    if (r.first_bad) fail_msg("%s, %s line %zu: %s", folder, texts, r.first_bad, r.detail);
    assert_true(r.lines > 20);
    mem_free(texts_path);
    mem_free(ids_path);
    tokenizer_close(t);
}

static void ids_equal_the_reference_in_every_form_of_the_files(void **state)
{
    check_pairs("vocab", "texts.txt", "ids.txt");
    check_pairs("json-old", "texts.txt", "ids.txt");
    check_pairs("json-new", "texts.txt", "ids.txt");
}

static void special_tokens_in_the_text_equal_the_reference(void **state)
{
    check_pairs("vocab", "special-texts.txt", "special-ids-vocab.txt");
    check_pairs("json-old", "special-texts.txt", "special-ids-json-old.txt");
    check_pairs("json-new", "special-texts.txt", "special-ids-json-new.txt");
}

static void bytes_without_a_token_are_unknown(void **state)
{
    check_pairs("gap", "gap-texts.txt", "gap-ids.txt");
    check_pairs("gap-fuse", "gap-texts.txt", "gap-fuse-ids.txt");
}

/* ---- the interface ---- */

static void facts_come_from_the_files(void **state)
{
    tokenizer *t = open_fixture("vocab");
    assert_string_equal(tokenizer_kind(t), "clip-bpe");
    assert_int_equal(tokenizer_vocab_size(t), 814);
    assert_int_equal(tokenizer_end_id(t), 813);
    assert_string_equal(tokenizer_piece(t, 813), "<|endoftext|>");
    assert_string_equal(tokenizer_piece(t, 0), "!");
    assert_string_equal(tokenizer_piece(t, 320), "a</w>");
    assert_null(tokenizer_piece(t, -1));
    assert_null(tokenizer_piece(t, 814));
    tokenizer_close(t);
    tokenizer_close(NULL);
}

static token_list encode(const tokenizer *t, const char *text, size_t max_len)
{
    token_list out;
    simile_error err;
    if (tokenizer_encode(t, text, strlen(text), max_len, &out, &err)) fail_msg("%s", err.message);
    return out;
}

static void a_longer_text_loses_its_end_but_not_the_end_token(void **state)
{
    static const char text[] = "a photo of two dogs <|endoftext|> in the snow";
    tokenizer *t = open_fixture("vocab");
    token_list whole = encode(t, text, 1000);
    assert_false(whole.truncated);
    for (size_t max = 2; max <= whole.n + 1; max++) {
        token_list cut = encode(t, text, max);
        const size_t n = max < whole.n ? max : whole.n;
        assert_int_equal(cut.n, n);
        assert_int_equal(cut.truncated, max < whole.n);
        assert_memory_equal(cut.ids, whole.ids, (n - 1) * sizeof *cut.ids);
        assert_int_equal(cut.ids[n - 1], tokenizer_end_id(t));
        mem_free(cut.ids);
    }
    mem_free(whole.ids);
    tokenizer_close(t);
}

static void impossible_arguments_are_refused(void **state)
{
    tokenizer *t = open_fixture("vocab");
    token_list out;
    simile_error err;
    assert_int_equal(tokenizer_encode(t, "a", 1, 1, &out, &err), SIMILE_E_ARG);
    assert_null(out.ids);
    assert_int_equal(tokenizer_encode(t, "a", (size_t)TEXT_MAX + 1, 77, &out, &err), SIMILE_E_LIMIT);
    assert_int_equal(tokenizer_encode(t, NULL, 0, 77, &out, NULL), SIMILE_OK);
    assert_int_equal(out.n, 2);
    mem_free(out.ids);
    tokenizer_close(t);
}

/* ---- files in memory ---- */

static simile_status open_files(const char *vocab_json, const char *merges, const char *config, const char *map,
                                const char *json, tokenizer **out, simile_error *err)
{
    const char *texts[] = {json, vocab_json, merges, config, map};
    static const char *const paths[] = {"d/tokenizer.json", "d/vocab.json", "d/merges.txt", "d/tokenizer_config.json",
                                        "d/special_tokens_map.json"};
    tokenizer_files files = {.directory = "d"};
    text_file *places[] = {&files.tokenizer_json, &files.vocab_json, &files.merges_txt, &files.tokenizer_config,
                           &files.special_tokens_map};
    for (size_t i = 0; i < 5; i++) {
        *places[i] = (text_file){.path = paths[i]};
        if (!texts[i]) continue;
        places[i]->data = mem_strdup(texts[i]);
        assert_non_null(places[i]->data);
        places[i]->len = strlen(texts[i]);
    }
    const simile_status status = tokenizer_from_files(&files, out, err);
    for (size_t i = 0; i < 5; i++) mem_free(places[i]->data);
    return status;
}

#define S        "<|startoftext|>"
#define E        "<|endoftext|>"
#define SPECIALS "\"" S "\":20,\"" E "\":21"

static void check_ids(const tokenizer *t, const char *text, const char *expected)
{
    char got[256] = "";
    token_list out = encode(t, text, 100);
    for (size_t i = 0, n = 0; i < out.n && n < sizeof got; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, i ? " %d" : "%d", (int)out.ids[i]);
    assert_string_equal(got, expected);
    mem_free(out.ids);
}

static void check_small(const char *vocab_json, const char *merges, const char *config, const char *map,
                        const char *text, const char *expected)
{
    tokenizer *t;
    simile_error err;
    if (open_files(vocab_json, merges, config, map, NULL, &t, &err)) fail_msg("%s", err.message);
    check_ids(t, text, expected);
    tokenizer_close(t);
}

static void merges_go_by_rank_not_by_position(void **state)
{
    static const char small[] = "{\"a\":0,\"b\":1,\"c</w>\":2,\"ab\":3,\"bc</w>\":4,\"c\":5,\"b</w>\":6," SPECIALS "}";
    check_small(small, "#version: 0.2\na b\nb c</w>\n", NULL, NULL, "abc", "20 3 2 21");
    check_small(small, "#version: 0.2\nb c</w>\na b\n", NULL, NULL, "abc", "20 0 4 21");
    check_small(small, "b c</w>\r\na b\r\n\r\n", NULL, NULL, "abc", "20 0 4 21");
    /* The later of two equal lines gives the rank. */
    check_small(small, "a b\nb c</w>\na b\n", NULL, NULL, "abc", "20 0 4 21");
    check_small(small, "", NULL, NULL, "abc d", "20 0 1 2 21 21");
}

static void special_tokens_come_from_the_small_files(void **state)
{
    static const char small[] = "{\"a</w>\":0,\"b</w>\":1,\"!</w>\":2,\"[cls]\":3," SPECIALS "}";
    static const char *const lower = "{\"bos_token\":{\"content\":\"" S "\",\"normalized\":true},"
                                     "\"eos_token\":{\"content\":\"" E "\",\"normalized\":true},"
                                     "\"pad_token\":{\"content\":\"" E "\",\"normalized\":true}}";
    check_small(small, "", NULL, NULL, "a " E " b", "20 0 21 1 21");
    check_small(small, "", "{\"bos_token\":\"[cls]\"}", NULL, "a[cls]b", "3 0 3 1 21");
    check_small(small, "", NULL, "{\"bos_token\":\"[cls]\"}", "a", "3 0 21");
    check_small(small, "", lower, NULL, "a<|ENDOFTEXT|>b<|StartOfText|>", "20 0 21 1 20 21");
    /* The last entry for a string counts: here the pad token's. */
    check_small(small, "", "{\"eos_token\":{\"content\":\"" E "\",\"normalized\":true}}", NULL, "a " E, "20 0 21 21");
    /* And it counts whole: the second file's does not say "normalized". */
    check_small(small, "", "{\"pad_token\":{\"content\":\"" E "\",\"normalized\":true}}", NULL, "a <|ENDOFTEXT|>",
                "20 0 21 21");
    check_small(small, "", "{\"pad_token\":{\"content\":\"" E "\",\"normalized\":true}}",
                "{\"pad_token\":{\"content\":\"" E "\"}}", "a <|ENDOFTEXT|>",
                "20 0 21 21 21 21 21 21 21 21 21 21 21 21 21 21");
    /* A list of added tokens goes before both files. */
    check_small(small, "", "{\"added_tokens_decoder\":{\"21\":{\"content\":\"" E "\",\"normalized\":true}}}", lower,
                "a<|EndOfText|>b", "20 0 21 1 21");
    check_small(small, "", "{\"added_tokens_decoder\":{\"21\":{\"content\":\"" E "\"}}}", "{\"bos_token\":\"[cls]\"}",
                "a", "20 0 21");
    check_small(small, "", "{\"added_tokens_decoder\":{\"30\":{\"content\":\"xyz\",\"rstrip\":true}}}", NULL, "axyz  b",
                "20 0 30 1 21");
}

static void tokens_around_the_text_need_not_be_the_usual_ones(void **state)
{
    tokenizer *t;
    simile_error err;
    assert_int_equal(
        open_files("{\"a</w>\":0,\"x\":1}", "", "{\"bos_token\":\"x\",\"eos_token\":\"a</w>\"}", NULL, NULL, &t, &err),
        SIMILE_OK);
    assert_int_equal(tokenizer_end_id(t), 0);
    check_ids(t, "a", "1 0 0");
    tokenizer_close(t);
}

/* ---- hostile files ---- */

static void check_refused(const char *vocab_json, const char *merges, const char *config, simile_status status,
                          const char *message)
{
    tokenizer *t;
    simile_error err;
    const simile_status got = open_files(vocab_json, merges, config, NULL, NULL, &t, &err);
    if (!got) tokenizer_close(t);
    assert_int_not_equal(got, SIMILE_OK);
    assert_null(t);
    assert_string_equal(err.message, message);
    assert_int_equal(got, status);
}

static void damaged_vocabularies_are_refused(void **state)
{
    check_refused("{}", "", NULL, SIMILE_E_FORMAT, "cannot read 'd/vocab.json': the vocabulary is empty");
    check_refused("{\"a\":1,\"b\":1}", "", NULL, SIMILE_E_CORRUPT,
                  "cannot read 'd/vocab.json': 'a' and 'b' have the same id 1");
    check_refused("{\"a\":-1}", "", NULL, SIMILE_E_LIMIT,
                  "cannot read 'd/vocab.json': the id of 'a' is not between 0 and 1999999");
    check_refused("{\"a\":2000000}", "", NULL, SIMILE_E_LIMIT,
                  "cannot read 'd/vocab.json': the id of 'a' is not between 0 and 1999999");
    check_refused("{\"a\":9223372036854775807}", "", NULL, SIMILE_E_LIMIT,
                  "cannot read 'd/vocab.json': the id of 'a' is not between 0 and 1999999");
    check_refused("{\"a\":\"1\"}", "", NULL, SIMILE_E_FORMAT,
                  "cannot read 'd/vocab.json': the id of 'a' is not a whole number");
    check_refused("{\"a\":1}", "", NULL, SIMILE_E_CORRUPT,
                  "cannot read 'd/vocab.json': no token '<|endoftext|>' is in the vocabulary");
    check_refused("{\"" E "\":1}", "", NULL, SIMILE_E_CORRUPT,
                  "cannot read 'd/vocab.json': no token '<|startoftext|>' is in the vocabulary");
    check_refused("[1]", "", NULL, SIMILE_E_FORMAT, "cannot read 'd/vocab.json': not a JSON object");
    check_refused("{\"a\":1," SPECIALS "}", "", "{\"eos_token\":5}", SIMILE_E_FORMAT,
                  "cannot read 'd/tokenizer_config.json': \"eos_token\" is neither a string nor an object");
    check_refused("{\"a\":1," SPECIALS "}", "", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"a\"}}}",
                  SIMILE_E_FORMAT, "cannot read 'd/tokenizer_config.json': \"x\" is not the id of a token");
    check_refused("{\"a\":1," SPECIALS "}", "", "{\"added_tokens_decoder\":{\"2\":{\"content\":\"a\"}}}",
                  SIMILE_E_CORRUPT, "cannot read 'd/tokenizer_config.json': 'a' has the ids 1 and 2");
}

static void damaged_merges_are_refused(void **state)
{
    static const char small[] = "{\"a\":1,\"b\":2,\"ab\":3," SPECIALS "}";
    static const char *const pair = "cannot read 'd/merges.txt': line 2 is not two tokens with a space between";
    check_refused(small, "#version: 0.2\na b\nb a\n", NULL, SIMILE_E_CORRUPT,
                  "cannot read 'd/merges.txt': line 3 merges into a token that is not in the vocabulary");
    check_refused(small, "a b\na c\n", NULL, SIMILE_E_CORRUPT,
                  "cannot read 'd/merges.txt': line 2 names a token that is not in the vocabulary");
    check_refused(small, "a b\nab\n", NULL, SIMILE_E_CORRUPT, pair);
    check_refused(small, "a b\na b c\n", NULL, SIMILE_E_CORRUPT, pair);
    check_refused(small, "a b\n a\n", NULL, SIMILE_E_CORRUPT, pair);
    check_refused(small, "a b\n\na b\n", NULL, SIMILE_E_CORRUPT, pair);
}

static void deep_json_is_refused(void **state)
{
    enum { DEPTH = 200000 };
    tokenizer *t;
    simile_error err;
    buf text;
    buf_init(&text, 1 << 24);
    for (int i = 0; i < DEPTH; i++) buf_text(&text, "{\"a\":");
    assert_true(buf_ok(&text));
    assert_int_equal(open_files(NULL, NULL, NULL, NULL, text.data, &t, &err), SIMILE_E_FORMAT);
    assert_int_equal(open_files(text.data, "", NULL, NULL, NULL, &t, &err), SIMILE_E_FORMAT);
    buf_release(&text);
}

/* json-old/tokenizer.json with the first `old` replaced. */
static void check_json_refused(const char *old, const char *new, const char *message)
{
    char *path = fixture("json-old/tokenizer.json"), *json;
    size_t len;
    tokenizer *t;
    simile_error err;
    assert_int_equal(file_read(path, 1 << 20, &json, &len, &err), SIMILE_OK);
    char *at = strstr(json, old);
    assert_non_null(at);
    *at = 0;
    char *changed = mem_printf("%s%s%s", json, new, at + strlen(old));
    const simile_status status = open_files(NULL, NULL, NULL, NULL, changed, &t, &err);
    if (!status) tokenizer_close(t);
    assert_int_not_equal(status, SIMILE_OK);
    assert_string_equal(err.message, message);
    mem_free(changed);
    mem_free(json);
    mem_free(path);
}

#define AT "cannot read 'd/tokenizer.json': "

static void parts_of_another_kind_are_refused_by_name(void **state)
{
    check_json_refused("\"type\":\"BPE\"", "\"type\":\"WordLevel\"", AT "the model 'WordLevel' is not supported");
    check_json_refused("\"type\":\"NFC\"", "\"type\":\"NFKC\"", AT "the normalizer 'NFKC' is not supported");
    check_json_refused("\"type\":\"NFC\"", "\"type\":\"Lowercase\"",
                       AT "the order of normalizers with 'Replace' is not supported");
    check_json_refused("{\"Regex\":\"\\\\s+\"}", "{\"String\":\" \"}",
                       AT "the normalizer 'Replace of anything but \\s+ by a space' is not supported");
    check_json_refused("'s|'t", "'s|'x",
                       AT
                       "the pattern of words ''s|'x|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+' is not "
                       "supported");
    check_json_refused("\"Removed\"", "\"Isolated\"",
                       AT "the pre-tokenizer 'Split with another behavior than inverted Removed' is not supported");
    check_json_refused("\"type\":\"ByteLevel\",\"add_prefix_space\":false", "\"type\":\"Metaspace\"",
                       AT "at its place the pre-tokenizer 'Metaspace' is not supported");
    check_json_refused("\"add_prefix_space\":false,\"trim_offsets\":true", "\"add_prefix_space\":true",
                       AT "the pre-tokenizer 'ByteLevel with add_prefix_space' is not supported");
    check_json_refused("\"type\":\"RobertaProcessing\"", "\"type\":\"ByteLevel\"",
                       AT "no post-processor puts an end token behind the text");
    check_json_refused("\"type\":\"RobertaProcessing\"", "\"type\":\"Odd\"",
                       AT "the post-processor 'Odd' is not supported");
    check_json_refused("\"sep\":[\"<|endoftext|>\",813]", "\"sep\":[\"<|endoftext|>\",814]",
                       AT "a special token around the text is not in the vocabulary");
    check_json_refused("\"byte_fallback\":false", "\"byte_fallback\":true",
                       AT "the model 'BPE with byte_fallback' is not supported");
    check_json_refused("\"ignore_merges\":false", "\"ignore_merges\":true",
                       AT "the model 'BPE with ignore_merges' is not supported");
    check_json_refused("\"dropout\":null", "\"dropout\":0.1", AT "the model 'BPE with dropout' is not supported");
    check_json_refused("\"unk_token\":\"<|endoftext|>\"", "\"unk_token\":\"no\"",
                       AT "its unknown token is not in the vocabulary");
    check_json_refused("\"merges\":[", "\"merges\":[7,", AT "a merge is not a pair of tokens");
    check_json_refused("\"merges\":[", "\"merges\":[\"a !\",",
                       AT "merge 0 merges into a token that is not in the vocabulary");
    check_json_refused("\"added_tokens\":[", "\"added_tokens\":[{\"id\":3,\"content\":\"a\"},",
                       AT "'a' has the ids 64 and 3");
    check_json_refused("\"added_tokens\":[", "\"added_tokens\":[{\"id\":3},", AT "an added token has no content");
    check_json_refused("\"added_tokens\":[", "\"added_tokens\":[{\"content\":\"x\"},", AT "an added token has no id");
    check_json_refused("\"added_tokens\":[", "\"added_tokens\":[3,", AT "an added token is not an object");
}

static void a_folder_without_a_tokenizer_is_named(void **state)
{
    tokenizer *t;
    simile_error err;
    assert_int_equal(tokenizer_open("/nonexistent", &t, &err), SIMILE_E_NOT_FOUND);
    assert_string_equal(
        err.message,
        "cannot open the tokenizer in '/nonexistent': neither tokenizer.json nor vocab.json "
        "and merges.txt nor bpe_simple_vocab_16e6.txt.gz nor vocab.txt nor a SentencePiece model is there");
    assert_null(t);
}

/* ---- merging against the obvious way ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

enum { IDS = 24, RULES = 120 };

typedef struct {
    int32_t left, right, merged;
} rule;

/* The later of two rules for one pair counts. */
static int rank_of(const rule *rules, int32_t left, int32_t right)
{
    for (int i = RULES - 1; i >= 0; i--) {
        if (rules[i].left == left && rules[i].right == right) return i;
    }
    return RULES;
}

static size_t merge_plainly(const rule *rules, int32_t *ids, size_t n)
{
    for (;;) {
        int best = RULES;
        size_t place = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const int rank = rank_of(rules, ids[i], ids[i + 1]);
            if (rank < best) {
                best = rank;
                place = i;
            }
        }
        if (best == RULES) return n;
        ids[place] = rules[best].merged;
        n--;
        memmove(ids + place + 1, ids + place + 2, (n - place - 1) * sizeof *ids);
    }
}

static void words_of_any_length_merge_as_the_plain_algorithm_does(void **state)
{
    uint32_t seed = 5;
    rule rules[RULES];
    bpe *b = bpe_new();
    assert_non_null(b);
    for (int i = 0; i < RULES; i++) {
        /* A merged id above both halves, as in a vocabulary, so that merging ends and no two rules agree by chance. */
        rules[i] = (rule){(int32_t)(next_random(&seed) % IDS) + (i > 40 ? i - 20 : 0),
                          (int32_t)(next_random(&seed) % IDS), IDS + i};
        assert_int_equal(bpe_add(b, rules[i].left, rules[i].right, rules[i].merged, NULL), SIMILE_OK);
    }
    for (size_t round = 0; round < 600; round++) {
        int32_t ids[300], plain[300];
        size_t n = 1 + next_random(&seed) % (round % 2 ? 300 : 60);
        for (size_t i = 0; i < n; i++) ids[i] = plain[i] = (int32_t)(next_random(&seed) % (1 + round % IDS));
        const size_t expected = merge_plainly(rules, plain, n);
        assert_int_equal(bpe_merge(b, ids, &n, NULL), SIMILE_OK);
        assert_int_equal(n, expected);
        assert_memory_equal(ids, plain, n * sizeof *ids);
    }
    bpe_free(b);
}

/* ---- short memory ---- */

static void open_and_encode(const char *folder, bool *done)
{
    static const char text[] =
        "e\u0301 \xff <|endoftext|> aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    tokenizer *t = NULL;
    simile_error err = {0};
    token_list out = {0};
    simile_status status = tokenizer_open(folder, &t, &err);
    if (!status) status = tokenizer_encode(t, text, sizeof text - 1, 1000, &out, &err);
    *done = !status;
    if (status) {
        assert_int_equal(status, SIMILE_E_NOMEM);
        assert_null(out.ids);
    }
    mem_free(out.ids);
    tokenizer_close(t);
}

static void each_failing_allocation_is_reported(void **state)
{
    static const char *const forms[] = {"vocab", "json-new"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *folder = fixture(forms[i]);
        bool done = false;
        for (long n = 1; !done && n < 5000; n++) {
            mem_fault_after(n, true);
            open_and_encode(folder, &done);
            done = done && !mem_fault_hit();
            mem_fault_after(0, false);
        }
        assert_true(done);
        mem_free(folder);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_equal_the_reference_in_every_form_of_the_files),
        cmocka_unit_test(special_tokens_in_the_text_equal_the_reference),
        cmocka_unit_test(bytes_without_a_token_are_unknown),
        cmocka_unit_test(facts_come_from_the_files),
        cmocka_unit_test(a_longer_text_loses_its_end_but_not_the_end_token),
        cmocka_unit_test(impossible_arguments_are_refused),
        cmocka_unit_test(merges_go_by_rank_not_by_position),
        cmocka_unit_test(special_tokens_come_from_the_small_files),
        cmocka_unit_test(tokens_around_the_text_need_not_be_the_usual_ones),
        cmocka_unit_test(damaged_vocabularies_are_refused),
        cmocka_unit_test(damaged_merges_are_refused),
        cmocka_unit_test(deep_json_is_refused),
        cmocka_unit_test(parts_of_another_kind_are_refused_by_name),
        cmocka_unit_test(a_folder_without_a_tokenizer_is_named),
        cmocka_unit_test(words_of_any_length_merge_as_the_plain_algorithm_does),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    if (argc > 1) root = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
