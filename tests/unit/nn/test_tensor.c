/* SPDX-License-Identifier: Apache-2.0
 * test_tensor.c - sizes, names, the widening of stored numbers and the way back. */
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

/* What becomes of one number. */
static void narrows(nn_dtype dtype, float value, uint16_t wanted, nn_narrowing what)
{
    uint8_t bytes[3];
    uint16_t got;
    const nn_narrowing became = nn_tensor_from_f32(dtype, &value, 1, bytes + 1);
    memcpy(&got, bytes + 1, sizeof got);
    if (got != wanted || became != what)
        fail_msg("%s of %a: %04x (%d), not %04x (%d)", nn_dtype_name(dtype), (double)value, got, became, wanted, what);
}

/* Each stored number, the middle between it and the next one, and what lies at either side of the middle. */
static void narrows_around(nn_dtype dtype, uint16_t low, float value, float next)
{
    const float middle = value + (next - value) / 2;
    const uint16_t even = (uint16_t)(low + (low & 1));
    for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
        const float s = sign ? -1 : 1;
        narrows(dtype, s * value, (uint16_t)(sign | low), NN_EXACT);
        narrows(dtype, s * middle, (uint16_t)(sign | even), NN_ROUNDED);
        narrows(dtype, s * nextafterf(middle, 0), (uint16_t)(sign | low), NN_ROUNDED);
        narrows(dtype, s * nextafterf(middle, INFINITY), (uint16_t)(sign | (low + 1u)), NN_ROUNDED);
    }
}

static void narrowing_goes_to_the_nearest_or_to_even(void **state)
{
    for (uint16_t h = 0; h < 0x7bff; h++)
        narrows_around(NN_F16, h, (float)half_value(h), (float)half_value((uint16_t)(h + 1)));
    for (uint16_t h = 0; h < 0x7f7f; h++) {
        float pair[2];
        const uint16_t stored[2] = {h, (uint16_t)(h + 1)};
        const nn_tensor t = {.data = stored, .dtype = NN_BF16, .rank = 1, .dim = {2}};
        nn_tensor_to_f32(&t, 0, 2, pair);
        narrows_around(NN_BF16, h, pair[0], pair[1]);
    }
}

static void narrowing_tells_what_it_did(void **state)
{
    float in[] = {1, 2, 3}, out[3];
    assert_int_equal(nn_tensor_from_f32(NN_F32, in, 3, out), NN_EXACT);
    assert_memory_equal(in, out, sizeof in);
    narrows(NN_F16, 65504, 0x7bff, NN_EXACT);
    narrows(NN_F16, 65519.996f, 0x7bff, NN_ROUNDED);
    narrows(NN_F16, 65520, 0x7c00, NN_OVERFLOWED);
    narrows(NN_F16, -1e30f, 0xfc00, NN_OVERFLOWED);
    narrows(NN_F16, INFINITY, 0x7c00, NN_EXACT);
    narrows(NN_F16, NAN, 0x7e00, NN_EXACT);
    narrows(NN_F16, 1e-30f, 0, NN_ROUNDED);
    narrows(NN_BF16, 0x1.fep127f, 0x7f7f, NN_EXACT);
    narrows(NN_BF16, 0x1.ffp127f, 0x7f80, NN_OVERFLOWED);
    narrows(NN_BF16, -INFINITY, 0xff80, NN_EXACT);
    narrows(NN_BF16, NAN, 0x7fc0, NN_EXACT);
    in[1] = 1e10f;
    in[2] = 0.1f;
    assert_int_equal(nn_tensor_from_f32(NN_F16, in, 3, out), NN_OVERFLOWED);
    assert_int_equal(nn_tensor_from_f32(NN_BF16, in, 3, out), NN_ROUNDED);
    assert_int_equal(nn_tensor_from_f32(NN_F16, in, 1, out), NN_EXACT);
    assert_int_equal(nn_tensor_from_f32(NN_F16, in, 0, out), NN_EXACT);
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

/* One block of each format written out by hand: scale 0.5, minimum -1.25, quants that run through all nibbles. */
static void widens_blocks(void **state)
{
    static const nn_dtype dtypes[] = {NN_Q4_0, NN_Q4_1, NN_Q5_0, NN_Q5_1, NN_Q8_0};
    static const size_t sizes[] = {18, 20, 22, 24, 34};
    const uint16_t scale = 0x3800, minimum = 0xbd00; /* 0.5, -1.25 */
    const uint32_t high = 0xa5a50ff0;
    for (size_t k = 0; k < 5; k++) {
        const bool least = k == 1 || k == 3, fifth = k == 2 || k == 3;
        uint8_t bytes[3 * 34 + 1] = {0};
        for (size_t b = 0; b < 3; b++) {
            uint8_t *at = bytes + 1 + b * sizes[k]; /* at an odd address */
            memcpy(at, &scale, 2);
            at += 2;
            if (least) memcpy(at, &minimum, 2);
            if (least) at += 2;
            if (fifth) memcpy(at, &high, 4);
            if (fifth) at += 4;
            for (size_t i = 0; i < (k == 4 ? 32 : 16); i++)
                at[i] = (uint8_t)(k == 4 ? i * 8 + b : (i ^ b) | (15 - i) << 4);
        }
        const nn_tensor t = {.data = bytes + 1, .dtype = dtypes[k], .rank = 1, .dim = {96}};
        float all[96], some[50];
        assert_int_equal(nn_dtype_size(dtypes[k]), sizes[k]);
        assert_int_equal(nn_dtype_block(dtypes[k]), 32);
        nn_tensor_to_f32(&t, 0, 96, all);
        for (size_t j = 0; j < 96; j++) {
            const size_t b = j / 32, i = j % 32;
            int q = k == 4 ? (int8_t)(uint8_t)(i * 8 + b) : i < 16 ? (int)(i ^ b) : (int)(15 - (i - 16));
            if (fifth) q += 16 * (int)(high >> i & 1);
            if (k == 0) q -= 8;
            if (k == 2) q -= 16;
            assert_float_equal(all[j], (float)q * 0.5f + (least ? -1.25f : 0), 0);
        }
        nn_tensor_to_f32(&t, 41, 50, some);
        assert_memory_equal(some, all + 41, sizeof some);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widens_blocks),
        cmocka_unit_test(sizes_and_names),
        cmocka_unit_test(every_half_is_exact),
        cmocka_unit_test(upper_half_of_a_float_is_bfloat16),
        cmocka_unit_test(any_byte_may_be_the_first),
        cmocka_unit_test(narrowing_goes_to_the_nearest_or_to_even),
        cmocka_unit_test(narrowing_tells_what_it_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
