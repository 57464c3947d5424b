#!/usr/bin/env python3
"""Makes the model of the pictures: a small bf16 language model, made up, in one of three versions.

    tests/browser/model.py FILE.safetensors VERSION

1 is the base. 2 is fine-tuned: merged rank-16 adapters in the middle layers, all parameters of the upper layers, more
tokens, another head, a NaN. 3 has merged adapters in two layers, and a new head. Needs numpy. The pictures in docs/pictures:

    git init; git model install; git model track '*.safetensors'
    for each version: model.py model.safetensors VERSION; git add .; git commit; git tag base, then tuned, then adapted
    git model diff base tuned --html page.html; check.py page.html shots
    export COLUMNS=120 GIT_PAGER_IN_USE=1
    git model --color=always diff base adapted | terminal_svg.py 'git model diff base adapted' > diff-terminal.svg
"""

import json
import struct
import sys

import numpy as np

LAYERS, WIDTH, TOKENS, RANK = 12, 256, 2048, 16


def bf16(values):
    """Rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def base():
    random, tensors = np.random.default_rng(1), {}
    normal = lambda *shape: 0.02 * random.standard_normal(shape)
    scale = lambda: 1 + 0.1 * random.standard_normal(WIDTH)
    tensors["model.embed_tokens.weight"] = normal(TOKENS, WIDTH)
    shapes = {
        "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH // 4, WIDTH),
        "self_attn.v_proj": (WIDTH // 4, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH),
        "mlp.gate_proj": (4 * WIDTH, WIDTH), "mlp.up_proj": (4 * WIDTH, WIDTH), "mlp.down_proj": (WIDTH, 4 * WIDTH),
    }
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = normal(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{name}.weight"] = scale()
    tensors["model.norm.weight"] = scale()
    tensors["score.weight"] = normal(16, WIDTH)
    return tensors


def adapt(tensors, layer, size, random):
    for name in ("q_proj", "v_proj"):
        key = f"model.layers.{layer}.self_attn.{name}.weight"
        rows, columns = tensors[key].shape
        low = random.standard_normal((rows, RANK)) @ random.standard_normal((RANK, columns))
        tensors[key] = tensors[key] + size * 0.001 * low


def tuned(tensors, version):
    random = np.random.default_rng(2)
    if version == 2:
        for layer in range(3, 7):
            adapt(tensors, layer, 0.2 * (layer - 1), random)
        for layer in range(7, LAYERS):
            for key in [key for key in tensors if key.startswith(f"model.layers.{layer}.")]:
                size = 0.0003 * 2 ** (layer - 7) * (3 if "down" in key else 1)
                tensors[key] = tensors[key] + size * random.standard_normal(tensors[key].shape)
        tensors["model.layers.11.mlp.up_proj.weight"][7, 9] = np.nan
        more = 0.02 * random.standard_normal((8, WIDTH))
        tensors["model.embed_tokens.weight"] = np.concatenate([tensors["model.embed_tokens.weight"], more])
    else:
        adapt(tensors, 10, 0.5, random)
        adapt(tensors, 11, 1, random)
        key = "model.layers.11.mlp.down_proj.weight"
        tensors[key] = tensors[key] + 0.0005 * random.standard_normal(tensors[key].shape)
        more = 0.02 * random.standard_normal((8, WIDTH))
        tensors["model.embed_tokens.weight"] = np.concatenate([tensors["model.embed_tokens.weight"], more])
    tensors["model.final_layernorm.weight"] = tensors.pop("model.norm.weight")
    del tensors["score.weight"]
    tensors["lm_head.weight"] = 0.02 * random.standard_normal((TOKENS, WIDTH))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, version = sys.argv[1], int(sys.argv[2])
    tensors = base()
    if version > 1:
        tuned(tensors, version)
    header, blobs, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, values in tensors.items():
        blobs.append(bf16(values).tobytes())
        start, end = end, end + len(blobs[-1])
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


if __name__ == "__main__":
    main()
