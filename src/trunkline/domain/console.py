"""What guests say on their serial consoles, as far as it is kept and shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trunkline.domain.ids import ServerId

# What is ever asked of a host, and kept of its answer.
# Source: nova/virt/libvirt/driver.py, MAX_CONSOLE_BYTES.
CONSOLE_BYTES_MAX: Final = 100 * 1024

# A terminal obeys them, and a guest may say anything. The first range is what Nova leaves out:
# nova/api/openstack/compute/console_output.py.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleAsk:
    """Somebody waits for what a server's guest has said on its console."""

    server_id: ServerId
    number: int  # Rises with each ask on the host; the answer names it.


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFact:
    """The answer to a `ConsoleAsk`: the end of what a guest has said, or why it can't be read."""

    server_id: ServerId
    number: int
    said: bytes = b""
    problem: str = ""  # Empty: it was read.

    def __post_init__(self) -> None:
        """Raise `ValueError` for more than is ever kept."""
        if len(self.said) > CONSOLE_BYTES_MAX:
            raise ValueError(f"said: at most {CONSOLE_BYTES_MAX} bytes, not {len(self.said)}")


def shown_console(said: bytes, *, lines: int | None = None) -> str:
    """Return what a guest said as text that can be printed; what is no UTF-8 is shown as such.

    With `lines`, the last so many, counted as Nova counts: what comes after the last line break
    is one, even if it is empty.
    """
    if lines == 0:
        return ""
    text = _CONTROLS.sub("", said.decode(errors="replace"))
    return text if lines is None else "\n".join(text.split("\n")[-lines:])
