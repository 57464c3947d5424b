"""safetensors, .npy and .npz, which all hold plain arrays."""

import json
import struct
import zipfile

import ml_dtypes
import numpy as np
import safetensors
import safetensors.torch
import torch

from .tensors import NUMPY_NAMES, entry, integers, normal, rng

SAFETENSORS = [
    "safetensors-f32.safetensors",
    "safetensors-dtypes.safetensors",
    "safetensors-shapes.safetensors",
    "safetensors-metadata.safetensors",
    "safetensors-order.safetensors",
    "safetensors-unicode.safetensors",
    "safetensors-no-tensors.safetensors",
    "sharded/model-00001-of-00002.safetensors",
    "sharded/model-00002-of-00002.safetensors",
]
SHARD_INDEX = "sharded/model.safetensors.index.json"

NPY = [
    "npy-f32.npy",
    "npy-f64-fortran.npy",
    "npy-scalar.npy",
    "npy-empty.npy",
    "npy-bool.npy",
    "npy-complex64.npy",
    "npy-complex128.npy",
    "npy-int64.npy",
    "npy-version2.npy",
    "npy-version3.npy",
    "npy-big-endian.npy",
    "npy-structured.npy",
    "npy-structured-long-header.npy",
    "npy-text.npy",
    "npy-bf16-void.npy",
]
NPZ = ["npz-stored.npz", "npz-compressed.npz", "npz-mixed.npz", "npz-one.npz"]


def raw_safetensors(tensors, metadata=None, pad=True):
    """A file with its tensors in the given order, which the library does not do: it sorts them.

    `tensors`: (name, dtype name, shape, bytes).
    """
    header, end = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensor[3] for tensor in tensors)


def t(array, dtype=None):
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if dtype is None else tensor.to(dtype)


def write_safetensors(folder):
    save = safetensors.torch.save_file

    save(
        {
            "embeddings.word.weight": t(normal("st word", 64, 24)),
            "encoder.0.attention.query.weight": t(normal("st query", 24, 24)),
            "encoder.0.attention.query.bias": t(normal("st query bias", 24)),
            "norm.weight": torch.ones(24),
        },
        folder / "safetensors-f32.safetensors",
    )

    base = normal("st dtypes", 16, 8, scale=1.0)
    whole = rng("st whole").integers(-100, 100, (5, 7))
    dtypes = {
        "f64": t(base.astype(np.float64)),
        "f32": t(base),
        "f16": t(base, torch.float16),
        "bf16": t(base, torch.bfloat16),
        "f8_e4m3": t(base, torch.float8_e4m3fn),
        "f8_e5m2": t(base, torch.float8_e5m2),
        "c64": t(base[:, :4] + 1j * base[:, 4:]),
        "bool": t(base > 0),
    }
    for name in ["int64", "int32", "int16", "int8"]:
        dtypes[name] = t(whole.astype(name))
        dtypes["u" + name] = t(np.abs(whole).astype("u" + name))
    save(dtypes, folder / "safetensors-dtypes.safetensors")

    save(
        {
            "scalar": torch.tensor(3.5),
            "counter": torch.tensor(12_345_678_901_234),
            "empty": torch.empty(0),
            "empty.columns": torch.empty(3, 0, dtype=torch.float16),
            "one": torch.ones(1, 1, 1, 1, 1, 1),
            "special": torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 0.0, 5e-324, 1e-45]),
            "odd": torch.arange(7, dtype=torch.uint8),
        },
        folder / "safetensors-shapes.safetensors",
    )

    # One key: the library writes several in random order.
    save(
        {"weight": t(normal("st metadata", 12, 4), torch.bfloat16)},
        folder / "safetensors-metadata.safetensors",
        metadata={"größe": 'quotes " and \\ and\nlines, 12×4'},
    )

    # Neither by name nor by type; the header lists the last tensor of the file first.
    rows = [
        ("zeta.bias", "U8", [3], bytes(3)),
        ("mid.weight", "F32", [4, 6], normal("st order mid", 4, 6).tobytes()),
        ("alpha.weight", "F16", [2, 5], normal("st order alpha", 2, 5, dtype=np.float16).tobytes()),
        ("mid.bias", "F64", [3], normal("st order bias", 3, dtype=np.float64).tobytes()),
    ]
    data = raw_safetensors(rows, {"format": "pt", "epoch": "3"}, pad=False)
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(dict(reversed(header.items())), separators=(",", ":")).encode()
    assert len(text) == length
    (folder / "safetensors-order.safetensors").write_bytes(data[:8] + text + data[8 + length :])

    save(
        {
            "слой.вес": t(normal("st ru", 3, 3)),
            "層.重み": t(normal("st ja", 2, 2)),
            "emoji 🧠.weight": t(normal("st emoji", 2)),
            "é": t(normal("st composed", 2)),
            "e\u0301": t(normal("st decomposed", 2)),
            "tab\tand\nline": t(normal("st tab", 2)),
            'quote"and\\slash/': t(normal("st quote", 2)),
            "": t(normal("st nameless", 2)),
        },
        folder / "safetensors-unicode.safetensors",
    )
    save({}, folder / "safetensors-no-tensors.safetensors", metadata={"format": "pt"})

    shards = [
        {"model.embed.weight": t(normal("shard embed", 40, 16), torch.bfloat16)},
        {
            "model.head.weight": t(normal("shard head", 40, 16), torch.bfloat16),
            "model.norm.weight": torch.ones(16, dtype=torch.bfloat16),
        },
    ]
    weight_map, size = {}, 0
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save(shard, folder / "sharded" / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(shard, name)
        size += sum(tensor.nbytes for tensor in shard.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / SHARD_INDEX).write_text(json.dumps(index, indent=2) + "\n")


def read_safetensors(path):
    """The tensors by the library's own parser; `deserialize` hands out the raw bytes of all dtypes, in any order."""
    infos = dict(safetensors.deserialize(path.read_bytes()))
    with safetensors.safe_open(path, "pt") as file:
        names = file.offset_keys()
    assert sorted(names) == sorted(infos)
    return [entry(name, infos[name]["dtype"], infos[name]["shape"], infos[name]["data"]) for name in names]


def write_npy(folder):
    def save(name, array, version=None):
        with open(folder / f"npy-{name}.npy", "wb") as file:
            np.lib.format.write_array(file, array, version=version)

    matrix = normal("npy", 20, 12)
    save("f32", matrix)
    save("f64-fortran", np.asfortranarray(matrix.astype(np.float64)))
    save("scalar", np.array(2.5, dtype=np.float32))
    save("empty", np.empty((0, 4), dtype=np.int32))
    save("bool", matrix > 0)
    save("complex64", (matrix[:10] + 1j * matrix[10:]).astype(np.complex64))
    save("complex128", (matrix[:10] + 1j * matrix[10:]).astype(np.complex128))
    save("int64", integers("npy int", 9, 9, 2, dtype=np.int64, low=-(2**50), high=2**50))
    save("version2", matrix, version=(2, 0))
    save("version3", matrix, version=(3, 0))
    save("big-endian", matrix.astype(">f4"))
    save("structured", np.array([(1, 2.5), (3, 4.5)], dtype=[("step", "<i8"), ("loss", "<f4")]))
    # 2,500 fields make a header over 64 KiB, for which numpy itself turns to version 2.
    fields = [(f"feature_number_{number}", "<f4") for number in range(2500)]
    save("structured-long-header", np.zeros(1, dtype=fields))
    save("text", np.array(["naïve", "weights"]))
    # numpy knows no bfloat16: the header says that the elements are two bytes of nothing in particular.
    save("bf16-void", matrix.astype(ml_dtypes.bfloat16))


def npy_tensor(name, array):
    """The one tensor of an .npy, or none if git-model has no name for its element type."""
    dtype = NUMPY_NAMES.get(array.dtype.str)
    if dtype is None:
        return []
    if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous:
        # The bytes lie column by column: row by row they are the transposed array.
        return [entry(name, dtype, array.shape, array.tobytes("F"), fortran_order=True)]
    return [entry(name, dtype, array.shape, array.tobytes())]


def read_npy(path):
    # By default numpy refuses to read the long header that it wrote.
    return npy_tensor(None, np.load(path, allow_pickle=False, max_header_size=1 << 20))


def write_npz(folder):
    arrays = {
        "layer1/kernel": normal("npz kernel", 24, 16),
        "layer1/bias": normal("npz bias", 16),
        "fortran": np.asfortranarray(normal("npz fortran", 6, 4, dtype=np.float64)),
        "step": np.array(1234, dtype=np.int64),
        "empty": np.empty((0, 3), dtype=np.float16),
        "mask": normal("npz mask", 40) > 0,
        "ключ": integers("npz key", 5, dtype=np.uint16),
    }
    np.savez(folder / "npz-stored.npz", **arrays)
    np.savez_compressed(folder / "npz-compressed.npz", **arrays)
    np.savez(folder / "npz-one.npz", normal("npz one", 32, 32))

    # As a script with zipfile makes it: one member deflated, one no array at all.
    with zipfile.ZipFile(folder / "npz-mixed.npz", "w") as archive:
        for name, method in [
            ("stored.npy", zipfile.ZIP_STORED),
            ("deflated.npy", zipfile.ZIP_DEFLATED),
            ("big_endian.npy", zipfile.ZIP_STORED),
        ]:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            array = normal(f"npz mixed {name}", 16, 16)
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, array.astype(">f4") if "big" in name else array)
        archive.writestr(zipfile.ZipInfo("README.txt"), "Not an array.\n")


def read_npz(path):
    tensors = []
    with np.load(path, allow_pickle=False) as arrays, zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.compress_type == zipfile.ZIP_STORED and info.filename.endswith(".npy"):
                name = info.filename.removesuffix(".npy")
                tensors += npy_tensor(name, arrays[name])
    return tensors
