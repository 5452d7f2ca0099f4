"""Device specs: the operator's rule for which devices are on offer, and with which tags.

    [[device_specs]]
    address = "0000:05:*.*"
    physical_network = "phy1"
    tags = { rack = "a" }
    egress_mbps = 8000

Nothing is on offer unless a spec means it; the first spec that means a function decides. A spec
means every PF and VF that it matches, and the VFs of each PF that it matches. `offer = "vfs"` makes
it mean VFs only, `offer = "pf"` only PFs (for `direct-physical`). With `exclude = true` it takes
what it matches, and the VFs of that, off offer.

`vf_count` says how many VFs each PF that the spec matches is to have.

`managed = false` says that the operator has bound the devices to vfio, and that libvirt is not to.
`one_time_use` keeps a device that came back from somebody until an operator frees it.

`network_pool` leaves the VFs that the spec means to libvirt, which hands them out by networks.

`egress_mbps` and `ingress_mbps` say what each PF that the spec matches can guarantee to NICs in
all, whatever the spec puts on offer.

Plain functions, such as GPUs, are meant by `offer = "plain"`, and by a spec that names a product
and no physical network. A spec for the cards of a vendor, or of a bus, must not give away the disk
controller that happens to match too.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from trunkline.domain.bandwidth import NOT_ACCOUNTED, Bandwidth
from trunkline.domain.device import (
    PHYSICAL_NETWORK_TAG,
    SWITCH_TAG,
    DeviceKind,
    OfferedDevice,
    PciFunction,
)
from trunkline.domain.ether import MacAddress
from trunkline.domain.network_pool import NetworkPool, PoolMode, pool_names
from trunkline.domain.pci import PciAddress
from trunkline.domain.spec_patterns import AddressPattern, glob_regex


class Offer(enum.Enum):
    """Which functions a spec means, of those that it matches."""

    ALL = "all"
    PF = "pf"
    VFS = "vfs"
    PLAIN = "plain"


_OFFER_OF: Final = {
    DeviceKind.PF: Offer.PF,
    DeviceKind.VF: Offer.VFS,
    DeviceKind.PLAIN: Offer.PLAIN,
}


@dataclass(frozen=True, kw_only=True)
class DeviceSpec:
    """One rule. Conditions that are None hold for every function; at least one is given."""

    vendor_id: str | None = None
    product_id: str | None = None
    address: AddressPattern | None = None
    ifname: str | None = None  # May hold `*`, `?` and `[…]`, as shells have them.
    is_auto: bool = False  # The address of the one PF that fits is to be found: `auto_specs`.
    serial: str | None = None  # Of the card that a PF sits on.
    mac: MacAddress | None = None  # A PF's permanent one.
    offer: Offer = Offer.ALL
    exclude: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)  # Without the `e.` prefix.
    bandwidth: Bandwidth = NOT_ACCOUNTED  # Of each PF that it matches itself.
    vf_count: int | None = None  # How many VFs each such PF is to have; None: what it has.
    network_pool: PoolMode | None = None  # Whether libvirt hands its VFs out, and how.
    managed: bool = True  # Of what it puts on offer; see `OfferedDevice`.
    one_time_use: bool = False

    def matches(self, function: PciFunction) -> bool:
        """Say whether every condition holds for the function itself."""
        return (
            not self.is_auto
            and self.vendor_id in (None, function.vendor_id)
            and self.product_id in (None, function.product_id)
            and (self.address is None or self.address.matches(function.address))
            and self.serial in (None, function.serial)
            and self.mac in (None, function.mac)
            and (
                self._ifname_regex is None
                or (
                    function.ifname is not None
                    and self._ifname_regex.fullmatch(function.ifname) is not None
                )
            )
        )

    @cached_property
    def _ifname_regex(self) -> re.Pattern[str] | None:
        return None if self.ifname is None else re.compile(glob_regex(self.ifname))

    def means(self, kind: DeviceKind) -> bool:
        """Say whether functions of this kind are meant, where they match."""
        if self.offer is not Offer.ALL:
            return self.offer is _OFFER_OF[kind]
        names_it = self.product_id is not None and self.physical_network is None
        return kind is not DeviceKind.PLAIN or self.exclude or names_it

    @property
    def physical_network(self) -> str | None:
        """The physical network that the matched devices are cabled to."""
        return self.tags.get(PHYSICAL_NETWORK_TAG)

    @property
    def conditions(self) -> tuple[object, ...]:
        """What the spec matches on, to compare specs by."""
        return (
            self.vendor_id, self.product_id, self.address, self.ifname, self.serial, self.mac,
            self.is_auto,
        )  # fmt: skip

    def leaves_nothing_to(self, later: DeviceSpec) -> bool:
        """Say whether it decides about everything that `later` matches, which then never counts.

        Bandwidth and VF counts are taken from the first spec that says any: for these one counts.
        One that takes NICs off offer is of no use behind one that has put them there, though it
        means plain functions as well. Patterns are not compared: what one of them leaves to another
        is for the machine to tell (`shadowed`).
        """
        if later.bandwidth.is_accounted or later.vf_count is not None:
            return False
        if self.is_auto or later.is_auto:
            return False
        pairs = zip(self.conditions, later.conditions, strict=True)
        return all(mine in (None, its) for mine, its in pairs) and all(
            self.means(kind) or not later.means(kind)
            for kind in _OFFER_OF
            if not (later.exclude and later.offer is Offer.ALL and kind is DeviceKind.PLAIN)
        )

    def is_apart_from(self, other: DeviceSpec) -> bool:
        """Say whether each means functions that the other doesn't, whatever they match."""
        return not any(self.means(kind) and other.means(kind) for kind in _OFFER_OF)


class Offering:
    """Chooses what is on offer on one host, time and again.

    A host is looked at before every plan, and a guest's start changes one function of hundreds:
    specs are matched only against functions that are not as they were when last decided upon.
    """

    def __init__(self, specs: Sequence[DeviceSpec]) -> None:
        self._specs = specs
        self._decided: dict[PciAddress, _Decision] = {}

    def __call__(self, functions: Mapping[PciAddress, PciFunction]) -> tuple[OfferedDevice, ...]:
        """Return what is on offer, by address.

        A PF in a guest has no netdev: specs that are to find it then must not match by `ifname`
        alone.
        """
        decided: dict[PciAddress, _Decision] = {}
        for address in sorted(functions):
            function = functions[address]
            pf = _pf_of(function, functions)
            decision = self._decided.get(address)
            if decision is None or not decision.is_of(function, pf):
                decision = self._decide(function, pf)
            decided[address] = decision
        self._decided = decided
        # What VFs are one PF's is told even where the PF itself is nobody's to have.
        parents = {each.pf.address for each in decided.values() if each.pf and each.offered}
        found = tuple(
            each.offered or self._told_of(each.function)
            for address, each in decided.items()
            if each.offered is not None or address in parents
        )
        if not any(spec.network_pool for spec in self._specs):
            return found
        return _with_pools(found, {address: each.mode for address, each in decided.items()})

    def _told_of(self, pf: PciFunction) -> OfferedDevice:
        return OfferedDevice(function=pf, on_offer=False, bandwidth=_bandwidth_of(pf, self._specs))

    def _decide(self, function: PciFunction, pf: PciFunction | None) -> _Decision:
        spec = _deciding_spec(function, pf, self._specs)
        if spec is None or spec.exclude:
            return _Decision(function, pf, None, None)
        device = OfferedDevice(
            function=function,
            tags=spec.tags,
            bandwidth=_bandwidth_of(function, self._specs),
            managed=spec.managed,
            one_time_use=spec.one_time_use,
        )
        return _Decision(function, pf, device, spec.network_pool)


@dataclass(frozen=True, slots=True)
class _Decision:
    function: PciFunction
    pf: PciFunction | None  # Of a VF; specs that match it mean its VFs.
    offered: OfferedDevice | None
    mode: PoolMode | None

    def is_of(self, function: PciFunction, pf: PciFunction | None) -> bool:
        """Whether it was made of such functions; mostly it was of these very ones."""
        return (self.function is function or self.function == function) and (
            self.pf is pf or self.pf == pf
        )


_PoolKey = tuple[PciAddress, PoolMode, tuple[tuple[str, str], ...]]  # PF, mode, tags.


def _with_pools(
    devices: Sequence[OfferedDevice], modes: Mapping[PciAddress, PoolMode | None]
) -> tuple[OfferedDevice, ...]:
    """Say which network pool each VF is in; only alike VFs are in one."""
    keys: dict[PciAddress, _PoolKey] = {}
    networks: dict[_PoolKey, str] = {}
    for device in devices:
        function = device.function
        mode, network = modes.get(function.address), device.physical_network
        if mode is None or network is None or function.pf_address is None:
            continue
        key = function.pf_address, mode, tuple(sorted(device.tags.items()))
        keys[function.address], networks[key] = key, network
    order = sorted(networks, key=lambda key: (key[0], key[1].value, key[2]))
    names = pool_names(networks, order)
    return tuple(
        device
        if (pool := keys.get(device.function.address)) is None
        else replace(device, network_pool=NetworkPool(names[pool], pool[1]))
        for device in devices
    )


def offered(
    functions: Iterable[PciFunction], specs: Sequence[DeviceSpec]
) -> tuple[OfferedDevice, ...]:
    """Choose what is on offer, once; see `Offering`."""
    return Offering(specs)({function.address: function for function in functions})


def contradictions(
    functions: Iterable[PciFunction], specs: Sequence[DeviceSpec]
) -> tuple[str, ...]:
    """Name what specs say of PFs that can't be, once for each PF.

    A PF has one cable: it and its VFs are on one physical network, and on one switch (which may be
    said of one of the two only). It guarantees no more than its link carries. And it is PFs that
    have bandwidth, not VFs.
    """
    every = {function.address: function for function in functions}
    faults: dict[PciAddress, str] = {}
    for function in every.values():
        pf = _pf_of(function, every)
        if pf is None:
            problem = _too_much_promised(function, specs)
        else:
            problem = _differently_cabled(function, pf, specs) or _not_a_pf(function, pf, specs)
        if problem is not None:
            faults.setdefault((pf or function).address, problem)
    return tuple(faults.values())


def vf_counts(
    functions: Mapping[PciAddress, PciFunction], specs: Sequence[DeviceSpec]
) -> dict[PciAddress, int]:
    """Return how many VFs PFs are to have, of which a spec says it; no more than they can."""
    found = {}
    for address, function in functions.items():
        if function.kind is DeviceKind.PF:
            said = (spec.vf_count for spec in specs if spec.matches(function))
            count = next((count for count in said if count is not None), None)
            if count is not None:
                found[address] = min(count, function.vf_count_max)
    return found


def shadowed(
    functions: Mapping[PciAddress, PciFunction], specs: Sequence[DeviceSpec]
) -> dict[int, tuple[int, ...]]:
    """Return the specs that decide about nothing here, though they mean something: by which others.

    Numbers of specs. Those that say how many VFs a PF is to have, or what it guarantees, are left
    out: for these the first counts that says any.
    """
    by_others: dict[int, set[int]] = {}
    deciding: set[int] = set()
    numbers = {id(spec): number for number, spec in enumerate(specs)}
    for function in functions.values():
        pf = _pf_of(function, functions)
        decides = _deciding_spec(function, pf, specs)
        if decides is None:
            continue
        first = numbers[id(decides)]
        deciding.add(first)
        for number, spec in enumerate(specs[first + 1 :], start=first + 1):
            if _deciding_spec(function, pf, [spec]) is not None:
                by_others.setdefault(number, set()).add(first)
    return {
        number: tuple(sorted(others))
        for number, others in sorted(by_others.items())
        if number not in deciding
        and specs[number].vf_count is None
        and not specs[number].bandwidth.is_accounted
    }


def _differently_cabled(
    vf: PciFunction, pf: PciFunction, specs: Sequence[DeviceSpec]
) -> str | None:
    of_vf = _deciding_spec(vf, pf, specs)
    of_pf = next((spec for spec in specs if spec.matches(pf)), None)
    if of_vf is None or of_pf is None or of_vf.exclude or of_pf.exclude:
        return None
    differing = _cabled_apart(of_pf, of_vf)
    if differing is None:
        return None
    what, pf_on, vf_on = differing
    return (
        f"PF {pf.address} is on {what} {pf_on or 'none'}, and"
        f" its VF {vf.address} on {vf_on or 'none'}; make them the same"
    )


def _too_much_promised(function: PciFunction, specs: Sequence[DeviceSpec]) -> str | None:
    said, speed = _bandwidth_said(function, specs), function.speed_mbps
    for key, mbps in (("egress_mbps", said.egress_mbps), ("ingress_mbps", said.ingress_mbps)):
        if mbps is not None and speed is not None and mbps > speed:
            return (
                f"PF {function.address} can't guarantee {mbps} Mbps: its link carries {speed};"
                f" lower {key}"
            )
    return None


def _not_a_pf(vf: PciFunction, pf: PciFunction, specs: Sequence[DeviceSpec]) -> str | None:
    spec = _deciding_spec(vf, pf, specs)
    if spec is None or not spec.bandwidth.is_accounted or spec.matches(pf):
        return None
    return (
        f"bandwidth is said of VF {vf.address}, which has none of its own; say it in a spec that"
        f" matches its PF {pf.address}"
    )


def _cabled_apart(pf: DeviceSpec, vf: DeviceSpec) -> tuple[str, str | None, str | None] | None:
    if pf.physical_network != vf.physical_network:
        return "physical network", pf.physical_network, vf.physical_network
    switches = pf.tags.get(SWITCH_TAG), vf.tags.get(SWITCH_TAG)
    if None not in switches and switches[0] != switches[1]:
        return "switch", *switches
    return None


def _bandwidth_of(function: PciFunction, specs: Sequence[DeviceSpec]) -> Bandwidth | None:
    """What a PF can guarantee; no more than its link carries just now."""
    said = _bandwidth_said(function, specs)
    return said.at_most(function.speed_mbps) if said.is_accounted else None


def _bandwidth_said(function: PciFunction, specs: Sequence[DeviceSpec]) -> Bandwidth:
    """What the first spec says that matches a PF and says anything of this."""
    if function.kind is not DeviceKind.PF:
        return NOT_ACCOUNTED
    said = (spec.bandwidth for spec in specs if spec.matches(function))
    return next((bandwidth for bandwidth in said if bandwidth.is_accounted), NOT_ACCOUNTED)


def _pf_of(function: PciFunction, every: Mapping[PciAddress, PciFunction]) -> PciFunction | None:
    return None if function.pf_address is None else every.get(function.pf_address)


def _deciding_spec(
    function: PciFunction, pf: PciFunction | None, specs: Sequence[DeviceSpec]
) -> DeviceSpec | None:
    for spec in specs:
        if spec.means(function.kind) and (
            spec.matches(function) or (pf is not None and spec.matches(pf))
        ):
            return spec
    return None
