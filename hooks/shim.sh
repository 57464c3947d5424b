#!/bin/sh
# git-model hook shim 3. Written by `git model install`, taken away by `git model uninstall`.
# Does git-model's part, beside the hook that was here before.
case $0 in
*/*) kept=${0%/*}/@EVENT@.git-model-previous ;;
*) kept=./@EVENT@.git-model-previous ;;
esac
is_taken_over=false
case $0 in
@EVENT@ | */@EVENT@) ;;
*)
	# Under another name (`.legacy`, `.old`) another tool has taken this file over and calls it. The hook that was here
	# before may be that very tool, which would call itself without end.
	[ "$GIT_MODEL_HOOK" != "$kept" ] || exit 0
	is_taken_over=true
	;;
esac

ours() {
	if @WANTED@ && command -v @PROGRAM@ >/dev/null 2>&1; then
		@PROGRAM@ hook @EVENT@ "$@" </dev/null || @FAILURE@
	fi
}

theirs() {
	[ -x "$kept" ] || return 0
	if $is_taken_over; then
		cmp -s "$kept" "${kept%.git-model-previous}" && return 0
		grep -q pre-commit.com "$kept" && return 0
		GIT_MODEL_HOOK=$kept
		export GIT_MODEL_HOOK
	fi
	"$kept" "$@"
}

if @KEPT_FIRST@; then
	theirs "$@" || exit
	ours "$@"
else
	ours "$@"
	theirs "$@"
fi
