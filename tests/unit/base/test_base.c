/* SPDX-License-Identifier: Apache-2.0
 * test_base.c - src/base: errors, memory, buffers, UTF-8, JSON, files, paths, pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int main(void)
{
    return 0;
}
