"""What people do in a repository, as cases: where hooks run, and what gates must make of it."""

from place import expect, metrics

BETTER, WORSE = 24.0, 26.0


def commit(place):
    place.version(2, BETTER)
    place.git("commit", "-q", "-m", "x")


def commit_all(place):
    place.version(2, WORSE)
    place.write("metrics.json", metrics(BETTER))
    place.git("commit", "-q", "-a", "-m", "x")


def commit_part(place):
    place.version(2, WORSE)
    place.notes(1, "mine")
    place.git("commit", "-q", "-m", "x", "--", "notes")
    expect("25.0" in place.committed("metrics.json"), "only the part is committed")


def commit_hunks(place):
    place.write("metrics.json", metrics(WORSE, "better noted"))
    # The first change of two is not wanted.
    place.git("commit", "-q", "-m", "x", "-p", said="n\ny\n")
    text = place.committed("metrics.json")
    expect("25.0" in text and "better noted" in text, "only one of two changes is committed")


def commit_in_folder(place):
    place.version(2, BETTER)
    place.git("commit", "-q", "-m", "x", cwd=place.work / "folder")


def commit_staged(place):
    place.version(2, BETTER)
    place.write("metrics.json", metrics(99.0))
    place.git("commit", "-q", "-m", "x")
    expect("99.0" in (place.work / "metrics.json").read_text(), "the work tree is as it was")


def amend(place):
    commit(place)
    place.version(3, BETTER)
    place.git("commit", "-q", "--amend", "--no-edit")


def amend_message(place):
    commit(place)
    place.git("commit", "-q", "--amend", "-m", "y")


def merge_forward(place):
    place.branch("side", lambda: place.version(2, BETTER))
    place.git("merge", "-q", "side")


def diverged(place):
    """Theirs has a better model and other notes than ours, without a conflict."""
    place.branch("side", lambda: (place.version(2, BETTER), place.notes(1, "theirs")))
    place.notes(18, "ours")
    place.quiet("commit", "-q", "-a", "-m", "ours")


def in_conflict(place):
    place.branch("side", lambda: (place.version(2, BETTER), place.notes(1, "theirs")))
    place.notes(1, "ours")
    place.quiet("commit", "-q", "-a", "-m", "ours")


def stops(place, *arguments):
    expect(place.git(*arguments, check=False).returncode != 0, f"`git {' '.join(arguments)}` stops at the conflict")
    place.notes(1, "both")
    place.git("add", "notes")


def merge(place):
    diverged(place)
    place.git("merge", "-q", "side")


def merge_conflict(place):
    in_conflict(place)
    stops(place, "merge", "side")
    place.git("commit", "-q", "-m", "merged")


def merge_continue(place):
    in_conflict(place)
    stops(place, "merge", "side")
    place.git("merge", "--continue")


def merge_squash(place):
    diverged(place)
    place.git("merge", "-q", "--squash", "side")
    place.git("commit", "-q", "-m", "x")


def pull(place):
    diverged(place)
    place.git("pull", "-q", "--no-rebase", ".", "side")


def rebase(backend):
    def case(place):
        diverged(place)
        place.git("rebase", "-q", backend, "side")
    return case


def rebase_conflict(backend):
    def case(place):
        in_conflict(place)
        stops(place, "rebase", backend, "side")
        place.git("rebase", "--continue")
    return case


def rebase_interactive(place):
    commit(place)
    place.notes(2, "second")
    place.git("commit", "-q", "-a", "-m", "second")
    place.write("folder/readme", "third\n")
    place.git("commit", "-q", "-a", "--fixup", "HEAD~")
    edit = {"GIT_SEQUENCE_EDITOR": "sed -i -e '1s/^pick/reword/'"}
    place.git("rebase", "-q", "-i", "--autosquash", "base", env=edit)
    expect(place.git("rev-list", "--count", "base..HEAD").stdout == "2\n", "the fixup is melted in")


def cherry_pick(place):
    diverged(place)
    place.git("cherry-pick", "side")


def cherry_pick_conflict(place):
    in_conflict(place)
    stops(place, "cherry-pick", "side")
    place.git("cherry-pick", "--continue")


def revert(place):
    place.version(2, BETTER)
    place.git("commit", "-q", "-m", "x")
    place.git("revert", "--no-edit", "HEAD")


def am(place):
    place.branch("side", lambda: place.notes(1, "theirs"))
    patch = place.git("format-patch", "-1", "--stdout", "side").stdout
    place.git("am", "-q", said=patch)


def am_conflict(place):
    place.branch("side", lambda: place.notes(1, "theirs"))
    patch = place.git("format-patch", "-1", "--stdout", "side").stdout
    place.notes(1, "ours")
    place.quiet("commit", "-q", "-a", "-m", "ours")
    place.git("am", "-q", "-3", said=patch, check=False)
    place.notes(1, "both")
    place.git("add", "notes")
    place.git("am", "--continue")


def stash(place):
    place.version(2, BETTER)
    place.git("stash", "-q")
    place.git("stash", "pop", "-q")
    place.git("commit", "-q", "-a", "-m", "x")


def switch(place):
    place.branch("side", lambda: place.version(2, BETTER))
    place.git("checkout", "-q", "side")
    place.git("switch", "-q", "-c", "new", "base")
    place.git("checkout", "-q", "side", "--", "metrics.json")
    place.git("checkout", "-q", "-f", "work")


# Everything passes the gates; each hook must run as often as git runs it without us.
PASSES = {
    "commit": commit,
    "commit -a": commit_all,
    "commit FILE": commit_part,
    "commit -p": commit_hunks,
    "commit in a folder": commit_in_folder,
    "commit of what is staged": commit_staged,
    "commit --amend": amend,
    "commit --amend -m": amend_message,
    "merge, forward": merge_forward,
    "merge": merge,
    "merge, conflict, commit": merge_conflict,
    "merge, conflict, --continue": merge_continue,
    "merge --squash": merge_squash,
    "pull": pull,
    "rebase --merge": rebase("--merge"),
    "rebase --apply": rebase("--apply"),
    "rebase --merge, conflict": rebase_conflict("--merge"),
    "rebase --apply, conflict": rebase_conflict("--apply"),
    "rebase -i": rebase_interactive,
    "cherry-pick": cherry_pick,
    "cherry-pick, conflict": cherry_pick_conflict,
    "revert": revert,
    "am": am,
    "am, conflict": am_conflict,
    "stash": stash,
    "switch": switch,
}


def refused(place, *arguments, said="", why="26", fixed=None):
    """Git does not commit, our hook ran once and said why."""
    before = place.head()
    place.runs()
    done = place.git(*arguments, said=said, check=False)
    ours, _ = place.runs()
    expect(done.returncode != 0, f"`git {' '.join(arguments)}` is refused: {done.stdout}{done.stderr}")
    text = done.stdout + done.stderr
    expect("gates: 1 failed" in text and why in text, f"the table says why: {text}")
    expect(place.head() == before, "nothing is committed")
    before_commit = ours["pre-commit"] + ours["pre-merge-commit"]
    expect(before_commit == 1, f"our hook ran once, not {before_commit} times")


def worse_commit(place):
    place.version(2, WORSE)
    refused(place, "commit", "-q", "-m", "x")


def worse_staged(place):
    place.version(2, WORSE)
    place.write("metrics.json", metrics(BETTER))
    refused(place, "commit", "-q", "-m", "x")


def worse_all(place):
    place.version(2, BETTER)
    place.write("metrics.json", metrics(WORSE))
    refused(place, "commit", "-q", "-a", "-m", "x")


def worse_part(place):
    place.version(2, BETTER)
    place.write("metrics.json", metrics(WORSE))
    refused(place, "commit", "-q", "-m", "x", "--", "metrics.json")
    expect("24.0" in place.git("show", ":metrics.json").stdout, "what was staged is as it was")


def worse_hunks(place):
    place.write("metrics.json", metrics(WORSE, "noted"))
    refused(place, "commit", "-q", "-m", "x", "-p", said="y\nn\n")


def worse_amend(place):
    place.notes(1, "mine")
    place.quiet("commit", "-q", "-a", "-m", "x")
    place.version(2, WORSE)
    refused(place, "commit", "-q", "--amend", "--no-edit")


def worse_merge(place):
    place.branch("side", lambda: (place.version(2, WORSE), place.notes(1, "theirs")))
    place.notes(18, "ours")
    place.quiet("commit", "-q", "-a", "-m", "ours")
    refused(place, "merge", "side")
    place.version(3, BETTER)
    place.git("commit", "-q", "-m", "merged")
    expect(len(place.git("log", "-1", "--format=%P").stdout.split()) == 2, "the merge is finished")


def worse_merge_conflict(place):
    place.branch("side", lambda: (place.version(2, WORSE), place.notes(1, "theirs")))
    place.notes(1, "ours")
    place.quiet("commit", "-q", "-a", "-m", "ours")
    stops(place, "merge", "side")
    refused(place, "commit", "-q", "-m", "merged")


def worse_cherry_pick(place):
    place.branch("side", lambda: (place.version(2, WORSE), place.notes(1, "theirs")))
    place.notes(1, "ours")
    place.quiet("commit", "-q", "-a", "-m", "ours")
    stops(place, "cherry-pick", "side")
    refused(place, "cherry-pick", "--continue")


def no_verify(place):
    place.version(2, WORSE)
    place.git("commit", "-q", "-n", "-m", "x")
    ours, user = place.runs()
    expect(ours["pre-commit"] == user["pre-commit"] == 0, "`--no-verify` passes over all")


# A model that is worse than allowed.
REFUSED = {
    "commit": worse_commit,
    "commit of what is staged": worse_staged,
    "commit -a": worse_all,
    "commit FILE": worse_part,
    "commit -p": worse_hunks,
    "commit --amend": worse_amend,
    "merge": worse_merge,
    "merge, conflict, commit": worse_merge_conflict,
    "cherry-pick, conflict": worse_cherry_pick,
    "commit --no-verify": no_verify,
}
