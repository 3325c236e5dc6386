/* SPDX-License-Identifier: Apache-2.0
 * unigram.c - see unigram.h.
 *
 * Viterbi's algorithm (Kudo, 2018; google/sentencepiece, src/unigram_model.cc, EncodeOptimized): from left to right, at
 * each start of a character, every piece that begins there offers its end a sum; the first one that reaches a sum
 * keeps it against equals. Where no piece of one character begins, an unknown one does.
 * SentencePiece keeps the sums in single precision, the tokenizers library in double; the rare near ties come out as
 * theirs.
 *
 * Threads: unigram_put() only reads. */
#include "text/unigram.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>

simile_status unigram_init(unigram *u)
{
    *u = (unigram){.pieces = trie_new(), .unknown = -1};
    return u->pieces ? SIMILE_OK : SIMILE_E_NOMEM;
}

void unigram_release(unigram *u)
{
    trie_free(u->pieces);
    mem_free(u->scores);
    mem_free(u->ids);
    *u = (unigram){0};
}

simile_status unigram_add(unigram *u, const char *piece, size_t len, double score, int32_t id, simile_error *err)
{
    if (u->n == u->capacity) {
        const size_t capacity = u->capacity ? 2 * u->capacity : 1024;
        double *scores = mem_grow(u->scores, capacity, sizeof *scores);
        if (!scores) return err_nomem(err);
        u->scores = scores;
        int32_t *ids = mem_grow(u->ids, capacity, sizeof *ids);
        if (!ids) return err_nomem(err);
        u->ids = ids;
        u->capacity = capacity;
    }
    u->scores[u->n] = score;
    u->ids[u->n] = id;
    return trie_put(u->pieces, piece, len, (int32_t)u->n++, err);
}

simile_status unigram_finish(unigram *u, const vocab *v, const char *subject, simile_error *err)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char piece[8];
        snprintf(piece, sizeof piece, "<0x%02X>", byte);
        u->bytes[byte] = vocab_find(v, piece, strlen(piece));
    }
    return trie_finish(u->pieces, subject, err);
}

/* ---- the best path ---- */

enum { NOT_REACHED = -2, UNKNOWN = -1 };

/* The best way to an end: the last piece (its id in the trie) and where that starts. */
typedef struct {
    double sum;
    uint32_t start;
    int32_t piece;
} reach;

static inline void offer(const unigram *u, reach *end, double sum, size_t start, int32_t piece)
{
    if (u->single) sum = (double)(float)sum;
    if (end->piece != NOT_REACHED && !(sum > end->sum)) return;
    *end = (reach){.sum = sum, .start = (uint32_t)start, .piece = piece};
}

/* ends: [len + 1] */
static void find_ends(const unigram *u, const char *text, size_t len, reach *ends)
{
    for (size_t i = 0; i <= len; i++) ends[i] = (reach){.piece = NOT_REACHED};
    for (size_t start = 0, next = 0; start < len; start = next) {
        const double before = ends[start].sum;
        bool has_character = false;
        uint32_t node = 0;
        utf8_next(text, len, &next);
        for (size_t end = start; end < len && trie_step(u->pieces, &node, text[end]);) {
            const int32_t piece = trie_id(u->pieces, node);
            end++;
            if (piece < 0) continue;
            offer(u, &ends[end], u->scores[piece] + before, start, piece);
            has_character = has_character || end == next;
        }
        if (has_character) continue;
        offer(u, &ends[next], u->unknown_score + before, start, UNKNOWN);
    }
}

/* The way back becomes a way forward: the sum at a start, which has done its work, gives way to the end. */
static void turn_round(reach *ends, size_t len)
{
    for (size_t end = len; end > 0; end = ends[end].start) ends[ends[end].start].sum = (double)end;
}

static simile_status put_unknown(const unigram *u, const char *text, size_t len, id_list *out, simile_error *err)
{
    bool all = u->byte_fallback;
    for (size_t i = 0; i < len && all; i++) all = u->bytes[(uint8_t)text[i]] >= 0;
    if (!all) return id_list_put(out, &u->unknown, 1, err);
    for (size_t i = 0; i < len; i++) RETURN_IF_ERROR(id_list_put(out, &u->bytes[(uint8_t)text[i]], 1, err));
    return SIMILE_OK;
}

static simile_status put_path(const unigram *u, const char *text, size_t len, const reach *ends, id_list *out,
                              simile_error *err)
{
    for (size_t at = 0; at < len && !out->full;) {
        size_t end = (size_t)ends[at].sum;
        const int32_t piece = ends[end].piece;
        if (piece >= 0) {
            RETURN_IF_ERROR(id_list_put(out, &u->ids[piece], 1, err));
        } else {
            while (end < len && ends[(size_t)ends[end].sum].piece < 0) end = (size_t)ends[end].sum;
            RETURN_IF_ERROR(put_unknown(u, text + at, end - at, out, err));
        }
        at = end;
    }
    return SIMILE_OK;
}

simile_status unigram_put(const unigram *u, const char *text, size_t len, id_list *out, simile_error *err)
{
    enum { SHORT = 256 };
    reach room[SHORT + 1];
    if (len == 0) return SIMILE_OK;
    reach *ends = len <= SHORT ? room : mem_array(len + 1, sizeof *ends);
    if (!ends) return err_nomem(err);
    find_ends(u, text, len, ends);
    turn_round(ends, len);
    const simile_status status = put_path(u, text, len, ends, out, err);
    if (ends != room) mem_free(ends);
    return status;
}
