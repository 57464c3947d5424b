"""HDF5 files with one field changed each: addresses, counts, cycles.

Source of the offsets: the HDF5 file format specification, version 3.0. Offsets and lengths are eight bytes wide.
"""

import io
import struct

import h5py

from .hostile_case import GOOD, Case, cut, patched
from .tensors import normal

UNDEFINED = (1 << 64) - 1
LAYOUT, CONTINUATION, DATASPACE = 0x08, 0x10, 0x01


def u16(value):
    return struct.pack("<H", value)


def u64(value):
    return struct.pack("<Q", value)


def make(fill, **options):
    out = io.BytesIO()
    with h5py.File(out, "w", **options) as file:
        fill(file)
    return out.getvalue()


def fill(file):
    group = file.create_group("group")
    group.create_dataset("weight", data=normal("hostile h5", 16, 20))
    group.create_dataset("other", data=normal("hostile h5 other", 300))


def fill_attributes(file):
    # As many attributes as make the object header go on elsewhere.
    dataset = file.create_dataset("weight", data=normal("hostile h5", 16, 20))
    for number in range(6):
        dataset.attrs[f"attribute_{number}"] = "x" * 100


def messages(data, header):
    """(type, where its data is, length) of a version 1 object header's first block."""
    version, _, count, _, size = struct.unpack_from("<BBHII", data, header)
    assert version == 1
    at, end = header + 16, header + 16 + size
    while at < end and count:
        kind, length = struct.unpack_from("<HH", data, at)
        yield kind, at + 8, length
        at += 8 + length
        count -= 1


def message(data, header, wanted):
    return next(at for kind, at, _ in messages(data, header) if kind == wanted)


def header_of(data, path):
    with h5py.File(io.BytesIO(data), "r") as file:
        return h5py.h5o.get_info(file[path].id).addr


def lookup3(data):
    """The checksum of HDF5's newer structures: Jenkins' lookup3, `hashlittle` with 0 to start from."""
    mask = 0xFFFF_FFFF

    def rotated(value, bits):
        return (value << bits | value >> (32 - bits)) & mask

    state = [(0xDEADBEEF + len(data)) & mask] * 3
    a, b, c = 0, 1, 2
    # All but the last one to twelve bytes are mixed in threes of words; the last ones are mixed in another way.
    last = max(len(data) - 1, 0) // 12 * 12
    for at in range(0, last, 12):
        for index, word in enumerate(struct.unpack_from("<III", data, at)):
            state[index] = (state[index] + word) & mask
        for x, y, z, bits in [(a, c, b, 4), (b, a, c, 6), (c, b, a, 8), (a, c, b, 16), (b, a, c, 19), (c, b, a, 4)]:
            state[x] = (state[x] - state[y]) & mask ^ rotated(state[y], bits)
            state[y] = (state[y] + state[z]) & mask
    if not data:
        return state[c]
    for index, word in enumerate(struct.unpack("<III", data[last:].ljust(12, b"\0"))):
        state[index] = (state[index] + word) & mask
    for x, y, bits in [(c, b, 14), (a, c, 11), (b, a, 25), (c, b, 16), (a, c, 4), (b, a, 14), (c, b, 24)]:
        state[x] = ((state[x] ^ state[y]) - rotated(state[y], bits)) & mask
    return state[c]


def superblock3(data, offset, replacement):
    """A version 2 or 3 superblock with one field changed and the checksum made right again."""
    assert struct.unpack_from("<I", data, 44)[0] == lookup3(data[:44])
    data = patched(data, offset, replacement)
    return patched(data, 44, struct.pack("<I", lookup3(data[:44])))


def first_chunk(data, header):
    """(where the messages of a version 2 object header start, where its checksum is)."""
    assert data[header : header + 5] == b"OHDR\2"
    flags = data[header + 5]
    at = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(data[at : at + width], "little")
    return at + width, at + width + size


def header2(data, header, offset, replacement):
    """A version 2 object header with one field changed and the checksum made right again."""
    _, checksum = first_chunk(data, header)
    assert struct.unpack_from("<I", data, checksum)[0] == lookup3(data[header:checksum])
    data = patched(data, offset, replacement)
    return patched(data, checksum, struct.pack("<I", lookup3(data[header:checksum])))


def message2(data, header, wanted):
    at, end = first_chunk(data, header)
    tracked = data[header + 5] & 4
    while at + 4 <= end:
        kind, length = struct.unpack_from("<BH", data, at)
        at += 6 if tracked else 4
        if kind == wanted:
            return at
        at += length
    raise AssertionError("no such message")


def cases():
    def case(name, data, why, layout="any"):
        return Case(f"hdf5-{name}.h5", data, "hdf5", why, layout)

    yield from old_cases(case)
    yield from new_cases(case)
    yield from link_cases(case)


def old_cases(case):
    good = make(fill, libver="earliest")
    yield case("good", good, GOOD, "model")
    yield case("magic-only", good[:8], "the magic and nothing more", "none")
    yield case("superblock-half", good[:40], "the file ends within the superblock", "none")
    yield case("half", cut(good, "half"), "the file ends half way")
    yield case("last-byte-missing", cut(good, "last byte"), "the file lacks a byte")
    yield case("one-byte-more", good + b"!", "a byte after the end")
    # From where the superblock starts: 13 and 14 widths, 24 base, 40 end, 64 the root's header, 80 its B-tree, 88 its heap.
    for name, offset, replacement, why in [
        ("version-99", 8, b"\x63", "an unknown version"),
        ("offsets-0-wide", 13, b"\0", "offsets of no bytes"),
        ("offsets-255-wide", 13, b"\xff", "offsets of 255 bytes"),
        ("lengths-0-wide", 14, b"\0", "lengths of no bytes"),
        ("leaf-0", 16, u16(0), "groups whose leaves hold nothing"),
        ("leaf-max", 16, u16(0xFFFF), "groups whose leaves hold 131,070 members"),
        ("base-max", 24, u64(UNDEFINED - 8), "a base that wraps every address"),
        ("base-1", 24, u64(1), "a base of 1"),
        ("end-0", 40, u64(0), "a file that ends at 0"),
        ("end-2-63", 40, u64(1 << 63), "a file that ends at 2^63"),
        ("root-outside", 64, u64(1 << 62), "a root after the end of the file"),
        ("root-undefined", 64, u64(UNDEFINED), "a root that is nowhere"),
        ("root-is-superblock", 64, u64(0), "a root where the superblock is"),
    ]:
        yield case(name, patched(good, offset, replacement), why)

    tree = good.index(b"TREE")
    leaf = good.index(b"SNOD")
    heap = good.index(b"HEAP")
    for name, offset, replacement, why in [
        ("tree-in-itself", tree + 32, u64(tree), "a node of a B-tree that is its own child"),
        ("tree-level-in-itself", tree + 5, b"\x01", "a leaf of a B-tree that says it is none"),
        ("tree-level-255", tree + 5, b"\xff", "a B-tree of 255 levels"),
        ("tree-sibling-is-itself", tree + 16, u64(tree), "a node of a B-tree that is its own neighbour"),
        ("tree-count-max", tree + 6, u16(0xFFFF), "a node of 65,535 children"),
        ("tree-child-outside", tree + 32, u64(1 << 62), "a child after the end of the file"),
        ("leaf-count-max", leaf + 6, u16(0xFFFF), "a leaf of 65,535 members"),
        ("link-to-root", leaf + 16, u64(struct.unpack_from("<Q", good, 64)[0]), "a group whose member is the root"),
        ("link-outside", leaf + 16, u64(UNDEFINED - 1), "a member at 2^64 − 2"),
        ("name-outside", leaf + 8, u64(1 << 40), "a name after the end of the heap"),
        ("heap-size-max", heap + 8, u64(UNDEFINED), "a heap of 2^64 − 1 bytes"),
        ("heap-free-in-itself", heap + 16, u64(0), "free space in the heap that starts at its names"),
        ("heap-outside", heap + 24, u64(1 << 62), "names after the end of the file"),
    ]:
        yield case(name, patched(good, offset, replacement), why)
    both = patched(patched(good, tree + 32, u64(tree)), tree + 5, b"\x01")
    yield case("tree-in-itself-inner", both, "an inner node of a B-tree that is its own child")

    header = header_of(good, "group/weight")
    other = header_of(good, "group/other")
    layout, space = message(good, header, LAYOUT), message(good, header, DATASPACE)
    assert good[layout : layout + 2] == b"\x03\x01"
    place = struct.unpack_from("<Q", good, message(good, other, LAYOUT) + 2)[0]
    assert struct.unpack_from("<Q", good, layout + 10)[0] == 1280
    for name, offset, replacement, why in [
        ("data-outside", layout + 2, u64(1 << 62), "a dataset after the end of the file"),
        ("data-wraps", layout + 2, u64(UNDEFINED - 100), "a dataset that wraps around the end of the numbers"),
        ("data-overlap", layout + 2, u64(place - 640), "two datasets share 640 bytes"),
        ("data-on-superblock", layout + 2, u64(0), "a dataset where the superblock is"),
        ("data-size-max", layout + 10, u64(UNDEFINED), "a dataset of 2^64 − 1 bytes"),
        ("data-size-too-small", layout + 10, u64(1024), "fewer bytes than the shape says"),
        ("data-size-too-large", layout + 10, u64(1284), "more bytes than the shape says"),
        ("layout-version-9", layout, b"\x09", "an unknown layout"),
        ("layout-class-9", layout + 1, b"\x09", "an unknown kind of layout"),
        ("rank-255", space + 1, b"\xff", "255 dimensions"),
        # From the flags on, which say that there are largest dimensions too: now there are none.
        ("dims-overflow", space + 2, bytes(6) + u64(1 << 62) + u64(1 << 62), "2^124 elements"),
        ("dims-wrap", space + 2, bytes(6) + u64(1 << 62) + u64(320), "2^62 × 320 elements, none when it wraps"),
        ("dims-0", space + 2, bytes(6) + u64(0) + u64(UNDEFINED), "no elements, 2^64 − 1 times"),
        ("message-length-max", layout - 6, u16(0xFFFF), "a message of 65,535 bytes"),
        ("messages-max", header + 2, u16(0xFFFF), "65,535 messages in a header"),
        ("header-size-max", header + 8, struct.pack("<I", 0xFFFF_FFFF), "a header of 4 GiB"),
    ]:
        yield case(name, patched(good, offset, replacement), why)

    long = make(fill_attributes, libver="earliest")
    header = header_of(long, "weight")
    more = message(long, header, CONTINUATION)
    target, size = struct.unpack_from("<QQ", long, more)
    for name, offset, replacement, why in [
        ("continuation-to-itself", more, u64(header + 16), "a header that goes on with itself"),
        ("continuation-outside", more, u64(1 << 62), "a header that goes on after the end of the file"),
        ("continuation-size-max", more + 8, u64(UNDEFINED), "a header that goes on for 2^64 − 1 bytes"),
    ]:
        yield case(name, patched(long, offset, replacement), why)
    # The block that the header goes on with becomes one message: go on with this block.
    again = struct.pack("<HHI", CONTINUATION, 16, 0) + u64(target) + u64(size)
    yield case("continuation-cycle", patched(long, target, again), "a header that goes on in a cycle")


def new_cases(case):
    good = make(fill, libver="latest")
    yield case("new-good", good, GOOD, "model")
    assert good[8] in (2, 3)
    for name, offset, replacement, why in [
        ("new-root-outside", 36, u64(1 << 62), "a root after the end of the file, with a right checksum"),
        ("new-base-max", 12, u64(UNDEFINED - 8), "a base that wraps every address, with a right checksum"),
        ("new-extension-is-root", 20, good[36:44], "an extension of the superblock that is the root"),
        ("new-extension-outside", 20, u64(1 << 62), "an extension of the superblock after the end of the file"),
    ]:
        yield case(name, superblock3(good, offset, replacement), why)
    yield case("new-superblock-checksum", patched(good, 44, b"\0\0\0\0"), "a wrong checksum of the superblock")

    header = header_of(good, "group/weight")
    layout, space = message2(good, header, LAYOUT), message2(good, header, DATASPACE)
    assert good[layout + 1] == 1
    _, checksum = first_chunk(good, header)
    yield case("new-header-checksum", patched(good, checksum, b"\0\0\0\0"), "a wrong checksum of a header")
    for name, offset, replacement, why in [
        ("new-data-outside", layout + 2, u64(1 << 62), "a dataset after the end of the file, with a right checksum"),
        ("new-data-wraps", layout + 2, u64(UNDEFINED - 100), "a dataset that wraps around the end of the numbers"),
        ("new-data-size-max", layout + 10, u64(UNDEFINED), "a dataset of 2^64 − 1 bytes"),
        ("new-rank-255", space + 1, b"\xff", "255 dimensions, with a right checksum"),
    ]:
        yield case(name, header2(good, header, offset, replacement), why)

    def many(file):
        for number in range(30):
            file[f"{number}"] = normal("hostile h5 many", 2)

    dense = make(many, libver="latest")
    fractal = dense.index(b"FRHP")
    tree = dense.index(b"BTHD")
    yield case("new-heap-zeros", patched(dense, fractal + 5, bytes(100)), "a fractal heap of zeros")
    yield case("new-tree-zeros", patched(dense, tree + 5, bytes(25)), "a B-tree of zeros")
    yield case("new-half", cut(dense, "half"), "the file ends half way")


def link_cases(case):
    def cycle(file):
        fill(file)
        file["group/again"] = file["group"]
        file["group/root"] = file["/"]

    def links(file):
        fill(file)
        file["soft_cycle"] = h5py.SoftLink("/soft_cycle")
        file["soft_nowhere"] = h5py.SoftLink("/no/such/thing")
        file["external"] = h5py.ExternalLink("/etc/passwd", "/")
        file["external_itself"] = h5py.ExternalLink("hdf5-links.h5", "/external_itself")

    def external(file):
        fill(file)
        file.create_dataset("outside", (400,), "<f4", external=[("/etc/passwd", 0, 1600)])

    def ladder(file):
        # Every group has two names for the next one.
        groups = [file.create_group("0")]
        for number in range(1, 30):
            groups.append(groups[-1].create_group("a"))
            groups[-2]["b"] = groups[-1]
        groups[-1]["weight"] = normal("hostile h5", 16, 20)

    def deep(file):
        file.create_group("/".join(["g"] * 60))["weight"] = normal("hostile h5", 16, 20)

    def names(file):
        for name in ["..", "...", "a b", "new\nline", "größe", "\x1b[2J", "n" * 5000]:
            file[name] = normal("hostile h5 name", 300)

    yield case("group-in-itself", make(cycle), "groups that hold themselves and the root, as HDF5 allows")
    yield case("group-in-itself-new", make(cycle, libver="latest"), "groups that hold themselves and the root, as HDF5 allows")
    yield case("links", make(links), "links to themselves, to nowhere and to `/etc/passwd`, which must not be opened")
    yield case("external", make(external), "a dataset whose bytes are in `/etc/passwd`, which must not be opened")
    yield case("ladder", make(ladder, libver="latest"), "2^29 paths to one dataset")
    yield case("deep", make(deep, libver="latest"), "a dataset 60 groups deep")
    yield case("names", make(names), "odd names")
