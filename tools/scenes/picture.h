/* Pixels: surfaces, the reduction, files. */
#ifndef SIMILE_SCENES_PICTURE_H
#define SIMILE_SCENES_PICTURE_H

#include <cairo.h>
#include <stdbool.h>
#include <stdint.h>

/* RGB bytes, row by row. */
void picture_rgb(cairo_surface_t *surface, uint8_t *rgb);
/* Halve a square picture with the bicubic filter that the model's own
 * preprocessing uses. */
void picture_halve(const uint8_t *rgb, int side, uint8_t *half);
bool picture_write_jpeg(const char *path, const uint8_t *rgb, int width, int height, int quality);

#endif
