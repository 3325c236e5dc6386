/* SPDX-License-Identifier: Apache-2.0
 * script.c - see script.h.
 *
 * The ranges are blocks of Unicode (Blocks.txt), each given to the script of its letters; what is no letter in them
 * (digits, punctuation, marks, by Unicode's categories) is left out before they are asked, save that marks count where
 * vowels are marks: there a word may have as many of them as letters, and they belong to the same blocks. A text is
 * read once; nothing is allocated. No state: any number of threads. */
#include "text/script.h"

#include "base/utf8.h"
#include "text/unicode.h"

#include <stdint.h>

typedef struct {
    uint32_t first, last;
    script is;
} block;

/* Ascending. */
static const block blocks[] = {
    {0x0041, 0x024F, SCRIPT_LATIN},      {0x0250, 0x02AF, SCRIPT_LATIN},    {0x0370, 0x03FF, SCRIPT_GREEK},
    {0x0400, 0x052F, SCRIPT_CYRILLIC},   {0x0530, 0x058F, SCRIPT_ARMENIAN}, {0x0590, 0x05FF, SCRIPT_HEBREW},
    {0x0600, 0x06FF, SCRIPT_ARABIC},     {0x0750, 0x077F, SCRIPT_ARABIC},   {0x0870, 0x08FF, SCRIPT_ARABIC},
    {0x0900, 0x097F, SCRIPT_DEVANAGARI}, {0x0980, 0x09FF, SCRIPT_BENGALI},  {0x0E00, 0x0E7F, SCRIPT_THAI},
    {0x10A0, 0x10FF, SCRIPT_GEORGIAN},   {0x1100, 0x11FF, SCRIPT_HANGUL},   {0x1200, 0x139F, SCRIPT_ETHIOPIC},
    {0x1C80, 0x1C8F, SCRIPT_CYRILLIC},   {0x1C90, 0x1CBF, SCRIPT_GEORGIAN}, {0x1D00, 0x1DBF, SCRIPT_LATIN},
    {0x1E00, 0x1EFF, SCRIPT_LATIN},      {0x1F00, 0x1FFF, SCRIPT_GREEK},    {0x2C60, 0x2C7F, SCRIPT_LATIN},
    {0x2D00, 0x2D2F, SCRIPT_GEORGIAN},   {0x2D80, 0x2DDF, SCRIPT_ETHIOPIC}, {0x2DE0, 0x2DFF, SCRIPT_CYRILLIC},
    {0x3005, 0x3007, SCRIPT_HAN},        {0x3040, 0x30FF, SCRIPT_KANA},     {0x3130, 0x318F, SCRIPT_HANGUL},
    {0x31F0, 0x31FF, SCRIPT_KANA},       {0x3400, 0x4DBF, SCRIPT_HAN},      {0x4E00, 0x9FFF, SCRIPT_HAN},
    {0xA640, 0xA69F, SCRIPT_CYRILLIC},   {0xA720, 0xA7FF, SCRIPT_LATIN},    {0xA8E0, 0xA8FF, SCRIPT_DEVANAGARI},
    {0xA960, 0xA97F, SCRIPT_HANGUL},     {0xAB30, 0xAB6F, SCRIPT_LATIN},    {0xAC00, 0xD7FF, SCRIPT_HANGUL},
    {0xF900, 0xFAFF, SCRIPT_HAN},        {0xFB00, 0xFB06, SCRIPT_LATIN},    {0xFB1D, 0xFB4F, SCRIPT_HEBREW},
    {0xFB50, 0xFDFF, SCRIPT_ARABIC},     {0xFE70, 0xFEFE, SCRIPT_ARABIC},   {0xFF21, 0xFF5A, SCRIPT_LATIN},
    {0xFF66, 0xFF9F, SCRIPT_KANA},       {0xFFA0, 0xFFDC, SCRIPT_HANGUL},   {0x1B000, 0x1B16F, SCRIPT_KANA},
    {0x20000, 0x3FFFD, SCRIPT_HAN},
};

static const struct {
    const char *name, *language;
    unsigned weight;
} facts[SCRIPTS] = {
    [SCRIPT_NONE] = {"none", NULL, 0},
    [SCRIPT_LATIN] = {"latin", NULL, 1},
    [SCRIPT_HAN] = {"han", "zh", 2},
    [SCRIPT_KANA] = {"kana", "ja", 2},
    [SCRIPT_HANGUL] = {"hangul", "ko", 2},
    [SCRIPT_CYRILLIC] = {"cyrillic", NULL, 1},
    [SCRIPT_ARABIC] = {"arabic", NULL, 1},
    [SCRIPT_GREEK] = {"greek", "el", 1},
    [SCRIPT_HEBREW] = {"hebrew", NULL, 1},
    [SCRIPT_ARMENIAN] = {"armenian", "hy", 1},
    [SCRIPT_GEORGIAN] = {"georgian", "ka", 1},
    [SCRIPT_ETHIOPIC] = {"ethiopic", NULL, 1},
    [SCRIPT_DEVANAGARI] = {"devanagari", NULL, 1},
    [SCRIPT_BENGALI] = {"bengali", NULL, 1},
    [SCRIPT_THAI] = {"thai", "th", 1},
    [SCRIPT_OTHER] = {"other", NULL, 1},
};

/* The block of a character, or NULL. */
static const block *find_block(uint32_t c)
{
    size_t low = 0, high = sizeof blocks / sizeof *blocks;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (c > blocks[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof blocks / sizeof *blocks && c >= blocks[low].first ? &blocks[low] : NULL;
}

script script_of(uint32_t c)
{
    if (unicode_class(c) != CLASS_LETTER && !unicode_is_nonspacing(c)) return SCRIPT_NONE;
    const block *b = find_block(c);
    if (b) return b->is;
    return unicode_class(c) == CLASS_LETTER ? SCRIPT_OTHER : SCRIPT_NONE;
}

script script_of_text(const char *text, size_t len)
{
    size_t count[SCRIPTS] = {0};
    script best = SCRIPT_NONE;
    for (size_t at = 0; at < len;) count[script_of(utf8_next(text, len, &at))]++;
    if (count[SCRIPT_KANA]) {
        count[SCRIPT_KANA] += count[SCRIPT_HAN];
        count[SCRIPT_HAN] = 0;
    }
    for (script s = SCRIPT_LATIN; s < SCRIPTS; s++)
        if (count[s] * facts[s].weight > count[best] * facts[best].weight) best = s;
    return best;
}

const char *script_name(script s)
{
    return s < SCRIPTS ? facts[s].name : facts[SCRIPT_OTHER].name;
}

const char *script_language(script s)
{
    return s < SCRIPTS ? facts[s].language : NULL;
}
