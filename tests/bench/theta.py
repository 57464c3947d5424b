#!/usr/bin/env python3
"""Adding, checking out and merging a model with git-model, and with git-theta beside it.

Run it with the Python of an environment that has git-theta, and git-lfs on the PATH:

    python3 -m venv theta && theta/bin/pip install 'git-theta[safetensors]' prompt_toolkit 'numpy<2'
    theta/bin/python tests/bench/theta.py

A float32 model of 200 tensors (git-theta reads no bfloat16 from safetensors); each of two branches changes
5 other tensors. git-theta's driver asks at a terminal what to take for each of the 10; they are
answered at once, with what the question says has changed.
"""

import argparse
import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import run  # noqa: E402 (it stands beside this file)

MODEL = "m.safetensors"
TENSORS = 200
CHANGED = 5
# Longer than git-theta has ever taken.
PATIENCE_S = 900
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
QUESTION = re.compile(r"(layer\d+\.weight): (We|They|Both)")


def make(scratch, size_mib):
    """The base and two versions of it; paths by name."""
    random = numpy.random.default_rng(1)
    count = size_mib * run.MIB // 4 // TENSORS
    base = {f"layer{i:03}.weight": random.normal(0, 0.02, count).astype("f4").reshape(-1, 64) for i in range(TENSORS)}
    paths = {name: scratch / f"theta-{name}.safetensors" for name in ("base", "ours", "theirs")}
    save_file(base, paths["base"])
    for name, first in (("ours", 3), ("theirs", 20)):
        changed = dict(base)
        for at in range(CHANGED):
            key = f"layer{first + at * 37:03}.weight"
            changed[key] = base[key] + random.normal(0, 0.001, base[key].shape).astype("f4")
        save_file(changed, paths[name])
    return paths


def timed(command, repo, env):
    """Wall and CPU seconds of a command that needs no terminal."""
    measured = run.measure(command, repo, env)
    return measured["wall_s"], measured["cpu_s"]


def answered(command, repo, env):
    """Wall and CPU seconds of a command that asks at a terminal what to take of each tensor; how often it asked."""
    started = time.perf_counter()
    pid, terminal = os.forkpty()
    if pid == 0:
        os.chdir(repo)
        os.execvpe(command[0], command, {**env, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"})
    seen, done, said = b"", set(), b""
    while time.perf_counter() - started < PATIENCE_S:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break  # the other end is closed
        if not piece:
            break
        said += piece
        # Where the cursor is: any place will do.
        for _ in range(piece.count(b"\x1b[6n")):
            os.write(terminal, b"\x1b[1;1R")
        seen = ESCAPES.sub(b"", said)
        for name, who in QUESTION.findall(seen.decode(errors="replace")):
            if name not in done:
                done.add(name)
                os.write(terminal, b"tt\r" if who == "They" else b"tu\r")
    else:
        os.kill(pid, 9)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        raise run.Broken(f"`{' '.join(command)}` failed:\n{seen[-3000:].decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, len(done)


def story(name, repo, env, paths, begin, rows):
    """Base, two branches, a merge, a checkout of the first version; the times go to `rows`."""
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir()

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=repo, env=env, check=True, capture_output=True).stdout

    def version(path, what=None):
        shutil.copyfile(path, repo / MODEL)
        took = timed(["git", "add", MODEL], repo, env)
        git("commit", "-q", "-m", path.stem)
        if what:
            rows.setdefault(what, {})[name] = took

    git("init", "-q", "-b", "ours")
    begin(git)
    git("add", "-A")
    git("commit", "-q", "-m", "track")
    version(paths["base"], "`git add` of the model")
    git("checkout", "-q", "-b", "theirs")
    version(paths["theirs"], f"`git add`, {CHANGED} tensors changed")
    git("checkout", "-q", "ours")
    version(paths["ours"])
    command = ["git", "merge", "-q", "--no-edit", "theirs"]
    if name == "git-theta":
        *took, asked = answered(command, repo, env)
    else:
        took, asked = timed(command, repo, env), 0
    rows.setdefault("`git merge`, different tensors", {})[name] = took
    merged, expected = load_file(repo / MODEL), load_file(paths["ours"])
    base, theirs = load_file(paths["base"]), load_file(paths["theirs"])
    expected |= {key: theirs[key] for key in theirs if not numpy.array_equal(theirs[key], base[key])}
    same = merged.keys() == expected.keys() and all(numpy.array_equal(merged[key], expected[key]) for key in merged)
    if not same:
        raise run.Broken(f"{name}: the merged model is not the union of the changes")
    rows.setdefault("`git checkout` of the first version", {})[name] = timed(["git", "checkout", "-q", "ours~2"], repo, env)
    size = run.size_of(repo / ".git")
    shutil.rmtree(repo)
    return asked, size


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size-mib", type=int, default=100)
    parser.add_argument("--git-model", default=run.find_git_model(), metavar="PATH")
    parser.add_argument("--scratch", type=Path, default=HERE.parent.parent / "target" / "bench")
    options = parser.parse_args()
    scratch = options.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    paths = make(scratch, options.size_mib)
    binary = scratch / "bin"
    shutil.rmtree(binary, ignore_errors=True)
    binary.mkdir()
    shutil.copy(options.git_model, binary / "git-model")
    # git-theta looks for the configuration in the home folder, whatever git does.
    home = scratch / "theta-home"
    home.mkdir(exist_ok=True)
    env = {**os.environ, "PATH": f"{binary}:{Path(sys.executable).parent}:{os.environ['PATH']}",
           "HOME": str(home), "GIT_THETA_CHECKPOINT_TYPE": "safetensors",
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}

    def with_model(git):
        git("model", "install", "--local")
        git("model", "track", "*.safetensors")

    def with_theta(git):
        git("lfs", "install")
        git("theta", "install")
        git("theta", "track", MODEL)

    rows, asked, sizes = {}, {}, {}
    for name, begin in (("git-model", with_model), ("git-theta", with_theta)):
        asked[name], sizes[name] = story(name, scratch / "theta-repo", env, paths, begin, rows)
    print("| what | git-model | git-theta | ratio of wall times |\n|---|---|---|---|")
    for what, took in rows.items():
        cells = [f"{took[name][0]:.2f} s, {took[name][1]:.2f} CPU-s" for name in ("git-model", "git-theta")]
        print(f"| {what} | {cells[0]} | {cells[1]} | {took['git-model'][0] / took['git-theta'][0]:.4f} |")
    print(f"| `.git` | {sizes['git-model'] / run.MIB:.1f} MiB | {sizes['git-theta'] / run.MIB:.1f} MiB | |")
    print(f"| questions asked while merging | {asked['git-model']} | {asked['git-theta']} | |")
    for path in paths.values():
        path.unlink()
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
