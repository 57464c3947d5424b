#!/usr/bin/env python3
"""Breaks `git add`, `git commit` and `git checkout` at every system call that changes something.

strace kills the process, or makes the call fail, at its Nth occurrence; N runs until a run ends
untouched. After each break the repository must be in its old or its new state, `git fsck` and
`git model fsck` clean, the user's bytes intact, and the same command must succeed when run again.

What is broken, and where:
  kill         SIGKILL before the call: in git-model (filter and hooks), and in git itself
  ENOSPC ...   the call fails: in git-model
  zero         a write to a file writes nothing and says so: in git-model
  lie          a write to a file claims one byte and writes none: in git-model
  file-limit   no file may grow beyond N bytes: in both (honest short writes, then EFBIG)
  descriptors  no more than N open files: in both
  read-only    the store's folders and files may not be written

Limitations. strace counts calls per thread, so of several threads that write at the same time the
first to make its Nth call is hit. Power loss is not simulated: what was written but not synced
survives here.

Exit code: 0 all held, 1 something did not, 77 nothing could be tested (no strace, no ptrace).
Linux and the standard library only.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODEL = "model.safetensors"
TIMEOUT_S = 30
NOBODY = 65534

# Calls that change files or tell somebody something. Opens count where they create or truncate.
OPENS = ["open", "openat", "creat"]
WRITES = ["write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice", "vmsplice"]
MUTATING = [
    *OPENS, *WRITES, "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
    "link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "fallocate", "fsync", "fdatasync",
    "sync_file_range", "syncfs", "msync", "chmod", "fchmod", "fchmodat", "utimensat", "flock",
]

# What each call may answer instead. `+`: from the Nth on, as a full disk stays full.
ERRORS = {
    "write": ["ENOSPC+", "EIO"], "pwrite64": ["ENOSPC+", "EIO"], "writev": ["ENOSPC+"], "copy_file_range": ["ENOSPC+", "EXDEV"],
    "openat": ["EMFILE+", "EACCES"],
    "fsync": ["EIO"], "fdatasync": ["EIO"], "ftruncate": ["EIO"], "fallocate": ["ENOSPC", "EOPNOTSUPP"],
    "rename": ["ENOSPC", "EACCES"], "renameat": ["ENOSPC"], "renameat2": ["ENOSPC"], "linkat": ["EPERM"],
    "mkdir": ["EACCES"], "mkdirat": ["EACCES"], "unlink": ["EACCES"], "unlinkat": ["EACCES"],
    "read": ["EIO"], "pread64": ["EIO"], "getdents64": ["EIO"],
}
SHORTENED = ["write", "pwrite64"]
RESULTS = {"zero": 0, "lie": 1}
FILE_LIMITS = [1, 64, 512, 4096, 32768, 131072, 262144]
DESCRIPTORS = list(range(4, 24, 2))

Case = collections.namedtuple("Case", "scenario target call fault when")
Result = collections.namedtuple("Result", "case hit outcome violations notes")


class CannotTest(Exception):
    """Nothing was tested, and why."""


def say(text):
    print(text, flush=True)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def small_model(changed):
    """Six tensors of about 50 KB; the second version changes one of them."""
    source = random.Random(7)
    header, payload = {}, b""
    for number in range(6):
        values = bytearray(source.randbytes(50_000))
        # A narrow range of exponents, as weights have, so that the store compresses it.
        values[1::2] = bytes(0x3C | b & 3 for b in values[1::2])
        if changed and number == 3:
            values[::200] = bytes(b ^ 1 for b in values[::200])
        header[f"layer.{number}.weight"] = {
            "dtype": "BF16", "shape": [250, 100], "data_offsets": [len(payload), len(payload) + len(values)],
        }
        payload += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + payload


def trained_model(steps):
    """One tensor whose elements move the more the smaller they are, which `gc --aggressive` makes less of."""
    source = random.Random(11)
    values = bytearray()
    for _ in range(40_000):
        weight = 0x3C00 | source.randrange(1 << 10)
        move = sum(source.randrange(1 + (7 - (weight >> 7 & 7)) ** 2) for _ in range(2))
        values += (weight + steps * move).to_bytes(2, "little")
    text = json.dumps({"moving": {"dtype": "BF16", "shape": [40_000], "data_offsets": [0, len(values)]}}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + values


class Sweep:
    """Templates to copy from, and what the two states look like."""

    STEPS = {
        "add": [["git", "add", MODEL], ["git", "commit", "-qm", "v2"]],
        "commit": [["git", "commit", "-qm", "v2"]],
        "checkout": [["git", "checkout", "-q", "v1"]],
        # The same, with the file written after git has finished its own work.
        "checkout-deferred": [["git", "checkout", "-q", "v1"]],
        # Both versions are committed and stay so; only the store changes.
        "gc-aggressive": [["git", "model", "gc", "--aggressive"]],
    }
    # Scenarios of git-model alone: git itself changes nothing in them.
    OWN = ("gc-aggressive",)

    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.v1, self.v2 = small_model(False), small_model(True)
        self.prepare_environment()
        self.templates = {}
        self.states = {}
        for scenario in self.STEPS:
            self.templates[scenario] = self.make_template(scenario)
        self.manifests = {
            version: self.git(self.templates["checkout"], "cat-file", "blob", f"{version}:{MODEL}").stdout
            for version in ("v1", "main")
        }
        blobs = {version: self.blob(self.templates["checkout"], f"{version}:{MODEL}") for version in ("v1", "main")}
        if blobs["v1"] == blobs["main"]:
            raise CannotTest("both versions of the model gave the same manifest")
        for scenario in self.STEPS:
            back = scenario.startswith("checkout")
            self.states[scenario] = {"old": blobs["main" if back else "v1"], "new": blobs["v1" if back else "main"]}
            if scenario in self.OWN:
                self.states[scenario]["old"] = blobs["main"]

    # ------------------------------------------------------------ repositories

    def prepare_environment(self):
        programs, home = self.scratch / "bin", self.scratch / "home"
        programs.mkdir()
        home.mkdir()
        real = self.scratch / "real-git-model"
        shutil.copyfile(self.options.git_model, real)
        real.chmod(0o755)
        wrapper = programs / "git-model"
        # Everything that git starts under this name can be put under strace, the rest stays outside.
        # Not with --seccomp-bpf, which is faster but loses injected signals (strace 6.1).
        wrapper.write_text(
            "#!/bin/sh\n"
            f'[ -n "${{FAULT:-}}" ] || exec "{real}" "$@"\n'
            f'exec strace -f -q -y -o "$FAULT_LOG.$$" $FAULT "{real}" "$@"\n'
        )
        wrapper.chmod(0o755)
        (home / ".gitconfig").write_text(
            "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n"
            "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n[safe]\n\tdirectory = *\n"
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XDG_", "FAULT"))}
        self.env = {
            **kept, "HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
            # The same commit ids in every run.
            "GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z",
        }

    def git(self, repo, *arguments, check=True, user=None, **extra):
        done = subprocess.run(
            ["git", *arguments], cwd=repo, env={**self.env, **extra}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=TIMEOUT_S, user=user, group=user, extra_groups=[] if user else None,
        )
        if check and done.returncode:
            raise CannotTest(f"`git {' '.join(arguments)}` in {repo} ended with {done.returncode}: {done.stderr.decode()}")
        return done

    def blob(self, repo, name):
        return self.git(repo, "rev-parse", "--verify", name, check=False).stdout.decode().strip()

    def write_model(self, repo, data):
        (repo / MODEL).write_bytes(data)
        # Older than the index, so that git need not look at the content to know it; and not the same
        # for both, because git compares whole seconds and the sizes are equal.
        seconds = 1_600_000_000 + 60 * (data == self.v2)
        os.utime(repo / MODEL, (seconds, seconds))

    def make_template(self, scenario):
        repo = self.scratch / f"template-{scenario}"
        repo.mkdir()
        self.git(repo, "init", "-q")
        self.git(repo, "model", "install", "--local")
        self.git(repo, "model", "track", "*.safetensors")
        # `install` may have written the full path of the real binary; strace is in the wrapper on PATH.
        entries = self.git(repo, "config", "--local", "--name-only", "--get-regexp", r"^(filter|merge)\.model\.").stdout.decode().split()
        for key in entries:
            value = self.git(repo, "config", "--local", key).stdout.decode().strip()
            if "git-model" in value:
                _, _, rest = value.partition(" ")
                self.git(repo, "config", "--local", key, f"git-model {rest}")
        self.write_model(repo, self.v1)
        if scenario in self.OWN:
            for steps in range(3):
                (repo / "trained.safetensors").write_bytes(trained_model(steps))
                self.git(repo, "add", ".")
                self.git(repo, "commit", "-qm", f"trained {steps}")
        self.git(repo, "add", ".")
        self.git(repo, "commit", "-q", "--allow-empty", "-m", "v1")
        self.git(repo, "tag", "v1")
        if scenario in self.OWN:
            self.expect_gain(repo)
        if scenario == "add":
            # Not looked at by any git command yet: nothing of it may be in the store.
            self.write_model(repo, self.v2)
            return repo
        self.write_model(repo, self.v2)
        self.git(repo, "add", MODEL)
        if scenario != "commit":
            self.git(repo, "commit", "-qm", "v2")
        if scenario == "checkout-deferred":
            self.git(repo, "config", "model.smudge.inlineLimit", "1")
        return repo

    def expect_gain(self, template):
        """Where nothing is gained nothing is replaced, and nothing would be tested."""
        repo = self.scratch / "gain"
        shutil.copytree(template, repo, symlinks=True)
        said = self.git(repo, "model", "gc", "--aggressive").stderr
        shutil.rmtree(repo)
        if b"less than before" not in said:
            raise CannotTest(f"`gc --aggressive` found nothing to gain: {said.decode()}")

    def copy_of(self, scenario, name):
        repo = self.scratch / "cases" / name
        shutil.rmtree(repo, ignore_errors=True)
        shutil.copytree(self.templates[scenario], repo, symlinks=True)
        if scenario != "add":
            # The copy has other inodes; let git take note, so that the broken run does only its own work.
            self.git(repo, "status")
        return repo

    # ------------------------------------------------------------ planning

    def record(self, scenario, target):
        """Per call: at which occurrences, in any one thread, it changes something, and which of them write to a file."""
        repo = self.copy_of(scenario, f"record-{scenario}-{target}")
        calls = sorted({*MUTATING, *ERRORS})
        # `?`: not every architecture has every call.
        self.run_steps(repo, scenario, target, "-e trace=" + ",".join(f"?{call}" for call in calls))
        mutating, to_file, seen = (collections.defaultdict(set) for _ in range(3))
        for log in self.logs(repo):
            count = collections.Counter()
            for line in log.read_text(errors="replace").splitlines():
                match = re.match(r"(?:(\d+) +)?(\w+)\((.*)", line)
                if not match:
                    continue
                thread, call, rest = match.groups()
                count[thread, call] += 1
                when = count[thread, call]
                seen[call].add(when)
                if call in MUTATING and (call not in OPENS or re.search(r"O_CREAT|O_TRUNC|O_TMPFILE", rest)):
                    mutating[call].add(when)
                if is_file_write(rest):
                    to_file[call].add(when)
        shutil.rmtree(repo)
        return mutating, to_file, seen

    def plan(self, scenario):
        cases = []
        targets = ["model"] if scenario in self.OWN else ["model", "git"]
        for target in targets:
            mutating, to_file, seen = self.record(scenario, target)
            for call, occurrences in mutating.items():
                cases += [Case(scenario, target, call, "kill", when) for when in occurrences]
            if target == "git":
                continue
            for call, errors in ERRORS.items():
                # A pipe has no disk that could be full.
                occurrences = to_file[call] if call in WRITES else seen[call]
                cases += [Case(scenario, target, call, error, when) for error in errors for when in occurrences]
            for call in SHORTENED:
                cases += [Case(scenario, target, call, fault, when) for fault in RESULTS for when in to_file[call]]
        cases += [Case(scenario, "both", "-", "file-limit", limit) for limit in FILE_LIMITS]
        cases += [Case(scenario, "both", "-", "descriptors", limit) for limit in DESCRIPTORS]
        cases.append(Case(scenario, "both", "-", "read-only", 1))
        return [case for case in cases if self.wanted(case)]

    def wanted(self, case):
        options = self.options
        return (not options.only or case.call in options.only) and (not options.fault or case.fault.rstrip("+") in options.fault)

    # ------------------------------------------------------------ one case

    def logs(self, repo):
        return sorted(repo.parent.glob(f"{repo.name}.strace*"))

    def run_steps(self, repo, scenario, target, strace, limit=None, user=None):
        """Runs the scenario's commands up to the first that fails: (exit code, what was said); None for a hang."""
        log = repo.parent / f"{repo.name}.strace"
        for old in self.logs(repo):
            old.unlink()
        env, said, code = dict(self.env), b"", 0
        for number, command in enumerate(self.STEPS[scenario]):
            if target == "model" and strace:
                env.update(FAULT=strace, FAULT_LOG=str(log))
            if target == "git" and number == 0:
                # Without -f: git alone; what git starts runs untouched.
                command = ["strace", "-q", "-y", "-o", str(log), *strace.split(), *command]
            if limit:
                # With the signal ignored, a file that is full is a short write and then EFBIG.
                command = ["sh", "-c", 'trap "" XFSZ; exec prlimit "$@"', "sh", limit, *command]

            child = subprocess.Popen(
                command, cwd=repo, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, user=user, group=user, extra_groups=[] if user else None,
            )
            try:
                # Returns when the last process that holds the pipe has ended, not only git.
                out, _ = child.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                child.stdout.close()
                return None, said
            said += out
            code = child.returncode
            if code:
                break
        return code, said

    def strace_arguments(self, case):
        if case.fault == "kill":
            how = "signal=KILL"
        elif case.fault in RESULTS:
            how = f"retval={RESULTS[case.fault]}"
        else:
            how = f"error={case.fault.rstrip('+')}"
        when = f"{case.when}+" if case.fault.endswith("+") else str(case.when)
        return f"-e trace={case.call} -e inject={case.call}:{how}:when={when}"

    def run_case(self, case):
        name = "-".join(map(str, case)).replace("+", "on")
        repo = self.copy_of(case.scenario, name)
        if case.fault == "file-limit":
            code, said = self.run_steps(repo, case.scenario, "both", "", f"--fsize={case.when}")
            hit, void = bool(code or said), False
        elif case.fault == "descriptors":
            code, said = self.run_steps(repo, case.scenario, "both", "", f"--nofile={case.when}")
            hit, void = bool(code or said), False
        elif case.fault == "read-only":
            code, said = self.run_read_only(repo, case.scenario)
            hit, void = True, False
        else:
            code, said = self.run_steps(repo, case.scenario, case.target, self.strace_arguments(case))
            hit, void = self.was_hit(repo, case)
        broken = repo.with_name(f"{name}.broken")
        shutil.copytree(repo, broken, symlinks=True)
        if void:
            result = Result(case, False, "void", [], [])
        else:
            violations, notes, outcome = self.judge(repo, case, code, said)
            result = Result(case, hit, outcome, violations, notes)
        if result.violations:
            self.keep_evidence(repo, broken, result, said)
        for log in self.logs(repo):
            log.unlink()
        shutil.rmtree(repo)
        shutil.rmtree(broken)
        return result

    def run_read_only(self, repo, scenario):
        store = repo / ".git" / "model"
        user = None
        if os.geteuid() == 0:
            # Permissions do not hold root back.
            user = NOBODY
            for path in [repo, *repo.rglob("*")]:
                os.chown(path, user, user, follow_symlinks=False)
            if scenario != "add":
                self.git(repo, "status", user=user)
        everything = [store, *store.rglob("*")]
        modes = {path: path.stat().st_mode for path in everything}
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        try:
            return self.run_steps(repo, scenario, "both", "", user=user)
        finally:
            for path, mode in modes.items():
                path.chmod(mode)

    def was_hit(self, repo, case):
        """(hit, void): void where only a pipe was lied to, which no program can notice, or failed, which no pipe does."""
        hits = []
        for log in self.logs(repo):
            text = log.read_text(errors="replace")
            if case.fault == "kill":
                if "+++ killed by SIGKILL" in text:
                    return True, False
            else:
                hits += [line for line in text.splitlines() if "(INJECTED)" in line]
        void = case.fault in RESULTS and any(not is_file_write(line.partition("(")[2]) for line in hits)
        # read(2): EIO is an error of files, disks and terminals.
        void = void or case.fault == "EIO" and any("<pipe:" in line for line in hits)
        return bool(hits), void

    # ------------------------------------------------------------ judging

    def versions(self, scenario):
        return (self.v2, self.v1) if scenario.startswith("checkout") else (self.v1, self.v2)

    def judge(self, repo, case, code, said):
        wrong, notes = [], []
        if code is None:
            return [f"still running after {TIMEOUT_S} s"], [], "hang"
        if b"panicked at" in said:
            wrong.append("a panic reached the user")
        # What git itself leaves when it is killed, and asks its user to remove.
        for lock in (repo / ".git").rglob("*.lock"):
            if "model" not in lock.relative_to(repo / ".git").parts[:1]:
                lock.unlink()
        outcome = self.judge_state(repo, case, code, said, wrong)
        self.judge_store(repo, wrong)
        self.judge_rerun(repo, case, said, wrong, notes)
        return wrong, notes, outcome

    def judge_state(self, repo, case, code, said, wrong):
        old_bytes, new_bytes = self.versions(case.scenario)
        old, new = (self.states[case.scenario][key] for key in ("old", "new"))
        head, index = self.blob(repo, f"HEAD:{MODEL}"), self.blob(repo, f":{MODEL}")
        pair = tuple({old: "old", new: "new"}.get(blob, f"neither ({blob})") for blob in (head, index))
        # git writes its index before HEAD: between the two is a state of git's own.
        outcome = {("old", "old"): "old", ("new", "new"): "new", ("old", "new"): "between"}.get(pair)
        if outcome is None:
            wrong.append(f"HEAD holds {pair[0]}, the index {pair[1]}")
        data = read(repo / MODEL)
        if case.scenario in ("add", "commit", *self.OWN):
            if data != self.v2:
                wrong.append(f"the user's file changed: {describe(data)}")
        elif data not in (None, old_bytes, new_bytes, *self.manifests.values()) and not self.half_written(case, data):
            wrong.append(f"the file is neither version nor a manifest: {describe(data)}")
        if code == 0 and case.fault != "kill":
            if outcome != "new":
                wrong.append(f"the command succeeded, but the state is {outcome}")
            if data != new_bytes and not said.strip():
                wrong.append(f"the command succeeded and said nothing, but the file is {describe(data)}")
        if code != 0 and case.fault != "kill" and not said.strip():
            wrong.append("the command failed without a message")
        if case.fault == "read-only" and case.scenario not in ("add", *self.OWN) and code != 0:
            wrong.append(f"a store that is only read need not be writable: exit code {code}: {said.decode(errors='replace')}")
        if case.fault == "read-only" and case.scenario == "add" and code == 0:
            wrong.append("`git add` succeeded although the store could not be written")
        return outcome or "neither"

    def half_written(self, case, data):
        """Whether this is what git leaves when it is stopped while it writes the file itself."""
        by_git = self.manifests["v1"] if case.scenario == "checkout-deferred" else self.v1
        return data is not None and data != by_git and by_git.startswith(data)

    def manifest_in(self, repo):
        """The work tree's file if that is a manifest, else nothing."""
        data = read(repo / MODEL)
        return data if data in self.manifests.values() else b""

    def judge_store(self, repo, wrong):
        for command in (["fsck", "--no-dangling", "--no-progress"], ["model", "fsck"]):
            done = self.git(repo, *command, check=False)
            if done.returncode:
                said = (done.stdout + done.stderr).decode(errors="replace").strip()
                wrong.append(f"`git {' '.join(command)}` ended with {done.returncode}: {said}")
        known = {self.blob(self.templates["checkout"], f"{name}:{MODEL}"): data for name, data in (("v1", self.v1), ("main", self.v2))}
        for name in (f"HEAD:{MODEL}", f":{MODEL}"):
            expected = known.get(self.blob(repo, name))
            got = self.git(repo, "cat-file", "--filters", name, check=False, GIT_MODEL_SMUDGE="inline")
            if expected is not None and got.stdout != expected:
                wrong.append(f"the bytes of {name} cannot be restored: {describe(got.stdout)} {got.stderr.decode(errors='replace')}")

    def judge_rerun(self, repo, case, said, wrong, notes):
        def again(*command):
            done = self.git(repo, *command, check=False)
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip()
                wrong.append(f"run again, `git {' '.join(command)}` ended with {done.returncode}: {said}")
            return done.returncode == 0

        new = self.states[case.scenario]["new"]
        old_bytes, new_bytes = self.versions(case.scenario)
        if case.scenario.startswith("checkout"):
            half_written = self.half_written(case, read(repo / MODEL))
            first = self.git(repo, "checkout", "-q", "v1", check=False)
            if first.returncode and b"would be overwritten" in first.stderr:
                # As after a killed checkout with plain git: the half-written file looks like an edit.
                notes.append("needed `git checkout -f`")
                again("checkout", "-q", "-f", "v1")
            elif first.returncode:
                again("checkout", "-q", "v1")
            elif half_written:
                # git had moved HEAD although it could not write all of the file, and said so.
                notes.append("needed `git checkout -f`")
                again("checkout", "-q", "-f", "v1")
            # Where a failure named the next command, that command is part of running it again. A kill
            # leaves no message, so there git's command alone has to mend everything.
            if b"git model checkout" in said and self.git(repo, "status", "--porcelain", "-uno").stdout + self.manifest_in(repo):
                notes.append("needed `git model checkout`, as the message said")
                again("model", "checkout")
        elif again("add", MODEL) and self.blob(repo, f"HEAD:{MODEL}") != new:
            again("commit", "-qm", "v2")
        if {self.blob(repo, f"HEAD:{MODEL}"), self.blob(repo, f":{MODEL}")} != {new}:
            wrong.append("run again, HEAD and index still do not hold the new version")
        self.expect_file(repo, new_bytes, "run again, the file", wrong)
        status = self.git(repo, "status", "--porcelain", check=False).stdout.decode(errors="replace").splitlines()
        if changed := [line for line in status if not line.startswith("??")]:
            wrong.append(f"run again, git still sees a change: {changed}")
        if left := [line[3:] for line in status if line.startswith("??")]:
            notes.append("left in the work tree: " + ", ".join(re.sub(r"[0-9a-zA-Z]{6,}", "*", name) for name in left))
        if any((repo / ".git" / "model" / "tmp").glob("*")):
            notes.append("left in the store's tmp/")
        (repo / MODEL).unlink(missing_ok=True)
        if again("checkout", "-q", "-f", "HEAD", "--", MODEL):
            self.expect_file(repo, new_bytes, "a fresh checkout", wrong)
        if again("checkout", "-q", "-f", "main" if case.scenario.startswith("checkout") else "HEAD~1"):
            self.expect_file(repo, old_bytes, "a checkout of the other version", wrong)

    def expect_file(self, repo, expected, what, wrong):
        data = read(repo / MODEL)
        if data != expected:
            wrong.append(f"{what} is wrong: {describe(data)}, not sha256 {sha(expected)[:12]}")

    def keep_evidence(self, repo, broken, result, said):
        folder = self.options.failures / "-".join(map(str, result.case))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for log in self.logs(repo):
            shutil.copy(log, folder)
        shutil.copytree(broken, folder / "repo", symlinks=True)
        (folder / "output").write_bytes(said)
        (folder / "violations").write_text("\n".join(result.violations) + "\n" + self.reproduce(result.case) + "\n")

    def reproduce(self, case):
        return f"tests/durability/run.py --git-model {self.options.git_model} --case {'/'.join(map(str, case))}"


def read(path):
    return path.read_bytes() if path.exists() else None


def describe(data):
    if data is None:
        return "missing"
    return f"{len(data)} bytes, sha256 {sha(data)[:12]}, beginning {data[:24]!r}"


def is_file_write(arguments):
    """Of strace's `3</path>, "bytes", 10`: whether the descriptor is a file on a disk."""
    return bool(re.match(r"\d+</(?!dev/|proc/)", arguments))


def sampled(cases, count):
    """At most `count` of each group, evenly spaced, first and last among them."""
    groups = collections.defaultdict(list)
    for case in cases:
        groups[case.scenario, case.target, case.call, case.fault].append(case)
    chosen = []
    for group in groups.values():
        group.sort(key=lambda case: case.when)
        step = max(1.0, (len(group) - 1) / max(1, count - 1))
        chosen += [group[round(i * step)] for i in range(min(count, len(group)))]
    return chosen


def beyond(sweep, cases):
    """The recorded run may have had fewer calls than another: kills go on until one hits nothing."""
    last = {}
    for case in cases:
        if case.fault == "kill":
            key = case._replace(when=0)
            last[key] = max(last.get(key, 0), case.when)
    for key, when in last.items():
        for extra in range(when + 1, when + 200):
            result = sweep.run_case(key._replace(when=extra))
            yield result
            if not result.hit:
                break


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built = ROOT / "target" / "release" / "git-model"
    default = os.environ.get("GIT_MODEL") or (str(built) if built.exists() else shutil.which("git-model"))
    parser.add_argument("--git-model", default=default, metavar="PATH", help="default: $GIT_MODEL, target/release, PATH")
    parser.add_argument("--scenario", action="append", choices=list(Sweep.STEPS), help="only this one; may be repeated")
    parser.add_argument("--only", action="append", metavar="SYSCALL", help="only this call; may be repeated")
    parser.add_argument("--fault", action="append", help="only this fault (kill, ENOSPC, lie, ...); may be repeated")
    parser.add_argument("--sample", type=int, metavar="K", help="at most K places per scenario, call and fault")
    parser.add_argument("--case", metavar="SCENARIO/TARGET/CALL/FAULT/N", help="one case, as a failure prints it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at a time (default: the cores)")
    parser.add_argument("--failures", type=Path, default=ROOT / "target" / "durability", metavar="DIR",
                        help="where failing cases are kept (default target/durability)")
    options = parser.parse_args()
    if not options.git_model or not os.access(options.git_model, os.X_OK):
        parser.error("no git-model; build it with `cargo build --release --locked` or name it with --git-model PATH")
    options.git_model = os.path.abspath(options.git_model)
    options.failures = options.failures.resolve()
    return options


def check_strace():
    if not shutil.which("strace"):
        raise CannotTest("strace is not installed: apt-get install strace")
    probe = subprocess.run(
        ["strace", "-f", "-q", "-o", "/dev/null", "-e", "inject=exit_group:signal=KILL", "true"], capture_output=True, text=True
    )
    if probe.returncode != -signal.SIGKILL:
        raise CannotTest(f"strace cannot trace here (a container without ptrace?): {probe.stderr.strip()}")


def run_all(sweep, options):
    if options.case:
        *names, when = options.case.split("/")
        yield sweep.run_case(Case(*names, int(when)))
        return
    cases = [case for scenario in options.scenario or Sweep.STEPS for case in sweep.plan(scenario)]
    if options.sample:
        cases = sampled(cases, options.sample)
    say(f"{len(cases)} cases")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        yield from pool.map(sweep.run_case, cases)
    if not options.sample:
        yield from beyond(sweep, cases)


def report(sweep, results):
    """Prints each violation as it comes, then the counts; true if everything held."""
    groups, notes, failed = collections.defaultdict(collections.Counter), collections.Counter(), []
    for result in results:
        case = result.case
        group = groups[case.scenario, case.target, case.fault.rstrip("+")]
        group["cases"] += 1
        group["hit"] += result.hit
        group[result.outcome] += result.hit
        group["violations"] += bool(result.violations)
        notes.update((case.scenario, note) for note in result.notes)
        if result.violations:
            failed.append(case)
            say(f"VIOLATION {'/'.join(map(str, case))}")
            for violation in result.violations:
                say(f"  {violation}")
            say(f"  again: {sweep.reproduce(case)}")
    columns = ["cases", "hit", "old", "between", "new", "violations"]
    say(f"\n{'scenario':18} {'in':6} {'fault':12} " + " ".join(f"{column:>10}" for column in columns))
    for (scenario, target, fault), counts in sorted(groups.items()):
        say(f"{scenario:18} {target:6} {fault:12} " + " ".join(f"{counts[column]:10}" for column in columns))
    for (scenario, note), count in sorted(notes.items()):
        say(f"note: {scenario}: {count} times {note}")
    total, hit = (sum(counts[column] for counts in groups.values()) for column in ("cases", "hit"))
    say(f"\n{total} cases, {hit} hit, {len(failed)} with violations")
    if failed:
        say(f"kept in {sweep.options.failures}")
    # A fault that never happened shows nothing, and hides a sweep that has stopped working.
    idle = [" ".join(group) for group, counts in sorted(groups.items()) if not counts["hit"]]
    for group in idle:
        say(f"never hit, so nothing was shown: {group}")
    return bool(hit) and not failed and (not idle or sweep.options.case is not None)


def main():
    options = arguments()
    check_strace()
    with tempfile.TemporaryDirectory(prefix="git-model-durability-") as scratch:
        # The read-only cases run as another user.
        os.chmod(scratch, 0o755)
        sweep = Sweep(options, Path(scratch))
        return 0 if report(sweep, run_all(sweep, options)) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotTest as reason:
        print(f"run.py: nothing was tested: {reason}", file=sys.stderr)
        sys.exit(77)
