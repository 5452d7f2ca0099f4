"""PCI functions without SR-IOV on simulated hosts: GPUs, accelerators and their like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from trunkline.domain.pci import PciAddress, parse_pci_id
from trunkline.host.machine import PlainRecord


class PlainEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[host.function]]`: one PCI function."""

    address: str
    vendor_id: str
    product_id: str
    driver: str | None = None  # None: nothing is bound to it.
    numa_node: int | None = None


def plain_faults(entry: PlainEntry, place: str) -> Iterator[str]:
    """Everything that is wrong with one function by itself."""
    try:
        PciAddress.parse(entry.address)
    except ValueError as fault:
        yield f"{place}.address: {fault}"
    for key, text in (("vendor_id", entry.vendor_id), ("product_id", entry.product_id)):
        try:
            parse_pci_id(text)
        except ValueError as fault:
            yield f"{place}.{key}: {fault}"
    if entry.numa_node is not None and not 0 <= entry.numa_node < 1024:
        yield f"{place}.numa_node: {entry.numa_node} is not between 0 and 1023; leave it out"


def clash_faults(
    plain: Sequence[PlainRecord], taken: Iterable[PciAddress], place: str
) -> Iterator[str]:
    """Functions at addresses that others of the host have."""
    known = set(taken)
    for index, record in enumerate(plain):
        if record.address in known:
            yield f"{place}.function[{index}].address: {record.address} is taken; choose another"
        known.add(record.address)


def make_plain(entries: Sequence[PlainEntry]) -> list[PlainRecord]:
    """Lay out the functions of a host, each in an IOMMU group of its own."""
    return [
        PlainRecord(
            address=PciAddress.parse(entry.address),
            vendor_id=parse_pci_id(entry.vendor_id),
            product_id=parse_pci_id(entry.product_id),
            iommu_group=_FIRST_IOMMU_GROUP + number,
            driver=entry.driver,
            numa_node=entry.numa_node,
        )
        for number, entry in enumerate(entries)
    ]


_FIRST_IOMMU_GROUP = 100_000  # Beyond all that cards and their VFs have.
