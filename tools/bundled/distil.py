"""Distils the bundled model's text tower into one that reads forty languages.

    python distil.py --teacher models/simile-scenes --minutes 60 \
        --out models/simile-languages

The student learns to give, for a caption in any language of languages/, the
vector that the teacher gives for its English translation ("Making Monolingual
Sentence Embeddings Multilingual using Knowledge Distillation", arXiv
2004.09813); the picture tower is not touched. --out becomes a model in the
layout of sentence-transformers: a DistilBERT with mean pooling and a Dense
layer, and a SentencePiece vocabulary of its own. Training is limited by
wall-clock time; --start goes on from an earlier --out.
"""

import argparse
import collections
import json
import math
import os
import random
import re
import shutil
import threading
import time

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPModel, CLIPTokenizerFast, DistilBertConfig
from transformers import DistilBertModel

import grammar

WIDTH, LAYERS, HEADS, HIDDEN, CONTEXT = 192, 4, 6, 768, 128
PIECES = 5000
START, PAD, END, UNKNOWN = 0, 1, 2, 3  # as fairseq numbers them


# ---- words ----

# Scripts written without spaces: Han, kana, Thai. Left alone, a piece would be
# half a sentence ("two dogs in the" as one), known in that order of words only.
UNSPACED = "\u0e00-\u0e7f\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
MARKS = "\u0e30-\u0e3a\u0e45-\u0e4e\u30fc"  # stay with what they follow
CUT = "\ue000"


def cut_unspaced(text):
    """Marks where no piece may cross: before and after each such character."""
    text = re.sub(f"(?<=[{UNSPACED}])(?=[^\\s{MARKS}])", CUT, text)
    return re.sub(f"(?<=[^\\s{UNSPACED}])(?=[{UNSPACED}])", CUT, text)


def seeds(captions, path):
    """Writes what may become a piece: words and their parts, by frequency.
    SentencePiece alone counts each different word once, and so knows no word
    that is part of no other."""
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc_cf", add_dummy_prefix=True, escape_whitespaces=True)
    words = collections.Counter()
    for text in captions:
        text = normalizer.normalize(text).replace("\u2581", " \u2581")
        words.update(part for word in text.split() for part in word.split(CUT))
    parts = collections.Counter()
    for word, count in words.items():
        for begin in range(len(word)):
            for end in range(begin + 2, min(len(word), begin + 24) + 1):
                parts[word[begin:end]] += count
    best = sorted(parts.items(), key=lambda p: (-p[1] * len(p[0]), p[0]))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{piece}\t{count}\n" for piece, count in best[:40000])


def train_pieces(out, captions, coverage=1.0):
    os.makedirs(out, exist_ok=True)
    prefix = os.path.join(out, "sentencepiece.bpe")
    captions = [cut_unspaced(text) for text in captions]
    seeds(captions, prefix + ".seeds")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(captions), model_prefix=prefix,
        vocab_size=PIECES, model_type="unigram", character_coverage=coverage,
        normalization_rule_name="nmt_nfkc_cf", num_threads=1,
        max_sentencepiece_length=24, pretokenization_delimiter=CUT,
        seed_sentencepieces_file=prefix + ".seeds")
    os.remove(prefix + ".seeds")
    os.remove(prefix + ".vocab")


class Words:
    def __init__(self, folder):
        self.pieces = sentencepiece.SentencePieceProcessor(
            model_file=os.path.join(folder, "sentencepiece.bpe.model"))
        self.size = self.pieces.get_piece_size() + 2

    def ids(self, text):
        ids = [UNKNOWN if i == 0 else i + 1 for i in self.pieces.encode(text)]
        return [START] + ids[:CONTEXT - 2] + [END]


def batch_of(lists):
    longest = max(map(len, lists))
    ids = torch.full((len(lists), longest), PAD)
    for row, numbers in enumerate(lists):
        ids[row, :len(numbers)] = torch.tensor(numbers)
    return ids


# ---- the student ----

class Student(nn.Module):
    def __init__(self, vocabulary, dim):
        super().__init__()
        self.config = DistilBertConfig(
            vocab_size=vocabulary, dim=WIDTH, n_layers=LAYERS, n_heads=HEADS,
            hidden_dim=HIDDEN, max_position_embeddings=CONTEXT,
            pad_token_id=PAD, dropout=0.0, attention_dropout=0.0)
        self.bert = DistilBertModel(self.config)
        self.dense = nn.Linear(WIDTH, dim, bias=False)

    def forward(self, ids):
        mask = (ids != PAD)
        rows = self.bert(input_ids=ids, attention_mask=mask.long())[0]
        mask = mask.unsqueeze(-1).to(rows.dtype)
        return self.dense((rows * mask).sum(1) / mask.sum(1))


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def save(student, words, out):
    """The files of sentence-transformers, weights as float16."""
    half = {k: v.detach().half().contiguous()
            for k, v in student.bert.state_dict().items()}
    save_file(half, f"{out}/model.safetensors", metadata={"format": "pt"})
    write_json(f"{out}/config.json", {
        "architectures": ["DistilBertModel"], "model_type": "distilbert",
        "activation": "gelu", "dim": WIDTH, "hidden_dim": HIDDEN,
        "n_layers": LAYERS, "n_heads": HEADS, "vocab_size": words.size,
        "max_position_embeddings": CONTEXT, "pad_token_id": PAD,
        "sinusoidal_pos_embds": False, "torch_dtype": "float16"})
    prefix = "sentence_transformers.models."
    write_json(f"{out}/modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": prefix + "Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling",
         "type": prefix + "Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": prefix + "Dense"}])
    write_json(f"{out}/sentence_bert_config.json",
               {"max_seq_length": CONTEXT, "do_lower_case": False})
    write_json(f"{out}/tokenizer_config.json",
               {"tokenizer_class": "XLMRobertaTokenizer",
                "model_max_length": CONTEXT})
    os.makedirs(f"{out}/1_Pooling", exist_ok=True)
    write_json(f"{out}/1_Pooling/config.json", {
        "word_embedding_dimension": WIDTH, "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False})
    os.makedirs(f"{out}/2_Dense", exist_ok=True)
    save_file({"linear.weight": student.dense.weight.detach().half()},
              f"{out}/2_Dense/model.safetensors", metadata={"format": "pt"})
    write_json(f"{out}/2_Dense/config.json", {
        "in_features": WIDTH, "out_features": student.dense.out_features,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity"})


def load(folder, dim):
    words = Words(folder)
    student = Student(words.size, dim)
    student.bert.load_state_dict({
        k: v.float() for k, v in load_file(
            f"{folder}/model.safetensors").items()})
    student.dense.load_state_dict({"weight": load_file(
        f"{folder}/2_Dense/model.safetensors")["linear.weight"].float()})
    return student, words


# ---- the teacher ----

class Teacher:
    def __init__(self, folder):
        self.words = CLIPTokenizerFast.from_pretrained(folder)
        self.model = CLIPModel.from_pretrained(folder).float().eval()
        self.dim = self.model.config.projection_dim
        self.known = {}

    @torch.no_grad()
    def vectors(self, texts):
        fresh = sorted({t for t in texts if t not in self.known})
        if fresh:
            ids = self.words(fresh, padding=True, return_tensors="pt")
            pooled = self.model.text_model(
                input_ids=ids["input_ids"],
                attention_mask=ids["attention_mask"])[1]
            units = F.normalize(self.model.text_projection(pooled), dim=-1)
            for text, vector in zip(fresh, units.half()):
                self.known[text] = vector
        return torch.stack([self.known[t] for t in texts]).float()


# ---- training ----

def caption_pairs(rng, languages, amount, each):
    """`amount` scenes, each said in English and in `each` languages."""
    texts, english = [], []
    codes = list(languages)
    for _ in range(amount):
        facts = grammar.random_facts(rng)
        plain = languages["en"].say(facts)
        for code in rng.sample(codes, each):
            text = languages[code].say(
                facts, rng.choice if rng.random() < 0.8 else
                lambda options: options[0])
            if rng.random() < 0.15:
                text = text[0].upper() + text[1:]
            if rng.random() < 0.1:
                text += rng.choice(".!")
            texts.append(text)
            english.append(plain)
    return texts, english


class Feeder:
    """Makes batches beside the training."""

    def __init__(self, languages, words, scenes, each, seed):
        self.arguments = languages, scenes, each
        self.words = words
        self.rng = random.Random(seed)
        self.ready = None
        self.start()

    def start(self):
        self.thread = threading.Thread(target=self.make, daemon=True)
        self.thread.start()

    def make(self):
        languages, scenes, each = self.arguments
        texts, english = caption_pairs(self.rng, languages, scenes, each)
        self.ready = [self.words.ids(t) for t in texts], english

    def next(self):
        self.thread.join()
        out = self.ready
        self.start()
        return out


def loss_of(student, lists, targets, labels, temperature=0.05):
    """Cosine to the teacher's vector, and to be nearer to it than to those of
    the other scenes of the batch. Texts of like length go together."""
    order = sorted(range(len(lists)), key=lambda i: len(lists[i]))
    half = len(order) // 2
    parts = [student(batch_of([lists[i] for i in rows]))
             for rows in (order[:half], order[half:])]
    vectors = F.normalize(torch.cat(parts), dim=-1)
    goal = labels[torch.tensor(order)]
    near = 1 - (vectors * targets[goal]).sum(-1).mean()
    logits = vectors @ targets.T / temperature
    same = targets @ targets.T > 0.999  # the same caption twice is no rival
    same = same[goal]
    same[torch.arange(len(goal)), goal] = False
    logits = logits.masked_fill(same, -1e4)
    return near * 10 + F.cross_entropy(logits, goal), near


def train(arguments):
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    languages = grammar.languages()
    teacher = Teacher(arguments.teacher)
    if arguments.start:
        if arguments.start != arguments.out:
            shutil.copytree(arguments.start, arguments.out)
        student, words = load(arguments.out, teacher.dim)
    else:
        rng = random.Random(2)
        corpus = caption_pairs(rng, languages, 30000, 6)[0]
        train_pieces(arguments.out, corpus)
        words = Words(arguments.out)
        student = Student(words.size, teacher.dim)
    parameters = [p for p in student.parameters() if p.requires_grad]
    print(sum(p.numel() for p in parameters), "parameters", flush=True)
    optimiser = torch.optim.AdamW(parameters, lr=arguments.rate,
                                  weight_decay=0.01, betas=(0.9, 0.98))
    feeder = Feeder(languages, words, arguments.scenes, arguments.each,
                    arguments.seed)
    begin = last = saved = time.time()
    seconds, step, mean = arguments.minutes * 60, 0, None
    while time.time() - begin < seconds:
        done = (time.time() - begin) / seconds
        rate = arguments.rate * min(1, step / 200) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        lists, english = feeder.next()
        unique = english[::arguments.each]
        targets = teacher.vectors(unique)
        labels = torch.arange(len(unique)).repeat_interleave(arguments.each)
        loss, near = loss_of(student, lists, targets, labels)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        mean = near.item() if mean is None else 0.98 * mean + 0.02 * near.item()
        if time.time() - last > 30:
            last = time.time()
            print(f"{(last - begin) / 60:.1f} min, step {step}, loss "
                  f"{loss.item():.3f}, 1 - cosine {mean:.4f}", flush=True)
        if time.time() - saved > 300:
            saved = time.time()
            save(student, words, arguments.out)
    save(student, words, arguments.out)
    print(f"{step} steps, {step * len(lists)} captions, 1 - cosine {mean:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--start")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--scenes", type=int, default=96)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=3)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
