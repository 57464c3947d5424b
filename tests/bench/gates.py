#!/usr/bin/env python3
"""What a commit that touches no model costs with git-model's hooks, above plain git.

Two repositories with the same 1,000 small files and the same policy, one with hooks; commits that
change one file, alternating. Prints medians, and the ratio.

Exit code: 0 the limit holds, 1 it does not.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import run  # noqa: E402 (it stands beside this file)

COST_MS_MAX = 15
FILES = 1000
POLICY = """[model.m]
weights = ["*.safetensors"]
metrics = "metrics.json"

[[gate]]
model = "m"
metric = "mse"
max = 1
regression = "2%"
"""


def git(repo, environment, *args):
    subprocess.run(["git", *args], cwd=repo, env=environment, check=True, capture_output=True)


def prepared(parent, name, environment, hooks):
    repo = parent / name
    repo.mkdir()
    git(repo, environment, "init", "-q")
    (repo / ".gitattributes").write_text("*.safetensors filter=model merge=model -text\n")
    (repo / ".gitmodel.toml").write_text(POLICY)
    (repo / "metrics.json").write_text('{"mse": 0.5}\n')
    for place in range(FILES):
        folder = repo / f"src{place % 20}"
        folder.mkdir(exist_ok=True)
        (folder / f"file{place}.txt").write_text(f"{place}\n" * 20)
    if hooks:
        git(repo, environment, "model", "install", "--local")
    git(repo, environment, "add", ".")
    git(repo, environment, "commit", "-qm", "first")
    return repo


def commit(repo, environment, count):
    (repo / "src0" / "file0.txt").write_text(f"{count}\n")
    git(repo, environment, "add", "src0/file0.txt")
    begun = time.perf_counter()
    git(repo, environment, "commit", "-qm", f"commit {count}")
    return 1000 * (time.perf_counter() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--git-model", default=run.find_git_model(), metavar="PATH")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    home = scratch / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = b\n\temail = b@example.org\n[gc]\n\tauto = 0\n")
    path = f"{Path(options.git_model).resolve().parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(home), "PATH": path, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        places = {name: prepared(scratch, name, environment, name == "hooks") for name in ("plain", "hooks")}
        times = {name: [] for name in places}
        for count in range(options.runs):
            order = list(places) if count % 2 else list(reversed(places))
            for name in order:
                times[name].append(commit(places[name], environment, count))
    finally:
        shutil.rmtree(scratch)
    plain, hooks = (statistics.median(times[name]) for name in ("plain", "hooks"))
    print("| commit that touches no model | median | range |\n|---|---|---|")
    for name, all_times in times.items():
        print(f"| {name} | {statistics.median(all_times):.1f} ms | {min(all_times):.1f} to {max(all_times):.1f} |")
    cost = hooks - plain
    print(f"\n{cost:.1f} ms above plain git, {hooks / plain:.2f} times as long; at most {COST_MS_MAX} ms")
    return 0 if cost <= COST_MS_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
