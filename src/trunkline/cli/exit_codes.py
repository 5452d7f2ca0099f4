"""Exit codes. Scripts rely on them: added to, never changed."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a command's exit code tells."""

    OK = 0
    REFUSED = 1  # The service said no: not found, not allowed, does not fit.
    USAGE = 2  # The command line, or the settings it needs, are wrong.
    UNREACHABLE = 3  # Nobody answered.
    FAULT = 4  # The service answered that it failed itself.
    INTERRUPTED = 130  # Ctrl-C, as shells have it: 128 + SIGINT.


EPILOG = """\b
Exit codes: 0 done; 1 refused or not found; 2 usage or settings; 3 the service
can't be reached; 4 the service failed; 130 interrupted."""
