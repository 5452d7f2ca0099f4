"""Attributes that not everybody sees who sees the thing they are of."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.api.network.common import Item
from trunkline.domain.identity import Caller
from trunkline.domain.policy.language import Target
from trunkline.domain.policy.rule import Rule


def allowed(item: Item, caller: Caller, rules: Mapping[str, Rule], target: Target) -> Item:
    """Return `item` less the attributes whose rule, if they have one, hides them."""
    hidden = {name for name, rule in rules.items() if not caller.may(rule, target)}
    return {name: value for name, value in item.items() if name not in hidden} if hidden else item
