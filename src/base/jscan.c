/* SPDX-License-Identifier: Apache-2.0
 * jscan.c - see jscan.h. */
#include "base/jscan.h"

#include "base/utf8.h"

#include <string.h>

enum { MAX_DEPTH = 256 };

void jscan_init(jscan *s, const void *text, size_t len)
{
    *s = (jscan){.text = text, .len = len};
}

bool jscan_fail(jscan *s, const char *problem)
{
    if (!s->problem) s->problem = problem;
    return false;
}

char jscan_peek(jscan *s)
{
    while (s->at < s->len) {
        const char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        s->at++;
    }
    return 0;
}

static bool expect(jscan *s, char c, const char *problem)
{
    if (s->problem) return false;
    if (jscan_peek(s) != c) return jscan_fail(s, problem);
    s->at++;
    return true;
}

bool jscan_object(jscan *s)
{
    s->fresh = true;
    return expect(s, '{', "an object was expected");
}

bool jscan_array(jscan *s)
{
    s->fresh = true;
    return expect(s, '[', "an array was expected");
}

/* The comma before an item, or the end of the container. `fresh` is true only right behind the opening bracket: a
 * container that ends clears it, because its parent has an item by then. */
static bool next_item(jscan *s, char closing)
{
    if (s->problem) return false;
    const bool first = s->fresh;
    s->fresh = false;
    if (jscan_peek(s) == closing) {
        s->at++;
        return false;
    }
    return first || expect(s, ',', "a comma was expected");
}

bool jscan_item(jscan *s)
{
    return next_item(s, ']');
}

bool jscan_key(jscan *s, buf *key)
{
    return next_item(s, '}') && jscan_string(s, key) && expect(s, ':', "a colon was expected");
}

static bool hex4(jscan *s, uint32_t *out)
{
    if (s->len - s->at < 4) return jscan_fail(s, "an escape is cut short");
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = s->text[s->at++];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return jscan_fail(s, "an escape has a digit that is not hexadecimal");
        value = value << 4 | (uint32_t)digit;
    }
    *out = value;
    return true;
}

static bool unicode_escape(jscan *s, buf *out)
{
    uint32_t c, low;
    char piece[4];
    if (!hex4(s, &c)) return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (s->len - s->at < 2 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
            return jscan_fail(s, "half a surrogate pair");
        s->at += 2;
        if (!hex4(s, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return jscan_fail(s, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return jscan_fail(s, "half a surrogate pair");
    }
    if (c == 0) return jscan_fail(s, "a NUL character in a string");
    return buf_append(out, piece, utf8_put(piece, c));
}

static bool escape(jscan *s, buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->at == s->len) return jscan_fail(s, "a string is cut short");
    const char c = s->text[s->at++];
    if (c == 'u') return unicode_escape(s, out);
    const char *found = c ? strchr(from, c) : NULL;
    return found ? buf_byte(out, to[found - from]) : jscan_fail(s, "an unknown escape");
}

bool jscan_string(jscan *s, buf *out)
{
    buf_clear(out);
    if (!expect(s, '"', "a string was expected")) return false;
    for (;;) {
        const size_t start = s->at;
        while (s->at < s->len && s->text[s->at] != '"' && s->text[s->at] != '\\' && (uint8_t)s->text[s->at] >= 0x20)
            s->at++;
        if (!utf8_valid(s->text + start, s->at - start)) return jscan_fail(s, "not UTF-8");
        buf_append(out, s->text + start, s->at - start);
        if (s->at == s->len) return jscan_fail(s, "a string is cut short");
        const char c = s->text[s->at++];
        if (c == '"') break;
        if (c != '\\') return jscan_fail(s, "a control character in a string");
        if (!escape(s, out) && s->problem) return false;
    }
    if (buf_ok(out)) return true;
    s->no_memory = true;
    return jscan_fail(s, "out of memory");
}

bool jscan_uint(jscan *s, uint64_t *out)
{
    *out = 0;
    if (s->problem) return false;
    const char c = jscan_peek(s);
    if (c < '0' || c > '9') return jscan_fail(s, "a whole number was expected");
    if (c == '0' && s->at + 1 < s->len && s->text[s->at + 1] >= '0' && s->text[s->at + 1] <= '9')
        return jscan_fail(s, "a number starts with 0");
    for (; s->at < s->len && s->text[s->at] >= '0' && s->text[s->at] <= '9'; s->at++) {
        if (__builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (unsigned)(s->text[s->at] - '0'), out))
            return jscan_fail(s, "a number is too large");
    }
    if (s->at < s->len && (s->text[s->at] == '.' || s->text[s->at] == 'e' || s->text[s->at] == 'E'))
        return jscan_fail(s, "a whole number was expected");
    return true;
}

static size_t digits(jscan *s)
{
    const size_t start = s->at;
    while (s->at < s->len && s->text[s->at] >= '0' && s->text[s->at] <= '9') s->at++;
    return s->at - start;
}

static bool skip_number(jscan *s)
{
    if (s->text[s->at] == '-') s->at++;
    const size_t start = s->at;
    const size_t n = digits(s);
    if (n == 0 || (n > 1 && s->text[start] == '0')) return jscan_fail(s, "a value was expected");
    if (s->at < s->len && s->text[s->at] == '.') {
        s->at++;
        if (!digits(s)) return jscan_fail(s, "a number is cut short");
    }
    if (s->at < s->len && (s->text[s->at] == 'e' || s->text[s->at] == 'E')) {
        s->at++;
        if (s->at < s->len && (s->text[s->at] == '+' || s->text[s->at] == '-')) s->at++;
        if (!digits(s)) return jscan_fail(s, "a number is cut short");
    }
    return true;
}

static bool skip_scalar(jscan *s, buf *scratch)
{
    static const char *const words[] = {"true", "false", "null"};
    const char c = jscan_peek(s);
    if (c == '"') return jscan_string(s, scratch);
    for (int i = 0; i < 3; i++) {
        const size_t n = strlen(words[i]);
        if (s->len - s->at >= n && !memcmp(s->text + s->at, words[i], n)) {
            s->at += n;
            return true;
        }
    }
    if (s->at == s->len) return jscan_fail(s, "it ends too early");
    return skip_number(s);
}

bool jscan_skip(jscan *s)
{
    char closing[MAX_DEPTH];
    int depth = 0;
    buf scratch;
    buf_init(&scratch, s->len);
    bool value_due = !s->problem;
    while (value_due || (depth && !s->problem)) {
        if (!value_due) { /* inside a container, between items */
            const bool in_object = closing[depth - 1] == '}';
            value_due = in_object ? jscan_key(s, &scratch) : jscan_item(s);
            if (!value_due && !s->problem) depth--;
            continue;
        }
        value_due = false;
        const char c = jscan_peek(s);
        if (c != '{' && c != '[') {
            skip_scalar(s, &scratch);
        } else if (depth == MAX_DEPTH) {
            jscan_fail(s, "nested too deep");
        } else {
            closing[depth++] = c == '{' ? '}' : ']';
            s->at++;
            s->fresh = true;
        }
    }
    buf_release(&scratch);
    return !s->problem;
}

bool jscan_end(jscan *s)
{
    if (s->problem) return false;
    jscan_peek(s);
    return s->at == s->len || jscan_fail(s, "something follows its end");
}

simile_status jscan_error(const jscan *s, const char *subject, simile_error *err)
{
    if (s->no_memory) return err_nomem(err);
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': not the JSON it should be: %s at byte %zu", subject,
                   s->problem ? s->problem : "unknown", s->at);
}
