"""Ways in which hooks of others are there, before our installation or after it."""

import re

from place import EVENTS, expect, script


class Setup:
    """The user's own hooks in the repository's hooks folder, before ours."""

    name = "own hooks"
    has_own = True
    events = EVENTS

    def __init__(self, options=None):
        self.options = options

    def before(self, place):
        """What others have put there before `git model install`."""
        place.own_hooks()

    def after(self, place):
        """What others do afterwards."""

    def install(self, place):
        return place.model("install", "--local", cwd=place.repo).stdout

    def wire(self, place):
        """What `git model install` has told the user to do."""

    def watched(self, place):
        """What must be after `git model uninstall` as if we had never been there."""
        return [place.repo / ".git/config", place.repo / ".git/hooks", place.home / ".gitconfig"]

    def touched(self, place):
        """Files that the user has put our lines into."""
        return []


class NoHooks(Setup):
    name = "no other hooks"
    has_own = False

    def before(self, place):
        pass


class NoHooksFolder(NoHooks):
    name = "no hooks folder"

    def before(self, place):
        for file in (place.repo / ".git/hooks").iterdir():
            file.unlink()
        (place.repo / ".git/hooks").rmdir()


class OwnAfter(Setup):
    name = "own hooks over ours, installed again"

    def before(self, place):
        pass

    def after(self, place):
        place.own_hooks()

    def wire(self, place):
        self.install(place)


class Linked(Setup):
    name = "in a linked work tree"

    def before(self, place):
        place.own_hooks()
        place.quiet("worktree", "add", "-q", "-b", "linked", "../linked", "base")
        place.work = place.root / "linked"


class FromLinked(Linked):
    name = "installed from a linked work tree"

    def install(self, place):
        return place.model("install", "--local").stdout


class HooksPath(Setup):
    """The printed line is put first into each hook."""

    name = "core.hooksPath"
    folder = "my hooks"

    def before(self, place):
        exclude(place, f"/{self.folder}/")
        place.own_hooks(place.repo / self.folder)
        self.configure(place)

    def configure(self, place):
        place.quiet("config", "core.hooksPath", self.folder)

    def wire(self, place):
        for line in self.install(place).splitlines():
            event = re.search(r"git-model hook ([\w-]+)", line).group(1)
            file = place.repo / self.folder / event
            text = file.read_text()
            first = text.partition("\n")[0] + "\n" if text.startswith("#!") else ""
            file.write_text(f"{first}{line}\n{text.removeprefix(first)}")
        expect(not self.install(place), "nothing more is to be added")

    def watched(self, place):
        return [*super().watched(place), place.repo / self.folder]

    def touched(self, place):
        return [place.repo / self.folder / event for event in EVENTS]


class GlobalHooksPath(HooksPath):
    name = "core.hooksPath for all repositories"

    def configure(self, place):
        place.quiet("config", "--global", "core.hooksPath", str(place.repo / self.folder))


class HooksPathAfter(HooksPath):
    name = "core.hooksPath set after ours"

    def before(self, place):
        pass

    def after(self, place):
        super().before(place)


class WorktreeHooksPath(HooksPath):
    name = "core.hooksPath of one work tree"

    def configure(self, place):
        place.quiet("config", "extensions.worktreeConfig", "true")
        place.quiet("worktree", "add", "-q", "-b", "linked", "../linked", "base")
        place.work = place.root / "linked"
        place.quiet("config", "--worktree", "core.hooksPath", str(place.repo / self.folder))

    def install(self, place):
        return place.model("install", "--local").stdout


class PreCommit(Setup):
    """https://pre-commit.com, with the user's entries in its file."""

    name = "pre-commit"
    file = ".pre-commit-config.yaml"
    # It has no `pre-applypatch`.
    knows = [event for event in EVENTS if event != "pre-applypatch"]

    def before(self, place):
        self.own(place)
        self.configure(place)

    def own(self, place):
        script(place.hook("pre-applypatch"), place.entry("pre-applypatch"))

    def configure(self, place):
        exclude(place, f"/{self.file}")
        hooks = "".join(
            f"  - id: user-{event}\n    name: user\n    language: system\n"
            f"    entry: sh -c 'echo user {event} >>{place.log}'\n"
            f"    stages: [{event}]\n    always_run: true\n    pass_filenames: false\n" for event in self.knows)
        place.write(self.file, f"repos:\n- repo: local\n  hooks:\n{hooks}")
        place.run("pre-commit", "install", *(f"--hook-type={event}" for event in self.knows))

    def wire(self, place):
        file = place.repo / self.file
        file.write_text(file.read_text() + self.install(place))
        expect(not self.install(place), "nothing more is to be added")

    def watched(self, place):
        return [*super().watched(place), place.repo / self.file]

    def touched(self, place):
        return [place.repo / self.file]


class PreCommitOverOwn(PreCommit):
    """It keeps ours as `.legacy`, and calls it; the user's hooks are the oldest."""

    name = "pre-commit over ours over own hooks"

    def before(self, place):
        place.own_hooks()

    def after(self, place):
        exclude(place, f"/{self.file}")
        place.write(self.file, "repos: []\n")
        place.run("pre-commit", "install", *(f"--hook-type={event}" for event in self.knows))

    def wire(self, place):
        pass

    def touched(self, place):
        return []


class PreCommitAgain(PreCommit):
    """Whoever has put it over ours, installs ours again and does as it says."""

    name = "pre-commit over ours, installed again"
    # It calls `.legacy` for its own checkouts, but not its entries.
    events = [event for event in EVENTS if event != "post-checkout"]

    def before(self, place):
        self.own(place)

    def after(self, place):
        self.configure(place)


class Lefthook(Setup):
    name = "lefthook"
    file = "lefthook.yml"

    def before(self, place):
        exclude(place, f"/{self.file}")
        place.write(self.file, "".join(
            f"{event}:\n  commands:\n    user:\n      run: echo user {event} >>{place.log}\n" for event in EVENTS))
        place.run("lefthook", "install")

    def wire(self, place):
        text = (place.repo / self.file).read_text()
        # The user's file has these events already: the command goes beside the others.
        for event, lines in re.findall(r"^([\w-]+):\n  commands:\n((?:    .*\n)+)", self.install(place), re.M):
            text = text.replace(f"\n{event}:\n  commands:\n", f"\n{event}:\n  commands:\n{lines}")
            text = re.sub(rf"\A{event}:\n  commands:\n", f"{event}:\n  commands:\n{lines}", text)
        (place.repo / self.file).write_text(text)
        place.run("lefthook", "install")
        expect(not self.install(place), "nothing more is to be added")

    def watched(self, place):
        return [*super().watched(place), place.repo / self.file]

    def touched(self, place):
        # The sum of `lefthook.yml` is kept there.
        return [place.repo / self.file, *(place.repo / ".git/info").glob("lefthook*")]


class LefthookAfter(Lefthook):
    """It keeps ours as `.old`, and does not call it."""

    name = "lefthook over ours"

    def before(self, place):
        pass

    def after(self, place):
        super().before(place)


class Husky(HooksPath):
    name = "husky"
    folder = ".husky"

    def before(self, place):
        exclude(place, "/.husky/")
        place.run("node", self.options.husky, cwd=place.repo)
        for event in EVENTS:
            script(place.repo / ".husky" / event, f"echo user {event} >>{place.log}\n", 0o644)


class HuskyAfter(Husky):
    name = "husky after ours"

    def before(self, place):
        pass

    def after(self, place):
        super().before(place)


def exclude(place, pattern):
    """Git leaves the tool's files alone."""
    with (place.repo / ".git/info/exclude").open("a") as file:
        file.write(f"{pattern}\n")


SETUPS = [
    NoHooks, NoHooksFolder, Setup, OwnAfter, Linked, FromLinked, HooksPath, GlobalHooksPath, HooksPathAfter,
    WorktreeHooksPath, PreCommit, PreCommitOverOwn, PreCommitAgain, Lefthook, LefthookAfter, Husky, HuskyAfter,
]
