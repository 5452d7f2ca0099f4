"""Metadata and tags of servers. A guest is told its metadata anew each time that it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from trunkline.control import audit
from trunkline.control.audit import actor_of
from trunkline.control.own_servers import own_server, unlocked_server
from trunkline.control.quotas import require_of_each
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.quota import Resource
from trunkline.domain.server import Server
from trunkline.domain.server_labels import TAGS_MAX
from trunkline.store.transaction import Transaction


def set_metadata(
    svc: Services,
    caller: Caller,
    server_id: str,
    items: Mapping[str, str],
    *,
    by: Rule,
    keep_others: bool = True,
) -> Mapping[str, str]:
    """Give a server items of metadata, beside those that it has or in their place; return all.

    Raises:
        ServerLocked: The server is locked, and the caller is no admin.
        QuotaExceeded: It would have more than a server of its project may.
    """

    def change(before: Server) -> Server:
        return replace(before, metadata={**(before.metadata if keep_others else {}), **items})

    return _change_metadata(svc, caller, server_id, by, change)


def unset_metadata(svc: Services, caller: Caller, server_id: str, key: str) -> None:
    """Take one item of metadata off a server; raise `NotFound` if it has none of this key."""

    def change(before: Server) -> Server:
        if key not in before.metadata:
            raise NotFound("metadata item", key)
        kept = {each: value for each, value in before.metadata.items() if each != key}
        return replace(before, metadata=kept)

    _change_metadata(svc, caller, server_id, rules.UNSET_METADATA, change)


def _change_metadata(
    svc: Services,
    caller: Caller,
    server_id: str,
    by: Rule,
    change: Callable[[Server], Server],
) -> Mapping[str, str]:
    def write(tx: Transaction) -> Mapping[str, str]:
        before = unlocked_server(tx, caller, server_id, by)
        after = change(before)
        count = len(after.metadata)
        require_of_each(
            tx, before.project_id, Resource.METADATA_ITEMS,
            now=count, added=count - len(before.metadata),
        )  # fmt: skip
        _write(tx, svc, caller, before, after, "server.metadata")
        return after.metadata

    return svc.store.write(write)


def set_tags(
    svc: Services, caller: Caller, server_id: str, tags: Sequence[str], *, by: Rule
) -> tuple[str, ...]:
    """Give a server these tags, and no others; return them in order, each once."""

    def write(tx: Transaction) -> tuple[str, ...]:
        before = own_server(tx, caller, server_id, by)
        after = replace(before, tags=_tidied(tags))
        _write(tx, svc, caller, before, after, "server.tags")
        return after.tags

    return svc.store.write(write)


def add_tag(svc: Services, caller: Caller, server_id: str, tag: str) -> bool:
    """Give a server one tag more; say whether it had it not before."""

    def write(tx: Transaction) -> bool:
        before = own_server(tx, caller, server_id, rules.ADD_TAG)
        if tag in before.tags:
            return False
        after = replace(before, tags=_tidied((*before.tags, tag)))
        _write(tx, svc, caller, before, after, "server.tags")
        return True

    return svc.store.write(write)


def remove_tag(svc: Services, caller: Caller, server_id: str, tag: str) -> None:
    """Take a tag off a server; raise `NotFound` if it has it not."""

    def write(tx: Transaction) -> None:
        before = own_server(tx, caller, server_id, rules.REMOVE_TAG)
        if tag not in before.tags:
            raise NotFound(f"tag of server {server_id}", tag)
        after = replace(before, tags=tuple(each for each in before.tags if each != tag))
        _write(tx, svc, caller, before, after, "server.tags")

    svc.store.write(write)


def _tidied(tags: Sequence[str]) -> tuple[str, ...]:
    tidied = tuple(sorted(set(tags)))
    if len(tidied) > TAGS_MAX:
        raise Invalid("tags", f"The number of tags exceeded the per-server limit {TAGS_MAX}")
    return tidied


def _write(
    tx: Transaction, svc: Services, caller: Caller, before: Server, after: Server, action: str
) -> None:
    """Write what is new, and who wrote it; nothing if nothing is."""
    if after == before:
        return
    now = svc.clock.now()
    tx.servers.update(replace(after, updated_at=now))
    details = {"metadata": after.metadata} if action == "server.metadata" else {"tags": after.tags}
    audit.record(
        tx, actor_of(caller), now, action, f"server {after.id}",
        project_id=after.project_id, server_id=after.id, details=details,
    )  # fmt: skip
