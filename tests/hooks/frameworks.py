#!/usr/bin/env python3
"""Whether our hooks live with those of others: of the user, of pre-commit, lefthook and husky, of linked work trees.

    python3 -m venv hooks && hooks/bin/pip install pre-commit lefthook && npm install --prefix hooks husky
    hooks/bin/python tests/hooks/frameworks.py [--git-model PATH] [--git PATH] [--only WORD]

In each setup everything people do in a repository is done, and hooks are counted: each of ours and of the user's must
run as often as it does where we are not. What is worse than the gates allow must not go in. `git model uninstall` must
leave every file, with its mode, as it is where we have never been. Exit code: 0 all cases are ok, 1 one is not.
"""

import argparse
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

from place import Failure, Place, differences, expect
from setups import SETUPS, Setup
from work import PASSES, REFUSED


# What `rebase -i` commits before it rebases.
COMMITS_BEFORE_REBASE = 3


class Report:
    def __init__(self):
        self.ok = self.failed = 0

    def case(self, name, run):
        """Runs one case; whether it is ok."""
        try:
            run()
        except Exception as error:
            self.failed += 1
            why = str(error) if isinstance(error, Failure) else "".join(traceback.format_exception_only(error))
            print(f"FAILED  {name}\n        " + why.strip().replace("\n", "\n        "), flush=True)
            return False
        self.ok += 1
        print(f"ok      {name}", flush=True)
        return True


def without_us(place, setup):
    """How often each of the user's hooks runs where only the filter is installed."""
    place.model("install", "--local", "--no-hooks", cwd=place.repo)
    setup.before(place)
    setup.after(place)
    counts = {}
    for name, work in PASSES.items():
        place.start()
        work(place)
        counts[name] = place.runs()[1]
    place.start()
    place.model("uninstall", "--local", "--no-hooks", cwd=place.repo)
    return counts


def get_ready(place, setup):
    setup.before(place)
    setup.install(place)
    setup.after(place)
    setup.wire(place)


def passes(place, setup, name, work, expected):
    place.start()
    work(place)
    for whose, runs in zip(["ours", "the user's"], place.runs()):
        if whose == "the user's" and not setup.has_own:
            expect(not runs, "there are no hooks of the user")
            continue
        wanted, runs = ({event: runs[event] for event in setup.events if runs[event]} for runs in [expected, runs])
        event = "prepare-commit-msg"
        if whose == "ours" and not name.startswith("rebase") and runs.get(event, 0) < wanted.get(event, 0):
            # Our script starts us for this only while git is rebasing.
            wanted.pop(event)
            expect(event not in runs, f"{whose} ran for {event} {runs.get(event)} times")
        if whose == "ours" and name == "rebase -i" and runs.get(event, 0) < wanted.get(event, 0):
            wanted[event] -= COMMITS_BEFORE_REBASE
        expect(runs == wanted, f"{whose} ran {runs}, where we are not {wanted}")


def refuses(place, work):
    place.start()
    work(place)


def takes_back(place, setup, alone):
    place.start()
    place.model("uninstall", "--local", cwd=place.repo)
    touched = setup.touched(place)
    without = [alone.root / file.relative_to(place.root) for file in touched]
    changed = differences(alone.snapshot(setup.watched(alone), without), place.snapshot(setup.watched(place), touched))
    expect(not changed, f"other than where we have never been: {', '.join(changed)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = Path(__file__).resolve().parents[2] / "target/release/git-model"
    parser.add_argument("--git-model", type=Path, default=default, metavar="PATH")
    parser.add_argument("--git", type=Path, default=shutil.which("git"), metavar="PATH", help="if not that on PATH")
    parser.add_argument("--only", default="", metavar="WORD", help="only setups with this word in their name")
    options = parser.parse_args()
    tools = Path(sys.prefix)
    options.husky = tools / "node_modules/husky/bin.js"
    options.tools = {"pre-commit": tools / "bin/pre-commit", "lefthook": tools / "bin/lefthook"}
    for tool in [options.husky, *options.tools.values()]:
        if not tool.exists():
            sys.exit(f"there is no `{tool}`; how to get it stands at the top of this script")
    options.tools["git"] = options.git.resolve()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        options.binary = scratch / "git-model"
        shutil.copy(options.git_model, options.binary)
        by_git = without_us(Place(scratch, "git alone", options), Setup())
        for setup in (kind(options) for kind in SETUPS if options.only in kind.name):
            place, alone = Place(scratch, setup.name, options), Place(scratch, f"{setup.name} alone", options)
            expected = {}
            prepared = report.case(f"{setup.name}: without us", lambda: expected.update(without_us(alone, setup)))
            if prepared and report.case(f"{setup.name}: installed", lambda: get_ready(place, setup)):
                for name, work in PASSES.items():
                    wanted = expected[name] if setup.has_own else by_git[name]
                    report.case(f"{setup.name}: {name}", lambda: passes(place, setup, name, work, wanted))
                for name, work in REFUSED.items():
                    report.case(f"{setup.name}: refused: {name}", lambda: refuses(place, work))
                report.case(f"{setup.name}: uninstalled", lambda: takes_back(place, setup, alone))
            place.remove()
            alone.remove()
    print(f"{report.ok} of {report.ok + report.failed} cases are ok with {options.git}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
