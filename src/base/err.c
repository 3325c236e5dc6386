/* SPDX-License-Identifier: Apache-2.0
 * err.c - error messages and the log callback: see err.h. */
#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The callback is the one piece of global state that the library keeps (simile.h says so). */
static simile_log_fn log_fn;
static void *log_user;

/* Copies text into the fixed message, valid UTF-8 only, control characters as '?', never cutting a character. */
static void store_message(simile_error *err, const char *text)
{
    const size_t len = strlen(text);
    size_t at = 0, n = 0;
    while (at < len) {
        char piece[4];
        const uint32_t c = utf8_next(text, len, &at);
        const size_t size = utf8_put(piece, c < 0x20 || c == 0x7f ? '?' : c);
        if (n + size >= sizeof err->message) break;
        memcpy(err->message + n, piece, size);
        n += size;
    }
    err->message[n] = 0;
}

simile_status err_vset(simile_error *err, simile_status status, const char *format, va_list args)
{
    if (!err) return status;
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    err->status = status;
    err->sys_errno = 0;
    store_message(err, text);
    return status;
}

simile_status err_set(simile_error *err, simile_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_vset(err, status, format, args);
    va_end(args);
    return status;
}

static simile_status status_of_errno(int code)
{
    if (code == ENOENT || code == ENOTDIR) return SIMILE_E_NOT_FOUND;
    if (code == ENOMEM) return SIMILE_E_NOMEM;
    if (code == EEXIST) return SIMILE_E_EXISTS;
    return SIMILE_E_IO;
}

simile_status err_errno(simile_error *err, const char *format, ...)
{
    const int code = errno;
    const simile_status status = status_of_errno(code);
    if (!err) return status;
    char what[768], text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *known = strerrordesc_np(code); /* thread-safe, never translated */
    char cause[128];
    snprintf(cause, sizeof cause, "%s", known ? known : "unknown error");
    if (cause[0] >= 'A' && cause[0] <= 'Z' && !(cause[1] >= 'A' && cause[1] <= 'Z'))
        cause[0] = (char)(cause[0] - 'A' + 'a');
    snprintf(text, sizeof text, "%s: %s", what, cause);
    err->status = status;
    store_message(err, text);
    err->sys_errno = code;
    return status;
}

simile_status err_nomem(simile_error *err)
{
    return err_set(err, SIMILE_E_NOMEM, "out of memory");
}

simile_status err_prefix(simile_error *err, simile_status status, const char *format, ...)
{
    if (!err) return status;
    char what[512], text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s: %s", what, err->message);
    err->status = status;
    store_message(err, text);
    return status;
}

SIMILE_API void simile_set_log(simile_log_fn fn, void *user)
{
    log_fn = fn;
    log_user = user;
}

void log_message(int level, const char *format, ...)
{
    if (!log_fn) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_fn(log_user, level, text);
}

SIMILE_API const char *simile_status_name(simile_status status)
{
    switch (status) {
    case SIMILE_OK: return "SIMILE_OK";
    case SIMILE_E_ARG: return "SIMILE_E_ARG";
    case SIMILE_E_NOMEM: return "SIMILE_E_NOMEM";
    case SIMILE_E_IO: return "SIMILE_E_IO";
    case SIMILE_E_NOT_FOUND: return "SIMILE_E_NOT_FOUND";
    case SIMILE_E_EXISTS: return "SIMILE_E_EXISTS";
    case SIMILE_E_BUSY: return "SIMILE_E_BUSY";
    case SIMILE_E_CANCELLED: return "SIMILE_E_CANCELLED";
    case SIMILE_E_FORMAT: return "SIMILE_E_FORMAT";
    case SIMILE_E_CORRUPT: return "SIMILE_E_CORRUPT";
    case SIMILE_E_VERSION: return "SIMILE_E_VERSION";
    case SIMILE_E_UNSUPPORTED: return "SIMILE_E_UNSUPPORTED";
    case SIMILE_E_LIMIT: return "SIMILE_E_LIMIT";
    case SIMILE_E_INTERNAL: return "SIMILE_E_INTERNAL";
    default: return "SIMILE_E_UNKNOWN";
    }
}
