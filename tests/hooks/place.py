"""A repository with a gated model, a home of its own, and a record of every hook that runs."""

import collections
import json
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

EVENTS = ["post-checkout", "post-merge", "pre-applypatch", "pre-commit", "pre-merge-commit", "prepare-commit-msg"]

POLICY = """\
[model.prices]
weights = ["model.safetensors"]
metrics = "metrics.json"

[[gate]]
model = "prices"
metric = "test.mse"
max = 30.0
regression = "2%"
"""

CONFIG = """\
[user]
\tname = Test
\temail = test@example.org
[init]
\tdefaultBranch = main
[core]
\teditor = true
[advice]
\tdetachedHead = false
[gc]
\tauto = 0
"""


class Failure(Exception):
    """A case does not come out as it must."""


def expect(holds, what):
    if not holds:
        raise Failure(what)


def script(path, text, mode=0o751):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def weights(seed):
    values = random.Random(seed)
    data = struct.pack("<64f", *(values.uniform(-1, 1) for _ in range(64)))
    header = json.dumps({"a.weight": {"dtype": "F32", "shape": [8, 8], "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def metrics(mse, note=""):
    """Lines in between let `git commit -p` see two changes."""
    lines = {"test": {"mse": mse}, **{f"line{at}": at for at in range(9)}, "note": note}
    return json.dumps(lines, indent=1) + "\n"


def differences(before, after):
    names = sorted(before.keys() | after.keys())
    return [name for name in names if before.get(name) != after.get(name)]


class Place:
    """`work` is where commands run: the repository, or a work tree linked to it."""

    def __init__(self, scratch, name, options):
        self.root = scratch / name.replace(" ", "-").replace(",", "")
        self.log = self.root / "log"
        self.home = self.root / "home"
        self.repo = self.work = self.root / "repo"
        for folder in ["home", "bin", "counted", "tools", "repo"]:
            (self.root / folder).mkdir(parents=True)
        (self.home / ".gitconfig").write_text(CONFIG)
        os.link(options.binary, self.root / "bin/git-model")
        counted = f'#!/bin/sh\n[ "$1" = hook ] && echo "ours $2" >>{self.log}\nexec {self.root}/bin/git-model "$@"\n'
        script(self.root / "counted/git-model", counted)
        for tool, path in options.tools.items():
            (self.root / "tools" / tool).symlink_to(path)
        self.env = {"HOME": str(self.home), "LC_ALL": "C", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
                    "GIT_EDITOR": "true", "GIT_MERGE_AUTOEDIT": "no"}
        self.path = [f"{self.root}/tools", "/usr/bin", "/bin"]
        self.git("init", "-q")
        # Before anything of a tool is there, and without hooks: a model whose error is 25.
        self.model("install", "--local", "--no-hooks")
        self.write(".gitattributes", "*.safetensors filter=model merge=model\n")
        self.write(".gitmodel.toml", POLICY)
        self.write("notes", "".join(f"line {at}\n" for at in range(20)))
        self.write("folder/readme", "a folder\n")
        self.version(1, 25.0)
        self.git("commit", "-q", "-m", "first")
        self.git("tag", "base")
        self.model("uninstall", "--local", "--no-hooks")

    def run(self, *command, counted=True, cwd=None, said="", env=(), check=True):
        path = [f"{self.root}/counted"] if counted else []
        env = {**self.env, **dict(env), "PATH": ":".join([*path, f"{self.root}/bin", *self.path])}
        done = subprocess.run(command, cwd=cwd or self.work, env=env, input=said, capture_output=True, text=True,
                              errors="replace", timeout=120)
        if check:
            expect(done.returncode == 0, f"`{' '.join(map(str, command))}` failed: {done.stdout}{done.stderr}")
        return done

    def git(self, *arguments, **how):
        return self.run("git", *arguments, **how)

    def quiet(self, *arguments):
        """A command that gets things ready: no hook stops it or is counted."""
        unasked = ["--no-verify"] if arguments[0] == "commit" else []
        return self.git("-c", "core.hooksPath=/dev/null", *arguments, *unasked, counted=False)

    def model(self, *arguments, **how):
        # The counted one is not the binary that runs, so installation would not take its name.
        return self.run("git-model", *arguments, counted=False, **how)

    def write(self, name, text):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def version(self, seed, mse, note=""):
        """Writes and adds a version of the model."""
        self.write("model.safetensors", weights(seed))
        self.write("metrics.json", metrics(mse, note))
        self.git("add", ".")

    def notes(self, at, text):
        lines = [f"line {line}\n" for line in range(20)]
        lines[at] = f"{text}\n"
        self.write("notes", "".join(lines))

    def start(self):
        """A branch `work` at the first commit, and nothing left of earlier commands."""
        self.quiet("checkout", "-q", "-f", "-B", "work", "base")
        self.quiet("clean", "-q", "-f", "-d", "-e", "node_modules")
        self.log.unlink(missing_ok=True)

    def branch(self, name, change, start="base"):
        """A branch with one commit, made without hooks."""
        here = self.head("--abbrev-ref")
        self.quiet("checkout", "-q", "-B", name, start)
        change()
        self.quiet("commit", "-q", "-a", "-m", name)
        self.quiet("checkout", "-q", here)

    def head(self, *options):
        return self.git("rev-parse", *options, "HEAD").stdout.strip()

    def committed(self, name):
        return self.git("show", f"HEAD:{name}").stdout

    def runs(self):
        """How often each hook ran since the last call, ours and the user's."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        counts = collections.defaultdict(collections.Counter)
        for line in lines:
            whose, event = line.split()
            counts[whose][event] += 1
        return counts["ours"], counts["user"]

    def hook(self, event, folder=None):
        return (folder or self.repo / ".git/hooks") / event

    def entry(self, event, status=0):
        """A hook of the user."""
        return f"#!/bin/sh\necho user {event} >>{self.log}\nexit {status}\n"

    def own_hooks(self, folder=None):
        for event in EVENTS:
            script(self.hook(event, folder), self.entry(event))

    def snapshot(self, files, without=()):
        """Every file and folder below: its mode, and its content or where it leads."""
        found = {}
        for file in files:
            for path in [file, *sorted(file.rglob("*"))]:
                if not os.path.lexists(path) or path in without:
                    continue
                mode = path.lstat().st_mode
                content = os.readlink(path) if path.is_symlink() else "" if path.is_dir() else path.read_text()
                # Another place may have the same.
                found[str(path.relative_to(self.root))] = mode, content.replace(str(self.root), "ROOT")
        return found

    def remove(self):
        shutil.rmtree(self.root)
