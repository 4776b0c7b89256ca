"""Start of a warden: ``python -I -S gitfleet/runtime/warden/__main__.py DIRECTORY [LOCK-DESCRIPTOR]``.

Kept to a few lines, since the file that an interpreter is started with is compiled anew each time.
"""

import sys

# Isolated mode leaves only the standard library on the path; it stays first.
sys.path.append(__file__.rsplit("/", 4)[0])

from gitfleet.runtime.warden.owner import main

if __name__ == "__main__":
    main(sys.argv[1:])
