/* SPDX-License-Identifier: Apache-2.0
 * fuzz_mapped.c - any bytes as a file of vectors: what is taken for one is searched, by every layer of its codes. The
 * checksums are not compared, as a fuzzer never guesses one. */
#include "base/mem.h"
#include "index/mapped.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOP = 3 };

static void search(mapped *m, float *query, bool own)
{
    const mapped_facts *facts = mapped_facts_of(m);
    const size_t dim = (size_t)facts->dim, stride = mapped_stride(m);
    const scan_set set = {.rows = mapped_rows(m),
                          .ids = mapped_ids(m),
                          .n = facts->n,
                          .dim = dim,
                          .stride = stride,
                          .min_score = own ? 0.5f : -INFINITY};
    scan_hit hits[TOP];
    size_t found;
    for (size_t i = 0; i < dim; i++) query[i] = own && facts->n ? set.rows[i] : (float)(i % 7) - 3;
    if (codes_top(&set, mapped_codes(m), NULL, query, TOP, NULL, hits, &found, NULL, NULL)) abort();
    if (found > TOP) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mapped *m;
    void *bytes = mem_aligned(size);
    if (!bytes) abort();
    memcpy(bytes, data, size);
    if (!mapped_read(bytes, size, false, &m, NULL)) {
        float *query = mem_array((size_t)mapped_facts_of(m)->dim, sizeof *query);
        if (!query) abort();
        search(m, query, false);
        search(m, query, true);
        mem_free(query);
        mapped_close(m);
    }
    mem_free(bytes);
    return 0;
}
