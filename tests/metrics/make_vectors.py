"""Writes tests/data/metrics/: predictions and targets in several formats, and what scikit-learn and torch make of them.

    python3 -m venv /tmp/vectors
    /tmp/vectors/bin/pip install -r tests/metrics/requirements.txt
    /tmp/vectors/bin/python tests/metrics/make_vectors.py            # writes everything anew
    /tmp/vectors/bin/python tests/metrics/make_vectors.py --check    # compares with what is there, changes nothing

`expected.json` is a list of cases: `args` are those of `git model eval`, `expected` the metrics by their names, as texts of
17 digits, `warnings` parts of what is said on standard error. Everything is computed in float64.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import safetensors.numpy
import sklearn.metrics as sk
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent.parent / "data" / "metrics"
warnings.filterwarnings("ignore")


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


def regression(p, y):
    scores = {
        "mse": sk.mean_squared_error(y, p),
        "rmse": sk.root_mean_squared_error(y, p),
        "mae": sk.mean_absolute_error(y, p),
        "r2": sk.r2_score(y, p),
    }
    assert np.isclose(scores["mse"], F.mse_loss(tensor(p), tensor(y)).item(), rtol=1e-12, atol=0)
    assert np.isclose(scores["mae"], F.l1_loss(tensor(p), tensor(y)).item(), rtol=1e-12, atol=0)
    return scores


def classes(predicted, y, is_binary):
    scores = {"accuracy": sk.accuracy_score(y, predicted)}
    for average in (["binary"] if is_binary else []) + ["macro", "micro"]:
        suffix = "" if average == "binary" else "_" + average
        for name, function in [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]:
            scores[name + suffix] = function(y, predicted, average=average, zero_division=0)
    return scores


def several(logits, y):
    loss = F.cross_entropy(tensor(logits), tensor(y)).item()
    return {"cross_entropy": loss, "log_loss": loss, **classes(logits.argmax(axis=1), y, False)}


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def make(folder):
    cases = []

    def case(name, files, scores, says=(), every=False):
        """`every`: all scores are asked for by name, not the usual ones alone."""
        names = [argument for name in scores for argument in ("--metric", name)] if every else []
        texts = {name: "%.17g" % value for name, value in scores.items()}
        cases.append({"name": name, "args": files + names, "expected": texts, "warnings": list(says)})

    random = np.random.default_rng(5)

    # Numbers.
    y = random.normal(200_000, 80_000, 120)
    p = y + random.normal(0, 20_000, 120)
    lines = ["id,price,predicted"] + [f"house {i},{a!r},{b!r}" for i, (a, b) in enumerate(zip(y.tolist(), p.tolist()))]
    (folder / "houses.csv").write_text("\n".join(lines) + "\n")
    columns = ["houses.csv", "--prediction-column", "predicted", "--target-column", "price"]
    case("regression from columns of a table", columns, regression(p, y))
    y = random.normal(0, [1, 10, 100], (40, 3))
    p = y * 0.9 + random.normal(0, 0.5, (40, 3))
    np.save(folder / "several-by-column.npy", np.asfortranarray(p))
    np.savez_compressed(folder / "several.npz", other=np.zeros(3), y=y)
    case("several numbers in a row, column by column, and compressed", ["several-by-column.npy", "several.npz:y"], regression(p, y))
    y = 1e9 + random.random(60)
    p = y + random.normal(0, 0.25, 60)
    np.savez(folder / "offset.npz", p=p, y=y)
    case("a large offset", ["offset.npz:p", "offset.npz:y"], regression(p, y))
    y = np.arange(10.0)
    np.save(folder / "ten.npy", y)
    case("perfect numbers", ["ten.npy", "ten.npy", "--task", "regression"], regression(y, y))
    p = np.linspace(0, 3, 10)
    np.save(folder / "three.npy", p)
    np.save(folder / "constant.npy", np.full(10, 0.1))
    case("targets that do not vary", ["three.npy", "constant.npy"], regression(p, np.full(10, 0.1)), ["the same in all rows"])
    (folder / "one.csv").write_text("y,p\n3.5,3\n")
    one = {**regression(np.array([3.0]), np.array([3.5])), "r2": np.nan}
    case("a single row", ["one.csv", "--target-column", "y", "--prediction-column", "p"], one, ["needs two rows"])
    p = np.array([1.0, np.nan, 3.5, 7.25])
    np.save(folder / "nan.npy", p)
    np.save(folder / "four.npy", np.array([1.5, 2.0, 3.0, 7.0]))
    case("NaN among numbers", ["nan.npy", "four.npy"], dict.fromkeys(["mse", "rmse", "mae", "r2"], np.nan), ["NaN stands in 1 row of 4"])

    # Two classes.
    y = random.integers(0, 2, 300)
    p = np.round(1 / (1 + np.exp(-(y * 2 - 1 + random.normal(0, 1.5, 300)))), 2)
    np.savez(folder / "binary.npz", p=p, y=y)
    scores = {"cross_entropy": sk.log_loss(y, p), "log_loss": sk.log_loss(y, p), "roc_auc": sk.roc_auc_score(y, p)}
    case("probabilities with ties", ["binary.npz:p", "binary.npz:y"], {**scores, **classes((p > 0.5).astype(int), y, True)}, every=True)
    z = random.normal(0, 4, 200) + (y[:200] * 2 - 1)
    z[:3] = [800, -800, 0]
    safetensors.numpy.save_file({"logits": z, "truth": y[:200].astype(bool)}, folder / "binary.safetensors")
    loss = F.binary_cross_entropy_with_logits(tensor(z), tensor(y[:200].astype(float))).item()
    scores = {"cross_entropy": loss, "roc_auc": sk.roc_auc_score(y[:200], z), **classes((z > 0).astype(int), y[:200], True)}
    case("logits", ["binary.safetensors:logits", "binary.safetensors:truth"], scores, every=True)
    two = np.stack([np.zeros(200), z], axis=1)
    np.save(folder / "two-logits.npy", two)
    np.save(folder / "truth.npy", y[:200].astype(np.uint8))
    case("two logits in a row", ["two-logits.npy", "truth.npy"], {**scores, "cross_entropy": F.cross_entropy(tensor(two), tensor(y[:200])).item()}, every=True)
    # float32, with zeros and ones: scikit-learn clips by the epsilon of the type.
    p = np.concatenate([[0, 1, 0, 1], random.random(60)]).astype(np.float32)
    truth = np.concatenate([[0, 0, 1, 1], random.integers(0, 2, 60)])
    epsilon = np.finfo(np.float32).eps
    np.savez_compressed(folder / "single.npz", p=p, y=truth.astype(np.int16))
    clipped = np.clip(p, epsilon, 1 - epsilon).astype(float)
    scores = {"cross_entropy": sk.log_loss(truth, clipped), "roc_auc": sk.roc_auc_score(truth, p)}
    case("probabilities of float32 are clipped by its epsilon", ["single.npz:p", "single.npz:y"], scores, every=True)
    labels = random.integers(0, 2, 50)
    truth = random.integers(0, 2, 50)
    (folder / "labels.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in zip(labels, truth)))
    scores = classes(labels, truth, True)
    case("classes, in a table without a header", ["labels.tsv:1", "labels.tsv:2"], {name: scores[name] for name in ["accuracy", "precision", "recall", "f1"]})
    p = np.array([0.25, 0.125, 0.5, 0.0])
    np.save(folder / "low.npy", p)
    np.save(folder / "zeros.npy", np.zeros(4, dtype=np.int8))
    scores = {"cross_entropy": sk.log_loss(np.zeros(4), p, labels=[0, 1]), **classes(np.zeros(4), np.zeros(4), True), "roc_auc": np.nan}
    says = ["`precision` counts as 0", "`recall` counts as 0", "`f1` counts as 0", "`roc_auc` needs both classes"]
    case("one class only", ["low.npy", "zeros.npy"], scores, says, every=True)
    p = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    np.savez(folder / "perfect.npz", p=p, y=p == 1)
    scores = {"cross_entropy": sk.log_loss(p, p), **classes(p, p, True), "roc_auc": 1.0}
    case("perfect probabilities", ["perfect.npz:p", "perfect.npz:y", "--task", "binary", "--probabilities"], scores, every=True)
    p = np.array([0.5, np.nan, 0.75])
    np.savez(folder / "nan.npz", p=p, y=np.array([0, 1, 1]))
    names = ["cross_entropy", "accuracy", "precision", "recall", "f1", "roc_auc"]
    case("NaN among probabilities", ["nan.npz:p", "nan.npz:y"], dict.fromkeys(names, np.nan), ["NaN stands in 1 row of 3"])

    # Several classes.
    y = random.integers(0, 5, 150)
    logits = random.normal(0, 2, (150, 5))
    logits[np.arange(150), y] += 1.5
    np.save(folder / "five-logits.npy", logits)
    np.save(folder / "five.npy", y)
    case("five classes by logits", ["five-logits.npy", "five.npy"], several(logits, y), every=True)
    y = random.integers(0, 3, 80)
    p = softmax(random.normal(0, 1, (80, 4)))
    p[:2] = [[1, 0, 0, 0], [0, 0, 0, 1]]
    np.savez_compressed(folder / "four.npz", p=p, y=np.eye(4)[y])
    loss = sk.log_loss(y, p, labels=[0, 1, 2, 3])
    scores = {"cross_entropy": loss, **classes(p.argmax(axis=1), y, False)}
    case("four classes by probabilities, one of them never true", ["four.npz:p", "four.npz:y"], scores, ["`recall_macro` counts as 0"], every=True)
    labels, truth = np.array([3, 7, 3, -2, 9]), np.array([3, 3, -2, -2, 9])
    (folder / "classes.csv").write_text("said,true\n" + "".join(f"{a},{b}\n" for a, b in zip(labels, truth)))
    scores = classes(labels, truth, False)
    case("classes of any numbers", ["classes.csv:said", "classes.csv:true"], scores, ["`recall_macro` counts as 0"], every=True)

    # Tokens.
    words = random.integers(0, 11, (2, 7))
    words[1, 4:] = -100
    logits = random.normal(0, 3, (2, 7, 11))
    safetensors.numpy.save_file({"logits": logits, "tokens": words}, folder / "language.safetensors")
    flat, true = logits.reshape(-1, 11), words.reshape(-1)
    loss = F.cross_entropy(tensor(flat), tensor(true)).item()
    kept = true != -100
    scores = {"cross_entropy": loss, "perplexity": np.exp(loss), "accuracy": sk.accuracy_score(true[kept], flat.argmax(axis=1)[kept])}
    case("tokens with padding", ["language.safetensors:logits", "language.safetensors:tokens"], scores)
    p = np.ascontiguousarray(softmax(flat)[kept])
    np.savez(folder / "language.npz", p=p, y=true[kept])
    loss = sk.log_loss(true[kept], p, labels=list(range(11)))
    case("tokens by probabilities", ["language.npz:p", "language.npz:y", "--task", "language"], {**scores, "cross_entropy": loss, "perplexity": np.exp(loss)})

    (folder / "expected.json").write_text(json.dumps(cases, indent=1) + "\n")


def check():
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        for made, kept in zip(*(json.loads((Path(where) / "expected.json").read_text()) for where in (folder, HERE))):
            assert made["args"] == kept["args"], kept["name"]
            for name, text in kept["expected"].items():
                same = np.isclose(float(made["expected"][name]), float(text), rtol=1e-12, atol=0, equal_nan=True)
                assert same, (kept["name"], name, made["expected"][name], text)
    print("the expected values are the same")


parser = argparse.ArgumentParser()
parser.add_argument("--check", action="store_true")
if parser.parse_args().check:
    check()
else:
    HERE.mkdir(exist_ok=True)
    make(HERE)
