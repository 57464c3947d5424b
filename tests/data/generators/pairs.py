"""Two versions of a small model with one change each, of the kinds that tools for models have lost silently."""

import math
import struct

import numpy as np

from .models_numpy import raw_safetensors
from .tensors import normal

METADATA = {"format": "pt", "step": "100"}


def model(**changed):
    """The tensors of the model, some of them in place of its own."""
    arrays = {
        "embed.weight": normal("pair embed", 32, 16),
        "layer.0.weight": normal("pair 0", 16, 16),
        "layer.0.bias": normal("pair bias", 16),
        "special": np.array([np.nan, 1.5, -np.inf, 2.5, np.inf, -2.5, 0.0, 3.5], dtype="<f4"),
        "tiny": np.array([3e-7, 0.5, -3e-7, 1.0], dtype="<f4"),
        "steps": np.array([12_345_678_901_234, 3], dtype="<i8"),
        "moments": np.array([123_456_789_012_345.67, 1.0], dtype="<f8"),
    }
    assert changed.keys() <= arrays.keys()
    return arrays | changed


def file(arrays, metadata=METADATA):
    dtypes = {"<f4": "F32", "<f8": "F64", "<i8": "I64"}
    return raw_safetensors(
        [(name, dtypes[array.dtype.str], array.shape, array.tobytes()) for name, array in arrays.items()],
        metadata,
    )


def with_element(name, index, value):
    array = model()[name].copy()
    array[index] = value
    return {name: array}


def special_with_bits(bits):
    array = model()["special"].copy()
    array.view("<u4")[0] = bits
    return {"special": array}


def pairs():
    """(name, first file, second file, what changed)."""
    before = model()
    plain = file(before)

    yield "beside-nan", plain, file(model(**with_element("special", 1, 1.25))), "`special[1]`, next to a NaN"
    yield "beside-infinity", plain, file(model(**with_element("special", 3, 2.25))), "`special[3]`, next to −inf"

    small = with_element("tiny", 0, np.float32(3e-7) + np.float32(5e-9))
    yield "tiny-change", plain, file(model(**small)), "`tiny[0]` from 3e-7 to 3.05e-7"

    count = with_element("steps", 0, before["steps"][0] + 1)
    yield "large-counter", plain, file(model(**count)), "`steps[0]`, an int64 above 10^13, by one"

    moment = with_element("moments", 0, math.nextafter(before["moments"][0], math.inf))
    yield "one-ulp-f64", plain, file(model(**moment)), "`moments[0]`, an f64 above 10^14, by one unit in the last place"

    yield "metadata-only", plain, file(before, METADATA | {"step": "200"}), "`__metadata__`, and no tensor"

    order = ["tiny", "special", *(name for name in before if name not in ("tiny", "special"))]
    yield "order-only", plain, file({name: before[name] for name in order}), "the order of the tensors, and no bytes of theirs"

    yield "negative-zero", plain, file(model(**with_element("special", 6, -0.0))), "`special[6]` from 0.0 to −0.0"

    payload = file(model(**special_with_bits(0x7FC0_0001)))
    yield "nan-payload", file(model(**special_with_bits(0x7FC0_0000))), payload, "the payload of the NaN `special[0]`"

    sign = file(model(**special_with_bits(0xFFC0_0000)))
    yield "nan-sign", file(model(**special_with_bits(0x7FC0_0000))), sign, "the sign of the NaN `special[0]`"


def write(folder):
    for name, first, second, _ in pairs():
        assert first != second
        (folder / f"{name}.a.safetensors").write_bytes(first)
        (folder / f"{name}.b.safetensors").write_bytes(second)


def check(folder):
    """Both files of each pair are good ones and differ in exactly one place: one tensor, the metadata or the order."""
    import safetensors

    def parse(path):
        data = path.read_bytes()
        length = struct.unpack_from("<Q", data)[0]
        header = data[8 : 8 + length]
        tensors = safetensors.deserialize(data)
        return header, {name: bytes(info["data"]) for name, info in tensors}

    for name, *_ in pairs():
        (first_header, first), (second_header, second) = (
            parse(folder / f"{name}.{version}.safetensors") for version in "ab"
        )
        changed = [tensor for tensor in first if first[tensor] != second[tensor]]
        in_header = name in ("metadata-only", "order-only")
        assert first.keys() == second.keys(), name
        assert len(changed) == (0 if in_header else 1), (name, changed)
        assert (first_header != second_header) == in_header, name
        for tensor in changed:
            bits = [np.frombuffer(data[tensor], f"u{8 if tensor in ('steps', 'moments') else 4}") for data in (first, second)]
            assert (bits[0] != bits[1]).sum() == 1, name
    return f"{sum(1 for _ in pairs())} pairs"
