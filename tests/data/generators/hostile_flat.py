"""safetensors, .npy, GGUF, ONNX, and texts that git-model might take for its own."""

import json
import struct

import numpy as np

from .hostile_case import DEPTH, GOOD, Case, cut
from .models_numpy import raw_safetensors
from .tensors import normal, sha256

# What a pickle that runs would leave behind.
COMMAND = "echo a pickle was run > git-model-ran-a-pickle"


def pickle_that_runs(command=COMMAND):
    """A pickle that calls `os.system`, spelled out so that nothing here ever holds the object."""
    argument = command.encode()
    return b"\x80\x02cposix\nsystem\nX" + struct.pack("<I", len(argument)) + argument + b"\x85R."


def cases():
    yield from safetensors_cases()
    yield from npy_cases()
    yield from gguf_cases()
    yield from onnx_cases()
    yield from text_cases()


def safetensors_cases():
    def case(name, data, why, layout="none"):
        return Case(f"safetensors-{name}.safetensors", data, "safetensors", why, layout)

    def header(text, data=bytes(16), length=None):
        text = text.encode() if isinstance(text, str) else text
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    def tensor(begin=0, end=16, dtype="F32", shape="[4]"):
        return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}'

    good = raw_safetensors([("a", "F32", [4], bytes(range(16))), ("b", "U8", [3], b"xyz")])
    length = struct.unpack_from("<Q", good)[0]
    yield case("good", good, GOOD, "model")
    yield case("header-half", good[: 8 + length // 2], "the file ends within the header")
    yield case("length-only", good[:8], "the file is the header's length and nothing more")
    yield case("length-half", good[:4], "the file ends within the header's length")
    yield case("last-byte-missing", cut(good, "last byte"), "the last tensor lacks a byte")
    yield case("one-byte-more", good + b"!", "a byte after the last tensor", "any")
    for name, value in [
        ("2-63", 1 << 63),
        ("minus-1", (1 << 64) - 1),
        ("100mib-and-1", (100 << 20) + 1),
        ("0", 0),
        ("1", 1),
        ("of-file", len(good)),
    ]:
        yield case(f"length-{name}", struct.pack("<Q", value) + good[8:], f"the header's length is {value}")

    texts = [
        ("overlap", f'{{"a":{tensor(0, 16)},"b":{tensor(8, 24)}}}', "two tensors share eight bytes"),
        ("same-bytes", f'{{"a":{tensor()},"b":{tensor()}}}', "two tensors share all their bytes"),
        ("duplicate", f'{{"a":{tensor(0, 16)},"a":{tensor(16, 32)}}}', "two tensors of one name"),
        ("duplicate-escaped", f'{{"a":{tensor(0, 16)},"\\u0061":{tensor(16, 32)}}}', "one name in two spellings"),
        ("product-overflow", f'{{"a":{tensor(shape="[4294967296,4294967296,4]")}}}', "2^66 elements"),
        ("product-wraps", f'{{"a":{tensor(shape="[9223372036854775810,2]")}}}', "2^64 + 4 elements, 4 when it wraps"),
        ("bytes-wrap", f'{{"a":{tensor(shape="[4611686018427387908]")}}}', "2^64 + 16 bytes, 16 when it wraps"),
        ("dtype-unknown", f'{{"a":{tensor(dtype="F31")}}}', "an unknown dtype"),
        ("shape-too-small", f'{{"a":{tensor(shape="[3]")}}}', "more bytes than the shape says"),
        ("shape-too-large", f'{{"a":{tensor(shape="[5]")}}}', "fewer bytes than the shape says"),
        ("shape-negative", f'{{"a":{tensor(shape="[-2,-2]")}}}', "negative dimensions with a positive product"),
        ("shape-fraction", f'{{"a":{tensor(shape="[4.0]")}}}', "a dimension with a fraction"),
        ("offset-reversed", f'{{"a":{tensor(16, 0)}}}', "a tensor that ends before it starts"),
        ("offset-max", f'{{"a":{tensor((1 << 64) - 1, 15)}}}', "a tensor that wraps around the end of the numbers"),
        ("offset-past-end", f'{{"a":{tensor(1 << 40, (1 << 40) + 16)}}}', "a tensor after the end of the file"),
        ("offset-2-64", f'{{"a":{tensor(1 << 64, (1 << 64) + 16)}}}', "offsets that fit no 64 bits"),
        ("sub-byte", f'{{"a":{tensor(0, 2, dtype="F4", shape="[3]")}}}', "three elements of four bits"),
        ("nested", '{"a":' + "[" * DEPTH, "60,000 open brackets"),
        ("nested-closed", '{"a":' + "[" * (DEPTH // 2) + "]" * (DEPTH // 2) + "}", "30,000 nested lists"),
        ("nested-metadata", '{"__metadata__":' + '{"a":' * (DEPTH // 6), "10,000 nested objects"),
        ("not-an-object", "{1:2}", "a header that is no JSON"),
        ("two-objects", f'{{"a":{tensor()}}}{{"b":{tensor()}}}', "a second object after the first"),
        ("nan", '{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,16]}}', "NaN for a dimension"),
        ("name-lone-surrogate", f'{{"\\ud800":{tensor()}}}', "a name that is no Unicode"),
        ("info-missing", '{"a":{"dtype":"F32","shape":[4]}}', "a tensor without offsets"),
        ("info-twice", '{"a":{"dtype":"U8","shape":[16],"shape":[4],"dtype":"F32","data_offsets":[0,16]}}', "a field twice"),
    ]
    for name, text, why in texts:
        yield case(name, header(text, bytes(32)), why)
    yield case("not-utf8", header(b'{"\xff\xfe":' + tensor().encode() + b"}"), "a name that is no UTF-8")
    yield case("nuls-for-header", header(bytes(64)), "a header of NULs")
    yield case("bom", header(b"\xef\xbb\xbf" + f'{{"a":{tensor()}}}'.encode()), "a byte order mark before the header")

    allowed = [
        ("gap", f'{{"a":{tensor(0, 16)},"b":{tensor(24, 40)}}}', 40, "eight bytes between two tensors"),
        ("gap-at-start", f'{{"a":{tensor(8, 24)}}}', 24, "eight bytes before the first tensor"),
        ("zero-times-huge", f'{{"a":{tensor(0, 0, shape=f"[{2**64 - 1},{2**64 - 1},0]")}}}', 0, "no elements, but by a product that overflows on the way"),
        ("name-path", f'{{"../../../tmp/escaped":{tensor()}}}', 16, "a name that is a path out of the folder"),
        ("name-nul", f'{{"a\\u0000b":{tensor()}}}', 16, "a NUL in a name"),
        ("name-escape", f'{{"\\u001b[2J\\u001b]0;title\\u0007":{tensor()}}}', 16, "a name that commands the terminal"),
        ("name-line", f'{{"a\\n\\n{{\\"git-model\\":99}}\\n":{tensor()}}}', 16, "a name that looks like lines of a manifest"),
        ("name-bidi", f'{{"weight\\u202egnp.":{tensor()}}}', 16, "a name that is shown backwards"),
        ("name-long", f'{{"{"n" * 50_000}":{tensor()}}}', 16, "a name of 50,000 letters"),
        ("name-metadata", '{"__metadata__":' + tensor() + "}", 16, "`__metadata__` that looks like a tensor"),
        ("metadata-twice", f'{{"__metadata__":{{"a":"1"}},"__metadata__":{{"a":"2"}},"a":{tensor()}}}', 16, "`__metadata__` twice"),
        ("metadata-number", f'{{"__metadata__":{{"a":1}},"a":{tensor()}}}', 16, "metadata that is no text"),
        ("rank", f'{{"a":{tensor(shape="[" + ",".join(["1"] * 20_000) + ",4]")}}}', 16, "20,001 dimensions"),
        ("spaces", f'{{"a":{tensor()}}}' + " " * 50_000, 16, "50,000 bytes of padding"),
        ("empties", "{" + ",".join(f'"{n}":{tensor(0, 0, shape="[0]")}' for n in range(900)) + "}", 0, "900 empty tensors in one place"),
    ]
    for name, text, size, why in allowed:
        yield case(name, header(text, bytes(size)), why, "any")


def npy_cases():
    def case(name, data, why, layout="none"):
        return Case(f"npy-{name}.npy", data, "npy", why, layout)

    def npy(header, data=bytes(16), version=1, length=None):
        header = header.encode("latin1") + b"\n"
        field = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
        return b"\x93NUMPY" + bytes([version, 0]) + field + header + data

    def fields(descr="'<f4'", order="False", shape="(4,)"):
        return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"

    good = npy(fields())
    yield case("good", good, GOOD, "model")
    yield case("magic-only", good[:6], "the file is the magic and nothing more")
    yield case("length-half", good[:9], "the file ends within the header's length")
    yield case("header-half", good[:40], "the file ends within the header")
    yield case("last-byte-missing", cut(good, "last byte"), "the array lacks a byte")
    yield case("one-byte-more", good + b"!", "a byte after the array", "any")
    yield case("length-past-end", npy(fields(), length=0xFFFF), "the header reaches past the end of the file")
    yield case("length-4gib", npy(fields(), version=2, length=0xFFFF_FFFF), "a header of 4 GiB")
    yield case("length-100mib-and-1", npy(fields(), version=2, length=(100 << 20) + 1), "a header over the limit")
    yield case("length-0", npy(fields(), length=0), "a header of no bytes")
    yield case("version-9", npy(fields(), version=9), "an unknown version")

    headers = [
        ("code", f"__import__('os').system('{COMMAND}')", "a header that is a call"),
        ("code-in-shape", fields(shape=f"(__import__('os').system('{COMMAND}'),)"), "a shape that is a call"),
        ("expression", fields(shape="(2+2,)"), "a shape that must be worked out"),
        ("power", fields(shape="(9**9**9,)"), "a shape that takes for ever to work out"),
        ("quote-open", "{'descr': '<f4, 'fortran_order': False, 'shape': (4,)", "a quote that never closes"),
        ("quote-escape", "{'descr': '<f4\\", "a header that ends in a backslash"),
        ("brace-open", fields()[:-1], "a brace that never closes"),
        ("nested", fields(shape="(" * DEPTH), "60,000 open parentheses"),
        ("nested-descr", fields(descr="[" * (DEPTH // 2)), "30,000 open brackets"),
        ("shape-overflow", fields(shape="(9223372036854775808, 9223372036854775808)"), "2^126 elements"),
        ("shape-wraps", fields(shape="(4611686018427387908,)"), "2^64 + 16 bytes, 16 when it wraps"),
        ("shape-digits", fields(shape="(" + "9" * 5000 + ",)"), "a dimension of 5,000 digits"),
        ("shape-negative", fields(shape="(-2, -2)"), "negative dimensions with a positive product"),
        ("shape-text", fields(shape="'4'"), "a shape that is a text"),
        ("key-missing", "{'descr': '<f4', 'shape': (4,)}", "a header without an order"),
        ("key-twice", "{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (4,)}", "keys twice"),
        ("descr-unknown", fields(descr="'<q7'"), "an unknown element type"),
    ]
    for name, header, why in headers:
        data = npy(header, version=1 if len(header) < 0xFFFF else 2)
        yield case(name, data, why, "any" if name == "key-twice" else "none")
    yield case("spaces", npy(fields() + " " * 60_000), "60,000 spaces after the header", "any")
    yield case("shape-huge-zero", npy(fields(shape="(18446744073709551615, 0)"), b""), "no elements, 2^64 − 1 times", "any")

    yield case("object", npy(fields(descr="'|O'", shape="()"), pickle_that_runs()), "an array of objects: a pickle that runs a command")


def gguf_cases():
    def case(name, data, why, layout="none"):
        return Case(f"gguf-{name}.gguf", data, "gguf", why, layout)

    def text(value, length=None):
        value = value.encode()
        return struct.pack("<Q", len(value) if length is None else length) + value

    def pair(key, kind, value):
        return text(key) + struct.pack("<I", kind) + value

    def info(name, dims, kind=0, offset=0, rank=None):
        head = text(name) + struct.pack("<I", len(dims) if rank is None else rank)
        return head + struct.pack(f"<{len(dims)}QIQ", *dims, kind, offset)

    def gguf(pairs=(), infos=(), data=bytes(64), version=3, tensors=None, pair_count=None):
        head = b"GGUF" + struct.pack(
            "<IQQ",
            version,
            len(infos) if tensors is None else tensors,
            len(pairs) if pair_count is None else pair_count,
        )
        head += b"".join(pairs) + b"".join(infos)
        return head + bytes(-len(head) % 32) + data

    u32, string, array, alignment = 4, 8, 9, "general.alignment"
    good = gguf([pair("general.architecture", string, text("llama"))], [info("a", [4, 4])])
    yield case("good", good, GOOD, "model")
    yield case("magic-only", good[:4], "the file is the magic and nothing more")
    yield case("header-half", good[:20], "the file ends within the counts")
    yield case("metadata-half", good[:40], "the file ends within the metadata")
    yield case("last-byte-missing", cut(good, "last byte"), "the last tensor lacks a byte")
    yield case("version-0", gguf([], [info("a", [4])], version=0), "version 0")
    yield case("version-1", gguf([], [info("a", [4])], version=1), "version 1, whose lengths are 32 bits wide")
    yield case("version-max", gguf([], [info("a", [4])], version=0xFFFF_FFFF), "version 2^32 − 1")
    yield case("tensors-2-60", gguf([], [info("a", [4])], tensors=1 << 60), "2^60 tensors")
    yield case("pairs-2-60", gguf([], [info("a", [4])], pair_count=1 << 60), "2^60 pairs of metadata")
    yield case("string-2-60", gguf([pair("k", string, text("x", 1 << 60))], [info("a", [4])]), "a text of 2^60 bytes")
    yield case("string-max", gguf([pair("k", string, text("x", (1 << 64) - 1))], [info("a", [4])]), "a text of 2^64 − 1 bytes")
    yield case("key-2-60", gguf([text("k", 1 << 60)], [info("a", [4])], pair_count=1), "a key of 2^60 bytes")
    for name, kind, count, what in [
        ("array-2-61", u32, 1 << 61, "2^61 numbers of four bytes, 2^63 in all"),
        ("array-wraps", u32, 1 << 62, "2^62 numbers of four bytes, none when it wraps"),
        ("array-strings", string, 1 << 60, "2^60 texts"),
        ("array-of-arrays", array, 1 << 60, "2^60 lists"),
    ]:
        value = struct.pack("<IQ", kind, count) + bytes(24)
        yield case(name, gguf([pair("k", array, value)], [info("a", [4])]), f"a list of {what}")
    # 12 bytes a level.
    depth = 5_000
    nested = struct.pack("<IQ", array, 1) * depth
    yield case("nested", gguf([pair("k", array, nested + struct.pack("<IQ", u32, 0))], [info("a", [4])]), "5,000 nested lists", "any")
    yield case("nested-open", gguf([pair("k", array, nested)], data=b""), "5,000 nested lists, then the end of the file")
    yield case("value-type", gguf([pair("k", 99, bytes(8))], [info("a", [4])]), "metadata of an unknown type")
    yield case("bool-2", gguf([pair("k", 7, b"\x02")], [info("a", [4])]), "a truth value of 2", "any")
    for name, value in [("0", 0), ("3", 3), ("2-31", 1 << 31), ("max", 0xFFFF_FFFF)]:
        pairs = [pair(alignment, u32, struct.pack("<I", value))]
        yield case(f"alignment-{name}", gguf(pairs, [info("a", [4])]), f"an alignment of {value}", "any" if value == 3 else "none")
    pairs = [pair(alignment, string, text("32"))]
    yield case("alignment-text", gguf(pairs, [info("a", [4])]), "an alignment that is a text", "any")
    pairs = [pair(alignment, u32, struct.pack("<I", value)) for value in (32, 64)]
    yield case("alignment-twice", gguf(pairs, [info("a", [4])]), "two alignments", "any")

    for name, infos, why in [
        ("rank-max", [info("a", [4], rank=0xFFFF_FFFF)], "2^32 − 1 dimensions"),
        ("product-overflow", [info("a", [1 << 40, 1 << 40])], "2^80 elements"),
        ("product-wraps", [info("a", [(1 << 62) + 4])], "2^64 + 16 bytes, 16 when it wraps"),
        ("offset-past-end", [info("a", [4], offset=1 << 40)], "a tensor after the end of the file"),
        ("offset-wraps", [info("a", [4], offset=(1 << 64) - 32)], "an offset that wraps around the end of the numbers"),
        ("overlap", [info("a", [12]), info("b", [4], offset=32)], "two tensors share bytes"),
        ("duplicate", [info("a", [4]), info("a", [4], offset=32)], "two tensors of one name"),
        ("type-unknown", [info("a", [4], kind=9999)], "an unknown element type"),
        ("type-removed", [info("a", [32], kind=4)], "an element type that was taken back, Q4_2"),
        ("block-cut", [info("a", [33], kind=8)], "33 elements in blocks of 32"),
    ]:
        yield case(name, gguf([], infos), why)
    yield case("block-split", gguf([], [info("a", [16, 2], kind=8)]), "a block of 32 over two rows of 16", "any")
    yield case("offset-odd", gguf([], [info("a", [4], offset=5)]), "a tensor that is not aligned", "any")
    yield case("dimension-0", gguf([], [info("a", [0, 1 << 63, 1 << 63])]), "no elements, by a product that overflows", "any")
    yield case("rank-0", gguf([], [info("a", [])]), "no dimensions", "any")
    yield case("name-not-utf8", good.replace(b"\x01\0\0\0\0\0\0\0a", b"\x01\0\0\0\0\0\0\0\xff"), "a name that is no UTF-8")


def onnx_cases():
    def case(name, data, why, layout="none"):
        return Case(f"onnx-{name}.onnx", data, "onnx", why, layout)

    def varint(value):
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    def number(field, value):
        return varint(field << 3) + varint(value)

    def block(field, data, length=None):
        data = data.encode() if isinstance(data, str) else data
        return varint(field << 3 | 2) + varint(len(data) if length is None else length) + data

    def tensor(name="w", dims=(512,), dtype=1, raw=bytes(range(256)) * 8, more=b""):
        dims = b"".join(number(1, n % (1 << 64)) for n in dims)
        return dims + number(2, dtype) + block(8, name) + block(9, raw) + more

    def graph(*tensors, more=b""):
        return block(2, "tiny") + b"".join(block(5, one) for one in tensors) + more

    head = number(1, 10) + block(2, "git-model tests")
    opset = block(8, block(1, "") + number(2, 21))

    def model(*tensors, graph_more=b""):
        return head + block(7, graph(*tensors, more=graph_more)) + opset

    good = model(tensor())
    yield case("good", good, GOOD, "model")
    yield case("half", cut(good, "half"), "the file ends within an initializer")
    yield case("last-byte-missing", cut(good, "last byte"), "the file lacks a byte")
    yield case("length-past-end", head + block(7, graph(tensor()), 1 << 40), "a graph that reaches past the end")
    yield case("length-max", head + block(7, graph(tensor()), (1 << 64) - 1), "a graph of 2^64 − 1 bytes")
    yield case("length-over-parent", head + block(7, block(5, tensor(), 5000)) + opset + bytes(5000), "an initializer that is longer than its graph")
    yield case("varint-open", head + b"\x3a" + b"\xff" * 30, "a number that does not end")
    yield case("varint-wide", b"\x08" + b"\xff" * 9 + b"\x7f" + good, "a number over 64 bits", "any")
    yield case("field-0", head + b"\x02\x00" + good, "a field numbered 0")
    yield case("wire-type-7", head + b"\x0f" + good, "an unknown kind of field")
    yield case("groups", head + varint(100 << 3 | 3) * (DEPTH // 2), "30,000 open groups")
    nested, level = b"", 0
    while len(nested) < 50_000:
        # A node's attribute is a graph that has a node.
        nested = block((6, 5, 1)[level % 3], nested)
        level += 1
    yield case("nested", head + block(7, nested) + opset, "graphs within attributes within nodes, thousands deep", "any")

    for name, one, why in [
        ("dims-overflow", tensor(dims=(1 << 32, 1 << 32, 512)), "2^73 elements"),
        ("dims-wrap", tensor(dims=((1 << 62) + 512,)), "2^64 + 2048 bytes, 2048 when it wraps"),
        ("dims-negative", tensor(dims=(-1, -512)), "negative dimensions with a positive product"),
        ("dims-too-small", tensor(dims=(511,)), "more bytes than the shape says"),
        ("dims-too-large", tensor(dims=(513,)), "fewer bytes than the shape says"),
        ("dtype-999", tensor(dtype=999), "an unknown element type"),
        ("dtype-string", tensor(dtype=8), "texts as raw bytes"),
        ("name-not-utf8", tensor(name=b"\xff\xfe"), "a name that is no UTF-8"),
    ]:
        yield case(name, model(one), why, "any")
    yield case("duplicate", model(tensor(), tensor(raw=bytes(2048))), "two initializers of one name", "any")
    yield case("nameless", model(tensor(name=""), tensor(name="", raw=bytes(2048))), "two initializers without a name", "any")
    yield case("raw-twice", model(tensor(more=block(9, bytes(2048)))), "the bytes of an initializer twice: the last ones count", "any")
    yield case("raw-and-typed", model(tensor(more=block(4, bytes(2048)))), "raw bytes and a list of floats", "any")
    yield case("two-graphs", head + block(7, graph(tensor())) + block(7, graph(tensor("v"))) + opset, "two graphs, which readers merge", "any")
    for name, location in [("absolute", "/etc/passwd"), ("parent", "../../../../etc/passwd"), ("itself", "onnx-external-itself.onnx")]:
        pairs = b"".join(block(13, block(1, key) + block(2, value)) for key, value in [("location", location), ("offset", "0"), ("length", "99999999999")])
        one = number(1, 4) + number(2, 1) + block(8, "w") + pairs + number(14, 1)
        yield case(f"external-{name}", model(one), f"external data in `{location}`, which must not be opened", "any")


def text_cases():
    def case(name, data, why, looks_like="manifest", layout="none"):
        return Case(name, data.encode() if isinstance(data, str) else data, looks_like, why, layout)

    digest, skeleton = sha256(b"a tensor that nobody has"), sha256(b"a skeleton that nobody has")

    def line(**fields):
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    # 64 bytes of tensors in a file of 100.
    first = line(**{"git-model": 1}, format="safetensors", size=100, skeleton=skeleton)
    records = [line(name=name, dtype="F32", shape=[8], sha256=digest) for name in "ab"]
    good = "\n\n".join([first, *records]) + "\n"
    yield case("manifest-whole.txt", good, "a manifest, whose objects nobody has", layout="any")
    yield case("manifest-garbage.txt", first + "\n\nand then something else\n", "a good first line, then something else")
    yield case("manifest-binary.txt", first.encode() + b"\n\n" + bytes(range(256)), "a good first line, then binary")
    yield case("manifest-version-99.txt", good.replace('{"git-model":1', '{"git-model":99'), "an unknown version", layout="any")
    yield case("manifest-version-99-only.txt", '{"git-model":99,"format":"unheard-of"}\n', "an unknown version and nothing else", layout="any")
    yield case("manifest-version-0.txt", good.replace('{"git-model":1', '{"git-model":0'), "version 0")
    yield case("manifest-version-text.txt", good.replace('{"git-model":1', '{"git-model":"1"'), "a version that is a text")
    yield case("manifest-version-huge.txt", good.replace('{"git-model":1', '{"git-model":' + "9" * 400), "a version of 400 digits")
    yield case("manifest-first-line.txt", first + "\n", "the first line only")
    yield case("manifest-half.txt", cut(good, "half"), "half a manifest")
    yield case("manifest-last-line-end-missing.txt", good[:-1], "no line end after the last line", layout="any")
    yield case("manifest-crlf.txt", good.replace("\n", "\r\n"), "lines that end in CR LF")
    yield case("manifest-bom.txt", "\ufeff" + good, "a byte order mark before the first line")
    yield case("manifest-space-before.txt", " " + good, "a space before the first line")
    yield case("manifest-keys-in-other-order.txt", good.replace(first, line(format="safetensors", **{"git-model": 1}, size=100, skeleton=skeleton)), "the version is not the first key", layout="any")
    yield case("manifest-duplicate.txt", "\n\n".join([first, records[0], records[0]]) + "\n", "two records of one name")
    yield case("manifest-size-wrong.txt", good.replace('"size":100', '"size":10'), "tensors larger than the file")
    yield case("manifest-size-2-63.txt", good.replace('"size":100', '"size":9223372036854775808'), "a size of 2^63")
    yield case("manifest-size-negative.txt", good.replace('"size":100', '"size":-1'), "a size of −1")
    yield case("manifest-shape-overflow.txt", good.replace('"shape":[8]', '"shape":[4294967296,4294967296,4]', 1), "2^66 elements")
    yield case("manifest-dtype-unknown.txt", good.replace("F32", "F31", 1), "an unknown dtype")
    yield case("manifest-digest-path.txt", good.replace(digest, "../" * 21 + "x", 1), "a digest that is a path")
    yield case("manifest-digest-short.txt", good.replace(digest, digest[:63], 1), "a digest of 63 digits")
    yield case("manifest-digest-upper.txt", good.replace(digest, digest.upper(), 1), "a digest in capital letters")
    yield case("manifest-nested.txt", first[:-1] + ',"x":' + "[" * DEPTH, "60,000 open brackets in the first line")
    yield case("manifest-long-line.txt", first[:-1] + ',"x":"' + "y" * 60_000 + '"}\n\n' + "\n\n".join(records) + "\n", "a first line of 60,000 letters", layout="any")
    ours, theirs = records[0], records[0].replace(digest, sha256(b"another tensor"))
    conflict = f"<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> topic"
    yield case("manifest-conflict.txt", "\n\n".join([first, conflict, records[1]]) + "\n", "a manifest with the marks of a conflict")
    yield case("conflict.txt", "<<<<<<< HEAD\nours\n||||||| base\nbase\n=======\ntheirs\n>>>>>>> topic\n", "a text with the marks of a conflict", "text")
    lfs = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n"
    yield case("lfs-pointer.txt", lfs, "a pointer of git-lfs", "lfs")
    yield case("lfs-pointer-extension.txt", lfs.replace("oid", f"ext-0-foo sha256:{skeleton}\noid"), "a pointer of git-lfs with an extension", "lfs")
    yield case("skeleton.bin", b"GMSK\x01\x01\x03abc", "the bytes of a skeleton", "skeleton")
    yield case("skeleton-counts.bin", b"GMSK\x01" + b"\xff" * 9 + b"\x01" + b"\x01" * 8, "a skeleton of 2^64 − 1 gaps", "skeleton")
    yield case("pack.bin", b"GMPACK01" + b"\xff" * 64, "the start of a pack", "pack")
    yield case("empty", b"", "an empty file", "nothing")
    yield case("one-byte", b"{", "one byte", "nothing")
    yield case("one-line-end", b"\n", "one line end", "nothing")
    yield case("bom.txt", "\ufeffhello\n", "a text after a byte order mark", "text")
    yield case("utf-16.txt", "\ufeffhello\n".encode("utf-16-le"), "a text in UTF-16", "text")
    yield case("crlf.txt", b"one\r\ntwo\nthree\r", "line ends of three kinds", "text")
    yield case("nuls-4kib.bin", bytes(4096), "4 KiB of NULs", "nothing")
    yield case("ones-4kib.bin", b"\xff" * 4096, "4 KiB of 0xFF", "nothing")
    yield case("packet-lines.txt", b"0000000cstatus=ok0000" * 20, "the lines by which git and its filters talk", "text")
    noise = normal("noise", 2048, scale=1.0).astype(np.float32).tobytes()
    yield case("raw-floats.bin", noise, "nothing but floats", "nothing")
