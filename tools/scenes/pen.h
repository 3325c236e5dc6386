/* Drawing helpers: colours, random numbers and the small set of shapes from
 * which every thing is built.  Things are drawn in a box of height 1: the
 * ground is y = 0 and the top is y = -1. */
#ifndef SIMILE_SCENES_PEN_H
#define SIMILE_SCENES_PEN_H

#include <cairo.h>
#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

struct rgb {
    double r, g, b;
};

struct pen {
    cairo_t *cr;
    struct rng *rng;
    struct rgb main; /* the colour that the label names */
    struct rgb tone; /* every colour is multiplied by this (night is dark blue) */
    double line;     /* outline width */
    bool night;
};

/* A list of x, y pairs written in place. */
#define PTS(...) (const double[]){__VA_ARGS__}, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double) / 2)

#define RGB(r, g, b) ((struct rgb){(r), (g), (b)})

void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *rng);
double rng_unit(struct rng *rng);
double rng_range(struct rng *rng, double low, double high);
int rng_below(struct rng *rng, int limit);
bool rng_chance(struct rng *rng, double probability);

struct rgb rgb_mix(struct rgb a, struct rgb b, double t);
struct rgb rgb_light(struct rgb c, double t);
struct rgb rgb_dark(struct rgb c, double t);
struct rgb rgb_jitter(struct rng *rng, struct rgb c, double amount);
double rgb_luma(struct rgb c);

void pen_source(struct pen *p, struct rgb c, double alpha);
void pen_vertical(struct pen *p, struct rgb top, struct rgb bottom, double y0, double y1);
/* Fill the current path: shaded with an outline, shaded only, or one colour. */
void pen_fill(struct pen *p, struct rgb c);
void pen_soft(struct pen *p, struct rgb c);
void pen_flat(struct pen *p, struct rgb c);
void pen_alpha(struct pen *p, struct rgb c, double alpha);
void pen_stroke(struct pen *p, struct rgb c, double width);

/* Paths. */
void pen_ellipse(struct pen *p, double cx, double cy, double rx, double ry);
void pen_round(struct pen *p, double x, double y, double w, double h, double r);
void pen_poly(struct pen *p, const double *xy, int n);
void pen_blob(struct pen *p, const double *xy, int n);
void pen_curve(struct pen *p, const double *xy, int n);

/* Whole shapes. */
void pen_line(struct pen *p, struct rgb c, double w, double x0, double y0, double x1, double y1);
void pen_limb(struct pen *p, struct rgb c, double w, const double *xy, int n);
void pen_eye(struct pen *p, double x, double y, double r);
void pen_wheel(struct pen *p, double x, double y, double r);
void pen_window(struct pen *p, double x, double y, double w, double h);
void pen_glow(struct pen *p, struct rgb c, double x, double y, double r, double alpha);
void pen_shadow(struct pen *p, double x, double rx);

#endif
