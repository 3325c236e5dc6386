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
 * A JPEG that is larger than is needed (`enough`) is decoded at a half, a quarter or an eighth of its size, by
 * libjpeg's smaller inverse transforms. Its header is read at full size first: limits and the size that is told are of
 * that.
 *
 * Orientation: EXIF's, applied while the rows are put in place. HEIF and AVIF say it in the container and libheif
 * always obeys, so those arrive upright and EXIF's word is passed over.
 *
 * libvips is one per process: image_init() loads and starts it once (vips.h), switches its operation cache off (it is
 * keyed by addresses of buffers, which are reused) and its unsafe loaders too, and leaves it one thread a
 * picture. Its error text is one per process as well, and may be another thread's: it goes to the log and never into a
 * message. Any thread may call everything here. */
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
    vips_concurrency_set(1); /* pictures are worked off side by side; threads within one would stand in their way */
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

static simile_status picture_too_large(int64_t width, int64_t height, int64_t max_pixels, const char *subject,
                                       simile_error *err)
{
    return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': %lld x %lld pixels, more than the limit of %lld", subject,
                   (long long)width, (long long)height, (long long)max_pixels);
}

simile_status picture_allocate(image *out, int64_t width, int64_t height, int64_t max_pixels, const char *subject,
                               simile_error *err)
{
    if (width < 1 || height < 1) return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': no pixels", subject);
    if (width > INT32_MAX || height > INT32_MAX || height > max_pixels / width)
        return picture_too_large(width, height, max_pixels, subject, err);
    uint8_t *rgb = mem_zero_array((size_t)width * (size_t)height, 3);
    if (!rgb) return err_nomem(err);
    out->rgb = rgb;
    out->width = out->full_width = (int32_t)width;
    out->height = out->full_height = (int32_t)height;
    return SIMILE_OK;
}

/* Parses the header; the pixels come when asked for. NULL when libvips refuses. shrink: of a JPEG, 1, 2, 4 or 8. */
static VipsImage *vips_open(picture_format format, const void *bytes, size_t len, int shrink)
{
#define OPTIONS      "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR
#define LOAD(loader) loader(data, len, &out, OPTIONS, (const char *)NULL)
    void *const data = (void *)(uintptr_t)bytes; /* libvips takes no const, and does not write */
    VipsImage *out = NULL;
    int failed = 1;
    switch (format) {
    case FORMAT_JPEG:
        failed = vips_jpegload_buffer(data, len, &out, OPTIONS, "shrink", shrink, (const char *)NULL);
        break;
    case FORMAT_PNG: failed = LOAD(vips_pngload_buffer); break;
    case FORMAT_WEBP: failed = LOAD(vips_webpload_buffer); break;
    case FORMAT_TIFF: failed = LOAD(vips_tiffload_buffer); break;
    case FORMAT_HEIF:
    case FORMAT_AVIF: failed = LOAD(vips_heifload_buffer); break;
    default: break;
    }
#undef LOAD
#undef OPTIONS
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

/* The largest of 1, 2, 4 and 8 by which a picture may shrink without a side falling below `enough`. */
static int shrink_for(int64_t width, int64_t height, int32_t enough)
{
    const int64_t shorter = VIPS_MIN(width, height);
    int shrink = 1;
    while (enough > 0 && shrink < 8 && shorter / (2 * shrink) >= enough) shrink *= 2;
    return shrink;
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

/* A picture that was opened, of which libjpeg decodes only the frequencies that fewer pixels can show. */
typedef struct {
    VipsImage *in;
    int64_t width, height; /* of the whole, as stored */
    int shrink;
} opened;

/* The size that the markers tell decides the scale, and counts only if libvips comes to the same one. */
static opened vips_open_enough(picture_format format, const uint8_t *bytes, size_t len, const image_options *options)
{
    jpeg_head head;
    opened o = {.shrink = 1};
    if (format == FORMAT_JPEG && options->enough > 0 && jpeg_head_read(bytes, len, &head))
        o.shrink = shrink_for(head.width, head.height, options->enough);
    o.in = vips_open(format, bytes, len, o.shrink);
    if (o.in && o.shrink > 1) {
        o.width = head.width;
        o.height = head.height;
        if (vips_image_get_width(o.in) == head.width / o.shrink &&
            vips_image_get_height(o.in) == head.height / o.shrink)
            return o;
        g_object_unref(o.in);
        o.in = vips_open(format, bytes, len, 1);
        o.shrink = 1;
    }
    o.width = o.in ? vips_image_get_width(o.in) : 0;
    o.height = o.in ? vips_image_get_height(o.in) : 0;
    return o;
}

static simile_status vips_decode_opened(const opened *o, picture_format format, const uint8_t *bytes, size_t len,
                                        const char *subject, const image_options *options, image *out,
                                        simile_error *err)
{
    const exif_facts facts = facts_of(o->in, format, bytes, len);
    const int orientation = options->ignore_orientation ? 1 : facts.orientation;
    out->orientation = facts.orientation;
    out->taken = facts.taken;
    if (o->height > options->max_pixels / o->width)
        return picture_too_large(o->width, o->height, options->max_pixels, subject, err);
    RETURN_IF_ERROR(pull(o->in, format, bytes, len, subject, options->max_pixels, orientation, out, err));
    out->shrink = o->shrink;
    out->full_width = (int32_t)(orientation >= 5 ? o->height : o->width);
    out->full_height = (int32_t)(orientation >= 5 ? o->width : o->height);
    /* libvips leaves away what is less than a pixel at the stored right and bottom; see rows.c for where those go. */
    out->cut_left = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    out->cut_top = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    return SIMILE_OK;
}

static simile_status vips_decode(picture_format format, const uint8_t *bytes, size_t len, const char *subject,
                                 const image_options *options, image *out, simile_error *err)
{
    RETURN_IF_ERROR(image_init(err));
    if (tiles_too_large(format, bytes, len, options->max_pixels))
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': tiles of more than %lld pixels", subject,
                       (long long)options->max_pixels);
    simile_status status = SIMILE_OK;
    const opened o = vips_open_enough(format, bytes, len, options);
    if (!o.in)
        status = explain_refusal(format, out->format, subject, err);
    else
        status = vips_decode_opened(&o, format, bytes, len, subject, options, out, err);
    if (o.in) g_object_unref(o.in);
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

/* ---- what it takes ---- */

/* Pixels of the formats that libvips opens, by their header; 0: it does not open. */
static uint64_t vips_pixels(picture_format format, const uint8_t *bytes, size_t len)
{
    if (image_init(NULL)) return 0;
    VipsImage *const in = vips_open(format, bytes, len, 1);
    const uint64_t pixels = in ? (uint64_t)vips_image_get_width(in) * (uint64_t)vips_image_get_height(in) : 0;
    if (in) g_object_unref(in);
    vips_error_clear();
    vips_thread_shutdown();
    return pixels;
}

static uint64_t jpeg_cost(const uint8_t *bytes, size_t len, const image_options *options)
{
    jpeg_head head;
    if (!jpeg_head_read(bytes, len, &head)) return 3 * vips_pixels(FORMAT_JPEG, bytes, len);
    const uint64_t shrink = (uint64_t)shrink_for(head.width, head.height, options->enough);
    const uint64_t pixels = ((uint64_t)head.width / shrink + 1) * ((uint64_t)head.height / shrink + 1);
    return 3 * pixels + (head.whole ? 2 * head.samples : 0);
}

static uint64_t cost_by(picture_format format, const uint8_t *bytes, size_t len, const image_options *options)
{
    switch (format) {
    case FORMAT_UNKNOWN:
    case FORMAT_REFUSED: return 0;
    case FORMAT_JPEG: return jpeg_cost(bytes, len, options);
    case FORMAT_PNG: return (len > 28 && bytes[28] ? 7 : 3) * vips_pixels(format, bytes, len); /* interlaced */
    case FORMAT_TIFF: return 3 * vips_pixels(format, bytes, len);
    case FORMAT_GIF:
        return len < 10 ? 0 : 4 * ((uint64_t)(bytes[6] | bytes[7] << 8) * (uint64_t)(bytes[8] | bytes[9] << 8));
    case FORMAT_BMP: return 3 * bmp_pixels(bytes, len);
    case FORMAT_PNM: return 24 * (uint64_t)len;          /* a bit a pixel at least */
    default: return 7 * vips_pixels(format, bytes, len); /* decoded as a whole, with alpha perhaps */
    }
}

size_t image_cost(const void *bytes, size_t len, const image_options *options)
{
    image_options chosen = options ? *options : (image_options){0};
    if (chosen.max_pixels <= 0) chosen.max_pixels = default_max_pixels;
    const char *name = NULL;
    const uint64_t cost = cost_by(sniff_format(bytes, len, &name), bytes, len, &chosen);
    const uint64_t most = 8 * (uint64_t)chosen.max_pixels; /* more pixels are refused by their header */
    return (size_t)(cost < most ? cost : most);
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
