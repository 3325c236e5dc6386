/* SPDX-License-Identifier: Apache-2.0
 * whole.h - for the tests of interfaces: a whole server in this process, with the bundled model, over a small
 * catalogue.
 *
 *     ROOT/pictures        the folder that may be indexed
 *       cat.jpg, again.jpg   one picture twice, of 2024-06-01
 *       broken.jpg           none at all: quarantined
 *       winter/              blue-bird, red-house, white-rabbit: in the snow, of 2023-01-15
 *       city/                green-bus, red-bus, of 2024-05-17 12:00
 *       new/                 boat.jpg, of 2020-02-29, which is not in the catalogue
 *     the texts "a red boat" and "two dogs in the snow"
 *
 * Clients may name any bundled model, "ViT-B-32__openai", which is simile-scenes, and "XLM-Roberta-Large-Vit-B-32", the
 * pair of it and simile-languages. */
#ifndef SIMILE_TEST_WHOLE_H
#define SIMILE_TEST_WHOLE_H

#include "client.h"

typedef struct {
    char root[64];
    server s;
    http *http;
    int port;
} whole_server;

extern whole_server whole;

/* For cmocka's groups. */
int whole_set_up(void **state);
int whole_tear_down(void **state);
/* Stops and starts it again over the same catalogue, with other options (NULL: as at first). */
void whole_restart(const serve_options *options);

/* Requests that must be answered with this status; the answer is JSON unless `status` has no body. */
json_t *whole_get(int status, const char *target);
json_t *whole_post(int status, const char *target, const char *json);
json_t *whole_ask(int status, const char *method, const char *target, const char *headers, const void *body,
                  size_t len);
/* The request is refused with this status, and the message has these words in it. */
void whole_refuses(int status, const char *method, const char *target, const char *json, const char *words);

/* The id of the picture with this name, "winter/blue-bird.jpg"; the id of a folder, "pictures" or "winter". */
int64_t whole_item(const char *name);
void whole_folder(const char *name, char out[64]);

/* Ways into JSON; each fails the test where there is no such thing. */
const char *json_text_at(const json_t *object, const char *key);
int64_t json_int_at(const json_t *object, const char *key);
double json_number_at(const json_t *object, const char *key);
const json_t *json_array_at(const json_t *object, const char *key, size_t n); /* SIZE_MAX: of any length */

#endif
