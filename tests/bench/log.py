#!/usr/bin/env python3
"""Measures `git model log` and `git model metrics plot` on a long history.

    cargo build --release && tests/bench/log.py [--commits 10000] [--tensors 100] [--keep FOLDER]

Makes a repository with `git fast-import`: each commit changes a manifest of some tensors (five of them) and a file of eight
metrics; every hundredth commit has a version tag, and there are three branches. Each command runs with an empty cache, then
five times more; the median of these is told, packed and unpacked alike.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY = """[model.house]
weights = ["house.safetensors"]
metrics = "metrics.json"
[[gate]]
model = "house"
metric = "test.mse"
goal = "minimize"
max = 30.0
"""


def digest(*words):
    return hashlib.sha256(repr(words).encode()).hexdigest()


def manifest(tensors):
    head = {"git-model": 1, "format": "safetensors", "size": 4096 * len(tensors) + 9000, "skeleton": digest("skeleton")}
    lines = [json.dumps(head, separators=(",", ":"))]
    for at, value in enumerate(tensors):
        record = {"name": f"layers.{at}.weight", "dtype": "F32", "shape": [32, 32], "sha256": value}
        lines.append(json.dumps(record, separators=(",", ":")))
    return "\n\n".join(lines) + "\n"


def history(out, commits, tensors):
    rng = random.Random(7)
    values = [digest("tensor", at) for at in range(tensors)]

    def data(text):
        raw = text.encode()
        out.write(b"data %d\n%s\n" % (len(raw), raw))

    def commit(ref, number, start=None):
        for at in rng.sample(range(tensors), 5):
            values[at] = digest("tensor", at, number)
        out.write(f"commit {ref}\nmark :{number}\ncommitter A <a@example.org> {1700000000 + 600 * number} +0000\n".encode())
        data(f"Train for {number} steps")
        if start:
            out.write(f"from :{start}\n".encode())
        for path, text in files(number):
            out.write(f"M 100644 inline {path}\n".encode())
            data(text)

    def files(number):
        if number == 1:
            yield ".gitattributes", "*.safetensors filter=model merge=model\n"
            yield ".gitmodel.toml", POLICY
        yield "house.safetensors", manifest(values)
        mse = 20 + 15 / (1 + number / 1000) + rng.random()
        test = {"mse": mse, "mae": mse / 5, "r2": 1 - mse / 90}
        train = {"mse": mse * 0.9, "mae": mse / 6, "r2": 1 - mse / 100}
        yield "metrics.json", json.dumps({"epoch": number, "seconds": 3.5, "test": test, "train": train}, indent=2)

    for number in range(1, commits + 1):
        commit("refs/heads/main", number)
        if number % 100 == 0:
            out.write(f"tag house@v1.{number // 100}.0\nfrom :{number}\ntagger A <a@example.org> 1700000000 +0000\n".encode())
            data("A version")
    mark = commits
    for branch in ("exp/a", "exp/b", "exp/c"):
        start = rng.randrange(1, commits)
        for step in range(50):
            mark += 1
            commit(f"refs/heads/{branch}", mark, start if step == 0 else None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, default=10000)
    parser.add_argument("--tensors", type=int, default=100)
    parser.add_argument("--keep")
    parser.add_argument("--git-model", default=str(ROOT / "target/release/git-model"))
    args = parser.parse_args()
    args.git_model = os.path.abspath(args.git_model)
    folder = pathlib.Path(args.keep or tempfile.mkdtemp(prefix="git-model-log-"))
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    run = lambda *words: subprocess.run(words, cwd=folder, env=env, check=True, capture_output=True)
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        run("git", "init", "-q", "-b", "main")
        with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=folder, env=env, stdin=subprocess.PIPE) as importer:
            history(importer.stdin, args.commits, args.tensors)
            importer.stdin.close()
        if importer.returncode:
            sys.exit("git fast-import failed")
        # The index, and no file in the work tree: there are no tensors to make the weights of.
        run("git", "reset", "-q", "--mixed")
    commands = {
        "log": ["log"],
        "log -n 20": ["log", "-n", "20"],
        "log --json": ["log", "--json"],
        "plot": ["metrics", "plot", "test.mse"],
        "plot -o .png": ["metrics", "plot", "test.mse", "-o", str(folder / "out.png")],
        "plot -o .html": ["metrics", "plot", "test.mse", "-o", str(folder / "out.html")],
        "plot --all -o .svg": ["metrics", "plot", "--all", "test.mse", "-o", str(folder / "out.svg")],
    }
    cache = folder / ".git/model/cache"
    print(f"{args.commits} commits, {args.tensors} tensors, load {os.getloadavg()[0]:.1f}")
    for name, words in commands.items():
        shutil.rmtree(cache, ignore_errors=True)
        times = []
        for _ in range(6):
            begun = time.perf_counter()
            run(args.git_model, *words)
            times.append(time.perf_counter() - begun)
        size = sum(file.stat().st_size for file in cache.iterdir()) if cache.exists() else 0
        print(f"{name:20} first {times[0]:6.2f} s   then {statistics.median(times[1:]):6.3f} s   cache {size / 1e6:.1f} MB")
    if not args.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
