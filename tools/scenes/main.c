/* simile-scenes: draws labelled scenes.
 *
 *   simile-scenes render   many small squares in one file, for training
 *   simile-scenes export   a folder of JPEG pictures with different labels
 *   simile-scenes draw     one picture of a given scene
 */
#include "picture.h"
#include "scene.h"

#include <stdlib.h>
#include <string.h>

enum held_out { HELD_OUT_NONE, HELD_OUT_ONLY, HELD_OUT_ANY };

struct options {
    int count;
    uint64_t seed;
    int width, height;
    enum held_out held_out;
    const char *out;
    const char *labels;
    struct scene scene;
};

static const char usage[] = "usage: simile-scenes render --number N --seed S --size SIDE --labels FILE "
                            "-o FILE\n"
                            "       simile-scenes export --number N --seed S -o FOLDER\n"
                            "         (both: --held-out none|only|any)\n"
                            "       simile-scenes draw --place PLACE [--time day|night]\n"
                            "         [--kind KIND [--colour COLOUR] [--count N]]... [--seed S]\n"
                            "         [--size WxH] -o FILE.jpg|FILE.png\n"
                            "       simile-scenes list\n";

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "simile-scenes: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
    exit(2);
}

/* Pictures of one set must not depend on those before them: every scene has
 * its own stream of random numbers. */
static void next_scene(const struct options *o, uint64_t *index, struct rng *rng, struct scene *scene)
{
    for (;;) {
        bool out;

        rng_seed(rng, o->seed, (*index)++);
        scene_random(rng, scene);
        out = scene_held_out(scene);
        if (o->held_out == HELD_OUT_ANY || out == (o->held_out == HELD_OUT_ONLY)) {
            return;
        }
    }
}

static void pick_shape(struct rng *rng, int *width, int *height)
{
    static const int shapes[6][2] = {{480, 360}, {320, 240}, {360, 480}, {400, 400}, {480, 320}, {320, 427}};
    int i = rng_below(rng, 6);

    *width = shapes[i][0];
    *height = shapes[i][1];
}

/* Draw at twice the size; only the middle square is kept, because it is all
 * that the model's preprocessing keeps. */
static int render(const struct options *o)
{
    int side = o->width * 2;
    size_t bytes = (size_t)side * (size_t)side * 3;
    uint8_t *big = malloc(bytes);
    uint8_t *small = malloc(bytes / 4);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, side, side);
    cairo_t *cr = cairo_create(surface);
    FILE *pixels = fopen(o->out, "wb");
    FILE *labels = fopen(o->labels, "w");
    uint64_t index = 0;

    if (big == NULL || small == NULL || pixels == NULL || labels == NULL) {
        fail("cannot write", o->out);
    }
    for (int i = 0; i < o->count; i++) {
        struct rng rng;
        struct scene scene;
        int w, h;

        next_scene(o, &index, &rng, &scene);
        pick_shape(&rng, &w, &h);
        double scale = (double)side / (w < h ? w : h);

        cairo_save(cr);
        cairo_translate(cr, (side - w * scale) / 2, (side - h * scale) / 2);
        scene_draw(cr, &rng, &scene, w * scale, h * scale);
        cairo_restore(cr);
        cairo_surface_flush(surface);
        picture_rgb(surface, big);
        picture_halve(big, side, small);
        if (fwrite(small, 1, bytes / 4, pixels) != bytes / 4) {
            fail("cannot write", o->out);
        }
        scene_print(labels, &scene, NULL);
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    free(big);
    free(small);
    return fclose(pixels) != 0 || fclose(labels) != 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static void write_picture(struct rng *rng, const struct scene *scene, int width, int height, const char *path)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *cr = cairo_create(surface);
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    bool done;

    if (rgb == NULL) {
        fail("out of memory", NULL);
    }
    scene_draw(cr, rng, scene, width, height);
    cairo_surface_flush(surface);
    if (ends_with(path, ".png")) {
        done = cairo_surface_write_to_png(surface, path) == CAIRO_STATUS_SUCCESS;
    } else {
        picture_rgb(surface, rgb);
        done = picture_write_jpeg(path, rgb, width, height, 85);
    }
    free(rgb);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    if (!done) {
        fail("cannot write", path);
    }
}

static bool seen_before(const struct scene *seen, int n, const struct scene *s)
{
    for (int i = 0; i < n; i++) {
        if (scene_same(&seen[i], s)) {
            return true;
        }
    }
    return false;
}

static int export_folder(const struct options *o)
{
    struct scene *seen = calloc((size_t)o->count, sizeof(*seen));
    char path[4096];
    uint64_t index = 0;
    FILE *labels;

    snprintf(path, sizeof(path), "%s/labels.jsonl", o->out);
    labels = fopen(path, "w");
    if (seen == NULL || labels == NULL) {
        fail("cannot write", path);
    }
    for (int i = 0; i < o->count; i++) {
        struct rng rng;
        char name[32];
        int w, h;

        do {
            next_scene(o, &index, &rng, &seen[i]);
        } while (seen_before(seen, i, &seen[i]));
        pick_shape(&rng, &w, &h);
        snprintf(name, sizeof(name), "scene-%05d.jpg", i);
        snprintf(path, sizeof(path), "%s/%s", o->out, name);
        write_picture(&rng, &seen[i], w, h, path);
        scene_print(labels, &seen[i], name);
    }
    free(seen);
    return fclose(labels) != 0;
}

static int draw(struct options *o)
{
    struct rng rng;

    rng_seed(&rng, o->seed, 0);
    for (int i = 0; i < o->scene.subjects; i++) {
        struct subject *s = &o->scene.subject[i];
        unsigned set = kinds[s->kind].colours;

        if (set == 0) {
            s->colour = NO_COLOUR;
        } else if (s->colour == NO_COLOUR) {
            do {
                s->colour = rng_below(&rng, colour_count);
            } while ((set >> s->colour & 1) == 0);
        }
    }
    write_picture(&rng, &o->scene, o->width, o->height, o->out);
    scene_print(stdout, &o->scene, o->out);
    return 0;
}

static int list_names(void)
{
    for (int i = 0; i < kind_count; i++) {
        printf("kind %s\n", kinds[i].name);
    }
    for (int i = 0; i < colour_count; i++) {
        printf("colour %s\n", colours[i].name);
    }
    for (int i = 0; i < PLACE_COUNT; i++) {
        printf("place %s\n", place_names[i]);
    }
    return 0;
}

static struct subject *last_subject(struct options *o)
{
    if (o->scene.subjects == 0) {
        fail("--kind must come before its colour and count", NULL);
    }
    return &o->scene.subject[o->scene.subjects - 1];
}

static int found(int index, const char *name)
{
    if (index < 0) {
        fail("unknown name", name);
    }
    return index;
}

static bool scene_option(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--kind") == 0) {
        if (o->scene.subjects == MAX_SUBJECTS) {
            fail("too many kinds", value);
        }
        o->scene.subject[o->scene.subjects++] = (struct subject){found(find_kind(value), value), NO_COLOUR, 1};
    } else if (strcmp(name, "--colour") == 0) {
        last_subject(o)->colour = found(find_colour(value), value);
    } else if (strcmp(name, "--count") == 0) {
        int count = atoi(value);

        if (count < 1 || count > MAX_COUNT) {
            fail("count must be 1 to 4", value);
        }
        last_subject(o)->count = count;
    } else if (strcmp(name, "--place") == 0) {
        o->scene.place = (enum place)found(find_place(value), value);
    } else if (strcmp(name, "--time") == 0) {
        o->scene.night = strcmp(value, "night") == 0;
    } else {
        return false;
    }
    return true;
}

static enum held_out held_out_option(const char *value)
{
    if (strcmp(value, "none") == 0) {
        return HELD_OUT_NONE;
    }
    return strcmp(value, "only") == 0 ? HELD_OUT_ONLY : HELD_OUT_ANY;
}

static void parse_option(struct options *o, const char *name, const char *value)
{
    if (scene_option(o, name, value)) {
        return;
    }
    if (strcmp(name, "--number") == 0) {
        o->count = atoi(value);
    } else if (strcmp(name, "--seed") == 0) {
        o->seed = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--size") == 0) {
        int n = sscanf(value, "%dx%d", &o->width, &o->height);

        o->height = n == 1 ? o->width : o->height;
        if (n < 1 || o->width < 16 || o->height < 16 || o->width > 4096 || o->height > 4096) {
            fail("bad size", value);
        }
    } else if (strcmp(name, "--held-out") == 0) {
        o->held_out = held_out_option(value);
    } else if (strcmp(name, "--labels") == 0) {
        o->labels = value;
    } else if (strcmp(name, "-o") == 0) {
        o->out = value;
    } else {
        fail("unknown option", name);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.count = 1, .seed = 1, .width = 480, .height = 360};

    if (argc < 2) {
        fputs(usage, stderr);
        return 2;
    }
    if (strcmp(argv[1], "list") == 0) {
        return list_names();
    }
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc) {
            fail("option without a value", argv[i]);
        }
        parse_option(&o, argv[i], argv[i + 1]);
    }
    if (o.out == NULL) {
        fail("-o is missing", NULL);
    }
    if (strcmp(argv[1], "render") == 0 && o.labels != NULL) {
        return render(&o);
    }
    if (strcmp(argv[1], "export") == 0) {
        return export_folder(&o);
    }
    if (strcmp(argv[1], "draw") == 0) {
        return draw(&o);
    }
    fputs(usage, stderr);
    return 2;
}
