/* SPDX-License-Identifier: Apache-2.0
 * vips.h - libvips, loaded when the first picture is decoded and not before.
 *
 * libvips brings sixty other libraries along, and loading them takes 15 ms, most of what a program needs to start; a
 * search by words decodes nothing (base/late.h). image_init() finds the calls.
 *
 * Before base/mem.h, which poisons names that GLib's headers use. */
#ifndef SIMILE_IMAGE_VIPS_H
#define SIMILE_IMAGE_VIPS_H

#include <vips/vips.h>

#include "base/late.h"

#undef g_free

#define VIPS_CALLS(CALL)                                                                                               \
    CALL(g_free)                                                                                                       \
    CALL(g_log_set_handler)                                                                                            \
    CALL(g_object_unref)                                                                                               \
    CALL(vips_band_format_iscomplex)                                                                                   \
    CALL(vips_band_format_isint)                                                                                       \
    CALL(vips_band_format_isuint)                                                                                      \
    CALL(vips_block_untrusted_set)                                                                                     \
    CALL(vips_cache_set_max)                                                                                           \
    CALL(vips_concurrency_set)                                                                                         \
    CALL(vips_copy)                                                                                                    \
    CALL(vips_error_buffer_copy)                                                                                       \
    CALL(vips_error_clear)                                                                                             \
    CALL(vips_format_sizeof)                                                                                           \
    CALL(vips_heifload_buffer)                                                                                         \
    CALL(vips_image_get_bands)                                                                                         \
    CALL(vips_image_get_blob)                                                                                          \
    CALL(vips_image_get_coding)                                                                                        \
    CALL(vips_image_get_format)                                                                                        \
    CALL(vips_image_get_height)                                                                                        \
    CALL(vips_image_get_interpretation)                                                                                \
    CALL(vips_image_get_typeof)                                                                                        \
    CALL(vips_image_get_width)                                                                                         \
    CALL(vips_image_new_from_memory)                                                                                   \
    CALL(vips_init)                                                                                                    \
    CALL(vips_jpegload_buffer)                                                                                         \
    CALL(vips_pngload_buffer)                                                                                          \
    CALL(vips_region_new)                                                                                              \
    CALL(vips_region_prepare)                                                                                          \
    CALL(vips_thread_shutdown)                                                                                         \
    CALL(vips_tiffload_buffer)                                                                                         \
    CALL(vips_type_find)                                                                                               \
    CALL(vips_webpload_buffer)                                                                                         \
    CALL(vips_webpsave_buffer)

typedef struct {
    VIPS_CALLS(LATE_MEMBER)
} vips_calls;

/* Filled in by image_init(). Before that every call in it is NULL. */
extern vips_calls image_vips;

/* Once in a process. False: libvips is not there, or lacks one of the calls; the log says which. */
bool vips_load(void);

#ifndef IMAGE_VIPS_OWN_NAMES
#define g_free                        image_vips.g_free
#define g_log_set_handler             image_vips.g_log_set_handler
#define g_object_unref                image_vips.g_object_unref
#define vips_band_format_iscomplex    image_vips.vips_band_format_iscomplex
#define vips_band_format_isint        image_vips.vips_band_format_isint
#define vips_band_format_isuint       image_vips.vips_band_format_isuint
#define vips_block_untrusted_set      image_vips.vips_block_untrusted_set
#define vips_cache_set_max            image_vips.vips_cache_set_max
#define vips_concurrency_set          image_vips.vips_concurrency_set
#define vips_copy                     image_vips.vips_copy
#define vips_error_buffer_copy        image_vips.vips_error_buffer_copy
#define vips_error_clear              image_vips.vips_error_clear
#define vips_format_sizeof            image_vips.vips_format_sizeof
#define vips_heifload_buffer          image_vips.vips_heifload_buffer
#define vips_image_get_bands          image_vips.vips_image_get_bands
#define vips_image_get_blob           image_vips.vips_image_get_blob
#define vips_image_get_coding         image_vips.vips_image_get_coding
#define vips_image_get_format         image_vips.vips_image_get_format
#define vips_image_get_height         image_vips.vips_image_get_height
#define vips_image_get_interpretation image_vips.vips_image_get_interpretation
#define vips_image_get_typeof         image_vips.vips_image_get_typeof
#define vips_image_get_width          image_vips.vips_image_get_width
#define vips_image_new_from_memory    image_vips.vips_image_new_from_memory
#define vips_init                     image_vips.vips_init
#define vips_jpegload_buffer          image_vips.vips_jpegload_buffer
#define vips_pngload_buffer           image_vips.vips_pngload_buffer
#define vips_region_new               image_vips.vips_region_new
#define vips_region_prepare           image_vips.vips_region_prepare
#define vips_thread_shutdown          image_vips.vips_thread_shutdown
#define vips_tiffload_buffer          image_vips.vips_tiffload_buffer
#define vips_type_find                image_vips.vips_type_find
#define vips_webpload_buffer          image_vips.vips_webpload_buffer
#define vips_webpsave_buffer          image_vips.vips_webpsave_buffer
#endif

#endif
