/* SPDX-License-Identifier: Apache-2.0
 * added.c - see added.h.
 *
 * Follows AddedVocabulary of the tokenizers library: matches do not overlap, the leftmost comes first and the longest
 * of those that start there; a match that its single_word flag forbids is passed over with all its bytes; white space
 * is taken afterwards. The tokens are sorted, and the candidates at a place are narrowed byte by byte with binary
 * search, so that many tokens cost no more than a few.
 *
 * Threads: a sorted set is only read. */
#include "text/added.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode.h"

void added_release(added_set *set)
{
    for (size_t i = 0; i < set->n; i++) mem_free(set->tokens[i].content);
    mem_free(set->tokens);
    *set = (added_set){0};
}

simile_status added_put(added_set *set, const added_token *token, simile_error *err)
{
    if (token->len == 0) return SIMILE_OK;
    if (set->n == set->capacity) {
        const size_t capacity = set->capacity ? 2 * set->capacity : 8;
        added_token *tokens = mem_grow(set->tokens, capacity, sizeof *tokens);
        if (!tokens) return err_nomem(err);
        set->tokens = tokens;
        set->capacity = capacity;
    }
    added_token *copy = &set->tokens[set->n];
    *copy = *token;
    copy->content = mem_strndup(token->content, token->len);
    if (!copy->content) return err_nomem(err);
    set->starts[(uint8_t)token->content[0]] = true;
    copy->order = set->n++;
    return SIMILE_OK;
}

static int by_content(const void *a, const void *b)
{
    const added_token *x = a, *y = b;
    const size_t shared = x->len < y->len ? x->len : y->len;
    const int order = memcmp(x->content, y->content, shared);
    if (order) return order;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

void added_sort(added_set *set)
{
    if (set->n > 1) qsort(set->tokens, set->n, sizeof *set->tokens, by_content);
}

/* The first token in [low, high) whose byte at `depth` is at least `byte`; all of them are longer than depth. */
static size_t first_at_least(const added_set *set, size_t low, size_t high, size_t depth, int byte)
{
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if ((uint8_t)set->tokens[middle].content[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const added_token *longest_at(const added_set *set, const char *text, size_t len)
{
    const added_token *best = NULL;
    size_t low = 0, high = set->n;
    for (size_t depth = 0; depth < len && low < high; depth++) {
        const int byte = (uint8_t)text[depth];
        low = first_at_least(set, low, high, depth, byte);
        high = first_at_least(set, low, high, depth, byte + 1);
        /* Sorting puts what ends here in front of what goes on. */
        for (; low < high && set->tokens[low].len == depth + 1; low++) {
            if (!best || best->len <= depth) best = &set->tokens[low];
        }
    }
    return best;
}

static uint32_t char_before(const char *text, size_t at)
{
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && ((uint8_t)text[start] & 0xc0) == 0x80) start--;
    return utf8_next(text, at, &start);
}

static bool stands_alone(const char *text, size_t len, size_t start, size_t end)
{
    if (start > 0 && unicode_is_word(char_before(text, start))) return false;
    return end == len || !unicode_is_word(utf8_next(text, len, &end));
}

static size_t strip_left(const char *text, size_t start, size_t floor)
{
    while (start > floor) {
        char piece[4];
        const uint32_t c = char_before(text, start);
        if (unicode_class(c) != CLASS_SPACE) break;
        start -= utf8_put(piece, c);
    }
    return start < floor ? floor : start;
}

static size_t strip_right(const char *text, size_t len, size_t end)
{
    while (end < len) {
        size_t next = end;
        if (unicode_class(utf8_next(text, len, &next)) != CLASS_SPACE) break;
        end = next;
    }
    return end;
}

bool added_find(const added_set *set, const char *text, size_t len, size_t from, size_t floor, added_match *out)
{
    if (set->n == 0) return false;
    for (size_t at = from; at < len; at++) {
        if (!set->starts[(uint8_t)text[at]]) continue;
        const added_token *token = longest_at(set, text + at, len - at);
        if (!token) continue;
        const size_t end = at + token->len;
        if (token->single_word && !stands_alone(text, len, at, end)) {
            at = end - 1;
            continue;
        }
        *out = (added_match){.start = at, .end = end, .resume = end, .token = token};
        if (token->lstrip) out->start = strip_left(text, at, floor);
        if (token->rstrip) out->end = strip_right(text, len, end);
        return true;
    }
    return false;
}
