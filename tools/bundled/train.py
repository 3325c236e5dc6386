"""Trains the bundled model on scenes drawn by simile-scenes.

    python train.py --data 101 102 --out models/simile-scenes --minutes 60

Every name NAME in --data stands for NAME.rgb and NAME.jsonl, as written by
`simile-scenes render`.  The tokenizer must already be in --out (see bpe.py).
"""

import argparse
import math
import os
import random
import threading
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTokenizerFast

import captions
import net

KINDS = len(captions.KIND_NAMES)
COLOURS = len(captions.COLOUR_NAMES)
PLACES = len(captions.PLACE_NAMES)
TIMES = len(captions.TIME_NAMES)
TEXT_LENGTH = 24


class Scenes:
    """The drawn scenes: pixels on disk, labels in memory."""

    def __init__(self, names, side):
        self.parts = []
        self.labels = []
        for name in names:
            labels = captions.read_labels(name + ".jsonl")
            pixels = np.memmap(name + ".rgb", np.uint8, "r")
            pixels = pixels.reshape(-1, side, side, 3)
            count = min(len(labels), len(pixels))
            self.parts.append(pixels[:count])
            self.labels += labels[:count]
        self.starts = np.cumsum([0] + [len(p) for p in self.parts])

    def __len__(self):
        return len(self.labels)

    def pixels(self, index):
        part = int(np.searchsorted(self.starts, index, "right")) - 1
        return self.parts[part][index - self.starts[part]]


def crop(rng, pixels, size):
    slack = pixels.shape[0] - size
    x, y = rng.randint(0, slack), rng.randint(0, slack)
    out = pixels[y:y + size, x:x + size]
    return out[:, ::-1] if rng.random() < 0.5 else out


def evening(rng, pixels):
    """Turn daylight into something between day and night: the blue of the sky
    goes dark, the rest is dimmed or lit by lamps.  It teaches that a place
    stays the same place whatever the light."""
    x = pixels.astype(np.float32)
    horizon = int(rng.uniform(0.4, 0.7) * len(x))
    sky = x[:, :, 2] > x[:, :, 0] + 8
    sky[horizon:] = False
    dark = rng.uniform(0.08, 0.4)
    if rng.random() < 0.5:
        light = np.array([0.95, 0.8, 0.6]) * rng.uniform(0.7, 1)
    else:
        light = np.array([0.45, 0.48, 0.66]) * rng.uniform(0.8, 1.4)
    x[~sky] *= light
    x[sky] *= np.array([0.8, 0.8, 1.1]) * dark
    x[horizon:] *= rng.uniform(0.45, 1)
    return x.clip(0, 255).astype(np.uint8)


def relight(rng, pixels, label):
    """Some daylight pictures become evening ones.  London has the most of
    them: training never shows it at night, and without a second time of day
    its name and daylight would become one."""
    outdoors = label["place"] not in ("room", "table", "underwater")
    share = 0.5 if label["place"] == "london" else 0.1
    if label["time"] == "day" and outdoors and rng.random() < share:
        return evening(rng, pixels), {**label, "time": "evening"}
    return pixels, label


def truth_row(label):
    """What the picture shows, as numbers."""
    row = [captions.PLACE_NAMES.index(label["place"]),
           captions.TIME_NAMES.index(label["time"])]
    for i in range(2):
        if i < len(label["subjects"]):
            s = label["subjects"][i]
            colour = s["colour"]
            row += [captions.KIND_NAMES.index(s["kind"]),
                    captions.COLOUR_NAMES.index(colour) if colour else -1,
                    s["count"]]
        else:
            row += [-1, -1, -1]
    return row


def said_row(place, when, said):
    row = [place, when]
    for i in range(2):
        row += list(said[i]) if i < len(said) else [-1, -1, -1]
    return row


def wrong_caption(rng, label):
    """The picture's caption with the wrong time of day, as an extra wrong
    answer; half of them name the place only."""
    share = 1.0 if label["place"] == "london" else 0.15
    if rng.random() > share:
        return None
    other = "day" if label["time"] == "night" else "night"
    if rng.random() < 0.5:
        label = {**label, "subjects": []}
    for _ in range(20):
        text, place, when, what = captions.caption(
            rng, {**label, "time": other})
        if place >= 0 and when >= 0:
            return text, said_row(place, when, what)
    return None


def make_batch(scenes, tokenizer, rng, indices, size):
    pictures, texts, truth, said, wrong = [], [], [], [], []
    for i in indices:
        picture, label = relight(rng, crop(rng, scenes.pixels(i), size),
                                 scenes.labels[i])
        pictures.append(picture)
        text, place, when, what = captions.caption(rng, label)
        texts.append(text)
        truth.append(truth_row(label))
        said.append(said_row(place, when, what))
        wrong.append(wrong_caption(rng, label))
    for extra in wrong:
        if extra is not None:
            texts.append(extra[0])
            said.append(extra[1])
    ids = tokenizer(texts, padding="max_length", max_length=TEXT_LENGTH,
                    truncation=True, return_tensors="pt").input_ids
    end = tokenizer.eos_token_id
    return (torch.from_numpy(np.stack(pictures)), ids,
            (ids == end).int().argmax(1), torch.tensor(truth),
            torch.tensor(said))


class Feeder(threading.Thread):
    """Prepares the next batches while the network works."""

    def __init__(self, *args, batch):
        super().__init__(daemon=True)
        self.args = args
        self.batch = batch
        self.room = threading.Semaphore(3)
        self.ready = threading.Semaphore(0)
        self.queue = []
        self.start()

    def run(self):
        scenes, tokenizer, rng, size = self.args
        while True:
            order = list(range(len(scenes)))
            rng.shuffle(order)
            for i in range(0, len(order) - self.batch + 1, self.batch):
                self.room.acquire()
                self.queue.append(make_batch(scenes, tokenizer, rng,
                                             order[i:i + self.batch], size))
                self.ready.release()

    def next(self):
        self.ready.acquire()
        self.room.release()
        return self.queue.pop(0)


def normalise(pixels, strength):
    """Bytes to network input, with random light, contrast and noise."""
    x = pixels.permute(0, 3, 1, 2).float() / 255
    n = len(x)
    if strength > 0:
        gain = 1 + (torch.rand(n, 1, 1, 1) - 0.5) * 0.3 * strength
        shift = (torch.rand(n, 1, 1, 1) - 0.5) * 0.12 * strength
        noise = torch.rand(n, 1, 1, 1) * 0.03 * strength
        # One small field of noise, shifted anew: fresh noise costs more.
        field = torch.randn(x.shape[1:]).roll(random.randrange(96), 2)
        x.sub_(0.5).mul_(gain).add_(shift + 0.5).addcmul_(
            noise.expand_as(x), field.expand_as(x)).clamp_(0, 1)
    return x.sub_(net.MEAN).div_(net.STD)


def fits(said, truth):
    """[captions, pictures]: does the caption describe the picture?"""
    def agree(a, b):
        return (a == b) | (a == -1)

    ok = (agree(said[:, None, 0], truth[None, :, 0]) &
          agree(said[:, None, 1], truth[None, :, 1]))
    subjects = (truth[:, [2, 5]] >= 0).sum(1)
    for i in (2, 5):
        s = said[:, None, i:i + 3]
        one = torch.zeros_like(ok)
        for j in (2, 5):
            t = truth[None, :, j:j + 3]
            one |= ((s[..., 0] == t[..., 0]) & agree(s[..., 1], t[..., 1]) &
                    agree(s[..., 2], t[..., 2]))
        ok &= one | (s[..., 0] == -1)
    # A picture that shows more than the caption's own is a fair negative:
    # "London at night" should rather find London with nothing in front of it.
    own = torch.full((len(said),), 2)
    own[:len(truth)] = subjects
    return ok & (subjects[None, :] <= own[:, None])


def contrastive(image, text, scale, said, truth):
    """The first texts belong to the images; the rest are wrong answers."""
    count = len(image)
    logits = scale * text @ image.T
    also = fits(said, truth)
    also.fill_diagonal_(False)
    logits = logits.masked_fill(also, float("-inf"))
    target = torch.arange(count)
    return (F.cross_entropy(logits[:count], target) +
            F.cross_entropy(logits.T, target)) / 2


class Heads(nn.Module):
    """Reads the attributes from either embedding.  They speed training up and
    are thrown away afterwards."""

    def __init__(self, width):
        super().__init__()
        self.width = [PLACES, TIMES, KINDS, KINDS * COLOURS, KINDS * 4]
        self.linear = nn.Linear(width, sum(self.width))

    def forward(self, embedding, rows, complete):
        """rows: labels, -1 where nothing is known.  complete: kinds that are
        not in the rows are known to be absent."""
        place, when, kind, colour, count = self.linear(
            embedding * 16).split(self.width, 1)
        loss = masked_ce(place, rows[:, 0]) + 0.5 * masked_ce(when, rows[:, 1])
        here = torch.zeros(len(rows), KINDS + 1)
        here.scatter_(1, (rows[:, [2, 5]] % (KINDS + 1)), 1)
        here = here[:, :KINDS]
        loss += 6 * F.binary_cross_entropy_with_logits(
            kind, here, reduction="none")[complete].mean()
        for i in (2, 5):
            loss += picked_ce(colour, rows[:, i], rows[:, i + 1], COLOURS)
            loss += picked_ce(count, rows[:, i], rows[:, i + 2] - 1, 4)
        return loss


def masked_ce(logits, target):
    known = target >= 0
    if not known.any():
        return logits.sum() * 0
    return F.cross_entropy(logits[known], target[known])


def picked_ce(logits, kind, target, classes):
    known = (kind >= 0) & (target >= 0)
    if not known.any():
        return logits.sum() * 0
    rows = logits.view(len(logits), KINDS, classes)[known]
    rows = rows[torch.arange(len(rows)), kind[known]]
    return F.cross_entropy(rows, target[known]) * known.float().mean()


def keep_patches(batch, patches, share):
    if share >= 1:
        return None
    return torch.rand(batch, patches).argsort(1)[:, :int(patches * share)]


def learning_rate(progress, peak, warm):
    if progress < warm:
        return peak * progress / warm
    t = (progress - warm) / (1 - warm)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(t, 1))))


def parameter_groups(modules, decay):
    with_decay, without = [], []
    for module in modules:
        for name, p in module.named_parameters():
            plain = p.ndim < 2 or "embedding" in name
            (without if plain else with_decay).append(p)
    return [{"params": with_decay, "weight_decay": decay},
            {"params": without, "weight_decay": 0.0}]


class Average:
    """Exponential average of the weights: what is saved."""

    def __init__(self, model):
        self.state = {k: v.detach().clone()
                      for k, v in model.state_dict().items()}

    def update(self, model, decay):
        with torch.no_grad():
            for k, v in model.state_dict().items():
                self.state[k].lerp_(v, 1 - decay)


def train_step(model, heads, batch, share, strength, patches):
    pixels, ids, ends, truth, said = batch
    x = normalise(pixels, strength)
    keep = keep_patches(len(x), patches, share)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image = model.image(x, keep)
        text = model.text(ids, ends)
    image = F.normalize(image.float(), dim=1)
    text = F.normalize(text.float(), dim=1)
    pair = contrastive(image, text, model.logit_scale.exp(), said, truth)
    everything = torch.ones(len(x), dtype=torch.bool)
    heads_image = heads(image, truth, everything)
    subjects = (truth[:, [2, 5]] >= 0).sum(1)
    text, said = text[:len(x)], said[:len(x)]
    complete = (said[:, [2, 5]] >= 0).sum(1) == subjects
    heads_text = heads(text, said, complete)
    return pair, heads_image, heads_text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--side", type=int, default=100)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warm", type=float, default=0.04)
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--share", type=float, default=0.5,
                        help="share of the patches seen in the first part")
    parser.add_argument("--share-until", type=float, default=0.35)
    parser.add_argument("--heads", type=float, default=1.0)
    parser.add_argument("--start", help="model folder to start from")
    parser.add_argument("--save-every", type=float, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = CLIPTokenizerFast.from_pretrained(args.out)
    config = net.CONFIG
    model = net.Clip(config, len(tokenizer))
    heads = Heads(config["projection"])
    heads_file = os.path.join(args.out, "..", "heads.pt")
    if args.start:
        model.load_state_dict(net.load_state(args.start))
        if os.path.exists(heads_file):
            heads.load_state_dict(torch.load(heads_file))
    print("parameters:", sum(p.numel() for p in model.parameters()))
    scenes = Scenes(args.data, args.side)
    print("scenes:", len(scenes), flush=True)
    feeder = Feeder(scenes, tokenizer, random.Random(args.seed),
                    config["image_size"], batch=args.batch)
    optimizer = torch.optim.AdamW(parameter_groups([model, heads], args.decay),
                                  lr=args.lr, betas=(0.9, 0.98), eps=1e-6)
    run(args, config, model, heads, optimizer, feeder, len(tokenizer),
        heads_file)


def run(args, config, model, heads, optimizer, feeder, tokens, heads_file):
    average = Average(model)
    patches = (config["image_size"] // config["patch_size"]) ** 2
    begin = last_save = last_print = time.time()
    seen = step = 0
    sums = np.zeros(3)
    while True:
        progress = (time.time() - begin) / (args.minutes * 60)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, args.lr, args.warm)
        share = args.share if progress < args.share_until else 1.0
        losses = train_step(model, heads, feeder.next(), share, 1.0, patches)
        loss = losses[0] + args.heads * (losses[1] + 0.5 * losses[2])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        step += 1
        seen += args.batch
        average.update(model, min(0.998, (1 + step) / (10 + step)))
        sums += [x.item() for x in losses]
        if step % 50 == 0:
            now = time.time()
            print(f"{(now - begin) / 60:.1f} min step {step} "
                  f"pair {sums[0] / 50:.3f} image {sums[1] / 50:.3f} "
                  f"text {sums[2] / 50:.3f} "
                  f"scale {model.logit_scale.exp().item():.1f} "
                  f"{50 * args.batch / (now - last_print):.0f}/s", flush=True)
            last_print = now
            sums[:] = 0
        if time.time() - last_save > args.save_every * 60:
            net.save(args.out, average.state, config, tokens)
            torch.save(heads.state_dict(), heads_file)
            last_save = time.time()
    net.save(args.out, average.state, config, tokens)
    torch.save(heads.state_dict(), heads_file)
    print("scenes seen:", seen, "steps:", step)


if __name__ == "__main__":
    main()
