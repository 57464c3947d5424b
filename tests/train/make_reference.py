#!/usr/bin/env python3
"""Writes tests/data/train/reference.safetensors: what torch makes of 100 steps, for every model and optimizer.

    make_reference.py            write it anew
    make_reference.py --check    compute everything again and compare with what is there

All in float64. `inputs` [37, 4] and `targets.MODEL` [37] are the rows, `order` [20, 37] the order of the rows in each of 20
epochs of 5 batches (8 rows, the last one 5). `MODEL.HIDDEN/start/TENSOR` is where training starts,
`MODEL.HIDDEN.OPTIMIZER/end/TENSOR` where 100 steps end, `MODEL.HIDDEN.OPTIMIZER/losses` the mean loss of each batch before
its step. Needs torch, numpy and safetensors of tests/data/requirements.txt.
"""

import collections
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

FILE = pathlib.Path(__file__).resolve().parent.parent / "data" / "train" / "reference.safetensors"
ROWS, FEATURES, UNITS, CLASSES, EPOCHS, BATCH = 37, 4, 5, 3, 20, 8
MODELS = {
    "linear": (1, lambda z, y: nn.functional.mse_loss(z[:, 0], y)),
    "logistic": (1, lambda z, y: nn.functional.binary_cross_entropy_with_logits(z[:, 0], y)),
    "softmax": (CLASSES, lambda z, y: nn.functional.cross_entropy(z, y.long())),
}
HIDDEN = {"none": None, "relu": nn.ReLU, "tanh": nn.Tanh}
# The numbers stand in tests/train/main.rs too.
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "sgd-momentum-decay": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam-decay": lambda p: torch.optim.Adam(p, lr=0.03, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.05),
}


def network(activation, outputs):
    if activation is None:
        layers = [("linear", nn.Linear(FEATURES, outputs))]
    else:
        layers = [
            ("hidden", nn.Linear(FEATURES, UNITS)),
            ("activation", activation()),
            ("output", nn.Linear(UNITS, outputs)),
        ]
    return nn.Sequential(collections.OrderedDict(layers))


def train(net, optimizer, loss, inputs, targets, order):
    losses = []
    for rows in order:
        for start in range(0, ROWS, BATCH):
            batch = rows[start : start + BATCH]
            optimizer.zero_grad()
            value = loss(net(inputs[batch]), targets[batch])
            value.backward()
            optimizer.step()
            losses.append(value.item())
    return losses


def reference(dtype):
    torch.set_num_threads(1)
    torch.manual_seed(20)
    inputs = torch.randn(ROWS, FEATURES, dtype=torch.float64)
    score = inputs @ torch.randn(FEATURES, CLASSES, dtype=torch.float64) + torch.randn(ROWS, CLASSES, dtype=torch.float64)
    targets = {
        "linear": score[:, 0] + 0.3 * inputs[:, 1] ** 2,
        "logistic": (score[:, 1] > 0).double(),
        "softmax": score.argmax(dim=1).double(),
    }
    order = torch.stack([torch.randperm(ROWS) for _ in range(EPOCHS)])
    tensors = {"inputs": inputs.numpy(), "order": order.numpy()}
    for model, (outputs, loss) in MODELS.items():
        tensors[f"targets.{model}"] = targets[model].numpy()
        for hidden, activation in HIDDEN.items():
            start = network(activation, outputs).to(torch.float64)
            for name, value in start.state_dict().items():
                tensors[f"{model}.{hidden}/start/{name}"] = value.numpy().copy()
            for name, optimizer in OPTIMIZERS.items():
                net = network(activation, outputs).to(dtype)
                net.load_state_dict(start.state_dict())
                case = f"{model}.{hidden}.{name}"
                losses = train(net, optimizer(net.parameters()), loss, inputs.to(dtype), targets[model].to(dtype), order)
                tensors[f"{case}/losses"] = np.array(losses)
                for tensor, value in net.state_dict().items():
                    tensors[f"{case}/end/{tensor}"] = value.double().numpy().copy()
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def distance(one, other):
    assert one.keys() == other.keys(), "other tensors"
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def main():
    tensors = reference(torch.float64)
    if sys.argv[1:] == ["--check"]:
        far = distance(tensors, load_file(FILE))
        print(f"{len(tensors)} tensors, at most {far:.1e} from what is there")
        sys.exit(far > 1e-12)
    print(f"torch {torch.__version__}: float32 ends up to {distance(tensors, reference(torch.float32)):.1e} from float64")
    save_file(tensors, FILE)


if __name__ == "__main__":
    main()
