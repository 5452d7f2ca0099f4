"""Programs that the lab starts end with whoever started them, however that ends."""

from __future__ import annotations

from collections.abc import Sequence


def ending_with_us(command: Sequence[str]) -> list[str]:
    """A command that is killed when the thread that started it ends."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def ending_whole(command: Sequence[str]) -> list[str]:
    """The same, with all processes that it starts and all that it mounts, which nobody else sees.

    A mount that stayed behind would have whoever clears its directory away clear away what is
    mounted there: the machine's own /dev, for one.
    """
    own = (
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--kill-child",
        "--mount-proc",
    )
    return ending_with_us([*own, *command])
