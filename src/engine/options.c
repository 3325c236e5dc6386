/* SPDX-License-Identifier: Apache-2.0
 * options.c - what is the same for all public calls: the version, options structs, numbers of threads. */
#include "base/mem.h"
#include "engine/internal.h"

enum { MAX_DEFAULT_THREADS = 16, MAX_THREADS = 1024 };

int32_t simile_version_number(void)
{
    return SIMILE_VERSION_NUMBER;
}

simile_status options_copy(void *out, size_t size, const void *in, simile_error *err)
{
    size_t given;
    memset(out, 0, size);
    if (!in) return SIMILE_OK;
    memcpy(&given, in, sizeof given);
    if (given < sizeof given) return err_set(err, SIMILE_E_ARG, "struct_size of the options is not set");
    for (size_t i = size; i < given; i++)
        if (((const unsigned char *)in)[i])
            return err_set(err, SIMILE_E_UNSUPPORTED, "the options are those of a newer simile than the library");
    memcpy(out, in, given < size ? given : size);
    return SIMILE_OK;
}

int threads_or_default(int32_t threads)
{
    if (threads > 0) return threads < MAX_THREADS ? threads : MAX_THREADS;
    const int n = cpu_count();
    return n < MAX_DEFAULT_THREADS ? n : MAX_DEFAULT_THREADS;
}
