if ! [ "$(cat "$HOME/.git-model/source" 2>/dev/null)" = "$GIT_MODEL_SOURCE" ]; then
  source=$(mktemp -d)
  git -C "$source" init --quiet
  git -C "$source" fetch --quiet --depth 1 "${GIT_MODEL_SOURCE%#*}" "${GIT_MODEL_SOURCE##*#}"
  git -C "$source" checkout --quiet FETCH_HEAD
  (cd "$source" && ./install.sh --prefix "$HOME/.git-model" --no-configure --with-rust)
  printf '%s' "$GIT_MODEL_SOURCE" >"$HOME/.git-model/source"
fi
