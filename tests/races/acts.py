"""What a person does in their repository while a session lands on it: shell scripts, and what each leads to.

The repository is the one of ``scene``. A script may fail, as a person's command does that meets the landing's lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Then(StrEnum):
    """How a train ends that meets the act before its landing began."""

    LANDS = "lands"
    WAITS = "waits"
    GONE = "gone"
    CLASHES = "clashes"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Act:
    """``undo`` takes away what the landing waits for; ``touches`` are the run's paths that are the person's by now."""

    do: str
    then: Then = Then.LANDS
    undo: str = ""
    touches: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()


KEEP = "git rev-parse main >.git/was; "
BACK = "git rev-parse -q --verify main || git update-ref refs/heads/main $(cat .git/was)"

ACTS = {
    # -- commits, and where the branch is
    "commits": Act("echo more >>mine.txt; git commit -qam Theirs"),
    "commits to a file of the run": Act(
        "echo person >kept.txt; git commit -qam Theirs", Then.CLASHES, "git checkout -q kept.txt", ("kept.txt",)
    ),
    "commits what breaks the run": Act("echo x >poison; git add poison; git commit -qm Poison", Then.RED),
    "commits what the run does": Act(
        "echo new >kept.txt; git commit -qam Same", Then.LANDS, "git checkout -q kept.txt", ("kept.txt",)
    ),
    "amends the message": Act("git commit -q --amend -m Other"),
    "amends the content": Act("echo more >>mine.txt; git commit -qa --amend --no-edit"),
    "resets hard": Act("git reset -q --hard HEAD~1"),
    "resets soft": Act("git reset -q --soft HEAD~1"),
    "resets mixed": Act("git reset -q HEAD~1"),
    "resets back and forth": Act("git reset -q --hard HEAD~1; git reset -q --hard ORIG_HEAD"),
    "merges": Act("git merge -q --no-edit calm"),
    "rebases": Act("git rebase -q calm"),
    "moves the branch by force": Act("git switch -q calm; git branch -qf main main~1"),
    "pulls": Act("git pull -q --ff-only origin ahead"),
    "pulls and merges": Act("git commit -q --allow-empty -m x; git pull -q --no-rebase --no-edit origin ahead"),
    "pulls and rebases": Act("git commit -q --allow-empty -m x; git pull -q --rebase origin ahead"),
    "fetches into the branch": Act("git switch -q calm; git fetch -q origin ahead:main"),
    "is pushed to": Act(
        "git config receive.denyCurrentBranch updateInstead; cd ../clone; git push -q origin HEAD:main"
    ),
    "pushes": Act("git push -q origin main:pushed"),
    "fetches": Act("git fetch -q origin"),
    # -- in the middle of something
    "rebase open": Act("! git rebase -q side", Then.WAITS, "git rebase --abort"),
    "rebase stopped to edit": Act(
        "GIT_SEQUENCE_EDITOR='sed -i.bak s/^pick/edit/' git rebase -q -i HEAD~1", Then.WAITS, "git rebase --abort"
    ),
    "merge open": Act("! git merge -q side", Then.WAITS, "git merge --abort"),
    "merge not committed": Act("git merge -q --no-ff --no-commit calm", Then.WAITS, "git merge --abort"),
    "cherry-pick open": Act("! git cherry-pick side", Then.WAITS, "git cherry-pick --abort"),
    "revert open": Act("! git revert --no-edit HEAD~1", Then.WAITS, "git revert --abort"),
    "am open": Act("git format-patch -q -1 --stdout side >.git/p; ! git am -q .git/p", Then.WAITS, "git am --abort"),
    "bisect open": Act("git bisect start HEAD HEAD~2", Then.WAITS, "git bisect reset"),
    "squash merge staged": Act("git merge -q --squash calm"),
    # -- where HEAD is
    "switches": Act("git switch -q calm"),
    "switches to a new branch": Act("git switch -qc fresh"),
    "detaches": Act("git switch -q --detach"),
    "switches to an orphan": Act("git switch -q --orphan empty"),
    "switches away and back": Act("git switch -q calm; git switch -q main"),
    "points HEAD elsewhere by hand": Act("git symbolic-ref HEAD refs/heads/calm", touches=("kept.txt",)),
    "takes the target to a second tree": Act("git switch -q calm; git worktree add -q ../second main"),
    "has the target in two trees": Act("git worktree add -q -f ../second main"),
    "has work in a second tree": Act(
        "git worktree add -q -f ../second main; echo person >../second/kept.txt",
        Then.WAITS,
        "git -C ../second checkout -q kept.txt",
    ),
    "rebases in a second tree": Act(
        "git switch -q calm; git worktree add -q ../second main; ! git -C ../second rebase -q side",
        Then.WAITS,
        "git -C ../second rebase --abort",
    ),
    "removes the second tree": Act("git worktree add -q -f ../second main; rm -rf ../second"),
    # -- the ref itself
    "renames the target": Act("git branch -m main trunk", Then.GONE, "git branch -m trunk main"),
    "deletes the target": Act(KEEP + "git switch -q calm; git branch -qD main", Then.GONE, BACK),
    "deletes the target under HEAD": Act(KEEP + "git update-ref -d refs/heads/main", Then.GONE, BACK),
    "makes the target symbolic": Act("git branch trunk main; git symbolic-ref refs/heads/main refs/heads/trunk"),
    "makes the target another branch": Act("git switch -q side; git symbolic-ref refs/heads/main refs/heads/calm"),
    "makes the target dangle": Act(
        KEEP + "git symbolic-ref refs/heads/main refs/heads/nowhere",
        Then.GONE,
        "git symbolic-ref -q -d refs/heads/main || :; " + BACK,
    ),
    "packs refs": Act("git pack-refs --all --prune"),
    "collects garbage": Act("git gc -q"),
    "expires the reflog": Act("git reflog expire --expire=now --all"),
    "tags like the target": Act("git tag main HEAD~1"),
    "replaces the commit": Act("git replace main main~1"),
    "locks the ref": Act(
        "touch .git/refs/heads/main.lock", Then.WAITS, "rm .git/refs/heads/main.lock", locks=("refs/heads/main.lock",)
    ),
    "locks the packed refs": Act(
        "touch .git/packed-refs.lock", undo="rm .git/packed-refs.lock", locks=("packed-refs.lock",)
    ),
    # -- files and the index
    "holds the index": Act("touch .git/index.lock", Then.WAITS, "rm .git/index.lock", locks=("index.lock",)),
    "loses the index": Act("rm .git/index"),
    "edits elsewhere": Act("echo work >>mine.txt; echo s >s.txt; git add s.txt; echo u >u.txt; echo i >i.env"),
    "stashes": Act("echo work >>mine.txt; echo u >u.txt; git stash -q -u"),
    "stashes and pops": Act("echo work >>mine.txt; git stash -q; git stash pop -q"),
    "hides the files": Act("git update-index -q --refresh; git sparse-checkout set --no-cone /mine.txt"),
    "changes how merges go": Act("echo '* merge=union' >.gitattributes"),
    "edits in the way": Act("echo person >kept.txt", Then.WAITS, "git checkout -q kept.txt", ("kept.txt",)),
    "stages in the way": Act(
        "echo person >kept.txt; git add kept.txt", Then.WAITS, "git reset -q --hard", ("kept.txt",)
    ),
    "stages and edits back": Act(
        "echo person >kept.txt; git add kept.txt; echo old >kept.txt", Then.WAITS, "git reset -q --hard", ("kept.txt",)
    ),
    "deletes in the way": Act("rm kept.txt", Then.WAITS, "git checkout -q kept.txt", ("kept.txt",)),
    "untracks in the way": Act("git rm -q --cached kept.txt", Then.WAITS, "git reset -q --hard", ("kept.txt",)),
    "makes it executable": Act("chmod +x kept.txt", Then.WAITS, "chmod -x kept.txt", ("kept.txt",)),
    "makes it a link": Act("ln -sf mine.txt kept.txt", Then.WAITS, "git checkout -q kept.txt", ("kept.txt",)),
    "makes it a directory": Act(
        "rm kept.txt; mkdir kept.txt; echo p >kept.txt/p",
        Then.WAITS,
        "rm -r kept.txt; git checkout -q kept.txt",
        ("kept.txt", "kept.txt/p"),
    ),
    "hides an edit from git": Act(
        "git update-index --assume-unchanged kept.txt; echo person >kept.txt",
        Then.WAITS,
        "git update-index --no-assume-unchanged kept.txt; git checkout -q kept.txt",
        ("kept.txt",),
    ),
    "has an untracked file in the way": Act("echo person >one.txt", Then.WAITS, "rm one.txt", ("one.txt",)),
    "has an ignored file in the way": Act("echo person >own.env", Then.WAITS, "rm own.env", ("own.env",)),
    "has a directory in the way": Act(
        "mkdir one.txt; echo p >one.txt/p", Then.WAITS, "rm -r one.txt", ("one.txt", "one.txt/p")
    ),
    "has a link where a directory goes": Act("ln -s ../elsewhere deep", Then.WAITS, "rm deep", ("deep", "deep/n.txt")),
    "means to add a file": Act(
        "echo person >one.txt; git add -N one.txt",
        Then.WAITS,
        "git rm -qf --ignore-unmatch one.txt; rm -f one.txt",
        ("one.txt",),
    ),
}
