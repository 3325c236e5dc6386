/* SPDX-License-Identifier: Apache-2.0
 * samples.h - pictures and processors that tools/fixtures/image_fixtures.py knows too. */
#ifndef SIMILE_TESTS_IMAGE_SAMPLES_H
#define SIMILE_TESTS_IMAGE_SAMPLES_H

#include "image/image.h"

void hash_of(const void *bytes, size_t len, char out[65]);
/* The pattern noise() of image_fixtures.py; free with mem_free. */
uint8_t *noise_new(int width, int height);
/* The processors of the manifest and of prepare.txt: edge 0 squashes, with mean = std = 0.5. */
image_prepare_spec spec_of(int edge, int filter, int width, int height);

#endif
