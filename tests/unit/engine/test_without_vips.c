/* SPDX-License-Identifier: Apache-2.0
 * test_without_vips.c - a machine on which libvips cannot be loaded: pictures are not added, and none is held to be
 * broken; all else works. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "help.h"

#include <dlfcn.h>

/* That of the program comes before that of the system. */
void *dlopen(const char *name, int mode)
{
    void *(*real)(const char *, int);
    if (name && strstr(name, "libvips")) return NULL;
    void *const address = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&real, &address, sizeof real);
    return real(name, mode);
}

static void nothing_is_added_and_nothing_quarantined(void **state)
{
    static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\2\0\0\0";
    const char *const paths[] = {lab.pictures};
    simile_stats stats;
    simile_library *library = open_library();
    write_bytes(in_pictures("a.png"), png, sizeof png - 1, 1);
    draw(in_pictures("b.ppm"), 1, 1);
    assert_fails(simile_library_add(library, lab.encoder, paths, 1, NULL, NULL, &err), SIMILE_E_INTERNAL);
    assert_string_equal(err.message, "cannot load libvips");
    assert_ok(simile_library_get_stats(library, &stats, &err));
    assert_int_equal(stats.images + stats.quarantined, 0);
    simile_library_close(library);
}

static void what_has_no_work_needs_no_libvips(void **state)
{
    simile_library *library = open_library();
    assert_int_equal(add_all(library).found, 0);
    simile_library_close(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_added_and_nothing_quarantined, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(what_has_no_work_needs_no_libvips, bench_open, bench_close),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bench_forget_model();
    return failed;
}
