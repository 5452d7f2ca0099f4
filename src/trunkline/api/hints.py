"""Scheduler hints: what is asked about a server beside the server itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from trunkline.api.parsing import Fields
from trunkline.control.server_hints import DIFFERENT_HOST, SAME_HOST
from trunkline.domain.ids import is_uuid
from trunkline.domain.nic_rules import (
    AFFINITY_KEY,
    ANTI_AFFINITY_KEY,
    RULES_MAX,
    TEXT_LENGTH_MAX,
    AskedRule,
    parse_rules,
)

_GROUP_KEY: Final = "group"  # Nova's: the server group that the server becomes a member of.
_RULE_KEYS: Final = (AFFINITY_KEY, ANTI_AFFINITY_KEY)
_KEYS: Final = (_GROUP_KEY, *_RULE_KEYS)
_SERVER_KEYS: Final = (SAME_HOST, DIFFERENT_HOST)
SERVERS_NAMED_MAX: Final = 64  # In one hint: each is looked up whenever the server is placed.


@dataclass(frozen=True, slots=True)
class Hints:
    """What was asked."""

    rules: tuple[AskedRule, ...] = ()  # Over the server's NICs.
    group_id: str | None = None


def parse_hints(hints: Fields, *, of_servers: bool = False) -> Hints:
    """Read the hints; a rule that is given several times is a list.

    Those that name other servers are checked only, where they may be there: `of_servers`.

    Raises:
        Invalid: A hint is malformed, or not known: it would have no effect.
    """
    rules: list[AskedRule] = []
    for key in hints.names():
        known = (*_KEYS, *_SERVER_KEYS) if of_servers else _KEYS
        if key not in known:
            raise hints.invalid(key, f"not served; there are the hints {', '.join(known)}")
        if key in _SERVER_KEYS:
            _check_servers(hints, key)
        if key in _RULE_KEYS:
            rules += _rules(hints, key)
    return Hints(tuple(rules), _group(hints))


def _check_servers(hints: Fields, key: str) -> None:
    value = hints.raw(key)
    named = [value] if isinstance(value, str) else hints.texts(key)
    if not 1 <= len(named) <= SERVERS_NAMED_MAX or not all(map(is_uuid, named)):
        raise hints.invalid(key, f"must be the UUIDs of 1 to {SERVERS_NAMED_MAX} servers")


def _group(hints: Fields) -> str | None:
    """Read the group's ID, also as a list of one: so do commands send what may be repeated."""
    if _GROUP_KEY not in hints:
        return None
    value = hints.raw(_GROUP_KEY)
    if isinstance(value, list) and len(value) == 1:
        [value] = value
    if not isinstance(value, str) or not is_uuid(value):
        raise hints.invalid(_GROUP_KEY, "must be the UUID of a server group")
    return str(uuid.UUID(value))


def _rules(hints: Fields, key: str) -> list[AskedRule]:
    texts = (
        [hints.text(key, length_max=TEXT_LENGTH_MAX)]
        if isinstance(hints.raw(key), str)
        else hints.texts(key)
    )
    if len(texts) > RULES_MAX:
        raise hints.invalid(key, f"given more than {RULES_MAX} times")
    return [rule for text in texts for rule in parse_rules(key, text, field=hints.path_of(key))]
