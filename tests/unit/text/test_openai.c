/* SPDX-License-Identifier: Apache-2.0
 * test_openai.c - a CLIP tokenizer from OpenAI's file of merges, and from tokens alone: ids equal to the reference
 * library's, what is refused, short memory. Fixtures: tools/fixtures/text_fixtures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "pairs.h"
#include "text/gunzip.h"
#include "text/kind.h"

#include <stdio.h>
#include <zlib.h>

static const char *root = ".";

static char *fixture(const char *name)
{
    char *path = mem_printf("%s/tests/fixtures/text/%s", root, name);
    assert_non_null(path);
    return path;
}

/* The bytes of a file, which its path names in messages: both go with release(). */
static text_file read_file(char *path)
{
    text_file file = {.path = path};
    simile_error err;
    if (file_read(path, 1 << 24, &file.data, &file.len, &err)) fail_msg("%s", err.message);
    return file;
}

static text_file packed_fixture(void)
{
    return read_file(fixture("openai/bpe_simple_vocab_16e6.txt.gz"));
}

static void release(text_file *file)
{
    mem_free((char *)(uintptr_t)file->path);
    mem_free(file->data);
}

static simile_status open_bytes(const char *path, const char *data, size_t len, tokenizer **out, simile_error *err)
{
    /* A copy of exactly that size, so that a read behind its end is seen. */
    tokenizer_files files = {.directory = "d", .clip_merges = {path, mem_alloc(len), len}};
    assert_non_null(files.clip_merges.data);
    memcpy(files.clip_merges.data, data, len);
    const simile_status status = tokenizer_from_files(&files, out, err);
    mem_free(files.clip_merges.data);
    return status;
}

static tokenizer *open_file(const text_file *file)
{
    tokenizer *t;
    simile_error err;
    if (open_bytes(file->path, file->data, file->len, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static void check_fixture(tokenizer *t)
{
    char *texts = fixture("texts.txt"), *ids = fixture("ids.txt");
    pair_report r;
    if (pairs_compare(t, texts, ids, &r)) fail_msg("%s", r.detail);
    if (r.first_bad) fail_msg("line %zu: %s", r.first_bad, r.detail);
    assert_true(r.lines > 300);
    assert_string_equal(tokenizer_kind(t), "clip-bpe");
    assert_int_equal(tokenizer_vocab_size(t), 814);
    assert_int_equal(tokenizer_end_id(t), 813);
    mem_free(texts);
    mem_free(ids);
}

/* ---- merges ---- */

static void ids_of_the_packed_file_equal_the_reference(void **state)
{
    tokenizer *t, *other;
    simile_error err;
    char *folder = fixture("openai"), *usual = fixture("vocab");
    if (tokenizer_open(folder, &t, &err)) fail_msg("%s", err.message);
    if (tokenizer_open(usual, &other, &err)) fail_msg("%s", err.message);
    check_fixture(t);
    for (int32_t id = 0; id < 814; id++) assert_string_equal(tokenizer_piece(t, id), tokenizer_piece(other, id));
    tokenizer_close(t);
    tokenizer_close(other);
    mem_free(folder);
    mem_free(usual);
}

static void the_unpacked_file_is_the_same(void **state)
{
    text_file packed = packed_fixture();
    buf plain;
    simile_error err;
    buf_init(&plain, 1 << 20);
    if (gunzip(packed.data, packed.len, packed.path, &plain, &err)) fail_msg("%s", err.message);
    tokenizer *t;
    if (open_bytes("d/x.txt", plain.data, plain.len, &t, &err)) fail_msg("%s", err.message);
    check_fixture(t);
    tokenizer_close(t);
    buf_release(&plain);
    release(&packed);
}

static void check_refused(const char *data, size_t len, simile_status status, const char *why)
{
    tokenizer *t;
    simile_error err;
    const simile_status got = open_bytes("d/x", data, len, &t, &err);
    if (!got) tokenizer_close(t);
    assert_int_not_equal(got, SIMILE_OK);
    assert_null(t);
    char *message = mem_printf("cannot read 'd/x': %s", why);
    assert_string_equal(err.message, message);
    mem_free(message);
    assert_int_equal(got, status);
}

#define HEAD "\"bpe_simple_vocab_16e6.txt#version: 0.2\n"

static void check_lines_refused(const char *text, simile_status status, const char *why)
{
    check_refused(text, strlen(text), status, why);
}

static void damaged_lines_are_refused(void **state)
{
    static const char heading[] = "its first line is not the heading of CLIP's merges";
    check_lines_refused("a b\n", SIMILE_E_FORMAT, heading);
    check_lines_refused("<html>\n#version\n", SIMILE_E_FORMAT, heading);
    check_lines_refused("\n" HEAD, SIMILE_E_FORMAT, heading);
    check_lines_refused(HEAD "a b\nabc d\n", SIMILE_E_CORRUPT, "line 3 names a token that is not in the vocabulary");
    check_lines_refused(HEAD "a b\nab\n", SIMILE_E_CORRUPT, "line 3 is not two tokens with a space between");
    check_lines_refused(HEAD "a b\n\na c\n", SIMILE_E_CORRUPT, "line 3 is not two tokens with a space between");
    check_lines_refused(HEAD "a b\na b\n", SIMILE_E_CORRUPT, "line 3 makes a token that is there already");
    check_lines_refused(HEAD "a b\nab c\nb c\na bc\n", SIMILE_E_CORRUPT, "line 5 makes a token that is there already");
}

static void only_the_merges_that_openai_uses_count(void **state)
{
    buf text;
    tokenizer *t;
    simile_error err;
    buf_init(&text, 1 << 24);
    buf_text(&text, HEAD);
    /* Tokens of three letters, of which there are enough; then lines that nobody may read. */
    size_t n = 0;
    for (int a = 0; a < 94 && n < 48894; a++) {
        for (int b = 0; b < 94 && n < 48894; b++, n++) buf_printf(&text, "%c %c\n", 0x21 + a, 0x21 + b);
        for (int b = 0; b < 94 && n < 48894; b++)
            for (int c = 0; c < 6 && n < 48894; c++, n++) buf_printf(&text, "%c%c %c\n", 0x21 + a, 0x21 + b, 0x21 + c);
    }
    assert_int_equal(n, 48894);
    buf_text(&text, "this is no merge\n");
    assert_true(buf_ok(&text));
    if (open_bytes("d/x", text.data, text.len, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(tokenizer_vocab_size(t), 49408);
    assert_int_equal(tokenizer_end_id(t), 49407);
    assert_string_equal(tokenizer_piece(t, 49406), "<|startoftext|>");
    tokenizer_close(t);
    buf_release(&text);
}

/* ---- the packing ---- */

static void damaged_packings_are_refused(void **state)
{
    text_file packed = packed_fixture();
    const size_t n = packed.len;
    buf longer;
    buf_init(&longer, n + 1);
    buf_append(&longer, packed.data, n);
    buf_byte(&longer, 'x');
    check_refused(longer.data, n + 1, SIMILE_E_CORRUPT, "something stands behind the packed file");
    for (size_t cut = 2; cut < n; cut += cut < 20 || cut > n - 12 ? 1 : 37)
        check_refused(packed.data, cut, SIMILE_E_CORRUPT, "the packed file is cut short");
    for (size_t at = n - 8; at < n; at++) { /* its checksum, its length */
        longer.data[at] ^= 1;
        check_refused(longer.data, n, SIMILE_E_CORRUPT, "the packed file is damaged");
        longer.data[at] ^= 1;
    }
    longer.data[2] = 7; /* another method */
    check_refused(longer.data, n, SIMILE_E_CORRUPT, "the packed file is damaged");
    buf_release(&longer);
    release(&packed);
}

/* Zeros, packed a thousandfold. */
static void a_bomb_is_refused(void **state)
{
    enum { BLOCK = 1 << 20, BLOCKS = 64, ROOM = 1 << 18 };
    uint8_t *zeros = mem_zero(BLOCK), *packed = mem_alloc(ROOM);
    z_stream z = {0};
    assert_non_null(zeros);
    assert_non_null(packed);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = packed;
    z.avail_out = ROOM;
    for (int i = 0; i < BLOCKS; i++) {
        z.next_in = zeros;
        z.avail_in = BLOCK;
        const int result = deflate(&z, i + 1 < BLOCKS ? Z_NO_FLUSH : Z_FINISH);
        assert_int_equal(result, i + 1 < BLOCKS ? Z_OK : Z_STREAM_END);
    }
    check_refused((char *)packed, ROOM - z.avail_out, SIMILE_E_LIMIT, "unpacked it has more than 16 MB");
    deflateEnd(&z);
    mem_free(zeros);
    mem_free(packed);
}

/* ---- tokens ---- */

static tokenizer *from_tokens_of(const tokenizer *t)
{
    tokenizer *out;
    simile_error err;
    if (pairs_from_tokens(t, &out, &err)) fail_msg("%s", err.message);
    return out;
}

static void ids_from_tokens_alone_equal_the_reference(void **state)
{
    text_file packed = packed_fixture();
    tokenizer *t = open_file(&packed), *other = from_tokens_of(t);
    tokenizer_close(t);
    check_fixture(other);
    tokenizer_close(other);
    release(&packed);
}

/* ---- writing ---- */

static tokenizer *written(const tokenizer *t)
{
    tokenizer *out;
    simile_error err;
    buf pieces, merges;
    buf_init(&pieces, 1 << 24);
    buf_init(&merges, 1 << 24);
    if (tokenizer_write(t, &pieces, &merges, &err)) fail_msg("%s", err.message);
    const tokenizer_files files = {.directory = "d",
                                   .vocab_json = {"d/vocab.json", pieces.data, pieces.len},
                                   .merges_txt = {"d/merges.txt", merges.data, merges.len}};
    if (tokenizer_from_files(&files, &out, &err)) fail_msg("%s", err.message);
    buf_release(&pieces);
    buf_release(&merges);
    return out;
}

static void what_was_written_is_the_same(void **state)
{
    text_file packed = packed_fixture();
    tokenizer *t = open_file(&packed), *other = from_tokens_of(t), *again = written(other);
    check_fixture(again);
    tokenizer_close(again);
    again = written(t);
    check_fixture(again);
    for (int32_t id = 0; id < 814; id++) assert_string_equal(tokenizer_piece(t, id), tokenizer_piece(again, id));
    tokenizer_close(again);
    tokenizer_close(other);
    tokenizer_close(t);
    release(&packed);
}

#define S "<|startoftext|>"
#define E "<|endoftext|>"

/* The tokens stand between spaces. */
static simile_status open_words(const char *words, tokenizer **out, simile_error *err)
{
    token_text tokens[32];
    size_t n = 0;
    for (const char *at = words; *at; n++) {
        const char *end = strchrnul(at, ' ');
        assert_true(n < 32);
        tokens[n] = (token_text){at, (size_t)(end - at)};
        at = *end ? end + 1 : end;
    }
    return tokenizer_from_tokens(tokens, n, "x.gguf", out, err);
}

static void check_words(const char *words, const char *text, const int32_t *ids, size_t n)
{
    tokenizer *t;
    simile_error err;
    token_list list;
    if (open_words(words, &t, &err)) fail_msg("%s", err.message);
    assert_int_equal(tokenizer_encode(t, text, strlen(text), 77, &list, NULL), SIMILE_OK);
    assert_int_equal(list.n, n);
    assert_memory_equal(list.ids, ids, n * sizeof *ids);
    mem_free(list.ids);
    tokenizer_close(t);
}

static void merges_follow_from_tokens(void **state)
{
    /* "abc" is ab + c where ab is the older one of ab and bc, and a + bc where bc is. */
    check_words("a b c d c</w> ab bc abc " S " " E, "abc", (const int32_t[]){8, 5, 4, 9}, 4);
    check_words("a b c d d</w> ab bc abc " S " " E, "abcd", (const int32_t[]){8, 7, 4, 9}, 4);
    check_words("a b c d d</w> bc ab abc " S " " E, "abcd", (const int32_t[]){8, 7, 4, 9}, 4);
    check_words("a b c d d</w> bc ab cd</w> abc " S " " E, "abcd abd", (const int32_t[]){9, 8, 4, 6, 4, 10}, 6);
    /* The end of a word belongs to its last character; bytes without a token count as the end of the text. */
    check_words("a a</w> aa aa</w> aaaa</w> " S " " E, "aaaa aaa z", (const int32_t[]){5, 4, 2, 1, 6, 6}, 6);
}

static void check_words_refused(const char *words, simile_status status, const char *message)
{
    tokenizer *t;
    simile_error err;
    assert_int_equal(open_words(words, &t, &err), status);
    assert_null(t);
    assert_string_equal(err.message, message);
}

#define AT "cannot read 'x.gguf': "

static void tokens_of_something_else_are_refused(void **state)
{
    check_words_refused("", SIMILE_E_UNSUPPORTED, AT "its tokens are not those of a CLIP");
    check_words_refused("a b " S, SIMILE_E_UNSUPPORTED, AT "its tokens are not those of a CLIP");
    check_words_refused("a b abc ab c " S " " E, SIMILE_E_UNSUPPORTED,
                        AT "no merge of the tokens before it makes its token 'abc'");
    check_words_refused("a ab " S " " E, SIMILE_E_UNSUPPORTED,
                        AT "no merge of the tokens before it makes its token 'ab'");
    check_words_refused("a " S " " E " <pad>", SIMILE_E_UNSUPPORTED,
                        AT "no merge of the tokens before it makes its token '<pad>'");
    check_words_refused("a b a " S " " E, SIMILE_E_CORRUPT, AT "'a' has the ids 0 and 2");
    check_words_refused("a  b " S " " E, SIMILE_E_CORRUPT, AT "its token 1 is no text");
    const token_text nul = {"a\0b", 3};
    tokenizer *t;
    simile_error err;
    assert_int_equal(tokenizer_from_tokens(&nul, 1, "x", &t, &err), SIMILE_E_CORRUPT);
}

static void check_not_written(const tokenizer *t)
{
    simile_error err = {0};
    buf pieces, merges;
    buf_init(&pieces, 1 << 20);
    buf_init(&merges, 1 << 20);
    assert_int_equal(tokenizer_write(t, &pieces, &merges, &err), SIMILE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "is not written"));
    buf_release(&pieces);
    buf_release(&merges);
}

/* A line of merges.txt could not hold it, or would be passed over; or it is another kind of tokenizer. */
static void what_no_file_can_say_is_not_written(void **state)
{
    static const char *const pairs[][2] = {{"a", "\t"}, {"a", "\r"}, {"\n", "b"}, {"a", "\xff"}};
    tokenizer *t;
    for (size_t i = 0; i < 4; i++) {
        char both[8];
        const size_t a = strlen(pairs[i][0]), b = strlen(pairs[i][1]);
        memcpy(both, pairs[i][0], a);
        memcpy(both + a, pairs[i][1], b);
        const token_text tokens[] = {{pairs[i][0], a}, {pairs[i][1], b}, {both, a + b}, {S, strlen(S)}, {E, strlen(E)}};
        assert_int_equal(tokenizer_from_tokens(tokens, 5, "x", &t, NULL), SIMILE_OK);
        check_not_written(t);
        tokenizer_close(t);
    }
    char *folder = fixture("wordpiece-cased");
    simile_error err;
    if (tokenizer_open(folder, &t, &err)) fail_msg("%s", err.message);
    check_not_written(t);
    tokenizer_close(t);
    mem_free(folder);
}

/* ---- short memory ---- */

static simile_status open_either(const text_file *packed, bool tokens, tokenizer **out, simile_error *err)
{
    if (tokens) return open_words("a b c c</w> ab abc " S " " E, out, err);
    const tokenizer_files files = {.directory = "d", .clip_merges = *packed};
    return tokenizer_from_files(&files, out, err);
}

static void each_failing_allocation_is_reported(void **state)
{
    text_file packed = packed_fixture();
    for (int tokens = 0; tokens < 2; tokens++) {
        bool done = false;
        for (long n = 1; !done && n < 5000; n++) {
            tokenizer *t;
            simile_error err;
            mem_fault_after(n, true);
            const simile_status status = open_either(&packed, tokens, &t, &err);
            done = !mem_fault_hit();
            mem_fault_after(0, false);
            assert_int_equal(status, done ? SIMILE_OK : SIMILE_E_NOMEM);
            tokenizer_close(t);
        }
        assert_true(done);
    }
    release(&packed);
}

/* ---- OpenAI's vocabulary, where it lies beside the repository ---- */

/* Digest over the ids of all lines; *lines counts them. */
static uint64_t digest_file(const tokenizer *t, char *path, size_t *lines)
{
    uint64_t hash = 0xcbf29ce484222325u;
    text_file file = read_file(path);
    const char *end, *behind = file.data + file.len;
    *lines = 0;
    for (char *at = file.data; at < behind && (end = memchr(at, '\n', (size_t)(behind - at))); at += end - at + 1) {
        token_list ids;
        assert_int_equal(tokenizer_encode(t, at, (size_t)(end - at), 1u << 20, &ids, NULL), SIMILE_OK);
        for (size_t i = 0; i < ids.n; i++) hash = (hash ^ (uint64_t)ids.ids[i]) * 0x100000001b3u;
        mem_free(ids.ids);
        ++*lines;
    }
    release(&file);
    return hash;
}

static void check_captions(const tokenizer *t, const char *data)
{
    char *list = fixture("captions.txt"), name[64];
    FILE *f = fopen(list, "r");
    unsigned long long expected;
    size_t lines, n, files = 0;
    token_list ids;
    assert_non_null(f);
    assert_int_equal(tokenizer_encode(t, "two dogs in the snow", 20, 77, &ids, NULL), SIMILE_OK);
    assert_memory_equal(ids.ids, ((const int32_t[]){49406, 1237, 3255, 530, 518, 2583, 49407}), 7 * sizeof(int32_t));
    while (fscanf(f, "%llx %zu %63s", &expected, &n, name) == 3) {
        if (digest_file(t, mem_printf("%s/captions/xtd10/%s", data, name), &lines) != expected)
            fail_msg("the ids of %s differ", name);
        assert_int_equal(lines, n);
        files++;
    }
    assert_int_equal(files, 11);
    fclose(f);
    mem_free(ids.ids);
    mem_free(list);
}

static void captions_in_eleven_languages_equal_the_reference(void **state)
{
    char *data = path_join(root, "../shared/data"), *path = path_join(data, "vocab/bpe_simple_vocab_16e6.txt.gz");
    if (!file_exists(path)) {
        print_message("skipped: no '%s'\n", path);
        mem_free(path);
    } else {
        text_file packed = read_file(path);
        tokenizer *t = open_file(&packed), *other = from_tokens_of(t), *again = written(other);
        check_captions(t, data);
        check_captions(other, data);
        check_captions(again, data);
        tokenizer_close(again);
        tokenizer_close(t);
        tokenizer_close(other);
        release(&packed);
    }
    mem_free(data);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_the_packed_file_equal_the_reference),
        cmocka_unit_test(the_unpacked_file_is_the_same),
        cmocka_unit_test(damaged_lines_are_refused),
        cmocka_unit_test(only_the_merges_that_openai_uses_count),
        cmocka_unit_test(damaged_packings_are_refused),
        cmocka_unit_test(a_bomb_is_refused),
        cmocka_unit_test(ids_from_tokens_alone_equal_the_reference),
        cmocka_unit_test(merges_follow_from_tokens),
        cmocka_unit_test(what_was_written_is_the_same),
        cmocka_unit_test(what_no_file_can_say_is_not_written),
        cmocka_unit_test(tokens_of_something_else_are_refused),
        cmocka_unit_test(each_failing_allocation_is_reported),
        cmocka_unit_test(captions_in_eleven_languages_equal_the_reference),
    };
    if (argc > 1) root = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
