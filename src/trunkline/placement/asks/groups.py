"""The rules of a request over groups of NICs, numbered in an order of their own.

The numbers depend on what the rules say and on which NICs they are about, not on the order in
which either were given. Requests that differ only in names mostly number their rules alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from trunkline.placement.asks.request import GroupRule, PlacementRequest

_Name = TypeVar("_Name", bound=Hashable)

_ROUNDS = 3  # Of telling rules apart by what surrounds them; what is then alike goes by names.


def numbered_rules(
    request: PlacementRequest, sort_keys: Mapping[str, object]
) -> tuple[GroupRule, ...]:
    """The rules that can bind, each once, in order.

    Args:
        request: With the rules.
        sort_keys: Of each NIC that wants a device, by its name: what is known of it but its rules.
    """
    rules = {
        (rule.scope, rule.apart, rule.hard, nics)
        for rule in request.rules
        if len(nics := rule.nics.intersection(sort_keys)) > 1
    }
    if not rules:
        return ()
    found = [
        GroupRule(scope=scope, apart=apart, hard=hard, nics=nics)
        for scope, apart, hard, nics in rules
    ]
    nic_ranks = _ranked(sort_keys)
    rule_ranks: dict[int, int] = {}
    for _ in range(_ROUNDS):
        rule_ranks = _ranked({n: _said(rule, nic_ranks) for n, rule in enumerate(found)})
        nic_ranks = _ranked(
            {
                nic: (
                    rank,
                    sorted(rule_ranks[n] for n, rule in enumerate(found) if nic in rule.nics),
                )
                for nic, rank in nic_ranks.items()
            }
        )
    order = sorted(range(len(found)), key=lambda n: (rule_ranks[n], sorted(found[n].nics)))
    return tuple(found[n] for n in order)


def _said(rule: GroupRule, nic_ranks: Mapping[str, int]) -> tuple[object, ...]:
    members = sorted(nic_ranks[nic] for nic in rule.nics)
    return rule.scope.value, rule.apart, rule.hard, members


def _ranked(keys: Mapping[_Name, object]) -> dict[_Name, int]:
    """Number the distinct keys from the lowest. They are compared by what they print as."""
    texts = {name: repr(key) for name, key in keys.items()}
    number = {text: n for n, text in enumerate(sorted(set(texts.values())))}
    return {name: number[text] for name, text in texts.items()}
