"""The real agents, pinned, for the tests marked ``agents``: installed once into a cache, and where they are.

They come from the package registry through npm, with npm's own configuration respected, and only what this platform
needs. The place is ``GITFLEET_TEST_CLIS``, or ``gitfleet-tests/clis-<hash of the pins>`` below ``XDG_CACHE_HOME``. An
installation is made beside its place and renamed, under a lock, so there is a whole one or none.

``python -m tests.support.agent_clis`` installs them, for `.ci/run` and for people. The tests do so too before the first
of them runs; one that cannot have them fails and says why. It is never skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

PINS = {"@anthropic-ai/claude-code": "2.1.329", "@openai/codex": "0.169.0", "opencode-ai": "1.18.33"}
NAMES = {"claude": "@anthropic-ai/claude-code", "codex": "@openai/codex", "opencode": "opencode-ai"}
PLACE = "GITFLEET_TEST_CLIS"
SECONDS = 900.0


class UnavailableError(Exception):
    """The agents cannot be had; the message is what a person needs to know."""


@dataclass(frozen=True, slots=True)
class Clis:
    """Where the programs are."""

    claude: Path
    codex: Path
    opencode: Path


def place() -> Path:
    """Where they are, or will be."""
    if said := os.environ.get(PLACE):
        return Path(said)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    pins = hashlib.sha256(json.dumps(PINS, sort_keys=True).encode()).hexdigest()[:12]
    return Path(caches) / "gitfleet-tests" / f"clis-{pins}"


def remember_place() -> None:
    """Say the place in the environment, before the guards of the tests give them a home of their own."""
    os.environ.setdefault(PLACE, str(place()))


def installed(directory: Path) -> Clis | None:
    """The programs in a place; none when one is missing or of another version."""
    modules = directory / "node_modules"
    for package, version in PINS.items():
        try:
            document = json.loads((modules / package / "package.json").read_bytes())
        except (OSError, ValueError):
            return None
        if document.get("version") != version:
            return None
    programs = Clis(**{name: modules / ".bin" / name for name in NAMES})
    found = all(os.access(path, os.X_OK) for path in (programs.claude, programs.codex, programs.opencode))
    return programs if found else None


def ensure() -> Clis:
    """Find the programs, after installing them where that is needed. Raises ``UnavailableError``."""
    directory = place()
    if programs := installed(directory):
        return programs
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_name(f"{directory.name}.lock"), timeout=SECONDS):
        if programs := installed(directory):
            return programs
        if directory.exists() and any(directory.iterdir()):
            wanted = ", ".join(f"{name} {version}" for name, version in PINS.items())
            msg = f"{directory} is not empty and has not {wanted}. Move it away, or let {PLACE} name another place."
            raise UnavailableError(msg)
        _install(directory)
    programs = installed(directory)
    if programs is None:
        msg = f"npm ended well but left no whole set of programs in {directory}."
        raise UnavailableError(msg)
    return programs


def _install(directory: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        msg = (
            "the real agents come through npm, and there is none. Install Node.js (Debian: apt-get install nodejs npm) "
            "and run: python -m tests.support.agent_clis"
        )
        raise UnavailableError(msg)
    # npm keeps its configuration, and so the registry, in the person's home, which tests do not have.
    home = pwd.getpwuid(os.getuid()).pw_dir if "PYTEST_VERSION" in os.environ else str(Path.home())
    made = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=directory.parent))
    # opencode starts itself while it is installed, and what it makes then is nobody's.
    elsewhere = {f"XDG_{kind}_HOME": str(made / "made") for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
    try:
        (made / "package.json").write_text(json.dumps({"private": True, "dependencies": PINS}))
        options = ("--no-audit", "--no-fund", "--no-package-lock", "--no-progress", "--loglevel=error")
        done = subprocess.run(
            [npm, "install", "--prefix", str(made), *options, "--ignore-scripts=false"],
            cwd=made,
            env={**_trusting(), **os.environ, "HOME": home, **elsewhere},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if done.returncode:
            said = "\n".join(done.stdout.strip().splitlines()[-15:])
            msg = (
                f"npm could not install the real agents (exit code {done.returncode}). Where the package registry can "
                f"be reached, run: python -m tests.support.agent_clis\nnpm said:\n{said}"
            )
            raise UnavailableError(msg)
        shutil.rmtree(made / "made", ignore_errors=True)
        if directory.exists():
            directory.rmdir()
        made.rename(directory)
    except subprocess.TimeoutExpired as error:
        msg = f"npm took longer than {SECONDS:.0f} s to install the real agents."
        raise UnavailableError(msg) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _trusting() -> dict[str, str]:
    """Node brings certificates of its own: let it trust what the system does as well, where that is Debian's bundle."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    return {"NODE_EXTRA_CA_CERTS": str(bundle)} if bundle.is_file() else {}


def main() -> int:
    """Install them and say where they are."""
    try:
        programs = ensure()
    except UnavailableError as error:
        sys.stderr.write(f"agents: {error}\n")
        return 4
    for name in NAMES:
        sys.stdout.write(f"{getattr(programs, name)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
