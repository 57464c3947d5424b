#!/usr/bin/env python3
"""Reads files out of a git-model store, from docs/FORMAT.md alone and with nothing of git-model.

    read_store.py [-C REPOSITORY] [REVISION:]PATH [> FILE]    writes the file
    read_store.py [-C REPOSITORY] --check [REVISION]          reads every manifest of a revision

Checks the SHA-256 of every object and pack index. BLAKE3 is not in Python's library, so blocks are checked only as parts
of their objects. zstd frames are decoded by Python 3.14 or by the program `zstd`.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import struct
import subprocess
import sys

PREFIX = b'{"git-model":'
BLOCK_BYTES = 1 << 20
RECORD_BYTES = 46
FOOTER_BYTES = 64
DEPTH_MAX = 64
BLOCK, RECIPE = 1, 2
RAW, ZERO, F, C = 0, 1, 2, 3
PLANE_RAW, PLANE_FILL, PLANE_ZSTD, PLANE_SPARSE = 0, 1, 2, 3

try:
    from compression.zstd import decompress as unzstd
except ImportError:

    def unzstd(frame):
        return subprocess.run(["zstd", "-d", "-c", "-q"], input=frame, capture_output=True, check=True).stdout


class Broken(Exception):
    """Bytes that break the format."""


def must(condition, what):
    if not condition:
        raise Broken(what)


class Bytes:
    """Takes fields off the front of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        must(self.at + count <= len(self.data), "the bytes end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self, bytes_max=10):
        value = 0
        for index in range(bytes_max):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                must(value < 1 << 64, "a varint has more than 64 bits")
                return value
        raise Broken("a varint does not end")

    def rest(self):
        return self.take(len(self.data) - self.at)


class Store:
    """The packs of a folder."""

    def __init__(self, folders):
        self.entries = {}
        for folder in folders:
            note = folder / "superseded"
            superseded = note.read_text().split() if note.exists() else []
            for path in sorted((folder / "packs").glob("*.pack")):
                if path.stem not in superseded:
                    self.open(path)

    def open(self, path):
        with path.open("rb") as file:
            must(file.read(8) == b"GMPACK01", f"{path}: not a pack")
            end = file.seek(-FOOTER_BYTES, 2)
            index_at, index_len, zero, _, magic = struct.unpack("<QQQ32s8s", file.read(FOOTER_BYTES))
            must(magic == b"GMPKEND1" and zero == 0, f"{path}: not a pack's footer")
            must(index_at + index_len == end and index_len % RECORD_BYTES == 0, f"{path}: footer and size disagree")
            file.seek(index_at)
            index = file.read(index_len)
        must(hashlib.sha256(index).hexdigest() == path.stem, f"{path}: the index is not what the name says")
        before = b""
        for at in range(0, index_len, RECORD_BYTES):
            record = index[at : at + RECORD_BYTES]
            entry_id, kind = record[:32], record[42]
            must(entry_id >= before, f"{path}: the index is not sorted")
            before = entry_id
            offset, length = int.from_bytes(record[32:38], "little"), int.from_bytes(record[38:42], "little")
            must(offset + length <= index_at, f"{path}: an entry lies outside")
            known = self.entries.get((kind, entry_id))
            if known is None or record[44] < known[4]:
                self.entries[kind, entry_id] = path, offset, length, record[43], record[44]

    def payload(self, kind, entry_id):
        """Codec, plain length, base and payload of an entry."""
        must((kind, entry_id) in self.entries, f"{entry_id.hex()} is in no pack")
        path, offset, length, codec, depth = self.entries[kind, entry_id]
        with path.open("rb") as file:
            file.seek(offset)
            entry = Bytes(file.read(length))
        head = struct.unpack("<BBBBII", entry.take(12))
        must(head[:3] == (kind, codec, depth), "entry and index disagree")
        flags, plain_len, stored_len = head[3:]
        must(flags in (0, 1), "unknown flags")
        base = entry.take(32) if flags else None
        payload = entry.rest()
        must(len(payload) == stored_len, "an entry has another length than it says")
        return codec, plain_len, base, payload

    def block(self, block_id, length, depth=0):
        codec, plain_len, base, payload = self.payload(BLOCK, block_id)
        must(plain_len == length and depth <= DEPTH_MAX, "a block of another length, or too many deltas")
        base = None if base is None else self.block(base, length, depth + 1)
        return decode(codec, payload, length, base)

    def object(self, name):
        """The object with this SHA-256, in hexadecimal."""
        codec, _, base, payload = self.payload(RECIPE, bytes.fromhex(name))
        must(codec == RAW and base is None, "a recipe is stored raw")
        recipe = Bytes(payload[:-16])
        cut, length, count = recipe.byte(), recipe.varint(), recipe.varint()
        if cut == 0:
            must(count == -(-length // BLOCK_BYTES), "a recipe's blocks do not make its length")
            lengths = [min(BLOCK_BYTES, length - at * BLOCK_BYTES) for at in range(count)]
        else:
            must(cut == 1, "an unknown cut")
            lengths = [recipe.varint() for _ in range(count)]
        must(sum(lengths) == length and max(lengths, default=0) <= BLOCK_BYTES, "a recipe's lengths do not add up")
        ids = [recipe.take(32) for _ in range(count)]
        must(recipe.at == len(recipe.data), "a recipe goes on after its end")
        content = b"".join(self.block(block_id, length) for block_id, length in zip(ids, lengths))
        must(hashlib.sha256(content).hexdigest() == name, f"object {name} has another SHA-256")
        return content


def decode(codec, payload, length, base):
    if codec == RAW:
        must(len(payload) == length, "a raw block of another length")
        return payload
    if codec == ZERO:
        must(not payload, "a zero block has no payload")
        return bytes(length)
    must(codec in (F, C), "an unknown codec")
    reader = Bytes(payload)
    header = reader.byte()
    width, tail_len = 1 << (header & 3), header >> 3
    must(header < 0x40 and tail_len == length % width, "a reserved bit, or a wrong tail")
    must(bool(header & 4) == (base is not None), "a delta and its base")
    class_count = reader.byte() if codec == C else None
    tail = reader.take(tail_len)
    count = length // width
    if codec == F:
        order, parts = range(count), [count] if count else []
    else:
        must(base is not None and 1 <= class_count <= 64, "sorted differences without a base, or of too many classes")
        order, parts = classes(base, width, count, class_count)
    words = b"".join(interleaved([plane(reader, part) for _ in range(width)]) for part in parts)
    must(reader.at == len(payload), "a payload goes on after its end")

    mask, top = (1 << 8 * width) - 1, 8 * width - 1
    out = bytearray(count * width)
    for place, element in enumerate(order):
        z = int.from_bytes(words[place * width : (place + 1) * width], "little")
        at = element * width
        if base is not None:
            difference = z >> 1 ^ (mask if z & 1 else 0)
            z = int.from_bytes(base[at : at + width], "little") + difference & mask
        elif width > 1:
            z = z >> 1 | (z & 1) << top
        out[at : at + width] = z.to_bytes(width, "little")
    return bytes(out) + tail


def classes(base, width, count, class_count):
    """The elements of a base in the order of their classes, and how many each class has, without the empty ones."""
    shift, mask = (8 * width - 12, 2047) if width > 1 else (0, 127)
    contexts = [int.from_bytes(base[at * width : (at + 1) * width], "little") >> shift & mask for at in range(count)]
    before, class_of = 0, {}
    for context, occurrences in sorted(collections.Counter(contexts).items()):
        class_of[context] = before * class_count // count
        before += occurrences
    order = sorted(range(count), key=lambda element: class_of[contexts[element]])
    sizes = collections.Counter(class_of[context] for context in contexts)
    return order, [sizes[number] for number in sorted(sizes)]


def interleaved(planes):
    whole = bytearray(len(planes) * len(planes[0]))
    for index, content in enumerate(planes):
        whole[index :: len(planes)] = content
    return bytes(whole)


def plane(reader, count, kinds=(PLANE_RAW, PLANE_FILL, PLANE_ZSTD, PLANE_SPARSE)):
    kind = reader.byte()
    must(kind in kinds, "an unknown kind of plane")
    if kind == PLANE_RAW:
        return reader.take(count)
    if kind == PLANE_FILL:
        return reader.take(1) * count
    if kind == PLANE_ZSTD:
        content = unzstd(reader.take(reader.varint(4)))
        must(len(content) == count, "a zstd frame of another length")
        return content
    nonzero_count = reader.varint(4)
    must(nonzero_count <= count, "more non-zero bytes than bytes")
    bitmap = int.from_bytes(plane(reader, -(-count // 8), kinds[:3]), "little")
    nonzero = iter(plane(reader, nonzero_count, kinds[:3]))
    must(bitmap >> count == 0 and bin(bitmap).count("1") == nonzero_count, "a bitmap and its bytes disagree")
    return bytes(next(nonzero) if bitmap >> at & 1 else 0 for at in range(count))


def gaps(skeleton):
    reader = Bytes(skeleton)
    must(reader.take(4) == b"GMSK" and reader.byte() == 1, "not a skeleton")
    lengths = [reader.varint() for _ in range(reader.varint())]
    found = [reader.take(length) for length in lengths]
    must(reader.at == len(skeleton), "a skeleton goes on after its end")
    return found


def restore(store, text):
    """The file that a manifest stands for; other text is the file itself."""
    if not text.startswith(PREFIX):
        return text
    try:
        header, *records = [json.loads(line) for line in text.split(b"\n") if line]
    except ValueError as error:
        raise Broken(f"a manifest that is none: {error}") from error
    must(header["git-model"] == 1 and "key" not in header, "a manifest of another version")
    if header["format"] == "opaque":
        content = store.object(records[0]["sha256"])
    else:
        between = gaps(store.object(header["skeleton"]))
        must(len(between) == len(records) + 1, "a gap too many or too few")
        parts = [between[0]]
        for record, gap in zip(records, between[1:]):
            parts += [store.object(record["sha256"]), gap]
        content = b"".join(parts)
    must(len(content) == header["size"], "a file of another length")
    return content


def git(repository, *arguments):
    return subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True).stdout


def folders(repository):
    common = pathlib.Path(repository) / git(repository, "rev-parse", "--git-common-dir").decode().rstrip("\n")
    yield common / "model"
    alternates = common / "objects/info/alternates"
    if alternates.exists():
        for line in alternates.read_text().splitlines():
            yield (common / "objects" / line).parent / "model"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-C", dest="repository", default=".")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("what", nargs="?", default="HEAD")
    arguments = parser.parse_args()
    store = Store(folders(arguments.repository))
    if not arguments.check:
        name = arguments.what if ":" in arguments.what else f"HEAD:{arguments.what}"
        sys.stdout.buffer.write(restore(store, git(arguments.repository, "cat-file", "blob", name)))
        return
    names = git(arguments.repository, "ls-tree", "-r", "-z", "--name-only", arguments.what).split(b"\0")
    for name in filter(None, names):
        text = git(arguments.repository, "cat-file", "blob", f"{arguments.what}:{name.decode()}")
        if text.startswith(PREFIX):
            content = restore(store, text)
            print(hashlib.sha256(content).hexdigest(), name.decode(), sep="  ")


if __name__ == "__main__":
    try:
        main()
    except Broken as error:
        sys.exit(f"error: {error}")
