/* SPDX-License-Identifier: Apache-2.0
 * fuzz_segment.c - a foreign dictionary, words of a user and a text, with a NUL between them; what stands behind a
 * third NUL is a table of the hidden Markov model. What opens must cut: in precise mode into the text itself, word by
 * word, in the others into words that are not empty. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/segment_dict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    char *data;
    size_t len;
} part;

/* The part up to the next NUL, or to the end, in a block of its own. */
static part take(const uint8_t **at, const uint8_t *end)
{
    part p = {0};
    const uint8_t *nul = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;
    if (*at <= end) p.len = (size_t)((nul ? nul : end) - *at);
    p.data = mem_alloc(p.len);
    if (!p.data) abort();
    if (p.len) memcpy(p.data, *at, p.len);
    *at += p.len + 1;
    return p;
}

static void check_words(const segmenter *s, const part *text, segment_mode mode)
{
    segment_list list;
    segment_list_init(&list);
    if (segmenter_cut(s, text->data, text->len, mode, true, &list, NULL)) abort();
    for (size_t i = 0; i < list.n; i++) {
        size_t len;
        const char *word = segment_list_at(&list, i, &len);
        if (!len || !utf8_valid(word, len)) abort();
    }
    if (mode == SEGMENT_PRECISE && utf8_valid(text->data, text->len) &&
        (list.bytes.len != text->len || (text->len && memcmp(list.bytes.data, text->data, text->len) != 0)))
        abort();
    segment_list_release(&list);
}

static void cut(const part *dictionary, const part *user, const part *text)
{
    segmenter *s;
    simile_error err = {0};
    if (segmenter_from_words(dictionary->data, dictionary->len, "d", &s, &err)) {
        if (!err.message[0]) abort();
        return;
    }
    if (!segmenter_add_words(s, user->data, user->len, "u", &err)) {
        for (int mode = SEGMENT_PRECISE; mode <= SEGMENT_SEARCH; mode++) check_words(s, text, (segment_mode)mode);
    } else if (!err.message[0]) {
        abort();
    }
    segmenter_free(s);
}

/* A table without a number, made once: there are too many numbers in it to be set for each input. */
static hmm_table *empty_table(void)
{
    static hmm_table empty, used;
    double(*emit)[HMM_STATES] = used.emit;
    if (!emit && (hmm_init(&empty, NULL) || hmm_init(&used, NULL))) abort();
    if (!emit) return &used;
    used = empty;
    used.emit = emit;
    memcpy(emit, empty.emit, HMM_CHARACTERS * sizeof *emit);
    return &used;
}

static void read_table(const part *table)
{
    for (int kind = HMM_START; kind <= HMM_EMIT; kind++) {
        static const uint32_t text[] = {0x4e00, 0x96ea, 0x5730, 0x1f436, 0x4e00};
        uint8_t states[5];
        hmm_table *h = empty_table();
        hmm_parse(h, (hmm_part)kind, table->data, table->len, "t", NULL);
        if (hmm_best(h, text, 5, states, NULL)) abort();
        for (int i = 0; i < 5; i++)
            if (states[i] >= HMM_STATES) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;
    part dictionary = take(&at, end), user = take(&at, end), text = take(&at, end);
    const bool has_table = at <= end;
    part table = take(&at, end);
    cut(&dictionary, &user, &text);
    if (has_table) read_table(&table);
    mem_free(dictionary.data);
    mem_free(user.data);
    mem_free(text.data);
    mem_free(table.data);
    return 0;
}
