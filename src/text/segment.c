/* SPDX-License-Identifier: Apache-2.0
 * segment.c - see segment.h.
 *
 * A text falls into blocks of what the dictionary may know (Chinese characters, Latin letters, digits, + # & . _ % -)
 * and the rest, which is cut at white space and into characters. A block is cut by one of three walks over it. Scores
 * are sums of logarithms in double, in jieba's order of operations, so that even equal sums are equal here and there.
 */
#include "text/segment.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/segment_dict.h"

enum { USER_WORD = 256 };

struct segmenter {
    word_table words;
    hmm_table hmm;
};

void segmenter_free(segmenter *s)
{
    if (!s) return;
    words_release(&s->words);
    hmm_release(&s->hmm);
    mem_free(s);
}

bool segmenter_has_hmm(const segmenter *s)
{
    return s->hmm.emit != NULL;
}

size_t segmenter_words(const segmenter *s)
{
    return s->words.n_words;
}

/* ---- lists of words ---- */

void segment_list_init(segment_list *list)
{
    *list = (segment_list){0};
    buf_init(&list->bytes, (size_t)8 * SEGMENT_TEXT_MAX);
}

void segment_list_release(segment_list *list)
{
    buf_release(&list->bytes);
    mem_free(list->ends);
    *list = (segment_list){0};
}

const char *segment_list_at(const segment_list *list, size_t i, size_t *len)
{
    const size_t begin = i ? list->ends[i - 1] : 0;
    *len = list->ends[i] - begin;
    return list->bytes.data + begin;
}

static void put_characters(segment_list *out, const uint32_t *characters, size_t n)
{
    enum { AT_ONCE = 64 };
    char bytes[AT_ONCE * 4];
    while (n) {
        const size_t some = n < AT_ONCE ? n : AT_ONCE;
        size_t len = 0;
        for (size_t i = 0; i < some; i++) len += utf8_put(bytes + len, characters[i]);
        buf_append(&out->bytes, bytes, len);
        characters += some;
        n -= some;
    }
}

/* What was put since the last end is a word. */
static void end_word(segment_list *out)
{
    if (out->failed || !buf_ok(&out->bytes)) {
        out->failed = true;
        return;
    }
    if (out->n == out->capacity) {
        const size_t capacity = out->capacity ? out->capacity * 2 : 64;
        size_t *ends = mem_grow(out->ends, capacity, sizeof *ends);
        if (!ends) {
            out->failed = true;
            return;
        }
        out->ends = ends;
        out->capacity = capacity;
    }
    out->ends[out->n++] = out->bytes.len;
}

static void put_word(segment_list *out, const uint32_t *characters, size_t n)
{
    put_characters(out, characters, n);
    end_word(out);
}

/* ---- the best way through a block ---- */

typedef struct {
    const segmenter *s;
    const uint32_t *text; /* the block */
    size_t n;
    double *score;  /* [n + 1]: of the best cut from here on */
    uint32_t *next; /* [n]: where its first word ends */
    uint8_t *states;
    bool hmm;
    segment_list *out;
    simile_error *err;
} block;

static void find_route(const block *b)
{
    const word_table *w = &b->s->words;
    b->score[b->n] = 0;
    for (size_t k = b->n; k-- > 0;) {
        double best = 0;
        size_t end = 0;
        bool word;
        uint32_t node = words_next(w, 0, b->text[k], &word);
        for (size_t i = k; node != NO_NODE; node = words_next(w, node, b->text[i], &word)) {
            i++;
            if (word) {
                const double score = w->nodes[node].log_frequency - w->log_total + b->score[i];
                if (!end || score >= best) { /* of equals, the longer word */
                    best = score;
                    end = i;
                }
            }
            if (i == b->n) break;
        }
        if (!end) { /* no word begins here: the character counts as one of frequency 1, or of its own as a beginning */
            end = k + 1;
            best = 0 - w->log_total + b->score[end];
        }
        b->score[k] = best;
        b->next[k] = (uint32_t)end;
    }
}

static bool is_han(uint32_t c)
{
    return c >= 0x4e00 && c <= 0x9fd5;
}

static bool is_ascii_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- unknown words ---- */

static void put_unless_split(const block *b, const uint32_t *text, size_t n)
{
    const uint32_t node = words_find(&b->s->words, text, n);
    if (node == NO_NODE || !b->s->words.nodes[node].split) {
        put_word(b->out, text, n);
        return;
    }
    for (size_t i = 0; i < n; i++) put_word(b->out, text + i, 1);
}

static simile_status cut_han(const block *b, const uint32_t *text, size_t n)
{
    size_t begin = 0, next = 0;
    RETURN_IF_ERROR(hmm_best(&b->s->hmm, text, n, b->states, b->err));
    for (size_t i = 0; i < n; i++) {
        if (b->states[i] == HMM_B) begin = i;
        if (b->states[i] == HMM_E) put_unless_split(b, text + begin, i + 1 - begin);
        if (b->states[i] == HMM_S) put_unless_split(b, text + i, 1);
        if (b->states[i] == HMM_E || b->states[i] == HMM_S) next = i + 1;
    }
    if (next < n) put_unless_split(b, text + next, n - next);
    return SIMILE_OK;
}

/* Length of "12.5%" or "abc" at the front; 0: neither. */
static size_t latin_run(const uint32_t *text, size_t n)
{
    size_t i = 0;
    while (i < n && is_ascii_word(text[i])) i++;
    if (i == 0) return 0;
    if (i + 1 < n && text[i] == '.' && text[i + 1] >= '0' && text[i + 1] <= '9') {
        i++;
        while (i < n && text[i] >= '0' && text[i] <= '9') i++;
    }
    return i < n && text[i] == '%' ? i + 1 : i;
}

static void cut_latin(const block *b, const uint32_t *text, size_t n)
{
    size_t begin = 0, at = 0;
    while (at < n) {
        const size_t run = latin_run(text + at, n - at);
        if (run == 0) {
            at++;
            continue;
        }
        if (begin < at) put_word(b->out, text + begin, at - begin);
        put_word(b->out, text + at, run);
        begin = at += run;
    }
    if (begin < n) put_word(b->out, text + begin, n - begin);
}

/* A run of characters that are no words together. */
static simile_status cut_unknown(const block *b, const uint32_t *text, size_t n)
{
    const uint32_t node = words_find(&b->s->words, text, n);
    const bool known = node != NO_NODE && b->s->words.nodes[node].frequency;
    if (n == 1 || known) {
        for (size_t i = 0; i < n; i++) put_word(b->out, text + i, 1);
        return SIMILE_OK;
    }
    for (size_t at = 0; at < n;) {
        size_t end = at;
        const bool han = is_han(text[at]);
        while (end < n && is_han(text[end]) == han) end++;
        if (han) RETURN_IF_ERROR(cut_han(b, text + at, end - at));
        if (!han) cut_latin(b, text + at, end - at);
        at = end;
    }
    return SIMILE_OK;
}

/* ---- the three walks ---- */

static simile_status cut_with_hmm(const block *b)
{
    size_t pending = 0; /* single characters before `at` */
    for (size_t at = 0; at < b->n; at = b->next[at]) {
        if (b->next[at] == at + 1) {
            pending++;
            continue;
        }
        if (pending) RETURN_IF_ERROR(cut_unknown(b, b->text + at - pending, pending));
        pending = 0;
        put_word(b->out, b->text + at, b->next[at] - at);
    }
    return pending ? cut_unknown(b, b->text + b->n - pending, pending) : SIMILE_OK;
}

static void cut_plain(const block *b)
{
    size_t pending = 0; /* single letters and digits before `at` */
    for (size_t at = 0; at < b->n; at = b->next[at]) {
        if (b->next[at] == at + 1 && is_ascii_word(b->text[at])) {
            pending++;
            continue;
        }
        if (pending) put_word(b->out, b->text + at - pending, pending);
        pending = 0;
        put_word(b->out, b->text + at, b->next[at] - at);
    }
    if (pending) put_word(b->out, b->text + b->n - pending, pending);
}

/* How many words begin at k; b->next, which full mode has no other use for, says where each ends. */
static size_t words_at(const block *b, size_t k)
{
    const word_table *w = &b->s->words;
    size_t n = 0;
    bool word;
    uint32_t node = words_next(w, 0, b->text[k], &word);
    for (size_t i = k; node != NO_NODE; node = words_next(w, node, b->text[i], &word)) {
        i++;
        if (word) b->next[n++] = (uint32_t)i;
        if (i == b->n) break;
    }
    return n;
}

/* Of the n words that words_at() found at k, those of two characters and more. */
static void put_longer_words(const block *b, size_t k, size_t n, size_t *covered)
{
    for (size_t i = 0; i < n; i++) {
        if (b->next[i] == k + 1) continue;
        put_word(b->out, b->text + k, b->next[i] - k);
        *covered = b->next[i];
    }
}

/* jieba collects Latin words across the words that it gives meanwhile, so the run is kept apart. */
static void cut_full(const block *b)
{
    segment_list run;
    segment_list_init(&run);
    size_t covered = 0; /* behind the last word */
    bool running = false;
    for (size_t k = 0; k < b->n; k++) {
        if (running && !is_ascii_word(b->text[k])) {
            buf_append(&b->out->bytes, run.bytes.data, run.bytes.len);
            end_word(b->out);
            buf_clear(&run.bytes);
            running = false;
        }
        const size_t n = words_at(b, k), end = n ? b->next[0] : k + 1;
        if (n > 1 || k < covered) {
            put_longer_words(b, k, n, &covered);
            continue;
        }
        running = running || is_ascii_word(b->text[k]);
        if (running && is_ascii_word(b->text[k])) put_characters(&run, b->text + k, end - k);
        if (!running) put_word(b->out, b->text + k, end - k);
        covered = end;
    }
    if (running) {
        buf_append(&b->out->bytes, run.bytes.data, run.bytes.len);
        end_word(b->out);
    }
    if (!buf_ok(&run.bytes)) b->out->failed = true;
    segment_list_release(&run);
}

/* ---- a whole text ---- */

/* str.isspace() of Python's regular expressions. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool segment_is_blank(const char *word, size_t len)
{
    size_t at = 0;
    const uint32_t c = len ? utf8_next(word, len, &at) : ' ';
    return c <= ' ' || is_space(c);
}

static bool in_block(uint32_t c)
{
    return is_han(c) || is_ascii_word(c) || (c < 128 && c && strchr("+#&._%-", (int)c));
}

static void cut_rest(const uint32_t *text, size_t n, bool whole, segment_list *out)
{
    for (size_t at = 0; at < n;) {
        size_t end = at + 1;
        if (is_space(text[at]))
            end += text[at] == '\r' && end < n && text[end] == '\n';
        else
            while (whole && end < n && !is_space(text[end])) end++;
        put_word(out, text + at, end - at);
        at = end;
    }
}

static simile_status cut_block(block *b, segment_mode mode)
{
    if (mode == SEGMENT_FULL) {
        cut_full(b);
        return SIMILE_OK;
    }
    find_route(b);
    if (b->hmm) return cut_with_hmm(b);
    cut_plain(b);
    return SIMILE_OK;
}

static simile_status cut_characters(block *b, const uint32_t *text, size_t n, segment_mode mode)
{
    for (size_t at = 0; at < n;) {
        size_t end = at;
        const bool inside = in_block(text[at]);
        while (end < n && in_block(text[end]) == inside) end++;
        b->text = text + at;
        b->n = end - at;
        if (inside) RETURN_IF_ERROR(cut_block(b, mode));
        if (!inside) cut_rest(b->text, b->n, mode == SEGMENT_FULL, b->out);
        at = end;
    }
    return b->out->failed ? err_nomem(b->err) : SIMILE_OK;
}

static void put_if_word(const segmenter *s, const uint32_t *text, size_t n, segment_list *out)
{
    const uint32_t node = words_find(&s->words, text, n);
    if (node != NO_NODE && s->words.nodes[node].frequency) put_word(out, text, n);
}

/* Each word, after the shorter ones in it. */
static simile_status refine(const segmenter *s, const segment_list *from, uint32_t *characters, segment_list *out,
                            simile_error *err)
{
    for (size_t i = 0; i < from->n; i++) {
        size_t len, n = 0;
        const char *word = segment_list_at(from, i, &len);
        for (size_t at = 0; at < len;) characters[n++] = utf8_next(word, len, &at);
        for (size_t gram = 2; gram <= 3; gram++) {
            for (size_t k = 0; n > gram && k + gram <= n; k++) put_if_word(s, characters + k, gram, out);
        }
        put_word(out, characters, n);
    }
    return out->failed ? err_nomem(err) : SIMILE_OK;
}

static simile_status cut_decoded(const segmenter *s, uint32_t *text, size_t n, segment_mode mode, bool hmm,
                                 segment_list *out, simile_error *err)
{
    segment_list words;
    block b = {.s = s, .hmm = hmm && s->hmm.emit, .out = mode == SEGMENT_SEARCH ? &words : out, .err = err};
    segment_list_init(&words);
    b.score = mem_array(n + 1, sizeof *b.score);
    b.next = mem_array(n + 1, sizeof *b.next);
    b.states = mem_array(n + 1, 1);
    simile_status status = b.score && b.next && b.states ? SIMILE_OK : err_nomem(err);
    if (!status) status = cut_characters(&b, text, n, mode);
    if (!status && mode == SEGMENT_SEARCH) status = refine(s, &words, text, out, err);
    mem_free(b.score);
    mem_free(b.next);
    mem_free(b.states);
    segment_list_release(&words);
    return status;
}

simile_status segmenter_cut(const segmenter *s, const char *text, size_t len, segment_mode mode, bool hmm,
                            segment_list *out, simile_error *err)
{
    if (len > SEGMENT_TEXT_MAX)
        return err_set(err, SIMILE_E_LIMIT, "a text of %zu bytes is too long to be cut into words", len);
    uint32_t *characters = mem_array(len + 1, sizeof *characters);
    size_t n = 0;
    if (!characters) return err_nomem(err);
    for (size_t at = 0; at < len;) characters[n++] = utf8_next(text, len, &at);
    const simile_status status = cut_decoded(s, characters, n, mode, hmm, out, err);
    mem_free(characters);
    return status;
}

/* ---- opening ---- */

static simile_status read_hmm(segmenter *s, const char *folder, simile_error *err)
{
    static const char *const names[] = {"prob_start.py", "prob_trans.py", "prob_emit.py"};
    simile_status status = hmm_init(&s->hmm, err);
    for (int i = 0; i < 3 && !status; i++) {
        char *path = path_join(folder, names[i]), *text = NULL;
        size_t len;
        status = path ? file_read(path, SEGMENT_FILE_MAX, &text, &len, err) : err_nomem(err);
        if (!status) status = hmm_parse(&s->hmm, (hmm_part)i, text, len, path, err);
        mem_free(text);
        mem_free(path);
    }
    return status;
}

/* jieba's suggest_freq(): just enough that the word wins against its parts. */
static simile_status suggest_frequency(const segmenter *s, const char *word, size_t len, const uint32_t *characters,
                                       size_t n, uint64_t *out, simile_error *err)
{
    const word_table *w = &s->words;
    const double total = (double)w->total;
    double frequency = 1;
    segment_list parts;
    segment_list_init(&parts);
    simile_status status = segmenter_cut(s, word, len, SEGMENT_PRECISE, false, &parts, err);
    for (size_t i = 0; !status && i < parts.n; i++) {
        uint32_t part[USER_WORD], node;
        size_t part_len, k = 0;
        const char *bytes = segment_list_at(&parts, i, &part_len);
        for (size_t at = 0; at < part_len && k < USER_WORD;) part[k++] = utf8_next(bytes, part_len, &at);
        node = words_find(w, part, k);
        frequency *= (node == NO_NODE ? 1 : (double)w->nodes[node].frequency) / total;
    }
    segment_list_release(&parts);
    const uint32_t node = words_find(w, characters, n);
    const uint64_t has = node == NO_NODE ? 1 : w->nodes[node].frequency, enough = (uint64_t)(frequency * total) + 1;
    *out = enough > has ? enough : has;
    return status;
}

/* Takes " xyz" off the end of a line when it consists of characters between the two given ones; its text or NULL. */
static const char *take_field(const char *line, size_t *len, char first, char last)
{
    size_t at = *len;
    while (at > 0 && line[at - 1] >= first && line[at - 1] <= last) at--;
    if (at == *len || at < 2 || line[at - 1] != ' ') return NULL;
    *len = at - 1;
    return line + at;
}

static simile_status add_user_line(segmenter *s, const char *line, size_t len, size_t number, const char *path,
                                   simile_error *err)
{
    uint32_t characters[USER_WORD];
    size_t n = 0;
    uint64_t frequency = 0;
    take_field(line, &len, 'a', 'z');
    const size_t before = len;
    const char *digits = take_field(line, &len, '0', '9');
    const size_t n_digits = digits ? before - (size_t)(digits - line) : 0;
    if (!utf8_valid(line, len) || n_digits > 15)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': line %zu is no word with a frequency", path, number);
    for (size_t at = 0; at < len;) {
        if (n == USER_WORD)
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': line %zu has too long a word", path, number);
        characters[n++] = utf8_next(line, len, &at);
    }
    for (size_t i = 0; i < n_digits; i++) frequency = frequency * 10 + (uint64_t)(digits[i] - '0');
    if (!digits) RETURN_IF_ERROR(suggest_frequency(s, line, len, characters, n, &frequency, err));
    return words_add(&s->words, characters, n, frequency, err);
}

simile_status segmenter_add_words(segmenter *s, const char *text, size_t len, const char *subject, simile_error *err)
{
    size_t at = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    for (size_t line = 1; at < len; line++) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t begin = at, end = newline ? (size_t)(newline - text) : len;
        at = end + 1;
        words_trim(text, &begin, &end);
        if (begin < end) RETURN_IF_ERROR(add_user_line(s, text + begin, end - begin, line, subject, err));
    }
    return SIMILE_OK;
}

static simile_status read_user(segmenter *s, const char *path, simile_error *err)
{
    char *text = NULL;
    size_t len;
    RETURN_IF_ERROR(file_read(path, SEGMENT_FILE_MAX, &text, &len, err));
    const simile_status status = segmenter_add_words(s, text, len, path, err);
    mem_free(text);
    return status;
}

simile_status segmenter_from_words(const char *text, size_t len, const char *subject, segmenter **out,
                                   simile_error *err)
{
    segmenter *s = mem_new(segmenter);
    *out = NULL;
    if (!s) return err_nomem(err);
    simile_status status = words_init(&s->words, err);
    if (!status) status = words_parse(&s->words, text, len, subject, err);
    if (status) {
        segmenter_free(s);
        return status;
    }
    *out = s;
    return SIMILE_OK;
}

simile_status segmenter_open(const segmenter_files *files, segmenter **out, simile_error *err)
{
    char *text = NULL;
    size_t len;
    *out = NULL;
    RETURN_IF_ERROR(file_read(files->dictionary, SEGMENT_FILE_MAX, &text, &len, err));
    simile_status status = segmenter_from_words(text, len, files->dictionary, out, err);
    mem_free(text);
    if (!status && files->user) status = read_user(*out, files->user, err);
    if (!status && files->hmm) status = read_hmm(*out, files->hmm, err);
    if (status) {
        segmenter_free(*out);
        *out = NULL;
    }
    return status;
}
