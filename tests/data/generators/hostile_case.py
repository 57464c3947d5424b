"""One file of the hostile corpus."""

import typing

# As deep as a file of less than 64 KiB can nest with one byte a level.
DEPTH = 60_000


class Case(typing.NamedTuple):
    name: str
    data: bytes
    looks_like: str
    why: str
    # "none": no tensors may be cut out of this file. "any": they may, if a parser goes that far. "model": a good file,
    # which the ones around it are made from.
    layout: str = "none"


GOOD = "nothing is wrong with this one"


def cut(data, how):
    """`data` cut short at an interesting point."""
    return {"half": data[: len(data) // 2], "last byte": data[:-1]}[how]


def patched(data, offset, replacement):
    assert 0 <= offset and offset + len(replacement) <= len(data)
    return data[:offset] + replacement + data[offset + len(replacement) :]
