"""What disks are called on a host: the name says which disk of its server one is.

A server's first disk has number 1; each rebuild wants the next. So a disk and its number come to
be in one moment, by one rename, and there is nothing to be written down beside it.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.domain.ids import ServerId

_NUMBERED: Final = re.compile(r"(?P<id>[^.]+)(\.(?P<number>[1-9][0-9]{0,17}))?\.qcow2", re.ASCII)


def disk_name(server_id: ServerId, number: int) -> str:
    """Return the file name of a server's disk. Only later ones than the first tell their number."""
    return f"{server_id}.qcow2" if number == 1 else f"{server_id}.{number}.qcow2"


def read_disk_name(name: str) -> tuple[ServerId, int] | None:
    """Return whose disk this is, and its number; None: it is the name of none."""
    found = _NUMBERED.fullmatch(name)
    return None if found is None else (ServerId(found["id"]), int(found["number"] or 1))
