#!/bin/sh
# git-model hook shim 3. Written by `git model install`, taken away by `git model uninstall`.
# Does git-model's part, then hands on to the hook that was here before.
if @WANTED@ && command -v @PROGRAM@ >/dev/null 2>&1; then
	@PROGRAM@ hook @EVENT@ "$@" </dev/null || @FAILURE@
fi
# Under another name (`.legacy`, `.old`) another tool has taken this file over and calls it; the hook that was here
# before may be that very tool, which would then call itself without end.
case $0 in
@EVENT@ | */@EVENT@) ;;
*) exit 0 ;;
esac
[ -x "$0.git-model-previous" ] || exit 0
exec "$0.git-model-previous" "$@"
