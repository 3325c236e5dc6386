/* SPDX-License-Identifier: Apache-2.0
 * sniff.c - which picture format a file is, by its first bytes and by its name.
 *
 * simile decides by itself which decoder runs, and never lets libvips ask all of its loaders: the list below is the
 * whole list of what foreign bytes can reach. JPEG XL and JPEG 2000 are known and refused, because libvips marks its
 * loaders for them as unsafe for foreign files. Threads: everything here is pure. */
#include "image/parts.h"

#include <string.h>
#include <strings.h>

static bool has(const uint8_t *bytes, size_t len, size_t at, const char *magic, size_t magic_len)
{
    return at <= len && len - at >= magic_len && !memcmp(bytes + at, magic, magic_len);
}
#define HAS(at, magic) has(bytes, len, (at), (magic), sizeof(magic) - 1)

/* The ftyp box of an ISO base media file: length, "ftyp", major brand, version, compatible brands. */
static picture_format sniff_brands(const uint8_t *bytes, size_t len, const char **name)
{
    static const char heif[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"};
    const size_t box = (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    const size_t end = box < len ? box : len;
    bool is_heif = false;
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
        if (HAS(at, "avif") || HAS(at, "avis")) {
            *name = "avif";
            return FORMAT_AVIF;
        }
        for (size_t i = 0; i < sizeof heif / sizeof *heif; i++) is_heif |= has(bytes, len, at, heif[i], 4);
    }
    *name = "heif";
    return is_heif ? FORMAT_HEIF : FORMAT_UNKNOWN;
}

static bool is_bmp(const uint8_t *bytes, size_t len)
{
    static const uint8_t sizes[] = {12, 40, 52, 56, 64, 108, 124};
    if (!HAS(0, "BM") || len < 26 || bytes[15] || bytes[16] || bytes[17]) return false;
    return memchr(sizes, bytes[14], sizeof sizes) != NULL;
}

static bool is_pnm(const uint8_t *bytes, size_t len)
{
    return len > 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
           (strchr(" \t\r\n\v\f#", bytes[2]) && bytes[2]);
}

static picture_format sniff_refused(const uint8_t *bytes, size_t len, const char **name)
{
    *name = NULL;
    if (HAS(0, "\xff\x0a") || HAS(0, "\0\0\0\x0cJXL \r\n\x87\n")) *name = "JPEG XL";
    if (HAS(0, "\xff\x4f\xff\x51") || HAS(0, "\0\0\0\x0cjP  \r\n\x87\n")) *name = "JPEG 2000";
    if (HAS(0, "%PDF-")) *name = "PDF";
    if (HAS(0, "8BPS")) *name = "Photoshop";
    if (HAS(0, "\x76\x2f\x31\x01")) *name = "OpenEXR";
    if (HAS(0, "#?RADIANCE") || HAS(0, "#?RGBE")) *name = "Radiance";
    if (HAS(0, "<svg")) *name = "SVG";
    return *name ? FORMAT_REFUSED : FORMAT_UNKNOWN;
}

picture_format sniff_format(const uint8_t *bytes, size_t len, const char **name)
{
    static const struct {
        const char *magic, *name;
        uint8_t len;
        picture_format format;
    } table[] = {
        {"\xff\xd8\xff", "jpeg", 3, FORMAT_JPEG}, {"\x89PNG\r\n\x1a\n", "png", 8, FORMAT_PNG},
        {"GIF87a", "gif", 6, FORMAT_GIF},         {"GIF89a", "gif", 6, FORMAT_GIF},
        {"II*\0", "tiff", 4, FORMAT_TIFF},        {"MM\0*", "tiff", 4, FORMAT_TIFF},
        {"II+\0", "tiff", 4, FORMAT_TIFF},        {"MM\0+", "tiff", 4, FORMAT_TIFF},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (has(bytes, len, 0, table[i].magic, table[i].len)) {
            *name = table[i].name;
            return table[i].format;
        }
    *name = "webp";
    if (HAS(0, "RIFF") && HAS(8, "WEBP")) return FORMAT_WEBP;
    if (HAS(4, "ftyp")) return sniff_brands(bytes, len, name);
    *name = "bmp";
    if (is_bmp(bytes, len)) return FORMAT_BMP;
    *name = "pnm";
    if (is_pnm(bytes, len)) return FORMAT_PNM;
    return sniff_refused(bytes, len, name);
}

const char *image_sniff(const void *bytes, size_t len)
{
    const char *name;
    const picture_format format = sniff_format(bytes, len, &name);
    return format == FORMAT_UNKNOWN || format == FORMAT_REFUSED ? NULL : name;
}

bool image_has_known_ending(const char *path)
{
    static const char *const known[] = {"jpg",  "jpeg", "jpe",  "jfif", "png", "apng", "webp", "gif", "tif", "tiff",
                                        "heic", "heif", "avif", "bmp",  "dib", "ppm",  "pgm",  "pbm", "pnm"};
    const char *const slash = strrchr(path, '/');
    const char *const name = slash ? slash + 1 : path;
    const char *const dot = strrchr(name, '.');
    if (!dot || dot == name) return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(dot + 1, known[i])) return true;
    return false;
}
