/* Things that carry people. */
#include "things.h"

static const struct rgb LAMP = {1.0, 0.93, 0.6};

/* Lamps throw a beam after dark. */
static void headlight(struct pen *p, double x, double y, double r)
{
    pen_ellipse(p, x, y, r, r);
    pen_flat(p, LAMP);
    if (p->night) {
        pen_glow(p, LAMP, x + 0.06, y, 0.3, 0.75);
    }
}

void draw_car(struct pen *p)
{
    double roof = rng_range(p->rng, -0.06, 0.05);

    pen_shadow(p, 0, 0.95);
    pen_blob(p, PTS(-0.55, -0.42, -0.42, -0.8 + roof, -0.1, -0.9 + roof, 0.22, -0.86 + roof, 0.46, -0.5, 0.3, -0.4));
    pen_fill(p, p->main);
    pen_blob(p, PTS(-0.9, -0.2, -0.9, -0.42, -0.7, -0.53, 0.0, -0.54, 0.5, -0.52, 0.88, -0.42, 0.94, -0.22, 0.7, -0.14,
                    0.0, -0.12, -0.7, -0.13));
    pen_fill(p, p->main);
    cairo_save(p->cr);
    pen_poly(p, PTS(-0.44, -0.52, -0.33, -0.76 + roof, -0.04, -0.8 + roof, -0.04, -0.52));
    pen_poly(p, PTS(0.03, -0.52, 0.03, -0.8 + roof, 0.18, -0.77 + roof, 0.36, -0.52));
    cairo_clip(p->cr);
    pen_window(p, -0.5, -0.9, 1, 0.5);
    cairo_restore(p->cr);
    pen_line(p, rgb_dark(p->main, 0.5), 0.016, -0.01, -0.5, -0.01, -0.18);
    pen_line(p, rgb_dark(p->main, 0.6), 0.03, 0.05, -0.43, 0.16, -0.43);
    headlight(p, 0.86, -0.36, 0.055);
    pen_ellipse(p, -0.88, -0.38, 0.035, 0.05);
    pen_flat(p, RGB(0.9, 0.15, 0.1));
    pen_wheel(p, -0.52, -0.18, 0.19);
    pen_wheel(p, 0.54, -0.18, 0.19);
}

void draw_bus(struct pen *p)
{
    bool two = rng_chance(p->rng, 0.3);
    double top = two ? -1.0 : -0.82;

    pen_shadow(p, 0, 0.95);
    pen_round(p, -0.92, top, 1.84, -0.12 - top, 0.09);
    pen_fill(p, p->main);
    for (int row = 0; row <= (two ? 1 : 0); row++) {
        double y = top + 0.1 + row * 0.37;

        for (int i = 0; i < 6; i++) {
            pen_window(p, -0.83 + i * 0.28, y, 0.22, two ? 0.2 : 0.27);
        }
    }
    pen_line(p, rgb_light(p->main, 0.7), 0.04, -0.9, -0.32, 0.9, -0.32);
    cairo_rectangle(p->cr, 0.58, -0.5, 0.2, 0.36);
    pen_fill(p, rgb_dark(p->main, 0.3));
    headlight(p, 0.87, -0.23, 0.05);
    pen_wheel(p, -0.52, -0.15, 0.16);
    pen_wheel(p, 0.4, -0.15, 0.16);
}

static void spokes(struct pen *p, double x, double y, double r)
{
    for (int i = 0; i < 4; i++) {
        double dx = (i == 0 || i == 3) ? r : (i == 1 ? 0 : r * 0.7);
        double dy = i == 0 ? 0 : (i == 1 ? r : (i == 2 ? r * 0.7 : -r * 0.4));

        pen_line(p, RGB(0.75, 0.75, 0.78), 0.014, x - dx, y - dy, x + dx, y + dy);
    }
    pen_ellipse(p, x, y, r, r);
    pen_stroke(p, RGB(0.12, 0.12, 0.14), 0.06);
}

void draw_bicycle(struct pen *p)
{
    struct rgb steel = RGB(0.3, 0.3, 0.33);

    pen_shadow(p, 0, 0.75);
    spokes(p, -0.48, -0.31, 0.28);
    spokes(p, 0.5, -0.31, 0.28);
    pen_limb(p, p->main, 0.075, PTS(-0.48, -0.31, -0.04, -0.29));
    pen_limb(p, p->main, 0.075, PTS(-0.48, -0.31, -0.18, -0.68));
    pen_limb(p, p->main, 0.085, PTS(-0.2, -0.74, -0.04, -0.29));
    pen_limb(p, p->main, 0.085, PTS(-0.17, -0.66, 0.36, -0.7));
    pen_limb(p, p->main, 0.085, PTS(-0.04, -0.29, 0.38, -0.66));
    pen_limb(p, p->main, 0.075, PTS(0.34, -0.78, 0.5, -0.31));
    pen_limb(p, steel, 0.05, PTS(0.34, -0.78, 0.32, -0.9, 0.46, -0.93));
    pen_limb(p, RGB(0.2, 0.15, 0.12), 0.08, PTS(-0.33, -0.78, -0.1, -0.79));
    pen_ellipse(p, -0.04, -0.29, 0.08, 0.08);
    pen_fill(p, steel);
    pen_line(p, steel, 0.035, -0.04, -0.29, 0.05, -0.15);
    pen_line(p, steel, 0.05, 0.0, -0.14, 0.1, -0.14);
}

static void sailing_boat(struct pen *p)
{
    struct rgb sail = RGB(0.98, 0.96, 0.9);
    double lean = rng_range(p->rng, -0.04, 0.04);

    pen_line(p, RGB(0.45, 0.3, 0.18), 0.04, 0.0, -0.24, lean, -1.0);
    pen_blob(p, PTS(0.04, -0.32, 0.04 + lean, -0.95, 0.28, -0.62, 0.5, -0.34));
    pen_fill(p, sail);
    pen_poly(p, PTS(-0.05, -0.34, lean - 0.04, -0.88, -0.42, -0.36));
    pen_fill(p, rgb_mix(sail, p->main, 0.55));
    pen_blob(p, PTS(-0.62, -0.26, -0.5, -0.06, -0.3, 0.0, 0.3, 0.0, 0.52, -0.08, 0.66, -0.28, 0.0, -0.22));
    pen_fill(p, p->main);
    pen_line(p, rgb_light(p->main, 0.7), 0.03, -0.52, -0.15, 0.54, -0.15);
}

static void motor_boat(struct pen *p)
{
    pen_round(p, -0.28, -0.62, 0.46, 0.36, 0.05);
    pen_fill(p, RGB(0.96, 0.95, 0.92));
    pen_window(p, -0.2, -0.55, 0.13, 0.14);
    pen_window(p, 0.0, -0.55, 0.13, 0.14);
    pen_round(p, -0.2, -0.9, 0.16, 0.3, 0.02);
    pen_fill(p, p->main);
    pen_poly(p, PTS(-0.68, -0.32, -0.56, 0.0, 0.46, 0.0, 0.74, -0.36, 0.5, -0.3));
    pen_fill(p, p->main);
    pen_line(p, rgb_light(p->main, 0.7), 0.045, -0.62, -0.2, 0.6, -0.2);
    for (int i = 0; i < 3; i++) {
        pen_ellipse(p, -0.3 + 0.27 * i, -0.1, 0.045, 0.045);
        pen_flat(p, RGB(0.9, 0.95, 1));
    }
}

void draw_boat(struct pen *p)
{
    if (rng_chance(p->rng, 0.65)) {
        sailing_boat(p);
    } else {
        motor_boat(p);
    }
}

void draw_airplane(struct pen *p)
{
    struct rgb wing = rgb_dark(p->main, 0.22);

    cairo_translate(p->cr, 0, -0.42);
    cairo_rotate(p->cr, rng_range(p->rng, -0.25, 0.12));
    pen_poly(p, PTS(0.12, -0.1, -0.16, -0.38, -0.02, -0.38, 0.34, -0.1));
    pen_fill(p, wing);
    pen_poly(p, PTS(-0.7, -0.06, -0.96, -0.5, -0.76, -0.5, -0.5, -0.1));
    pen_fill(p, wing);
    pen_blob(p, PTS(-0.9, -0.04, -0.6, -0.14, 0.3, -0.17, 0.72, -0.13, 0.94, 0.02, 0.72, 0.15, 0.2, 0.17, -0.5, 0.12));
    pen_fill(p, p->main);
    pen_poly(p, PTS(-0.8, 0.02, -1.0, 0.16, -0.84, 0.16, -0.58, 0.04));
    pen_fill(p, wing);
    for (int i = 0; i < 6; i++) {
        pen_window(p, -0.4 + 0.16 * i, -0.07, 0.085, 0.08);
    }
    pen_poly(p, PTS(0.66, -0.11, 0.84, -0.05, 0.78, 0.0, 0.64, -0.02));
    pen_flat(p, RGB(0.55, 0.75, 0.9));
    pen_poly(p, PTS(-0.04, 0.06, -0.44, 0.46, -0.22, 0.46, 0.34, 0.06));
    pen_fill(p, wing);
    pen_round(p, -0.04, 0.2, 0.24, 0.11, 0.05);
    pen_fill(p, RGB(0.8, 0.82, 0.86));
}

static void smoke(struct pen *p, double x, double y)
{
    for (int i = 0; i < 4; i++) {
        pen_ellipse(p, x - i * 0.14 + rng_range(p->rng, -0.03, 0.03), y - i * 0.03, 0.06 + 0.02 * i, 0.05 + 0.015 * i);
        pen_alpha(p, RGB(0.93, 0.93, 0.95), 0.75 - 0.15 * i);
    }
}

/* A steam engine and a wagon: rails, chimney and round boiler. */
void draw_train(struct pen *p)
{
    struct rgb dark = rgb_dark(p->main, 0.4);

    smoke(p, 0.68, -0.9);
    pen_line(p, RGB(0.4, 0.33, 0.28), 0.05, -1.15, -0.005, 1.15, -0.005);
    pen_line(p, RGB(0.62, 0.63, 0.67), 0.03, -1.15, -0.04, 1.15, -0.04);
    pen_round(p, -1.08, -0.68, 0.82, 0.5, 0.04);
    pen_fill(p, p->main);
    for (int i = 0; i < 3; i++) {
        pen_window(p, -1.0 + 0.24 * i, -0.58, 0.17, 0.18);
    }
    pen_line(p, RGB(0.25, 0.25, 0.28), 0.06, -0.3, -0.2, -0.1, -0.2);
    pen_round(p, 0.2, -0.58, 0.78, 0.36, 0.12);
    pen_fill(p, p->main);
    for (int i = 0; i < 2; i++) {
        pen_line(p, RGB(0.92, 0.78, 0.35), 0.03, 0.46 + 0.24 * i, -0.57, 0.46 + 0.24 * i, -0.23);
    }
    pen_poly(p, PTS(0.62, -0.58, 0.57, -0.84, 0.83, -0.84, 0.78, -0.58));
    pen_fill(p, dark);
    pen_round(p, -0.16, -0.84, 0.44, 0.64, 0.03);
    pen_fill(p, p->main);
    pen_window(p, -0.06, -0.72, 0.22, 0.22);
    pen_round(p, -0.22, -0.92, 0.56, 0.1, 0.04);
    pen_fill(p, dark);
    pen_poly(p, PTS(0.9, -0.22, 1.12, -0.04, 0.86, -0.04));
    pen_fill(p, dark);
    headlight(p, 0.98, -0.42, 0.05);
    pen_wheel(p, -0.86, -0.14, 0.1);
    pen_wheel(p, -0.48, -0.14, 0.1);
    pen_wheel(p, 0.06, -0.17, 0.15);
    pen_wheel(p, 0.42, -0.14, 0.11);
    pen_wheel(p, 0.72, -0.14, 0.11);
}

void draw_truck(struct pen *p)
{
    pen_shadow(p, 0, 0.95);
    cairo_rectangle(p->cr, -0.94, -0.26, 1.84, 0.1);
    pen_fill(p, RGB(0.3, 0.3, 0.33));
    cairo_rectangle(p->cr, -0.94, -0.95, 1.26, 0.71);
    pen_fill(p, rgb_mix(p->main, RGB(0.96, 0.95, 0.93), rng_chance(p->rng, 0.4) ? 0.25 : 0));
    for (int i = 0; i < 4; i++) {
        pen_line(p, rgb_dark(p->main, 0.3), 0.014, -0.7 + 0.25 * i, -0.93, -0.7 + 0.25 * i, -0.26);
    }
    pen_blob(p,
             PTS(0.36, -0.2, 0.36, -0.68, 0.46, -0.74, 0.68, -0.72, 0.82, -0.48, 0.93, -0.42, 0.93, -0.2, 0.64, -0.18));
    pen_fill(p, p->main);
    pen_window(p, 0.5, -0.64, 0.2, 0.2);
    headlight(p, 0.9, -0.32, 0.05);
    pen_wheel(p, -0.68, -0.16, 0.17);
    pen_wheel(p, -0.26, -0.16, 0.17);
    pen_wheel(p, 0.6, -0.16, 0.17);
}
