# The git that agents find first on the PATH. It refuses what no hook hears of, and is the real one for everything else.
# Set above: guard common branch git home.

# Nobody sits at an agent's editor: `rebase --continue` would wait for it, or open the person's, until the deadline.
[ -n "${GIT_EDITOR-}${VISUAL-}${EDITOR-}" ] || export GIT_EDITOR=:

command='' before=0 skip=
for word do
  if [ -n "$skip" ]; then
    skip='' before=$((before + 1))
    continue
  fi
  case $word in
    -c | -C | --git-dir | --work-tree | --namespace | --config-env | --super-prefix | --attr-source)
      skip=1 before=$((before + 1)) ;;
    -*) before=$((before + 1)) ;;
    *)
      command=$word
      break
      ;;
  esac
done

case $command in
  config | stash | reflog | gc | prune | repack | pack-refs | prune-packed | maintenance | worktree | remote | \
    symbolic-ref | branch | push | send-pack | http-push | sparse-checkout) ;;
  *) exec "$git" "$@" ;;
esac

is_guarded() { # the whole command line: whether it is about the guarded repository
  total=$# seen=0
  for word do
    [ "$seen" -ge "$before" ] || set -- "$@" "$word"
    seen=$((seen + 1))
  done
  shift "$total"
  place=$("$git" "$@" rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || return 1
  place=$(cd -P -- "$place" 2>/dev/null && pwd -P) || return 1
  [ "$place" = "$common" ]
}

# What it is about to do, by kind of what it would change; empty for what is read alone.
kind='' what='' instead=''
judge() { # the words after the command
  case $command in
    config) judge_config "$@" ;;
    stash)
      case ${1-push} in list | show | create | apply | -h | --help) return ;; esac
      kind=stash what=refs/stash
      instead="the stash is the person's; to set work aside, commit it on $branch: git commit -am wip"
      ;;
    reflog)
      case ${1-} in expire | delete | drop) ;; *) return ;; esac
      kind=stash what=reflogs
      instead="reflogs, the stash among them, are the person's and stay as they are."
      ;;
    gc | prune | repack | pack-refs | prune-packed | maintenance)
      kind=repository what=$command
      instead='the object store is shared with the person and other agents; nothing here needs it tidied.'
      ;;
    worktree)
      case ${1-} in '' | list | -h | --help) return ;; esac
      kind=repository what="worktree $1"
      instead="worktrees are the person's and gitfleet's; work in this one, or in a clone: git clone . \"\$TMPDIR/copy\""
      ;;
    remote)
      while :; do case ${1-} in -v | --verbose) shift ;; *) break ;; esac done
      case ${1-} in '' | show | get-url | update | -h | --help) return ;; esac
      kind=config what="remote.${2-}"
      instead='remotes are in the configuration that is shared with the person; name the URL instead: git fetch URL'
      ;;
    symbolic-ref) judge_symbolic "$@" ;;
    branch) judge_branch "$@" ;;
    push | send-pack | http-push)
      kind=push what=$command
      instead='agents do not push; the work is taken from the branch when the task ends, and the person pushes.'
      ;;
    sparse-checkout)
      case ${1-} in list | check-rules | '' | -h | --help) return ;; esac
      kind=config what=core.sparseCheckout
      instead='the repository would be configured for it, and the person shares that; the whole tree stays checked out.'
      ;;
  esac
}

judge_config() {
  place=local reads='' words=0 verb='' key='' skip=
  for word do
    if [ -n "$skip" ]; then
      skip=
      continue
    fi
    case $word in
      -f | --file | --blob | --file=* | --blob=* | -h | --help) return ;;
      --global | --system) place=$word ;;
      -l | --list | --get | --get-*) reads=1 ;;
      --add | --unset | --unset-all | --replace-all | --rename-section | --remove-section | -e | --edit) verb=$word ;;
      --type | --default | --comment | --value | --url) skip=1 ;;
      -*) ;;
      *)
        words=$((words + 1))
        case $words:$word in
          1:get | 1:list) reads=1 ;;
          1:set | 1:unset | 1:edit | 1:rename-section | 1:remove-section) verb=$word words=0 ;;
          1:*) key=$word ;;
        esac
        ;;
    esac
  done
  [ -z "$reads" ] || return 0
  [ -n "$verb" ] || [ "$words" -ge 2 ] || return 0
  # A home of its own, such as a test suite makes, is nobody else's.
  case $place in --global) [ "${HOME-}" = "$home" ] && [ -z "${GIT_CONFIG_GLOBAL-}" ] || return 0 ;; esac
  kind=config what=${key:-the configuration} everywhere=
  [ "$place" = local ] || everywhere=1
  instead="the configuration is shared with the person; set it for one command: git -c ${key:-name}=VALUE ..."
}

judge_symbolic() {
  words=0 verb='' key=
  for word do
    case $word in
      -d | --delete) verb=1 ;;
      -*) ;;
      *)
        words=$((words + 1))
        [ "$words" -gt 1 ] || key=$word
        ;;
    esac
  done
  [ -n "$verb" ] || [ "$words" -ge 2 ] || return 0
  case $key in refs/worktree/* | refs/bisect/*) return 0 ;; refs/* | main-worktree/* | worktrees/*) ;; *) return 0 ;; esac
  kind=ref what=$key
  instead="$key is shared with the person and other agents; this task may move $branch alone."
}

judge_branch() {
  skip='' key=
  for word do
    if [ -n "$skip" ]; then
      skip=
      continue
    fi
    case $word in
      --sort | --format | --points-at | --contains | --no-contains | --merged | --no-merged) skip=1 ;;
      --move | --copy | --set-upstream-to* | --unset-upstream | --edit-description) kind=ref ;;
      --*) ;;
      -*[cCmMu]*) kind=ref ;;
      -*) ;;
      *) key=$word ;;
    esac
  done
  [ -n "$kind" ] || return 0
  what=refs/heads/$key
  instead="branches are the person's; commit on $branch, or without a branch: git switch --detach"
}

everywhere=
decide() {
  shift "$((before + 1))"
  judge "$@"
}
decide "$@"
[ -n "$kind" ] || exec "$git" "$@"
[ -n "$everywhere" ] || is_guarded "$@" || exec "$git" "$@"

shift "$before"
if [ "$({ wc -c <"$guard/tries"; } 2>/dev/null || echo 0)" -lt 65536 ]; then
  said="git $command ${2-}"
  [ "$command" != config ] || said="git config $what"
  printf '%s\t%s\t\t\t%s\n' "$kind" "$(printf %s "$what" | tr '\n\t' '  ')" \
    "$(printf %s "${said% }" | tr '\n\t' '  ' | cut -c 1-60)" >>"$guard/tries"
fi
printf 'gitfleet: %s\n' "$instead" >&2
exit 1
