"""Attributes that not everybody sees who sees the thing they are of."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.api.network.common import Item
from trunkline.control.access import of_project
from trunkline.domain.identity import Caller
from trunkline.domain.policy.rule import Rule


class VisibleFields:
    """Which attributes a caller sees, of things that belong to projects.

    Made for one answer: a thousand things of one project are judged once.
    """

    def __init__(self, caller: Caller, rules: Mapping[str, Rule]) -> None:
        """Take the rules of those attributes that have one, by attribute."""
        self._caller = caller
        self._rules = rules
        self._hidden: dict[str, frozenset[str]] = {}

    def of(self, item: Item, project_id: str) -> Item:
        """Return `item`, of this project, less the attributes that are hidden from the caller."""
        hidden = self._hidden.get(project_id)
        if hidden is None:
            target = of_project(project_id)
            hidden = self._hidden[project_id] = frozenset(
                name for name, rule in self._rules.items() if not self._caller.may(rule, target)
            )
        if not hidden:
            return item
        return {name: value for name, value in item.items() if name not in hidden}
