"""A `ServerFilter` as SQL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, exists, or_

from trunkline.domain.server import ServerState
from trunkline.domain.server_filter import ServerFilter
from trunkline.store.tables import ip_allocations, ports, servers


def conditions(wanted: ServerFilter) -> Iterator[ColumnElement[bool]]:
    """Yield what must hold of the rows of servers."""
    is_deleted = servers.c.state == ServerState.DELETED.value
    if wanted.deleted is not None:
        yield is_deleted if wanted.deleted else ~is_deleted
    if wanted.locked is not None:
        yield servers.c.locked_by.is_not(None) if wanted.locked else servers.c.locked_by.is_(None)
    if wanted.launched_before is not None:
        yield servers.c.launched_at <= wanted.launched_before
    if wanted.there_after is not None:
        ended = servers.c.terminated_at
        yield or_(ended.is_(None), ended >= wanted.there_after)
    if wanted.ip is not None:
        yield _has_address(wanted.ip, version=4)
    if wanted.ip6 is not None:
        yield _has_address(wanted.ip6, version=6)


def _has_address(pattern: str, *, version: int) -> ColumnElement[bool]:
    address = ip_allocations.c.ip_address
    is_v6 = address.like("%:%")
    return exists().where(
        ports.c.device_id == servers.c.id,
        ip_allocations.c.port_id == ports.c.id,
        address.ilike(pattern, escape="\\"),
        is_v6 if version == 6 else ~is_v6,
    )
