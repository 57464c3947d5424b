#!/usr/bin/env python3
"""Tags made by git-model and by GTO, in turn: do both read the same from them?

    python3 -m venv venv && venv/bin/pip install gto==1.10.1
    venv/bin/python tests/versions/check_gto.py target/debug/git-model [steps] [seed]

Two models in one repository. Each step lets one of the two tools, chosen at random, register a version, put a version in a
stage, take it out, deprecate a version, or deprecate a model; then `gto show` and `git model list` are compared, and for
each version `gto show MODEL` with `git model show MODEL@VERSION`. Git keeps the time of tags in seconds, so there is one step
in a second. Exits with 1 at the first difference.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = ["house", "team/ranker"]
STAGES = ["dev", "prod"]
POLICY = '[model.house]\nweights = ["house.bin"]\n[model."team/ranker"]\nweights = ["ranker.bin"]\n'


class Place:
    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.repo = binary, folder / "repo"
        home = folder / "home"
        home.mkdir()
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{binary.parent}{os.pathsep}{keep['PATH']}"
        self.env = {**keep, "PATH": path, "HOME": str(home), "GIT_CONFIG_SYSTEM": "/dev/null"}
        self.repo.mkdir()
        for setting in (("user.name", "Test"), ("user.email", "test@example.org"), ("init.defaultBranch", "main")):
            self.run("git", "config", "--global", *setting)
        self.run("git", "init", "-q")
        self.run(str(binary), "install")
        (self.repo / ".gitattributes").write_text("*.bin filter=model\n")
        (self.repo / ".gitmodel.toml").write_text(POLICY)
        self.commits = 0

    def run(self, *args: str) -> str:
        done = subprocess.run(args, cwd=self.repo, env=self.env, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def attempt(self, *args: str) -> bool:
        done = subprocess.run(args, cwd=self.repo, env=self.env, capture_output=True, text=True, timeout=60)
        return done.returncode == 0

    def commit(self) -> None:
        self.commits += 1
        for name in ("house.bin", "ranker.bin"):
            (self.repo / name).write_bytes(bytes(random.randrange(256) for _ in range(100)))
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", f"commit {self.commits}")

    def by_gto(self) -> dict:
        found = json.loads(self.run("gto", "show", "--json"))
        return {
            name: {
                "version": state["version"],
                "stages": {stage: version for stage, version in state["stage"].items() if version},
            }
            for name, state in found.items()
            if state["registered"]
        }

    def by_us(self) -> dict:
        return {
            row["model"]: {"version": row["version"], "stages": row["stages"]}
            for row in json.loads(self.run(str(self.binary), "list", "--json"))
            # GTO leaves out deprecated models, and those that nobody has tagged.
            if not row["deprecated"] and self.run("git", "tag", "--list", f"{row['model']}[@#]*")
        }

    def compare(self, step: str) -> int:
        gto, us = self.by_gto(), self.by_us()
        if gto != us:
            sys.exit(f"after {step}:\ngto        {gto}\ngit-model  {us}\ntags: {self.run('git', 'tag')}")
        seen = 1
        for name in gto:
            for version in json.loads(self.run("gto", "show", name, "--json")):
                shown = json.loads(self.run(str(self.binary), "show", f"{name}@{version['version']}", "--json"))
                ours = (shown["version"], shown["commit"], sorted(shown["stages"]), not shown["deprecated"])
                theirs = (
                    version["version"],
                    version["commit_hexsha"],
                    sorted({stage["stage"] for stage in version["stages"]}),
                    version["is_active"],
                )
                if ours != theirs:
                    sys.exit(f"after {step}: {name}\ngto        {theirs}\ngit-model  {ours}")
                seen += 1
        return seen


def step(place: Place, versions: dict, tool: str) -> str:
    """One thing said of one model; which is kept in `versions`. Returns the words, empty if the tool refused."""
    model = random.choice(MODELS)
    known = versions[model]
    what = random.choices(["register", "assign", "unassign", "deregister", "deprecate"], [4, 5, 3, 2, 0.5])[0]
    stage, version = random.choice(STAGES), random.choice(known) if known else None
    if what == "register":
        place.commit()
        # Both count up from the latest that is not deprecated, unless a deprecated one is higher: so it is named here.
        highest = max((tuple(map(int, known_version[1:].split("."))) for known_version in known), default=(0, 9, 0))
        new = f"v{highest[0]}.{highest[1] + 1}.{random.randrange(3)}"
        args = {"gto": ["gto", "register", model, "--version", new], "us": ["tag", model, new]}
    elif version is None:
        return ""
    elif what == "assign":
        args = {
            "gto": ["gto", "assign", model, "--version", version, "--stage", stage],
            "us": ["tag", model, "--stage", stage, version],
        }
    elif what == "unassign":
        args = {"gto": ["gto", "deprecate", model, version, stage], "us": ["tag", model, "--unstage", stage, version]}
    elif what == "deregister":
        args = {"gto": ["gto", "deprecate", model, version], "us": ["tag", model, "--deprecate", version]}
    else:
        args = {"gto": ["gto", "deprecate", model], "us": ["tag", model, "--deprecate"]}
    command = args["gto"] if tool == "gto" else [str(place.binary), *args["us"]]
    if not place.attempt(*command):
        return ""
    if what == "register":
        known.append(new)
    return " ".join([tool, what, model, *command[-2:]])


def main() -> None:
    binary = Path(shutil.which(sys.argv[1]) or sys.argv[1]).resolve()
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(binary, Path(folder))
        place.commit()
        versions: dict = {model: [] for model in MODELS}
        done, compared, by = 0, 0, {"gto": 0, "us": 0}
        for _ in range(steps * 4):
            if done == steps:
                break
            tool = random.choice(["gto", "us"])
            words = step(place, versions, tool)
            if words:
                done, by[tool] = done + 1, by[tool] + 1
                compared += place.compare(words)
                print(f"{done:3} {words}", file=sys.stderr)
                time.sleep(1.05)
        print(f"{done} tags ({by['us']} by git-model, {by['gto']} by gto), {compared} states compared, no difference")


if __name__ == "__main__":
    main()
