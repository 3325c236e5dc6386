#include "picture.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* jpeglib.h needs stdio.h before it. */
#include <jpeglib.h>

void picture_rgb(cairo_surface_t *surface, uint8_t *rgb)
{
    int width = cairo_image_surface_get_width(surface);
    int height = cairo_image_surface_get_height(surface);
    int stride = cairo_image_surface_get_stride(surface);
    const unsigned char *data = cairo_image_surface_get_data(surface);

    for (int y = 0; y < height; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(data + (ptrdiff_t)y * stride);

        for (int x = 0; x < width; x++) {
            *rgb++ = (uint8_t)(row[x] >> 16);
            *rgb++ = (uint8_t)(row[x] >> 8);
            *rgb++ = (uint8_t)row[x];
        }
    }
}

static double cubic(double x)
{
    x = fabs(x);
    if (x < 1) {
        return (1.5 * x - 2.5) * x * x + 1;
    }
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* One pass: `pixels` runs along the halved axis, `lines` across it. */
static void halve_pass(const uint8_t *in, ptrdiff_t in_step, ptrdiff_t in_line, uint8_t *out, ptrdiff_t out_step,
                       ptrdiff_t out_line, int pixels, int lines)
{
    double taps[8];
    double sum = 0;

    for (int j = 0; j < 8; j++) {
        taps[j] = cubic((j - 3.5) / 2);
        sum += taps[j];
    }
    for (int j = 0; j < 8; j++) {
        taps[j] /= sum;
    }
    for (int line = 0; line < lines; line++) {
        for (int i = 0; i < pixels / 2; i++) {
            for (int c = 0; c < 3; c++) {
                double v = 0.5;

                for (int j = 0; j < 8; j++) {
                    int at = 2 * i - 3 + j;

                    at = at < 0 ? 0 : at >= pixels ? pixels - 1 : at;
                    v += taps[j] * in[line * in_line + at * in_step + c];
                }
                out[line * out_line + i * out_step + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
    }
}

void picture_halve(const uint8_t *rgb, int side, uint8_t *half)
{
    uint8_t *middle = malloc((size_t)side * (size_t)side / 2 * 3);
    ptrdiff_t wide = (ptrdiff_t)side * 3;
    ptrdiff_t narrow = (ptrdiff_t)(side / 2) * 3;

    if (middle == NULL) {
        abort();
    }
    halve_pass(rgb, 3, wide, middle, 3, narrow, side, side);
    halve_pass(middle, narrow, 3, half, narrow, 3, side, side / 2);
    free(middle);
}

bool picture_write_jpeg(const char *path, const uint8_t *rgb, int width, int height, int quality)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr error;
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        return false;
    }
    jpeg.err = jpeg_std_error(&error);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        /* libjpeg only reads the row, but its type is not const. */
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)y * (size_t)width * 3);

        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return fclose(file) == 0;
}
