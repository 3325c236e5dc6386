/* SPDX-License-Identifier: Apache-2.0
 * charsmap.c - see charsmap.h.
 *
 * Layout (google/sentencepiece, src/normalizer.cc), little-endian:
 *     u32 n | n bytes: units of a double array (Darts) | the replacements, each with a NUL
 *     unit: bit 8 has a leaf | value: low 31 bits | label: bits 31 and 0-7 | offset: bits 10-30, times 256 with bit 9
 * A walk starts at the offset of unit 0; a byte leads from a node to node XOR byte, whose label must be that byte, and
 * from there to XOR its offset; when it has a leaf, the value there is the place of the replacement.
 * Every index is checked, because the array comes from a file; what leads out of it is no match.
 *
 * The tokenizers library looks up whole grapheme clusters below six bytes and takes the shortest key that begins one
 * for all of it; other clusters it looks up character by character. SentencePiece takes the longest key at each place.
 *
 * Threads: a map is only read. */
#include "text/charsmap.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <utf8proc.h>

void charsmap_release(charsmap *map)
{
    mem_free(map->units);
    mem_free(map->texts);
    *map = (charsmap){0};
}

static simile_status wrong(const char *subject, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': its precompiled map of characters is damaged", subject);
}

static uint32_t little_endian(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

simile_status charsmap_init(charsmap *map, const void *bytes, size_t len, const char *subject, simile_error *err)
{
    const uint8_t *at = bytes;
    *map = (charsmap){0};
    if (len == 0) return SIMILE_OK;
    if (len < 8) return wrong(subject, err);
    const size_t size = little_endian(at), texts = 4 + size;
    if (size == 0 || size % 4 != 0 || size > len - 5 || at[len - 1] != 0 ||
        !utf8_valid((const char *)at + texts, len - texts))
        return wrong(subject, err);
    map->n_units = size / 4;
    map->texts_len = len - texts;
    map->units = mem_array(map->n_units, sizeof *map->units);
    map->texts = mem_alloc(map->texts_len);
    if (!map->units || !map->texts) {
        charsmap_release(map);
        return err_nomem(err);
    }
    for (size_t i = 0; i < map->n_units; i++) map->units[i] = little_endian(at + 4 + 4 * i);
    memcpy(map->texts, at + texts, map->texts_len);
    return SIMILE_OK;
}

/* ---- base64 ---- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

simile_status charsmap_init_base64(charsmap *map, const char *text, const char *subject, simile_error *err)
{
    size_t len = strlen(text), n = 0;
    *map = (charsmap){0};
    if (len % 4 != 0) return wrong(subject, err);
    while (len > 0 && text[len - 1] == '=') len--;
    if (strlen(text) - len > 2) return wrong(subject, err);
    uint8_t *bytes = mem_alloc(len / 4 * 3 + 3);
    if (!bytes) return err_nomem(err);
    uint32_t gathered = 0;
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < len && !status; i++) {
        const int digit = digit_of(text[i]);
        if (digit < 0) status = wrong(subject, err);
        gathered = (gathered & 0xffffff) << 6 | (uint32_t)(digit & 63);
        if (i % 4 != 0) bytes[n++] = (uint8_t)(gathered >> (6 - 2 * (i % 4)));
    }
    if (!status) status = charsmap_init(map, bytes, n, subject, err);
    mem_free(bytes);
    return status;
}

/* ---- looking up ---- */

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

/* The replacement that a node's leaf names; NULL when it lies outside or within a character. */
static const char *text_at(const charsmap *map, size_t node)
{
    if (node >= map->n_units) return NULL;
    const size_t at = map->units[node] & 0x7fffffff;
    if (at >= map->texts_len || ((uint8_t)map->texts[at] & 0xc0) == 0x80) return NULL;
    return map->texts + at;
}

const char *charsmap_find(const charsmap *map, const char *text, size_t len, bool longest, size_t *taken)
{
    const char *found = NULL;
    if (!map->units) return NULL;
    size_t node = offset_of(map->units[0]);
    for (size_t i = 0; i < len; i++) {
        const uint8_t byte = (uint8_t)text[i];
        node ^= byte;
        if (node >= map->n_units) break;
        const uint32_t unit = map->units[node];
        if ((unit & (0x80000000u | 0xff)) != byte) break;
        node ^= offset_of(unit);
        if (!(unit & 0x100)) continue;
        const char *here = text_at(map, node);
        if (!here) continue;
        found = here;
        *taken = i + 1;
        if (!longest) break;
    }
    return found;
}

/* Marks that extend a cluster since Unicode 15.1 to 17, which is what the library knows, and later ones. */
static const uint32_t extending[][2] = {
    {0x897, 0x897},     {0x1acf, 0x1add},   {0x1ae0, 0x1aeb},   {0x10d69, 0x10d6d}, {0x10efa, 0x10efc},
    {0x113b8, 0x113c0}, {0x113c2, 0x113c2}, {0x113c5, 0x113c5}, {0x113c7, 0x113ca}, {0x113cc, 0x113d0},
    {0x113d2, 0x113d2}, {0x113e1, 0x113e2}, {0x11b60, 0x11b67}, {0x11f5a, 0x11f5a}, {0x1611e, 0x1612f},
    {0x1e5ee, 0x1e5ef}, {0x1e6e3, 0x1e6e3}, {0x1e6e6, 0x1e6e6}, {0x1e6ee, 0x1e6ef}, {0x1e6f5, 0x1e6f5},
};
static const uint32_t not_yet[][2] = {
    {0x5c8, 0x5c9},     {0xb53, 0xb54},     {0x1ade, 0x1adf},   {0x1aec, 0x1af0},
    {0x10ecb, 0x10ecf}, {0x10ef0, 0x10ef9}, {0x11df0, 0x11df0}, {0x1d127, 0x1d128},
    {0x1d250, 0x1d252}, {0x1d25b, 0x1d25c}, {0x1d25f, 0x1d25f}, {0x1d280, 0x1d281},
};

/* No characters yet, but kept for invisible ones: like controls they belong to no cluster. */
static const uint32_t ignorable[][2] = {
    {0x2065, 0x2065}, {0xfff0, 0xfff8}, {0xe0000, 0xe0000}, {0xe0002, 0xe001f}, {0xe0080, 0xe00ff}, {0xe01f0, 0xe0fff},
};

#define IN_PAIRS(table, c) in_pairs(table, sizeof(table) / sizeof *(table), c)

static bool in_pairs(const uint32_t (*table)[2], size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= table[i][0] && c <= table[i][1]) return true;
    }
    return false;
}

/* The next character, or an older one that behaves as it does. */
static utf8proc_int32_t next_char(const char *text, size_t len, size_t *at)
{
    enum { A_CONTROL = 1, A_MARK = 0x300, A_LETTER = 'x' };
    const uint32_t c = utf8_next(text, len, at);
    if (c < 0x5c8) return (utf8proc_int32_t)c;
    if (IN_PAIRS(extending, c)) return A_MARK;
    if (IN_PAIRS(ignorable, c)) return A_CONTROL;
    return IN_PAIRS(not_yet, c) ? A_LETTER : (utf8proc_int32_t)c;
}

static inline bool is_visible(char c)
{
    return c >= ' ' && c < 0x7f;
}

static size_t cluster_end(const char *text, size_t len, size_t start)
{
    size_t at = start;
    /* Of two such characters in a row, as most are, each is a cluster. */
    if (is_visible(text[at]) && (at + 1 == len || is_visible(text[at + 1]))) return at + 1;
    utf8proc_int32_t state = 0;
    utf8proc_int32_t before = next_char(text, len, &at);
    while (at < len) {
        size_t next = at;
        const utf8proc_int32_t c = next_char(text, len, &next);
        if (utf8proc_grapheme_break_stateful(before, c, &state)) break;
        before = c;
        at = next;
    }
    return at;
}

void charsmap_run(const charsmap *map, const char *text, size_t len, buf *out)
{
    enum { WHOLE = 6 };
    for (size_t at = 0; at < len && buf_ok(out);) {
        const size_t end = cluster_end(text, len, at);
        size_t taken;
        const char *to = end - at < WHOLE ? charsmap_find(map, text + at, end - at, false, &taken) : NULL;
        if (to) {
            buf_text(out, to);
            at = end;
        }
        while (at < end) {
            size_t next = at;
            utf8_next(text, len, &next);
            to = charsmap_find(map, text + at, next - at, false, &taken);
            if (to)
                buf_text(out, to);
            else if (next - at == 1)
                buf_byte(out, text[at]);
            else
                buf_append(out, text + at, next - at);
            at = next;
        }
    }
}
