#!/usr/bin/env python3
"""Measures git-model beside plain git, git-lfs, a draining filter and cp, on the same files.

Writes the Markdown that docs/performance.md holds: medians, ratios against the peers of the same
round, and whether each promised limit holds. README.md beside this file says what is measured and
how. Standard library only; Linux only (memory is read from /proc).

Exit code: 0 every limit holds, 1 a limit does not, 2 some could not be judged.
"""

import argparse
import itertools
import json
import math
import multiprocessing
import operator
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from pathlib import Path

HERE = Path(__file__).resolve().parent
MIB = 1 << 20
MODEL = "model.safetensors"
PEERS = ["plain", "lfs", "model", "drain", "cp"]
STEPS = ["add v1", "add v2", "checkout v1", "status, first", "status, second", "status, settled"]
# Every 5 ms takes a tenth of what a checkout takes that has both cores of a small machine at work.
SAMPLE_EVERY_S = 0.020


class Broken(Exception):
    """A measurement that cannot go on, with what to do about it."""


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- the files

def layout_of_a_transformer(elements):
    """400 tensors with the proportions of a decoder: (name, shape, mean, scale)."""
    layers = 44
    # One layer has 4 d·d of attention and 3 · 2.75 d·d of MLP; the two embeddings take about 64 d·d.
    dim = int(math.sqrt(elements / (layers * 12.25 + 64)) / 8) * 8
    wide = dim * 11 // 4
    tensors = []
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        # Trained weights differ in spread from layer to layer and from role to role.
        spread = 0.02 * (1 + 0.5 * math.sin(layer))
        tensors.append((f"{prefix}.input_layernorm.weight", [dim], 1.0, 0.05))
        for role, scale in (("q", 1.0), ("k", 1.3), ("v", 0.6), ("o", 0.7)):
            tensors.append((f"{prefix}.self_attn.{role}_proj.weight", [dim, dim], 0.0, spread * scale))
        tensors.append((f"{prefix}.post_attention_layernorm.weight", [dim], 1.0, 0.04))
        tensors.append((f"{prefix}.mlp.gate_proj.weight", [wide, dim], 0.0, spread * 0.8))
        tensors.append((f"{prefix}.mlp.up_proj.weight", [wide, dim], 0.0, spread * 0.7))
        tensors.append((f"{prefix}.mlp.down_proj.weight", [dim, wide], 0.0, spread * 0.75))
    tensors.append(("model.norm.weight", [dim], 1.5, 0.1))
    tensors.append(("model.norm.bias", [dim], 0.0, 0.01))
    rows = (elements - sum(math.prod(shape) for _, shape, _, _ in tensors)) // (2 * dim)
    tensors.append(("model.embed_tokens.weight", [rows, dim], 0.0, 0.015))
    tensors.append(("lm_head.weight", [rows, dim], 0.0, 0.012))
    assert len(tensors) == 400 and rows > 0, (len(tensors), rows)
    return tensors


def changed_names():
    """The 5 tensors that the second version trains."""
    attention = [f"model.layers.20.self_attn.{role}_proj.weight" for role in "qkvo"]
    return [*attention, "model.layers.20.mlp.gate_proj.weight"]


def header_of(tensors):
    entries, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        end = offset + 2 * math.prod(shape)
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def bf16_bits(values):
    """Rounds floats to bfloat16, to nearest, ties to even."""
    bits = array("I", array("f", values).tobytes())
    return [(b + 0x7FFF + (b >> 16 & 1)) >> 16 for b in bits]


def write_tensor(job):
    """One tensor of gaussian weights, written in place; run in a worker process.

    Drawing 2^16 equally likely quantiles with random bytes as indices is a gaussian for every
    purpose here, and the only way to half a billion of them in seconds without numpy.
    """
    path, offset, count, mean, scale, seed = job
    table = bf16_bits([mean + scale * z for z in quantiles()])
    source = random.Random(seed)
    with open(path, "r+b", buffering=0) as file:
        file.seek(offset)
        while count > 0:
            part = min(count, MIB)
            draws = array("H", source.randbytes(2 * part))
            file.write(array("H", map(table.__getitem__, draws)))
            count -= part


def quantiles():
    if not hasattr(quantiles, "kept"):
        normal = statistics.NormalDist()
        quantiles.kept = [normal.inv_cdf((i + 0.5) / 65536) for i in range(65536)]
    return quantiles.kept


def train_tensor(job):
    """Moves some weights by a unit or two in the last place, as a short fine-tune does."""
    path, offset, count, seed = job
    steps = [0] * 160 + [1, -1] * 40 + [2, -2] * 6 + [3, -3] * 2
    with open(path, "r+b", buffering=0) as file:
        file.seek(offset)
        before = array("H", file.read(2 * count))
        moves = map(steps.__getitem__, random.Random(seed).randbytes(count))
        file.seek(offset)
        file.write(array("H", map(operator.and_, map(operator.add, before, moves), itertools.repeat(0xFFFF))))


def in_worker(function, jobs):
    """Workers, so that this process stays small: a child's peak memory counts from its parent's."""
    with multiprocessing.Pool() as pool:
        pool.map(function, jobs, chunksize=1)


def splice(head, payload_of, skip, target):
    """`target` = another header on the payload of an existing file."""
    with open(payload_of, "rb") as source, open(target, "wb") as out:
        out.write(head)
        source.seek(skip)
        shutil.copyfileobj(source, out, MIB)


def make_files(folder, size_mib, many):
    """Two versions with 400 tensors, and the same payload cut into `many`."""
    names = ["v1", "v2", "many-v1", "many-v2"] if many else ["v1", "v2"]
    files = {name: folder / f"{size_mib}-{many}-{name}.safetensors" for name in names}
    if all(path.exists() for path in files.values()):
        return files
    say(f"making {len(files)} files of {size_mib} MiB in {folder}")
    tensors = layout_of_a_transformer(size_mib * MIB // 2)
    head = header_of([(name, shape) for name, shape, _, _ in tensors])
    offset, jobs, training = len(head), [], []
    part = folder / "part"
    for seed, (name, shape, mean, scale) in enumerate(tensors):
        count = math.prod(shape)
        jobs.append((part, offset, count, mean, scale, seed))
        if name in changed_names():
            training.append((part, offset, count, 1000 + seed))
        offset += 2 * count
    part.write_bytes(head)
    os.truncate(part, offset)
    in_worker(write_tensor, jobs)
    shutil.copyfile(part, files["v1"])
    in_worker(train_tensor, training)
    if many:
        # Even slices of the same bytes: what differs is the number of tensors and nothing else.
        payload = (offset - len(head)) // 2
        counts = [payload // many] * many
        counts[-1] += payload % many
        slices = [(f"model.layers.{i // 768}.experts.{i // 3 % 256}.w{i % 3}.weight", [n]) for i, n in enumerate(counts)]
        splice(header_of(slices), files["v1"], len(head), files["many-v1"])
        splice(header_of(slices), part, len(head), files["many-v2"])
    part.rename(files["v2"])
    return files


# ---------------------------------------------------------------- measuring a command

class MemoryWatch(threading.Thread):
    """Samples a process tree: the largest anonymous memory of one process, and the resident memory of all."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.anon_max, self.tree_max = pid, 0, 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(SAMPLE_EVERY_S):
            resident = 0
            for pid in self.tree():
                anon, rss = self.memory_of(pid)
                self.anon_max = max(self.anon_max, anon)
                resident += rss
            self.tree_max = max(self.tree_max, resident)

    def tree(self):
        found, waiting = [], [str(self.pid)]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            try:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/children") as file:
                        waiting.extend(file.read().split())
            except (FileNotFoundError, ProcessLookupError):
                pass  # ended between two looks
        return found

    @staticmethod
    def memory_of(pid):
        kib = {"RssAnon": 0, "VmRSS": 0}
        try:
            with open(f"/proc/{pid}/status") as file:
                for line in file:
                    key, _, value = line.partition(":")
                    if key in kib:
                        kib[key] = int(value.split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
        return kib["RssAnon"] * 1024, kib["VmRSS"] * 1024


def warm_memory(size):
    """Makes the kernel hold that much free memory which was in use a moment ago.

    A virtual machine hands free memory back to its host, and the first touch of a page then takes
    several times as long as copying it. Who comes first would pay for that, by luck and not by merit.
    """
    touch = (
        "import mmap, sys\n"
        "populate = 0x8000  # all pages at once; mmap.MAP_POPULATE is newer than Python 3.9\n"
        "mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | populate).close()\n"
    )
    # In a process of its own: a child's peak memory counts from its parent's.
    subprocess.run([sys.executable, "-c", touch, str(size)], check=True)
    # What is free after hours of work lies in small pieces, and a file written into them takes twice the kernel's time.
    try:
        Path("/proc/sys/vm/compact_memory").write_text("1")
    except OSError:
        pass  # only root may ask for it


def measure(command, cwd, env, memory=0):
    """Wall and CPU time and memory of a command and everything it waited for, from a synced disk."""
    os.sync()
    if memory:
        warm_memory(memory)
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=output)
        watch = MemoryWatch(child.pid)
        watch.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        watch.over.set()
        watch.join()
        if child.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise Broken(f"`{' '.join(map(str, command))}` in {cwd} ended with {child.returncode}:\n{said}")
    return {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "anon_bytes_max": watch.anon_max,
        "tree_rss_bytes_max": watch.tree_max,
        "process_rss_bytes_max": usage.ru_maxrss * 1024,
    }


def repository(scratch, name, git_model, branch="main"):
    """An empty repository in `scratch` that tracks safetensors with this binary: its folder, its environment, a `git`."""
    binary = scratch / "bin"
    shutil.rmtree(binary, ignore_errors=True)
    binary.mkdir()
    shutil.copy(git_model, binary / "git-model")
    repo = scratch / name
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir()
    env = {**os.environ, "PATH": f"{binary}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null",
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=repo, env=env, check=True, capture_output=True).stdout

    git("init", "-q", "-b", branch)
    git("model", "install", "--local")
    git("model", "track", "*.safetensors")
    return repo, env, git


def size_of(folder):
    return sum(os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(folder) for name in names)


def same_bytes(one, other):
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            left, right = a.read(4 * MIB), b.read(4 * MIB)
            if left != right:
                return False
            if not left:
                return True


# ---------------------------------------------------------------- the peers

class Bench:
    def __init__(self, options, scratch):
        self.scratch, self.options = scratch, options
        home = scratch / "home"
        home.mkdir(exist_ok=True)
        (home / ".gitconfig").write_text(
            "[user]\n\tname = Bench\n\temail = bench@example.com\n[init]\n\tdefaultBranch = main\n"
            # A collection in the background would run into the next measurement.
            "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n"
        )
        programs = scratch / "bin"
        programs.mkdir(exist_ok=True)
        if options.git_model:
            link = programs / "git-model"
            link.unlink(missing_ok=True)
            link.symlink_to(options.git_model)
        self.drain = programs / "drain"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XDG_"))}
        self.env = {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "PATH": f"{programs}:{os.environ['PATH']}"}
        # What the hungriest peer touches: git's buffer for git-lfs grows, is copied, and becomes a file.
        self.memory = 7 * options.size_mib * MIB
        self.missing = {}
        self.available = [peer for peer in options.only if self.is_there(peer)]

    def is_there(self, peer):
        if peer == "lfs" and subprocess.run(["git", "lfs", "version"], env=self.env, capture_output=True).returncode:
            self.missing[peer] = "git-lfs is not installed: apt-get install git-lfs"
        if peer == "model" and not self.options.git_model:
            self.missing[peer] = "no git-model: cargo build --release, or --git-model PATH"
        if peer == "drain":
            build = ["rustc", "-O", "--edition", "2024", "-o", str(self.drain), str(HERE / "drain.rs")]
            try:
                subprocess.run(build, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                self.missing[peer] = f"the draining filter did not build: {error}"
        return peer not in self.missing

    def git(self, repo, *arguments):
        done = subprocess.run(["git", *arguments], cwd=repo, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise Broken(f"`git {' '.join(arguments)}` in {repo} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def new_repository(self, peer):
        repo = self.scratch / f"repo-{peer}"
        shutil.rmtree(repo, ignore_errors=True)
        repo.mkdir()
        self.git(repo, "init", "-q")
        if peer == "lfs":
            self.git(repo, "lfs", "install", "--local")
            self.git(repo, "lfs", "track", "*.safetensors")
        elif peer == "model":
            self.git(repo, "model", "install", "--local")
            self.git(repo, "model", "track", "*.safetensors")
        elif peer == "drain":
            self.git(repo, "config", "filter.drain.process", str(self.drain))
            # Only for a required filter does git stream the file instead of holding all of it.
            self.git(repo, "config", "filter.drain.required", "true")
            (repo / ".gitattributes").write_text("*.safetensors filter=drain -text\n")
        else:
            (repo / ".gitattributes").write_text("*.safetensors -text -diff\n")
        self.git(repo, "add", ".gitattributes")
        self.git(repo, "commit", "-qm", "attributes")
        return repo

    def story(self, peer, v1, v2, last):
        """Two versions added, the first checked out again: what each step took."""
        repo = self.new_repository(peer)
        model, result = repo / MODEL, {}
        for name, version in (("v1", v1), ("v2", v2)):
            shutil.copyfile(version, model)
            result[f"add {name}"] = measure(["git", "add", MODEL], repo, self.env, self.memory)
            self.git(repo, "commit", "-qm", name)
            result[f"size {name}"] = size_of(repo / ".git")
        if peer != "drain":
            result["checkout v1"] = measure(["git", "checkout", "-q", "HEAD~1"], repo, self.env, self.memory)
            for moment in ("first", "second"):
                result[f"status, {moment}"] = measure(["git", "status", "--porcelain"], repo, self.env)
            # An index written in the same second as the file makes git hash the file again at every
            # status. A second later it settles: that is what a status costs where nothing is to do.
            time.sleep(1.1)
            self.git(repo, "status")
            result["status, settled"] = measure(["git", "status", "--porcelain"], repo, self.env)
            if not same_bytes(model, v1):
                raise Broken(f"{peer}: {model} is not {v1} after the checkout")
            if self.git(repo, "status", "--porcelain"):
                raise Broken(f"{peer}: `git status` in {repo} reports a change after the checkout")
        if last and peer in ("plain", "model"):
            self.git(repo, *(["gc", "-q"] if peer == "plain" else ["model", "gc"]))
            result["size after gc"] = size_of(repo / ".git")
        shutil.rmtree(repo)
        return result

    def copy(self, v1):
        target = self.scratch / "copy"
        # A reflink would copy nothing, and git's index and filters cannot use one.
        result = {"cp": measure(["cp", "--reflink=never", str(v1), str(target)], self.scratch, self.env, self.memory)}
        target.unlink()
        return result

    def round(self, number, files):
        order = self.available[number % len(self.available):] + self.available[: number % len(self.available)]
        if number % 2:
            order.reverse()
        last, result = number == self.options.runs - 1, {}
        for peer in order:
            say(f"round {number + 1} of {self.options.runs}: {peer}")
            result[peer] = self.copy(files["v1"]) if peer == "cp" else self.story(peer, files["v1"], files["v2"], last)
            if peer == "model" and "many-v1" in files:
                say(f"round {number + 1} of {self.options.runs}: {peer}, {self.options.many} tensors")
                result["many"] = self.story(peer, files["many-v1"], files["many-v2"], False)
        return result


# ---------------------------------------------------------------- the report

def median(rounds, peer, step, metric):
    """None where that peer or step was not measured."""
    try:
        return statistics.median(r[peer][step][metric] for r in rounds)
    except KeyError:
        return None


def ratio(rounds, peer, steps, other, other_steps=None):
    """Median over the rounds of one wall time by another, both from the same round; of several steps, their sum."""
    def wall(one_round, who, steps):
        return sum(one_round[who][step]["wall_s"] for step in steps)

    try:
        return statistics.median(wall(r, peer, steps) / wall(r, other, other_steps or steps) for r in rounds)
    except KeyError:
        return None


def limits(rounds, size_mib):
    """(what, measured or None, limit, format): the promises of docs/performance.md."""
    def excess_ms(step):
        ours, plain = median(rounds, "model", step, "wall_s"), median(rounds, "plain", "status, settled", "wall_s")
        return None if ours is None or plain is None else (ours - plain) * 1000

    peaks = [
        figures["anon_bytes_max"] / MIB
        for one_round in rounds
        for peer in ("model", "many")
        for figures in one_round.get(peer, {}).values()
        if isinstance(figures, dict)
    ]
    return [
        ("add v1, wall / git-lfs", ratio(rounds, "model", ["add v1"], "lfs"), 0.25, "{:.3f}"),
        ("add v1, wall / draining filter", ratio(rounds, "model", ["add v1"], "drain"), 4.0, "{:.2f}"),
        ("add v1, CPU seconds", median(rounds, "model", "add v1", "cpu_s"), 3.0 * size_mib / 1024, "{:.2f}"),
        ("add v2, wall / git-lfs", ratio(rounds, "model", ["add v2"], "lfs"), 0.15, "{:.3f}"),
        ("add v2, wall / draining filter", ratio(rounds, "model", ["add v2"], "drain"), 2.5, "{:.2f}"),
        ("checkout, wall / git-lfs", ratio(rounds, "model", ["checkout v1"], "lfs"), 0.25, "{:.3f}"),
        ("checkout and the next status, wall / git-lfs", ratio(rounds, "model", ["checkout v1", "status, first"], "lfs"), 0.25, "{:.3f}"),
        ("checkout, wall / cp", ratio(rounds, "model", ["checkout v1"], "cp", ["cp"]), 3.0, "{:.2f}"),
        ("peak anonymous memory of any process, MiB", max(peaks, default=None), 256.0, "{:.0f}"),
        ("status right after checkout, ms above plain git", excess_ms("status, first"), 20.0, "{:.1f}"),
        ("second status, ms above plain git", excess_ms("status, second"), 20.0, "{:.1f}"),
        ("many tensors, add v1 / 400 tensors", ratio(rounds, "many", ["add v1"], "model"), 2.0, "{:.2f}"),
        ("many tensors, checkout / 400 tensors", ratio(rounds, "many", ["checkout v1"], "model"), 2.0, "{:.2f}"),
    ]


def first_line(*command, env=None):
    try:
        return subprocess.run(command, env=env, capture_output=True, text=True).stdout.partition("\n")[0].strip()
    except OSError:
        return ""


def machine(bench):
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": f"{cpu}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": first_line("findmnt", "-no", "FSTYPE,OPTIONS", "-T", str(bench.scratch)),
        "git": first_line("git", "--version"),
        "git-lfs": first_line("git", "lfs", "version", env=bench.env) or "not installed",
        "git-model": first_line(bench.options.git_model, "--version") if bench.options.git_model else "not built",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


TITLES = {"plain": "plain git", "lfs": "git-lfs", "model": "git-model", "many": "git-model, many tensors",
          "drain": "draining filter", "cp": "cp"}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def markdown(bench, rounds, about, verdicts):
    options, peers = bench.options, [*bench.available]
    if "many" in rounds[0]:
        peers.insert(peers.index("model") + 1, "many")
    parts = [
        f"Medians of {len(rounds)} alternating rounds on one {options.size_mib} MiB bf16 safetensors file of 400 tensors; "
        f"5 of them change in v2. \"Many\" is {options.many} tensors in the same bytes.",
        table(["", ""], [[key, value] for key, value in about.items()]),
    ]
    rows = []
    for step in [*STEPS, "cp"]:
        for peer in peers:
            wall = median(rounds, peer, step, "wall_s")
            if wall is None:
                continue
            values = [r[peer][step]["wall_s"] for r in rounds]
            rows.append([
                step, TITLES[peer], f"{wall:.3f} s", f"{min(values):.3f} to {max(values):.3f}",
                f"{median(rounds, peer, step, 'cpu_s'):.2f} s",
                f"{median(rounds, peer, step, 'anon_bytes_max') / MIB:.0f} MiB",
                f"{median(rounds, peer, step, 'tree_rss_bytes_max') / MIB:.0f} MiB",
            ])
    parts.append(table(["step", "with", "wall", "range", "CPU", "anonymous memory, one process", "resident, all processes"], rows))
    rows = []
    for peer in peers:
        for moment, words in (("size v1", "after v1"), ("size v2", "after v2"), ("size after gc", "after gc")):
            sizes = [r[peer][moment] for r in rounds if moment in r[peer]]
            if sizes and peer != "drain":
                size = statistics.median(sizes) / MIB
                rows.append([TITLES[peer], words, f"{size:.1f} MiB", f"{size / options.size_mib:.3f} × one version"])
    if rows:
        parts.append(table(["`.git` of", "", "size", ""], rows))
    parts.append(table(["limit", "measured", "at most", ""], verdicts))
    parts.extend(f"Not measured: {reason}." for reason in bench.missing.values())
    return "\n\n".join(parts)


def judge(rounds, size_mib):
    rows, code = [], 0
    for what, value, limit, form in limits(rounds, size_mib):
        if value is None:
            rows.append([what, "not measured", form.format(limit), "?"])
            code = code or 2
        else:
            held = value <= limit
            code = code if held else 1
            rows.append([what, form.format(value), form.format(limit), "PASS" if held else "**FAIL**"])
    return rows, code


def find_git_model():
    built = HERE.parent.parent / "target" / "release" / "git-model"
    given = os.environ.get("GIT_MODEL") or (str(built) if built.exists() else shutil.which("git-model"))
    return given


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size-mib", type=int, default=1024, help="size of the model file (default 1024)")
    parser.add_argument("--runs", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--many", type=int, default=60000, help="tensors of the many-tensor file, 0 for none (default 60000)")
    parser.add_argument("--git-model", default=find_git_model(), metavar="PATH", help="default: $GIT_MODEL, target/release, PATH")
    parser.add_argument("--only", default=",".join(PEERS), help=f"some of {','.join(PEERS)}")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where to work, about 10 times the size (default target/bench)")
    parser.add_argument("--keep", action="store_true", help="keep the generated files for the next run")
    parser.add_argument("--json", action="store_true", help="print the numbers of every round as JSON instead of Markdown")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PEERS):
        parser.error(f"--only: no such peer: {', '.join(sorted(unknown))}")
    if options.size_mib < 16 or options.runs < 1:
        parser.error("--size-mib is at least 16, --runs at least 1")
    if options.git_model:
        options.git_model = os.path.abspath(options.git_model)
        if not os.access(options.git_model, os.X_OK):
            parser.error(f"`{options.git_model}` is not a program; build it: cargo build --release --locked")
    return options


def main():
    options = arguments()
    scratch = options.scratch or HERE.parent.parent / "target" / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    scratch = scratch.resolve()
    needed = 10 * options.size_mib * MIB
    if shutil.disk_usage(scratch).free < needed:
        raise Broken(f"{scratch} has less than {needed // MIB} MiB free; choose another with --scratch DIR")
    bench = Bench(options, scratch)
    for reason in bench.missing.values():
        say(f"not measured: {reason}")
    if not bench.available:
        raise Broken("nothing to measure")
    about = machine(bench)
    files = make_files(scratch, options.size_mib, options.many if "model" in bench.available else 0)
    try:
        rounds = [bench.round(number, files) for number in range(options.runs)]
    finally:
        if not options.keep:
            for path in files.values():
                path.unlink(missing_ok=True)
    verdicts, code = judge(rounds, options.size_mib)
    if options.json:
        print(json.dumps({"machine": about, "limits": verdicts, "missing": bench.missing, "rounds": rounds}, indent=1))
    else:
        print(markdown(bench, rounds, about, verdicts))
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as broken:
        say(f"run.py: {broken}")
        sys.exit(1)
