# SPDX-License-Identifier: Apache-2.0
"""The models that all sides run: published shapes, random weights, the very files that simile reads.

Written by tools/fixtures into the --work folder, once. CLIP's own vocabulary is put in where --data has it; without it
the models keep the small one of the fixtures, which encoders do not mind.
"""
import json
import os
import shutil
import subprocess

import common

CLIP_TEXT = dict(hidden_size=512, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=8,
                 max_position_embeddings=77)
START, END = 49406, 49407


def ready(folder):
    return os.path.exists(os.path.join(folder, "ready"))


def done(folder):
    with open(os.path.join(folder, "ready"), "w", encoding="utf-8"):
        pass
    return folder


def real_vocabulary(data, folder):
    """vocab.json and merges.txt of OpenAI's; the end-of-text token is the last one either way."""
    import text_fixtures as tf

    if not os.path.exists(os.path.join(data or "", "vocab", "bpe_simple_vocab_16e6.txt.gz")):
        return False
    made = tf.openai_vocabulary(data, os.path.join(folder, "made"))
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(os.path.join(made, name), os.path.join(folder, name))
    shutil.rmtree(os.path.join(folder, "made"))
    return True


def clip(report, size=224, act="quick_gelu"):
    """ViT-B/32 as CLIPModel of transformers."""
    import model_fixtures as mf

    folder = os.path.join(report.options.work, f"vit-b-32-{size}")
    if ready(folder):
        return folder
    common.say(f"making {folder}")
    mf.make(folder, vision=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                                image_size=size, patch_size=32, hidden_act=act),
            text=dict(CLIP_TEXT, hidden_act=act), dim=512, seed=7, scale=4.6052, vocab_rows=49408, old_eos=True)
    real_vocabulary(getattr(report.options, "data", ""), folder)
    return done(folder)


def rn50(report):
    """RN50 as open_clip has it."""
    import resnet_fixtures as rf

    folder = os.path.join(report.options.work, "resnet", "RN50")
    if not ready(folder):
        common.say(f"making {folder}")
        rf.full("RN50", os.path.join(report.options.work, "resnet"))
        done(folder)
    return folder


def distil(report):
    """clip-ViT-B-32-multilingual-v1 as sentence-transformers has it."""
    import sentence_fixtures as sf

    folder = os.path.join(report.options.work, "distil")
    if ready(folder):
        return folder
    common.say(f"making {folder}")
    words = os.path.join(getattr(report.options, "data", "") or "", "vocab", "bert_base_multilingual_cased_vocab.txt")
    if not os.path.exists(words):
        words = os.path.join(report.folder("distil-words"), "vocab.txt")
        with open(words, "w", encoding="utf-8") as f:
            f.write("".join(f"{p}\n" for p in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")))
            f.write("".join(f"w{i}\n" for i in range(119547 - 5)))
    sf.sentence_distil(folder, sf.FULL_DISTIL, 128, 512, words)
    return done(folder)


# ---- the same with outliers ----

BERT_TO_DISTIL = {"encoder.layer.": "transformer.layer.", "attention.self.query": "attention.q_lin",
                  "attention.self.key": "attention.k_lin", "attention.self.value": "attention.v_lin",
                  "attention.output.dense": "attention.out_lin", "attention.output.LayerNorm": "sa_layer_norm",
                  "intermediate.dense": "ffn.lin1", "output.LayerNorm": "output_layer_norm", "output.dense": "ffn.lin2"}


def distil_name(name):
    name = name.removeprefix("text_model.")
    for bert, distil in BERT_TO_DISTIL.items():
        name = name.replace(bert, distil)
    return name


# model: its file of weights, the towers of test_precision, what they call a tensor of it
OUTLIERS = {
    "clip": ("model.safetensors", ("clip-image", "clip-text"), lambda name: name),
    "rn50": ("open_clip_model.safetensors", ("rn50",), lambda name: name.replace("vision_model.", "visual.")),
    "distil": ("model.safetensors", ("distilbert-text",), distil_name),
}


def with_outliers(report, model, folder):
    """A copy of a model whose towers are those of tests/unit/model/outliers.h: activations as uneven as training makes
    them. Weights drawn from one bell curve have none, and 8 bits cost them nothing."""
    from safetensors.torch import load_file, save_file

    out = folder.rstrip("/") + "-outliers"
    if ready(out):
        return out
    common.say(f"making {out}")
    file, towers, rename = OUTLIERS[model]
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder, out)
    os.remove(os.path.join(out, "ready"))
    tensors = load_file(os.path.join(folder, file))
    for tower in towers:
        path = os.path.join(out, "tower.safetensors")
        subprocess.run([report.program("tests/unit/model/test_precision"), "--write", tower, path], check=True)
        for name, tensor in load_file(path).items():
            if tensors[rename(name)].shape != tensor.shape:
                raise RuntimeError(f"{name} of {tower} is not as {folder} has it")
            tensors[rename(name)] = tensor
        os.remove(path)
    save_file(tensors, os.path.join(out, file), metadata={"format": "pt"})
    return done(out)


# ---- the same in PyTorch ----


def torch_image(folder):
    import torch
    from transformers import CLIPModel

    class Image(torch.nn.Module):
        def __init__(self, whole):
            super().__init__()
            self.tower, self.projection = whole.vision_model, whole.visual_projection

        def forward(self, x):
            return self.projection(self.tower(pixel_values=x).pooler_output)

    return Image(CLIPModel.from_pretrained(folder, dtype=torch.float32)).eval()


def torch_text(folder):
    import torch
    from transformers import CLIPModel

    class Text(torch.nn.Module):
        def __init__(self, whole):
            super().__init__()
            self.tower, self.projection = whole.text_model, whole.text_projection

        def forward(self, x):
            return self.projection(self.tower(input_ids=x).pooler_output)

    return Text(CLIPModel.from_pretrained(folder, dtype=torch.float32)).eval()


def torch_distil(folder):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel

    class Distil(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tower = AutoModel.from_pretrained(folder, dtype=torch.float32)
            weight = load_file(os.path.join(folder, "2_Dense", "model.safetensors"))["linear.weight"]
            self.dense = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            self.dense.weight.data.copy_(weight)

        def forward(self, x):
            return self.dense(self.tower(input_ids=x).last_hidden_state.mean(1))

    return Distil().eval()


def torch_rn50(folder):
    import open_clip
    import torch
    from safetensors.torch import load_file

    with open(os.path.join(folder, "open_clip_config.json"), encoding="utf-8") as f:
        c = json.load(f)["model_cfg"]
    whole = open_clip.model.CLIP(c["embed_dim"], c["vision_cfg"], c["text_cfg"], quick_gelu=c["quick_gelu"])
    whole.load_state_dict({k: v if v.dtype == torch.int64 else v.float() for k, v in
                           load_file(os.path.join(folder, "open_clip_model.safetensors")).items()})
    return whole.visual.eval()
