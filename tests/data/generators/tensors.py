"""What all the generators share: seeded numbers, and how a tensor is described in expected.json."""

import hashlib
import zlib

import numpy as np

# numpy's little-endian element types by the names git-model uses; everything else is no tensor to it.
NUMPY_NAMES = {
    "<f8": "F64",
    "<f4": "F32",
    "<f2": "F16",
    "<i8": "I64",
    "<i4": "I32",
    "<i2": "I16",
    "|i1": "I8",
    "<u8": "U64",
    "<u4": "U32",
    "<u2": "U16",
    "|u1": "U8",
    "|b1": "BOOL",
    "<c8": "C64",
    "<c16": "C128",
}

# Smaller ONNX initializers and HDF5 datasets stay in the skeleton.
INLINE_BYTES_MAX = 1023


def rng(label):
    """A generator of its own for each label, so that adding a file changes no other file."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(label.encode())))


def normal(label, *shape, dtype=np.float32, scale=0.02):
    """Numbers as in a trained layer: normal, small."""
    return (rng(label).standard_normal(shape) * scale).astype(dtype)


def integers(label, *shape, dtype, low=0, high=100):
    return rng(label).integers(low, high, shape).astype(dtype)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def entry(name, dtype, shape, data, **notes):
    """One line of expected.json. `name` is None where the format has no name for the tensor."""
    data = bytes(data)
    return {
        "name": name,
        "dtype": dtype,
        "shape": [int(n) for n in shape],
        "bytes": len(data),
        "sha256": sha256(data),
        **notes,
    }, data
