/* SPDX-License-Identifier: Apache-2.0
 * segment_dict.c - words with their frequencies: see segment_dict.h.
 *
 * jieba keeps every word and every beginning of a word in one table of strings. Here a string is a path in a trie whose
 * edges (node, character) lie in one open hash table: exact, about 12 bytes a character that is not shared, and built
 * in a fraction of the time that Python needs. */
#include "text/segment_dict.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>

enum { MAX_WORD = 256, MAX_NODES = 1 << 26 };

simile_status words_init(word_table *w, simile_error *err)
{
    *w = (word_table){.edge_room = 1 << 12, .node_room = 1 << 11};
    w->edges = mem_zero_array(w->edge_room, sizeof *w->edges);
    w->nodes = mem_zero_array(w->node_room, sizeof *w->nodes);
    if (!w->edges || !w->nodes) return err_nomem(err);
    w->n_nodes = 1;
    return SIMILE_OK;
}

void words_release(word_table *w)
{
    mem_free(w->edges);
    mem_free(w->nodes);
    *w = (word_table){0};
}

uint32_t words_find(const word_table *w, const uint32_t *characters, size_t n)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n && node != NO_NODE; i++) node = words_step(w, node, characters[i]);
    return node;
}

static bool grow_edges(word_table *w)
{
    const size_t room = w->edge_room * 2;
    word_edge *edges = mem_zero_array(room, sizeof *edges);
    if (!edges) return false;
    for (size_t i = 0; i < w->edge_room; i++) {
        if (w->edges[i].key) *words_edge_slot(edges, room, w->edges[i].key) = w->edges[i];
    }
    mem_free(w->edges);
    w->edges = edges;
    w->edge_room = room;
    return true;
}

static bool grow_nodes(word_table *w)
{
    word_node *nodes = mem_grow(w->nodes, w->node_room * 2, sizeof *nodes);
    if (!nodes) return false;
    w->nodes = nodes;
    w->node_room *= 2;
    return true;
}

/* The node behind `node` and a character, made if need be. */
static simile_status grow_step(word_table *w, uint32_t node, uint32_t character, uint32_t *out, simile_error *err)
{
    *out = words_step(w, node, character);
    if (*out != NO_NODE) return SIMILE_OK;
    if (w->n_nodes == MAX_NODES) return err_set(err, SIMILE_E_LIMIT, "a dictionary of words has grown too large");
    if (w->n_nodes == w->node_room && !grow_nodes(w)) return err_nomem(err);
    if (w->n_edges * 3 >= w->edge_room * 2 && !grow_edges(w)) return err_nomem(err);
    const uint64_t key = words_edge_key(node, character);
    *words_edge_slot(w->edges, w->edge_room, key) = (word_edge){.key = key, .child = (uint32_t)w->n_nodes};
    w->nodes[w->n_nodes] = (word_node){0};
    w->n_edges++;
    *out = (uint32_t)w->n_nodes++;
    return SIMILE_OK;
}

simile_status words_add(word_table *w, const uint32_t *characters, size_t n, uint64_t frequency, simile_error *err)
{
    uint32_t node = 0, parent = 0;
    for (size_t i = 0; i < n; i++) {
        parent = node;
        RETURN_IF_ERROR(grow_step(w, parent, characters[i], &node, err));
    }
    word_node *word = &w->nodes[node];
    if (n) words_edge_slot(w->edges, w->edge_room, words_edge_key(parent, characters[n - 1]))->word = frequency != 0;
    if (!word->frequency && frequency) w->n_words++;
    if (word->frequency && !frequency) w->n_words--;
    word->frequency = frequency;
    word->log_frequency = frequency ? log((double)frequency) : 0;
    if (!frequency) word->split = true;
    if (frequency > UINT64_MAX / 4 - w->total)
        return err_set(err, SIMILE_E_LIMIT, "the frequencies of a dictionary of words are too large");
    w->total += frequency;
    w->log_total = w->total ? log((double)w->total) : 0;
    return SIMILE_OK;
}

/* ---- reading ---- */

/* Decimal digits and nothing else. */
static bool read_number(const char *text, size_t len, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 15) return false;
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    }
    return len > 0;
}

static simile_status bad_line(const char *subject, size_t line, const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': line %zu %s", subject, line, why);
}

static simile_status parse_line(word_table *w, const char *text, size_t len, size_t line, const char *subject,
                                simile_error *err)
{
    const char *space = memchr(text, ' ', len);
    const size_t word_len = space ? (size_t)(space - text) : len;
    const char *digits = space ? space + 1 : text + len;
    const size_t left = len - (size_t)(digits - text);
    const char *end = memchr(digits, ' ', left);
    uint64_t frequency;
    uint32_t characters[MAX_WORD];
    size_t n = 0;
    if (!utf8_valid(text, word_len)) return bad_line(subject, line, "is not UTF-8", err);
    if (!space || !read_number(digits, end ? (size_t)(end - digits) : left, &frequency))
        return bad_line(subject, line, "is no word with a frequency", err);
    for (size_t at = 0; at < word_len;) {
        if (n == MAX_WORD) return bad_line(subject, line, "has too long a word", err);
        characters[n++] = utf8_next(text, word_len, &at);
    }
    if (n == 0) return bad_line(subject, line, "begins with a space", err);
    const simile_status status = words_add(w, characters, n, frequency, err);
    if (!status && !frequency) w->nodes[words_find(w, characters, n)].split = false; /* only users forbid */
    return status;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void words_trim(const char *text, size_t *begin, size_t *end)
{
    while (*end > *begin && is_blank(text[*end - 1])) (*end)--;
    while (*begin < *end && is_blank(text[*begin])) (*begin)++;
}

simile_status words_parse(word_table *w, const char *text, size_t len, const char *subject, simile_error *err)
{
    size_t at = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    for (size_t line = 1; at < len; line++) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t begin = at, end = newline ? (size_t)(newline - text) : len;
        at = end + 1;
        words_trim(text, &begin, &end);
        if (begin < end) RETURN_IF_ERROR(parse_line(w, text + begin, end - begin, line, subject, err));
    }
    return w->n_words ? SIMILE_OK : err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it has no words", subject);
}
