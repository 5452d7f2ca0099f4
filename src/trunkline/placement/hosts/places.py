"""Where the families of hosts are: worked out once for all hosts built and fitted alike.

A PF and its VFs are one piece of hardware on one cable, so a family is in one place: what any of
its devices says of it (the fact `numa_node`, the tag `e.switch`) holds for all of them. If two of
them say different things, the place is not known; rules that need to know it then keep off the
whole family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.domain.device import SWITCH_TAG
from trunkline.placement.hosts.structure import Slot, Structure
from trunkline.placement.matching.problem import Place

Nodes = tuple[tuple[int, int | None], ...]  # NUMA nodes of a host, with the socket of each.


class Places:
    """Answers where families are, and remembers it: few of the answers differ."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[Place, ...]] = {}
        self._shared: dict[tuple[Place, ...], tuple[Place, ...]] = {}
        self._nodes: dict[Nodes, Nodes] = {}

    def of(
        self, structure: Structure, addresses: tuple[str, ...], nodes: Nodes = ()
    ) -> tuple[Place, ...]:
        """Return the place of each family of a host.

        Args:
            structure: What the host is built like.
            addresses: Of each family's PF, or of the device alone.
            nodes: As the host reports them; of other ones the socket is not known.
        """
        key = structure, addresses, nodes
        places = self._known.get(key)
        if places is None:
            made = _places(structure, addresses, dict(nodes))
            places = self._known[key] = self._shared.setdefault(made, made)
        return places

    def share(self, nodes: Nodes) -> Nodes:
        """Return the one tuple of these nodes, whoever asks."""
        return self._nodes.setdefault(nodes, nodes)


def _places(
    structure: Structure, addresses: Sequence[str], socket_of: Mapping[int, int | None]
) -> tuple[Place, ...]:
    cards: dict[str, int] = {}
    places = []
    told = _told(structure)
    for family, (address, (node, switch)) in enumerate(zip(addresses, told, strict=True)):
        # Ports of one card are functions of one PCI device.
        card = address.rpartition(".")[0] or f"of family {family}"
        places.append(
            Place(
                numa_node=node,
                socket=None if node is None else socket_of.get(node),
                card=cards.setdefault(card, len(cards)),
                switch=switch,
            )
        )
    return tuple(places)


def _told(structure: Structure) -> list[tuple[int | None, int | None]]:
    """The NUMA node of each family, and a number for its switch."""
    families = range(len(structure.families))
    of_family = [[slot for slot in structure.slots if slot.family == f] for f in families]
    nodes = [_one_value(slots, "numa_node") for slots in of_family]
    switches = [_one_value(slots, f"e.{SWITCH_TAG}") for slots in of_family]
    number = {name: n for n, name in enumerate(sorted({name for name in switches if name}))}
    return [
        (None if node is None else int(node), None if switch is None else number[switch])
        for node, switch in zip(nodes, switches, strict=True)
    ]


def _one_value(slots: Sequence[Slot], attribute: str) -> str | None:
    """What the devices of these slots say, those that say anything; None: not one thing."""
    said = {v for slot in slots for k, v in slot.profile.attributes if k == attribute}
    return said.pop() if len(said) == 1 else None
