/* SPDX-License-Identifier: Apache-2.0
 *
 * term.c - see term.h.
 *
 * Pictures in line: the protocol of iTerm2, which other terminals took over, because it alone carries a JPEG as it is:
 *     ESC ] 1337 ; File = inline=1 ; height=<rows> ; size=<bytes> : <the file in base64> BEL
 * Kitty's protocol wants PNG or raw pixels, and sixel wants palettes: both would need a decoder here. */
#include "term.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <nettle/base64.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PICTURE_MAX = 64 << 20 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

bool term_colours(void)
{
    return isatty(STDOUT_FILENO) && !*environment("NO_COLOR") && *environment("TERM") &&
           strcmp(environment("TERM"), "dumb") != 0;
}

int term_width(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) || size.ws_col < 20) return 80;
    return size.ws_col;
}

bool term_pictures(void)
{
    static const char *const able[] = {"iTerm.app", "WezTerm", "mintty", "rio", "WarpTerminal"};
    if (!isatty(STDOUT_FILENO)) return false;
    for (size_t i = 0; i < sizeof able / sizeof *able; i++) {
        if (strcmp(environment("TERM_PROGRAM"), able[i]) == 0) return true;
    }
    return strcmp(environment("LC_TERMINAL"), "iTerm2") == 0 || strcmp(environment("TERM"), "mintty") == 0;
}

void term_colour(buf *out, int colour, const char *text)
{
    if (colour == COLOUR_NONE || !term_colours())
        buf_text(out, text);
    else
        buf_printf(out, "\033[%dm%s\033[0m", colour, text);
}

void term_text(buf *out, const char *text)
{
    if (!isatty(STDOUT_FILENO)) {
        buf_text(out, text);
        return;
    }
    const size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        const size_t start = at;
        const uint32_t c = utf8_next(text, len, &at);
        /* C0, DEL and C1, and the marks that turn the direction of what follows */
        const bool bad = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffd || (c >= 0x202a && c <= 0x202e) ||
                         (c >= 0x2066 && c <= 0x2069);
        if (bad)
            buf_byte(out, '?');
        else
            buf_append(out, text + start, at - start);
    }
}

bool term_picture(buf *out, const char *path, int rows)
{
    char *bytes;
    size_t len;
    if (file_read(path, PICTURE_MAX, &bytes, &len, NULL)) return false;
    const size_t encoded = BASE64_ENCODE_RAW_LENGTH(len);
    buf_printf(out, "\033]1337;File=inline=1;height=%d;size=%zu:", rows, len);
    if (buf_reserve(out, encoded)) {
        base64_encode_raw(out->data + out->len, len, (const uint8_t *)bytes);
        out->len += encoded;
        out->data[out->len] = 0;
    }
    buf_text(out, "\a\n");
    mem_free(bytes);
    return true;
}

void term_count(char out[32], int64_t n)
{
    char digits[24];
    const int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    char *to = out;
    for (int i = 0; i < len; i++) {
        *to++ = digits[i];
        if (i + 1 < len && (len - 1 - i) % 3 == 0 && digits[i] != '-') *to++ = ',';
    }
    *to = 0;
}
