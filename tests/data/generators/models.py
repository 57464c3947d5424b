"""Which model files there are, what writes them, and what reads them back."""

import json

from . import models_numpy, models_other, models_torch
from .tensors import sha256


def nothing(_path):
    return []


def catalog():
    """(file, format, reader): the reader gives the tensors that git-model must find."""
    for files, name, read in [
        (models_numpy.SAFETENSORS, "safetensors", models_numpy.read_safetensors),
        ([models_numpy.SHARD_INDEX], "opaque", nothing),
        (models_torch.PYTORCH, "pytorch", models_torch.read),
        (models_torch.PYTORCH_LEGACY, "opaque", nothing),
        (models_numpy.NPY, "npy", models_numpy.read_npy),
        (models_numpy.NPZ, "npz", models_numpy.read_npz),
        (models_other.GGUF, "gguf", models_other.read_gguf),
        (models_other.GGUF_NO_LAYOUT, "opaque", nothing),
        (models_other.ONNX, "onnx", models_other.read_onnx),
        ([models_other.ONNX_DATA], "opaque", nothing),
        (models_other.HDF5, "hdf5", models_other.read_hdf5),
        (models_other.KERAS, "keras", models_other.read_keras),
    ]:
        for file in files:
            yield file, name, read


def write(folder):
    (folder / "sharded").mkdir(parents=True, exist_ok=True)
    models_numpy.write_safetensors(folder)
    models_numpy.write_npy(folder)
    models_numpy.write_npz(folder)
    models_torch.write(folder)
    models_other.write_gguf(folder)
    models_other.write_onnx(folder)
    models_other.write_hdf5(folder)
    (folder / "expected.json").write_text(expected(folder))


def expected(folder):
    """The text of expected.json: one line per tensor, so that it reads well in a diff."""
    lines = []
    for file, name, read in catalog():
        path = folder / file
        tensors = [json.dumps(row, ensure_ascii=False) for row, _ in read(path)]
        head = {"sha256": sha256(path.read_bytes()), "format": name}
        rows = ",\n".join("      " + row for row in tensors)
        body = f"[\n{rows}\n    ]" if rows else "[]"
        fields = "".join(f"    {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
        lines.append(f'  {json.dumps(file)}: {{\n{fields}    "tensors": {body}\n  }}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def check(folder):
    """Holds expected.json against the files: digests, what the libraries read, and where in the file the bytes are.

    Tensors of one file lie in places of their own: each is searched for where no other one was found.
    """
    listed = json.loads((folder / "expected.json").read_text())
    known = {file: (name, read) for file, name, read in catalog()}
    assert listed.keys() == known.keys(), listed.keys() ^ known.keys()
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == known.keys() | {"expected.json"}, there ^ known.keys()

    tensors = 0
    for file, facts in listed.items():
        path = folder / file
        data = path.read_bytes()
        assert facts["sha256"] == sha256(data), f"{file}: sha256"
        assert facts["format"] == known[file][0], f"{file}: format"
        found = known[file][1](path)
        assert facts["tensors"] == [row for row, _ in found], f"{file}: tensors"
        names = [row["name"] for row, _ in found]
        assert len(names) == len(set(names)), f"{file}: two tensors of one name"
        taken = []
        for row, content in sorted(found, key=lambda pair: -len(pair[1])):
            assert place(data, content, taken) is not None, f"{file}: {row['name']} is not in the file in one piece"
            tensors += 1
    return f"{len(listed)} files, {tensors} tensors"


def place(data, content, taken):
    """Where `content` is in `data` outside the ranges in `taken`, which it joins."""
    if not content:
        return 0
    start = data.find(content)
    while start >= 0:
        end = start + len(content)
        if all(end <= other_start or other_end <= start for other_start, other_end in taken):
            taken.append((start, end))
            return start
        start = data.find(content, start + 1)
    return None
