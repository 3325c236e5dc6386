/* SPDX-License-Identifier: Apache-2.0
 * decode.c - picture files to 8-bit RGB.
 *
 * JPEG, PNG, WebP, TIFF, HEIF and AVIF go through libvips; GIF, BMP and PNM through small decoders of our own, because
 * libvips loses the colours below a GIF's transparent pixels, and reads BMP and PNM only through loaders that it marks
 * as unsafe for foreign files. sniff.c chooses; libvips never looks for a loader by itself.
 *
 * A file is read whole (a mapped one that shrinks meanwhile would kill the process), its header is parsed, the limit is
 * checked, and only then are the pixels asked for, strip by strip on the calling thread: 3 bytes a pixel, the file,
 * and a strip. Formats that can only be decoded as a whole (interlaced PNG, WebP, HEIF, AVIF) hold it twice.
 * Truncated and damaged files are refused, as Pillow does.
 *
 * Orientation: EXIF's, applied while the rows are put in place. HEIF and AVIF say it in the container and libheif
 * always obeys, so those arrive upright and EXIF's word is passed over.
 *
 * libvips is one per process: image_init() loads and starts it once (vips.h), switches its operation cache off (it is
 * keyed by addresses of buffers, which are reused) and its unsafe loaders too. Its error text is one per process as
 * well, and may be another thread's: it goes to the log and never into a message. Any thread may call everything here.
 */
#include "image/vips.h" /* before mem.h */

#include "base/file.h"
#include "base/mem.h"
#include "image/parts.h"

#include <pthread.h>
#include <stdio.h>

enum { STRIP_ROWS = 64, STRIP_PIXELS = 1 << 20 };
static const int64_t default_max_pixels = 268435456;
static const size_t max_file = (size_t)1 << 31;

static pthread_once_t started = PTHREAD_ONCE_INIT;
static const char *start_failure; /* NULL: libvips runs */

static void on_vips_warning(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
    log_message(LOG_DETAIL, "%s: %s", domain ? domain : "libvips", message);
}

static void start(void)
{
    if (!vips_load())
        start_failure = "cannot load libvips";
    else if (vips_init("simile"))
        start_failure = "cannot start libvips";
    if (start_failure) return;
    vips_block_untrusted_set(TRUE);
    vips_cache_set_max(0);
    /* Only this domain: other users of GLib in the process keep theirs. */
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION, on_vips_warning, NULL);
}

simile_status image_init(simile_error *err)
{
    pthread_once(&started, start);
    return start_failure ? err_set(err, SIMILE_E_INTERNAL, "%s", start_failure) : SIMILE_OK;
}

void image_release(image *img)
{
    mem_free(img->rgb);
    *img = (image){0};
}

simile_status picture_damaged(const char *name, const char *subject, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': damaged or truncated %s", subject, name);
}

simile_status picture_allocate(image *out, int64_t width, int64_t height, int64_t max_pixels, const char *subject,
                               simile_error *err)
{
    if (width < 1 || height < 1) return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': no pixels", subject);
    if (width > INT32_MAX || height > INT32_MAX || height > max_pixels / width)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': %lld x %lld pixels, more than the limit of %lld",
                       subject, (long long)width, (long long)height, (long long)max_pixels);
    uint8_t *rgb = mem_zero_array((size_t)width * (size_t)height, 3);
    if (!rgb) return err_nomem(err);
    out->rgb = rgb;
    out->width = (int32_t)width;
    out->height = (int32_t)height;
    return SIMILE_OK;
}

/* Parses the header; the pixels come when asked for. NULL when libvips refuses. */
static VipsImage *vips_open(picture_format format, const void *bytes, size_t len)
{
#define LOAD(loader)                                                                                                   \
    loader(data, len, &out, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, (const char *)NULL)
    void *const data = (void *)(uintptr_t)bytes; /* libvips takes no const, and does not write */
    VipsImage *out = NULL;
    int failed = 1;
    switch (format) {
    case FORMAT_JPEG: failed = LOAD(vips_jpegload_buffer); break;
    case FORMAT_PNG: failed = LOAD(vips_pngload_buffer); break;
    case FORMAT_WEBP: failed = LOAD(vips_webpload_buffer); break;
    case FORMAT_TIFF: failed = LOAD(vips_tiffload_buffer); break;
    case FORMAT_HEIF:
    case FORMAT_AVIF: failed = LOAD(vips_heifload_buffer); break;
    default: break;
    }
#undef LOAD
    return failed ? NULL : out;
}

/* Some builds of libvips lack a loader, and some of libheif the decoder of one of its formats. */
static simile_status explain_refusal(picture_format format, const char *name, const char *subject, simile_error *err)
{
    const bool heif = format == FORMAT_HEIF || format == FORMAT_AVIF;
    if (heif && !vips_type_find("VipsOperation", "heifload_buffer"))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': this libvips is without libheif", subject);
    if (heif)
        return err_set(err, SIMILE_E_CORRUPT,
                       "cannot read '%s': damaged or truncated %s, or libheif lacks a decoder for it", subject, name);
    return picture_damaged(name, subject, err);
}

/* PNG says "16-bit grey" with one band or, with a transparent colour, two; only colour type 4 has true alpha. */
static row_rule grey16_rule(picture_format format, const uint8_t *bytes, size_t len, int bands)
{
    const bool has_alpha = format == FORMAT_PNG ? len > 25 && bytes[25] == 4 : bands > 1;
    return has_alpha ? ROW_GREY16_HIGH : ROW_GREY16_CLAMP;
}

static row_rule grey_rule(VipsBandFormat samples, row_rule grey16)
{
    switch (samples) {
    case VIPS_FORMAT_UCHAR: return ROW_GREY8;
    case VIPS_FORMAT_USHORT: return grey16;
    case VIPS_FORMAT_FLOAT:
    case VIPS_FORMAT_DOUBLE: return ROW_GREY_FLOAT_CLAMP;
    default: return ROW_GREY_INT_CLAMP;
    }
}

/* What the samples that libvips hands over mean; false when there is no rule for them. */
static bool layout_of(VipsImage *in, picture_format format, const uint8_t *bytes, size_t len, row_layout *out)
{
    const VipsBandFormat samples = vips_image_get_format(in);
    const VipsInterpretation meaning = vips_image_get_interpretation(in);
    const int bands = vips_image_get_bands(in);
    const bool wide = samples == VIPS_FORMAT_USHORT, narrow = samples == VIPS_FORMAT_UCHAR;
    *out = (row_layout){.bands = (size_t)bands, .sample = vips_format_sizeof(samples)};
    if (vips_image_get_coding(in) != VIPS_CODING_NONE || vips_band_format_iscomplex(samples)) return false;
    if (meaning == VIPS_INTERPRETATION_LAB || meaning == VIPS_INTERPRETATION_LABS) return false;
    if (bands < 3) {
        out->rule = grey_rule(samples, grey16_rule(format, bytes, len, bands));
        out->is_signed = vips_band_format_isint(samples) && !vips_band_format_isuint(samples);
        return true;
    }
    if (!wide && !narrow) return false;
    out->rule = wide ? ROW_RGB16 : ROW_RGB8;
    /* libvips has undone the inversion of every CMYK JPEG, as Pillow does. */
    if (meaning == VIPS_INTERPRETATION_CMYK && bands >= 4) out->rule = wide ? ROW_CMYK16 : ROW_CMYK8;
    return true;
}

/* The first pixel of a row that the region has prepared. */
static const uint8_t *region_row(const VipsRegion *region, int y)
{
    const int pixel = vips_image_get_bands(region->im) * (int)vips_format_sizeof(vips_image_get_format(region->im));
    return region->data + (ptrdiff_t)(y - region->valid.top) * region->bpl - (ptrdiff_t)region->valid.left * pixel;
}

/* Pulls the picture through libvips in strips. stored: rows as in the file; out->rgb has the orientation's shape. */
static bool pull_strips(VipsImage *in, const row_layout *layout, uint8_t *strip, size_t strip_rows, int orientation,
                        image *out)
{
    const int width = vips_image_get_width(in), height = vips_image_get_height(in);
    VipsRegion *const region = vips_region_new(in);
    bool ok = region != NULL;
    for (int y = 0; ok && y < height; y += (int)strip_rows) {
        VipsRect area = {0, y, width, VIPS_MIN((int)strip_rows, height - y)};
        ok = vips_region_prepare(region, &area) == 0;
        for (int i = 0; ok && i < area.height; i++)
            rows_to_rgb(layout, region_row(region, y + i), (size_t)width, strip + (size_t)i * (size_t)width * 3);
        if (ok) rows_place(strip, (size_t)y, (size_t)area.height, (size_t)width, (size_t)height, orientation, out->rgb);
    }
    if (region) g_object_unref(region);
    return ok;
}

static exif_facts facts_of(VipsImage *in, picture_format format, const uint8_t *bytes, size_t len)
{
    const void *blob = NULL;
    size_t blob_len = 0;
    exif_facts facts = {1, INT64_MIN};
    if (format == FORMAT_TIFF)
        facts = exif_read(bytes, len);
    else if (vips_image_get_typeof(in, VIPS_META_EXIF_NAME) &&
             !vips_image_get_blob(in, VIPS_META_EXIF_NAME, &blob, &blob_len))
        facts = exif_read(blob, blob_len);
    if (format == FORMAT_HEIF || format == FORMAT_AVIF) facts.orientation = 1;
    return facts;
}

static simile_status pull(VipsImage *in, picture_format format, const uint8_t *bytes, size_t len, const char *subject,
                          int64_t max_pixels, int orientation, image *out, simile_error *err)
{
    const int64_t width = vips_image_get_width(in), height = vips_image_get_height(in);
    const bool turned = orientation >= 5;
    row_layout layout;
    if (!layout_of(in, format, bytes, len, &layout))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a colour space without a rule", subject);
    RETURN_IF_ERROR(picture_allocate(out, turned ? height : width, turned ? width : height, max_pixels, subject, err));
    const int64_t rows = VIPS_MIN(VIPS_MIN(STRIP_ROWS, height), STRIP_PIXELS / width + 1);
    uint8_t *strip = mem_array((size_t)rows * (size_t)width, 3);
    if (!strip) return err_nomem(err);
    const bool ok = pull_strips(in, &layout, strip, (size_t)rows, orientation, out);
    mem_free(strip);
    return ok ? SIMILE_OK : explain_refusal(format, out->format, subject, err);
}

/* A classic TIFF may declare tiles far larger than the picture: libtiff would allocate one. */
static bool tiles_too_large(picture_format format, const uint8_t *bytes, size_t len, int64_t max_pixels)
{
    return format == FORMAT_TIFF && exif_tile_pixels(bytes, len) > (uint64_t)max_pixels;
}

static simile_status vips_decode(picture_format format, const uint8_t *bytes, size_t len, const char *subject,
                                 const image_options *options, image *out, simile_error *err)
{
    RETURN_IF_ERROR(image_init(err));
    if (tiles_too_large(format, bytes, len, options->max_pixels))
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': tiles of more than %lld pixels", subject,
                       (long long)options->max_pixels);
    simile_status status = SIMILE_OK;
    VipsImage *const in = vips_open(format, bytes, len);
    if (in) {
        const exif_facts facts = facts_of(in, format, bytes, len);
        out->orientation = facts.orientation;
        out->taken = facts.taken;
        status = pull(in, format, bytes, len, subject, options->max_pixels,
                      options->ignore_orientation ? 1 : facts.orientation, out, err);
        g_object_unref(in);
    } else {
        status = explain_refusal(format, out->format, subject, err);
    }
    char *const said = vips_error_buffer_copy(); /* and empties it */
    if (status) log_message(LOG_DETAIL, "'%s': libvips says: %.400s", subject, said);
    g_free(said);
    vips_thread_shutdown(); /* frees what libvips keeps for this thread */
    return status;
}

static simile_status decode_by(picture_format format, const uint8_t *bytes, size_t len, const char *subject,
                               const image_options *options, const char *name, image *out, simile_error *err)
{
    switch (format) {
    case FORMAT_UNKNOWN: return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': not a picture", subject);
    case FORMAT_REFUSED:
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': %s files are not supported", subject, name);
    case FORMAT_GIF: return gif_decode(bytes, len, subject, options->max_pixels, out, err);
    case FORMAT_BMP: return bmp_decode(bytes, len, subject, options->max_pixels, out, err);
    case FORMAT_PNM: return pnm_decode(bytes, len, subject, options->max_pixels, out, err);
    default: return vips_decode(format, bytes, len, subject, options, out, err);
    }
}

simile_status image_decode(const void *bytes, size_t len, const char *subject, const image_options *options, image *out,
                           simile_error *err)
{
    image_options chosen = options ? *options : (image_options){0};
    if (chosen.max_pixels <= 0) chosen.max_pixels = default_max_pixels;
    *out = (image){.orientation = 1, .taken = INT64_MIN};
    const char *name = NULL;
    const picture_format format = sniff_format(bytes, len, &name);
    if (format != FORMAT_UNKNOWN && format != FORMAT_REFUSED) snprintf(out->format, sizeof out->format, "%s", name);
    const simile_status status = decode_by(format, bytes, len, subject, &chosen, name, out, err);
    if (status) image_release(out);
    return status;
}

simile_status image_open(const char *path, const image_options *options, image *out, simile_error *err)
{
    *out = (image){0};
    char *bytes = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(file_read(path, max_file, &bytes, &len, err));
    const simile_status status = image_decode(bytes, len, path, options, out, err);
    mem_free(bytes);
    return status;
}
