/* SPDX-License-Identifier: Apache-2.0
 * unicode.c - see unicode.h.
 *
 * The properties are utf8proc's, corrected to the versions of Unicode that the tokenizers library (0.22 and 0.23) is
 * built with, so that token ids depend neither on the distribution's utf8proc nor on a later one:
 *     classes                 Unicode 16
 *     lower case              Unicode 17, without the rule for a final sigma
 *     normalization form C    Unicode 9: a character that came later is a starter which composes with nothing
 * Each table lists the code points at which utf8proc for Unicode 15 to 18 may differ. tests/unit/text/test_unicode.c
 * compares every code point with what that library says (tools/fixtures/text_fixtures.py).
 *
 * Normalization is the algorithm of Unicode Standard Annex 15. utf8proc gives the decompositions and composes; the
 * canonical ordering in between is done here, by counting, because utf8proc's exchanges neighbours and needs quadratic
 * time for a long run of marks. */
#include "text/unicode.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/bert_tables.h"

#include <utf8proc.h>

typedef struct {
    uint32_t first, last;
} range;

/* Letters and numbers that came with Unicode 15.1 and 16. */
static const range letters_of_16[] = {
    {0x1c89, 0x1c8a},   {0xa7cb, 0xa7cd},   {0xa7da, 0xa7dc},   {0x105c0, 0x105f3}, {0x10d4a, 0x10d65},
    {0x10d6f, 0x10d85}, {0x10ec2, 0x10ec4}, {0x11380, 0x11389}, {0x1138b, 0x1138b}, {0x1138e, 0x1138e},
    {0x11390, 0x113b5}, {0x113b7, 0x113b7}, {0x113d1, 0x113d1}, {0x113d3, 0x113d3}, {0x11bc0, 0x11be0},
    {0x13460, 0x143fa}, {0x16100, 0x1611d}, {0x16d40, 0x16d6c}, {0x18cff, 0x18cff}, {0x1e5d0, 0x1e5ed},
    {0x1e5f0, 0x1e5f0}, {0x2ebf0, 0x2ee5d},
};
static const range numbers_of_16[] = {
    {0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9}, {0x16130, 0x16139},
    {0x16d70, 0x16d79}, {0x1ccf0, 0x1ccf9}, {0x1e5f1, 0x1e5fa},
};

/* Letters and numbers that came after Unicode 16. */
static const range later_than_16[] = {
    {0x558, 0x558},     {0x58b, 0x58c},     {0x88f, 0x88f},     {0xc5c, 0xc5c},     {0xcdc, 0xcdc},
    {0x208f, 0x208f},   {0x209d, 0x209f},   {0xa7ce, 0xa7cf},   {0xa7d2, 0xa7d2},   {0xa7d4, 0xa7d4},
    {0xa7dd, 0xa7dd},   {0xa7e2, 0xa7e2},   {0xa7f1, 0xa7f1},   {0xab6c, 0xab6d},   {0x107bb, 0x107bf},
    {0x10940, 0x10959}, {0x10ec5, 0x10ec7}, {0x10ed9, 0x10eee}, {0x11b0a, 0x11b0a}, {0x11db0, 0x11ddb},
    {0x11de0, 0x11de9}, {0x11df1, 0x11df1}, {0x1246f, 0x1246f}, {0x12475, 0x1247f}, {0x12550, 0x12686},
    {0x16ea0, 0x16eb8}, {0x16ebb, 0x16ed3}, {0x16ff2, 0x16ff6}, {0x187f8, 0x187ff}, {0x18cd6, 0x18cda},
    {0x18d09, 0x18d20}, {0x18d80, 0x18df2}, {0x18e00, 0x19191}, {0x191a0, 0x191d2}, {0x1b123, 0x1b128},
    {0x1b168, 0x1b168}, {0x1d6a6, 0x1d6a6}, {0x1df1f, 0x1df24}, {0x1df2b, 0x1df81}, {0x1df90, 0x1df96},
    {0x1dfcd, 0x1dfff}, {0x1e6c0, 0x1e6de}, {0x1e6e0, 0x1e6e2}, {0x1e6e4, 0x1e6e5}, {0x1e6e7, 0x1e6ed},
    {0x1e6f0, 0x1e6f4}, {0x1e6fe, 0x1e6ff}, {0x2b73a, 0x2b73f}, {0x2b81e, 0x2b81e}, {0x2cea2, 0x2cead},
    {0x323b0, 0x33479}, {0x3d000, 0x3fc3f},
};

/* Capitals of Unicode 16 and 17: ranges whose lower case is the code point plus a distance. */
static const struct {
    range capitals;
    int32_t distance;
} lower_of_17[] = {
    {{0x1c89, 0x1c89}, 1},      {{0xa7cb, 0xa7cb}, 0x264 - 0xa7cb},
    {{0xa7cc, 0xa7cc}, 1},      {{0xa7ce, 0xa7ce}, 1},
    {{0xa7d2, 0xa7d2}, 1},      {{0xa7d4, 0xa7d4}, 1},
    {{0xa7da, 0xa7da}, 1},      {{0xa7dc, 0xa7dc}, 0x19b - 0xa7dc},
    {{0x10d50, 0x10d65}, 0x20}, {{0x16ea0, 0x16eb8}, 0x1b},
};

/* Characters later than Unicode 9 that reorder, decompose or compose today: marks, and whole blocks of scripts with
 * composed letters. U+11A7 stands before the first trailing jamo and composes with nothing, but utf8proc lets a Hangul
 * syllable swallow it. */
static const range inert_in_nfc[] = {
    {0x5c8, 0x5c9},     {0x7fd, 0x7fd},     {0x897, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},
    {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x11a7, 0x11a7},   {0x1715, 0x1715},
    {0x1abf, 0x1af0},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},   {0x105c0, 0x105ff}, {0x10d24, 0x10d27},
    {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10ecb, 0x10ecf}, {0x10ef0, 0x10efb}, {0x10efd, 0x10eff},
    {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x11380, 0x113ff},
    {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11900, 0x1195f}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34},
    {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45}, {0x11d97, 0x11d97},
    {0x11f41, 0x11f42}, {0x16100, 0x1613f}, {0x16d40, 0x16d7f}, {0x16ff0, 0x16ff1}, {0x1d127, 0x1d128},
    {0x1d250, 0x1d252}, {0x1d25b, 0x1d25c}, {0x1d25f, 0x1d25f}, {0x1d280, 0x1d281}, {0x1e08f, 0x1e08f},
    {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1e5ee, 0x1e5ef},
    {0x1e6e3, 0x1e6e3}, {0x1e6e6, 0x1e6e6}, {0x1e6ee, 0x1e6ef}, {0x1e6f5, 0x1e6f5},
};

#define IN_RANGES(table, c) in_ranges(table, sizeof(table) / sizeof *(table), c)

static bool in_ranges(const range *table, size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (c > table[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && c >= table[low].first;
}

/* The property White_Space, closed since Unicode 6.3. */
static bool is_space(uint32_t c)
{
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    if (c < 0x2000) return c == 0x85 || c == 0xa0 || c == 0x1680;
    return c <= 0x200a || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Han, Hangul and the blocks below Georgian Extended hold most text and are settled, but for a few code points. */
static bool may_differ(uint32_t c)
{
    if (c < 0x1c80) return c >= 0x558 && c < 0xcdd;
    return !(c >= 0x3400 && c < 0xa000) && !(c >= 0xac00 && c < 0xe000);
}

static char_class class_of_category(utf8proc_category_t category)
{
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) return CLASS_LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) return CLASS_NUMBER;
    return CLASS_OTHER;
}

char_class unicode_class(uint32_t c)
{
    if (is_space(c)) return CLASS_SPACE;
    if (may_differ(c)) {
        if (IN_RANGES(later_than_16, c)) return CLASS_OTHER;
        if (IN_RANGES(letters_of_16, c)) return CLASS_LETTER;
        if (IN_RANGES(numbers_of_16, c)) return CLASS_NUMBER;
    }
    return class_of_category(utf8proc_category((utf8proc_int32_t)c));
}

bool unicode_is_word(uint32_t c)
{
    if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (c == 0x200c || c == 0x200d) return true;
    /* Other_Alphabetic symbols: circled and squared Latin letters. */
    if ((c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
        (c >= 0x1f170 && c <= 0x1f189))
        return true;
    if (unicode_class(c) == CLASS_LETTER) return true;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return false;
    }
}

size_t unicode_lower(uint32_t c, uint32_t out[2])
{
    out[0] = c;
    if (c < 0x80) {
        if (c >= 'A' && c <= 'Z') out[0] = c + 32;
        return 1;
    }
    if (c == 0x130) { /* the one character whose lower case is two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    if (c >= 0x3000 && c < 0xa000) return 1;
    for (size_t i = 0; i < sizeof lower_of_17 / sizeof *lower_of_17; i++) {
        if (c >= lower_of_17[i].capitals.first && c <= lower_of_17[i].capitals.last) {
            out[0] = (uint32_t)((int32_t)c + lower_of_17[i].distance);
            return 1;
        }
    }
    if (!(may_differ(c) && IN_RANGES(later_than_16, c))) out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}

/* ---- normalization forms C and D ---- */

/* Whether a text of characters for which this is false is in form C already: it holds no mark, no conjoining jamo and
 * nothing that decomposes. Hangul syllables do decompose, but come back unless a jamo follows. */
static bool needs_work(uint32_t c)
{
    if (c < 0x300) return false;
    if ((c >= 0x4e00 && c < 0xa000) || (c >= 0xac00 && c <= 0xd7a3)) return false;
    if (c >= 0x1100 && c < 0x1200) return true;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
    if (p->category >= UTF8PROC_CATEGORY_MN && p->category <= UTF8PROC_CATEGORY_ME) return true;
    return p->combining_class != 0 || (p->decomp_seqindex != UINT16_MAX && p->decomp_type == 0);
}

bool unicode_is_nfc(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        if ((uint8_t)text[at] < 0x80)
            at++;
        else if (needs_work(utf8_next(text, len, &at)))
            return false;
    }
    return true;
}

static uint8_t class_of_mark(int32_t c)
{
    return (uint8_t)utf8proc_get_property(c)->combining_class;
}

/* Sorts n marks by combining class, equal ones left in order; spare has room for n. */
static void order_marks(int32_t *marks, size_t n, int32_t *spare)
{
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++) start[class_of_mark(marks[i]) + 1]++;
    for (size_t k = 1; k < 257; k++) start[k] += start[k - 1];
    memcpy(spare, marks, n * sizeof *marks);
    for (size_t i = 0; i < n; i++) marks[start[class_of_mark(spare[i])]++] = spare[i];
}

static void order_all(int32_t *chars, size_t n, int32_t *spare)
{
    for (size_t i = 0; i < n;) {
        if (class_of_mark(chars[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < n && class_of_mark(chars[end]) != 0) end++;
        if (end - i > 1) order_marks(chars + i, end - i, spare);
        i = end;
    }
}

/* Decomposed characters on their way to the output; two halves of `capacity` each, the second to sort in. */
typedef struct {
    int32_t *chars;
    size_t n, capacity;
    bool compose; /* otherwise the output stays decomposed */
    buf *out;
} composer;

static void put_char(buf *out, uint32_t c)
{
    char piece[4];
    buf_append(out, piece, utf8_put(piece, c));
}

/* Orders, composes and appends what has gathered. */
static void flush(composer *w)
{
    if (w->n == 0) return;
    order_all(w->chars, w->n, w->chars + w->capacity);
    utf8proc_ssize_t left = (utf8proc_ssize_t)w->n;
    if (w->compose) left = utf8proc_normalize_utf32(w->chars, left, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < left; i++) put_char(w->out, (uint32_t)w->chars[i]);
    w->n = 0;
}

/* The longest canonical decomposition has four characters. */
enum { DECOMPOSITION_MAX = 4, GATHER = 256 };

static bool make_room(composer *w)
{
    if (w->n + DECOMPOSITION_MAX <= w->capacity) return true;
    const size_t capacity = w->capacity ? 2 * w->capacity : 2 * GATHER;
    int32_t *chars = mem_grow(w->chars, capacity, 2 * sizeof *chars);
    if (!chars) {
        buf_release(w->out);
        w->out->failed = true;
        return false;
    }
    w->chars = chars;
    w->capacity = capacity;
    return true;
}

static void gather(composer *w, uint32_t c)
{
    int last_class = 0;
    const utf8proc_ssize_t made = utf8proc_decompose_char((utf8proc_int32_t)c, w->chars + w->n, DECOMPOSITION_MAX,
                                                          UTF8PROC_STABLE | UTF8PROC_COMPOSE, &last_class);
    if (made > 0 && made <= DECOMPOSITION_MAX)
        w->n += (size_t)made;
    else
        w->chars[w->n++] = (int32_t)c;
}

static void normalize(const char *text, size_t len, bool compose, buf *out)
{
    composer w = {.compose = compose, .out = out};
    for (size_t at = 0; at < len && make_room(&w);) {
        const uint32_t c = utf8_next(text, len, &at);
        /* Nothing below U+0300 composes with what precedes it. */
        if (w.n >= GATHER && c < 0x300) flush(&w);
        if (c >= 0x5c8 && IN_RANGES(inert_in_nfc, c)) {
            flush(&w);
            put_char(out, c);
        } else {
            gather(&w, c);
        }
    }
    flush(&w);
    mem_free(w.chars);
}

void unicode_nfc(const char *text, size_t len, buf *out)
{
    if (unicode_is_nfc(text, len))
        buf_append(out, text, len);
    else
        normalize(text, len, true, out);
}

void unicode_nfd(const char *text, size_t len, buf *out)
{
    size_t at = 0;
    while (at < len && (uint8_t)text[at] < 0x80) at++;
    if (at == len)
        buf_append(out, text, len);
    else
        normalize(text, len, false, out);
}

/* ---- what BERT's cleaning asks for ---- */

#define IN_PAIRS(table, c) in_pairs(table, sizeof(table) / sizeof *(table), c)

static bool in_pairs(const uint32_t (*table)[2], size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (c > table[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && c >= table[low][0];
}

bool unicode_is_dropped(uint32_t c)
{
    if (c < 0x7f && c >= 0x20) return false;
    return IN_PAIRS(bert_dropped, c);
}

bool unicode_is_punctuation(uint32_t c)
{
    if (c < 0x80) return c > ' ' && c < 0x7f && unicode_class(c) == CLASS_OTHER;
    if ((c >= 0x3400 && c < 0xa000) || (c >= 0xac00 && c < 0xe000)) return false;
    return IN_PAIRS(bert_punctuation, c);
}

bool unicode_is_nonspacing(uint32_t c)
{
    return c >= 0x300 && IN_PAIRS(bert_nonspacing, c);
}

/* The last but two range begins at U+2B920 in that library where the block of ideographs begins at U+2B820. */
bool unicode_is_han(uint32_t c)
{
    if (c < 0x3400) return false;
    if (c < 0x20000) return c <= 0x4dbf || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff);
    return c <= 0x2a6df || (c >= 0x2a700 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}
