"""The `trimtab` command, in this process: ``python -m trimtab``, and the script of the wheel."""

from __future__ import annotations

import signal
import sys

from trimtab import _core

__all__ = ["main"]


def main() -> int:
    """Run the command with the arguments of this process, and give its exit code."""
    # The command has signals of its own; Python's handler would only note the interrupt for a
    # loop that never comes round.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _core._main(["trimtab", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
