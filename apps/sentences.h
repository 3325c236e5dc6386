/* SPDX-License-Identifier: Apache-2.0
 * sentences.h - "two dogs in the snow" in forty languages, for the demo. */
#ifndef SIMILE_APPS_SENTENCES_H
#define SIMILE_APPS_SENTENCES_H

typedef struct {
    const char *code; /* as simile_language_at has it */
    const char *text;
} demo_sentence;

extern const demo_sentence demo_sentences[]; /* one for each of simile_language_at; ends with zeros */

#endif
