/* SPDX-License-Identifier: Apache-2.0
 * test_safetensors.c - the table reader against well-formed, odd and hostile files. The cases are those that the
 * reference reader's own tests name, and the rules of its README. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/weights.h"

#include <stdio.h>
#include <unistd.h>

/* A file: 8 bytes of length (of the header unless told otherwise), the header, `data` zero bytes. */
static simile_status read_file(uint64_t length, const char *header, size_t data, weight_table *out, simile_error *err)
{
    const size_t n = strlen(header);
    uint8_t *bytes = mem_zero(8 + n + data);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(length >> (8 * i));
    memcpy(bytes + 8, header, n);
    const simile_status status = safetensors_read(bytes, 8 + n + data, "x", out, err);
    mem_free(bytes);
    return status;
}

static void expect_error(const char *header, size_t data, simile_status wanted, const char *part)
{
    weight_table t;
    simile_error err = {0};
    assert_int_equal(read_file(strlen(header), header, data, &t, &err), wanted);
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
    assert_int_equal(t.n, 0);
    assert_null(t.entries);
    assert_int_equal(read_file(strlen(header), header, data, &t, NULL), wanted);
}

static void expect_ok(const char *header, size_t data, size_t tensors)
{
    weight_table t;
    simile_error err = {0};
    if (read_file(strlen(header), header, data, &t, &err)) fail_msg("refused: %s", err.message);
    assert_int_equal(t.n, tensors);
    weight_table_release(&t);
}

static void reads_a_plain_file(void **state)
{
    static const char header[] = "{\"test\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
    assert_int_equal(strlen(header), 60 - 0);
    expect_ok(header, 16, 1);
    expect_ok("{}", 0, 0);
    expect_ok("{}      ", 0, 0);
    expect_ok(" \n{\"a\":{\"shape\":[],\"data_offsets\":[0,4],\"dtype\":\"F32\"}}  ", 4, 1);
    expect_ok("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}}", 0, 1);
    expect_ok("{\"__metadata__\":{\"format\":\"pt\",\"k\":\"\\u00e9\"},\"a\":{\"dtype\":\"BF16\",\"shape\":[3],"
              "\"data_offsets\":[0,6]}}",
              6, 1);
    expect_ok("{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, 1);
}

static void sorts_by_name_and_places_by_offset(void **state)
{
    weight_table t;
    static const char header[] = "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                 "\"a\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[4,8]}}";
    uint8_t bytes[8 + sizeof header - 1 + 8] = {sizeof header - 1};
    memcpy(bytes + 8, header, sizeof header - 1);
    assert_int_equal(safetensors_read(bytes, sizeof bytes, "x", &t, NULL), SIMILE_OK);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.entries[0].name, "a");
    assert_ptr_equal(t.entries[0].tensor.data, bytes + sizeof bytes - 4);
    assert_int_equal(t.entries[0].tensor.dtype, NN_F16);
    assert_int_equal(t.entries[0].tensor.rank, 2);
    assert_int_equal(t.entries[0].tensor.dim[0], 2);
    assert_string_equal(t.entries[1].name, "b");
    weight_table_release(&t);
}

static void refuses_wrong_lengths(void **state)
{
    weight_table t;
    simile_error err;
    static const uint8_t zeros[8];
    assert_int_equal(safetensors_read(zeros, 0, "x", &t, &err), SIMILE_E_FORMAT);
    assert_int_equal(safetensors_read(zeros, 7, "x", &t, &err), SIMILE_E_FORMAT);
    assert_int_equal(safetensors_read(zeros, 8, "x", &t, &err), SIMILE_E_FORMAT); /* empty header: no JSON */
    assert_int_equal(read_file(UINT64_MAX, "{}", 0, &t, &err), SIMILE_E_LIMIT);
    assert_int_equal(read_file(100000001, "{}", 0, &t, &err), SIMILE_E_LIMIT);
    assert_int_equal(read_file(100000000, "{}", 0, &t, &err), SIMILE_E_CORRUPT);
    assert_int_equal(read_file(3, "{}", 0, &t, &err), SIMILE_E_CORRUPT);
    assert_int_equal(read_file(1, "\xff", 0, &t, &err), SIMILE_E_FORMAT);
    assert_int_equal(read_file(1, "{", 0, &t, &err), SIMILE_E_FORMAT);
}

#define ENTRY(name, dtype, shape, range)                                                                               \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" range "}"

static void refuses_ranges_that_do_not_tile(void **state)
{
    expect_error("{" ENTRY("a", "I32", "[2,2]", "[0,16]") "}", 17, SIMILE_E_CORRUPT, "follow the last");
    expect_error("{" ENTRY("a", "I32", "[2,2]", "[0,16]") "}", 14, SIMILE_E_CORRUPT, "beyond the end");
    expect_error("{" ENTRY("a", "I32", "[2,2]", "[0,4]") "}", 16, SIMILE_E_CORRUPT, "does not match");
    expect_error("{" ENTRY("a", "I32", "[1]", "[4,0]") "}", 4, SIMILE_E_CORRUPT, "does not match");
    expect_error("{" ENTRY("a", "I32", "[1]", "[4,8]") "}", 8, SIMILE_E_CORRUPT, "hole");
    expect_error("{" ENTRY("a", "I32", "[1]", "[0,4]") "," ENTRY("b", "I32", "[1]", "[2,6]") "}", 6, SIMILE_E_CORRUPT,
                 "overlaps");
    expect_error("{" ENTRY("a", "I32", "[1]", "[0,4]") "," ENTRY("b", "I32", "[1]", "[0,4]") "}", 4, SIMILE_E_CORRUPT,
                 "overlaps");
    expect_error("{}", 1, SIMILE_E_CORRUPT, "follow the last");
    expect_error("{" ENTRY("a", "F4", "[3]", "[0,1]") "}", 1, SIMILE_E_CORRUPT, "end on a byte");
}

static void refuses_sizes_that_overflow(void **state)
{
    expect_error("{" ENTRY("a", "I32", "[2,18446744073709551614]", "[0,16]") "}", 16, SIMILE_E_FORMAT, "too large");
    expect_error("{" ENTRY("a", "F16", "[2,9223372036854775807]", "[0,16]") "}", 16, SIMILE_E_CORRUPT, "overflows");
    expect_error("{" ENTRY("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, SIMILE_E_CORRUPT, "overflows");
    expect_error("{" ENTRY("a", "F32", "[99999999999999999999999]", "[0,0]") "}", 0, SIMILE_E_FORMAT, "too large");
    expect_error("{" ENTRY("a", "F32", "[1]", "[0,99999999999999999999]") "}", 4, SIMILE_E_FORMAT, "too large");
    expect_error("{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, SIMILE_E_FORMAT, "8 dimensions");
}

static void refuses_json_of_another_shape(void **state)
{
    static const char *const headers[] = {
        "[]",
        "{\"a\":1}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}",
        "{" ENTRY("a", "F32", "[-1]", "[0,4]") "}",
        "{" ENTRY("a", "F32", "[1.0]", "[0,4]") "}",
        "{" ENTRY("a", "F32", "[1e0]", "[0,4]") "}",
        "{" ENTRY("a", "F32", "[01]", "[0,4]") "}",
        "{" ENTRY("a", "F32", "1", "[0,4]") "}",
        "{" ENTRY("a", "F32", "[1]", "[0]") "}",
        "{" ENTRY("a", "F32", "[1]", "[0,4,8]") "}",
        "{" ENTRY("a", "f32", "[1]", "[0,4]") "}",
        "{" ENTRY("a", "F32F32F32F32F32", "[1]", "[0,4]") "}",
        "{" ENTRY("a", "F32", "[1]", "[0,4]") ",}",
        "{" ENTRY("a", "F32", "[1]", "[0,4]") "}x",
        "{" ENTRY("a", "F32", "[1]", "[0,4]") "}{}",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}",
        "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":[]}",
        "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"a\\u0000b\":{}}",
        "{\"\\ud800\":{}}",
        "{\"a\x01\":{}}",
        "{\"a",
        "{\"a\":{\"dtype\":\"F32",
        "nul",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        weight_table t;
        if (!read_file(strlen(headers[i]), headers[i], 4, &t, NULL)) fail_msg("accepted: %s", headers[i]);
    }
}

static void refuses_a_name_twice(void **state)
{
    expect_error("{" ENTRY("a", "I32", "[1]", "[0,4]") "," ENTRY("a", "I32", "[1]", "[4,8]") "}", 8, SIMILE_E_CORRUPT,
                 "stands twice");
    expect_error("{" ENTRY("a", "I32", "[0]", "[0,0]") "," ENTRY("\\u0061", "I32", "[0]", "[0,0]") "}", 0,
                 SIMILE_E_CORRUPT, "stands twice");
}

/* Lengths that begin as other formats do: "PK", the 0x80 of a pickle, the "<" of a web page. */
static void is_told_from_other_formats(void **state)
{
    static const size_t lengths[] = {'P' | 'K' << 8, 0x0280, 0x0480, '<'};
    char path[] = "/tmp/simile-safetensors-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}";
        const size_t len = 8 + lengths[i] + 4;
        char *bytes = mem_zero(len);
        weights *w;
        simile_error err;
        bytes[0] = (char)lengths[i];
        bytes[1] = (char)(lengths[i] >> 8);
        memset(bytes + 8, ' ', lengths[i]);
        memcpy(bytes + 8, header, sizeof header - 1);
        assert_int_equal(file_replace(path, bytes, len, NULL), SIMILE_OK);
        if (weights_open(path, &w, &err)) fail_msg("%s", err.message);
        assert_int_equal(weights_kind(w), WEIGHTS_SAFETENSORS);
        weights_close(w);
        mem_free(bytes);
    }
    unlink(path);
}

static void survives_short_memory(void **state)
{
    static const char header[] = "{" ENTRY("a", "I32", "[1]", "[0,4]") "," ENTRY("b", "I32", "[1]", "[4,8]") "}";
    bool done = false;
    for (long n = 2; !done; n++) { /* the first allocation is the test's own */
        weight_table t;
        mem_fault_after(n, true);
        const simile_status status = read_file(strlen(header), header, 8, &t, NULL);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
        done = !hit;
        if (done) weight_table_release(&t);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_plain_file),          cmocka_unit_test(sorts_by_name_and_places_by_offset),
        cmocka_unit_test(refuses_wrong_lengths),       cmocka_unit_test(refuses_ranges_that_do_not_tile),
        cmocka_unit_test(refuses_sizes_that_overflow), cmocka_unit_test(refuses_json_of_another_shape),
        cmocka_unit_test(refuses_a_name_twice),        cmocka_unit_test(is_told_from_other_formats),
        cmocka_unit_test(survives_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
