/* SPDX-License-Identifier: Apache-2.0
 * test_tensor.c - sizes, names and the widening of stored numbers. */
#include "help.h"

static void sizes_and_names(void **state)
{
    assert_int_equal(nn_dtype_size(NN_F32), 4);
    assert_int_equal(nn_dtype_size(NN_F16), 2);
    assert_int_equal(nn_dtype_size(NN_BF16), 2);
    assert_int_equal(nn_dtype_size(NN_I64), 8);
    assert_string_equal(nn_dtype_name(NN_F32), "F32");
    assert_string_equal(nn_dtype_name(NN_F16), "F16");
    assert_string_equal(nn_dtype_name(NN_BF16), "BF16");
    assert_string_equal(nn_dtype_name(NN_I64), "I64");
    const nn_tensor t = {.rank = 3, .dim = {2, 3, 5}}, scalar = {.rank = 0}, empty = {.rank = 2, .dim = {4, 0}};
    assert_int_equal(nn_tensor_count(&t), 30);
    assert_int_equal(nn_tensor_count(&scalar), 1);
    assert_int_equal(nn_tensor_count(&empty), 0);
}

static double half_value(uint16_t half)
{
    const int sign = half & 0x8000 ? -1 : 1, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return fraction ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static void every_half_is_exact(void **state)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t half = (uint16_t)h;
        const nn_tensor t = {.data = &half, .dtype = NN_F16, .rank = 1, .dim = {1}};
        float got;
        nn_tensor_to_f32(&t, 0, 1, &got);
        const double want = half_value(half);
        if (isnan(want))
            assert_true(isnan(got));
        else
            assert_true((double)got == want && !signbit(got) == !signbit(want));
    }
}

static void upper_half_of_a_float_is_bfloat16(void **state)
{
    const uint16_t stored[] = {0x0000, 0x8000, 0x3f80, 0xc000, 0x7f80, 0x0001, 0x4049};
    const float want[] = {0, -0.0f, 1, -2, INFINITY, 0x1p-133f, 3.140625f};
    const nn_tensor t = {.data = stored, .dtype = NN_BF16, .rank = 1, .dim = {7}};
    float got[7];
    nn_tensor_to_f32(&t, 0, 7, got);
    assert_memory_equal(got, want, sizeof want);
}

static void any_byte_may_be_the_first(void **state)
{
    uint8_t bytes[64];
    const float values[] = {1.5f, -2.25f, 1e-30f};
    const int64_t integers[] = {-3, 1 << 20, 7};
    for (int shift = 0; shift < 8; shift++) {
        float got[2];
        memcpy(bytes + shift, values, sizeof values);
        const nn_tensor f = {.data = bytes + shift, .dtype = NN_F32, .rank = 1, .dim = {3}};
        nn_tensor_to_f32(&f, 1, 2, got);
        assert_memory_equal(got, values + 1, sizeof got);
        memcpy(bytes + shift, integers, sizeof integers);
        const nn_tensor i = {.data = bytes + shift, .dtype = NN_I64, .rank = 1, .dim = {3}};
        nn_tensor_to_f32(&i, 0, 2, got);
        assert_true(got[0] == -3.0f && got[1] == 1048576.0f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_names),
        cmocka_unit_test(every_half_is_exact),
        cmocka_unit_test(upper_half_of_a_float_is_bfloat16),
        cmocka_unit_test(any_byte_may_be_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
