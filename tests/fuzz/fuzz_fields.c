/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_fields.c - what stands in headers and parameters: moments, ranges of bytes, lists of entity tags. What is taken
 * must make sense: a range lies in its file, a moment is told as it is read. */
#include "base/mem.h"
#include "dates.h"
#include "serve/conditional.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void moment(const char *text)
{
    char told[DATE_TEXT];
    int64_t seconds, again;
    if (!moment_parse(text, &seconds)) return;
    if (!moment_text(seconds, told) || !moment_parse(told, &again) || again != seconds) abort();
}

static void range(const char *text, int64_t len)
{
    int64_t from, part;
    const int kind = range_parse(text, len, &from, &part);
    if (kind == RANGE_ALL && (from != 0 || part != len)) abort();
    if (kind == RANGE_PART && (from < 0 || part < 1 || from > len - part)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t seconds;
    char *text = mem_strndup((const char *)data, size);
    if (!text) return 0;
    moment(text);
    date_parse(text, &seconds);
    range(text, 0);
    range(text, 100);
    range(text, INT64_MAX);
    if (etag_listed(text, "\"abc\"") && !strchr(text, '*') && !strstr(text, "\"abc\"")) abort();
    mem_free(text);
    return 0;
}
