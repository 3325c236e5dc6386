"""The network of the bundled model, with the parameter names of a Hugging Face
CLIPModel, written so that it trains quickly on a CPU: it can drop patches,
joins the three attention projections, and leaves out what inference needs."""

import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

CONFIG = {
    "image_size": 96, "patch_size": 12, "vision_width": 192,
    "vision_layers": 6, "vision_heads": 3, "text_width": 160,
    "text_layers": 3, "text_heads": 4, "context": 32, "projection": 192,
    # The grammar is small and easy to learn by heart.
    "text_dropout": 0.1,
}
MEAN, STD = 0.5, 0.27


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x, causal):
        batch, length, width = x.shape
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight,
                            self.v_proj.weight])
        bias = torch.cat([self.q_proj.bias, self.k_proj.bias,
                          self.v_proj.bias])
        qkv = F.linear(x, weight, bias)
        qkv = qkv.view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        # On short sequences plain products beat the fused kernel on a CPU.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
        if causal:
            ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(ahead, -1e4)
        out = scores.softmax(-1).to(v.dtype) @ v
        out = out.transpose(1, 2).reshape(batch, length, width)
        return self.out_proj(out)


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(quick_gelu(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, width, heads, drop):
        super().__init__()
        self.drop = drop
        self.self_attn = Attention(width, heads)
        self.layer_norm1 = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        self.layer_norm2 = nn.LayerNorm(width)

    def forward(self, x, causal):
        x = x + self.dropout(self.self_attn(self.layer_norm1(x), causal))
        return x + self.dropout(self.mlp(self.layer_norm2(x)))

    def dropout(self, x):
        if self.drop == 0 or not self.training:
            return x
        return F.dropout(x, self.drop)


class Encoder(nn.Module):
    def __init__(self, width, heads, layers, drop=0.0):
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, drop)
                                    for _ in range(layers))

    def forward(self, x, causal):
        for layer in self.layers:
            x = layer(x, causal)
        return x


class VisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["vision_width"]
        self.patch = c["patch_size"]
        side = c["image_size"] // self.patch
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.patch_embedding = nn.Conv2d(3, width, self.patch, self.patch,
                                         bias=False)
        self.position_embedding = nn.Embedding(side * side + 1, width)

    def forward(self, pixels, keep):
        """keep: indices of the patches to use, or None for all of them."""
        batch = pixels.shape[0]
        side = pixels.shape[2] // self.patch
        x = pixels.view(batch, 3, side, self.patch, side, self.patch)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(batch, side * side, -1)
        position = self.position_embedding.weight[1:].expand(batch, -1, -1)
        if keep is not None:
            index = keep.unsqueeze(2)
            x = x.gather(1, index.expand(-1, -1, x.shape[2]))
            position = position.gather(
                1, index.expand(-1, -1, position.shape[2]))
        x = F.linear(x, self.patch_embedding.weight.flatten(1)) + position
        first = self.class_embedding + self.position_embedding.weight[0]
        return torch.cat([first.expand(batch, 1, -1), x], 1)


class VisionModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["vision_width"]
        self.embeddings = VisionEmbeddings(c)
        self.pre_layrnorm = nn.LayerNorm(width)
        self.encoder = Encoder(width, c["vision_heads"], c["vision_layers"])
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, pixels, keep=None):
        x = self.pre_layrnorm(self.embeddings(pixels, keep))
        return self.post_layernorm(self.encoder(x, False)[:, 0])


class TextEmbeddings(nn.Module):
    def __init__(self, c, tokens):
        super().__init__()
        self.token_embedding = nn.Embedding(tokens, c["text_width"])
        self.position_embedding = nn.Embedding(c["context"], c["text_width"])

    def forward(self, ids):
        return (self.token_embedding(ids) +
                self.position_embedding.weight[:ids.shape[1]])


class TextModel(nn.Module):
    def __init__(self, c, tokens):
        super().__init__()
        self.embeddings = TextEmbeddings(c, tokens)
        self.encoder = Encoder(c["text_width"], c["text_heads"],
                               c["text_layers"], c["text_dropout"])
        self.final_layer_norm = nn.LayerNorm(c["text_width"])

    def forward(self, ids, ends):
        x = self.encoder(self.embeddings(ids), True)
        return self.final_layer_norm(x[torch.arange(len(ids)), ends])


class Clip(nn.Module):
    def __init__(self, c, tokens):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))
        self.vision_model = VisionModel(c)
        self.text_model = TextModel(c, tokens)
        self.visual_projection = nn.Linear(c["vision_width"], c["projection"],
                                           bias=False)
        self.text_projection = nn.Linear(c["text_width"], c["projection"],
                                         bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight,
                                      std=module.in_features ** -0.5 * 0.7)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def image(self, pixels, keep=None):
        return self.visual_projection(self.vision_model(pixels, keep))

    def text(self, ids, ends):
        return self.text_projection(self.text_model(ids, ends))


def config_json(c, tokens):
    start, end = tokens - 2, tokens - 1
    ids = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    return {
        "architectures": ["CLIPModel"], "model_type": "clip",
        "projection_dim": c["projection"], "logit_scale_init_value": 2.6592,
        "torch_dtype": "float16",
        "text_config": {
            "model_type": "clip_text_model", "vocab_size": tokens,
            "hidden_size": c["text_width"],
            "intermediate_size": 4 * c["text_width"],
            "projection_dim": c["projection"],
            "num_hidden_layers": c["text_layers"],
            "num_attention_heads": c["text_heads"],
            "max_position_embeddings": c["context"],
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, **ids},
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": c["vision_width"],
            "intermediate_size": 4 * c["vision_width"],
            "projection_dim": c["projection"],
            "num_hidden_layers": c["vision_layers"],
            "num_attention_heads": c["vision_heads"],
            "num_channels": 3, "image_size": c["image_size"],
            "patch_size": c["patch_size"],
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    }


def preprocessor_json(c):
    size = c["image_size"]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True, "do_resize": True,
        "size": {"shortest_edge": size}, "resample": 3,
        "do_center_crop": True, "crop_size": {"height": size, "width": size},
        "do_rescale": True, "rescale_factor": 0.00392156862745098,
        "do_normalize": True, "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
    }


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def save(folder, state, c, tokens):
    """Write the files one by one under other names first, so that a reader
    never meets half a model."""
    os.makedirs(folder, exist_ok=True)
    half = {k: v.to(torch.float16).contiguous() for k, v in state.items()}
    target = os.path.join(folder, "model.safetensors")
    save_file(half, target + ".new", metadata={"format": "pt"})
    os.chmod(target + ".new", 0o644)
    os.replace(target + ".new", target)
    write_json(os.path.join(folder, "config.json"), config_json(c, tokens))
    write_json(os.path.join(folder, "preprocessor_config.json"),
               preprocessor_json(c))


def load_state(folder):
    state = load_file(os.path.join(folder, "model.safetensors"))
    return {k: v.float() for k, v in state.items()}
