"""Starts a warden with its operations counted: ``python -I -S warden_wrapper.py ORDERS MAIN DIRECTORY [LOCK]``.

ORDERS is a JSON file: ``notes``, and where which warden dies. A warden is known by its wave and index (or ``verify``),
and by the number of the attempt.
"""

import json
import re
import sys

sys.path.insert(0, __file__.rpartition("/")[0])

from interpose import Killer, watch_files, watch_forks  # type: ignore[import-not-found]


def name_of(directory: str) -> str:
    """The part of the instance after the session, with the attempt where it is not the first."""
    instance, number = directory.rstrip("/").split("/")[-2:]
    short = re.sub(r"^(fleet-)?[a-z0-9-]*-[a-z2-7]{6}-|(?<=^plan)-[a-z2-7]{6}$", "", instance)
    return f"warden {short}" if number == "1" else f"warden {short} {number}"


def main() -> None:
    """Become the warden."""
    with open(sys.argv[1], encoding="utf-8") as file:
        orders = json.load(file)
    del sys.argv[:2]
    name = name_of(sys.argv[1])
    target = orders["target"] if orders["target"] and orders["target"]["process"] == name else {}
    where = {key: target[key] for key in ("kind", "number", "when") if key in target}
    killer = Killer(orders["notes"], name, **where)
    watch_files(killer)
    watch_forks(killer)
    sys.path[0] = sys.argv[0].rsplit("/", 4)[0]
    with open(sys.argv[0], "rb") as file:
        code = compile(file.read(), sys.argv[0], "exec")
    exec(code, {"__name__": "__main__", "__file__": sys.argv[0]})  # noqa: S102 - it is the warden itself


main()
