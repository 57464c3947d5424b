#!/usr/bin/env python3
"""What a deployment costs those who merge, and those who ask meanwhile.

1. `git merge` of a branch with plain git, with the hooks of git-model, and where the hooks start a deployment.
2. Requests under constant load, while versions are deployed one after the other.

Times are wall times of this machine, and medians; the requests are counted.
"""

import argparse
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

POLICY = """[model.house]
weights = ["house.safetensors"]
metrics = "metrics.json"
"""
DEPLOY = """
[deploy.prod]
target = "process"
port = {port}
observe = "200ms"
"""
HOUSE = json.dumps({"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 2], "data": [100, 3]}]})


class Place:
    """A repository in a folder and a home of its own."""

    def __init__(self, folder, binary):
        self.folder = folder
        folder.mkdir(parents=True)
        home = folder.parent / "home"
        home.mkdir(exist_ok=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "HOME": str(home),
            "PATH": f"{binary.parent}:{os.environ['PATH']}",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for name, value in [("user.name", "Bench"), ("user.email", "bench@example.org"), ("init.defaultBranch", "main")]:
            self.git("config", "--global", name, value)
        self.git("init", "-q")

    def run(self, *words):
        done = subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def git(self, *words):
        return self.run("git", *words)

    def model(self, *words):
        return self.run("git-model", *words)

    def train(self, epochs):
        rows = [f"{30 + row * 4},{1 + row % 5},{3 * (30 + row * 4) + 10 * (1 + row % 5)}" for row in range(40)]
        (self.folder / "houses.csv").write_text("area,rooms,price\n" + "\n".join(rows) + "\n")
        self.model("train", "houses.csv", "--epochs", str(epochs), "-o", "house.safetensors")

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def settle(self):
        for _ in range(3000):
            states = [one["state"] for one in json.loads(self.model("deployments", "--json"))]
            if states and not {"queued", "in_progress"} & set(states):
                return states[0]
            time.sleep(0.02)
        sys.exit("the deployment does not end")


def free_port():
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


def merge(place, number, has_deploy):
    """Seconds that `git merge` takes, with its output captured as a tool would."""
    place.git("checkout", "-q", "-b", f"side{number}")
    (place.folder / "notes").write_text(f"{number}\n")
    place.commit("side")
    place.git("checkout", "-q", "main")
    begun = time.perf_counter()
    place.git("merge", "--no-ff", "--no-edit", f"side{number}")
    took = time.perf_counter() - begun
    if has_deploy and place.settle() != "success":
        sys.exit(place.model("deployments"))
    return took


def hooks(root, binary, rounds):
    plain = Place(root / "plain", binary)
    plain.git("config", "core.hooksPath", "/dev/null")
    hooked = Place(root / "hooked", binary)
    deployed = Place(root / "deployed", binary)
    for place in [hooked, deployed]:
        place.model("install", "--local")
    for place in [plain, hooked, deployed]:
        place.train(5)
        (place.folder / ".gitmodel.toml").write_text(POLICY)
        place.commit("first")
    (deployed.folder / ".gitmodel.toml").write_text(POLICY + DEPLOY.format(port=free_port()))
    deployed.model("trust", "--yes")
    deployed.commit("deploy")
    deployed.settle()
    times = {name: [] for name in ["plain git", "with hooks", "that deploys"]}
    for number in range(rounds):
        for name, place in zip(times, [plain, hooked, deployed]):
            times[name].append(1000 * merge(place, number, place is deployed))
    deployed.model("stop", "prod")
    for name, all_times in times.items():
        print(f"git merge, {name:<13} {statistics.median(all_times):7.1f} ms (worst {max(all_times):.1f})")
    added = [after - before for before, after in zip(times["plain git"], times["that deploys"])]
    print(f"added                    {statistics.median(added):7.1f} ms (worst {max(added):.1f}; limit 150)")


def load(root, binary, deployments, clients):
    port = free_port()
    place = Place(root / "load", binary)
    place.model("install", "--local")
    place.environment["GIT_MODEL_SERVE_DELAY_MS"] = "300/50"
    place.train(5)
    (place.folder / ".gitmodel.toml").write_text(POLICY + DEPLOY.format(port=port))
    place.model("trust", "--yes")
    place.commit("first")
    place.settle()
    answered, failed, is_over = [0] * clients, [], threading.Event()

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not is_over.is_set():
            try:
                connection.request("POST", "/v2/models/house/infer", HOUSE, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise http.client.HTTPException(f"status {answer.status}")
                answered[number] += 1
                if number % 2:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                failed.append(repr(error))
                connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for number in range(deployments):
        place.train(6 + number)
        place.commit("next")
        place.settle()
    place.model("rollback")
    while sum(answered) < 5000:
        time.sleep(0.1)
    is_over.set()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    place.model("stop", "prod")
    print(f"{sum(answered)} requests in {took:.1f} s by {clients} clients, {deployments} deployments and a rollback: "
          f"{len(failed)} failed{': ' + failed[0] if failed else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--git-model", default="target/release/git-model", type=pathlib.Path)
    parser.add_argument("--rounds", default=15, type=int)
    parser.add_argument("--deployments", default=5, type=int)
    parser.add_argument("--clients", default=6, type=int)
    options = parser.parse_args()
    binary = options.git_model.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        hooks(pathlib.Path(scratch), binary, options.rounds)
        load(pathlib.Path(scratch), binary, options.deployments, options.clients)


if __name__ == "__main__":
    main()
