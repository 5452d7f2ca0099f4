"""The least change that would make a request fit on one host, as a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import HostName
from trunkline.placement import wording
from trunkline.placement.demand import NicClass, make_demand, nic_class
from trunkline.placement.host_state import HostState
from trunkline.placement.request import PlacementRequest, Reason
from trunkline.placement.shortfall import Change, Shortfall


def changes_sentence(
    request: PlacementRequest, host: HostState, reasons: tuple[Reason, ...], shortfall: Shortfall
) -> str:
    """E.g. `enable h3; and one more free VF with e.physical_network=phy2 on h3 (for nic 1)`."""
    parts = [
        *_of_host(request, host, reasons),
        *_of_bridges(request, host),
        *_of_devices(request, host, shortfall),
    ]
    return "; and ".join(parts)


def _of_host(
    request: PlacementRequest, host: HostState, reasons: tuple[Reason, ...]
) -> Iterator[str]:
    for reason in reasons:
        match reason:
            case Reason.NOT_THE_HOST_ASKED_FOR:
                yield f"ask for {host.name} instead of {request.only_host}"
            case Reason.EXCLUDED:
                yield f"let {host.name} be tried again, which has refused this server"
            case Reason.DISABLED:
                yield f"enable {host.name}"
            case Reason.DOWN:
                yield f"bring back the agent of {host.name}"
            case Reason.NO_VCPUS:
                short = request.vcpus - host.free_vcpus
                yield wording.amount(short, "free vCPU", "free vCPUs") + f" on {host.name}"
            case Reason.NO_MEMORY:
                short = request.memory_mib - host.free_memory_mib
                unit = "MiB of free memory"
                yield wording.amount(short, unit, unit) + f" on {host.name}"
            case Reason.NO_DISK:
                short = request.disk_gib - host.free_disk_gib
                unit = "GiB of free disk"
                yield wording.amount(short, unit, unit) + f" on {host.name}"
            case _:
                raise AssertionError(f"{reason} is no reason of a host")


def _of_bridges(request: PlacementRequest, host: HostState) -> Iterator[str]:
    for nic in request.nics:
        wanted = nic_class(nic).bridges
        if nic.kind is None and not wanted & host.structure.bridges:
            if wanted:
                yield f"a bridge on {' or '.join(sorted(wanted))} at {host.name} (for {nic.nic})"
            else:
                yield f"a network for {nic.nic} that a bridge can reach"


def _of_devices(request: PlacementRequest, host: HostState, shortfall: Shortfall) -> Iterator[str]:
    classes = [one for one, _ in make_demand(replace(request, rules=())).device_classes]
    nics: Mapping[NicClass, list[str]] = {
        one: [nic.nic for nic in request.nics if nic_class(nic) == one] for one in classes
    }
    merged: dict[int, int] = {}  # [class] VFs and other slices to be freed, whatever the PF.
    for change in shortfall.changes:
        if change.class_index is None:
            yield f"free PF {_address(host, change)} on {host.name}, whose VFs are wanted"
            continue
        one = classes[change.class_index]
        names = nics[one]
        if change.family is None:
            yield _to_offer(one, change.count, names, host.name)
        elif one.kind is DeviceKind.PF and change.device_kind is DeviceKind.VF:
            vfs = wording.devices(change.count, DeviceKind.VF)
            yield (
                f"free PF {_address(host, change)} on {host.name} of the owners of {vfs}"
                f" (for {wording.names(names)})"
            )
        else:
            merged[change.class_index] = merged.get(change.class_index, 0) + change.count
    for c, count in merged.items():
        what = wording.wanted(classes[c], count=count, quality="free ")
        yield f"{what} on {host.name} (for {wording.names(nics[classes[c]][-count:])})"


def _to_offer(one: NicClass, count: int, names: list[str], host: HostName) -> str:
    who = wording.names(names[-count:])
    if not one.ways:
        return f"a demand of {who} that some device could meet"
    return f"{wording.wanted(one, count=count, quality='')} on offer on {host} (for {who})"


def _address(host: HostState, change: Change) -> str:
    assert change.family is not None
    return host.addresses[change.family] or "?"
