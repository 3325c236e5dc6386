/* Animals with four feet. */
#include "things.h"

#include <math.h>

/* A leg that swings from the hip: phase moves the foot to the front. */
static void leg(struct pen *p, struct rgb c, double w, double hip_x, double hip_y, double phase)
{
    pen_limb(p, c, w, PTS(hip_x, hip_y, hip_x - phase * 0.02, hip_y * 0.5, hip_x + phase * 0.08, -0.02));
    pen_ellipse(p, hip_x + phase * 0.08 + 0.02, -0.022, w * 0.62, 0.028);
    pen_flat(p, rgb_dark(c, 0.25));
}

static void spots(struct pen *p, double cx, double cy, double rx, double ry)
{
    struct rgb c = rgb_luma(p->main) > 0.5 ? rgb_dark(p->main, 0.3) : rgb_light(p->main, 0.3);

    if (!rng_chance(p->rng, 0.35)) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        pen_ellipse(p, cx + rng_range(p->rng, -rx, rx), cy + rng_range(p->rng, -ry, ry), rng_range(p->rng, 0.04, 0.09),
                    rng_range(p->rng, 0.03, 0.06));
        pen_alpha(p, c, 0.7);
    }
}

/* Long muzzle, hanging ear, tongue, collar: all that a cat does not have. */
static void dog_head(struct pen *p, double x, double y)
{
    cairo_t *cr = p->cr;
    struct rgb dark = rgb_dark(p->main, 0.3);
    struct rgb pale = rgb_light(p->main, 0.45);

    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, rng_range(p->rng, -0.2, 0.12));
    if (rng_chance(p->rng, 0.6)) {
        pen_limb(p, RGB(0.93, 0.45, 0.5), 0.05, PTS(0.2, 0.09, 0.23, 0.14, 0.225, 0.19));
    }
    pen_blob(p, PTS(-0.16, 0.05, -0.13, -0.13, 0.03, -0.18, 0.13, -0.08, 0.3, -0.05, 0.36, 0.03, 0.3, 0.1, 0.1, 0.13,
                    -0.08, 0.15));
    pen_fill(p, p->main);
    pen_blob(p, PTS(0.16, 0.0, 0.3, -0.02, 0.35, 0.03, 0.29, 0.09, 0.14, 0.1));
    pen_soft(p, pale);
    pen_ellipse(p, 0.345, -0.02, 0.042, 0.036);
    pen_flat(p, RGB(0.08, 0.06, 0.07));
    pen_line(p, rgb_dark(p->main, 0.7), 0.016, 0.17, 0.075, 0.31, 0.07);
    pen_blob(p, PTS(-0.1, -0.15, 0.0, -0.12, 0.0, 0.08, -0.07, 0.17, -0.15, 0.1, -0.17, -0.04));
    pen_fill(p, dark);
    pen_eye(p, 0.085, -0.06, 0.026);
    cairo_restore(cr);
}

static void dog_collar(struct pen *p, double x0, double y0, double x1, double y1)
{
    struct rgb c = rng_chance(p->rng, 0.5) ? RGB(0.85, 0.2, 0.2) : RGB(0.2, 0.35, 0.8);

    pen_line(p, c, 0.04, x0, y0, x1, y1);
    pen_ellipse(p, x1, y1 + 0.015, 0.022, 0.022);
    pen_flat(p, RGB(0.95, 0.8, 0.25));
}

static void dog_standing(struct pen *p)
{
    double swing = rng_range(p->rng, -1, 1);
    struct rgb far = rgb_dark(p->main, 0.22);
    double wag = rng_range(p->rng, -0.08, 0.1);

    pen_shadow(p, 0, 0.45);
    leg(p, far, 0.085, -0.24, -0.34, -swing);
    leg(p, far, 0.085, 0.2, -0.34, swing);
    pen_limb(p, p->main, 0.07, PTS(-0.36, -0.5, -0.48, -0.6, -0.52 + wag, -0.74, -0.46 + wag, -0.84));
    pen_blob(p, PTS(-0.4, -0.46, -0.3, -0.58, 0.0, -0.57, 0.2, -0.62, 0.32, -0.72, 0.42, -0.6, 0.36, -0.4, 0.2, -0.27,
                    -0.05, -0.31, -0.3, -0.28));
    pen_fill(p, p->main);
    spots(p, -0.08, -0.47, 0.2, 0.06);
    leg(p, p->main, 0.09, -0.32, -0.36, swing);
    leg(p, p->main, 0.09, 0.27, -0.36, -swing);
    dog_collar(p, 0.2, -0.64, 0.4, -0.56);
    dog_head(p, 0.34, -0.78);
}

static void dog_sitting(struct pen *p)
{
    double wag = rng_range(p->rng, -0.06, 0.08);

    pen_shadow(p, -0.02, 0.36);
    pen_limb(p, p->main, 0.07, PTS(-0.26, -0.08, -0.4, -0.1, -0.46 + wag, -0.24));
    pen_limb(p, rgb_dark(p->main, 0.22), 0.085, PTS(0.14, -0.4, 0.17, -0.2, 0.19, -0.03));
    pen_blob(p,
             PTS(-0.3, -0.04, -0.33, -0.22, -0.2, -0.42, 0.0, -0.66, 0.16, -0.72, 0.25, -0.56, 0.2, -0.3, 0.06, -0.04));
    pen_fill(p, p->main);
    spots(p, -0.05, -0.35, 0.1, 0.12);
    pen_limb(p, p->main, 0.09, PTS(0.09, -0.42, 0.1, -0.2, 0.1, -0.03));
    pen_ellipse(p, 0.13, -0.03, 0.075, 0.033);
    pen_fill(p, p->main);
    pen_blob(p, PTS(-0.3, -0.1, -0.2, -0.26, -0.04, -0.2, 0.0, -0.05, -0.1, -0.01, -0.26, -0.01));
    pen_fill(p, p->main);
    dog_collar(p, 0.02, -0.66, 0.23, -0.6);
    dog_head(p, 0.14, -0.79);
}

void draw_dog(struct pen *p)
{
    if (rng_chance(p->rng, 0.65)) {
        dog_standing(p);
    } else {
        dog_sitting(p);
    }
}

static void cat_ears(struct pen *p, double r)
{
    struct rgb inner = RGB(0.95, 0.65, 0.68);

    for (int side = -1; side <= 1; side += 2) {
        double s = side * r;

        pen_poly(p, PTS(s * 0.95, -0.25 * r, s * 0.9, -1.45 * r, s * 0.15, -0.8 * r));
        pen_fill(p, p->main);
        pen_poly(p, PTS(s * 0.85, -0.5 * r, s * 0.82, -1.15 * r, s * 0.36, -0.78 * r));
        pen_flat(p, inner);
    }
}

/* Seen from the front: round, pointed ears, slit eyes, whiskers. */
static void cat_head(struct pen *p, double x, double y, double r)
{
    cairo_t *cr = p->cr;
    struct rgb whisker = rgb_luma(p->main) < 0.4 ? RGB(0.9, 0.9, 0.9) : RGB(0.25, 0.2, 0.2);
    struct rgb iris = rng_chance(p->rng, 0.6) ? RGB(0.55, 0.8, 0.25) : RGB(0.95, 0.75, 0.2);

    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, rng_range(p->rng, -0.15, 0.15));
    cat_ears(p, r);
    pen_ellipse(p, 0, 0, r * 1.12, r * 0.95);
    pen_fill(p, p->main);
    for (int i = -1; i <= 1; i++) {
        pen_line(p, rgb_dark(p->main, 0.35), r * 0.1, i * r * 0.26, -r * 0.85, i * r * 0.2, -r * 0.55);
    }
    pen_ellipse(p, 0, r * 0.38, r * 0.45, r * 0.34);
    pen_soft(p, rgb_light(p->main, 0.55));
    for (int side = -1; side <= 1; side += 2) {
        pen_ellipse(p, side * r * 0.45, -r * 0.08, r * 0.22, r * 0.25);
        pen_flat(p, iris);
        pen_ellipse(p, side * r * 0.45, -r * 0.08, r * 0.08, r * 0.23);
        pen_flat(p, RGB(0.05, 0.05, 0.05));
        for (int i = -1; i <= 1; i++) {
            pen_line(p, whisker, r * 0.05, side * r * 0.35, r * (0.38 + i * 0.06), side * r * 1.45,
                     r * (0.32 + i * 0.2));
        }
    }
    pen_poly(p, PTS(-r * 0.13, r * 0.16, r * 0.13, r * 0.16, 0, r * 0.32));
    pen_flat(p, RGB(0.9, 0.45, 0.5));
    pen_curve(p, PTS(-r * 0.22, r * 0.42, -r * 0.1, r * 0.5, 0, r * 0.34, r * 0.1, r * 0.5, r * 0.22, r * 0.42));
    pen_stroke(p, RGB(0.25, 0.15, 0.15), r * 0.06);
    cairo_restore(cr);
}

static void cat_stripes(struct pen *p, double x0, double x1, double y0, double y1)
{
    if (!rng_chance(p->rng, 0.55)) {
        return;
    }
    for (int i = 0; i < 4; i++) {
        double x = x0 + (x1 - x0) * (i + 0.5) / 4;

        pen_curve(p, PTS(x, y0, x + 0.02, (y0 + y1) / 2, x - 0.01, y1));
        pen_stroke(p, rgb_dark(p->main, 0.35), 0.03);
    }
}

static void cat_sitting(struct pen *p)
{
    double curl = rng_range(p->rng, -0.1, 0.1);

    pen_shadow(p, 0.05, 0.34);
    pen_limb(p, p->main, 0.075, PTS(0.15, -0.06, 0.36, -0.08, 0.44, -0.25, 0.36 + curl, -0.42, 0.44 + curl, -0.52));
    pen_blob(p,
             PTS(-0.26, -0.03, -0.29, -0.2, -0.18, -0.45, -0.1, -0.6, 0.1, -0.6, 0.18, -0.45, 0.29, -0.2, 0.26, -0.03));
    pen_fill(p, p->main);
    cat_stripes(p, -0.22, -0.08, -0.36, -0.14);
    pen_blob(p, PTS(-0.09, -0.5, 0.09, -0.5, 0.08, -0.3, 0, -0.22, -0.08, -0.3));
    pen_soft(p, rgb_light(p->main, 0.5));
    pen_limb(p, p->main, 0.1, PTS(-0.08, -0.3, -0.08, -0.05));
    pen_limb(p, p->main, 0.1, PTS(0.08, -0.3, 0.08, -0.05));
    pen_ellipse(p, -0.09, -0.035, 0.075, 0.04);
    pen_ellipse(p, 0.09, -0.035, 0.075, 0.04);
    pen_fill(p, rgb_light(p->main, 0.3));
    cat_head(p, 0, -0.7, 0.21);
}

static void cat_walking(struct pen *p)
{
    double swing = rng_range(p->rng, -1, 1);
    double curl = rng_range(p->rng, -0.08, 0.1);
    struct rgb far = rgb_dark(p->main, 0.22);

    pen_shadow(p, 0, 0.45);
    leg(p, far, 0.07, -0.22, -0.3, -swing);
    leg(p, far, 0.07, 0.2, -0.3, swing);
    pen_limb(p, p->main, 0.06, PTS(-0.34, -0.46, -0.5, -0.5, -0.52, -0.7, -0.42 + curl, -0.85, -0.48 + curl, -0.97));
    pen_blob(p,
             PTS(-0.38, -0.42, -0.28, -0.53, 0.0, -0.5, 0.24, -0.55, 0.38, -0.5, 0.34, -0.34, 0.1, -0.25, -0.3, -0.24));
    pen_fill(p, p->main);
    cat_stripes(p, -0.28, 0.16, -0.5, -0.36);
    leg(p, p->main, 0.075, -0.3, -0.32, swing);
    leg(p, p->main, 0.075, 0.28, -0.32, -swing);
    cat_head(p, 0.38, -0.62, 0.18);
}

void draw_cat(struct pen *p)
{
    if (rng_chance(p->rng, 0.55)) {
        cat_sitting(p);
    } else {
        cat_walking(p);
    }
}

static void horse_head(struct pen *p, struct rgb mane)
{
    pen_blob(p, PTS(0.16, -0.5, 0.26, -0.7, 0.34, -0.88, 0.44, -0.9, 0.56, -0.74, 0.6, -0.66, 0.54, -0.6, 0.46, -0.66,
                    0.42, -0.68, 0.38, -0.48, 0.3, -0.36));
    pen_fill(p, p->main);
    pen_poly(p, PTS(0.36, -0.88, 0.38, -1.0, 0.44, -0.88));
    pen_fill(p, p->main);
    pen_blob(p, PTS(0.37, -0.93, 0.27, -0.88, 0.17, -0.7, 0.08, -0.54, 0.2, -0.55, 0.28, -0.7, 0.36, -0.84));
    pen_fill(p, mane);
    pen_eye(p, 0.45, -0.8, 0.02);
    pen_ellipse(p, 0.57, -0.66, 0.015, 0.012);
    pen_flat(p, rgb_dark(p->main, 0.7));
}

void draw_horse(struct pen *p)
{
    double swing = rng_range(p->rng, -1.4, 1.4);
    struct rgb far = rgb_dark(p->main, 0.22);
    struct rgb mane = rgb_luma(p->main) > 0.6 ? rgb_dark(p->main, 0.25) : rgb_dark(p->main, 0.6);

    cairo_translate(p->cr, -0.04, 0);
    pen_shadow(p, 0, 0.42);
    leg(p, far, 0.07, -0.22, -0.4, -swing);
    leg(p, far, 0.07, 0.2, -0.4, swing);
    pen_limb(p, mane, 0.09, PTS(-0.36, -0.56, -0.46, -0.52, -0.5, -0.36, -0.46, -0.2));
    pen_blob(p, PTS(-0.38, -0.52, -0.28, -0.62, 0.0, -0.56, 0.2, -0.6, 0.34, -0.52, 0.3, -0.36, 0.1, -0.3, -0.14, -0.32,
                    -0.36, -0.36));
    pen_fill(p, p->main);
    spots(p, -0.05, -0.46, 0.18, 0.06);
    leg(p, p->main, 0.075, -0.31, -0.42, swing);
    leg(p, p->main, 0.075, 0.27, -0.42, -swing);
    horse_head(p, mane);
}

void draw_rabbit(struct pen *p)
{
    double tilt = rng_range(p->rng, -0.1, 0.1);
    struct rgb inner = RGB(0.97, 0.72, 0.75);

    pen_shadow(p, 0, 0.34);
    pen_ellipse(p, -0.33, -0.16, 0.09, 0.085);
    pen_fill(p, RGB(0.97, 0.97, 0.97));
    pen_blob(p, PTS(-0.32, -0.08, -0.3, -0.3, -0.1, -0.46, 0.14, -0.44, 0.26, -0.26, 0.22, -0.04, -0.05, -0.01));
    pen_fill(p, p->main);
    pen_ellipse(p, -0.13, -0.15, 0.15, 0.14);
    pen_fill(p, p->main);
    pen_ellipse(p, -0.06, -0.03, 0.14, 0.035);
    pen_fill(p, p->main);
    pen_ellipse(p, 0.19, -0.03, 0.09, 0.035);
    pen_fill(p, p->main);
    cairo_save(p->cr);
    cairo_translate(p->cr, 0.22, -0.48);
    cairo_rotate(p->cr, tilt);
    for (int i = 0; i < 2; i++) {
        cairo_save(p->cr);
        cairo_rotate(p->cr, i == 0 ? -0.38 : 0.06);
        pen_ellipse(p, -0.02, -0.32, 0.065, 0.2);
        pen_fill(p, p->main);
        pen_ellipse(p, -0.02, -0.31, 0.032, 0.15);
        pen_flat(p, inner);
        cairo_restore(p->cr);
    }
    pen_ellipse(p, 0, 0, 0.17, 0.155);
    pen_fill(p, p->main);
    pen_eye(p, 0.06, -0.03, 0.026);
    pen_ellipse(p, 0.165, 0.01, 0.022, 0.018);
    pen_flat(p, RGB(0.9, 0.4, 0.5));
    pen_ellipse(p, 0.07, 0.07, 0.045, 0.03);
    pen_alpha(p, inner, 0.8);
    cairo_restore(p->cr);
}

void draw_elephant(struct pen *p)
{
    double lift = rng_range(p->rng, 0, 1);
    struct rgb far = rgb_dark(p->main, 0.22);

    cairo_translate(p->cr, -0.05, 0);
    pen_shadow(p, 0, 0.5);
    leg(p, far, 0.15, -0.22, -0.36, 0.4);
    leg(p, far, 0.15, 0.2, -0.36, -0.4);
    pen_limb(p, p->main, 0.035, PTS(-0.47, -0.6, -0.55, -0.45, -0.53, -0.3));
    pen_blob(p, PTS(-0.5, -0.5, -0.42, -0.76, -0.1, -0.86, 0.2, -0.82, 0.34, -0.6, 0.3, -0.34, 0, -0.26, -0.4, -0.28));
    pen_fill(p, p->main);
    leg(p, p->main, 0.16, -0.36, -0.36, -0.3);
    leg(p, p->main, 0.16, 0.22, -0.36, 0.3);
    pen_limb(
        p, p->main, 0.11,
        PTS(0.52, -0.66, 0.62, -0.5, 0.63 + 0.05 * lift, -0.32 - 0.1 * lift, 0.7 + 0.08 * lift, -0.2 - 0.3 * lift));
    pen_ellipse(p, 0.4, -0.7, 0.21, 0.22);
    pen_fill(p, p->main);
    pen_limb(p, RGB(0.98, 0.96, 0.88), 0.045, PTS(0.5, -0.52, 0.58, -0.44, 0.66, -0.45));
    pen_blob(p, PTS(0.3, -0.9, 0.14, -0.92, 0.06, -0.7, 0.14, -0.48, 0.27, -0.52, 0.34, -0.7));
    pen_fill(p, rgb_light(p->main, 0.1));
    pen_blob(p, PTS(0.27, -0.84, 0.17, -0.84, 0.12, -0.68, 0.18, -0.56, 0.25, -0.6, 0.28, -0.7));
    pen_alpha(p, RGB(0.95, 0.65, 0.68), 0.5);
    pen_eye(p, 0.47, -0.74, 0.024);
}

void draw_turtle(struct pen *p)
{
    struct rgb skin = RGB(0.62, 0.74, 0.36);
    double nod = rng_range(p->rng, -0.05, 0.08);

    pen_shadow(p, 0, 0.6);
    pen_limb(p, skin, 0.16, PTS(-0.38, -0.25, -0.46, -0.1, -0.5, -0.07));
    pen_limb(p, skin, 0.16, PTS(0.34, -0.25, 0.38, -0.1, 0.42, -0.07));
    pen_limb(p, skin, 0.08, PTS(-0.55, -0.24, -0.72, -0.18));
    pen_limb(p, skin, 0.16, PTS(0.5, -0.3, 0.66, -0.4 - nod, 0.72, -0.5 - nod));
    pen_ellipse(p, 0.76, -0.56 - nod, 0.16, 0.14);
    pen_fill(p, skin);
    pen_eye(p, 0.82, -0.6 - nod, 0.035);
    pen_curve(p, PTS(0.8, -0.5 - nod, 0.85, -0.49 - nod, 0.89, -0.52 - nod));
    pen_stroke(p, rgb_dark(skin, 0.6), 0.02);
    pen_blob(p, PTS(-0.62, -0.22, -0.5, -0.6, -0.1, -0.86, 0.3, -0.74, 0.56, -0.4, 0.6, -0.22, 0.0, -0.14));
    pen_fill(p, p->main);
    for (int i = -1; i <= 1; i++) {
        double x = i * 0.33;
        double y = i == 0 ? -0.55 : -0.42;

        pen_poly(p, PTS(x - 0.14, y, x - 0.07, y - 0.14, x + 0.07, y - 0.14, x + 0.14, y, x + 0.07, y + 0.13, x - 0.07,
                        y + 0.13));
        pen_fill(p, rgb_dark(p->main, 0.25));
    }
    pen_limb(p, rgb_light(p->main, 0.3), 0.07, PTS(-0.62, -0.2, 0.0, -0.13, 0.6, -0.2));
}
