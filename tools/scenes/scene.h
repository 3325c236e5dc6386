/* What is in a picture (the label), and drawing it. */
#ifndef SIMILE_SCENES_SCENE_H
#define SIMILE_SCENES_SCENE_H

#include "stage.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_SUBJECTS = 2, MAX_COUNT = 4, NO_COLOUR = -1 };

struct subject {
    int kind;
    int colour;
    int count;
};

struct scene {
    enum place place;
    bool night;
    int subjects;
    struct subject subject[MAX_SUBJECTS];
};

enum layer { ON_GROUND = 1, IN_AIR = 2, ON_WATER = 4 };

enum hours { ANY_TIME, BY_DAY, BY_NIGHT };

/* One row of the table that maps names to drawings. */
struct kind {
    const char *name;
    draw_fn *draw;
    double aspect;    /* width of the drawing for a height of 1 */
    double scale;     /* share of the space that it usually fills */
    unsigned layers;  /* set of enum layer */
    unsigned places;  /* set of 1 << enum place */
    unsigned colours; /* set of 1 << colour; 0: the kind has one look */
    int most;         /* largest count */
    enum hours hours;
};

struct colour {
    const char *name;
    struct rgb rgb;
};

/* kinds.c */
extern const struct kind kinds[];
extern const int kind_count;
extern const struct colour colours[];
extern const int colour_count;
extern const char *const place_names[PLACE_COUNT];

/* sample.c */
int find_kind(const char *name);
int find_colour(const char *name);
int find_place(const char *name);
void scene_random(struct rng *rng, struct scene *scene);
bool scene_held_out(const struct scene *scene);
bool scene_same(const struct scene *a, const struct scene *b);
void scene_print(FILE *out, const struct scene *scene, const char *file);

/* compose.c: draws into a picture of width x height pixels whose middle square
 * is the part that counts. */
void scene_draw(cairo_t *cr, struct rng *rng, const struct scene *scene, double width, double height);

#endif
