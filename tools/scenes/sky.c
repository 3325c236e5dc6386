/* Heavenly bodies.  They shine, so night does not dim them. */
#include "things.h"

#include <math.h>

void draw_sun(struct pen *p)
{
    int rays = 10 + rng_below(p->rng, 5);
    double turn = rng_range(p->rng, 0, 1);

    cairo_translate(p->cr, 0, -0.5);
    pen_glow(p, RGB(1, 0.93, 0.55), 0, 0, 0.85, 0.7);
    for (int i = 0; i < rays; i++) {
        cairo_save(p->cr);
        cairo_rotate(p->cr, turn + 6.2832 * i / rays);
        pen_poly(p, PTS(-0.06, -0.33, 0, -0.52, 0.06, -0.33));
        pen_flat(p, RGB(1, 0.72, 0.15));
        cairo_restore(p->cr);
    }
    pen_ellipse(p, 0, 0, 0.31, 0.31);
    pen_fill(p, RGB(1, 0.84, 0.2));
}

void draw_moon(struct pen *p)
{
    bool full = rng_chance(p->rng, 0.45);

    p->tone = RGB(1, 1, 1);
    cairo_translate(p->cr, 0, -0.5);
    pen_glow(p, RGB(0.9, 0.93, 1), 0, 0, 0.85, 0.5);
    if (full) {
        pen_ellipse(p, 0, 0, 0.42, 0.42);
        pen_soft(p, RGB(0.95, 0.94, 0.84));
        for (int i = 0; i < 5; i++) {
            static const double at[5][3] = {
                {-0.15, -0.14, 0.09}, {0.16, -0.05, 0.07}, {-0.05, 0.17, 0.1}, {0.2, 0.2, 0.05}, {-0.25, 0.08, 0.045}};

            pen_ellipse(p, at[i][0], at[i][1], at[i][2], at[i][2]);
            pen_alpha(p, RGB(0.72, 0.72, 0.66), 0.7);
        }
        return;
    }
    cairo_rotate(p->cr, rng_range(p->rng, -0.5, 0.5));
    cairo_arc(p->cr, 0, 0, 0.45, 0.9, 5.38);
    cairo_arc_negative(p->cr, 0.26, 0, 0.36, 4.87, 1.41);
    cairo_close_path(p->cr);
    pen_soft(p, RGB(0.97, 0.94, 0.75));
}

void draw_star(struct pen *p)
{
    double turn = rng_range(p->rng, -0.3, 0.3);

    p->tone = RGB(1, 1, 1);
    cairo_translate(p->cr, 0, -0.48);
    pen_glow(p, RGB(1, 0.95, 0.6), 0, 0, 0.7, 0.55);
    for (int i = 0; i < 10; i++) {
        double r = i % 2 == 0 ? 0.48 : 0.2;
        double a = turn - 1.5708 + i * 0.62832;

        cairo_line_to(p->cr, r * cos(a), r * sin(a));
    }
    cairo_close_path(p->cr);
    pen_fill(p, RGB(1, 0.87, 0.3));
}

void draw_rainbow(struct pen *p)
{
    static const struct rgb bands[7] = {{0.9, 0.2, 0.2},  {0.97, 0.55, 0.15}, {0.98, 0.88, 0.2}, {0.3, 0.75, 0.3},
                                        {0.2, 0.55, 0.9}, {0.3, 0.3, 0.75},   {0.6, 0.3, 0.75}};
    double width = rng_range(p->rng, 0.045, 0.06);

    for (int i = 0; i < 7; i++) {
        cairo_arc(p->cr, 0, 0, 0.95 - width * i, 3.1416, 6.2832);
        pen_source(p, bands[i], 0.85);
        cairo_set_line_width(p->cr, width * 1.05);
        cairo_stroke(p->cr);
    }
}
