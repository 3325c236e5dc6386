/* SPDX-License-Identifier: Apache-2.0
 * fuzz_image.c - any bytes as a picture: what it takes, decoding (whole and smaller), EXIF, the date in a file's head,
 * resizing and preparing. The limit keeps single runs short.
 *
 * HEIF and AVIF stop at the sniffer: the decoders behind libheif leak and print on damaged data (seen with dav1d 1.0),
 * which would hide what is ours. */
#include "base/mem.h"
#include "image/image.h"
#include "image/parts.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_date(const uint8_t *data, size_t size)
{
    char path[32];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    image_taken(path);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const image_options options = {.max_pixels = 1 << 18};
    static const image_prepare_spec spec = {.fit = IMAGE_FIT_SHORTEST,
                                            .filter = IMAGE_FILTER_BICUBIC,
                                            .resize_short = 16,
                                            .width = 16,
                                            .height = 16,
                                            .crop = true,
                                            .rescale = true,
                                            .rescale_factor = 1 / 255.0};
    static const image_options enough = {.max_pixels = 1 << 18, .enough = 32};
    float tensor[3 * 16 * 16];
    image img;
    const char *name;
    exif_read(data, size);
    read_date(data, size);
    const picture_format format = sniff_format(data, size, &name);
    if (format == FORMAT_HEIF || format == FORMAT_AVIF) return 0;
    image_cost(data, size, &enough);
    for (int way = 0; way < 2; way++) {
        if (image_decode(data, size, "fuzz", way ? &enough : &options, &img, NULL)) continue;
        image_prepare(&img, &spec, tensor, NULL);
        image_release(&img);
    }
    return 0;
}
