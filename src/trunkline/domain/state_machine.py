"""State machines as tables: code, tests and the diagrams in docs/state-machines.md agree."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from trunkline.domain.errors import IllegalTransition

S = TypeVar("S", bound=enum.Enum)
E = TypeVar("E", bound=enum.Enum)


@dataclass(frozen=True, slots=True)
class StateMachine(Generic[S, E]):
    """A transition table with its name. `initial` is where everything starts."""

    name: str
    initial: S
    transitions: Mapping[tuple[S, E], S]

    def advance(self, state: S, event: E) -> S:
        """Return the state that follows `event`; raise `IllegalTransition` if there is none."""
        try:
            return self.transitions[state, event]
        except KeyError:
            raise IllegalTransition(
                machine=self.name, state=str(state.value), event=str(event.value)
            ) from None

    def allows(self, state: S, event: E) -> bool:
        """Say whether `event` has an answer in `state`."""
        return (state, event) in self.transitions
