"""The cards of simulated hosts: checked against what the real ones can do, and laid out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress, vf_address
from trunkline.host.driver_data import Driver, Product, drivers
from trunkline.host.machine import PfRecord

_IFNAME_BYTES_MAX: Final = 15
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MAC_PREFIX = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){2}", re.IGNORECASE)
_FIRST_IOMMU_GROUP: Final = 10


class CardEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[host.card]]`: one network card, with one or two PFs."""

    driver: str
    address: str  # Of its first PF.
    vf_count: int  # Of each PF, at boot.
    product_id: str | None = None  # None: the first that is known of the driver.
    pf_count: int = 1
    vf_count_max: int | None = None  # What the firmware is set to; None: the most of the product.
    ifname: str | None = None  # For two PFs with a range: "ens1f{0..1}".
    numa_node: int | None = None
    speed_mbps: int | None = None
    link_up: bool = True
    double_vlan: bool = False  # Its firmware can put an 802.1ad tag around another.
    mac: str | None = None  # Of the first PF; the next has the next.
    mac_prefix: str | None = None  # Three bytes, to derive MACs with.


def known_driver(card: CardEntry) -> Driver:
    """The driver of a card that has been checked."""
    return drivers()[card.driver]


def product_of(card: CardEntry) -> Product:
    """The product of a card that has been checked."""
    driver = known_driver(card)
    product = driver.product(card.product_id) if card.product_id else driver.products[0]
    assert product is not None
    return product


def card_faults(card: CardEntry, place: str, *, host_count: int) -> Iterator[str] | list[str]:
    """Everything that is wrong with one card by itself."""
    driver = drivers().get(card.driver)
    if driver is None:
        return [f"{place}.driver: {card.driver!r} is unknown; known are {', '.join(drivers())}"]
    if card.product_id is not None and driver.product(card.product_id) is None:
        known = ", ".join(f"{each.product_id} ({each.name})" for each in driver.products)
        return [
            f"{place}.product_id: {card.product_id!r} is no {card.driver} card; known are {known}"
        ]
    return [
        *_number_faults(card, driver, product_of(card), place),
        *_address_faults(card, driver, place),
        *_name_faults(card, place),
        *_mac_faults(card, place, host_count=host_count),
    ]


def _number_faults(card: CardEntry, driver: Driver, product: Product, place: str) -> Iterator[str]:
    if not 1 <= card.pf_count <= driver.pf_count_max:
        yield (
            f"{place}.pf_count: {card.pf_count} is not between 1 and {driver.pf_count_max},"
            f" what {card.driver} cards have"
        )
    most, of = product.vf_count_max, f"{card.driver} cards ({product.name})"
    if card.vf_count_max is not None:
        if not 0 <= card.vf_count_max <= most:
            yield (
                f"{place}.vf_count_max: {card.vf_count_max} is not between 0 and the limit of"
                f" {most} for {of}; lower it"
            )
        most, of = min(most, card.vf_count_max), "this card's vf_count_max"
    if card.vf_count < 0:
        yield f"{place}.vf_count: {card.vf_count} is negative"
    elif card.vf_count > most:
        yield f"{place}.vf_count: {card.vf_count} is above the limit of {most} for {of}; lower it"
    if card.double_vlan and not driver.double_vlan_source:
        yield f"{place}.double_vlan: {card.driver} has no 802.1ad, whatever the firmware; remove it"
    if card.speed_mbps is not None and card.speed_mbps <= 0:
        yield f"{place}.speed_mbps: {card.speed_mbps} is not above 0"
    if card.numa_node is not None and not 0 <= card.numa_node < 1024:
        yield f"{place}.numa_node: {card.numa_node} is not between 0 and 1023; leave it out if none"


def _address_faults(card: CardEntry, driver: Driver, place: str) -> Iterator[str]:
    try:
        address = PciAddress.parse(card.address)
    except ValueError as fault:
        yield f"{place}.address: {fault}"
        return
    if address.function or address.slot:
        yield (
            f"{place}.address: {address} is not the first function of a bus;"
            f" the card's first PF is {address.domain:04x}:{address.bus:02x}:00.0"
        )
        return
    last = product_of(card).vf_count_max - 1
    try:
        _last_vf(address, card, driver, last)
    except ValueError as fault:
        yield f"{place}.address: {fault}; choose a lower bus"


def _last_vf(address: PciAddress, card: CardEntry, driver: Driver, last: int) -> PciAddress:
    number = min(card.pf_count, driver.pf_count_max) - 1
    return vf_address(
        PciAddress.at(address.domain, address.routing_id + max(number, 0)),
        vf_index=max(last, 0),
        vf_offset=_vf_offset(card, driver, max(number, 0)),
        vf_stride=driver.vf_stride,
    )


def _vf_offset(card: CardEntry, driver: Driver, pf_number: int) -> int:
    """sriov_offset of PF `pf_number`. VFs that don't interleave follow those of the PF before."""
    if driver.pfs_interleave:
        return driver.vf_offset
    return driver.vf_offset + pf_number * (product_of(card).vf_count_max - 1)


def _name_faults(card: CardEntry, place: str) -> Iterator[str]:
    if card.ifname is None:
        return
    names = _ifnames(card)
    if len(names) != max(card.pf_count, 1):
        yield (
            f"{place}.ifname: {card.ifname!r} is {len(names)} name(s) for {card.pf_count} PF(s);"
            ' write a range: "ens1f{0..1}"'
        )
        return
    longest = f"{names[-1]}v{max(card.vf_count - 1, 0)}"
    if len(longest.encode()) > _IFNAME_BYTES_MAX:
        yield (
            f"{place}.ifname: the VFs' names, {longest!r} among them, would be longer than"
            f" {_IFNAME_BYTES_MAX} bytes; shorten it"
        )
    if not all(re.fullmatch(r"[a-zA-Z0-9_.-]+", name) for name in names):
        yield f"{place}.ifname: {card.ifname!r} is not a netdev's name"


def _ifnames(card: CardEntry) -> list[str]:
    """Names of the PFs' netdevs; by default as udev names them by path: enp5s0f0."""
    if card.ifname is None:
        address = PciAddress.parse(card.address)
        domain = f"P{address.domain}" if address.domain else ""
        many = card.pf_count > 1
        return [
            f"en{domain}p{address.bus}s{address.slot}" + (f"f{number}" if many else "")
            for number in range(card.pf_count)
        ]
    ranges = _RANGE.search(card.ifname)
    if ranges is None:
        return [card.ifname]
    head, tail = card.ifname[: ranges.start()], card.ifname[ranges.end() :]
    first, last = (int(text) for text in ranges.groups())
    return [f"{head}{number}{tail}" for number in range(first, min(last, first + 8) + 1)]


def _mac_faults(card: CardEntry, place: str, *, host_count: int) -> Iterator[str]:
    if card.mac is not None:
        if host_count > 1:
            yield f"{place}.mac: the same for {host_count} hosts; use mac_prefix instead"
        try:
            mac = MacAddress.parse(card.mac)
        except ValueError as fault:
            yield f"{place}.mac: {fault}"
        else:
            if mac.is_multicast or mac.is_zero:
                yield f"{place}.mac: {mac} is no card's address"
        if card.mac_prefix is not None:
            yield f"{place}.mac_prefix: has no meaning beside mac; remove one of them"
    if card.mac_prefix is not None and not _MAC_PREFIX.fullmatch(card.mac_prefix):
        yield (
            f"{place}.mac_prefix: {card.mac_prefix!r} is not the first three bytes of a unicast"
            ' MAC; write "02:00:00"'
        )


def make_pfs(host: str, cards: Sequence[CardEntry], *, pfs_before: int) -> list[PfRecord]:
    """Lay out the PFs of a host. `pfs_before` counts those of the fleet's earlier hosts."""
    pfs: list[PfRecord] = []
    group = _FIRST_IOMMU_GROUP
    for card in cards:
        driver, product = known_driver(card), product_of(card)
        first = PciAddress.parse(card.address)
        serial = hashlib.sha256(f"{host} {first}".encode()).hexdigest()[:12].upper()
        for number, ifname in enumerate(_ifnames(card)):
            pfs.append(
                PfRecord(
                    address=PciAddress.at(first.domain, first.routing_id + number),
                    driver=card.driver,
                    vendor_id=driver.vendor_id,
                    product_id=product.product_id,
                    vf_product_id=product.vf_product_id,
                    ifname=ifname,
                    mac=_mac(card, number, pfs_before + len(pfs)),
                    speed_mbps=card.speed_mbps or product.speed_mbps,
                    vf_count_max=product.vf_count_max
                    if card.vf_count_max is None
                    else card.vf_count_max,
                    vf_offset=_vf_offset(card, driver, number),
                    vf_stride=driver.vf_stride,
                    iommu_group=group,
                    numa_node=card.numa_node,
                    serial=serial,
                    vf_count_at_boot=card.vf_count,
                    link_up=card.link_up,
                    double_vlan=card.double_vlan,
                )
            )
            group += 1 + product.vf_count_max
    return pfs


def _mac(card: CardEntry, pf_number: int, pf_of_fleet: int) -> MacAddress:
    """Numbered through the fleet, so no two are equal: a hash would repeat itself."""
    if card.mac is not None:
        number = int(card.mac.replace(":", ""), 16) + pf_number
    else:
        prefix = (card.mac_prefix or "02:00:00").replace(":", "")
        number = (int(prefix, 16) << 24) + pf_of_fleet + 1
    digits = f"{number:012x}"
    return MacAddress(":".join(digits[at : at + 2] for at in range(0, 12, 2)))


def overlap_faults(
    pfs: Sequence[PfRecord], cards: Sequence[CardEntry], bridges: Sequence[str], place: str
) -> Iterator[str]:
    """Cards of one host whose functions, at the most VFs they can have, or names coincide."""
    addresses: dict[PciAddress, int] = {}
    names: dict[str, str] = dict.fromkeys(bridges, "a bridge")
    at = 0
    for index, card in enumerate(cards):
        card_place = f"{place}.card[{index}]"
        own = pfs[at : at + card.pf_count]
        at += card.pf_count
        taken: set[int] = set()
        for pf in own:
            for address in all_addresses(pf):
                other = addresses.setdefault(address, index)
                if other != index and other not in taken:
                    taken.add(other)
                    yield (
                        f"{card_place}.address: {address} is a function of {place}.card[{other}]"
                        " already; choose another bus, two further on to be safe"
                    )
            for name in (pf.ifname, *(f"{pf.ifname}v{n}" for n in range(card.vf_count))):
                if names.setdefault(name, card_place) != card_place:
                    yield f"{card_place}.ifname: {name} is {names[name]}'s already; choose another"
                    break


def all_addresses(pf: PfRecord) -> Iterator[PciAddress]:
    """Every address that a PF and its VFs can have."""
    yield pf.address
    for index in range(pf.vf_count_max):
        yield vf_address(pf.address, vf_index=index, vf_offset=pf.vf_offset, vf_stride=pf.vf_stride)
