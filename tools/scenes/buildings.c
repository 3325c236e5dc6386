/* Buildings that can be a subject.  The houses and landmarks in the background
 * of a city are in cities.c. */
#include "things.h"

#include <math.h>

static const struct rgb DOOR = {0.42, 0.26, 0.15};

static void house_window(struct pen *p, double x, double y, double w, double h)
{
    pen_window(p, x, y, w, h);
    cairo_rectangle(p->cr, x, y, w, h);
    pen_stroke(p, RGB(0.97, 0.95, 0.9), 0.025);
    pen_line(p, RGB(0.97, 0.95, 0.9), 0.018, x + w / 2, y, x + w / 2, y + h);
    pen_line(p, RGB(0.97, 0.95, 0.9), 0.018, x, y + h / 2, x + w, y + h / 2);
}

void draw_house(struct pen *p)
{
    struct rgb roof = rgb_luma(p->main) > 0.45 ? RGB(0.55, 0.25, 0.2) : RGB(0.32, 0.3, 0.34);

    pen_shadow(p, 0, 0.6);
    cairo_rectangle(p->cr, 0.22, -0.98, 0.13, 0.35);
    pen_fill(p, RGB(0.6, 0.36, 0.3));
    cairo_rectangle(p->cr, -0.5, -0.58, 1.0, 0.58);
    pen_fill(p, p->main);
    pen_poly(p, PTS(-0.62, -0.55, 0, -1.0, 0.62, -0.55));
    pen_fill(p, roof);
    pen_ellipse(p, 0, -0.7, 0.08, 0.08);
    pen_fill(p, p->night ? RGB(1, 0.9, 0.5) : RGB(0.7, 0.85, 0.95));
    cairo_rectangle(p->cr, -0.1, -0.34, 0.2, 0.34);
    pen_fill(p, DOOR);
    pen_ellipse(p, 0.06, -0.16, 0.018, 0.018);
    pen_flat(p, RGB(0.95, 0.8, 0.3));
    house_window(p, -0.42, -0.44, 0.22, 0.22);
    house_window(p, 0.2, -0.44, 0.22, 0.22);
}

static void battlement(struct pen *p, double x, double y, double w, int teeth)
{
    double step = w / (2 * teeth - 1);

    for (int i = 0; i < teeth; i++) {
        cairo_rectangle(p->cr, x + 2 * i * step, y - 0.07, step, 0.08);
    }
    pen_fill(p, p->main);
}

static void castle_tower(struct pen *p, double x, double w, double top, struct rgb roof)
{
    cairo_rectangle(p->cr, x - w / 2, top, w, -top);
    pen_fill(p, p->main);
    pen_poly(p, PTS(x - w * 0.68, top, x, top - 0.25, x + w * 0.68, top));
    pen_fill(p, roof);
    pen_window(p, x - 0.03, top + 0.12, 0.06, 0.11);
    pen_window(p, x - 0.03, top + 0.36, 0.06, 0.11);
    pen_line(p, RGB(0.4, 0.3, 0.25), 0.018, x, top - 0.25, x, top - 0.36);
    pen_poly(p, PTS(x, top - 0.36, x + 0.13, top - 0.325, x, top - 0.29));
    pen_flat(p, RGB(0.9, 0.2, 0.25));
}

void draw_castle(struct pen *p)
{
    struct rgb roof = rng_chance(p->rng, 0.5) ? RGB(0.35, 0.4, 0.65) : RGB(0.65, 0.28, 0.28);

    pen_shadow(p, 0, 0.65);
    cairo_rectangle(p->cr, -0.22, -0.66, 0.44, 0.6);
    pen_fill(p, p->main);
    battlement(p, -0.22, -0.66, 0.44, 4);
    castle_tower(p, -0.24, 0.17, -0.62, roof);
    castle_tower(p, 0.24, 0.17, -0.62, roof);
    cairo_rectangle(p->cr, -0.5, -0.38, 1.0, 0.38);
    pen_fill(p, p->main);
    battlement(p, -0.5, -0.38, 1.0, 7);
    castle_tower(p, -0.52, 0.22, -0.54, roof);
    castle_tower(p, 0.52, 0.22, -0.54, roof);
    cairo_move_to(p->cr, -0.12, 0);
    cairo_line_to(p->cr, -0.12, -0.16);
    cairo_arc(p->cr, 0, -0.16, 0.12, 3.1416, 6.2832);
    cairo_line_to(p->cr, 0.12, 0);
    cairo_close_path(p->cr);
    pen_fill(p, DOOR);
    for (int i = 0; i < 7; i++) {
        double x = rng_range(p->rng, -0.38, 0.34);

        cairo_rectangle(p->cr, x, rng_range(p->rng, -0.34, -0.22), 0.06, 0.03);
        pen_flat(p, rgb_dark(p->main, 0.2));
    }
}

void draw_windmill(struct pen *p)
{
    double turn = rng_range(p->rng, 0, 1.57);
    struct rgb cap = rgb_dark(p->main, 0.5);

    pen_shadow(p, 0, 0.3);
    pen_poly(p, PTS(-0.26, 0, -0.15, -0.62, 0.15, -0.62, 0.26, 0));
    pen_fill(p, p->main);
    pen_blob(p, PTS(-0.18, -0.6, -0.12, -0.74, 0, -0.78, 0.12, -0.74, 0.18, -0.6, 0, -0.58));
    pen_fill(p, cap);
    pen_round(p, -0.07, -0.19, 0.14, 0.19, 0.04);
    pen_fill(p, DOOR);
    house_window(p, -0.06, -0.44, 0.12, 0.12);
    cairo_translate(p->cr, 0, -0.62);
    for (int i = 0; i < 4; i++) {
        cairo_save(p->cr);
        cairo_rotate(p->cr, turn + i * 1.5708);
        pen_line(p, RGB(0.4, 0.28, 0.18), 0.03, 0, 0, 0, -0.42);
        cairo_rectangle(p->cr, 0.01, -0.41, 0.11, 0.3);
        pen_fill(p, RGB(0.97, 0.95, 0.88));
        for (int bar = 1; bar < 4; bar++) {
            pen_line(p, RGB(0.55, 0.42, 0.3), 0.012, 0.01, -0.41 + bar * 0.075, 0.12, -0.41 + bar * 0.075);
        }
        cairo_restore(p->cr);
    }
    pen_ellipse(p, 0, 0, 0.04, 0.04);
    pen_fill(p, RGB(0.3, 0.22, 0.16));
}

void draw_tent(struct pen *p)
{
    pen_shadow(p, 0, 0.75);
    pen_poly(p, PTS(-0.25, -0.9, 0.3, -0.78, 0.78, 0, 0.3, 0));
    pen_fill(p, rgb_dark(p->main, 0.3));
    pen_poly(p, PTS(-0.25, -0.9, 0.34, 0, -0.76, 0));
    pen_fill(p, p->main);
    pen_poly(p, PTS(-0.25, -0.62, 0.0, 0, -0.42, 0));
    pen_fill(p, p->night ? RGB(1.6, 1.3, 0.6) : RGB(0.2, 0.16, 0.14));
    pen_poly(p, PTS(-0.25, -0.62, 0.0, 0, 0.14, 0));
    pen_fill(p, rgb_light(p->main, 0.3));
    pen_line(p, RGB(0.85, 0.8, 0.7), 0.02, -0.25, -0.9, -0.95, 0);
    pen_line(p, RGB(0.85, 0.8, 0.7), 0.02, 0.3, -0.78, 0.98, 0);
    pen_line(p, RGB(0.4, 0.3, 0.2), 0.03, -0.25, -0.98, -0.25, -0.88);
}

void draw_lighthouse(struct pen *p)
{
    struct rgb cream = RGB(0.97, 0.95, 0.9);
    struct rgb other = rgb_luma(p->main) > 0.8 ? RGB(0.55, 0.55, 0.6) : cream;

    pen_shadow(p, 0, 0.25);
    for (int i = 0; i < 5; i++) {
        double y0 = -0.145 * i;
        double y1 = y0 - 0.145;
        double w0 = 0.21 - 0.018 * i;
        double w1 = w0 - 0.018;

        pen_poly(p, PTS(-w0, y0, -w1, y1, w1, y1, w0, y0));
        pen_fill(p, i % 2 == 0 ? p->main : other);
    }
    pen_round(p, -0.18, -0.76, 0.36, 0.05, 0.02);
    pen_fill(p, RGB(0.3, 0.3, 0.33));
    cairo_rectangle(p->cr, -0.09, -0.89, 0.18, 0.13);
    pen_fill(p, p->night ? RGB(1.8, 1.6, 0.9) : RGB(0.95, 0.93, 0.75));
    pen_poly(p, PTS(-0.13, -0.88, 0, -1.0, 0.13, -0.88));
    pen_fill(p, p->main);
    pen_round(p, -0.05, -0.13, 0.1, 0.13, 0.03);
    pen_fill(p, DOOR);
    if (p->night) {
        pen_glow(p, RGB(1, 0.95, 0.6), 0, -0.82, 0.45, 0.8);
        pen_poly(p, PTS(0.08, -0.83, 1.1, -1.0, 1.1, -0.6));
        cairo_set_source_rgba(p->cr, 1, 0.96, 0.7, 0.3);
        cairo_fill(p->cr);
    }
}
