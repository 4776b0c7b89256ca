from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitfleet.errors import ExitCode, GitfleetError
from gitfleet.model.base import encode
from gitfleet.model.handoff import Discoveries, Discovery
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.store.locks import session_lock
from gitfleet.store.state import State
from tests.support.git_env import unmeasured
from tests.unit.store.samples import SESSION, every_name, make_claim, make_run, make_session, make_state


def test_a_session_reads_back_as_it_was_made(tmp_path: Path) -> None:
    runs = [make_run("api"), make_run("ui", depends_on=("api",))]
    state = make_state(tmp_path, *runs)
    assert state.session_ids() == (SESSION,)
    assert state.read_session(SESSION) == make_session()
    assert state.read_report(SESSION) == "# auth\n"
    assert list(state.read_runs(SESSION).values()) == runs
    assert state.read_plan_bytes(SESSION) == b"name: auth\n"
    assert state.read_config_bytes(SESSION) == b"agent: x\n"
    assert every_name(state.layout.tmp) == []
    assert state.layout.root.stat().st_mode & 0o777 == 0o700


def test_a_second_session_with_the_same_id_is_refused(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    with pytest.raises(GitfleetError) as refused:
        make_state(tmp_path, make_run("other"))
    assert refused.value.code == "session-exists"
    assert list(state.read_runs(SESSION)) == ["api"]


def test_an_unknown_session_is_named_with_those_that_exist(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    with pytest.raises(GitfleetError) as refused:
        state.read_runs("ghost")
    assert refused.value.code == "unknown-session"
    assert SESSION in refused.value.hint
    assert State(state.layout).session_ids() == (SESSION,)


def test_writes_need_the_proof_of_their_own_session(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    with session_lock(state.layout, "other") as other, pytest.raises(AssertionError):
        state.write_run(other, make_run("api"))
    with session_lock(state.layout, SESSION) as proof:
        state.write_run(proof, make_run("api", RunState.PREPARING))
        with pytest.raises(AssertionError):
            state.write_run(proof, make_run("api", session="other"))
    with pytest.raises(AssertionError, match="released"):
        state.write_run(proof, make_run("api"))
    assert state.read_run(SESSION, "api").state is RunState.PREPARING


def test_everything_written_reads_back_and_is_in_the_state_ref(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    discoveries = Discoveries(session=SESSION, task="api", discoveries=(Discovery(fact="f", source="i"),))
    momentum = SessionMomentum(session=SESSION, ended="2026-01-02T03:04:05.000Z", decisions=("d",))
    with session_lock(state.layout, SESSION) as proof:
        state.write_session(proof, make_session(state=SessionState.COMPLETED), "done\n")
        state.write_wave(proof, 1, "wave one\n")
        state.write_brief(proof, "api", "brief\n")
        state.write_discoveries(proof, discoveries)
        state.write_momentum(proof, momentum)
        assert state.add_amendment(proof, b"two") == 2
        assert state.add_amendment(proof, b"three") == 3
    claims = state.layout.claims
    claims.mkdir()
    (claims / "mine.json").write_bytes(encode(make_claim("mine", "src/")))
    (claims / "theirs.json").write_bytes(encode(make_claim("theirs", "src/", session="other")))
    (claims / "broken.json").write_bytes(b"{")
    (state.layout.runs(SESSION) / ".tmp-1-1").write_bytes(b"dead")
    assert state.read_waves(SESSION) == {1: "wave one\n"}
    assert state.read_briefs(SESSION) == {"api": "brief\n"}
    assert state.read_discoveries(SESSION) == (discoveries,)
    assert state.read_momentum(SESSION) == momentum
    assert state.read_momenta() == (momentum,)
    assert state.amendments(SESSION) == (2, 3)
    assert state.read_plan_bytes(SESSION, 3) == b"three"
    files = state.files(SESSION)
    assert list(files) == [
        f"briefs/{SESSION}/api.md",
        "claims/mine.json",
        f"discoveries/{SESSION}/api.json",
        f"momentum/{SESSION}.json",
        f"sessions/{SESSION}/config.yaml",
        f"sessions/{SESSION}/plan.2.yaml",
        f"sessions/{SESSION}/plan.3.yaml",
        f"sessions/{SESSION}/plan.yaml",
        f"sessions/{SESSION}/runs/api.json",
        f"sessions/{SESSION}/session.md",
        f"sessions/{SESSION}/waves/w1.md",
    ]
    assert files[f"sessions/{SESSION}/runs/api.json"] == encode(make_run("api"))


def test_a_second_look_reads_only_what_changed(tmp_path: Path) -> None:
    state = make_state(tmp_path, make_run("api"), make_run("ui"))
    stamps, first = state.files_since(SESSION, {})
    assert first == state.files(SESSION)
    assert set(stamps) == set(first)
    assert state.files_since(SESSION, stamps) == (stamps, {})
    run = f"sessions/{SESSION}/runs/ui.json"
    with session_lock(state.layout, SESSION) as proof:
        state.write_run(proof, make_run("ui"))
    after, second = state.files_since(SESSION, stamps)
    assert second == {run: encode(make_run("ui"))}
    assert {path for path in after if after[path] != stamps[path]} == {run}
    (state.layout.runs(SESSION) / "ui.json").unlink()
    assert set(stamps) - set(state.files_since(SESSION, after)[0]) == {run}


def test_unfinished_writes_are_ignored_and_swept(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    dead = state.layout.runs(SESSION) / ".tmp-9-9"
    dead.write_bytes(b"{")
    assert list(state.read_runs(SESSION)) == ["api"]
    with session_lock(state.layout, SESSION) as proof:
        assert state.sweep(proof) == 1
        assert state.sweep(proof) == 0
    assert not dead.exists()


def refusal(state: State) -> GitfleetError | None:
    try:
        state.read_runs(SESSION)
        state.read_session(SESSION)
    except GitfleetError as error:
        return error
    return None


def test_every_truncated_or_flipped_file_is_refused_by_name_or_still_a_document(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    run, report = state.layout.run(SESSION, "api"), state.layout.report(SESSION)
    refusals = 0
    for path in (run, report):
        whole = path.read_bytes()
        damages = [whole[:cut] for cut in range(len(whole))]
        damages += [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
        for damage in damages:
            path.write_bytes(damage)
            error = refusal(state)
            if error is not None:
                refusals += 1
                assert error.code == "damaged-state"
                assert str(path) in error.message
                assert f"git show refs/gitfleet/state/{SESSION}:sessions/{SESSION}/" in error.hint
                assert error.exit_code is ExitCode.NEEDS_PERSON
        path.write_bytes(whole)
    assert refusals > 400


def test_a_deeply_nested_or_misplaced_record_is_refused(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    path = state.layout.run(SESSION, "api")
    for damage in (b"[" * 100_000, encode(make_run("ui")), b"\xff\xfe", b""):
        path.write_bytes(damage)
        with pytest.raises(GitfleetError, match="cannot be read"):
            state.read_run(SESSION, "api")
    path.unlink()
    with pytest.raises(GitfleetError, match="No such file"):
        state.read_run(SESSION, "api")


def test_a_removed_session_is_in_the_trash_and_nowhere_else(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    with session_lock(state.layout, SESSION) as proof:
        state.write_brief(proof, "api", "brief\n")
        trash = state.remove_session(proof)
        assert trash is not None
        assert state.remove_session(proof) is None
    assert state.session_ids() == ()
    assert sorted(path.name for path in trash.iterdir()) == [f"briefs-{SESSION}", f"sessions-{SESSION}"]
    again = make_state(tmp_path)
    with session_lock(again.layout, SESSION) as proof:
        assert again.remove_session(proof) == state.layout.trash / f"{SESSION}.2"


def test_reading_pays_for_no_heavy_import(tmp_path: Path) -> None:
    state = make_state(tmp_path, *(make_run(f"t{number}") for number in range(20)))
    code = (
        "import sys; from pathlib import Path\n"
        "from gitfleet.store.state import State; from gitfleet.store.layout import Layout\n"
        "from gitfleet.store.journal import read; from gitfleet.store.locks import holder\n"
        "layout = Layout(Path(sys.argv[1])); state = State(layout)\n"
        f"assert len(state.read_runs('{SESSION}')) == 20; state.read_session('{SESSION}')\n"
        f"list(read(layout, '{SESSION}')); holder(layout.session_lock('{SESSION}'))\n"
        "heavy = {'filelock', 'ruamel', 'ruamel.yaml', 'jsonschema', 'pygit2', 'psutil', 'subprocess', 'asyncio',\n"
        "         'hashlib', 'click', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[3]
    result = subprocess.run(
        [sys.executable, "-c", code, str(state.layout.common_dir)],
        cwd=root,
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")
