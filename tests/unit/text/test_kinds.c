/* SPDX-License-Identifier: Apache-2.0
 * test_kinds.c - the tokenizers of src/text other than CLIP's: ids equal to the reference libraries', the published
 * vectors, hostile files, short memory. Fixtures: tools/fixtures/kinds_fixtures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "pairs.h"
#include "text/kind.h"
#include "text/tokenizer.h"

#include <stdio.h>

static const char *root = ".";

static char *fixture(const char *name, const char *suffix)
{
    char *path = mem_printf("%s/tests/fixtures/text/%s%s", root, name, suffix);
    assert_non_null(path);
    return path;
}

static tokenizer *open_fixture(const char *name)
{
    tokenizer *t;
    simile_error err;
    char *path = fixture(name, "");
    if (tokenizer_open(path, &t, &err)) fail_msg("%s", err.message);
    mem_free(path);
    return t;
}

static void check_pairs(const char *name, const char *kind)
{
    tokenizer *t = open_fixture(name);
    char *texts = fixture("kinds-texts.txt", ""), *ids = fixture(name, "-ids.txt");
    pair_report r;
    assert_string_equal(tokenizer_kind(t), kind);
    if (pairs_compare(t, texts, ids, &r)) fail_msg("%s", r.detail);
    if (r.first_bad) fail_msg("%s, line %zu: %s", name, r.first_bad, r.detail);
    assert_true(r.lines > 300);
    mem_free(texts);
    mem_free(ids);
    tokenizer_close(t);
}

static void check_ids(const tokenizer *t, const char *text, const char *expected)
{
    char got[512] = "";
    token_list out;
    simile_error err;
    if (tokenizer_encode(t, text, strlen(text), 200, &out, &err)) fail_msg("%s", err.message);
    for (size_t i = 0, n = 0; i < out.n && n < sizeof got; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, i ? " %d" : "%d", (int)out.ids[i]);
    assert_string_equal(got, expected);
    mem_free(out.ids);
}

/* ---- files in memory ---- */

typedef struct {
    const char *json, *vocab_txt, *config, *map;
} small_files;

static void put(text_file *file, const char *path, const char *text)
{
    *file = (text_file){.path = path};
    if (!text) return;
    file->data = mem_strdup(text);
    file->len = strlen(text);
    assert_non_null(file->data);
}

static simile_status open_small(small_files from, tokenizer **out, simile_error *err)
{
    tokenizer_files files = {.directory = "d"};
    put(&files.tokenizer_json, "d/tokenizer.json", from.json);
    put(&files.vocab_txt, "d/vocab.txt", from.vocab_txt);
    put(&files.tokenizer_config, "d/tokenizer_config.json", from.config);
    put(&files.special_tokens_map, "d/special_tokens_map.json", from.map);
    const simile_status status = tokenizer_from_files(&files, out, err);
    mem_free(files.tokenizer_json.data);
    mem_free(files.vocab_txt.data);
    mem_free(files.tokenizer_config.data);
    mem_free(files.special_tokens_map.data);
    return status;
}

static tokenizer *small(small_files from)
{
    tokenizer *t;
    simile_error err;
    if (open_small(from, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static void check_refused(small_files from, simile_status status, const char *message)
{
    tokenizer *t;
    simile_error err;
    const simile_status got = open_small(from, &t, &err);
    if (!got) tokenizer_close(t);
    assert_int_not_equal(got, SIMILE_OK);
    assert_null(t);
    assert_string_equal(err.message, message);
    assert_int_equal(got, status);
}

/* ---- WordPiece ---- */

static void wordpiece_ids_equal_the_reference(void **state)
{
    check_pairs("wordpiece-cased", "wordpiece");
    check_pairs("wordpiece-uncased", "wordpiece");
    check_pairs("wordpiece-json", "wordpiece");
}

/* The vocabularies of the tests of transformers and of google-research/bert. */
#define WANT "[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\nwant\n##want\n##ed\nwa\nun\nrunn\n##ing\n,\nlow\nlowest\n"
#define LL                                                                                                             \
    "[UNK]\n[CLS]\n[SEP]\na\n'\nll\n!\nto\n?\nd\nof\n,\ncan\nt\n."                                                     \
    "\nhello\nhow\nare\nyou\nh\u00e9llo\nHeLLo\nAre\nyoU\n"

static void published_wordpiece_vectors_hold(void **state)
{
    tokenizer *t = small((small_files){.vocab_txt = WANT});
    check_ids(t, "UNwant\u00e9d,running", "1 9 6 7 12 10 11 2");
    check_ids(t, "unwanted running", "1 9 6 7 10 11 2");
    check_ids(t, "unwantedX running", "1 0 10 11 2");
    check_ids(t, "", "1 2");
    check_ids(t, "low lowest [MASK]", "1 13 14 4 2");
    check_ids(t, "\u200e\u200f\u00ad", "1 2");
    tokenizer_close(t);

    t = small((small_files){.vocab_txt = LL});
    check_ids(t, "a\n'll !!to?'d of, can't.", "1 3 4 5 6 6 7 8 4 9 10 11 12 4 13 14 2");
    check_ids(t, " \tHeLLo!how  \n Are yoU?  ", "1 15 6 16 17 18 8 2");
    check_ids(t, "H\u00e9llo", "1 15 2");
    tokenizer_close(t);

    t = small((small_files){.vocab_txt = LL, .config = "{\"strip_accents\":false}"});
    check_ids(t, "H\u00e9llo", "1 19 2");
    tokenizer_close(t);

    t = small((small_files){.vocab_txt = LL, .config = "{\"do_lower_case\":false,\"strip_accents\":null}"});
    check_ids(t, " \tHeLLo!how  \n Are yoU?  ", "1 20 6 16 21 22 8 2");
    check_ids(t, "h\u00e9llo", "1 19 2");
    tokenizer_close(t);

    t = small((small_files){.vocab_txt = "[UNK]\n[CLS]\n[SEP]\nah\n\u535a\n\u63a8\nzz\n##\u535a\n"});
    check_ids(t, "ah\u535a\u63a8zz", "1 3 4 5 6 2");
    tokenizer_close(t);
    t = small((small_files){.vocab_txt = "[UNK]\n[CLS]\n[SEP]\nah\n\u535a\n\u63a8\nzz\n##\u535a\n##\u63a8\n##zz\n",
                            .config = "{\"tokenize_chinese_chars\":false}"});
    check_ids(t, "ah\u535a\u63a8zz", "1 3 7 8 9 2");
    tokenizer_close(t);

    t = small((small_files){
        .vocab_txt = "[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\n,\nna\n##\u00ef\n##ve\nAllen\n##NL\n##P\nsentence\n.\n",
        .config = "{\"do_lower_case\":false}"});
    check_ids(t, "A, na\u00efve [MASK] AllenNLP sentence.", "1 4 5 6 7 8 3 9 10 11 12 13 2");
    tokenizer_close(t);
}

/* The lines of the Chinese vocabulary that the sentences below need; the others stay empty and keep their numbers. */
static const struct {
    const char *piece;
    int id;
} chinese[] = {
    {"[PAD]", 0},     {"[UNK]", 100},   {"[CLS]", 101},   {"[SEP]", 102},   {"[MASK]", 103},  {"!", 106},
    {",", 117},       {"\u2028", 342},  {"\u4e00", 671},  {"\u4e0a", 677},  {"\u4e24", 697},  {"\u4f26", 840},
    {"\u53ea", 1372}, {"\u5728", 1762}, {"\u5730", 1765}, {"\u591c", 1915}, {"\u5b50", 2094}, {"\u5c0f", 2207},
    {"\u624b", 2797}, {"\u6566", 3142}, {"\u665a", 3241}, {"\u6709", 3300}, {"\u673a", 3322}, {"\u6761", 3340},
    {"\u684c", 3430}, {"\u706b", 4125}, {"\u72d7", 4318}, {"\u732b", 4344}, {"\u7684", 4638}, {"\u91cc", 7027},
    {"\u96ea", 7434}, {"\u9f99", 7987}, {"iphone", 8210}, {"cafe", 8377},   {"world", 8572},  {"##13", 8679},
    {"hello", 8701},
};

/* Before anything else, but not in the names of special tokens; a chain that lowers already stays as it is. */
static void texts_can_be_lowered_first(void **state)
{
    tokenizer *t = small((small_files){.vocab_txt = "[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n\u00e9\n\u00c9\n",
                                       .config = "{\"do_lower_case\":false}"});
    check_ids(t, "AB \u00c9 [MASK] [mask]", "1 0 6 3 0 0 0 2");
    assert_int_equal(tokenizer_lower_case(t, NULL), 0);
    check_ids(t, "AB \u00c9 [MASK] [mask]", "1 4 5 3 0 0 0 2");
    assert_int_equal(tokenizer_lower_case(t, NULL), 0);
    check_ids(t, "aB \u00e9", "1 4 5 2");
    tokenizer_close(t);
    t = small((small_files){.vocab_txt = LL});
    assert_int_equal(tokenizer_lower_case(t, NULL), 0);
    check_ids(t, " \tHeLLo!how  \n Are yoU?  ", "1 15 6 16 17 18 8 2");
    tokenizer_close(t);
}

static void published_chinese_vectors_hold(void **state)
{
    buf lines;
    buf_init(&lines, 1 << 20);
    int id = 0;
    for (size_t i = 0; i < sizeof chinese / sizeof *chinese; i++) {
        for (; id < chinese[i].id; id++) buf_byte(&lines, '\n');
        buf_printf(&lines, "%s\n", chinese[i].piece);
        id++;
    }
    tokenizer *t = small((small_files){.vocab_txt = lines.data});
    buf_release(&lines);
    check_ids(t, "\u5728\u96ea\u5730\u91cc\u6709\u4e24\u6761\u72d7", "101 1762 7434 1765 7027 3300 697 3340 4318 102");
    check_ids(t, "\u4e00\u53ea\u732b\u5728\u684c\u5b50\u4e0a", "101 671 1372 4344 1762 3430 2094 677 102");
    check_ids(t, "\u591c\u665a\u7684\u4f26\u6566", "101 1915 3241 4638 840 3142 102");
    check_ids(t, "\u5c0f\u706b\u9f99", "101 2207 4125 7987 102");
    check_ids(t, "Hello, World!", "101 8701 117 8572 106 102");
    check_ids(t, "\u4e00\u53ea iPhone13 \u624b\u673a", "101 671 1372 8210 8679 2797 3322 102");
    check_ids(t, "caf\u00e9", "101 8377 102");
    check_ids(t, "\U0001f600", "101 100 102");
    assert_int_equal(tokenizer_end_id(t), 102);
    assert_int_equal(tokenizer_vocab_size(t), 8702);
    tokenizer_close(t);
}

static void special_tokens_come_from_the_small_files(void **state)
{
    static const char lines[] = "<u>\n<c>\n<s>\na\n##b\n";
    tokenizer *t = small((small_files){.vocab_txt = lines,
                                       .config = "{\"unk_token\":\"<u>\",\"cls_token\":{\"content\":\"<c>\"}}",
                                       .map = "{\"sep_token\":\"<s>\",\"unk_token\":\"[UNK]\"}"});
    check_ids(t, "ab z <s>a<c>", "1 3 4 0 2 3 1 2");
    tokenizer_close(t);
    t = small((small_files){.vocab_txt = "[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n##b"});
    check_ids(t, "ab", "1 3 4 2");
    tokenizer_close(t);
}

#define AT "cannot read 'd/vocab.txt': "

static void damaged_line_vocabularies_are_refused(void **state)
{
    check_refused((small_files){.vocab_txt = "a\nb\n"}, SIMILE_E_FORMAT,
                  AT "its unknown token '[UNK]' is not in the vocabulary");
    check_refused((small_files){.vocab_txt = "[UNK]\n[SEP]\n"}, SIMILE_E_CORRUPT,
                  AT "no token '[CLS]' is in the vocabulary");
    check_refused((small_files){.vocab_txt = "[UNK]\na\na\n"}, SIMILE_E_CORRUPT, AT "'a' has the ids 1 and 2");
    check_refused((small_files){.vocab_txt = "[UNK]\n\xff\n"}, SIMILE_E_FORMAT, AT "line 2 is not a text");
    check_refused((small_files){.vocab_txt = WANT, .config = "{\"do_lower_case\":3}"}, SIMILE_E_FORMAT,
                  "cannot read 'd/tokenizer_config.json': \"do_lower_case\" is not true or false");
    check_refused((small_files){.vocab_txt = WANT, .config = "{\"unk_token\":3}"}, SIMILE_E_FORMAT,
                  "cannot read 'd/tokenizer_config.json': \"unk_token\" is neither a string nor an object");
}

#undef AT
#define AT     "cannot read 'd/tokenizer.json': "
#define PIECES "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":{\"[UNK]\":0,\"a\":1}"
#define CUT    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"

static void other_parts_of_wordpiece_are_refused_by_name(void **state)
{
    check_refused((small_files){.json = "{\"model\":" PIECES "}}"}, SIMILE_E_UNSUPPORTED,
                  AT "the pre-tokenizer 'null' is not supported");
    check_refused((small_files){.json = "{" CUT ",\"normalizer\":{\"type\":\"NFKD\"},\"model\":" PIECES "}}"},
                  SIMILE_E_UNSUPPORTED, AT "the normalizer 'NFKD' is not supported");
    check_refused((small_files){.json = "{" CUT ",\"post_processor\":{\"type\":\"X\"},\"model\":" PIECES "}}"},
                  SIMILE_E_UNSUPPORTED, AT "the post-processor 'X' is not supported");
    check_refused((small_files){.json = "{" CUT ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a|b\"},"
                                        "\"content\":\"\"},\"model\":" PIECES "}}"},
                  SIMILE_E_UNSUPPORTED, AT "the normalizer 'a|b' is not supported");
    check_refused((small_files){.json = "{" CUT ",\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":1}}}"},
                  SIMILE_E_FORMAT, AT "its unknown token '[UNK]' is not in the vocabulary");
    check_refused((small_files){.json = "{" CUT ",\"model\":" PIECES ",\"merges\":[}}}"}, SIMILE_E_FORMAT,
                  AT "not JSON: unexpected token near '}' at byte 130"); /* merges that nobody reads */
    tokenizer_close(small((small_files){.json = "{" CUT ",\"model\":" PIECES ",\"merges\":[]}}"}));
    tokenizer *t = small((small_files){.json = "{" CUT ",\"model\":" PIECES "}}"});
    check_ids(t, "a b a", "1 0 1");
    tokenizer_close(t);
}

#undef AT

/* ---- SentencePiece ---- */

static void unigram_ids_equal_the_reference(void **state)
{
    static const char *const names[] = {"unigram-xlmr",       "unigram-siglip",       "unigram-marian",
                                        "unigram-bytes-xlmr", "unigram-bytes-siglip", "unigram-bytes-marian",
                                        "unigram-json-0",     "unigram-json-1",       "unigram-json-2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_pairs(names[i], "sentencepiece-unigram");
}

static void gemma_ids_equal_the_reference(void **state)
{
    check_pairs("gemma", "sentencepiece-bpe");
    check_pairs("gemma-old", "sentencepiece-bpe");
}

#define GEMMA                                                                                                          \
    "\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":\"<unk>\",\"merges\":[\"a "               \
    "b\"],\"vocab\":"                                                                                                  \
    "{\"<pad>\":0,\"<eos>\":1,\"<bos>\":2,\"<unk>\":3,\"a\":4,\"b\":5,\"ab\":6,\"\u2581\":7,\"<0xC3>\":8,\"<0xA9>\":"  \
    "9}"

static void gemma_text_is_lower_cased_and_ends_with_eos(void **state)
{
    tokenizer *t = small((small_files){
        .json = "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"},"
                "\"added_tokens\":[{\"id\":1,\"content\":\"<eos>\",\"special\":true}],\"model\":{" GEMMA "}}"});
    check_ids(t, "AB a\u00c9zyb", "6 7 4 8 9 3 5 1");
    check_ids(t, "  <eos>", "7 7 1 1");
    check_ids(t, "", "1");
    tokenizer_close(t);
    check_refused((small_files){.json = "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{" GEMMA "}}"},
                  SIMILE_E_UNSUPPORTED,
                  "cannot read 'd/tokenizer.json': the pre-tokenizer 'ByteLevel' is not supported");
    check_refused((small_files){.json = "{\"model\":{\"dropout\":0.1," GEMMA "}}"}, SIMILE_E_UNSUPPORTED,
                  "cannot read 'd/tokenizer.json': the model 'BPE with dropout' is not supported");
}

/* Texts are merged part by part where no merge reaches over the front of a U+2581, and only there. */
static void gemma_merges_reach_over_a_space_where_the_file_says_so(void **state)
{
#define SPACED(merges)                                                                                                 \
    "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"},"                    \
    "\"added_tokens\":[{\"id\":1,\"content\":\"<eos>\",\"special\":true}],\"model\":{\"type\":\"BPE\","                \
    "\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"merges\":[" merges                                               \
    "],\"vocab\":{\"<unk>\":0,\"<eos>\":1,\"a\":2,"                                                                    \
    "\"b\":3,\"\u2581\":4,\"\u2581b\":5,\"a\u2581b\":6,\"\u2581\u2581\":7,\"ab\":8}}}"
    tokenizer *t = small((small_files){.json = SPACED("\"\u2581 b\",\"\u2581 \u2581\",\"a b\"")});
    check_ids(t, "a b  ab b", "2 5 7 8 5 1");
    tokenizer_close(t);
    t = small((small_files){.json = SPACED("\"\u2581 b\",\"a \u2581b\",\"\u2581 \u2581\",\"a b\"")});
    check_ids(t, "a b  ab a b", "6 7 8 4 6 1");
    tokenizer_close(t);
#undef SPACED
}

/* A model file in memory. */
typedef struct {
    char data[4096];
    size_t len;
} model_bytes;

static void put_bytes(model_bytes *m, const void *bytes, size_t len)
{
    assert_true(m->len + len <= sizeof m->data);
    memcpy(m->data + m->len, bytes, len);
    m->len += len;
}

static void put_piece(model_bytes *m, const char *piece, float score, char type)
{
    const char n = (char)strlen(piece), head[] = {0x0a, (char)(n + 9), 0x0a, n}, tail[] = {0x18, type};
    put_bytes(m, head, 4);
    put_bytes(m, piece, strlen(piece));
    put_bytes(m, "\x15", 1);
    put_bytes(m, &score, 4);
    put_bytes(m, tail, 2);
}

static simile_status open_model(const char *path, const char *bytes, size_t len, const char *config, tokenizer **out,
                                simile_error *err)
{
    tokenizer_files files = {.directory = "d", .spm = {.path = path, .data = mem_alloc(len), .len = len}};
    assert_non_null(files.spm.data);
    memcpy(files.spm.data, bytes, len);
    put(&files.tokenizer_config, "d/tokenizer_config.json", config);
    const simile_status status = tokenizer_from_files(&files, out, err);
    mem_free(files.spm.data);
    mem_free(files.tokenizer_config.data);
    return status;
}

static model_bytes small_model(void)
{
    model_bytes m = {.len = 0};
    put_piece(&m, "<unk>", 0, 2);
    put_piece(&m, "<s>", 0, 3);
    put_piece(&m, "</s>", 0, 3);
    put_piece(&m, "\u2581a", -1, 1);
    put_piece(&m, "b", -2, 1);
    put_piece(&m, "ab", -5, 1);
    put_piece(&m, "\u2581", -3, 1);
    put_piece(&m, "xy", 0, 4);
    put_piece(&m, "c", -9, 5);
    return m;
}

static void ids_are_those_of_the_family(void **state)
{
    tokenizer *t;
    simile_error err;
    const model_bytes m = small_model();
    if (open_model("d/sentencepiece.bpe.model", m.data, m.len, NULL, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(tokenizer_vocab_size(t), 11);
    assert_string_equal(tokenizer_piece(t, 10), "<mask>");
    assert_string_equal(tokenizer_piece(t, 4), "\u2581a");
    check_ids(t, "ab  a", "0 4 5 4 2");
    check_ids(t, "bqq", "0 7 5 3 2");
    check_ids(t, "xyc", "0 7 8 3 2");
    check_ids(t, "", "0 2");
    check_ids(t, "  ", "0 2");
    tokenizer_close(t);
    if (open_model("d/spiece.model", m.data, m.len, "{\"tokenizer_class\":\"SiglipTokenizer\"}", &t, &err))
        fail_msg("%s", err.message);
    check_ids(t, " A-B.\tA!", "3 4 3 2");
    check_ids(t, "AB</S>", "3 4 0 2");
    tokenizer_close(t);
}

static void check_model_refused(const char *path, const char *bytes, size_t len, const char *config,
                                const char *message)
{
    tokenizer *t;
    simile_error err;
    assert_int_not_equal(open_model(path, bytes, len, config, &t, &err), SIMILE_OK);
    assert_null(t);
    assert_string_equal(err.message, message);
}

#define PATH "d/spiece.model"
#define AT   "cannot read 'd/spiece.model': "

static void damaged_models_are_refused(void **state)
{
    model_bytes m = small_model();
    check_model_refused(PATH, m.data, m.len - 1, NULL, AT "not a SentencePiece model, or damaged");
    check_model_refused(PATH, "\x0b", 1, NULL, AT "not a SentencePiece model, or damaged");
    check_model_refused(PATH, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, NULL,
                        AT "not a SentencePiece model, or damaged");
    check_model_refused(PATH, m.data, 16, NULL, AT "no token '</s>' is in the vocabulary");
    check_model_refused(PATH, m.data + 16, m.len - 16, NULL, AT "it has 0 unknown pieces, not one");
    check_model_refused(PATH, m.data, m.len, "{\"tokenizer_class\":\"T5Tokenizer\"}",
                        "cannot read 'd/tokenizer_config.json': a tokenizer of class 'T5Tokenizer' is not supported");
    check_model_refused("d/source.spm", m.data, m.len, NULL,
                        "cannot open the tokenizer in 'd': source.spm is there, vocab.json is not");
    put_piece(&m, "b", 0, 1);
    check_model_refused(PATH, m.data, m.len, NULL, AT "'b' has the ids 4 and 9");
    m = small_model();
    put_piece(&m, "\xff", 0, 1);
    check_model_refused(PATH, m.data, m.len, NULL, AT "piece 9 is not a text");
    m = small_model();
    put_bytes(&m, "\x12\x02\x18\x02", 4);
    check_model_refused(PATH, m.data, m.len, NULL, AT "a model of type 2 is not supported");
    m = small_model();
    put_bytes(&m, "\x12\x03\x98\x02\x01", 5);
    check_model_refused(PATH, m.data, m.len, NULL, AT "it has 0 of 256 bytes to fall back to");
    m = small_model();
    put_bytes(&m, "\x1a\x08\x12\x06\x04\x00\x00\x00zz", 10);
    check_model_refused(PATH, m.data, m.len, NULL, AT "its precompiled map of characters is damaged");
}

#undef AT

/* ---- short memory ---- */

static void open_and_encode(const char *folder, bool *done)
{
    static const char text[] = "Na\u00efve \xff [MASK] dogs\u3000\u2460 "
                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                               "\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea\u96ea";
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

/* ---- cleaning before all else ---- */

static void check_same_ids(const tokenizer *a, const char *text_a, const tokenizer *b, const char *text_b)
{
    token_list of_a, of_b;
    assert_int_equal(tokenizer_encode(a, text_a, strlen(text_a), 50, &of_a, NULL), 0);
    assert_int_equal(tokenizer_encode(b, text_b, strlen(text_b), 50, &of_b, NULL), 0);
    assert_int_equal(of_a.n, of_b.n);
    assert_memory_equal(of_a.ids, of_b.ids, of_a.n * sizeof *of_a.ids);
    mem_free(of_a.ids);
    mem_free(of_b.ids);
}

static void texts_are_cleaned_as_open_clip_does(void **state)
{
    static const struct {
        tokenizer_cleaning how;
        const char *clean;
    } ways[] = {{TOKENIZER_CLEAN_SPACES, "A_b-</s>! C"},
                {TOKENIZER_CLEAN_LOWER, "a_b-</s>! c"},
                {TOKENIZER_CLEAN_CANONICAL, "a bs c"}};
    tokenizer *plain = open_fixture("unigram-json-0");
    for (size_t i = 0; i < 3; i++) {
        tokenizer *t = open_fixture("unigram-json-0");
        assert_int_equal(tokenizer_clean_first(t, ways[i].how, NULL), 0);
        check_same_ids(t, "  A_b-</s>!\t\xe3\x80\x80 C\n", plain, ways[i].clean);
        check_same_ids(t, "", plain, "");
        tokenizer_close(t);
    }
    assert_int_equal(tokenizer_find(plain, "</s>"), 2);
    assert_int_equal(tokenizer_find(plain, "no such piece"), -1);
    tokenizer_close(plain);
}

static void short_memory_leaves_a_tokenizer_as_it_was(void **state)
{
    tokenizer *t = open_fixture("unigram-json-0");
    simile_status status = SIMILE_E_NOMEM;
    for (long n = 1; status; n++) {
        mem_fault_after(n, true);
        status = tokenizer_clean_first(t, TOKENIZER_CLEAN_CANONICAL, NULL);
        mem_fault_after(0, false);
        assert_true(!status || status == SIMILE_E_NOMEM);
        assert_true(n < 100);
    }
    tokenizer_close(t);
}

static void each_failing_allocation_is_reported(void **state)
{
    static const char *const forms[] = {"wordpiece-uncased", "wordpiece-json", "unigram-siglip",
                                        "unigram-marian",    "unigram-json-2", "gemma"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *folder = fixture(forms[i], "");
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
        cmocka_unit_test(wordpiece_ids_equal_the_reference),
        cmocka_unit_test(published_wordpiece_vectors_hold),
        cmocka_unit_test(texts_can_be_lowered_first),
        cmocka_unit_test(published_chinese_vectors_hold),
        cmocka_unit_test(special_tokens_come_from_the_small_files),
        cmocka_unit_test(damaged_line_vocabularies_are_refused),
        cmocka_unit_test(other_parts_of_wordpiece_are_refused_by_name),
        cmocka_unit_test(unigram_ids_equal_the_reference),
        cmocka_unit_test(gemma_ids_equal_the_reference),
        cmocka_unit_test(gemma_text_is_lower_cased_and_ends_with_eos),
        cmocka_unit_test(gemma_merges_reach_over_a_space_where_the_file_says_so),
        cmocka_unit_test(ids_are_those_of_the_family),
        cmocka_unit_test(damaged_models_are_refused),
        cmocka_unit_test(texts_are_cleaned_as_open_clip_does),
        cmocka_unit_test(short_memory_leaves_a_tokenizer_as_it_was),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    if (argc > 1) root = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
