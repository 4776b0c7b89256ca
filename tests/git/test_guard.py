"""The guard's hooks and its git, with real git: what an agent may do works, what is the person's stays as it is."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime.guard.install import HOOKS, Guard, install
from gitfleet.runtime.guard.tries import Try, read_tries
from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BRANCH = "fleet/trial/one"


@dataclass
class Agent:
    """An agent's shell in a worktree behind a guard."""

    root: Path
    repo: Repo
    tree: Path
    environment: Mapping[str, str]

    def sh(self, script: str, *, code: int | None = 0, **more: str) -> str:
        """Run a script; gives both outputs."""
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=self.tree,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout
        return done.stdout

    @property
    def tries(self) -> tuple[Try, ...]:
        """What was refused."""
        return read_tries(self.root / "guard")

    def tip(self) -> str:
        """Where the task branch is."""
        return self.repo.oid(f"refs/heads/{BRANCH}")


def enter(tmp_path: Path, repo: Repo, chain: str | None = None, **environment: str) -> Agent:
    """Make a worktree and a guard around it."""
    tree = tmp_path / "tree"
    repo.git("worktree", "add", "-q", "-b", BRANCH, str(tree))
    common = repo.path / ".git"
    guard = Guard(tmp_path / "guard", common, BRANCH, chain or str(common / "hooks"))
    env = {**os.environ, **environment}
    return Agent(tmp_path, repo, tree, {**env, **install(guard, env)})


@pytest.fixture
def agent(tmp_path: Path, repo: Repo) -> Agent:
    return enter(tmp_path, repo)


def write_hook(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


COMMIT = 'commit() { echo "$1" >"$1"; git add "$1"; git commit -q -m "$1"; }\n'

OWN_WORK = {
    "amend": "commit a; git commit -q --amend -m b",
    "reset": "commit a; git reset -q --hard HEAD~1; commit b",
    "merge": "git switch -q --detach; commit a; a=$(git rev-parse HEAD); git switch -q -; commit b; git merge -q $a",
    "octopus of main": "git merge -q main",
    "rebase": "commit a; commit b; git rebase -q --force-rebase HEAD~2",
    "rebase -i": "commit a; commit b; GIT_SEQUENCE_EDITOR='sed -i.old 2s/pick/fixup/' git rebase -q -i HEAD~2",
    "rebase -r": "commit a; git rebase -q -r --force-rebase HEAD~1",
    "rebase that is given up": "commit a; commit b; git rebase -q HEAD~1 --exec false || git rebase --abort",
    "rebase --autostash": "commit a; echo more >>a; git rebase -q --autostash --force-rebase HEAD~1; git commit -qam b",
    "cherry-pick": "commit a; a=$(git rev-parse HEAD); git reset -q --hard HEAD~1; git cherry-pick $a >/dev/null",
    "revert": "commit a; git revert --no-edit HEAD >/dev/null",
    "bisect": "commit a; commit b; commit c; git bisect start HEAD @~2; git bisect run test ! -e c; git bisect reset",
    "refs of its own": "git update-ref refs/worktree/mark HEAD; git rev-parse -q refs/worktree/mark",
    "detached": "git switch -q --detach; commit a; git checkout -q -B " + BRANCH,
    "stash that is read": "git stash list; git stash show; git stash apply -q; git commit -qam applied",
    "a patch": "commit a; git format-patch -1 --stdout >p; git reset -q --hard HEAD~1; git am -q p; rm p",
    "settings that are read": "git config core.bare; git config --get-regexp core; git config -l >/dev/null",
    "a setting for one command": "git -c user.name=Bot commit -q --allow-empty -m bot",
    "worktrees and remotes that are listed": "git worktree list; git remote -v; git branch -avv --sort -committerdate",
}


@pytest.mark.parametrize("work", OWN_WORK)
def test_the_work_of_an_agent_goes_on(agent: Agent, work: str) -> None:
    if "stash" in work:
        agent.repo.write("README", "stashed\n")
        agent.repo.git("stash", "push", "-q")

    agent.sh(COMMIT + OWN_WORK[work])

    assert agent.sh("git status --porcelain") == ""
    assert agent.tries == ()


@pytest.mark.parametrize("name", ["refs/heads/x", "refs/heads/fleet/trial/two", f"refs/heads/{BRANCH}2", "refs/any/x"])
def test_every_other_ref_is_refused_with_one_sentence(agent: Agent, name: str) -> None:
    said = agent.sh(f"git update-ref --stdin <<E\ncreate {name} HEAD\ncreate {name}3 HEAD\nE", code=128)

    assert said.splitlines()[0].startswith(f"gitfleet: {name} is ")
    assert said.count("gitfleet:") == 1
    assert [one.name for one in agent.tries] in ([name, f"{name}3"], [f"{name}3", name])
    assert {one.becomes for one in agent.tries} == {agent.tip()}


def test_a_transaction_with_one_foreign_ref_moves_none(agent: Agent) -> None:
    before = agent.tip()
    new = agent.sh("git commit-tree -m new HEAD^{tree}").strip()

    agent.sh(f"git update-ref --stdin <<E\nupdate refs/heads/{BRANCH} {new}\nupdate refs/heads/main {new}\nE", code=128)

    assert agent.tip() == before


def test_what_is_refused_says_what_to_do_instead(agent: Agent) -> None:
    assert "git commit -am wip" in agent.sh("echo 1 >>README; git stash", code=1)
    assert (agent.tree / "README").read_text().endswith("1\n")
    assert "git switch --detach" in agent.sh("git switch -c mine", code=128)
    assert "git -c user.name=VALUE" in agent.sh("git config user.name Bot", code=1)
    assert "do not push" in agent.sh("git push", code=1)


@pytest.mark.parametrize("directory", ["", "/", "hooks of mine", ".husky"])
def test_hooks_of_the_person_run_as_they_would(tmp_path: Path, repo: Repo, directory: str) -> None:
    """From the repository, from an absolute ``core.hooksPath``, and from one that is relative to the worktree."""
    if directory == ".husky":
        repo.commit({".gitignore": "log\n"})
    places = {"/": str(tmp_path / "hooks"), "hooks of mine": str(tmp_path / "my $hooks'"), ".husky": ".husky"}
    chain = places.get(directory)
    agent = enter(tmp_path, repo, chain)
    place = agent.tree / chain if chain else repo.path / ".git/hooks"
    log = tmp_path / "log"
    for name in ("pre-commit", "commit-msg", "post-commit", "post-rewrite", "post-checkout", "reference-transaction"):
        write_hook(place / name, f'echo "{name} $#" >>{log}; case {name} in *-rew*|ref*) cat >>{log} ;; esac')
    write_hook(place / "prepare-commit-msg", 'echo "Signed-by: hook" >>"$1"')
    write_hook(place / "post-merge", "exit 7")
    (place / "post-merge").chmod(0o644)

    agent.sh(f"{COMMIT} commit a; git commit -q --amend -m b; git switch -q --detach; git merge -q HEAD")

    lines = log.read_text().splitlines()
    assert {"pre-commit 0", "commit-msg 1", "post-commit 0", "post-rewrite 1", "post-checkout 3"} <= set(lines)
    assert "reference-transaction 1" in lines
    assert any(line.endswith(f"refs/heads/{BRANCH}") for line in lines)
    assert sum(line.count(" ") == 1 and len(line) > 80 for line in lines) == 1  # what post-rewrite read
    assert "Signed-by: hook" in agent.sh("git log -1 --format=%B")


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg", "reference-transaction"])
def test_a_hook_of_the_person_that_refuses_refuses(agent: Agent, name: str) -> None:
    write_hook(agent.repo.path / ".git/hooks" / name, "echo no >&2; exit 3")
    before = agent.tip()

    assert "no\n" in agent.sh("git commit -q --allow-empty -m a", code=None)

    assert agent.tip() == before


def test_other_repositories_are_none_of_its_business(agent: Agent) -> None:
    """What test suites do: branches, settings, stashes and pushes of their own, with hooks of their own."""
    agent.sh("""
git init -q -b main ../other; git init -q --bare ../remote; cd ../other
printf '#!/bin/sh\\necho hook ran\\n' >.git/hooks/post-commit; chmod +x .git/hooks/post-commit
git config user.name Own; echo 1 >f; git add f; git commit -qm 1 2>out; git branch x; git tag y
echo 2 >f; git stash -q; git stash pop -q; git remote add origin ../remote; git push -q origin main; git gc -q
git worktree add -q ../linked x
""")
    assert (agent.root / "other/out").read_text() == "hook ran\n"
    assert agent.tries == ()

    for place in (agent.repo.path, agent.repo.path / ".git", f"file://{agent.repo.path}", agent.tree):
        assert "do not push" in agent.sh(f"cd ../other; git push -q {place} HEAD:refs/heads/in", code=1)
    assert "in" not in agent.repo.git("branch", "--list", "in")


def test_a_submodule_that_an_agent_fills_in_is_its_own(tmp_path: Path, repo: Repo) -> None:
    other = Repo.with_files(tmp_path / "other")
    allow = ("-c", "protocol.file.allow=always")
    repo.git(*allow, "submodule", "--quiet", "add", str(other.path), "sub")
    repo.git("commit", "-q", "-m", "sub")
    write_hook(repo.path / ".git/hooks/pre-commit", "exit 1")
    agent = enter(tmp_path, repo)
    update = "git -c protocol.file.allow=always submodule update -q --init"
    agent.sh(f"{update} && cd sub && git switch -q -c topic && echo x >x && git add x && git commit -q -m x")
    agent.sh("cd sub && echo y >x && git stash -q && git stash pop -q && git fetch -q origin && git tag t1")
    assert not agent.tries
    # The one of the person's checkout is not.
    agent.sh(f"git -C {repo.path}/sub tag mine", code=128)
    assert [one.name for one in agent.tries] == ["refs/tags/mine"]


def test_a_home_of_its_own_may_be_configured(agent: Agent) -> None:
    agent.sh("mkdir ../own; unset GIT_CONFIG_GLOBAL; HOME=$PWD/../own git config --global user.name Own")
    assert "Own" in (agent.root / "own/.gitconfig").read_text()


def test_a_path_that_a_search_path_cannot_hold_is_guarded(tmp_path: Path, repo: Repo) -> None:
    repo.write("README", "set aside\n")
    repo.git("stash", "-q")
    (tmp_path / "a:b").mkdir()
    agent = enter(tmp_path / "a:b", repo, TMPDIR=str(tmp_path / "tmp"))
    assert "stash is the person's" in agent.sh("git stash pop", code=1)
    assert repo.git("stash", "list") != ""


def test_nobody_is_asked_in_an_editor(agent: Agent, tmp_path: Path) -> None:
    agent.repo.git("config", "core.editor", "false")
    bare = "unset GIT_EDITOR VISUAL EDITOR\n"
    agent.sh(bare + COMMIT + "commit 1; commit 2; git commit -q --amend; git rebase -q -i HEAD~1")
    # What the agent names itself is what runs.
    agent.sh(f"{bare}GIT_EDITOR='echo told >{tmp_path}/told; true' git commit -q --amend")
    assert (tmp_path / "told").read_text() == "told\n"


def test_settings_of_the_environment_stay(tmp_path: Path, repo: Repo) -> None:
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "alias.say", "GIT_CONFIG_VALUE_0": "!echo said"}
    assert enter(tmp_path, repo, **given).sh("git say; git config gc.auto") == "said\n0\n"


def test_the_log_of_tries_is_bounded_and_read_with_care(agent: Agent) -> None:
    log = agent.root / "guard/tries"
    agent.sh("git tag a || git tag a || git tag b || true")
    assert [one.name for one in agent.tries] == ["refs/tags/a", "refs/tags/b"]
    log.write_text("nonsense\n\n" + "ref\trefs/x\x1b[1m\t\t\tx\n" * 10_000)
    assert agent.tries == (Try("ref", "refs/x [1m", "", "", "x"),)
    size = log.stat().st_size
    agent.sh("git tag c || true; git stash || true")
    assert log.stat().st_size == size
    log.unlink()
    os.mkfifo(log)
    assert not agent.tries


def test_a_guard_is_few_files_and_laid_out_again_as_it_was(tmp_path: Path, repo: Repo) -> None:
    agent = enter(tmp_path, repo)
    guard = Guard(tmp_path / "guard", repo.path / ".git", BRANCH, str(repo.path / ".git/hooks"))

    assert install(guard, os.environ)["GIT_CONFIG_VALUE_0"] == str(tmp_path / "guard/hooks")

    agent.sh("git commit -q --allow-empty -m again")
    files = [path for path in (tmp_path / "guard").rglob("*") if not path.is_dir() and not path.is_symlink()]
    assert len(files) == 2
    assert {path.name for path in (tmp_path / "guard/hooks").iterdir()} == set(HOOKS)
