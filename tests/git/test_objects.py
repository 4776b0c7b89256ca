"""Both engines give the same answers, checked against the git binary."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitfleet.git.command import Git
from gitfleet.git.durable import pack_range
from gitfleet.git.engine import MissingObject
from gitfleet.git.engine_binary import BinaryEngine
from gitfleet.git.engine_pygit2 import LibgitEngine
from gitfleet.git.engines import open_objects
from gitfleet.git.objects import Objects
from gitfleet.git.refs import Refs
from gitfleet.git.repository import discover
from gitfleet.git.state_ref import commit_blobs
from gitfleet.git.trees import EXECUTABLE, FILE, SUBMODULE, SYMLINK, TreeChange, TreeEntry
from tests.support.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.git_env import GitCounter

ODD = [
    b"a b",
    b"new\nline",
    b'quo"te',
    b"-dash",
    b"\xff\xfe",
    b"caf\xc3\xa9",
    b"app/[slug]/page.tsx",
    b"tab\there",
    b"back\\slash",
]


@pytest.fixture(params=["pygit2", "git"])
def objects(request: pytest.FixtureRequest, repo: Repo) -> Iterator[Objects]:
    git = Git(repo.path)
    engine = LibgitEngine(repo.path / ".git") if request.param == "pygit2" else BinaryEngine(git)
    with Objects(git, engine, now=lambda: 1_800_000_000.0) as opened:
        assert opened.engine == request.param
        yield opened


def test_reads_what_git_wrote(repo: Repo, objects: Objects) -> None:
    first = repo.oid()
    second = repo.commit({name: name for name in ODD}, "odd names\n\nbody")
    commit = objects.commit(second)
    assert commit.parents == (first,)
    assert commit.tree == repo.oid("HEAD^{tree}")
    assert commit.message == "odd names\n\nbody\n"
    listed = {path: objects.blob(entry.oid) for path, entry in objects.entries(commit.tree)}
    assert listed == repo.files()
    for name in ODD:
        entry = objects.entry(commit.tree, name)
        assert entry is not None
        assert (entry.mode, objects.blob(entry.oid)) == (FILE, name)
    assert [path for path, _ in objects.entries(commit.tree, b"app/")] == [b"app/[slug]/page.tsx"]
    assert objects.entry(commit.tree, b"app/[slug]") is not None
    assert objects.entry(commit.tree, b"a b/below") is None
    assert objects.entry(commit.tree, b"nothing") is None
    assert list(objects.entries(commit.tree, b"nothing")) == []
    assert objects.entry(commit.tree, b"") == TreeEntry(0o040000, commit.tree)


def test_missing_and_mistaken_objects(repo: Repo, objects: Objects) -> None:
    with pytest.raises(MissingObject):
        objects.commit("1" * 40)
    with pytest.raises(MissingObject, match="not a commit"):
        objects.commit(repo.oid("HEAD^{tree}"))
    assert objects.commit(repo.oid()).parents == ()


def test_resolves_what_git_resolves(repo: Repo, objects: Objects) -> None:
    head = repo.oid()
    repo.git("tag", "-a", "-m", "a tag", "v1")
    repo.git("branch", "-q", "side")
    for rev in (head, "HEAD", "main", "refs/heads/side", "v1", "refs/tags/v1", head[:10], "main^{commit}"):
        assert objects.resolve(rev) == head
    for rev in ("1" * 40, "refs/heads/none", "--all", "-n1", "", "no such", repo.oid("HEAD^{tree}"), "main\0x"):
        assert objects.resolve(rev) is None


def test_edits_trees_as_an_index_would(repo: Repo, objects: Objects) -> None:
    repo.commit({"a/b/c": "1", "a/b/d": "2", "a.txt": "3", "a-": "4", "file": "5", "deep/er/still/x": "6"}, "layout")
    tree = repo.oid("HEAD^{tree}")
    blob = objects.write_blob(b"new")
    link = TreeEntry(SYMLINK, objects.write_blob(b"../elsewhere"))
    changes: dict[bytes, TreeEntry | None] = {
        b"a/b/c": None,
        b"a/b/d": None,  # empties two directories
        b"file": None,
        b"file/below": TreeEntry(FILE, blob),  # a file becomes a directory
        b"deep": TreeEntry(EXECUTABLE, blob),  # a directory becomes a file
        b"deep/er/still/x": None,
        b"n/e/w/\xff": link,
        b"module": TreeEntry(SUBMODULE, repo.oid()),
        b"-dash\n": TreeEntry(FILE, blob),
        b"never": None,
        b"never/was": None,
    }
    made = objects.edit_tree(tree, changes)
    listed = dict(objects.entries(made))
    assert listed == {
        b"README": objects.entry(tree, b"README"),
        b"a.txt": objects.entry(tree, b"a.txt"),
        b"a-": objects.entry(tree, b"a-"),
        b"file/below": TreeEntry(FILE, blob),
        b"deep": TreeEntry(EXECUTABLE, blob),
        b"n/e/w/\xff": link,
        b"module": TreeEntry(SUBMODULE, repo.oid()),
        b"-dash\n": TreeEntry(FILE, blob),
    }
    # git itself reads it, and would write the very same tree.
    repo.git("fsck", "--strict", made)
    repo.git("read-tree", made, env={"GIT_INDEX_FILE": "other-index"})
    assert repo.git("write-tree", env={"GIT_INDEX_FILE": "other-index"}) == made
    assert objects.edit_tree(made, {}) == made


def test_edits_to_and_from_nothing(repo: Repo, objects: Objects) -> None:
    empty = objects.edit_tree(None, {})
    assert empty == repo.git("hash-object", "-t", "tree", "/dev/null")
    tree = repo.oid("HEAD^{tree}")
    assert objects.edit_tree(tree, {b"README": None}) == empty
    repo.git("cat-file", "-e", empty)
    blob = objects.write_blob(b"")
    for path in (b"", b"/x", b"x/", b"a//b", b"./a", b"a/../b", b"nul\0"):
        with pytest.raises(ValueError, match="not a path"):
            objects.edit_tree(None, {path: TreeEntry(FILE, blob)})
    with pytest.raises(ValueError, match="both a file and a directory"):
        objects.edit_tree(None, {b"a": TreeEntry(FILE, blob), b"a/b": TreeEntry(FILE, blob)})


def test_diff_names_modes_and_kinds(repo: Repo, objects: Objects) -> None:
    old = repo.commit({"keep": "k", "gone": "g", "turn": "t", "d/x": "1", "d/y": "2", "mode": "m"}, "old")
    (repo.path / "turn").unlink()
    (repo.path / "turn").symlink_to("/etc/passwd")
    (repo.path / "mode").chmod(0o755)
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{old},module")
    (repo.path / "d/x").unlink()
    (repo.path / "d/y").unlink()
    (repo.path / "d").rmdir()
    (repo.path / "gone").unlink()
    repo.write("d", "now a file")
    for name in ODD:
        repo.write(name, b"x")
    repo.git("add", "-A", "--", ":!module")
    repo.git("commit", "-q", "-m", "new")
    changes = objects.diff(objects.commit(old).tree, repo.oid("HEAD^{tree}"))
    modes = {c.path: (c.old.mode if c.old else 0, c.new.mode if c.new else 0) for c in changes}
    expected = {}
    fields = repo.raw("diff-tree", "-r", "-z", "--no-renames", "--raw", old, "HEAD").split(b"\0")[:-1]
    for facts, changed in zip(fields[::2], fields[1::2], strict=True):
        words = facts[1:].split(b" ")
        expected[changed] = (int(words[0], 8), int(words[1], 8))
    assert modes == expected
    assert modes[b"turn"] == (FILE, SYMLINK)
    assert modes[b"module"] == (0, SUBMODULE)
    assert [change.path for change in changes] == sorted(expected)
    assert objects.diff(objects.commit(old).tree, objects.commit(old).tree) == []
    readme = objects.entry(repo.oid("HEAD^{tree}"), b"README")
    assert TreeChange(b"README", readme, None) in objects.diff(repo.oid("HEAD^{tree}"), None)


def test_links_with_what_they_hold(repo: Repo, objects: Objects) -> None:
    (repo.path / "deep").mkdir()
    (repo.path / "deep" / "link").symlink_to("../a b")
    repo.write("file", "../a b")
    repo.commit({"x": "y"})
    assert objects.links(repo.oid("HEAD^{tree}")) == {b"deep/link": b"../a b"}


def test_history(repo: Repo, objects: Objects) -> None:
    base = repo.oid()
    one = repo.commit({"one": "1"}, "one")
    repo.git("switch", "-q", "-c", "side", base)
    two = repo.commit({"two": "2"}, "two")
    repo.git("merge", "-q", "--no-edit", "main")
    merge = repo.oid()
    repo.git("switch", "-q", "--orphan", "alone")
    alone = repo.commit({"alone": "0"}, "alone")
    assert objects.merge_base(one, two) == base
    assert objects.merge_base(one, alone) is None
    assert objects.is_ancestor(base, merge)
    assert objects.is_ancestor(base, base)
    assert not objects.is_ancestor(one, two)
    assert not objects.is_ancestor(alone, merge)
    assert objects.walk(merge, one) == [two, merge]
    assert set(objects.walk(merge)) == {base, one, two, merge}
    assert objects.walk(merge)[0] == base
    assert objects.walk(merge, [one, two]) == [merge]
    assert objects.walk(base, merge) == []


def test_commits_carry_the_users_identity(repo: Repo, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    head, tree = repo.oid(), repo.oid("HEAD^{tree}")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Zoë; <Ünicode>")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    repo.git("config", "i18n.commitEncoding", "latin1")
    made = objects.create_commit(tree, [head, head], "Subject é\n\nTrailer: x\n\n")
    raw = repo.raw("cat-file", "commit", made).decode()
    lines = raw.split("\n")
    assert lines[:3] == [f"tree {tree}", f"parent {head}", f"parent {head}"]
    assert lines[3].startswith("author Zoë; Ünicode <ada@example.com> 1767323045 +0000")
    assert lines[4].startswith("committer Carl Committer <carl@example.com> 1800000000 ")
    assert lines[5:] == ["", "Subject é", "", "Trailer: x", ""]
    repo.git("fsck", "--strict", made)
    assert objects.commit(made).message == "Subject é\n\nTrailer: x\n"
    with pytest.raises(ValueError, match="NUL"):
        objects.create_commit(tree, [], "a\0b")


def test_signed_when_the_user_signs(repo: Repo, objects: Objects, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("commit.gpgSign", "true")):
        repo.git("config", name, value)
    tree, head = repo.oid("HEAD^{tree}"), repo.oid()
    signed = objects.create_commit(tree, [head], "signed")
    assert "gpgsig -----BEGIN SSH SIGNATURE" in repo.git("cat-file", "commit", signed)
    assert objects.commit(signed).message == "signed\n"
    assert objects.commit(signed).parents == (head,)
    plain = objects.create_commit(tree, [head], "plain", sign=False)
    assert "gpgsig" not in repo.git("cat-file", "commit", plain)


def test_sees_what_others_write_and_repack(repo: Repo, objects: Objects) -> None:
    before = repo.oid()
    objects.commit(before)
    for number in range(3):
        commit = repo.commit({"file": str(number)}, f"number {number}")
        repo.git("repack", "-q", "-a", "-d")
        assert objects.commit(commit).message == f"number {number}\n"
        assert objects.blob(repo.oid("HEAD:file")) == str(number).encode()
        assert objects.resolve("refs/heads/main") == commit
        assert objects.walk(commit, before)
    repo.git("gc", "-q", "--prune=now")
    assert dict(objects.entries(repo.oid("HEAD^{tree}")))


def commit_files(objects: Objects, ref: str, files: dict[bytes, bytes], message: str) -> str:
    blobs = dict(zip(files, objects.write_blobs(files.values()), strict=True))
    return commit_blobs(objects, ref, blobs, message)


def test_a_commit_of_files_on_a_private_ref(repo: Repo, objects: Objects) -> None:
    ref = "refs/gitfleet/state/auth-k3f9qm"
    files = {b"session.md": b"one", b"runs/a.json": b"{}"}
    first = commit_files(objects, ref, files, "state")
    assert repo.oid(ref) == first
    assert repo.files(first) == files
    assert commit_files(objects, ref, files, "state") == first
    second = commit_files(objects, ref, {b"session.md": b"two"}, "state")
    assert repo.git("rev-list", "--parents", "-1", ref) == f"{second} {first}"
    assert repo.files(ref) == {b"session.md": b"two"}
    assert not objects.move_private_ref(ref, first, first)
    assert not objects.move_private_ref(ref, first, None)
    assert objects.move_private_ref(ref, first, second)
    repo.git("fsck", "--strict")


def test_replacement_refs_change_nothing(repo: Repo, objects: Objects) -> None:
    head = repo.oid()
    other = repo.commit({"README": "forged\n"}, "forged")
    repo.git("replace", head, other)
    assert objects.commit(head).message == "first\n"
    tree = Git(repo.path).run("rev-parse", head + "^{tree}").text
    assert objects.commit(head).tree == tree


def test_the_usual_repository_gets_libgit2(repo: Repo, counter: GitCounter) -> None:
    found = discover(repo.path)
    counter.calls()
    with open_objects(found) as opened:
        assert opened.engine == "pygit2"
        opened.resolve("refs/heads/main")
        opened.create_commit(repo.oid("HEAD^{tree}"), [], "x", sign=False)
        calls = [call for call in counter.calls() if not call.startswith("rev-parse")]
        assert calls == ["var GIT_AUTHOR_IDENT", "var GIT_COMMITTER_IDENT"]
        opened.create_commit(repo.oid("HEAD^{tree}"), [], "y", sign=False)
        assert [call for call in counter.calls() if not call.startswith("rev-parse")] == []


def test_a_sparse_checkout_stays_with_libgit2(repo: Repo) -> None:
    repo.commit({"in/a": "1", "out/b": "2"})
    repo.git("sparse-checkout", "set", "in")
    with open_objects(discover(repo.path)) as opened:
        assert opened.engine == "pygit2"
        assert len(list(opened.entries(repo.oid("HEAD^{tree}")))) == 3


def test_a_partial_clone_gets_the_binary_and_fetches(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"big": "content\n"}, "big")
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    repo.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo.path}", str(tmp_path / "partial"))
    found = discover(tmp_path / "partial")
    with open_objects(found) as opened:
        assert opened.engine == "git"
        commit = opened.resolve("HEAD")
        assert commit is not None
        tree = opened.commit(commit).tree
        edited = opened.edit_tree(tree, {b"new": TreeEntry(FILE, opened.write_blob(b"n"))})
        made = opened.create_commit(edited, [commit], "on top")
        assert pack_range(found.git, found.common_dir, commit, made) is not None
        entry = opened.entry(tree, b"big")
        assert entry is not None
        assert opened.blob(entry.oid) == b"content\n"


def test_a_sha256_repository_gets_the_binary(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "wide", "--object-format=sha256")
    head = repo.commit({"a/b": "1"}, "first")
    found = discover(repo.path)
    with open_objects(found) as opened:
        assert opened.engine == "git"
        tree = opened.commit(head).tree
        blob = opened.write_blob(b"2")
        made = opened.edit_tree(tree, {b"a/c": TreeEntry(FILE, blob)})
        assert [path for path, _ in opened.entries(made)] == [b"a/b", b"a/c"]
        ref = "refs/gitfleet/state/s"
        commit_files(opened, ref, {b"x": b"y"}, "state")
        assert repo.files(ref) == {b"x": b"y"}
        assert Refs(found.git).read("refs/heads/none") is None


def test_a_range_is_packed_with_every_blob(repo: Repo) -> None:
    old = repo.oid()
    repo.commit({"a": "1"}, "a")
    new = repo.commit({"b/c": "2"}, "b")
    found = discover(repo.path)
    pack = pack_range(found.git, found.common_dir, old, new)
    assert pack is not None
    verified = repo.git("verify-pack", "-v", f".git/objects/pack/pack-{pack}.idx")
    for rev in (new, f"{new}~1", f"{new}:a", f"{new}:b/c", f"{new}:b", f"{new}^{{tree}}"):
        assert repo.oid(rev) in verified
    assert repo.oid(f"{new}:README") not in verified
    assert pack_range(found.git, found.common_dir, new, new) is None
    assert pack_range(found.git, found.common_dir, None, new) is not None
    repo.git("prune-packed")
    repo.git("fsck", "--strict")
