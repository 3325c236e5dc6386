/* SPDX-License-Identifier: Apache-2.0
 * forms.h - how FastAPI says that something is wrong: Immich, infinity and Jina are made with it. */
#ifndef SIMILE_SERVE_FORMS_H
#define SIMILE_SERVE_FORMS_H

#include "serve/http.h"

#include <stdarg.h>

/* {KEY: "..."} */
void reply_saying(reply *r, int status, const char *key, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));
/* {"detail": "..."} */
void reply_detail(reply *r, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* 422 {"detail": [{"type": "missing", "loc": ["body", "input", 3], "msg": "Field required"}]}.
 * where: "body/input/3". */
void reply_invalid(reply *r, const char *type, const char *where, const char *message);
/* What request_json() said of the body: 422, or 413 when it is too large. */
void reply_invalid_json(reply *r, const simile_error *err);

/* The status for something that the server itself could not do with a model: 503 when it is only busy, else 500. */
int status_of_model(const simile_error *err);
/* An answer starts again from nothing; with 429 and 503 Retry-After goes along. */
void reply_again(reply *r, int status);

#endif
