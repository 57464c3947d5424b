"""GGUF, ONNX, HDF5 and Keras."""

import contextlib
import datetime
import io
import logging
import os
import time
import types
import unittest.mock
import zipfile

os.environ["KERAS_BACKEND"] = "torch"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import gguf
import h5py
import keras
import numpy as np
import onnx
from keras.src.saving import saving_lib, serialization_lib
from onnx import TensorProto, helper, numpy_helper

from .tensors import INLINE_BYTES_MAX, NUMPY_NAMES, entry, integers, normal, rng

GGUF = ["gguf-plain.gguf", "gguf-quantized.gguf", "gguf-k-quants.gguf", "gguf-align64.gguf", "gguf-version2.gguf"]
GGUF_NO_LAYOUT = ["gguf-big-endian.gguf"]
ONNX = [
    "onnx-initializers.onnx",
    "onnx-dtypes.onnx",
    "onnx-external.onnx",
    "onnx-sparse.onnx",
    "onnx-constant-node.onnx",
    "onnx-no-initializers.onnx",
]
ONNX_DATA = "onnx-external.weights"
HDF5 = [
    "hdf5-earliest.h5",
    "hdf5-latest.h5",
    "hdf5-many-earliest.h5",
    "hdf5-many-latest.h5",
    "hdf5-user-block.h5",
    "hdf5-keras-model.h5",
    "hdf5-keras.weights.h5",
]
KERAS = ["keras-model.keras"]


def write_gguf(folder):
    types_ = gguf.GGMLQuantizationType

    @contextlib.contextmanager
    def writer(name, **options):
        out = gguf.GGUFWriter(folder / f"gguf-{name}.gguf", "llama", **options)
        out.add_name("tiny")
        out.add_context_length(2048)
        yield out
        out.write_header_to_file()
        out.write_kv_data_to_file()
        out.write_tensors_to_file()
        out.close()

    with writer("plain") as out:
        out.add_token_list(["<s>", "</s>", "▁the", "▁größe", ""])
        out.add_token_scores([0.0, -1.0, -2.5, -3.25, float("-inf")])
        out.add_array("tiny.layers", [1, 2, 3])
        out.add_float64("tiny.f64", 0.1)
        out.add_int64("tiny.i64", -(2**60))
        out.add_bool("tiny.flag", True)
        out.add_tensor("token_embd.weight", normal("gguf embd", 32, 24))
        out.add_tensor("blk.0.attn_q.weight", normal("gguf q", 24, 24, dtype=np.float16))
        out.add_tensor("output_norm.weight", normal("gguf norm", 24))
        out.add_tensor("odd", normal("gguf odd", 3, 5, 7))
        out.add_tensor("f64", normal("gguf f64", 5, dtype=np.float64))
        for dtype in [np.int8, np.int16, np.int32, np.int64]:
            out.add_tensor(np.dtype(dtype).name, integers("gguf int", 5, dtype=dtype))

    with writer("quantized") as out:
        out.add_quantization_version(2)
        # Rows of 256: the longest block.
        weight = normal("gguf quantized", 8, 256)
        for kind in ["BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]:
            data = gguf.quants.quantize(weight, types_[kind])
            out.add_tensor(f"{kind.lower()}.weight", data, raw_dtype=types_[kind])
        out.add_tensor("norm.weight", normal("gguf quantized norm", 7))

    # The library has no quantizer for these: blocks of random bytes of the right size.
    with writer("k-quants") as out:
        for kind in ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_K", "IQ2_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "IQ1_M"]:
            elements, size = gguf.GGML_QUANT_SIZES[types_[kind]]
            data = integers(f"gguf {kind}", 3, 512 // elements * size, dtype=np.uint8, high=256)
            out.add_tensor(f"{kind.lower()}.weight", data, raw_dtype=types_[kind])

    with writer("align64") as out:
        out.add_custom_alignment(64)
        for number in range(3):
            out.add_tensor(f"blk.{number}.weight", normal(f"gguf align {number}", 3, 3 + number))

    with writer("version2") as out:
        out.add_tensor("weight", normal("gguf version 2", 9, 5))
    # The library writes version 3 only, which differs from version 2 in nothing but this number.
    path = folder / "gguf-version2.gguf"
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\x02\0\0\0" + data[8:])

    with writer("big-endian", endianess=gguf.GGUFEndian.BIG) as out:
        out.add_tensor("weight", normal("gguf big", 9, 5))


def read_gguf(path):
    plain = {"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"}
    tensors = []
    for tensor in gguf.GGUFReader(path).tensors:
        kind = tensor.tensor_type.name
        dtype = kind if kind in plain else f"GGUF:{kind}"
        tensors.append(entry(tensor.name, dtype, reversed(tensor.shape.tolist()), tensor.data.tobytes()))
    return tensors


def onnx_model(initializers, nodes=None, sparse=()):
    """A model around `initializers`; without nodes of its own it sums up nothing and hands its input on."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["x"], ["y"])],
        "tiny",
        [value("x", TensorProto.FLOAT, ["n", 32])],
        [value("y", TensorProto.FLOAT, ["n", 32])],
        initializer=initializers,
        sparse_initializer=sparse,
    )
    model = helper.make_model(graph, producer_name="git-model tests", opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model


def write_onnx(folder):
    def save(name, model):
        (folder / f"onnx-{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))

    def raw(name, array):
        return numpy_helper.from_array(array, name)

    save(
        "initializers",
        onnx_model(
            [
                raw("up.weight", normal("onnx up", 32, 32)),
                raw("up.bias", normal("onnx bias", 32)),
                raw("exactly_1024", normal("onnx 1024", 256)),
                raw("exactly_1020", normal("onnx 1020", 255)),
                raw("shape", np.array([-1, 32], dtype=np.int64)),
                raw("scalar", np.array(0.5, dtype=np.float32)),
                # Not raw bytes, but a packed list of floats.
                helper.make_tensor("typed", TensorProto.FLOAT, [16, 32], normal("onnx typed", 512)),
            ],
            [
                helper.make_node("MatMul", ["x", "up.weight"], ["h"]),
                helper.make_node("Add", ["h", "up.bias"], ["y"]),
            ],
        ),
    )

    base = normal("onnx dtypes", 32, 40, scale=1.0)
    initializers = [raw(name, base.astype(name)) for name in ["float64", "float16"]]
    for name in ["int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"]:
        initializers.append(raw(name, integers(f"onnx {name}", 32, 40, dtype=name)))
    initializers.append(raw("bool", base > 0))
    for name in ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2"]:
        kind = getattr(TensorProto, name)
        width = 2 if name == "BFLOAT16" else 1
        data = rng(f"onnx {name}").bytes(base.size * width)
        initializers.append(helper.make_tensor(name.lower(), kind, base.shape, data, raw=True))
    save("dtypes", onnx_model(initializers))

    model = onnx_model(
        [raw("a.weight", normal("onnx external a", 32, 32)), raw("b.weight", normal("onnx external b", 32, 20))]
    )
    (folder / ONNX_DATA).unlink(missing_ok=True)
    onnx.save_model(
        model,
        folder / "onnx-external.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=ONNX_DATA,
        size_threshold=0,
    )

    values = raw("sparse.weight", normal("onnx sparse", 6))
    indices = raw("", np.array([1, 5, 9, 100, 200, 1000], dtype=np.int64))
    save("sparse", onnx_model([], sparse=[helper.make_sparse_tensor(values, indices, [32, 32])]))

    constant = raw("value", normal("onnx constant", 32, 32))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=constant),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    save("constant-node", onnx_model([], nodes))
    save("no-initializers", onnx_model([]))


ONNX_NAMES = {
    TensorProto.DOUBLE: "F64",
    TensorProto.FLOAT: "F32",
    TensorProto.FLOAT16: "F16",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.FLOAT8E4M3FN: "F8_E4M3",
    TensorProto.FLOAT8E5M2: "F8_E5M2",
    TensorProto.INT64: "I64",
    TensorProto.INT32: "I32",
    TensorProto.INT16: "I16",
    TensorProto.INT8: "I8",
    TensorProto.UINT64: "U64",
    TensorProto.UINT32: "U32",
    TensorProto.UINT16: "U16",
    TensorProto.UINT8: "U8",
    TensorProto.BOOL: "BOOL",
}


def read_onnx(path):
    model = onnx.load(path, load_external_data=False)
    return [
        entry(tensor.name, ONNX_NAMES[tensor.data_type], tensor.dims, tensor.raw_data)
        for tensor in model.graph.initializer
        if len(tensor.raw_data) > INLINE_BYTES_MAX
    ]


def fill_hdf5(file):
    """All the ways in which a dataset may lie in a file."""
    file.attrs["backend"] = "numpy"
    file.attrs["layer_names"] = np.array([b"up", b"down"])
    up = file.create_group("model/layers/up")
    up.create_dataset("kernel", data=normal("h5 kernel", 32, 24))
    up.create_dataset("bias", data=normal("h5 bias", 24))
    up.create_dataset("half", data=normal("h5 half", 32, 24, dtype=np.float16))
    up.create_dataset("double", data=normal("h5 double", 16, 16, dtype=np.float64))
    for name in ["int64", "uint8", "int16"]:
        up.create_dataset(name, data=integers(f"h5 {name}", 1200, dtype=name))
    up.create_dataset("exactly_1024", data=normal("h5 1024", 256))
    up.create_dataset("exactly_1020", data=normal("h5 1020", 255))
    # More attributes than an object header holds in one piece.
    for number in range(12):
        up["kernel"].attrs[f"attribute_{number}"] = "x" * 40
    down = file.create_group("model/layers/down")
    down.create_dataset("chunked_gzip", data=normal("h5 gzip", 64, 16), chunks=(16, 16), compression="gzip")
    down.create_dataset("chunked", data=normal("h5 chunked", 64, 16), chunks=(32, 16))
    down.create_dataset("never_written", shape=(64, 16), dtype="<f4")
    down.create_dataset("scalar", data=np.float32(1.5))
    down.create_dataset("empty", shape=(0, 4), dtype="<f4")
    down.create_dataset("text", data="some text")
    down.create_dataset("big_endian", data=normal("h5 big", 20).astype(">f4"))
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    compact.set_obj_track_times(False)
    array = normal("h5 compact", 300)
    space, kind = h5py.h5s.create_simple(array.shape), h5py.h5t.IEEE_F32LE
    h5py.h5d.create(down.id, b"compact", kind, space, compact).write(h5py.h5s.ALL, h5py.h5s.ALL, array)
    # The same dataset under a second name, later in any order, and a link by name.
    file["z_tied"] = up["kernel"]
    file["z_soft"] = h5py.SoftLink("/model/layers/up/kernel")


def fill_many_hdf5(file, count):
    """One group with many members: several nodes of the group's B-tree."""
    group = file.create_group("blocks")
    for number in range(count):
        large = number % 20 == 0
        group.create_dataset(f"block_{number:03}", data=normal(f"h5 many {number}", 260 if large else 1))


def keras_model():
    layers = [
        keras.layers.Input((32,)),
        keras.layers.Dense(24, activation="relu", name="up"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dense(16, name="down"),
    ]
    model = keras.Sequential(layers, name="tiny")
    model.set_weights(
        [normal(f"keras {number}", *weight.shape) for number, weight in enumerate(model.get_weights())]
    )
    return model


@contextlib.contextmanager
def no_accidents():
    """Keras writes into the archive the time, and the addresses of shared objects as their numbers."""
    moment = datetime.datetime(1980, 1, 1)
    clock = types.SimpleNamespace(datetime=types.SimpleNamespace(now=lambda: moment))
    seen = []

    def number(value):
        if not any(value is known for known in seen):
            seen.append(value)
        return next(index for index, known in enumerate(seen) if value is known)

    with (
        unittest.mock.patch.object(saving_lib, "datetime", clock),
        unittest.mock.patch.object(time, "localtime", lambda *_: moment.timetuple()),
        unittest.mock.patch.object(serialization_lib, "id", number, create=True),
    ):
        yield


def write_hdf5(folder):
    for libver in ["earliest", "latest"]:
        with h5py.File(folder / f"hdf5-{libver}.h5", "w", libver=libver) as file:
            fill_hdf5(file)
        # 300 members are more than one level of the old B-tree holds, 40 more than a new group keeps in its header.
        with h5py.File(folder / f"hdf5-many-{libver}.h5", "w", libver=libver) as file:
            fill_many_hdf5(file, 300 if libver == "earliest" else 60)
    with h5py.File(folder / "hdf5-user-block.h5", "w", userblock_size=512) as file:
        file.create_dataset("weight", data=normal("h5 user block", 20, 20))
    with open(folder / "hdf5-user-block.h5", "r+b") as file:
        file.write(b"#!/bin/sh\n# whatever stands before an HDF5 file\n")

    model = keras_model()
    # Keras warns that .h5 is legacy; it is what lies in many repositories.
    logging.getLogger("absl").setLevel(logging.ERROR)
    with no_accidents():
        model.save(folder / "hdf5-keras-model.h5")
        model.save_weights(folder / "hdf5-keras.weights.h5")
        model.save(folder / "keras-model.keras")


def hdf5_tensors(file):
    """The tensors, each by the shortest of its paths."""
    tensors, seen, groups = [], set(), [("", file)]
    for prefix, group in groups:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item, path = group[name], f"{prefix}{name}"
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                # Looked at after everything with a shorter path.
                groups.append((f"{path}/", item))
            elif item.dtype.str in NUMPY_NAMES and item.nbytes > INLINE_BYTES_MAX:
                contiguous = item.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
                if contiguous and item.id.get_offset() is not None:
                    tensors.append(entry(path, NUMPY_NAMES[item.dtype.str], item.shape, item[...].tobytes()))
    return tensors


def read_hdf5(path):
    with h5py.File(path, "r") as file:
        return hdf5_tensors(file)


def read_keras(path):
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model.weights.h5")
        assert info.compress_type == zipfile.ZIP_STORED
        with h5py.File(io.BytesIO(archive.read(info)), "r") as file:
            return hdf5_tensors(file)
