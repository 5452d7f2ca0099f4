"""The least change that would make a request fit on one host: the edits, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Final

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.placement.asks import wording
from trunkline.placement.asks.demand import demand_and_classes, nic_class
from trunkline.placement.asks.edits import Edit, EditKind, Size, size_of
from trunkline.placement.asks.request import PlacementRequest, Reason
from trunkline.placement.hosts.feasibility import Site
from trunkline.placement.hosts.fitting import Fitting
from trunkline.placement.hosts.host_state import HostState
from trunkline.placement.reasons.freeing import Freeing
from trunkline.placement.reasons.nic_reasons import out_of_service
from trunkline.placement.reasons.ruled import Rules, rules_alone
from trunkline.placement.reasons.ruled_shortfall import (
    KeptRules,
    Known,
    RuledShortfall,
    find_ruled_shortfall,
    shortfall_keeping,
)
from trunkline.placement.reasons.shortfall import Change, Shortfall, find_shortfall
from trunkline.placement.reasons.stocks import FamilyStock, Wanted

EDIT_OF_REASON: Final[Mapping[Reason, EditKind]] = MappingProxyType({
    Reason.NOT_THE_HOST_ASKED_FOR: EditKind.ASK_FOR_HOST,
    Reason.EXCLUDED: EditKind.TRY_AGAIN,
    Reason.NOT_IN_ZONE: EditKind.ASK_FOR_ZONE,
    Reason.AGGREGATE_METADATA: EditKind.JOIN_AGGREGATE,
    Reason.SERVER_GROUP_AFFINITY: EditKind.LEAVE_GROUP,
    Reason.SERVER_GROUP_ANTI_AFFINITY: EditKind.LEAVE_GROUP,
    Reason.DISABLED: EditKind.ENABLE_HOST,
    Reason.DOWN: EditKind.BRING_BACK_AGENT,
    Reason.STUCK: EditKind.SOLVE_PROBLEM,
    Reason.NO_VCPUS: EditKind.FREE_VCPUS,
    Reason.NO_MEMORY: EditKind.FREE_MEMORY,
    Reason.NO_DISK: EditKind.FREE_DISK,
})  # fmt: skip


_Stocks = tuple[FamilyStock, ...]  # [family]


class Changes:
    """The least changes for one request, on one host after another."""

    def __init__(self, request: PlacementRequest, fitting: Fitting, rules: Rules) -> None:
        self._request, self._rules = request, rules
        demand, class_of_nic = demand_and_classes(request)
        classes = demand.device_classes
        # What nothing could ever meet is told of apart.
        self._is_hopeless = not all(one.ways for one, _ in classes)
        possible = [(one, count if one.ways else 0) for one, count in classes]
        self._wanted = Wanted(possible, fitting)
        self._kept = KeptRules(rules_alone(classes, demand.rules), rules.every)
        self._nics: list[list[str]] = [[] for _ in classes]
        for nic, c in zip(request.nics, class_of_nic, strict=True):
            if c is not None:
                self._nics[c].append(nic.said)
        self._bridge_nics = [
            (nic.said, nic_class(nic).bridges) for nic in request.nics if nic.kind is None
        ]
        self._of_demands = tuple(self._changes_of_demands())
        self._lacking_words: dict[tuple[int, int, str], tuple[str, str]] = {}
        self._unruled: dict[_Stocks, Shortfall] = {}
        self._ruled: dict[object, RuledShortfall] = {}

    def at(
        self, host: HostState, reasons: Sequence[Reason], known: Known | None = None
    ) -> tuple[Edit, ...]:
        """E.g. `enable h3`, and `one more free VF with e.physical_network=phy2 on h3 (for nic 1)`.

        Args:
            host: Where the request is to fit.
            reasons: What stands in the way there that is not about NICs.
            known: What it comes to under rules, if that is known.
        """
        return (
            *self._of_host(host, reasons),
            *self._of_demands,
            *self._of_bridges(host),
            *self._of_devices(host, known),
        )

    def size(self, host: HostState, reasons: Sequence[Reason]) -> Size:
        """How much `at` would tell, without the words."""
        found = self._shortfall(host)
        counts = Counter(EDIT_OF_REASON[reason] for reason in reasons)
        counts[EditKind.CHANGE_DEMAND] = sum(edit.count for edit in self._of_demands)
        counts[EditKind.ADD_BRIDGE] = len(fewest_bridges(list(self._bridges_lacking(host))))
        counts[EditKind.DROP_RULE] = len(found.dropped)
        counts[EditKind.FREE_DEVICE] = found.devices.to_free
        counts[EditKind.OFFER_DEVICE] = found.devices.to_offer
        return size_of(counts)

    def _of_host(self, host: HostState, reasons: Sequence[Reason]) -> Iterator[Edit]:
        for reason in reasons:
            words = _words_of_host(self._request, host, reason)
            lacking = _lacking(self._request, host, reason)
            yield Edit(kind=EDIT_OF_REASON[reason], words=words, lacking=lacking)

    def _changes_of_demands(self) -> Iterator[Edit]:
        for nic, names in self._bridge_nics:
            if not names:
                words = f"a network for {nic} that a bridge can reach"
                yield Edit(kind=EditKind.CHANGE_DEMAND, words=words)
        for (one, _), nics in zip(self._wanted.classes, self._nics, strict=True):
            if not one.ways:
                words = f"a demand of {wording.names(nics)} that some device could meet"
                yield Edit(kind=EditKind.CHANGE_DEMAND, count=len(nics), words=words)

    def _of_bridges(self, host: HostState) -> Iterator[Edit]:
        lacking = self._bridges_lacking(host)
        added = fewest_bridges(list(lacking))
        for bridge in added:
            nics = [nic for names, of in lacking.items() if bridge in names for nic in of]
            # Where others would do as well, and this one is for no other NICs, say so.
            alike = [names for names in lacking if bridge in names]
            names = frozenset.intersection(*alike)
            words = f"a bridge on {' or '.join(sorted(names))} at {host.name}"
            yield Edit(kind=EditKind.ADD_BRIDGE, words=f"{words} (for {wording.names(nics)})")

    def _bridges_lacking(self, host: HostState) -> dict[frozenset[PhysicalNetwork], list[str]]:
        """By physical networks, of which one with a bridge would do: which NICs want them."""
        return {
            names: [nic for nic, wanted in self._bridge_nics if wanted == names]
            for _, names in self._bridge_nics
            if names and not names & host.structure.bridges
        }

    def _of_devices(self, host: HostState, known: Known | None) -> Iterator[Edit]:
        found = self._shortfall(host, known)
        for one in found.dropped:
            words = f"do without the rule: {self._rules.words(one)}"
            yield Edit(kind=EditKind.DROP_RULE, words=words)
        yield from self._of_shortfall(host, found.devices)

    def _of_shortfall(self, host: HostState, devices: Shortfall) -> Iterator[Edit]:
        freeing = Freeing(host, self._wanted, devices)
        merged: dict[tuple[int, int | None], int] = {}  # [class, family] Devices to be freed.
        for change in devices.changes:
            if change.class_index is None or change.empties:
                yield Edit(
                    kind=EditKind.FREE_DEVICE,
                    words=self._free_pf(host, change),
                    count=change.count,
                    devices=freeing.of_whole_pf(change),
                )
            elif change.is_offer:
                words = self._to_offer(change.class_index, change.count, host)
                yield Edit(kind=EditKind.OFFER_DEVICE, count=change.count, words=words)
            else:
                key = change.class_index, change.family
                merged[key] = merged.get(key, 0) + change.count
        for (c, family), count in merged.items():
            what, who = self._words_of(c, count, "free ")
            pf = "" if family is None else f"PF {_address(host, family)} of "
            words = f"{what} on {pf}{host.name} (for {who})"
            would_do = freeing.of_class(c, family)
            yield Edit(kind=EditKind.FREE_DEVICE, count=count, words=words, devices=would_do)

    def _free_pf(self, host: HostState, change: Change) -> str:
        assert change.family is not None
        pf = f"free PF {_address(host, change.family)} on {host.name}"
        if change.class_index is None:
            return f"{pf}, whose VFs are wanted"
        vfs = wording.devices(change.count, DeviceKind.VF)
        who = wording.names(self._nics[change.class_index])
        return f"{pf} of the owners of {vfs} (for {who})"

    def _to_offer(self, c: int, count: int, host: HostState) -> str:
        one, _ = self._wanted.classes[c]
        what, who = self._words_of(c, count, "")
        words = f"{what} on offer on {host.name} (for {who})"
        out = out_of_service(one, host)
        if out and one.kind is not None:
            words += f": {wording.out_of_service(out, one.kind)}"
        return words

    def _words_of(self, c: int, count: int, quality: str) -> tuple[str, str]:
        """What is lacking for so many NICs of a class, and which NICs: the same on all hosts."""
        key = c, count, quality
        found = self._lacking_words.get(key)
        if found is None:
            one, _ = self._wanted.classes[c]
            what = wording.wanted(one, count=count, quality=quality)
            found = self._lacking_words[key] = what, wording.names(self._nics[c][-count:])
        return found

    def _shortfall(self, host: HostState, known: Known | None = None) -> RuledShortfall:
        stocks = self._wanted.on(host)
        if not self._rules.every:
            return RuledShortfall((), self._unruled_shortfall(stocks))
        site = self._rules.site_of(host, [stock.is_wanted for stock in stocks])
        key = stocks, site
        found = self._ruled.get(key)
        if found is None:
            if known is None:
                found = self._find(host, stocks, site)
            else:
                found = self._find_known(stocks, site, known)
            self._ruled[key] = found
        return found

    def _unruled_shortfall(self, stocks: _Stocks) -> Shortfall:
        pooled = self._wanted.pooled(stocks)
        found = self._unruled.get(pooled)
        if found is None:
            found = self._unruled[pooled] = find_shortfall(self._wanted, pooled)
        return found

    def _find(self, host: HostState, stocks: _Stocks, site: Site) -> RuledShortfall:
        unruled = self._unruled_shortfall(stocks)
        if not unruled.changes and not self._is_hopeless:
            obstacles = self._rules.in_the_way(host)
            if len(obstacles) <= 1:  # No device has to be freed, and no fewer rules will do.
                return RuledShortfall(obstacles, unruled)
        return find_ruled_shortfall(self._wanted, stocks, site, self._kept, unruled)

    def _find_known(self, stocks: _Stocks, site: Site, known: Known) -> RuledShortfall:
        if known.dropped == self._rules.every:
            return RuledShortfall(known.dropped, self._unruled_shortfall(stocks))
        kept = self._kept.without(known.dropped)
        devices = shortfall_keeping(self._wanted, stocks, site, kept, known)
        return RuledShortfall(known.dropped, devices)


def fewest_bridges(wanted: Sequence[frozenset[PhysicalNetwork]]) -> tuple[PhysicalNetwork, ...]:
    """The fewest physical networks of which each of these sets has one; of these, the first."""
    names = sorted(frozenset[PhysicalNetwork]().union(*wanted))
    return next(
        chosen
        for count in range(len(names) + 1)
        for chosen in combinations(names, count)
        if all(each.intersection(chosen) for each in wanted)
    )


def _lacking(request: PlacementRequest, host: HostState, reason: Reason) -> int:
    """How many vCPUs, MiB or GiB; 0 if that is not what lacks."""
    match reason:
        case Reason.NO_VCPUS:
            return request.vcpus - host.free_vcpus
        case Reason.NO_MEMORY:
            return request.memory_mib - host.free_memory_mib
        case Reason.NO_DISK:
            return request.disk_gib - host.free_disk_gib
        case _:
            return 0


def _words_of_host(request: PlacementRequest, host: HostState, reason: Reason) -> str:
    short = _lacking(request, host, reason)
    match reason:
        case Reason.NOT_THE_HOST_ASKED_FOR:
            return f"ask for {host.name} instead of {request.only_host}"
        case Reason.EXCLUDED:
            return f"let {host.name} be tried again, which has refused this server"
        case Reason.NOT_IN_ZONE:
            return f"ask for zone {host.zone}, which {host.name} is in, instead of {request.zone}"
        case Reason.AGGREGATE_METADATA:
            lacking = wording.metadata(request.metadata, host.metadata)
            return f"put {host.name} into an aggregate with {lacking}"
        case Reason.SERVER_GROUP_AFFINITY | Reason.SERVER_GROUP_ANTI_AFFINITY:
            assert request.fellows is not None, "its group stands in the way"
            return f"do without the server group: {wording.fellows(request.fellows, host.id)}"
        case Reason.DISABLED:
            return f"enable {host.name}"
        case Reason.DOWN:
            return f"bring back the agent of {host.name}"
        case Reason.STUCK:
            return f"solve the problem of {host.name} ({host.problem})"
        case Reason.NO_VCPUS:
            return wording.amount(short, "free vCPU", "free vCPUs") + f" on {host.name}"
        case Reason.NO_MEMORY:
            unit = "MiB of free memory"
            return wording.amount(short, unit, unit) + f" on {host.name}"
        case Reason.NO_DISK:
            unit = "GiB of free disk"
            return wording.amount(short, unit, unit) + f" on {host.name}"
        case _:
            raise AssertionError(f"{reason} is no reason of a host")


def _address(host: HostState, family: int) -> str:
    return host.addresses[family] or "?"
