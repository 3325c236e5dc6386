/* Birds, fish and the butterfly. */
#include "things.h"

static const struct rgb BEAK = {0.98, 0.66, 0.15};

static void bird_flying(struct pen *p)
{
    double flap = rng_range(p->rng, -0.1, 0.15);
    struct rgb wing = rgb_dark(p->main, 0.25);

    cairo_translate(p->cr, 0, -0.35);
    pen_blob(p, PTS(-0.02, -0.06, -0.2, -0.44 - flap, -0.34, -0.56 - flap, -0.3, -0.3, -0.18, 0.02));
    pen_fill(p, wing);
    pen_poly(p, PTS(-0.3, 0.0, -0.6, -0.12, -0.64, 0.02, -0.56, 0.1, -0.3, 0.1));
    pen_fill(p, wing);
    pen_blob(p, PTS(-0.4, 0.04, -0.15, -0.12, 0.2, -0.14, 0.36, -0.02, 0.1, 0.17, -0.15, 0.15));
    pen_fill(p, p->main);
    pen_ellipse(p, 0.36, -0.12, 0.16, 0.15);
    pen_fill(p, p->main);
    pen_poly(p, PTS(0.49, -0.18, 0.68, -0.1, 0.49, -0.04));
    pen_fill(p, BEAK);
    pen_eye(p, 0.4, -0.15, 0.03);
    pen_blob(p, PTS(0.16, 0.0, 0.06, -0.4 - flap, -0.12, -0.6 - flap, -0.16, -0.36, -0.14, 0.04));
    pen_fill(p, rgb_light(p->main, 0.1));
}

static void bird_perched(struct pen *p)
{
    double pitch = rng_range(p->rng, -0.15, 0.1);

    pen_shadow(p, 0, 0.25);
    pen_line(p, rgb_dark(BEAK, 0.2), 0.03, -0.04, -0.2, -0.06, 0);
    pen_line(p, rgb_dark(BEAK, 0.2), 0.03, 0.08, -0.2, 0.09, 0);
    cairo_translate(p->cr, 0, -0.42);
    cairo_rotate(p->cr, pitch);
    pen_poly(p, PTS(-0.24, 0.06, -0.56, 0.2, -0.54, 0.3, -0.2, 0.2));
    pen_fill(p, rgb_dark(p->main, 0.3));
    pen_blob(p, PTS(-0.32, 0.1, -0.16, -0.16, 0.12, -0.26, 0.3, -0.1, 0.24, 0.14, 0.0, 0.28, -0.2, 0.24));
    pen_fill(p, p->main);
    pen_blob(p, PTS(0.08, 0.2, 0.26, 0.06, 0.27, -0.06, 0.14, 0.02, 0.0, 0.22));
    pen_soft(p, rgb_light(p->main, 0.5));
    pen_ellipse(p, 0.2, -0.28, 0.2, 0.19);
    pen_fill(p, p->main);
    pen_poly(p, PTS(0.37, -0.34, 0.56, -0.25, 0.38, -0.18));
    pen_fill(p, BEAK);
    pen_eye(p, 0.26, -0.32, 0.035);
    pen_blob(p, PTS(-0.36, 0.16, -0.16, -0.1, 0.06, -0.08, 0.08, 0.06, -0.1, 0.18));
    pen_fill(p, rgb_dark(p->main, 0.25));
}

void draw_bird(struct pen *p)
{
    if (rng_chance(p->rng, 0.45)) {
        bird_flying(p);
    } else {
        bird_perched(p);
    }
}

void draw_duck(struct pen *p)
{
    double nod = rng_range(p->rng, -0.06, 0.06);

    pen_shadow(p, 0, 0.4);
    pen_poly(p, PTS(-0.12, -0.1, 0.02, 0, -0.16, 0));
    pen_poly(p, PTS(0.1, -0.1, 0.24, 0, 0.06, 0));
    pen_fill(p, BEAK);
    pen_blob(p, PTS(-0.58, -0.46, -0.46, -0.3, -0.3, -0.12, 0.05, -0.05, 0.34, -0.14, 0.42, -0.34, 0.28, -0.44, -0.1,
                    -0.42, -0.4, -0.4));
    pen_fill(p, p->main);
    pen_limb(p, p->main, 0.17, PTS(0.26, -0.36, 0.27, -0.55 - nod));
    pen_blob(p, PTS(0.38, -0.78 - nod, 0.62, -0.72 - nod, 0.62, -0.64 - nod, 0.38, -0.64 - nod));
    pen_fill(p, BEAK);
    pen_ellipse(p, 0.28, -0.76 - nod, 0.19, 0.18);
    pen_fill(p, p->main);
    pen_eye(p, 0.34, -0.81 - nod, 0.032);
    pen_line(p, rgb_light(p->main, 0.75), 0.035, 0.18, -0.53 - nod, 0.36, -0.53 - nod);
    pen_blob(p, PTS(-0.42, -0.36, -0.2, -0.38, 0.1, -0.34, 0.12, -0.2, -0.12, -0.14, -0.32, -0.22));
    pen_fill(p, rgb_dark(p->main, 0.2));
}

void draw_penguin(struct pen *p)
{
    struct rgb coat = RGB(0.14, 0.16, 0.22);
    double wave = rng_range(p->rng, 0, 0.3);

    pen_shadow(p, 0, 0.28);
    pen_ellipse(p, -0.12, -0.03, 0.11, 0.04);
    pen_ellipse(p, 0.12, -0.03, 0.11, 0.04);
    pen_fill(p, BEAK);
    pen_blob(p, PTS(-0.24, -0.55, -0.38, -0.4 - wave, -0.42, -0.26 - wave, -0.3, -0.3, -0.22, -0.4));
    pen_blob(p, PTS(0.24, -0.55, 0.38, -0.4, 0.42, -0.26, 0.3, -0.3, 0.22, -0.4));
    pen_fill(p, coat);
    pen_blob(p, PTS(0, -0.97, 0.17, -0.9, 0.19, -0.72, 0.28, -0.5, 0.27, -0.2, 0.12, -0.05, -0.12, -0.05, -0.27, -0.2,
                    -0.28, -0.5, -0.19, -0.72, -0.17, -0.9));
    pen_fill(p, coat);
    pen_blob(p, PTS(0, -0.64, 0.15, -0.5, 0.18, -0.25, 0.08, -0.09, -0.08, -0.09, -0.18, -0.25, -0.15, -0.5));
    pen_soft(p, RGB(0.97, 0.97, 0.97));
    pen_ellipse(p, -0.08, -0.78, 0.085, 0.1);
    pen_ellipse(p, 0.08, -0.78, 0.085, 0.1);
    pen_flat(p, RGB(0.97, 0.97, 0.97));
    pen_eye(p, -0.065, -0.79, 0.025);
    pen_eye(p, 0.065, -0.79, 0.025);
    pen_poly(p, PTS(-0.06, -0.73, 0.06, -0.73, 0, -0.64));
    pen_fill(p, BEAK);
}

void draw_fish(struct pen *p)
{
    double wag = rng_range(p->rng, -0.08, 0.08);
    struct rgb fin = rgb_dark(p->main, 0.22);
    bool stripes = rng_chance(p->rng, 0.5);

    cairo_translate(p->cr, 0.06, -0.42);
    cairo_rotate(p->cr, rng_range(p->rng, -0.25, 0.25));
    pen_blob(p, PTS(-0.4, 0.0, -0.62, -0.3 + wag, -0.78, -0.36 + wag, -0.68, 0.0 + wag, -0.78, 0.34 + wag, -0.62,
                    0.28 + wag));
    pen_fill(p, fin);
    pen_blob(p, PTS(-0.2, -0.25, -0.1, -0.46, 0.14, -0.42, 0.24, -0.24));
    pen_fill(p, fin);
    pen_blob(p, PTS(-0.1, 0.25, -0.14, 0.42, 0.04, 0.38, 0.1, 0.25));
    pen_fill(p, fin);
    pen_blob(p,
             PTS(-0.5, 0.0, -0.25, -0.26, 0.15, -0.33, 0.45, -0.18, 0.58, 0.02, 0.45, 0.18, 0.15, 0.32, -0.25, 0.24));
    pen_fill(p, p->main);
    for (int i = 0; stripes && i < 3; i++) {
        double x = 0.12 - 0.17 * i;

        pen_curve(p, PTS(x, -0.25 + 0.03 * i, x + 0.06, 0, x, 0.24 - 0.03 * i));
        pen_stroke(p, rgb_light(p->main, 0.6), 0.05);
    }
    pen_eye(p, 0.35, -0.08, 0.05);
    pen_curve(p, PTS(0.56, 0.04, 0.48, 0.09, 0.42, 0.07));
    pen_stroke(p, rgb_dark(p->main, 0.6), 0.025);
    pen_blob(p, PTS(0.1, 0.02, -0.1, -0.04, -0.16, 0.12, -0.02, 0.14));
    pen_fill(p, fin);
}

void draw_butterfly(struct pen *p)
{
    double open = rng_range(p->rng, 0.75, 1.0);
    struct rgb spot = rgb_light(p->main, 0.6);
    struct rgb ink = RGB(0.12, 0.1, 0.12);

    cairo_translate(p->cr, 0, -0.48);
    cairo_rotate(p->cr, rng_range(p->rng, -0.4, 0.4));
    for (int side = -1; side <= 1; side += 2) {
        double s = side * open;

        pen_blob(p, PTS(s * 0.03, -0.04, s * 0.22, -0.42, s * 0.52, -0.46, s * 0.55, -0.2, s * 0.3, 0.02));
        pen_fill(p, p->main);
        pen_blob(p, PTS(s * 0.03, 0.02, s * 0.3, 0.04, s * 0.42, 0.2, s * 0.28, 0.42, s * 0.1, 0.3));
        pen_fill(p, rgb_dark(p->main, 0.12));
        pen_ellipse(p, s * 0.42, -0.3, 0.065 * open, 0.075);
        pen_flat(p, spot);
        pen_ellipse(p, s * 0.25, -0.17, 0.04 * open, 0.05);
        pen_flat(p, spot);
        pen_ellipse(p, s * 0.25, 0.22, 0.055 * open, 0.06);
        pen_flat(p, spot);
        pen_curve(p, PTS(0, -0.22, side * 0.06, -0.38, side * 0.15, -0.46));
        pen_stroke(p, ink, 0.022);
    }
    pen_ellipse(p, 0, 0.04, 0.045, 0.27);
    pen_flat(p, ink);
    pen_ellipse(p, 0, -0.24, 0.06, 0.06);
    pen_flat(p, ink);
}
