"""Requests with rules over their NICs, as plain data, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks._raw_fleet import RawHost, RawPf, Wants, describe


@dataclass(frozen=True, slots=True)
class RawRule:
    """Some NICs together, or each apart from the others; always hard."""

    scope: str  # "pf" or "numa".
    apart: bool
    nics: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RawAsk:
    """What one server asks for."""

    nics: list[Wants]
    rules: tuple[RawRule, ...] = ()
    numa_required: bool = False  # All devices on the guest's NUMA node.
    mbps: int = 0  # Guaranteed to each NIC, in both directions.


Draw = Callable[[Sequence[RawHost], int, Random], RawAsk | None]

DRAWN_MAX = 2000  # Hosts looked at for one that has what is asked.


def numa_required(hosts: Sequence[RawHost], nic_count: int, dice: Random) -> RawAsk | None:
    """All devices on one node: described from free VFs of one node of a host."""
    for _ in range(DRAWN_MAX):
        host, node = dice.choice(hosts), dice.randrange(2)
        left = _free_pfs([pf for pf in host.pfs if pf.numa_node == node])
        if len(left) >= nic_count:
            drawn = dice.sample(left, nic_count)
            return RawAsk([describe(pf, dice) for pf in drawn], numa_required=True)
    return None


def together(hosts: Sequence[RawHost], nic_count: int, dice: Random) -> RawAsk | None:
    """Half of the NICs, two at least, on one PF."""
    size = max(2, nic_count // 2)
    for _ in range(DRAWN_MAX):
        host = dice.choice(hosts)
        roomy = [pf for pf in host.pfs if pf.free.bit_count() >= size]
        if roomy and host.free_count() >= nic_count:
            pf = dice.choice(roomy)
            left = _free_pfs(host.pfs)
            for _ in range(size):
                left.remove(pf)
            drawn = [pf] * size + dice.sample(left, nic_count - size)
            rule = RawRule("pf", apart=False, nics=tuple(range(size)))
            return RawAsk([describe(each, dice) for each in drawn], (rule,))
    return None


def apart(hosts: Sequence[RawHost], nic_count: int, dice: Random) -> RawAsk | None:
    """Two to four NICs on a PF each."""
    size = dice.randint(2, min(4, nic_count))
    for _ in range(DRAWN_MAX):
        host = dice.choice(hosts)
        having = [pf for pf in host.pfs if pf.free]
        if len(having) >= size and host.free_count() >= nic_count:
            first = dice.sample(having, size)
            left = _free_pfs(host.pfs)
            for pf in first:
                left.remove(pf)
            drawn = first + dice.sample(left, nic_count - size)
            rule = RawRule("pf", apart=True, nics=tuple(range(size)))
            return RawAsk([describe(each, dice) for each in drawn], (rule,))
    return None


def contradicting(_hosts: Sequence[RawHost], nic_count: int, dice: Random) -> RawAsk:
    """What no host can do, though each of them could without the rules."""
    nets = [dice.choice(("phy1", "phy2")) for _ in range(nic_count)]
    kind = dice.randrange(3)
    if kind == 0:  # A host has two PFs on a network.
        nets[:3] = [dice.choice(("phy1", "phy2"))] * 3
        return RawAsk(_on(nets), (RawRule("pf", apart=True, nics=(0, 1, 2)),))
    if kind == 1:  # A PF is on one network.
        nets[:2] = ["phy1", "phy2"]
        return RawAsk(_on(nets), (RawRule("pf", apart=False, nics=(0, 1)),))
    nets[:2] = [dice.choice(("phy1", "phy2"))] * 2  # A node has one PF on each network.
    return RawAsk(_on(nets), (RawRule("pf", apart=True, nics=(0, 1)),), numa_required=True)


def patchwork(hosts: Sequence[RawHost], nic_count: int, dice: Random) -> RawAsk:
    """NICs described from devices of hosts of their own: few hosts fit, or none."""
    nics: list[Wants] = []
    while len(nics) < nic_count:
        pf = dice.choice(dice.choice(hosts).pfs)
        if pf.free:
            nics.append(describe(pf, dice))
    rules = (RawRule("pf", apart=dice.random() < 0.5, nics=(0, 1)),)
    return RawAsk(nics, rules if dice.random() < 0.5 else (), numa_required=dice.random() < 0.7)


DRAWS: Mapping[str, Draw] = {
    "numa_required": numa_required,
    "affinity": together,
    "anti_affinity": apart,
    "contradicting": contradicting,
    "patchwork": patchwork,
}


def _free_pfs(pfs: Sequence[RawPf]) -> list[RawPf]:
    """Each PF as often as it has free VFs."""
    return [pf for pf in pfs for _ in range(pf.free.bit_count())]


def _on(networks: Sequence[str]) -> list[Wants]:
    return [{"physical_network": network} for network in networks]
