"""What guests say on their serial consoles, as far as it is kept and shown."""

from __future__ import annotations

import re
from typing import Final

# What is ever asked of a host, and kept of its answer.
# Source: nova/virt/libvirt/driver.py, MAX_CONSOLE_BYTES.
CONSOLE_BYTES_MAX: Final = 100 * 1024

# A terminal obeys them, and a guest may say anything. The first range is what Nova leaves out:
# nova/api/openstack/compute/console_output.py.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def shown_console(said: bytes, *, lines: int | None = None) -> str:
    """Return what a guest said as text that can be printed; what is no UTF-8 is shown as such.

    With `lines`, the last so many, counted as Nova counts: what comes after the last line break
    is one, even if it is empty.
    """
    if lines == 0:
        return ""
    text = _CONTROLS.sub("", said.decode(errors="replace"))
    return text if lines is None else "\n".join(text.split("\n")[-lines:])
