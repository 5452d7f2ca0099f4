"""Judging network cards: one finding a PF, or one for each thing that it lacks."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Final

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.device_spec import DeviceSpec, contradictions, shadowed, vf_counts
from trunkline.domain.iommu_group import GROUP_REMEDY, without_remedy
from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.facts import Facts, NicFacts
from trunkline.host.doctor.findings import Finding, missing, ok, warning
from trunkline.host.driver_data import drivers

_MELLANOX: Final = "15b3"
_POOL: Final = '`network_pool = "passthrough"` in their device spec'


def check_cards(facts: Facts) -> Iterator[Finding]:
    """Judge every card that has SR-IOV, should have it, or that a device spec names."""
    if facts.functions_problem:
        yield missing(
            "cards",
            f"can't be read: {facts.functions_problem}",
            "mount sysfs at /sys, readable by this user",
        )
        return
    specs = () if facts.agent is None else facts.agent.device_specs
    pfs = [
        facts.functions[address]
        for address in sorted(facts.nics)
        if address in facts.functions and _is_concerned(facts, address, specs)
    ]
    if not pfs:
        yield missing(
            "cards",
            "no card here has SR-IOV",
            "put one in; if there is one, enable SR-IOV in the firmware setup, for the"
            " machine and for the card",
        )
    for pf in pfs:
        said = _spec_of(facts, pf, specs)
        problems = list(_problems(facts, pf, facts.nics[pf.address], said))
        product = facts.nics[pf.address].product
        told = _told(pf, said) if product is None else f"{product}, {_told(pf, said)}"
        yield from problems or [ok(_name(pf), told)]
    yield from _check_specs(facts, specs)


def _is_concerned(facts: Facts, address: PciAddress, specs: Sequence[DeviceSpec]) -> bool:
    function = facts.functions[address]
    return (
        facts.nics[address].has_sriov
        or (function.vendor_id, function.product_id) in _sriov_products()
        or any(spec.matches(function) and not spec.exclude for spec in specs)
    )


def _spec_of(facts: Facts, pf: PciFunction, specs: Sequence[DeviceSpec]) -> DeviceSpec | None:
    """Return the spec that decides about a PF, or else one that offers VFs of it."""
    vfs = [each for each in facts.functions.values() if each.pf_address == pf.address]
    offering = (spec for spec in specs if not spec.exclude and any(spec.matches(vf) for vf in vfs))
    return next((spec for spec in specs if spec.matches(pf)), next(offering, None))


@functools.cache
def _sriov_products() -> frozenset[tuple[str, str]]:
    """Vendor and product of cards that have SR-IOV, if nobody has turned it off."""
    return frozenset(
        (driver.vendor_id, product.product_id)
        for driver in drivers().values()
        for product in driver.products
    )


def _problems(
    facts: Facts, pf: PciFunction, nic: NicFacts, said: DeviceSpec | None
) -> Iterator[Finding]:
    name = _name(pf)
    if said is not None and said.exclude:
        return
    if said is None and facts.agent is not None and not facts.agent.faults:
        # Whatever else there is to say of it: this host makes no use of it.
        yield warning(
            name,
            f"has {_vfs(pf)}, and no device spec puts it on offer",
            f'in {facts.agent.file}: [[device_spec]] with address = "{pf.address}" and'
            " the physical_network that it is cabled to, or with `exclude = true`",
        )
        return
    if not nic.has_sriov or pf.vf_count_max == 0:
        yield _no_sriov(pf, nic)
        return
    if pf.driver is None:
        yield missing(
            name,
            "no driver is bound to it",
            f"`modprobe` its driver: `lspci -k -s {pf.address}` names it under Kernel modules",
        )
        return
    if pf.fault:
        problem, _, remedy = pf.fault.partition(": ")
        yield missing(name, problem, remedy or f"`dmesg | grep {pf.address}` says why")
    if pf.uncorrectable_errors:
        yield warning(
            name,
            f"has met {pf.uncorrectable_errors} uncorrectable errors of PCI Express since it came",
            f"`dmesg | grep {pf.address}` says which: put the card into its slot anew, or into"
            " another, and look for newer firmware of card and machine",
        )
    if nic.vf_memory is False:
        yield missing(
            name,
            "the firmware gave its VFs no addresses, so none can be made",
            "enable SR-IOV and `Above 4G decoding` in the firmware setup; where it has"
            " no such thing, add pci=realloc in GRUB_CMDLINE_LINUX of /etc/default/grub,"
            " then `update-grub` and reboot",
        )
    if pf.ifname is not None and nic.is_up is False:
        yield missing(
            name,
            "is set down, and so are its VFs",
            f"`ip link set {pf.ifname} up`, and make it last: `iface {pf.ifname} inet"
            f" manual` with `auto {pf.ifname}` in /etc/network/interfaces",
        )
    elif pf.ifname is not None and not pf.link_up:
        yield warning(
            name,
            "has no link: nothing new is placed on it",
            f"plug the cable, or look at the switch: `ethtool {pf.ifname}`",
        )
    if pf.unfit:
        yield warning(
            name, f"is refused to guests whole: it {without_remedy(pf.unfit)}", GROUP_REMEDY
        )
    yield from _vf_problems(facts, pf, nic)
    if said is not None and said.means(DeviceKind.VF) and not pf.vf_count:
        yield from _no_vfs(facts, pf)


def _no_sriov(pf: PciFunction, nic: NicFacts) -> Finding:
    what = "SR-IOV is there with 0 VFs" if nic.has_sriov else "SR-IOV is not there"
    if pf.vendor_id == _MELLANOX:
        fix = (
            f"`apt install mstflint`, `mstconfig -d {pf.address} set SRIOV_EN=1 NUM_OF_VFS=16`,"
            " then power the machine off and on"
        )
    else:
        fix = "enable SR-IOV for the card and for the machine in the firmware setup"
    return missing(_name(pf), f"{what}: the card's firmware has it off, or the card lacks it", fix)


def _no_vfs(facts: Facts, pf: PciFunction) -> Iterator[Finding]:
    assert facts.agent is not None
    if pf.address not in vf_counts(facts.functions, facts.agent.device_specs):
        yield warning(
            _name(pf),
            f"has none of its {pf.vf_count_max} VFs, and nobody says how many it is to have",
            f"in {facts.agent.file}: `vf_count = {pf.vf_count_max}`, or fewer, in its device spec;"
            ' or `offer = "pf"`, if it is to be given away whole only',
        )


def _vf_problems(facts: Facts, pf: PciFunction, nic: NicFacts) -> Iterator[Finding]:
    vfs = [each for each in facts.functions.values() if each.pf_address == pf.address]
    ungrouped = [vf for vf in vfs if vf.iommu_group is None]
    if ungrouped and facts.machine.iommu_group_count:
        yield missing(
            _name(pf),
            f"its VF {ungrouped[0].address} is in no IOMMU group",
            "put the card into another slot, one below a root port with ACS",
        )
    unfit = [vf for vf in vfs if vf.unfit]
    if unfit:
        yield missing(
            _name(pf),
            f"{len(unfit)} of its {len(vfs)} VFs are refused to guests:"
            f" {unfit[0].address} {without_remedy(unfit[0].unfit)}",
            f"{GROUP_REMEDY}; macvtaps on them need none: {_POOL}",
        )
    if nic.vfs_managed:
        yield warning(
            _name(pf),
            "NetworkManager looks after its VFs: it may set them up, name them"
            " and ask for addresses while a guest is about to get them",
            "in /etc/NetworkManager/conf.d/trunkline.conf: `[device-trunkline]`,"
            f" `match-device=driver:{_vf_driver(vfs)}`, `managed=0`; then `systemctl"
            " reload NetworkManager`",
        )


def _vf_driver(vfs: Sequence[PciFunction]) -> str:
    return next((vf.driver for vf in vfs if vf.driver), "DRIVER-OF-THE-VFS")


def _check_specs(facts: Facts, specs: Sequence[DeviceSpec]) -> Iterator[Finding]:
    file = facts.agent.file if facts.agent else ""
    for at, spec in enumerate(specs):
        place = f"device_spec[{at}]"
        if facts.agent is not None and at in facts.agent.spec_faults:
            problem, fix = facts.agent.spec_faults[at].split("; ", 1)
            yield missing(place, problem, f"{fix}, in {file}")
            continue
        if any(spec.matches(function) for function in facts.functions.values()):
            continue
        network = f"; {spec.physical_network} has no card by it" if spec.physical_network else ""
        yield missing(
            place,
            f"matches nothing on this host{network}",
            f"mend its conditions in {file}: `lspci -Dnn` shows addresses and IDs",
        )
    for at, others in shadowed(facts.functions, specs).items():
        before = " and ".join(f"device_spec[{each}]" for each in others)
        yield warning(
            f"device_spec[{at}]",
            f"decides about nothing here: {before}, which stands before it, means all that it does",
            f"put it first in {file}, or remove it",
        )
    for problem in contradictions(facts.functions.values(), specs):
        yield missing("device_spec", problem, f"mend it in {file}")


def _name(pf: PciFunction) -> str:
    return f"card {pf.address}" + (f" ({pf.ifname})" if pf.ifname else "")


def _vfs(pf: PciFunction) -> str:
    return f"{pf.vf_count} of {pf.vf_count_max} VFs"


def _told(pf: PciFunction, said: DeviceSpec | None) -> str:
    words = [pf.driver or "no driver", _vfs(pf)]
    if pf.kind is DeviceKind.PF and pf.link_up:
        words.append("link up" if pf.speed_mbps is None else f"link up at {pf.speed_mbps} Mbit/s")
    words += [f"serial {pf.serial}"] if pf.serial else []
    words += [f"MAC {pf.mac}"] if pf.mac else []
    if said is not None and said.exclude:
        words.append("not on offer, as its device spec says")
    elif said is not None and said.physical_network is not None:
        words.append(f"on {said.physical_network}")
    return ", ".join(words)
