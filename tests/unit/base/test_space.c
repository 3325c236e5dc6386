/* SPDX-License-Identifier: Apache-2.0
 * test_space.c - what simile.json may say, what it may not, and that writing it takes away nothing of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/space.h"

#include <stdio.h>
#include <unistd.h>

static simile_error err;
static char folder[64], file[96];

#define DIGEST_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/simile-space-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/" SPACE_FILE, folder);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(file);
    return rmdir(folder);
}

static void put(const char *text)
{
    if (file_replace(file, text, strlen(text), &err)) fail_msg("%s", err.message);
}

static void assert_content(const char *wanted)
{
    char *text;
    size_t len;
    if (file_read(file, 1 << 20, &text, &len, &err)) fail_msg("%s", err.message);
    assert_string_equal(text, wanted);
    mem_free(text);
}

static space_claims parse(const char *json)
{
    space_claims claims;
    if (space_parse(json, strlen(json), "x", &claims, &err)) fail_msg("%s: %s", json, err.message);
    return claims;
}

static void names_are_words_and_no_digests(void **state)
{
    static const char *const good[] = {"a", "openai/clip-vit-base-patch32", "x.y_z+1@2-3", DIGEST_A "0"};
    static const char *const bad[] = {"", " ", "a b", "a\nb", "\xc3\xa9", "\"", "a\\b", DIGEST_A};
    char longest[SPACE_WORD + 1];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(space_is_name(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(space_is_name(bad[i]));
    memset(longest, 'x', sizeof longest);
    longest[SPACE_WORD] = 0;
    assert_false(space_is_name(longest));
    longest[SPACE_WORD - 1] = 0;
    assert_true(space_is_name(longest));
}

static void a_declaration_is_read(void **state)
{
    space_claims c =
        parse("{\"embedding_space\": {\"name\": \"a/b\", \"compatible_with\": [\"" DIGEST_A "\", \"c/d\"]}}");
    assert_string_equal(c.name, "a/b");
    assert_int_equal(c.n, 2);
    assert_string_equal(c.beside[0], DIGEST_A);
    assert_string_equal(c.beside[1], "c/d");
    assert_true(space_belongs(&c, "", "a/b"));
    assert_true(space_belongs(&c, "", "c/d"));
    assert_true(space_belongs(&c, DIGEST_A, ""));
    assert_false(space_belongs(&c, "", ""));
    assert_false(space_belongs(&c, "", "a"));
    assert_false(space_belongs(&c, "ff" DIGEST_A, "b"));
    static const char *const empty[] = {"{}", "{\"other\": [1, {}]}", "{\"embedding_space\": {}}",
                                        "{\"embedding_space\": {\"compatible_with\": []}}"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        c = parse(empty[i]);
        assert_int_equal(c.n, 0);
        assert_string_equal(c.name, "");
        assert_false(space_belongs(&c, "", ""));
    }
}

static void what_is_no_declaration_is_refused(void **state)
{
    static const char *const bad[][2] = {
        {"", "not JSON"},
        {"[]", "not a JSON object"},
        {"{\"embedding_space\": {}} x", "not JSON"},
        {"{\"embedding_space\": []}", "\"embedding_space\" is not an object"},
        {"{\"embedding_space\": \"a\"}", "\"embedding_space\" is not an object"},
        {"{\"embedding_space\": {}, \"embedding_space\": {}}", "not JSON: duplicate"},
        {"{\"embedding_space\": {\"name\": 1}}", "\"name\" is not a string"},
        {"{\"embedding_space\": {\"name\": \"\"}}", "cannot be the name of a space"},
        {"{\"embedding_space\": {\"name\": \"a b\"}}", "'a b' cannot be the name of a space"},
        {"{\"embedding_space\": {\"name\": \"" DIGEST_A "\"}}", "cannot be the name of a space"},
        {"{\"embedding_space\": {\"compatible_with\": \"a\"}}", "\"compatible_with\" is not a list"},
        {"{\"embedding_space\": {\"compatible_with\": null}}", "\"compatible_with\" is not a list"},
        {"{\"embedding_space\": {\"compatible_with\": [1]}}", "is no name or digest"},
        {"{\"embedding_space\": {\"compatible_with\": [\"a\", \"\"]}}", "is no name or digest"},
        {"{\"embedding_space\": {\"compatible_with\": [\"\\u001b[2J\"]}}", "is no name or digest"},
        {"{\"embedding_space\": {\"compatible\": []}}", "\"compatible\" is no part of a space"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        space_claims c;
        assert_int_equal(space_parse(bad[i][0], strlen(bad[i][0]), "x", &c, &err), SIMILE_E_FORMAT);
        if (!strstr(err.message, bad[i][1])) fail_msg("%s: %s", bad[i][0], err.message);
        assert_memory_equal(err.message, "cannot read 'x': ", 17);
    }
}

static void there_is_room_for_so_many(void **state)
{
    space_claims c = {0};
    char word[16], json[4096] = "{\"embedding_space\": {\"compatible_with\": [\"x\"";
    for (int i = 0; i < SPACE_MAX_CLAIMS; i++) {
        snprintf(word, sizeof word, "m%d", i);
        assert_int_equal(space_add(&c, word, "x", &err), SIMILE_OK);
        snprintf(json + strlen(json), sizeof json - strlen(json), ",\"%s\"", word);
    }
    assert_int_equal(space_add(&c, "m0", "x", &err), SIMILE_OK); /* it is there */
    assert_int_equal(space_add(&c, "one-more", "x", &err), SIMILE_E_LIMIT);
    assert_int_equal(space_add(&c, "no word", "x", &err), SIMILE_E_ARG);
    assert_int_equal(c.n, SPACE_MAX_CLAIMS);
    strcat(json, "]}}");
    space_claims read;
    assert_int_equal(space_parse(json, strlen(json), "x", &read, &err), SIMILE_E_LIMIT);
    assert_true(space_remove(&c, "m1"));
    assert_false(space_remove(&c, "m1"));
    assert_string_equal(c.beside[1], "m2");
    assert_string_equal(c.beside[SPACE_MAX_CLAIMS - 2], "m63");
    assert_int_equal(space_add(&c, "one-more", "x", &err), SIMILE_OK);
}

static void a_file_is_made_changed_and_taken_away(void **state)
{
    space_claims c, empty = {0};
    assert_int_equal(space_read(folder, &c, &err), SIMILE_OK);
    assert_int_equal(c.n, 0);
    assert_int_equal(space_write(folder, &empty, &err), SIMILE_OK);
    assert_false(file_exists(file));
    assert_int_equal(space_add(&c, "a/b", "x", &err), SIMILE_OK);
    assert_int_equal(space_write(folder, &c, &err), SIMILE_OK);
    assert_content("{\n \"embedding_space\": {\n  \"compatible_with\": [\n   \"a/b\"\n  ]\n }\n}\n");
    snprintf(c.name, sizeof c.name, "me");
    assert_true(space_remove(&c, "a/b"));
    assert_int_equal(space_write(folder, &c, &err), SIMILE_OK);
    assert_content("{\n \"embedding_space\": {\n  \"name\": \"me\"\n }\n}\n");
    assert_int_equal(space_read(folder, &c, &err), SIMILE_OK);
    assert_string_equal(c.name, "me");
    assert_int_equal(space_write(folder, &empty, &err), SIMILE_OK);
    assert_false(file_exists(file));
}

static void what_others_wrote_stays(void **state)
{
    space_claims c = {.name = "me"}, empty = {0};
    put("{\"z\": [1, 2.5, null], \"embedding_space\": {\"name\": \"old\"}, \"a\": \"\xc3\xa9\"}");
    assert_int_equal(space_write(folder, &c, &err), SIMILE_OK);
    assert_content("{\n \"z\": [\n  1,\n  2.5,\n  null\n ],\n \"embedding_space\": {\n  \"name\": \"me\"\n },\n "
                   "\"a\": \"\xc3\xa9\"\n}\n");
    assert_int_equal(space_write(folder, &empty, &err), SIMILE_OK);
    assert_content("{\n \"z\": [\n  1,\n  2.5,\n  null\n ],\n \"a\": \"\xc3\xa9\"\n}\n");
    put("{\"z\": ");
    assert_int_equal(space_write(folder, &c, &err), SIMILE_E_FORMAT);
    assert_content("{\"z\": ");
}

static void large_files_are_neither_read_nor_written(void **state)
{
    space_claims c = {.name = "me"}, read;
    char *text = mem_printf("{\"z\": \"%*s\"}", SPACE_MAX_FILE, "");
    put(text);
    assert_int_equal(space_read(folder, &read, &err), SIMILE_E_LIMIT);
    mem_free(text);
    text = mem_printf("{\"z\": \"%*s\"}", SPACE_MAX_FILE - 20, "");
    put(text);
    assert_int_equal(space_write(folder, &c, &err), SIMILE_E_LIMIT);
    assert_content(text);
    mem_free(text);
}

static void a_declaration_is_text_too(void **state)
{
    space_claims c = {.name = "me"}, empty = {0};
    char *text;
    size_t len;
    put("{\"z\": 1, \"embedding_space\": {\"name\": \"old\"}}");
    assert_int_equal(space_text(folder, &c, &text, &len, &err), SIMILE_OK);
    assert_int_equal(len, strlen("{\n \"z\": 1,\n \"embedding_space\": {\n  \"name\": \"me\"\n }\n}\n"));
    assert_memory_equal(text, "{\n \"z\": 1,\n \"embedding_space\": {\n  \"name\": \"me\"\n }\n}\n", len);
    mem_free(text);
    assert_int_equal(space_text(NULL, &c, &text, &len, &err), SIMILE_OK);
    assert_memory_equal(text, "{\n \"embedding_space\": {\n  \"name\": \"me\"\n }\n}\n", len);
    mem_free(text);
    assert_int_equal(space_text(NULL, &empty, &text, &len, &err), SIMILE_OK);
    assert_null(text);
    assert_content("{\"z\": 1, \"embedding_space\": {\"name\": \"old\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_words_and_no_digests),
        cmocka_unit_test(a_declaration_is_read),
        cmocka_unit_test(what_is_no_declaration_is_refused),
        cmocka_unit_test(there_is_room_for_so_many),
        cmocka_unit_test_setup_teardown(a_file_is_made_changed_and_taken_away, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_others_wrote_stays, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_declaration_is_text_too, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(large_files_are_neither_read_nor_written, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
