#!/usr/bin/env python3
"""Whether merged files are read by the formats' own libraries: safetensors, PyTorch, NumPy, gguf.

    python3 -m venv formats && formats/bin/pip install -r tests/data/requirements.txt
    formats/bin/python tests/merge/check_formats.py [--git-model PATH]

One branch changes a tensor and adds one, the other changes another and drops one, where the format
lets both be put into one file; else both only change. What `git merge` makes of it is loaded by the
library and must be the union. Exit code: 0 all are, 1 one is not.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy
import torch
from safetensors.numpy import load_file as load_safetensors
from safetensors.numpy import save_file as save_safetensors
from safetensors.torch import load_file as load_torch_safetensors
from safetensors.torch import save_file as save_torch_safetensors


def save_gguf(tensors, path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("a model")
    writer.add_block_count(2)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load_gguf(path):
    return {tensor.name: numpy.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}


def save_torch(tensors, path):
    torch.save({name: torch.from_numpy(values.copy()) for name, values in tensors.items()}, path)


def load_torch(path):
    return {name: values.numpy() for name, values in torch.load(path, weights_only=True).items()}


def save_bf16(tensors, path):
    save_torch_safetensors({name: torch.from_numpy(values).to(torch.bfloat16) for name, values in tensors.items()}, path,
                           metadata={"format": "pt"})


def load_bf16(path):
    return {name: values.float().numpy() for name, values in load_torch_safetensors(path).items()}


# The file, whether tensors can be added and dropped, how it is written and read.
FORMATS = {
    "m.safetensors": (True, save_safetensors, load_safetensors),
    "bf16.safetensors": (True, save_bf16, load_bf16),
    "m.gguf": (True, save_gguf, load_gguf),
    "m.npz": (True, lambda tensors, path: numpy.savez(path, **tensors), lambda path: dict(numpy.load(path))),
    "m.pt": (False, save_torch, load_torch),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = Path(__file__).resolve().parents[2] / "target/release/git-model"
    parser.add_argument("--git-model", type=Path, default=default, metavar="PATH")
    options = parser.parse_args()
    random = numpy.random.default_rng(1)
    base = {f"blk.{at}.attn_q.weight": random.integers(-9, 9, (32, 8)).astype("f4") for at in range(4)}
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        shutil.copy(options.git_model, scratch / "git-model")
        config = scratch / "config"
        config.write_text("[user]\n\tname = a\n\temail = a@example.org\n[init]\n\tdefaultBranch = main\n")
        env = {**os.environ, "PATH": f"{scratch}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": str(config)}
        for file, (may_add, save, load) in FORMATS.items():
            repo = scratch / f"repo-{file}"
            repo.mkdir()

            def git(*arguments):
                subprocess.run(["git", *arguments], cwd=repo, env=env, check=True, capture_output=True)

            def version(branch, tensors):
                git("checkout", "-q", "-B", branch)
                save(tensors, repo / file)
                git("add", "-A")
                git("commit", "-q", "-m", branch)

            git("init", "-q")
            git("model", "install", "--local")
            git("model", "track", file)
            version("main", base)
            theirs = {**base, "blk.1.attn_q.weight": base["blk.1.attn_q.weight"] + 1}
            ours = {**base, "blk.0.attn_q.weight": base["blk.0.attn_q.weight"] - 1}
            expected = {**ours, "blk.1.attn_q.weight": theirs["blk.1.attn_q.weight"]}
            if may_add:
                theirs["blk.9.ffn_up.weight"] = expected["blk.9.ffn_up.weight"] = random.random((16, 8)).astype("f2").astype("f4")
                del ours["blk.3.attn_q.weight"], expected["blk.3.attn_q.weight"]
            version("side", theirs)
            git("checkout", "-q", "main")
            version("main", ours)
            git("merge", "-q", "--no-edit", "side")
            save(expected, scratch / file)
            wanted, merged = load(scratch / file), load(repo / file)
            same = merged.keys() == wanted.keys() and all(numpy.array_equal(merged[name], wanted[name]) for name in wanted)
            identical = (repo / file).read_bytes() == (scratch / file).read_bytes()
            print(f"{file}: {'the union' if same else 'WRONG'}"
                  f"{', byte for byte what the library writes' if identical else ''}")
            if not same:
                broken.append(file)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
