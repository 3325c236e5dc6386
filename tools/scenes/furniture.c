/* Furniture. */
#include "things.h"

void draw_chair(struct pen *p)
{
    struct rgb far = rgb_dark(p->main, 0.3);
    int bars = 2 + rng_below(p->rng, 2);

    pen_shadow(p, 0, 0.3);
    pen_limb(p, far, 0.06, PTS(-0.14, -0.46, -0.14, -0.07));
    pen_limb(p, far, 0.06, PTS(0.3, -0.46, 0.3, -0.07));
    pen_limb(p, p->main, 0.065, PTS(-0.28, -0.98, -0.25, -0.45, -0.26, -0.02));
    pen_limb(p, far, 0.06, PTS(-0.13, -0.95, -0.12, -0.5));
    for (int i = 0; i < bars; i++) {
        double y = -0.93 + i * 0.15;

        pen_poly(p, PTS(-0.27, y, -0.12, y - 0.01, -0.12, y + 0.08, -0.27, y + 0.09));
        pen_fill(p, p->main);
    }
    pen_poly(p, PTS(-0.28, -0.42, -0.14, -0.52, 0.34, -0.52, 0.22, -0.42));
    pen_fill(p, rgb_light(p->main, 0.12));
    pen_poly(p, PTS(-0.28, -0.42, 0.22, -0.42, 0.34, -0.52, 0.34, -0.46, 0.22, -0.35, -0.28, -0.35));
    pen_fill(p, p->main);
    pen_limb(p, p->main, 0.065, PTS(0.19, -0.38, 0.2, -0.02));
}

/* The top is seen from a little above, so that things can stand on it. */
void draw_table(struct pen *p)
{
    struct rgb far = rgb_dark(p->main, 0.35);

    pen_shadow(p, 0, 0.75);
    pen_limb(p, far, 0.075, PTS(-0.5, -0.7, -0.5, -0.14));
    pen_limb(p, far, 0.075, PTS(0.5, -0.7, 0.5, -0.14));
    pen_limb(p, p->main, 0.09, PTS(-0.68, -0.6, -0.7, -0.03));
    pen_limb(p, p->main, 0.09, PTS(0.68, -0.6, 0.7, -0.03));
    pen_poly(p, PTS(-0.82, -0.64, -0.62, -0.84, 0.62, -0.84, 0.82, -0.64));
    pen_fill(p, rgb_light(p->main, 0.15));
    pen_round(p, -0.83, -0.65, 1.66, 0.12, 0.03);
    pen_fill(p, p->main);
    for (int i = 0; i < 3; i++) {
        double x = rng_range(p->rng, -0.5, 0.2);

        pen_line(p, rgb_dark(p->main, 0.2), 0.014, x, -0.69 - 0.05 * i, x + 0.3, -0.69 - 0.05 * i);
    }
}

void draw_lamp(struct pen *p)
{
    struct rgb pole = RGB(0.5, 0.42, 0.35);

    pen_shadow(p, 0, 0.22);
    pen_limb(p, pole, 0.05, PTS(0, -0.6, 0, -0.05));
    pen_ellipse(p, 0, -0.04, 0.2, 0.055);
    pen_fill(p, pole);
    pen_poly(p, PTS(-0.17, -0.97, 0.17, -0.97, 0.32, -0.52, -0.32, -0.52));
    pen_fill(p, p->main);
    pen_line(p, rgb_light(p->main, 0.6), 0.03, -0.29, -0.56, 0.29, -0.56);
    pen_ellipse(p, 0, -0.51, 0.08, 0.05);
    pen_flat(p, RGB(1, 0.96, 0.75));
    pen_glow(p, RGB(1, 0.93, 0.6), 0, -0.55, p->night ? 0.6 : 0.4, p->night ? 0.7 : 0.35);
}

void draw_sofa(struct pen *p)
{
    bool cushion = rng_chance(p->rng, 0.6);

    pen_shadow(p, 0, 0.9);
    for (int side = -1; side <= 1; side += 2) {
        pen_limb(p, RGB(0.4, 0.27, 0.16), 0.07, PTS(side * 0.74, -0.14, side * 0.76, -0.03));
    }
    pen_round(p, -0.78, -0.95, 1.56, 0.7, 0.14);
    pen_fill(p, p->main);
    pen_line(p, rgb_dark(p->main, 0.4), 0.016, 0, -0.93, 0, -0.4);
    pen_round(p, -0.72, -0.5, 0.73, 0.25, 0.07);
    pen_round(p, 0.0, -0.5, 0.73, 0.25, 0.07);
    pen_fill(p, rgb_light(p->main, 0.14));
    pen_round(p, -0.8, -0.3, 1.6, 0.2, 0.06);
    pen_fill(p, p->main);
    pen_round(p, -0.94, -0.66, 0.26, 0.56, 0.12);
    pen_round(p, 0.68, -0.66, 0.26, 0.56, 0.12);
    pen_fill(p, rgb_dark(p->main, 0.1));
    if (cushion) {
        double x = rng_chance(p->rng, 0.5) ? -0.5 : 0.5;

        cairo_translate(p->cr, x, -0.6);
        cairo_rotate(p->cr, rng_range(p->rng, -0.4, 0.4));
        pen_round(p, -0.15, -0.15, 0.3, 0.3, 0.06);
        pen_fill(p, rgb_light(p->main, 0.55));
    }
}
