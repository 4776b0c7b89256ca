# Every hook of an agent's git. What the guard has to say comes first, then the hook of that name that would run without it.
# Set above: guard common branch git chain (the hooks directory that is the person's; may be relative to here).

name=${0##*/}
case $name:$1 in
  reference-transaction:prepared) ;;
  reference-transaction:*)
    # Most runs of this hook: git tells how each transaction ended, and only hooks of the person's may care.
    case ${GIT_DIR-} in
      "$common"/worktrees/*/modules/*) ;;
      "$common" | "$common"/*) [ -x "$chain/$name" ] || exit 0 ;;
    esac
    ;;
esac

refuse() { # kind, name, old, new, sentence
  if [ "$({ wc -c <"$guard/tries"; } 2>/dev/null || echo 0)" -lt 65536 ]; then
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$name" >>"$guard/tries"
  fi
  [ -n "$refused" ] || printf 'gitfleet: %s\n' "$5" >&2
  refused=1
}

is_common() { # directory: whether it belongs to the guarded repository
  place=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 1
  # A submodule that an agent filled in has its repository in its worktree's, where nobody else has anything.
  case $place in "$common"/worktrees/*/modules/*) return 1 ;; "$common" | "$common"/*) return 0 ;; esac
  return 1
}

if [ "$name" = git-remote-gitfleet-refused ]; then
  # No hook but the way of a push that skipped the hook: its URL was rewritten to lead here.
  refuse push "$1" '' '' 'agents do not push; the work is taken from the branch when the task ends, and the person pushes.'
  exit 1
fi

# git sets GIT_DIR for hooks but in the main worktree, where they run at its root, and in a bare repository.
here=${GIT_DIR:-.git}
[ -d "$here" ] || here=.
ours=
case $here in
  "$common"/worktrees/*/modules/*) ;;
  "$common" | "$common"/*) ours=1 ;;
  *) if is_common "$here"; then ours=1; fi ;;
esac

if [ -z "$ours" ]; then
  # Another repository, such as one that a test suite makes: its own hooks, and no push into the guarded one.
  if [ "$name" = pre-push ]; then
    there=$(unset GIT_DIR; "$git" -C "${2#file://}" rev-parse --path-format=absolute --git-common-dir 2>/dev/null)
    if [ -n "$there" ] && is_common "$there"; then
      refuse push "$2" '' '' 'agents do not push into the repository that they work for; commit in your worktree.'
      exit 1
    fi
  fi
  chain=$(unset GIT_CONFIG_COUNT; "$git" rev-parse --git-path hooks 2>/dev/null)
  [ -n "$chain" ] && [ -x "$chain/$name" ] && [ ! -d "$chain/$name" ] && exec "$chain/$name" "$@"
  exit 0
fi

check() { # standard input: "old new ref" a line
  while read -r old new ref; do
    case $ref in
      "refs/heads/$branch" | refs/worktree/* | refs/bisect/* | refs/rewritten/*) ;;
      refs/stash)
        refuse stash "$ref" "$old" "$new" \
          "the stash is the person's; to set work aside, commit it on $branch: git commit -am wip" ;;
      refs/remotes/*)
        refuse ref "$ref" "$old" "$new" \
          "$ref is the person's and stays where it is; what was fetched is in FETCH_HEAD." ;;
      refs/heads/*)
        refuse ref "$ref" "$old" "$new" \
          "$ref is not this task's; commit on $branch, or without a branch: git switch --detach" ;;
      refs/* | main-worktree/* | worktrees/*)
        refuse ref "$ref" "$old" "$new" \
          "$ref is shared with the person and other agents; this task may move $branch alone." ;;
    esac
  done
}

refused=
case $name in
  reference-transaction)
    if [ ! -x "$chain/$name" ]; then
      [ "$1" = prepared ] || exit 0
      check
    elif [ "$1" = prepared ]; then
      lines=$(cat)
      check <<EOF
$lines
EOF
      [ -n "$refused" ] || { printf '%s\n' "$lines" | "$chain/$name" "$@" || exit; }
    fi
    [ -z "$refused" ] || exit 1
    [ "$1" = prepared ] && exit 0
    ;;
  pre-push)
    while read -r _ new ref old; do
      refuse push "$1 $ref" "$old" "$new" \
        'agents do not push; the work is taken from the branch when the task ends, and the person pushes.'
    done
    [ -n "$refused" ] || refuse push "$1" '' '' 'agents do not push.'
    exit 1
    ;;
esac
[ -x "$chain/$name" ] && [ ! -d "$chain/$name" ] && exec "$chain/$name" "$@"
exit 0
