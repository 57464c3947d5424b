#!/usr/bin/env python3
"""How long `git model diff` takes on a large model: 5 of 400 tensors changed, and all 400.

Prints medians of wall time and CPU seconds, the peak anonymous memory, and how many bytes of both
versions were compared per CPU second.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import run  # noqa: E402 (it stands beside this file)


def train_all(v1, v3):
    """A third version: every tensor has moved."""
    shutil.copyfile(v1, v3)
    with open(v1, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    jobs = []
    for seed, (name, tensor) in enumerate(header.items()):
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            jobs.append((v3, start + begin, (end - begin) // 2, 5000 + seed))
    run.in_worker(run.train_tensor, jobs)


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
    files["v3"] = scratch / f"{options.size_mib}-0-v3.safetensors"
    if not files["v3"].exists():
        train_all(files["v1"], files["v3"])
    repo, env, git = run.repository(scratch, "diff-repo", options.git_model)
    for version in ("v1", "v2", "v3"):
        if version == "v3":
            git("checkout", "-q", "v1")
        shutil.copyfile(files[version], repo / "m.safetensors")
        git("add", "-A")
        git("commit", "-q", "-m", version)
        git("tag", version)
    size = files["v1"].stat().st_size
    print("| compared | wall | CPU | peak anonymous memory | read | GB/s per CPU second |\n|---|---|---|---|---|---|")
    for what, versions in (("5 of 400 changed", ("v1", "v2")), ("all 400 changed", ("v1", "v3"))):
        command = ["git-model", "diff", "--json", *versions]
        read = json.loads(subprocess.run(command, cwd=repo, env=env, check=True, capture_output=True).stdout)["read"]
        rounds = [run.measure(command, repo, env, 2 * size) for _ in range(options.runs)]
        middle = {key: sorted(one[key] for one in rounds)[len(rounds) // 2] for key in rounds[0]}
        rate = read["bytes"] / middle["cpu_s"] / 1e9
        print(f"| {what} | {middle['wall_s']:.2f} s | {middle['cpu_s']:.2f} s | "
              f"{middle['anon_bytes_max'] / 2**20:.0f} MiB | {read['tensors']} tensors, {read['bytes'] / 1e6:.0f} MB | {rate:.2f} |")
    shutil.rmtree(repo)


if __name__ == "__main__":
    sys.exit(main())
