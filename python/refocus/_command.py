"""The command `refocus` of the package: the same program, in this process."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Runs the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import refocus  # noqa: F401  where the bundled model and data are

    from . import _core

    return _core.run_as_program(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
