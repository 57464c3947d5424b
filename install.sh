#!/bin/sh
# Builds git-model and installs it for this user: the binary, its man pages, shell completions,
# and the settings that make git call it. `./install.sh --help` lists the choices.
set -eu

usage() {
    cat <<'HELP'
Usage: ./install.sh [OPTION]...

Builds git-model from this source tree, installs it and tells git about it.

  --prefix DIR     install under DIR (default: $PREFIX, else ~/.local)
  --system         configure git for every user of this machine, not only for you
  --no-configure   leave git's configuration alone
  --with-rust      get Rust with rustup where cargo is missing or too old
  --demo           when installed, store, change and restore a small model before your eyes
  --uninstall      take everything back: git's configuration first, then the files
  --help           show this text

GIT_MODEL=/path/to/git-model installs that binary and builds nothing.
HELP
}

say() { printf '%s\n' "$*"; }

# First argument: what failed, on which path. The others: what to run next.
die() {
    printf 'install.sh: %s\n' "$1" >&2
    shift
    for hint; do printf '  %s\n' "$hint" >&2; done
    exit 1
}

# How to get Debian packages, in the words that work for who is asking.
apt_hint() {
    if [ "$(id -u)" -eq 0 ]; then say "apt-get install -y $*"; else say "sudo apt-get install -y $*"; fi
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
users_path=$PATH
prefix=${PREFIX:-}
scope=global
configure=yes
with_rust=no
demo=no
action=install

while [ $# -gt 0 ]; do
    case $1 in
    --prefix)
        [ $# -ge 2 ] || die "--prefix needs a folder" './install.sh --prefix ~/.local'
        prefix=$2
        shift
        ;;
    --prefix=*) prefix=${1#*=} ;;
    --system) scope=system ;;
    --no-configure) configure=no ;;
    --with-rust) with_rust=yes ;;
    --demo) demo=yes ;;
    --uninstall) action=uninstall ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) die "unknown option \`$1\`" './install.sh --help' ;;
    esac
    shift
done

if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || die 'HOME is not set, so there is no default place to install to' './install.sh --prefix DIR'
    prefix=$HOME/.local
fi
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
[ "$prefix" = / ] || prefix=${prefix%/}

binary=$prefix/bin/git-model
# Every file we put down, one path a line: uninstall removes these and nothing else.
record=$prefix/share/git-model/installed

# Removes one file, and the folders it leaves empty, up to the prefix.
take_away() {
    rm -f -- "$1" || die "cannot remove \`$1\`" "check who owns it: ls -l $1"
    folder=$(dirname -- "$1")
    while [ "$folder" != "$prefix" ] && rmdir -- "$folder" 2>/dev/null; do folder=$(dirname -- "$folder"); done
}

uninstall() {
    if [ ! -e "$record" ]; then
        say "git-model is not installed under $prefix: nothing to do"
        return
    fi
    # Configuration first: entries that name a binary which is gone would stop every `git add`.
    if [ "$configure" = yes ] && [ -x "$binary" ]; then
        "$binary" uninstall "--$scope" ||
            die "\`$binary uninstall --$scope\` failed; no file was removed" \
                'to remove the files all the same: ./install.sh --uninstall --no-configure'
    fi
    # The record lists itself: it is read to the end although its name goes on the way.
    while IFS= read -r file; do take_away "$file"; done <"$record"
    say "git-model is gone from $prefix"
}

cargo_version() { cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p'; }

# True where version $1 is at least version $2.
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

get_rust() {
    # Debian's cargo is too old before 13, its rustup package is not.
    if ! command -v rustup >/dev/null && [ "$(id -u)" -eq 0 ] && apt-cache show rustup >/dev/null 2>&1; then
        apt-get install -yq rustup || die 'apt-get could not install rustup' 'apt-get update, then ./install.sh --with-rust again'
    fi
    if command -v rustup >/dev/null; then
        rustup toolchain install stable --profile minimal ||
            die 'rustup could not install the stable toolchain' 'rustup toolchain install stable'
        RUSTUP_TOOLCHAIN=stable
        export RUSTUP_TOOLCHAIN
        return
    fi
    command -v curl >/dev/null || die 'curl is needed to get Rust' "$(apt_hint curl ca-certificates)"
    curl --proto '=https' --tlsv1.2 -fsSL https://sh.rustup.rs -o "$stage/rustup-init.sh" ||
        die 'could not download rustup from https://sh.rustup.rs' 'check the network, or install Rust yourself: https://rustup.rs'
    sh "$stage/rustup-init.sh" -y --profile minimal --no-modify-path ||
        die 'rustup could not install Rust' 'install it yourself: https://rustup.rs'
}

check_tools() {
    command -v git >/dev/null || die 'git is not installed' "$(apt_hint git)"
    [ -z "${GIT_MODEL:-}" ] || return 0
    # rustup's folder reaches PATH only with the next login.
    PATH=${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH
    command -v "${CC:-cc}" >/dev/null ||
        die "no C compiler: \`${CC:-cc}\` was not found" "$(apt_hint gcc libc6-dev)"
    wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' "$here/Cargo.toml")
    at_least "$(cargo_version)" "$wanted" && return
    [ "$with_rust" = yes ] && get_rust
    found=$(cargo_version)
    [ -n "$found" ] || die 'cargo, the build tool of Rust, is not installed' './install.sh --with-rust' 'or by hand: https://rustup.rs'
    at_least "$found" "$wanted" ||
        die "cargo $found is too old, $wanted or later is needed" './install.sh --with-rust' 'or: rustup update stable'
}

# put MODE SOURCE TARGET: the target is either what it was or complete, also while git is running it.
put() {
    new=$3.new.$$
    if ! { (umask 022 && mkdir -p -- "$(dirname -- "$3")") && cp -- "$2" "$new" && chmod "$1" "$new" && mv -f -- "$new" "$3"; }; then
        rm -f -- "$new"
        die "cannot write \`$3\`" 'choose a folder you can write to: ./install.sh --prefix DIR'
    fi
    printf '%s\n' "$3" >>"$stage/installed"
}

build() {
    if [ -n "${GIT_MODEL:-}" ]; then
        [ -x "$GIT_MODEL" ] || die "GIT_MODEL names \`$GIT_MODEL\`, which is not a program" 'to build it instead: unset GIT_MODEL'
        built=$GIT_MODEL
        return
    fi
    say 'Building git-model (a few minutes the first time)'
    target=${CARGO_TARGET_DIR:-$here/target}
    # A static program runs in container images that have nothing else. Cargo builds one only for a target that is named.
    triple=$(rustc -vV | sed -n 's/^host: //p')
    case $triple in
    *-linux-gnu)
        set -- --target "$triple"
        RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
        export RUSTFLAGS
        ;;
    *) set -- ;;
    esac
    (cd "$here" && cargo build --release --locked --bin git-model --target-dir "$target" "$@") ||
        die "the build in \`$here\` failed" "see cargo's message above, then run ./install.sh again"
    built=$target/${2:+$2/}release/git-model
    # A default target in cargo's configuration adds a folder level.
    [ -x "$built" ] || built=$(find "$target" -path '*/release/git-model' -type f -perm -u+x | head -n 1)
    [ -n "$built" ] || die "cargo left no \`git-model\` in \`$target\`" 'cargo build --release --locked'
    # Where it would be without a named target: benchmarks look for it there.
    [ "$built" = "$target/release/git-model" ] ||
        { mkdir -p "$target/release" && ln -f "$built" "$target/release/git-model"; } ||
        die "cannot write \`$target/release\`" 'choose another folder for the build: CARGO_TARGET_DIR=DIR ./install.sh'
}

install_files() {
    mkdir "$stage/man"
    "$built" man --output "$stage/man" || die "\`$built man\` failed" "$built --version"
    for shell in bash zsh fish; do
        "$built" completions "$shell" >"$stage/$shell" || die "\`$built completions $shell\` failed" "$built --version"
    done
    put 755 "$built" "$binary"
    for page in "$stage"/man/*.1; do put 644 "$page" "$prefix/share/man/man1/${page##*/}"; done
    put 644 "$stage/bash" "$prefix/share/bash-completion/completions/git-model"
    put 644 "$stage/zsh" "$prefix/share/zsh/site-functions/_git-model"
    put 644 "$stage/fish" "$prefix/share/fish/vendor_completions.d/git-model.fish"
    printf '%s\n' "$record" >>"$stage/installed"
    # What an earlier version put down and this one no longer has.
    if [ -e "$record" ]; then
        while IFS= read -r file; do grep -qxF -- "$file" "$stage/installed" || take_away "$file"; done <"$record"
    fi
    cp "$stage/installed" "$stage/record"
    put 644 "$stage/record" "$record"
}

report() {
    say "Installed $("$binary" --version) under $prefix: binary, $(find "$stage/man" -name '*.1' | wc -l | tr -d ' ') man pages, completions for bash, zsh and fish"
    if [ "$configure" = yes ]; then
        say "Configured git (--$scope); what and where: git model doctor"
    else
        say "Left git's configuration alone; to change it: git model install --$scope"
    fi
    case :$users_path: in
    *":$prefix/bin:"*)
        first=$(PATH=$users_path command -v git-model) || first=$binary
        [ "$first" = "$binary" ] || say "Careful: git runs $first, which stands earlier on PATH; remove it or change the order"
        ;;
    *)
        say "$prefix/bin is not on PATH yet, and git looks for git-model there. Now, and in your shell's start file:"
        say "  export PATH=\"$prefix/bin:\$PATH\""
        ;;
    esac
}

if [ "$action" = uninstall ]; then
    uninstall
    exit 0
fi

stage=$(mktemp -d)
trap 'rm -rf -- "$stage"' EXIT
trap 'exit 130' HUP INT TERM

check_tools
build
install_files
PATH=$prefix/bin:$PATH
if [ "$configure" = yes ]; then
    "$binary" install "--$scope" ||
        die "\`$binary install --$scope\` could not change git's configuration" "see what is there: $binary doctor" 'or install the files only: ./install.sh --no-configure'
fi
report
if [ "$demo" = yes ]; then
    say ''
    "$binary" demo || die "\`$binary demo\` failed" "$binary doctor"
    say ''
fi
say 'Next, in a repository with weight files: git model track'
