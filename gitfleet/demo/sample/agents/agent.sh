# What the scripted agents share. A real agent is a model with tools; this one types what somebody wrote for it.
set -eu
PYTHON=$(command -v python3 || command -v python)

say() { printf '%s: %s\n' "$GITFLEET_TASK" "$*"; }

# Commit everything that was written so far.
commit() { git add --all && git commit --quiet --message "$1" && say "committed: $1"; }

# Take the time that thinking takes, so that there is something to watch.
work() { sleep 0.4; }

# Report at the end; the JSON comes on standard input.
handoff() { cat >"$GITFLEET_HANDOFF"; say "handoff written"; }

# Run the project's tests in this worktree.
check() { say "running the tests"; "$PYTHON" -m unittest -q 2>&1; }
