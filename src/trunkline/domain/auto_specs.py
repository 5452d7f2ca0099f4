"""`auto` in the place of a device spec's address: the one PF that fits, on the machine at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.device_spec import DeviceSpec
from trunkline.domain.pci import PciAddress
from trunkline.domain.spec_patterns import AddressPattern


def find_pfs(
    specs: Sequence[DeviceSpec], functions: Mapping[PciAddress, PciFunction]
) -> tuple[tuple[DeviceSpec, ...], dict[int, str]]:
    """Return the specs with the addresses of the PFs that were left to be found.

    A PF fits that meets the other conditions of the spec, and none of a spec with conditions alone.
    Two specs find one PF only if none means what the other does, as VFs and the PF itself.

    Returns:
        The specs; and by their numbers, why of some it can't be told which PF is meant.
    """
    said = [spec for spec in specs if not spec.is_auto]
    found: list[DeviceSpec] = []
    faults: dict[int, str] = {}
    for number, spec in enumerate(specs):
        if not spec.is_auto:
            found.append(spec)
            continue
        one = replace(spec, is_auto=False)
        fitting = [
            function
            for _, function in sorted(functions.items())
            if function.kind is DeviceKind.PF
            and one.matches(function)
            and not any(each.matches(function) for each in said)
        ]
        fault = (
            _told(fitting) if len(fitting) != 1 else _told_if_found_before(one, fitting[0], found)
        )
        if fault:
            found.append(spec)
            faults[number] = fault
        else:
            found.append(replace(one, address=AddressPattern.of(fitting[0].address)))
    return tuple(found), faults


def _told_if_found_before(spec: DeviceSpec, pf: PciFunction, before: Sequence[DeviceSpec]) -> str:
    """Say that a spec before it has found the same PF, and means the same of it."""
    for number, each in enumerate(before):
        if each.matches(pf) and not each.is_apart_from(spec):
            return f"{pf.address} fits, which device_spec[{number}] has found; remove one of them"
    return ""


def _told(fitting: Sequence[PciFunction]) -> str:
    if not fitting:
        return (
            "no PF fits that has no device_spec of its own; write an address:"
            " `lspci -Dnn` shows them"
        )
    named = " and ".join(
        f"{pf.address} ({pf.ifname or pf.driver or 'no driver'})" for pf in fitting
    )
    return f"{named} fit; write the address of one of them, or add a condition"
