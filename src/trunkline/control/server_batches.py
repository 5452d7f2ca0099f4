"""Several servers by one request: what they can't all have, and how they are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from trunkline.control.requests import NicPolicy, ServerCreate
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import ServerId
from trunkline.domain.server import Server

BATCH_SERVERS_MAX: Final = 500  # Of one request. While they are written, others wait on SQLite.
BATCH_NICS_MAX: Final = 2_000  # Of them all; some seconds.


def check_batch(request: ServerCreate, most: int, *, name_chars_max: int) -> None:
    """Refuse what several servers can't have all of them."""
    if most > BATCH_SERVERS_MAX:
        raise Invalid("max_count", f"one request makes {BATCH_SERVERS_MAX} servers at most")
    if request.hostname is not None:
        raise Invalid("hostname", "several servers can't have one host name; leave it out")
    suffix = len(f"-{most}")
    if len(request.name) + suffix > name_chars_max:
        raise Invalid(
            "name",
            f"each of several servers is named NAME-1, NAME-2 and so on: give a name of "
            f"{name_chars_max - suffix} characters at most",
        )
    if isinstance(request.nics, NicPolicy):
        return
    if len(request.nics) * most > BATCH_NICS_MAX:
        raise Invalid(
            "max_count", f"one request makes {BATCH_NICS_MAX} NICs at most, of all its servers"
        )
    for nic in request.nics:
        if nic.port_id is not None:
            raise Invalid("networks", "several servers can't have one port; name its network")
        if nic.fixed_ip is not None:
            raise Invalid("networks", "several servers can't have one address; leave it out")


def numbered(server: Server, server_ids: Sequence[ServerId]) -> list[Server]:
    """Return one server for each ID, named as Nova names them: web-1, web-2."""
    return [
        replace(
            server,
            id=server_id,
            name=f"{server.name}-{number}",
            hostname=f"{server.name}-{number}",
            launch_index=number - 1,
        )
        for number, server_id in enumerate(server_ids, 1)
    ]
