"""Draws the picture gallery that comes with the product.

    python gallery.py --scenes simile-scenes --out gallery
    python gallery.py --out gallery --check models/simile-scenes

Writes about a hundred JPEG files and captions.tsv (file<TAB>caption).  With
--check it prints how well the model finds them.
"""

import argparse
import json
import os
import subprocess

import captions

# place, time, then up to two of: count colour kind ("-": the kind's own look)
SCENES = """
snow day 2 brown dog
snow day 2 black dog
snow night 2 yellow dog
table day 1 orange cat
table day 1 black cat
table night 1 grey cat
london night
london night
london night
london day
london day 1 red bus
london day 1 black umbrella
paris day
paris night
paris day 3 red balloon
paris day 1 blue bicycle
paris night 1 - moon
new york day
new york night
new york day 2 yellow car
new york night 1 white airplane
egypt day
egypt night 4 - star
egypt day 1 grey elephant
egypt day 2 brown horse
city night
city day 1 green bus
city day 2 blue bicycle
city day 1 orange cat 1 red ball
city night 1 yellow car
snow day 1 - snowman
snow night 3 - snowman
snow day 3 - penguin
snow day 1 red house
snow night 1 orange tent
snow day 1 white rabbit
snow day 1 blue bird
snow day 1 green train
beach day 1 red ball
beach day 1 brown dog 1 red ball
beach day 1 blue umbrella
beach day 2 green turtle
beach day 1 red lighthouse
beach night 1 - moon
beach day 3 orange kite
beach day 1 yellow chair
meadow day 2 white horse
meadow day 3 white rabbit
meadow day 1 white windmill
meadow day 4 purple butterfly
meadow day 1 grey cat 1 pink tree
meadow day 2 red kite
meadow day 1 - rainbow
meadow day 3 yellow flower
meadow day 1 - sun
meadow night 1 white house
meadow day 1 blue tent
desert day 3 green cactus
desert day 1 yellow truck
desert day 2 grey elephant
desert night 1 - moon
desert day 1 red car 1 green cactus
desert night 2 black horse
sea day 1 red boat
sea day 3 white boat
sea night 1 blue boat
sea day 2 orange fish
sea day 1 yellow airplane
sea day 1 - rainbow
sea night 3 - star
lake day 2 yellow duck
lake day 4 white duck
lake day 1 green boat
lake night 1 orange tent
lake day 1 brown horse
mountains day
mountains day 1 grey castle
mountains day 1 red train
mountains night 1 - moon
mountains day 2 orange tent
mountains day 1 red airplane
forest day
forest day 3 red mushroom
forest day 1 brown rabbit
forest night 1 orange tent
forest day 2 blue bird
forest day 1 pink elephant
room day 1 green sofa
room day 1 blue sofa 1 orange cat
room night 1 yellow lamp
room day 1 brown table
room day 2 brown chair
room day 4 pink balloon
room day 1 brown dog
table day 2 white cup
table day 1 blue cup
table day 1 red flower
table night 1 pink lamp
table day 1 green cactus
table day 2 yellow fish
road day 1 blue truck
road day 1 red car
road day 3 green car
road night 1 white bus
road day 1 yellow bicycle
underwater day 3 orange fish
underwater day 1 purple fish
underwater day 2 green turtle
underwater night 4 yellow fish
""".strip().splitlines()

SIZES = ["480x360", "480x360", "360x480", "480x320", "400x400", "480x360"]


def parse(line):
    for place in captions.PLACE_NAMES:
        if line.startswith(place + " "):
            words = line[len(place):].split()
            break
    subjects = [words[i:i + 3] for i in range(1, len(words), 3)]
    return place, words[0], subjects


def draw_one(scenes, line, seed, size, path):
    place, when, subjects = parse(line)
    command = [scenes, "draw", "--place", place, "--time", when, "--seed",
               str(seed), "--size", size, "-o", path]
    for count, colour, kind in subjects:
        command += ["--kind", kind, "--count", count]
        if colour != "-":
            command += ["--colour", colour]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def caption_of(label):
    """By day nobody says so."""
    return captions.full_caption(label).replace(" during the day", "")


def make(args):
    os.makedirs(args.out, exist_ok=True)
    used = {}
    rows = []
    for i, line in enumerate(SCENES):
        path = os.path.join(args.out, "new.jpg")
        label = draw_one(args.scenes, line, args.seed + i,
                         SIZES[i % len(SIZES)], path)
        text = caption_of(label)
        slug = text.lower().replace(" ", "-")
        used[slug] = used.get(slug, 0) + 1
        name = f"{slug}-{used[slug]}.jpg"
        os.replace(path, os.path.join(args.out, name))
        rows.append((name, text))
    with open(os.path.join(args.out, "captions.tsv"), "w",
              encoding="utf-8") as file:
        file.writelines(f"{a}\t{b}\n" for a, b in rows)
    total = sum(os.path.getsize(os.path.join(args.out, a)) for a, _ in rows)
    print(len(rows), "pictures,", total, "bytes")


def check(folder, model_folder):
    import evaluate

    with open(os.path.join(folder, "captions.tsv"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    model = evaluate.Model(model_folder)
    image = model.images([os.path.join(folder, name) for name, _ in rows])
    for query in ("two dogs in the snow", "a cat on a table",
                  "London at night"):
        scores = (model.texts([query]) @ image.T)[0]
        print(query)
        for i in scores.argsort(descending=True)[:4].tolist():
            print(f"   {scores[i]:.3f}  {rows[i][0]}")
    scores = model.texts([text for _, text in rows]) @ image.T
    first = [rows[i][1] for i in scores.argmax(1).tolist()]
    good = sum(a == b for a, (_, b) in zip(first, rows))
    print(f"own caption finds a right picture first: {good} of {len(rows)}")
    for (name, text), other in zip(rows, first):
        if text != other:
            print(f"   {text}  ->  {other}")
    zero_shot(model, rows, image)


def zero_shot(model, rows, image):
    """Which place is it?  Which kind is it?"""
    for title, names, pattern in (
            ("place", {p: f[0][0] for p, f in captions.PLACES.items()},
             "a picture {}"),
            ("kind", {k: v[0].split("/")[0]
                      for k, v in captions.KINDS.items()},
             "a picture of a {}")):
        text = model.texts([pattern.format(x) for x in names.values()])
        best = (image @ text.T).argmax(1).tolist()
        words = list(names.values())
        asked = right = 0
        for (_, caption), b in zip(rows, best):
            if title == "kind":
                shown = [k for k, v in captions.KINDS.items() if any(
                    w in caption.split() for w in
                    (captions.singular(v[0]), captions.plural(v[0])))]
                if not shown:
                    continue
                good = list(names)[b] in shown
            else:
                good = (words[b] in caption or
                        words[b].split()[-1] in caption)
            asked += 1
            right += good
        print(f"zero-shot {title}: {right} of {asked}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", help="the drawing tool")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=4000)
    parser.add_argument("--check", help="model folder")
    args = parser.parse_args()
    if args.scenes:
        make(args)
    if args.check:
        check(args.out, args.check)


if __name__ == "__main__":
    main()
