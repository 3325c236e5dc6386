/* Small things. */
#include "things.h"

#include <math.h>

void draw_balloon(struct pen *p)
{
    double sway = rng_range(p->rng, -0.12, 0.12);

    pen_curve(p, PTS(0, -0.36, sway, -0.24, -sway, -0.12, sway * 0.5, 0));
    pen_stroke(p, RGB(0.35, 0.33, 0.35), 0.02);
    pen_poly(p, PTS(-0.05, -0.34, 0.05, -0.34, 0, -0.42));
    pen_fill(p, p->main);
    pen_blob(p, PTS(0, -0.39, -0.2, -0.55, -0.26, -0.74, -0.17, -0.94, 0, -1.0, 0.17, -0.94, 0.26, -0.74, 0.2, -0.55));
    pen_fill(p, p->main);
    pen_ellipse(p, -0.1, -0.82, 0.05, 0.09);
    pen_alpha(p, RGB(1, 1, 1), 0.65);
}

void draw_umbrella(struct pen *p)
{
    struct rgb other = rgb_luma(p->main) > 0.8 ? rgb_dark(p->main, 0.25) : rgb_light(p->main, 0.35);

    cairo_rotate(p->cr, rng_range(p->rng, -0.15, 0.15));
    pen_limb(p, RGB(0.4, 0.28, 0.2), 0.045, PTS(0, -0.95, 0, -0.12, 0.05, -0.04, 0.13, -0.05, 0.14, -0.14));
    cairo_move_to(p->cr, -0.52, -0.5);
    cairo_curve_to(p->cr, -0.5, -1.06, 0.5, -1.06, 0.52, -0.5);
    for (int i = 0; i < 4; i++) {
        double x = 0.52 - 0.26 * i;

        cairo_curve_to(p->cr, x - 0.06, -0.6, x - 0.2, -0.6, x - 0.26, -0.5);
    }
    cairo_close_path(p->cr);
    pen_fill(p, p->main);
    for (int side = -1; side <= 1; side += 2) {
        pen_blob(
            p, PTS(0, -0.91, side * 0.2, -0.76, side * 0.27, -0.52, side * 0.14, -0.57, 0.0, -0.52, side * 0.02, -0.7));
        pen_alpha(p, other, 0.55);
    }
    pen_line(p, rgb_dark(p->main, 0.4), 0.03, 0, -1.0, 0, -0.9);
}

void draw_ball(struct pen *p)
{
    struct rgb other = rgb_luma(p->main) > 0.75 ? rgb_dark(p->main, 0.3) : RGB(0.97, 0.96, 0.93);

    pen_shadow(p, 0, 0.36);
    cairo_translate(p->cr, 0, -0.44);
    cairo_rotate(p->cr, rng_range(p->rng, 0, 3.14));
    pen_ellipse(p, 0, 0, 0.43, 0.43);
    pen_fill(p, p->main);
    pen_curve(p, PTS(-0.42, 0, -0.2, 0.12, 0.2, 0.12, 0.42, 0));
    pen_stroke(p, other, 0.075);
    pen_curve(p, PTS(0, -0.42, -0.1, -0.2, -0.1, 0.2, 0, 0.42));
    pen_stroke(p, other, 0.04);
    pen_ellipse(p, -0.14, -0.2, 0.09, 0.07);
    pen_alpha(p, RGB(1, 1, 1), 0.6);
}

void draw_cup(struct pen *p)
{
    struct rgb drink = RGB(0.35, 0.2, 0.1);

    pen_shadow(p, 0, 0.4);
    pen_ellipse(p, 0.36, -0.36, 0.17, 0.18);
    pen_stroke(p, rgb_dark(p->main, 0.5), 0.11);
    pen_ellipse(p, 0.36, -0.36, 0.17, 0.18);
    pen_stroke(p, p->main, 0.075);
    pen_blob(p, PTS(-0.4, -0.66, -0.37, -0.3, -0.26, -0.04, 0, -0.01, 0.26, -0.04, 0.37, -0.3, 0.4, -0.66, 0, -0.6));
    pen_fill(p, p->main);
    pen_ellipse(p, 0, -0.66, 0.4, 0.09);
    pen_fill(p, rgb_light(p->main, 0.3));
    pen_ellipse(p, 0, -0.65, 0.32, 0.06);
    pen_flat(p, drink);
    for (int i = -1; i <= 1; i++) {
        double x = i * 0.15;

        pen_curve(p, PTS(x, -0.74, x + 0.05, -0.82, x - 0.04, -0.9, x + 0.02, -0.98));
        pen_source(p, RGB(1, 1, 1), 0.65);
        cairo_set_line_width(p->cr, 0.035);
        cairo_stroke(p->cr);
    }
}

void draw_kite(struct pen *p)
{
    double sway = rng_range(p->rng, -0.1, 0.1);
    struct rgb other = rgb_light(p->main, 0.45);

    cairo_translate(p->cr, 0, -0.6);
    cairo_rotate(p->cr, rng_range(p->rng, -0.4, 0.4));
    pen_curve(p, PTS(0, 0.2, 0.1 + sway, 0.32, -0.08, 0.44, 0.06, 0.58));
    pen_stroke(p, RGB(0.35, 0.33, 0.35), 0.02);
    for (int i = 0; i < 3; i++) {
        double x = (i % 2 == 0 ? 0.08 : -0.05);
        double y = 0.3 + 0.11 * i;

        pen_poly(p, PTS(x - 0.07, y - 0.04, x + 0.07, y + 0.04, x + 0.07, y - 0.04, x - 0.07, y + 0.04));
        pen_fill(p, other);
    }
    pen_poly(p, PTS(0, -0.38, 0.28, -0.1, 0, 0.22, -0.28, -0.1));
    pen_fill(p, p->main);
    pen_poly(p, PTS(0, -0.38, 0.28, -0.1, 0, -0.1));
    pen_poly(p, PTS(0, 0.22, -0.28, -0.1, 0, -0.1));
    pen_flat(p, other);
    pen_line(p, rgb_dark(p->main, 0.5), 0.02, 0, -0.38, 0, 0.22);
    pen_line(p, rgb_dark(p->main, 0.5), 0.02, -0.28, -0.1, 0.28, -0.1);
}

void draw_snowman(struct pen *p)
{
    struct rgb snow = RGB(0.97, 0.98, 1);
    struct rgb coal = RGB(0.12, 0.12, 0.14);
    struct rgb scarf = rng_chance(p->rng, 0.5) ? RGB(0.85, 0.2, 0.22) : RGB(0.2, 0.45, 0.75);

    pen_shadow(p, 0, 0.32);
    pen_limb(p, RGB(0.42, 0.28, 0.17), 0.03, PTS(-0.15, -0.5, -0.44, -0.64));
    pen_limb(p, RGB(0.42, 0.28, 0.17), 0.03, PTS(0.15, -0.5, 0.44, -0.62));
    pen_ellipse(p, 0, -0.19, 0.27, 0.21);
    pen_fill(p, snow);
    pen_ellipse(p, 0, -0.49, 0.2, 0.17);
    pen_fill(p, snow);
    pen_ellipse(p, 0, -0.74, 0.15, 0.14);
    pen_fill(p, snow);
    pen_limb(p, scarf, 0.07, PTS(-0.14, -0.63, 0, -0.6, 0.14, -0.63));
    pen_limb(p, scarf, 0.06, PTS(0.08, -0.6, 0.12, -0.46));
    for (int i = 0; i < 3; i++) {
        pen_ellipse(p, 0, -0.5 + 0.12 * i, 0.022, 0.022);
        pen_flat(p, coal);
    }
    pen_ellipse(p, -0.055, -0.77, 0.022, 0.022);
    pen_ellipse(p, 0.055, -0.77, 0.022, 0.022);
    pen_flat(p, coal);
    pen_poly(p, PTS(0, -0.75, 0.17, -0.71, 0, -0.7));
    pen_fill(p, RGB(0.96, 0.55, 0.15));
    pen_round(p, -0.18, -0.87, 0.36, 0.035, 0.015);
    pen_fill(p, coal);
    cairo_rectangle(p->cr, -0.11, -1.0, 0.22, 0.14);
    pen_fill(p, coal);
}
