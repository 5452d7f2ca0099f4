"""Answering asks for consoles: read when asked, told once. A few at a time are in memory."""

from __future__ import annotations

from typing import Final

from trunkline.domain.console import ConsoleFact
from trunkline.domain.ids import ServerId
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.interfaces import HostRefused, Hypervisor

AT_ONCE_MAX: Final = 4  # In one report: half a megabyte of it.


class Consoles:
    """The asks of one host that this run has heard of and not answered."""

    def __init__(self) -> None:
        self.asked = 0  # As last heard of.
        self._open: dict[ServerId, int] = {}  # The newest of each server, by number.

    def take(self, config: HostConfig) -> None:
        """Note what is asked for.

        The number of asks is lower than one that was heard of where the database was restored; or
        where an older configuration comes late, and then the next one that is fetched mends it.
        """
        if config.consoles_asked != self.asked:
            self.asked = config.consoles_asked
            self._open = {ask.server_id: ask.number for ask in config.consoles}

    @property
    def has_open(self) -> bool:
        """Whether anybody waits."""
        return bool(self._open)

    def answer(self, hypervisor: Hypervisor) -> list[ConsoleFact]:
        """Read the next few that are asked for.

        After one that can't be read as yet the others wait for the next time: whoever reads them is
        busy, and each costs some seconds.
        """
        facts = []
        for server_id in list(self._open)[:AT_ONCE_MAX]:
            number = self._open.pop(server_id)
            try:
                said = hypervisor.console(server_id)
            except HostRefused as refusal:
                problem = str(refusal)
                facts.append(ConsoleFact(server_id=server_id, number=number, problem=problem))
                if refusal.transient:
                    break
            else:
                facts.append(ConsoleFact(server_id=server_id, number=number, said=said))
        return facts
