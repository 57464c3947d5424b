#!/bin/sh
# git-model hook shim 2. Written by `git model install --server`, taken away by `git model uninstall`.
# Does git-model's part, then hands on to the hook that was here before. Both get what git says on standard input.
input=$(cat)
# Without git-model nothing can be judged: then nothing goes in.
printf '%s\n' "$input" | @PROGRAM@ hook @EVENT@ "$@" || @FAILURE@
case $0 in
@EVENT@ | */@EVENT@) ;;
*) exit 0 ;;
esac
[ -x "$0.git-model-previous" ] || exit 0
printf '%s\n' "$input" | "$0.git-model-previous" "$@"
