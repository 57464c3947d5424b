#!/usr/bin/env python3
"""Writes stats/ next to this file: numbers of every type, and pairs of tensors with how they differ.

    make_stats.py            write everything anew
    make_stats.py --check    compute everything again and compare with what is there

`stats.bin` has the bytes; `expected.json` says where. Floats in it are texts, for not every reader of JSON gives back
each of their bits. Needs numpy, ml_dtypes and gguf of requirements.txt.
"""

import argparse
import fractions
import json
import math
import pathlib
import sys

import gguf
import ml_dtypes
import numpy as np

sys.dont_write_bytecode = True
from generators.tensors import rng  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
# More than one run of the loops over elements, and not a multiple of their lanes.
ELEMENTS = 1031

BYTE_FLOATS = {
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
}
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16} | BYTE_FLOATS
INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"}
COMPLEX = {"C64": "<c8", "C128": "<c16"}
# Two elements in a byte, the first one in the low half.
HALF_BYTES = {"F4": ml_dtypes.float4_e2m1fn, "I4": ml_dtypes.int4, "U4": ml_dtypes.uint4}
BLOCKS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
NUMPY = {name: np.dtype(dtype) for name, dtype in (FLOATS | INTEGERS | COMPLEX | {"BOOL": "u1"}).items()}


def bits(array):
    return array.view({1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}[array.dtype.itemsize])


def decode(dtype, data):
    """The numbers in these bytes: an array that numpy can reckon with."""
    if dtype in NUMPY:
        array = np.frombuffer(data, NUMPY[dtype])
        return array if dtype in INTEGERS | COMPLEX else array.astype("<f8")
    if dtype in HALF_BYTES:
        codes = np.frombuffer(data, "u1")
        codes = np.stack([codes & 15, codes >> 4], axis=1).reshape(-1)
        return codes.view("u1").astype("u1").view(HALF_BYTES[dtype]).astype("<f8")
    kind = gguf.GGMLQuantizationType[dtype.removeprefix("GGUF:")]
    return gguf.quants.dequantize(np.frombuffer(data, "u1"), kind).reshape(-1).astype("<f8")


def raw_bits(dtype, data):
    """One number for each element, other for other bits; that of the value where several elements share bytes."""
    if dtype in COMPLEX:
        return [bytes(element) for element in np.frombuffer(data, "u1").reshape(-1, NUMPY[dtype].itemsize)]
    return list(bits(np.frombuffer(data, NUMPY[dtype]))) if dtype in NUMPY else list(bits(decode(dtype, data)))


def decodings():
    """(dtype, bytes): every code of the narrow types, and the borders of the wider ones."""
    for dtype in BYTE_FLOATS | {"I8": 0, "U8": 0, "BOOL": 0} | HALF_BYTES:
        yield dtype, bytes(range(256))
    exponents = np.arange(32, dtype="<u2") << 10
    mantissas = np.array([0, 1, 2, 0x155, 0x1FF, 0x200, 0x201, 0x3FE, 0x3FF], dtype="<u2")
    halves = (exponents[:, None] | mantissas).reshape(-1)
    yield "F16", np.concatenate([halves, halves | 0x8000]).tobytes()
    exponents = np.arange(0, 256, 5, dtype="<u2") << 7
    halves = (exponents[:, None] | np.array([0, 1, 0x55, 0x7F], dtype="<u2")).reshape(-1)
    yield "BF16", np.concatenate([halves, halves | 0x8000]).tobytes()
    for dtype, kind in INTEGERS.items():
        info = np.iinfo(kind)
        values = [info.min, info.min + 1, info.max, info.max - 1, 0, 1, 100]
        yield dtype, np.array(values, dtype=kind).tobytes()
    yield "F32", np.array([0, -0.0, 1e-45, 1.5, -3e38, math.inf, -math.inf, math.nan], dtype="<f4").tobytes()
    yield "F64", np.array([0, -0.0, 5e-324, 1.5, -1e308, math.inf, -math.inf, math.nan], dtype="<f8").tobytes()
    yield "C64", np.array([1 + 2j, -3j, 0], dtype="<c8").tobytes()
    yield "C128", np.array([1 + 2j, -3j, 1e300], dtype="<c16").tobytes()
    for name in BLOCKS:
        yield "GGUF:" + name, blocks(name, "decode", 256)


def blocks(name, label, elements=1280):
    """Blocks of random codes; their scales are halves of sizes that occur."""
    kind = gguf.GGMLQuantizationType[name]
    block_elements, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    data = rng(f"stats {label} {name}").integers(0, 256, (elements // block_elements, block_bytes), dtype="u1")
    scales = rng(f"stats {label} scales {name}").normal(0, 0.01, (len(data), 2)).astype("<f2").view("u1")
    if name == "Q6_K":
        data[:, -2:] = scales[:, :2]
    else:
        width = 4 if name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K") else 2
        data[:, :width] = scales[:, :width]
    return data.tobytes()


def drawn(dtype, label, elements=ELEMENTS):
    """A tensor of this type."""
    random = rng(f"stats {label} {dtype}")
    if dtype in INTEGERS:
        info = np.iinfo(INTEGERS[dtype])
        return random.integers(info.min, info.max, elements, dtype=INTEGERS[dtype], endpoint=True)
    if dtype == "BOOL":
        return random.integers(0, 2, elements, dtype="u1")
    values = random.normal(0, 0.02, elements)
    if dtype in COMPLEX:
        values = values + 1j * random.normal(0, 0.02, elements)
    return (np.abs(values) if dtype == "F8_E8M0" else values).astype(NUMPY[dtype])


def pairs():
    """(name, dtype of a, a, dtype of b, b)."""
    for dtype in NUMPY:
        elements = 300 if dtype in ("I64", "U64", "C128") else ELEMENTS
        a, b = drawn(dtype, "a", elements), drawn(dtype, "b", elements)
        yield "other", dtype, a, dtype, b
        if NUMPY[dtype].itemsize <= 4:
            sparse = a.copy()
            sparse[5::97] = b[5::97]
            yield "sparse", dtype, a, dtype, sparse
    yield "equal", "BF16", drawn("BF16", "a"), "BF16", drawn("BF16", "a")
    for dtype in ["F64", "F32", "F16", "BF16"]:
        yield "special", dtype, *special(dtype)
    yield "special", "F8_E5M2", *special("F8_E5M2", [0x7C, 0xFC, 0x7D, 0x7E, 0x00, 0x80])
    yield "special", "F8_E4M3", *special("F8_E4M3", [0x7F, 0xFF, 0x7F, 0xFF, 0x00, 0x80])
    for dtype in COMPLEX:
        a = drawn(dtype, "special", 200)
        a[[3, 4, 5]] = [complex(math.nan, 1), complex(math.inf, 0), complex(math.nan, math.inf)]
        b = drawn(dtype, "special", 200)
        b[[3, 7, 8, 9]] = [complex(math.nan, 2), complex(0, math.nan), complex(-math.inf, 1), 0]
        a[[9, 10]], b[[10]] = [complex(-0.0, 0), complex(math.nan, 4)], [complex(-math.nan, 4)]
        a[11:20] *= 2
        yield "special", dtype, a, dtype, b
    for dtype in ["F32", "BF16", "I64", "C64", "F8_E4M3"]:
        yield "empty", dtype, drawn(dtype, "a", 0), dtype, drawn(dtype, "b", 0)
        yield "scalar", dtype, drawn(dtype, "a", 1), dtype, drawn(dtype, "b", 1)
    counters = np.array([12_345_678_901_234_567, -(2**63), 2**63 - 1, 2**53], dtype="<i8")
    yield "above 2^53", "I64", counters, "I64", counters + np.array([1, 0, -1, 1])
    yield "extremes", "I64", np.array([-(2**63), 1]), "I64", np.array([2**63 - 1, 1])
    yield "zeros", "F32", np.zeros(9, "<f4"), "F32", np.zeros(9, "<f4")
    yield "from zero", "F32", np.zeros(9, "<f4"), "F32", np.arange(9, dtype="<f4")
    # Two elements with the largest difference, in the second run of the loop and in a later one.
    ties = np.zeros(3100, "i1")
    ties[[1500, 1501, 3000]] = [50, -50, 50]
    yield "ties", "I8", np.zeros(3100, "i1"), "I8", ties
    for a, b in [("BF16", "F32"), ("F32", "F16"), ("F32", "F64"), ("F32", "F8_E4M3"), ("F64", "BF16"), ("I32", "F32")]:
        wide = drawn("F64", "cast", 400) * (1000 if a == "I32" else 1)
        yield "cast", a, wide.astype(NUMPY[a]), b, wide.astype(NUMPY[a]).astype(NUMPY[b])
    for name in BLOCKS:
        dtype = "GGUF:" + name
        yield "other", dtype, blocks(name, "a"), dtype, blocks(name, "b")
    numbers = decode("GGUF:Q8_0", blocks("Q8_0", "a"))
    yield "cast", "F32", numbers.astype("<f4") + np.float32(1e-3), "GGUF:Q8_0", blocks("Q8_0", "a")
    for dtype in HALF_BYTES:
        a, b = (rng(f"stats {side} {dtype}").integers(0, 256, 600, dtype="u1") for side in "ab")
        yield "other", dtype, a, dtype, b


def special(dtype, codes=None):
    """a, dtype, b: with every pair of these codes somewhere, by default NaNs, infinities and zeros."""
    a, b = drawn(dtype, "special", 200), drawn(dtype, "special b", 200)
    if codes is None:
        inf = int(bits(np.array([math.inf], dtype=NUMPY[dtype]))[0])
        sign = 1 << (8 * a.dtype.itemsize - 1)
        codes = [inf, inf | sign, inf | inf >> 1 & ~sign & ~inf | 1, inf + 3, 0, sign]
    for i, (x, y) in enumerate((x, y) for x in codes for y in codes):
        bits(a)[20 + 3 * i], bits(b)[20 + 3 * i] = x, y
    return a, dtype, b


def norm(squares):
    return math.sqrt(math.fsum(squares))


def expected(dtype_a, data_a, dtype_b, data_b):
    """How two tensors differ: exactly for counts and the maximum, to the last bit or two for sums."""
    a, b = decode(dtype_a, data_a), decode(dtype_b, data_b)
    assert len(a) == len(b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if dtype_a in COMPLEX:
        same = [
            all(p == q or (np.isnan(p) and np.isnan(q)) for p, q in [(x.real, y.real), (x.imag, y.imag)])
            for x, y in zip(a, b)
        ]
    one = dtype_a == dtype_b
    bits_a = raw_bits(dtype_a, data_a) if one else list(bits(a.astype("<f8")))
    bits_b = raw_bits(dtype_b, data_b) if one else list(bits(b.astype("<f8")))
    silent = [s and p != q for s, p, q in zip(same, bits_a, bits_b)]
    nan = np.isnan(a) & np.isnan(b)
    # numpy's isinf is true of NaN + inf·i too.
    inf_a, inf_b = (np.isinf(x) & ~np.isnan(x) for x in (a, b))
    finite = np.isfinite(a) & np.isfinite(b)
    x, y = a[finite], b[finite]
    if dtype_a in INTEGERS and dtype_b in INTEGERS:
        deltas = [float(abs(int(q) - int(p))) for p, q in zip(x, y)]
    else:
        deltas = [abs(d) for d in (y.astype("c16" if dtype_a in COMPLEX else "f8") - x).tolist()]
    largest = max(deltas, default=0.0)
    exact = lambda v: [fractions.Fraction(float(v.real)), fractions.Fraction(float(v.imag))]
    dot = float(sum(p * q for v, w in zip(x, y) for p, q in zip(exact(v), exact(w))))
    norm_a, norm_b = (norm(float(abs(complex(v))) ** 2 for v in side) for side in (x, y))
    return {
        "elements": len(a),
        "changed": int(len(a) - np.count_nonzero(same)),
        "zero_sign": sum(bool(s and not n) for s, n in zip(silent, nan)),
        "nan_payload": sum(bool(s and n) for s, n in zip(silent, nan)),
        "nan_a": int(np.count_nonzero(np.isnan(a))),
        "nan_b": int(np.count_nonzero(np.isnan(b))),
        "inf_a": int(np.count_nonzero(inf_a)),
        "inf_b": int(np.count_nonzero(inf_b)),
        "max_abs": repr(largest),
        "max_at": int(np.flatnonzero(finite)[deltas.index(largest)]) if largest > 0 else None,
        "norm_a": repr(norm_a),
        "norm_b": repr(norm_b),
        "norm_delta": repr(norm(d * d for d in deltas)),
        "cosine": repr(dot / (norm_a * norm_b)) if norm_a and norm_b else None,
    }


def build():
    """The two files."""
    data = bytearray()
    places = {}

    def put(piece):
        if piece not in places:
            places[piece] = [len(data), len(piece)]
            data.extend(piece)
        return places[piece]

    decoded = []
    with np.errstate(all="ignore"):
        for dtype, raw in decodings():
            numbers = decode(dtype, raw)
            numbers = numbers.astype("<c16").view("<f8") if dtype in COMPLEX else numbers.astype("<f8")
            decoded.append({"dtype": dtype, "raw": put(raw), "numbers": put(numbers.tobytes())})
        compared = []
        for name, dtype_a, a, dtype_b, b in pairs():
            a, b = (x if isinstance(x, bytes) else x.tobytes() for x in (a, b))
            where = {"name": name, "dtype_a": dtype_a, "dtype_b": dtype_b, "a": put(a), "b": put(b)}
            compared.append(where | expected(dtype_a, a, dtype_b, b))
    lines = lambda entries: ",\n".join("    " + json.dumps(entry) for entry in entries)
    text = f'{{\n  "decoded": [\n{lines(decoded)}\n  ],\n  "compared": [\n{lines(compared)}\n  ]\n}}\n'
    return {"stats.bin": bytes(data), "expected.json": text.encode()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, compute everything again")
    arguments = parser.parse_args()
    folder = HERE / "stats"
    folder.mkdir(exist_ok=True)
    for name, content in build().items():
        if not arguments.check:
            (folder / name).write_bytes(content)
        elif (folder / name).read_bytes() != content:
            sys.exit(f"{folder / name}: other bytes than computed")
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
