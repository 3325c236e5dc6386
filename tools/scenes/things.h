/* Every kind of thing has one function that draws it in the box of pen.h. */
#ifndef SIMILE_SCENES_THINGS_H
#define SIMILE_SCENES_THINGS_H

#include "pen.h"

/* animals.c */
void draw_dog(struct pen *p);
void draw_cat(struct pen *p);
void draw_horse(struct pen *p);
void draw_rabbit(struct pen *p);
void draw_elephant(struct pen *p);
void draw_turtle(struct pen *p);
/* wings.c */
void draw_bird(struct pen *p);
void draw_duck(struct pen *p);
void draw_penguin(struct pen *p);
void draw_fish(struct pen *p);
void draw_butterfly(struct pen *p);
/* vehicles.c */
void draw_car(struct pen *p);
void draw_bus(struct pen *p);
void draw_bicycle(struct pen *p);
void draw_boat(struct pen *p);
void draw_airplane(struct pen *p);
void draw_train(struct pen *p);
void draw_truck(struct pen *p);
/* plants.c */
void draw_tree(struct pen *p);
void draw_flower(struct pen *p);
void draw_mushroom(struct pen *p);
void draw_cactus(struct pen *p);
void draw_pine(struct pen *p);
void draw_palm(struct pen *p);
/* furniture.c */
void draw_chair(struct pen *p);
void draw_table(struct pen *p);
void draw_lamp(struct pen *p);
void draw_sofa(struct pen *p);
/* buildings.c */
void draw_house(struct pen *p);
void draw_castle(struct pen *p);
void draw_windmill(struct pen *p);
void draw_tent(struct pen *p);
void draw_lighthouse(struct pen *p);
/* toys.c */
void draw_balloon(struct pen *p);
void draw_umbrella(struct pen *p);
void draw_ball(struct pen *p);
void draw_cup(struct pen *p);
void draw_kite(struct pen *p);
void draw_snowman(struct pen *p);
/* sky.c */
void draw_sun(struct pen *p);
void draw_moon(struct pen *p);
void draw_star(struct pen *p);
void draw_rainbow(struct pen *p);

#endif
