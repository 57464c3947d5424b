"""PyTorch checkpoints: zip archives of a pickle and one member per storage."""

import collections

import numpy as np
import torch

from .tensors import entry, integers, normal

PYTORCH = [
    "pytorch-state-dict.pt",
    "pytorch-checkpoint.pt",
    "pytorch-tied.pt",
    "pytorch-views.pt",
    "pytorch-transposed.pt",
    "pytorch-bare.pt",
    "pytorch-list.pt",
    "pytorch-dtypes.pt",
    "pytorch-empty.pt",
    "pytorch-no-tensors.pt",
]
PYTORCH_LEGACY = ["pytorch-legacy.pt"]

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
    torch.complex128: "C128",
}


def t(label, *shape, dtype=torch.float32):
    return torch.from_numpy(normal(label, *shape)).to(dtype)


def network():
    """Two layers and a batch norm, whose counter of batches is a 0-d int64."""
    net = torch.nn.Sequential(
        collections.OrderedDict(
            up=torch.nn.Linear(16, 24),
            norm=torch.nn.BatchNorm1d(24),
            down=torch.nn.Linear(24, 4),
        )
    )
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(t(f"torch {name}", *parameter.shape))
    return net


def write(folder):
    def save(name, content, **options):
        torch.save(content, folder / f"pytorch-{name}.pt", **options)

    net = network()
    save("state-dict", net.state_dict())
    save("legacy", net.state_dict(), _use_new_zipfile_serialization=False)

    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    for name, parameter in net.named_parameters():
        parameter.grad = t(f"torch gradient {name}", *parameter.shape)
    adam.step()
    checkpoint = {
        "epoch": 3,
        "global_step": 12_345_678_901_234,
        "state_dict": net.state_dict(),
        "optimizer": adam.state_dict(),
        "loss": [0.9, 0.5, 0.25],
        "rng_state": torch.from_numpy(integers("torch rng", 256, dtype=np.uint8, high=256)),
        "best": None,
    }
    save("checkpoint", checkpoint)

    embedding = t("torch tied", 32, 16)
    save("tied", {"embed.weight": embedding, "head.weight": embedding, "head.bias": t("torch tied bias", 32)})

    # `parts` lie in a storage which no tensor covers; `whole` comes after its slice, but names the storage.
    buffer, flat = t("torch buffer", 100), t("torch flat", 64)
    save(
        "views",
        {
            "parts": [buffer[10:30], buffer[40:90].reshape(5, 10)],
            "slice": flat[8:24],
            "whole": flat,
            "again": flat.reshape(8, 8),
            "strided": t("torch strided", 20)[::2],
            "row": t("torch row", 1, 8).expand(4, 8),
        },
    )
    # Covered by a tensor, but not row by row.
    save(
        "transposed",
        {
            "transposed": t("torch transposed", 6, 10).T,
            "channels_last": t("torch channels", 2, 3, 4, 4).to(memory_format=torch.channels_last),
        },
    )
    save("bare", t("torch bare", 10, 10, dtype=torch.bfloat16))
    save("list", [t("torch list 0", 4), (t("torch list 1", 5), {"x": torch.nn.Parameter(t("torch list 2", 6))})])
    save(
        "dtypes",
        {
            str(dtype).removeprefix("torch."): (t("torch dtypes", 4, 6).abs() * 1000).to(dtype)
            for dtype in NAMES
        },
    )
    save("empty", {"empty": torch.empty(0, 3), "scalar": torch.tensor(1.5), "after": t("torch after", 3)})
    save("no-tensors", {"epoch": 1, "name": "nothing here"})


def walk(value, path=()):
    """The tensors with their paths, in the order in which the pickle holds them: depth first, as inserted."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from walk(item, (*path, str(index)))


def covers(tensor):
    """Whether the tensor is its whole storage, row by row."""
    whole = tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()
    return whole and tensor.storage_offset() == 0 and tensor.is_contiguous()


def read(path):
    """One entry per storage.

    A storage's key is its number in order of first use. The one name that no path gives, that of a bare tensor, is
    the storage's too.
    """
    storages = {}
    for place, tensor in walk(torch.load(path, weights_only=True)):
        # Storages of no bytes all have the same address; each is a storage of its own.
        storage = tensor.untyped_storage()
        key = storage.data_ptr() or id(tensor)
        storages.setdefault(key, []).append((place, tensor))

    reader = torch._C.PyTorchFileReader(str(path))
    entries = []
    for number, users in enumerate(storages.values()):
        first = users[0][1]
        data = reader.get_record(f"data/{number}")
        held = bytes(first.untyped_storage()) if first.untyped_storage().nbytes() else b""
        assert held == data, f"{path}: storage {number} is not the one that its place in the pickle says"
        whole = next(((place, tensor) for place, tensor in users if covers(tensor)), None)
        place, shape = (whole[0], whole[1].shape) if whole else ((), [len(data) // first.element_size()])
        name = ".".join(place) or f"storage/{number}"
        entries.append(entry(name, NAMES[first.dtype], shape, data))
    return entries
