/* SPDX-License-Identifier: Apache-2.0
 * err.h - filling in the caller's simile_error.
 *
 * A message is one sentence in lower case without a full stop: what failed, the subject in single quotes, the cause:
 *     cannot read 'x.jpg': not an image
 * Every function returns the status it was given, so that `return err_set(...)` reads as it acts. err may be NULL.
 * Control characters and invalid UTF-8 from foreign bytes never reach the message. */
#ifndef SIMILE_BASE_ERR_H
#define SIMILE_BASE_ERR_H

#include "simile.h"

#include <stdarg.h>

simile_status err_set(simile_error *err, simile_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
simile_status err_vset(simile_error *err, simile_status status, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* As err_set, with ": <strerror(errno)>" appended and errno kept. NOT_FOUND and NOMEM are recognised from errno. */
simile_status err_errno(simile_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

simile_status err_nomem(simile_error *err);

/* Puts "<prefix>: " in front of the message that a callee left. */
simile_status err_prefix(simile_error *err, simile_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The log callback of simile_set_log; nothing happens when none is set. */
void log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum { LOG_ERROR = 0, LOG_WARNING = 1, LOG_INFO = 2, LOG_DETAIL = 3 };

#define RETURN_IF_ERROR(expression)                                                                                    \
    do {                                                                                                               \
        simile_status status_ = (expression);                                                                          \
        if (status_) return status_;                                                                                   \
    } while (0)

#endif
