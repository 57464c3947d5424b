"""Files that are broken, or made to break their reader. See the README for what index.json says of them."""

import json
import zipfile

import gguf
import h5py
import numpy as np
import onnx
import safetensors
import torch

from . import hostile_flat, hostile_hdf5, hostile_zip

FILE_BYTES_MAX = 64 << 10


def cases():
    for module in (hostile_flat, hostile_zip, hostile_hdf5):
        yield from module.cases()


def write(folder):
    lines = []
    for case in cases():
        path = folder / case.name
        assert not path.exists(), case.name
        path.write_bytes(case.data)
        facts = {"looks_like": case.looks_like, "layout": case.layout, "why": case.why}
        lines.append(f"  {json.dumps(case.name)}: {json.dumps(facts, ensure_ascii=False)}")
    (folder / "index.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def check(folder):
    """The folder holds what the generators say, byte by byte, and nothing large."""
    listed = json.loads((folder / "index.json").read_text())
    count = 0
    for case in cases():
        data = (folder / case.name).read_bytes()
        assert data == case.data, case.name
        assert len(data) < FILE_BYTES_MAX, (case.name, len(data))
        assert listed[case.name] == {"looks_like": case.looks_like, "layout": case.layout, "why": case.why}
        count += 1
    there = {path.name for path in folder.iterdir()}
    assert there == listed.keys() | {"index.json"}, there ^ listed.keys()
    assert count == len(listed)
    goods = [name for name, facts in listed.items() if facts["layout"] == "model"]
    for name in goods:
        check_good(folder / name, listed[name]["looks_like"])
    return f"{count} files, {len(goods)} of them good"


def check_good(path, form):
    """The files which the others are made from are good ones: the format's own library reads a tensor."""
    if form == "safetensors":
        assert safetensors.deserialize(path.read_bytes())
    elif form in ("npy", "npz"):
        loaded = np.load(path, allow_pickle=False)
        assert loaded.size if form == "npy" else loaded["a"].size
    elif form == "pytorch":
        assert torch.load(path, weights_only=True)["b"].shape == (2, 4)
    elif form == "gguf":
        assert gguf.GGUFReader(path).tensors
    elif form == "onnx":
        assert onnx.load(path).graph.initializer[0].raw_data
    elif form == "hdf5":
        with h5py.File(path, "r") as file:
            assert file["group/weight"].shape == (16, 20)
    else:
        assert form == "keras", form
        with zipfile.ZipFile(path) as archive, h5py.File(archive.open("model.weights.h5"), "r") as file:
            assert file["layers/dense/vars/0"].shape == (20, 20)
