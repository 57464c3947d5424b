#!/usr/bin/env python3
"""How long merging two branches of a large model takes: 5 of 400 tensors changed on each side.

Measures the merge driver alone and the whole `git merge`, where the sides have changed different
tensors, and where both have changed the same 5 (a conflict, and merged by `ties`). Prints medians
of wall time and CPU seconds, and the peak anonymous memory of any process.

Exit code: 0 every limit holds, 1 one does not.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import run  # noqa: E402 (it stands beside this file)

MODEL = "m.safetensors"
DRIVER_S_MAX = 0.5
MEMORY_MIB_MAX = 100


def trained(source, target, names, seed):
    """A version in which these tensors have moved."""
    shutil.copyfile(source, target)
    with open(source, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    jobs = []
    for place, name in enumerate(names):
        begin, end = header[name]["data_offsets"]
        jobs.append((target, start + begin, (end - begin) // 2, seed + place))
    run.in_worker(run.train_tensor, jobs)
    return sum(header[name]["data_offsets"][1] - header[name]["data_offsets"][0] for name in names)


def names_of(path):
    with open(path, "rb") as file:
        return [name for name in json.loads(file.read(int.from_bytes(file.read(8), "little"))) if name[:2] != "__"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--git-model", default=run.find_git_model(), metavar="PATH")
    parser.add_argument("--scratch", type=Path, default=HERE.parent.parent / "target" / "bench")
    options = parser.parse_args()
    scratch = options.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    files = run.make_files(scratch, options.size_mib, 0)
    base = files["v1"]
    all_names = names_of(base)
    step = len(all_names) // 10
    mine, others = all_names[::step][:5], all_names[1::step][:5]
    versions = {"base": base}
    for name, tensors, seed in (("ours", mine, 1), ("disjoint", others, 2), ("same", mine, 3)):
        versions[name] = scratch / f"{options.size_mib}-0-merge-{name}.safetensors"
        trained(base, versions[name], tensors, 7000 * seed)

    repo, env, git = run.repository(scratch, "merge-repo", options.git_model, "base")
    for name, path in versions.items():
        if name != "base":
            git("checkout", "-q", "-b", name, "base")
        shutil.copyfile(path, repo / MODEL)
        git("add", "-A")
        git("commit", "-q", "-m", name)
    for name in versions:
        (repo / f".{name}").write_bytes(git("show", f"{name}:{MODEL}"))

    size = base.stat().st_size
    holds = True
    print("| sides | what | wall | CPU | peak anonymous memory |\n|---|---|---|---|---|")

    def report(sides, what, rounds, limits):
        nonlocal holds
        middle = {key: sorted(one[key] for one in rounds)[len(rounds) // 2] for key in rounds[0]}
        memory = middle["anon_bytes_max"] / run.MIB
        print(f"| {sides} | {what} | {middle['wall_s']:.3f} s | {middle['cpu_s']:.2f} s | {memory:.0f} MiB |")
        if limits:
            holds = holds and middle["wall_s"] <= DRIVER_S_MAX and memory <= MEMORY_MIB_MAX

    for sides, theirs, strategy in (("different tensors", "disjoint", ""), ("the same 5, `ties`", "same", "ties")):
        chosen = {**env, "GIT_MODEL_MERGE_STRATEGY": strategy}
        rounds = []
        for _ in range(options.runs):
            shutil.copyfile(repo / ".ours", repo / ".result")
            command = ["git-model", "merge-driver", ".base", ".result", f".{theirs}", "7", MODEL]
            rounds.append(run.measure(command, repo, chosen))
        report(sides, "driver", rounds, not strategy)
        rounds = []
        for _ in range(options.runs):
            git("checkout", "-q", "ours")
            git("reset", "-q", "--hard", "ours")
            git("checkout", "-q", "-B", "merged")
            rounds.append(run.measure(["git", "merge", "-q", "--no-edit", theirs], repo, chosen, 2 * size))
        report(sides, "`git merge`", rounds, False)
    shutil.rmtree(repo)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
