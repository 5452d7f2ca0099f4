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

    Returns:
        The specs; and by their numbers, why of some it can't be told which PF is meant.
    """
    said = [spec for spec in specs if not spec.is_auto]
    found, faults = [], {}
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
        if len(fitting) == 1:
            address = AddressPattern.of(fitting[0].address)
            found.append(replace(one, address=address))
        else:
            found.append(spec)
            faults[number] = _told(fitting)
    return tuple(found), faults


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
