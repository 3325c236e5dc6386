"""Measures retrieval on scenes that the model has never seen.

    python evaluate.py --scenes simile-scenes --model models/simile-scenes \\
        --folder /tmp/evaluation

Draws --number scenes with different captions into --folder (JPEG files and
captions.tsv: path<TAB>caption), then prints recall both ways.  With
--held-out only, every scene is one of the combinations that training never
showed.  With --draw-only, nothing is measured.
"""

import argparse
import json
import os
import subprocess

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizerFast

import captions


def draw(args):
    os.makedirs(args.folder, exist_ok=True)
    subprocess.run([args.scenes, "export", "--number", str(args.number),
                    "--seed", str(args.seed), "--held-out", args.held_out,
                    "-o", args.folder], check=True)
    labels = captions.read_labels(os.path.join(args.folder, "labels.jsonl"))
    texts = [captions.full_caption(x) for x in labels]
    assert len(set(texts)) == len(texts), "captions must differ"
    with open(os.path.join(args.folder, "captions.tsv"), "w",
              encoding="utf-8") as file:
        for label, text in zip(labels, texts):
            file.write(f"{label['file']}\t{text}\n")
    return labels, texts


def preprocess(path, size, mean, std):
    """Shortest side to `size` with Pillow's bicubic filter, middle square."""
    picture = Image.open(path).convert("RGB")
    w, h = picture.size
    if w <= h:
        w, h = size, int(size * h / w)
    else:
        w, h = int(size * w / h), size
    picture = picture.resize((w, h), Image.Resampling.BICUBIC)
    x, y = (w - size) // 2, (h - size) // 2
    pixels = np.asarray(picture.crop((x, y, x + size, y + size)), np.float32)
    return torch.from_numpy((pixels / 255 - mean) / std).permute(2, 0, 1)


def features(x):
    """Older transformers return the tensor, newer ones an object."""
    x = x if torch.is_tensor(x) else x.pooler_output
    return torch.nn.functional.normalize(x.float(), dim=-1)


class Model:
    def __init__(self, folder):
        self.model = CLIPModel.from_pretrained(folder).float().eval()
        self.tokenizer = CLIPTokenizerFast.from_pretrained(folder)
        self.size = self.model.config.vision_config.image_size
        with open(os.path.join(folder, "preprocessor_config.json"),
                  encoding="utf-8") as file:
            settings = json.load(file)
        self.mean = np.array(settings["image_mean"], np.float32)
        self.std = np.array(settings["image_std"], np.float32)

    @torch.no_grad()
    def images(self, paths):
        out = []
        for i in range(0, len(paths), 100):
            pixels = torch.stack([
                preprocess(p, self.size, self.mean, self.std)
                for p in paths[i:i + 100]])
            out.append(features(
                self.model.get_image_features(pixel_values=pixels)))
        return torch.cat(out)

    @torch.no_grad()
    def texts(self, texts):
        out = []
        for i in range(0, len(texts), 100):
            batch = self.tokenizer(texts[i:i + 100], padding=True,
                                   return_tensors="pt")
            out.append(features(self.model.get_text_features(**batch)))
        return torch.cat(out)


def recall(scores):
    """scores[i, j]: query i, candidate j; the right answer is j = i."""
    right = scores.diagonal()[:, None]
    rank = (scores > right).sum(1)
    return {k: 100.0 * (rank < k).float().mean().item() for k in (1, 5, 10)}


def report(name, result):
    print(f"{name:14s}" + "  ".join(f"R@{k} {v:5.1f}%"
                                    for k, v in result.items()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", required=True, help="the drawing tool")
    parser.add_argument("--model")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=900001)
    parser.add_argument("--held-out", default="any",
                        choices=["none", "only", "any"])
    parser.add_argument("--draw-only", action="store_true")
    parser.add_argument("--misses", type=int, default=0)
    args = parser.parse_args()
    labels, texts = draw(args)
    held = sum(x["held_out"] for x in labels)
    print(f"{len(labels)} scenes with different captions, "
          f"{held} of combinations that training never showed")
    if args.draw_only:
        return
    model = Model(args.model)
    image = model.images([os.path.join(args.folder, x["file"])
                          for x in labels])
    text = model.texts(texts)
    scores = text @ image.T
    report("text -> image", recall(scores))
    report("image -> text", recall(scores.T))
    flags = torch.tensor([x["held_out"] for x in labels])
    if 0 < held < len(labels):
        rank = (scores > scores.diagonal()[:, None]).sum(1)
        print(f"text -> image R@1 on the {held} held-out combinations: "
              f"{100 * (rank[flags] < 1).float().mean():.1f}%")
    best = scores.argmax(1)
    wrong = (best != torch.arange(len(best))).nonzero().flatten().tolist()
    for i in wrong[:args.misses]:
        print(f"  {texts[i]}  ->  {texts[best[i]]}")


if __name__ == "__main__":
    main()
