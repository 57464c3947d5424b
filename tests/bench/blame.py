#!/usr/bin/env python3
"""Measures `git model blame` on a long history of a model with many tensors, beside `git blame`.

Makes a repository whose one file is a manifest of 60,000 tensors, in 1,000 commits that change five tensors each: once
as `git fast-import` packs it, once after `git gc`, once with every object loose (`loose`: as if it had come from
elsewhere, so that git-model knows nothing of it), and once by adding and committing a file of 60,000 tensors of one number
each, again and again (`added`: every object is loose too, and git-model has noted what changed). Prints for each the wall
time, the CPU time (user and system) and the peak memory of the whole answer, and when the first line of `--incremental`
arrived; for `added` also without what git-model has noted, and what `git add` took in the mean. Standard library only;
Linux only.

Exit code: 0 every limit holds (first line under 1 s, all under 5 s, 256 MiB; not for `loose`), 1 one does not.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = "model.safetensors"
FIRST_LINE_S = 1.0
WHOLE_S = 5.0
MEMORY_MIB = 256


def name_of(number):
    layer, expert = divmod(number, 384)
    return f"model.layers.{layer}.mlp.experts.{expert // 3}.{('gate', 'up', 'down')[expert % 3]}_proj.weight"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest().encode()


class Manifest:
    """A manifest whose lines keep their places."""

    def __init__(self, tensors):
        elements = 1024 * 512
        head = b'{"git-model":1,"format":"safetensors","size":%d,"skeleton":"%s"}\n'
        self.text = bytearray(head % (tensors * elements * 2 + 4096, digest("skeleton")))
        self.digests = []
        for number in range(tensors):
            name = name_of(number)
            self.text += b'\n{"name":"%s","dtype":"BF16","shape":[1024,512],"sha256":"' % name.encode()
            self.digests.append(len(self.text))
            self.text += digest(f"{name} 0") + b'"}\n'

    def change(self, number, version):
        at = self.digests[number]
        self.text[at:at + 64] = digest(f"{number} {version}")


def git(repo, *args, **options):
    return subprocess.run(["git", "-C", repo, *args], check=True, **options)


def make(repo, args):
    """The history, as fast-import packs it."""
    subprocess.run(["git", "init", "-q", "-b", "main", repo], check=True)
    git(repo, "config", "gc.auto", "0")
    manifest, numbers = Manifest(args.tensors), random.Random(1)
    with subprocess.Popen(["git", "-C", repo, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        write = importer.stdin.write
        for version in range(args.commits):
            if version:
                for number in numbers.sample(range(args.tensors), min(args.changed, args.tensors)):
                    manifest.change(number, version)
            write(b"blob\nmark :%d\ndata %d\n" % (2 * version + 1, len(manifest.text)))
            write(manifest.text)
            who = b"Someone <someone@example.org> %d +0000" % (1_700_000_000 + 60 * version)
            write(b"\ncommit refs/heads/main\nmark :%d\ncommitter %s\ndata 4\nstep\n" % (2 * version + 2, who))
            if version:
                write(b"from :%d\n" % (2 * version))
            write(b"M 100644 :%d %s\n\n" % (2 * version + 1, MODEL.encode()))
        importer.stdin.close()
    if importer.returncode:
        sys.exit("git fast-import failed")
    git(repo, "reset", "-q", "--mixed", "main")


def make_added(repo, args):
    """The history, as `git add` and `git commit` make it."""
    subprocess.run(["git", "init", "-q", "-b", "main", repo], check=True)
    settings = {"gc.auto": "0", "user.name": "Someone", "user.email": "someone@example.org",
                "filter.model.process": f"'{args.git_model}' filter-process", "filter.model.required": "true"}
    for key, value in settings.items():
        git(repo, "config", key, value)
    (repo / ".gitattributes").write_text("*.safetensors filter=model\n")
    header = json.dumps({
        name_of(number): {"dtype": "F32", "shape": [1], "data_offsets": [4 * number, 4 * number + 4]}
        for number in range(args.tensors)
    }).encode()
    header += b" " * (-len(header) % 8)
    head = struct.pack("<Q", len(header)) + header
    data, numbers, took = bytearray(4 * args.tensors), random.Random(1), []
    for number in range(args.tensors):
        struct.pack_into("<f", data, 4 * number, number)
    for version in range(args.added_commits):
        if version:
            for number in numbers.sample(range(args.tensors), min(args.changed, args.tensors)):
                struct.pack_into("<f", data, 4 * number, numbers.random())
        (repo / MODEL).write_bytes(head + data)
        begun = time.monotonic()
        git(repo, "add", ".", stderr=subprocess.DEVNULL)
        took.append(time.monotonic() - begun)
        git(repo, "commit", "-q", "-m", "step")
    print(f"git add took {statistics.median(took[1:] or took):.3f} s (median)", file=sys.stderr)


def copies(scratch, args):
    """The forms of the repository, made if they are not there."""
    forms = {name: scratch / name for name in args.only}
    packed = scratch / "packed"
    if "added" in forms and not forms["added"].exists():
        print("adding and committing", file=sys.stderr)
        make_added(forms["added"], args)
    if not packed.exists() and forms.keys() - {"added"}:
        print("making the history", file=sys.stderr)
        make(packed, args)
    for name, repo in forms.items():
        if repo.exists():
            continue
        print(f"making the form `{name}`", file=sys.stderr)
        shutil.copytree(packed, repo)
        if name == "gc":
            git(repo, "gc", "-q")
        if name == "loose":
            folder = repo / ".git/objects/pack"
            for pack in folder.glob("*.pack"):
                aside = repo / ".git" / pack.name
                pack.rename(aside)
                for rest in folder.glob(pack.stem + ".*"):
                    rest.unlink()
                with open(aside, "rb") as content:
                    git(repo, "unpack-objects", "-q", stdin=content)
                aside.unlink()
    return forms


def measure(command, timeout_s=None):
    """Wall and CPU seconds, peak MiB, the time of the first output, whether it ended in time."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    os.set_blocking(process.stdout.fileno(), True)
    first, ended = None, True
    os.set_blocking(process.stdout.fileno(), False)
    status = None
    while True:
        try:
            chunk = os.read(process.stdout.fileno(), 1 << 20)
            if chunk and first is None:
                first = time.monotonic() - begun
        except BlockingIOError:
            chunk = None
        if chunk == b"":
            break
        if chunk is None:
            time.sleep(0.002)
        if timeout_s and time.monotonic() - begun > timeout_s:
            process.kill()
            ended = False
            break
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begun
    if ended and process.returncode:
        sys.exit(f"{command} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, first, ended


@contextlib.contextmanager
def without(folder, is_wanted):
    """Puts a folder aside, if that is wanted."""
    aside = folder.with_suffix(".aside")
    if is_wanted:
        folder.rename(aside)
    yield
    if is_wanted:
        aside.rename(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tensors", type=int, default=60_000)
    parser.add_argument("--commits", type=int, default=1_000)
    parser.add_argument("--added-commits", type=int, default=1_000, help="commits of the form `added`")
    parser.add_argument("--changed", type=int, default=5, help="tensors that each commit changes")
    parser.add_argument("--git-model", default=str(HERE.parent.parent / "target/release/git-model"))
    parser.add_argument("--scratch", type=Path, default=HERE.parent.parent / "target/bench/blame")
    parser.add_argument("--only", type=lambda text: text.split(","), default=["packed", "gc", "loose", "added"])
    parser.add_argument("--git-blame-s", type=float, default=60, help="how long git blame may take; 0 leaves it out")
    args = parser.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    held = True
    print("| history | command | wall, s | CPU, s | peak, MiB | first line, s |\n|---|---|---|---|---|---|")
    for name, repo in copies(args.scratch, args).items():
        os.chdir(repo)
        ours = [args.git_model, "blame", "--incremental", "HEAD", "--", MODEL]
        measure(ours)
        commands = {"git model blame": ours}
        if name == "added":
            commands["git model blame, nothing noted"] = ours
        if args.git_blame_s:
            commands["git blame"] = ["git", "blame", "--incremental", "HEAD", "--", MODEL]
        for what, command in commands.items():
            with without(repo / ".git/model/cache", what.endswith("nothing noted")):
                wall, cpu, peak, first, ended = measure(command, args.git_blame_s if what == "git blame" else None)
            more = "" if ended else "> "
            shown = "-" if first is None else f"{first:.2f}"
            print(f"| {name} | {what} | {more}{wall:.2f} | {more}{cpu:.2f} | {peak:.0f} | {shown} |", flush=True)
            if what == "git model blame" and name != "loose":
                held = held and wall <= WHOLE_S and first is not None and first <= FIRST_LINE_S and peak <= MEMORY_MIB
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
