/* SPDX-License-Identifier: Apache-2.0
 * fuzz_tokenize.c - foreign text through a small CLIP tokenizer.
 *
 * Input: the text. Whatever it holds, its ids must be ids of the vocabulary between the two special tokens, a smaller
 * room must give the beginning of the same ids, and the pieces put together must hold no white space. */
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/kind.h"
#include "text/tokenizer.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const merges[] = {"a b",       "ab c", "a </w>",   "d o", "do g</w>",
                                     "i n",       "t h",  "th e</w>", "s n", "sn o",
                                     "sno w</w>", "a a",  "aa aa",    "! !", "\u00c3 \u00a9</w>"};

static void put_piece(json_writer *w, const char *a, const char *b, int id)
{
    char key[64];
    snprintf(key, sizeof key, "%s%s", a, b);
    jw_key(w, key);
    jw_int(w, id);
}

/* The characters that stand for bytes, bare and at the end of a word, then what the merges make. */
static void write_vocab(buf *pieces, buf *list)
{
    json_writer w;
    int id = 0;
    jw_init(&w, pieces);
    jw_object(&w);
    for (uint32_t c = 0x21; c < 0x144; c++) {
        char piece[5] = {0};
        if ((c > 0x7e && c < 0xa1) || c == 0xad) continue;
        utf8_put(piece, c);
        put_piece(&w, piece, "", id++);
        put_piece(&w, piece, "</w>", id++);
    }
    put_piece(&w, "</w>", "", id++);
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        const char *space = strchr(merges[i], ' ');
        char left[32];
        snprintf(left, sizeof left, "%.*s", (int)(space - merges[i]), merges[i]);
        /* "a" + "</w>" is there already. */
        if (strcmp(space + 1, "</w>") != 0) put_piece(&w, left, space + 1, id++);
        buf_printf(list, "%s\n", merges[i]);
    }
    put_piece(&w, "<|startoftext|>", "", id++);
    put_piece(&w, "<|endoftext|>", "", id++);
    jw_object_end(&w);
}

static tokenizer *make(void)
{
    buf pieces, list;
    tokenizer *t;
    simile_error err;
    buf_init(&pieces, 1 << 20);
    buf_init(&list, 1 << 20);
    write_vocab(&pieces, &list);
    const tokenizer_files files = {.directory = "d",
                                   .vocab_json = {"d/vocab.json", pieces.data, pieces.len},
                                   .merges_txt = {"d/merges.txt", list.data, list.len}};
    if (tokenizer_from_files(&files, &t, &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    buf_release(&pieces);
    buf_release(&list);
    return t;
}

static void check(const tokenizer *t, const token_list *ids)
{
    if (ids->n < 2 || ids->truncated || ids->ids[ids->n - 1] != tokenizer_end_id(t)) abort();
    for (size_t i = 0; i < ids->n; i++) {
        const char *piece = tokenizer_piece(t, ids->ids[i]);
        if (!piece || strpbrk(piece, " \t\r\n")) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tokenizer *t;
    token_list whole, part;
    if (!t) t = make();
    const size_t room = size ? 2 + data[0] % 32 : 2;
    /* At most three ids a byte: U+FFFD for an invalid one. */
    if (tokenizer_encode(t, (const char *)data, size, 3 * size + 3, &whole, NULL)) abort();
    if (tokenizer_encode(t, (const char *)data, size, room, &part, NULL)) abort();
    check(t, &whole);
    if (part.truncated != (whole.n > room) || part.n != (whole.n < room ? whole.n : room)) abort();
    if (memcmp(part.ids, whole.ids, (part.n - 1) * sizeof *part.ids) != 0) abort();
    mem_free(whole.ids);
    mem_free(part.ids);
    return 0;
}
