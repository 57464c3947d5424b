"""Zip archives in general, and those that are PyTorch checkpoints, .npz and .keras files."""

import io
import json
import struct
import zlib

import h5py
import numpy as np

from .hostile_case import DEPTH, GOOD, Case, cut
from .hostile_flat import pickle_that_runs
from .tensors import normal

STORED, DEFLATED = 0, 8
U32_MAX, U64_MAX = (1 << 32) - 1, (1 << 64) - 1


def cases():
    yield from zip_cases()
    yield from pickle_cases()
    yield from keras_cases()


def member(name, data, method=STORED, /, **lies):
    """One member. `lies` replace what the headers say: `local_…` in the one before the data, `central_…` in the
    directory, others in both."""
    assert all(key.removeprefix("local_").removeprefix("central_") in FIELDS for key in lies), lies
    if method == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        stored = packer.compress(data) + packer.flush()
    else:
        stored = data
    facts = {"name": name, "method": method, "flags": 0x800, "crc": zlib.crc32(data), "stored": len(stored), "size": len(data), "extra": b""}
    both = {key: value for key, value in lies.items() if key in FIELDS}
    local = facts | both | {key[6:]: value for key, value in lies.items() if key.startswith("local_")}
    central = facts | both | {key[8:]: value for key, value in lies.items() if key.startswith("central_")}
    return local, central, stored


FIELDS = ["name", "method", "flags", "crc", "stored", "size", "extra", "offset"]


def archive(*members, before=b"", between=b"", after=b"", comment=b"", zip64=None, **lies):
    """A zip archive of `members`. `lies` replace what the end record says: count, length, offset, comment_length.

    `zip64`: a function from (count, length, offset, where the directory ends) to the records of zip64.
    """
    out, directory = bytearray(before), b""
    for local, central, stored in members:
        offset = central.get("offset", len(out))
        out += local_header(local) + stored
        directory += central_header(central, offset)
    out += between
    start = len(out)
    out += directory
    count, length = len(members), len(directory)
    if zip64:
        out += zip64(count, length, start, len(out))
    end = {"count": count, "length": length, "offset": start, "comment_length": len(comment)} | lies
    count = end["count"] & 0xFFFF
    out += b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, end["length"], end["offset"], end["comment_length"])
    return bytes(out) + comment + after


def local_header(facts):
    name = facts["name"] if isinstance(facts["name"], bytes) else facts["name"].encode()
    numbers = (20, facts["flags"], facts["method"], 0, 0x21, facts["crc"], facts["stored"], facts["size"])
    return b"PK\3\4" + struct.pack("<HHHHHIIIHH", *numbers, len(name), len(facts["extra"])) + name + facts["extra"]


def central_header(facts, offset):
    name = facts["name"] if isinstance(facts["name"], bytes) else facts["name"].encode()
    numbers = (20, 20, facts["flags"], facts["method"], 0, 0x21, facts["crc"], facts["stored"], facts["size"])
    tail = (len(name), len(facts["extra"]), 0, 0, 0, 0, offset)
    return b"PK\1\2" + struct.pack("<HHHHHHIIIHHHHHII", *numbers, *tail) + name + facts["extra"]


def zip64_records(count=None, length=None, offset=None, at=None):
    """The end record and the locator of zip64, with lies."""

    def records(true_count, true_length, true_offset, end):
        numbers = [true if lie is None else lie for lie, true in ((count, true_count), (length, true_length), (offset, true_offset))]
        record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, numbers[0], numbers[0], numbers[1], numbers[2])
        return record + b"PK\6\7" + struct.pack("<IQI", 0, end if at is None else at, 1)

    return records


def zip64_extra(*numbers):
    return struct.pack("<HH", 1, 8 * len(numbers)) + struct.pack(f"<{len(numbers)}Q", *numbers)


def array(label, *shape):
    out = io.BytesIO()
    np.lib.format.write_array(out, normal(f"hostile {label}", *shape))
    return out.getvalue()


# PyTorch pickles by their opcodes.


def text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def integer(value):
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def integers(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(key="0", elements=4, shape=(4,), strides=(1,), offset=0, storage="FloatStorage"):
    place = b"(" + text("storage") + b"ctorch\n" + storage.encode() + b"\n" + text(key) + text("cpu") + integer(elements) + b"tQ"
    rest = integer(offset) + integers(shape) + integers(strides) + b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + rest + b"tR"


def dictionary(*items):
    return b"}(" + b"".join(text(name) + value for name, value in items) + b"u"


def pickled(value):
    return b"\x80\x02" + value + b"."


STORAGES = {"0": normal("hostile storage 0", 4).tobytes(), "1": normal("hostile storage 1", 8).tobytes()}
STATE = pickled(dictionary(("a", tensor()), ("b", tensor("1", 8, (2, 4), (4, 1)))))


def checkpoint(pickle=STATE, storages=STORAGES, method=STORED):
    return archive(
        member("archive/data.pkl", pickle, method),
        member("archive/byteorder", b"little"),
        *(member(f"archive/data/{key}", data) for key, data in storages.items()),
        member("archive/version", b"3\n"),
    )


def zip_cases():
    def case(name, data, why, layout="none"):
        return Case(f"zip-{name}.npz", data, "npz", why, layout)

    a, b = array("a", 16), array("b", 24)
    good = archive(member("a.npy", a), member("b.npy", b))
    yield case("good", good, GOOD, "model")
    directory = good.index(b"PK\1\2")
    end = good.index(b"PK\5\6")
    yield case("half", cut(good, "half"), "the file ends within a member")
    yield case("directory-half", good[: directory + 30], "the file ends within the directory")
    yield case("end-missing", good[:end], "no end record")
    yield case("last-byte-missing", cut(good, "last byte"), "the end record lacks a byte")
    yield case("end-only", good[end:], "an end record and nothing before it")
    yield case("empty-archive", archive(), "an archive of nothing", "any")
    yield case("one-byte-more", good + b"!", "a byte after the end record", "any")
    yield case("local-only", good[:30], "the first header and nothing more")
    yield case("magic-only", good[:4], "the magic and nothing more")

    two = [member("a.npy", a), member("b.npy", b)]
    for name, lies, why in [
        ("count-max", {"count": 0xFFFF}, "65,535 members by the end record"),
        ("count-one-more", {"count": 3}, "one member more by the end record than there is"),
        ("count-one-less", {"count": 1}, "one member less by the end record than there is"),
        ("count-0", {"count": 0}, "no members by the end record"),
        ("directory-outside", {"offset": 1 << 31}, "a directory after the end of the file"),
        ("directory-at-max", {"offset": U32_MAX}, "a directory at 2^32 − 1 without zip64"),
        ("directory-at-0", {"offset": 0}, "a directory where the first member is"),
        ("directory-at-end", {"offset": end}, "a directory where the end record is"),
        ("directory-length-max", {"length": U32_MAX}, "a directory of 2^32 − 1 bytes"),
        ("directory-length-0", {"length": 0}, "a directory of no bytes"),
    ]:
        # Readers differ in which of these numbers they use at all.
        yield case(name, archive(*two, **lies), why, "any")
    yield case("comment-past-end", archive(*two, comment_length=0xFFFF), "a comment that reaches past the end", "any")
    yield case("comment-is-end", archive(*two, comment=good[end:]), "a comment that is an end record", "any")
    yield case("comment-long", archive(*two, comment=b"PK\5\6" * 15_000), "a comment of 15,000 magics of end records", "any")
    yield case("archive-in-archive", archive(member("inner.npz", good), *two), "an archive within the archive", "any")
    yield case("two-archives", good + good, "two archives, one behind the other", "any")
    yield case("bytes-before", b"#!/bin/sh\nexit\n" + good, "bytes before the archive, which its offsets leave out", "any")
    yield case("bytes-before-counted", archive(*two, before=b"#!/bin/sh\nexit\n"), "bytes before the archive", "any")
    yield case("bytes-between", archive(*two, between=bytes(100)), "bytes before the directory", "any")

    for name, lies, why in [
        ("offset-outside", {"central_offset": 1 << 31}, "a member after the end of the file"),
        ("offset-of-directory", {"central_offset": directory}, "a member where the directory is"),
        ("offset-odd", {"central_offset": 1}, "a member where no header is"),
        ("sizes-2gib", {"stored": 1 << 31, "size": 1 << 31}, "a stored member of 2 GiB"),
        ("sizes-past-directory", {"stored": len(a) + 60, "size": len(a) + 60}, "a stored member that reaches into the directory"),
        ("sizes-differ", {"size": len(a) + 1}, "a stored member of two sizes"),
        ("local-sizes-differ", {"local_stored": 4, "local_size": 4}, "other sizes before the member than in the directory"),
        ("local-name-differs", {"local_name": "z.npy"}, "another name before the member than in the directory"),
        ("local-method-differs", {"local_method": DEFLATED}, "another method before the member than in the directory"),
        ("extra-past-end", {"central_extra": b"\1\0\xff\xff"}, "an extra field that reaches past its end"),
        ("encrypted", {"flags": 0x801}, "an encrypted member"),
        ("method-99", {"method": 99}, "an unknown method"),
        ("crc-wrong", {"crc": 0x12345678}, "a wrong checksum"),
        ("streamed", {"flags": 0x808}, "a descriptor after the data is announced, and there is none"),
        ("name-path", {"name": "../../../tmp/escaped.npy"}, "a name that is a path out of the folder"),
        ("name-absolute", {"name": "/etc/passwd.npy"}, "a name that is an absolute path"),
        ("name-empty", {"name": ""}, "a name of no letters"),
        ("name-only-suffix", {"name": ".npy"}, "an array without a name"),
        ("name-nul", {"name": "a\0b.npy"}, "a NUL in a name"),
        ("name-not-utf8", {"name": b"\xff\xfe.npy"}, "a name that is no UTF-8"),
        ("name-folder", {"name": "a.npy/"}, "a folder with bytes"),
        ("name-long", {"name": "n" * 30_000 + ".npy"}, "a name of 30,000 letters"),
    ]:
        yield case(name, archive(member("a.npy", a, **lies), member("b.npy", b)), why, "any")

    yield case("overlap", archive(member("a.npy", a), member("b.npy", b, central_offset=0)), "two members in one place")
    same = [member(f"{number}.npy", a if number == 0 else b"", central_offset=0, **({} if number == 0 else {"crc": zlib.crc32(a), "stored": len(a), "size": len(a)})) for number in range(200)]
    yield case("overlap-200", archive(*same), "200 members in one place")
    header = local_header(member("a.npy", b"")[0])
    swallow = member("a.npy", a + local_header(member("b.npy", b)[0]) + b)
    within = member("b.npy", b"", crc=zlib.crc32(b), stored=len(b), size=len(b), central_offset=len(header) + len(a))
    yield case("overlap-within", archive(swallow, within), "a member within a member, behind its array", "any")
    yield case("duplicate", archive(member("a.npy", a), member("a.npy", array("c", 16))), "two members of one name")

    bomb = member("a.npy", bytes(4 << 20), DEFLATED)
    yield case("bomb-4mib", archive(bomb), "4 MiB of zeros in 4 KiB", "any")
    yield case("bomb-claims-4gib", archive(member("a.npy", a, DEFLATED, size=U32_MAX - 1)), "a small member that claims to unpack to 4 GiB", "any")
    yield case("deflate-broken", archive(member("a.npy", b"\xff" * 100, local_method=DEFLATED, central_method=DEFLATED)), "a compressed member that is none", "any")
    yield case("many-members", archive(*(member(f"{number:x}", b"") for number in range(700))), "700 members of no bytes", "any")

    huge = {"stored": U32_MAX, "size": U32_MAX}
    for name, extra, why in [
        ("zip64-sizes-2-63", zip64_extra(1 << 63, 1 << 63), "a member of 2^63 bytes"),
        ("zip64-sizes-max", zip64_extra(U64_MAX, U64_MAX), "a member of 2^64 − 1 bytes"),
        ("zip64-extra-missing", b"", "sizes that zip64 should give and does not"),
        ("zip64-extra-short", struct.pack("<HHI", 1, 4, 7), "sizes of zip64 cut short"),
        ("zip64-extra-open", struct.pack("<HH", 1, 16), "sizes of zip64 past the end of the field"),
    ]:
        yield case(name, archive(member("a.npy", a, extra=extra, **huge)), why, "any")
    outside = member("a.npy", a, central_extra=zip64_extra(1 << 62), central_offset=U32_MAX)
    yield case("zip64-offset-2-62", archive(outside), "a member at 2^62", "any")
    for name, lies, why in [
        ("zip64-count-2-60", {"count": 1 << 60}, "2^60 members by zip64"),
        ("zip64-length-max", {"length": U64_MAX}, "a directory of 2^64 − 1 bytes by zip64"),
        ("zip64-directory-outside", {"offset": 1 << 62}, "a directory at 2^62 by zip64"),
        ("zip64-directory-wraps", {"offset": U64_MAX - 50}, "a directory that wraps around the end of the numbers"),
        ("zip64-record-outside", {"at": 1 << 62}, "an end record of zip64 at 2^62"),
        ("zip64-record-max", {"at": U64_MAX}, "an end record of zip64 at 2^64 − 1"),
        ("zip64-record-at-0", {"at": 0}, "an end record of zip64 where the first member is"),
    ]:
        # Readers that need none of these numbers get at the members all the same.
        layout = "none" if {"length", "offset"} & lies.keys() else "any"
        data = archive(*two, zip64=zip64_records(**lies), count=0xFFFF, length=U32_MAX, offset=U32_MAX)
        yield case(name, data, why, layout)

    broken = b"\x93NUMPY\1\0\xff\xff{'descr': "
    yield case("npy-broken", archive(member("a.npy", broken), member("b.npy", b)), "a member that is no array", "any")
    yield case("npy-object", archive(member("a.npy", b"\x93NUMPY\1\0\x36\0{'descr': '|O', 'fortran_order': False, 'shape': (), }\n" + pickle_that_runs())), "an array of objects: a pickle that runs a command", "any")


def pickle_cases():
    def case(name, pickle, why, layout="any", **options):
        return Case(f"pytorch-{name}.pt", checkpoint(pickle, **options), "pytorch", why, layout)

    good = checkpoint()
    yield Case("pytorch-good.pt", good, "pytorch", GOOD, "model")
    yield Case("pytorch-half.pt", cut(good, "half"), "pytorch", "the file ends within a storage")
    yield Case("pytorch-last-byte-missing.pt", cut(good, "last byte"), "pytorch", "the end record lacks a byte")

    a = ("a", tensor())
    runs = pickle_that_runs()
    call = runs[2:-1]
    yield case("runs-command", runs, "a pickle that runs a command")
    yield case("runs-command-within", pickled(dictionary(("a", call), ("b", tensor()))), "a state of which one part runs a command")
    yield case("runs-command-build", pickled(dictionary(a) + b"c__main__\nx\n" + call + b"b"), "a command in the state of an object")
    yield case("runs-code-inst", b"(X\x04\0\0\x001+1\n" + b"i__builtin__\neval\n.", "the call of `eval` in the old manner")
    yield case("runs-code-newobj", b"\x80\x02cbuiltins\neval\n" + text("1+1") + b"\x85\x81.", "the call of `eval` as a class")
    yield case("runs-code-stack-global", b"\x80\x04\x8c\x02os\x8c\x06system" + b"\x93" + text("true") + b"\x85R.", "the call of `os.system` with the name on the stack")
    yield case("storage-is-call", pickled(dictionary(("a", tensor().replace(b"ctorch\nFloatStorage\n", call)))), "a command where a storage's type is")
    yield case("key-is-call", pickled(b"}(" + call + tensor() + b"u"), "a command where a name is")

    # Depth, size and cycles.
    yield case("lists-deep", pickled(b"]" * 25_000 + b"a" * 24_999), "25,000 nested lists")
    yield case("lists-deep-around", pickled(b"]" * 25_000 + tensor() + b"a" * 25_000), "a tensor in 25,000 nested lists")
    yield case("tuples-deep", pickled(b")" + b"\x85" * (DEPTH - 3_000)), "57,000 nested tuples")
    yield case("dictionaries-deep", pickled(b"}" + b"(X\1\0\0\0k}" * 5_000 + b"u" * 5_000), "5,000 nested dictionaries")
    yield case("marks", pickled(b"(" * (DEPTH - 3_000)), "57,000 open marks")
    yield case("list-in-itself", pickled(b"]q\0h\0a"), "a list that holds itself")
    yield case("dictionary-in-itself", pickled(b"}q\0" + text("self") + b"h\0s" + text("a") + tensor() + b"s"), "a dictionary that holds itself, and a tensor")
    yield case("tuple-in-itself", pickled(b"]q\0h\0\x85ah\0"), "a list of a tuple of the list")
    doubled = tensor() + b"q\0" + b"".join(b"0h%ch%c\x86q%c" % (level, level, level + 1) for level in range(60))
    yield case("doubling", pickled(doubled), "pairs of pairs, 60 deep: 2^60 ways to one tensor")
    doubled = b"]q\0" + b"".join(b"0](h%ch%ceq%c" % (level, level, level + 1) for level in range(60))
    yield case("doubling-lists", pickled(doubled), "lists of the same list twice, 60 deep")
    tens = text("n" * 50) + b"q\0" + b"0" + b"}" + b"h\0}s" * 5_000
    yield case("key-again", pickled(tens), "one key 5,000 times")
    names = b"".join(b"(" + text("n" * 20) + b"}" for _ in range(1_000)) + text("a") + tensor() + b"s" + b"u" * 1_000
    yield case("path-long", pickled(b"}" + names), "a path of 1,000 names of 20 letters")

    # The machine.
    state = dictionary(a)
    yield case("stop-missing", b"\x80\x02" + state, "no end")
    yield case("empty", b"", "a pickle of no bytes")
    yield case("stop-only", b".", "an end and nothing before it")
    yield case("stack-empty", b"\x80\x02" + b"0" * 100 + b".", "drops from an empty stack")
    yield case("mark-missing", b"\x80\x02tuesd.", "marks that are not there")
    yield case("memo-unset", pickled(b"h\x07"), "a note that nobody took")
    yield case("memo-max", pickled(b"]r\xff\xff\xff\xff"), "note number 2^32 − 1")
    yield case("memo-text-negative", pickled(b"]p-1\n"), "note number −1")
    yield case("memo-text-long", pickled(b"]p" + b"9" * 5_000 + b"\n"), "a note's number of 5,000 digits")
    yield case("memo-many", pickled(b"]" + b"\x94" * 50_000), "50,000 notes")
    yield case("text-2gib", pickled(b"X\xff\xff\xff\x7fabc"), "a text of 2 GiB")
    yield case("text-2-60", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"abc.", "a text of 2^60 bytes")
    yield case("bytes-2-60", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc.", "bytes, 2^60 of them")
    yield case("bytearray-max", b"\x80\x05\x96" + struct.pack("<Q", U64_MAX) + b"abc.", "an array of 2^64 − 1 bytes")
    yield case("frame-max", b"\x80\x04\x95" + struct.pack("<Q", U64_MAX) + state + b".", "a frame of 2^64 − 1 bytes")
    yield case("long-2gib", pickled(b"\x8b\xff\xff\xff\x7f\x01"), "a number of 2 GiB")
    yield case("long-negative", pickled(b"\x8b\xff\xff\xff\xff\x01"), "a number of −1 bytes")
    yield case("int-digits", pickled(b"I" + b"9" * 50_000 + b"\n"), "a number of 50,000 digits")
    yield case("extension", pickled(b"\x82\x01"), "a call out of the registry of extensions")
    yield case("opcode-unknown", pickled(b"\xff"), "an unknown instruction")
    yield case("protocol-255", b"\x80\xff" + state + b".", "protocol 255")
    yield case("line-open", b"\x80\x02ctorch", "a name that does not end")
    yield case("text-not-utf8", pickled(b"}X\2\0\0\0\xff\xfe" + tensor() + b"s"), "a name that is no UTF-8")
    yield case("text-surrogate", pickled(b"}X\3\0\0\0\xed\xa0\x80" + tensor() + b"s"), "half a surrogate pair for a name")
    yield case("two-pickles", STATE + pickled(dictionary(("c", tensor()))), "a second pickle after the first")

    # Tensors and storages that do not fit.
    for name, one, why in [
        ("elements-2-62", tensor(elements=1 << 62), "a storage of 2^62 elements"),
        ("elements-wrap", tensor(elements=(1 << 62) + 4), "a storage of 2^64 + 16 bytes, 16 when it wraps"),
        ("elements-negative", tensor(elements=-4), "a storage of −4 elements"),
        ("elements-too-many", tensor(elements=5), "more elements than the storage has bytes for"),
        ("elements-too-few", tensor(elements=3), "fewer elements than the storage has bytes for"),
        ("shape-past-storage", tensor(shape=(5,)), "a tensor longer than its storage"),
        ("shape-overflow", tensor(shape=(1 << 62, 1 << 62)), "a tensor of 2^124 elements"),
        ("shape-negative", tensor(shape=(-2, -2), strides=(2, 1)), "negative dimensions with a positive product"),
        ("strides-wrap", tensor(shape=(2, 2), strides=(1 << 63, 1)), "strides that wrap around the end of the numbers"),
        ("strides-missing", tensor(shape=(2, 2), strides=(1,)), "fewer strides than dimensions"),
        ("offset-negative", tensor(offset=-1), "a tensor that starts before its storage"),
        ("offset-max", tensor(offset=(1 << 64) - 1), "a tensor that starts at 2^64 − 1"),
        ("key-missing", tensor(key="7"), "a storage that the archive lacks"),
        ("key-path", tensor(key="../version"), "a storage whose key is a path"),
        ("key-empty", tensor(key=""), "a storage without a key"),
        ("type-unknown", tensor(storage="NoSuchStorage"), "a storage of an unknown type"),
        ("type-quantized", tensor(storage="QInt8Storage", elements=16), "a storage of quantized numbers"),
    ]:
        yield case(name, pickled(dictionary(("a", one))), why)
    yield case("two-types", pickled(dictionary(a, ("b", tensor(storage="IntStorage")))), "one storage as floats and as integers")
    yield case("two-lengths", pickled(dictionary(a, ("b", tensor(elements=2, shape=(2,))))), "one storage of two lengths")
    yield case("one-name", pickled(dictionary(a, ("a", tensor("1", 8, (8,))))), "two storages by one name")
    yield case("dots", pickled(dictionary(("x.y", tensor()), ("x", dictionary(("y", tensor("1", 8, (8,))))))), "two storages by one dotted path")
    yield case("name-of-storage", pickled(dictionary(("storage/1", tensor()), ("b", tensor("1", 8, (4,))))), "a tensor by the name that another storage falls back to")
    yield case("persistent-text", pickled(b"Pstorage\n"), "a storage named in the old manner")
    yield case("persistent-not-tuple", pickled(text("storage") + b"Q"), "a storage named by a text")
    yield case("deflated", STATE, "a pickle that is deflated", method=DEFLATED)
    yield case("pickle-only", STATE, "a state without its storages", storages={})
    yield case("big-endian", STATE, "an archive of big-endian storages")._replace(data=checkpoint().replace(b"little", b"bigend"))
    deflated = archive(member("archive/data.pkl", b"\x80\x02" + b"]" * (1 << 20) + b"a" * ((1 << 20) - 1) + b".", DEFLATED), member("archive/data/0", STORAGES["0"]))
    yield Case("pytorch-bomb.pt", deflated, "pytorch", "a million nested lists in a deflated pickle", "any")
    twice = archive(member("one/data.pkl", STATE), member("two/data.pkl", STATE), member("one/data/0", STORAGES["0"]), member("two/data/0", STORAGES["1"]))
    yield Case("pytorch-two-roots.pt", twice, "pytorch", "two checkpoints in one archive", "any")


def keras_cases():
    def case(name, *members, why, layout="any"):
        return Case(f"keras-{name}.keras", archive(*members), "keras", why, layout)

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=normal("hostile keras", 20, 20))
    weights = out.getvalue()
    config = member("config.json", b"{}")
    metadata = member("metadata.json", json.dumps({"keras_version": "3.0.0"}).encode())
    inner = "model.weights.h5"
    yield case("good", metadata, config, member(inner, weights), why=GOOD, layout="model")
    yield case("weights-half", metadata, config, member(inner, cut(weights, "half")), why="half the weights")
    yield case("weights-missing", metadata, config, why="no weights")
    yield case("weights-twice", metadata, config, member(inner, weights), member(inner, weights), why="the weights twice", layout="none")
    yield case("weights-deflated", metadata, config, member(inner, weights, DEFLATED), why="deflated weights")
    yield case("weights-not-hdf5", metadata, config, member(inner, b"not HDF5"), why="weights that are none")
    nested = member("config.json", b"[" * 1_000_000, DEFLATED)
    yield case("config-nested", metadata, nested, member(inner, weights), why="a million open brackets in a deflated config")
    yield case("only-names", member("metadata.json", b""), member("config.json", b""), member(inner, b""), why="the right names and no bytes")
