"""Fleet files: simulated hosts, written down in TOML by groups of equal ones.

    [[host]]
    name = "h{1..4}"            # h1, h2, h3, h4; or "h{1..}" with count = 4
    vcpus = 16
    memory_mib = 65536
    disk_gib = 500
    bridges = { phy1 = "br-phy1" }

    [[host.numa]]
    number = 0
    socket = 0
    cpus = "0-7"
    memory_mib = 32768

    [[host.card]]
    driver = "ixgbe"
    address = "0000:05:00.0"    # of its first PF
    vf_count = 8

    [[host.function]]           # without SR-IOV: a GPU, an accelerator
    address = "0000:c1:00.0"
    vendor_id = "10de"
    product_id = "20b0"
    driver = "nvidia"

    [[host.device_spec]]        # see `domain.device_spec`
    address = "0000:05:*.*"
    physical_network = "phy1"

What is not said is derived: product ID, netdev names, MACs and serial numbers, alike in each run.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from trunkline.domain.device_spec import DeviceSpec, contradictions
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.host import COUNT_MAX, HostResources
from trunkline.domain.ids import HostName, PhysicalNetwork
from trunkline.domain.numa import NumaNode
from trunkline.host import machine
from trunkline.host.fake_bridges import make_port
from trunkline.host.fleet_cards import (
    CardEntry,
    all_addresses,
    card_faults,
    make_pfs,
    overlap_faults,
)
from trunkline.host.fleet_numa import NumaEntry, make_node, numa_faults
from trunkline.host.fleet_plain import PlainEntry, clash_faults, make_plain, plain_faults
from trunkline.host.machine import KernelState, PfRecord, VfRecord
from trunkline.wire import json

HOSTS_MAX: Final = 20_000  # Twice what placement is measured with; a thousand take a few seconds.
_FILE_BYTES_MAX: Final = 1 << 20  # A fleet file is written by hand.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_RANGE = re.compile(r"\{(\d+)\.\.(\d*)\}")

T = TypeVar("T")


class InvalidFleet(TrunklineError):
    """A fleet file can't be used; `faults` has every reason that was found."""

    code = "host.invalid_fleet"
    kind = ErrorKind.INVALID

    def __init__(self, file: str, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))
        self.faults = tuple(faults)


class _HostEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[host]]`, as far as it can be checked by type alone."""

    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    count: int | None = None
    bridges: dict[str, str] = msgspec.field(default_factory=dict)
    numa: list[dict[str, Any]] = msgspec.field(default_factory=list)
    card: list[dict[str, Any]] = msgspec.field(default_factory=list)
    function: list[dict[str, Any]] = msgspec.field(default_factory=list)
    device_spec: list[dict[str, Any]] = msgspec.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class HostGroup:
    """Hosts that differ in nothing but name and numbers."""

    names: tuple[HostName, ...]
    vcpus: int
    memory_mib: int
    disk_gib: int
    bridges: Mapping[PhysicalNetwork, str]
    numa_nodes: tuple[NumaNode, ...]
    cards: tuple[CardEntry, ...]
    plain: tuple[PlainEntry, ...]
    raw_device_specs: tuple[Mapping[str, object], ...]
    device_specs: tuple[DeviceSpec, ...]


@dataclass(frozen=True, kw_only=True)
class HostDefinition:
    """One simulated host, as it is to be made."""

    name: HostName
    resources: HostResources
    kernel: KernelState
    raw_device_specs: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A fleet file, checked."""

    groups: tuple[HostGroup, ...]

    @property
    def host_names(self) -> tuple[HostName, ...]:
        """Every host, in the order of the file."""
        return tuple(name for group in self.groups for name in group.names)

    def hosts(self) -> Iterator[HostDefinition]:
        """Every host, one at a time: a large fleet is not held in memory."""
        number, pfs_before = 0, 0
        for group in self.groups:
            for name in group.names:
                number += 1
                pfs = make_pfs(name, group.cards, pfs_before=pfs_before)
                pfs_before += len(pfs)
                yield HostDefinition(
                    name=name,
                    resources=HostResources(
                        vcpus=group.vcpus,
                        memory_mib=group.memory_mib,
                        disk_gib=group.disk_gib,
                        address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
                        bridges=group.bridges,
                        numa_nodes=group.numa_nodes,
                    ),
                    kernel=KernelState(
                        name=name,
                        pfs=pfs,
                        plain=make_plain(group.plain),
                        bridges=sorted(group.bridges.values()),
                        ports=[
                            make_port(bridge, f"uplink{at}", is_uplink=True)
                            for at, bridge in enumerate(sorted(group.bridges.values()))
                        ],
                        numa_nodes=list(group.numa_nodes),
                    ),
                    raw_device_specs=group.raw_device_specs,
                )


def shipped_fleets() -> Mapping[str, Path]:
    """The fleet files that come with Trunkline, by name."""
    folder = Path(str(resources.files("trunkline").joinpath("fleets")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find_fleet(name: str) -> Path:
    """Return the file that a user means by `name`: a shipped fleet's name, or a path.

    Raises:
        InvalidFleet: It is neither.
    """
    shipped = shipped_fleets()
    path = shipped.get(name) or Path(name)
    if not path.exists():
        raise InvalidFleet(name, [f"no such file, and no shipped fleet ({', '.join(shipped)})"])
    return path


def load_fleet(path: Path) -> Fleet:
    """Read and check a fleet file.

    Raises:
        InvalidFleet: It can't be read, or has mistakes; each is told with its place.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
        if len(data) > _FILE_BYTES_MAX:
            raise InvalidFleet(str(path), [f"larger than {_FILE_BYTES_MAX} bytes"])
        table = tomllib.loads(data.decode())
    except OSError as fault:
        raise InvalidFleet(str(path), [fault.strerror or str(fault)]) from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise InvalidFleet(str(path), [f"not TOML: {fault}"]) from fault
    return parse_fleet(table, file=str(path))


def parse_fleet(table: Mapping[str, Any], *, file: str = "fleet") -> Fleet:
    """Check a fleet that is parsed TOML.

    Raises:
        InvalidFleet: It has mistakes; each is told with its place.
    """
    faults = [f"{key}: unknown; a fleet has [[host]] only" for key in table if key != "host"]
    entries = table.get("host")
    if not isinstance(entries, list) or not entries:
        raise InvalidFleet(file, [*faults, "host: there is none; add a [[host]] table"])
    groups: list[HostGroup] = []
    places: dict[str, str] = {}
    for index, entry in enumerate(entries):
        place = f"host[{index}]"
        group = _group(entry, place, faults)
        if group is None:
            continue
        groups.append(group)
        for name in group.names:
            if name in places:
                faults.append(f"{place}.name: {name} is in {places[name]} already; rename one")
                break
            places[name] = place
    if len(places) > HOSTS_MAX:
        faults.append(f"host: {len(places)} hosts; at most {HOSTS_MAX} can be simulated")
    fleet = Fleet(groups=tuple(groups))
    if not faults:
        faults.extend(_equal_macs(fleet))
    if faults:
        raise InvalidFleet(file, faults)
    return fleet


def _converted(raw: object, type_: type[T], place: str, faults: list[str]) -> T | None:
    try:
        return json.convert(raw, type_)
    except msgspec.ValidationError as fault:
        # msgspec tells the place after the fault: "Expected `int`, got `str` - at `$.vf_count`".
        problem, _, at = str(fault).partition(" - at `$")
        where = place + at.rstrip("`")
        if "unknown field" in problem and isinstance(type_, type(msgspec.Struct)):
            known = ", ".join(each.name for each in msgspec.structs.fields(type_))
            problem += f"; known are {known}"
        faults.append(f"{where}: {problem[0].lower()}{problem[1:]}")
        return None


def _group(raw: object, place: str, faults: list[str]) -> HostGroup | None:
    """Check one [[host]] table; None when it is too wrong to look further."""
    before = len(faults)
    entry = _converted(raw, _HostEntry, place, faults)
    if entry is None:
        return None
    names = _names(entry, place, faults)
    sizes = {"vcpus": entry.vcpus, "memory_mib": entry.memory_mib, "disk_gib": entry.disk_gib}
    faults.extend(f"{place}.{key}: {size} is negative" for key, size in sizes.items() if size < 0)
    faults.extend(
        f"{place}.{key}: {size} is more than {COUNT_MAX}; write less"
        for key, size in sizes.items()
        if size > COUNT_MAX
    )
    cards: list[CardEntry] = []
    for index, raw_card in enumerate(entry.card):
        card = _converted(raw_card, CardEntry, f"{place}.card[{index}]", faults)
        if card is not None:
            found = card_faults(card, f"{place}.card[{index}]", host_count=len(names))
            faults.extend(found)
            if not found:
                cards.append(card)
    plain = _plain(entry, place, faults)
    nodes = _nodes(entry, place, faults)
    specs: tuple[DeviceSpec, ...] = ()
    try:
        specs = parse_device_specs(entry.device_spec, path=f"{place}.device_spec")
    except InvalidDeviceSpecs as invalid:
        faults.extend(invalid.faults)
    if len(faults) == before:
        faults.extend(_host_faults(entry, cards, plain, nodes, specs, place))
    return HostGroup(
        names=names,
        vcpus=entry.vcpus,
        memory_mib=entry.memory_mib,
        disk_gib=entry.disk_gib,
        bridges={PhysicalNetwork(key): value for key, value in entry.bridges.items()},
        numa_nodes=nodes,
        cards=tuple(cards),
        plain=plain,
        raw_device_specs=tuple(entry.device_spec),
        device_specs=specs,
    )


def _plain(entry: _HostEntry, place: str, faults: list[str]) -> tuple[PlainEntry, ...]:
    found: list[PlainEntry] = []
    for index, raw in enumerate(entry.function):
        where = f"{place}.function[{index}]"
        plain = _converted(raw, PlainEntry, where, faults)
        if plain is not None:
            faults.extend(plain_faults(plain, where))
            found.append(plain)
    return tuple(found)


def _nodes(entry: _HostEntry, place: str, faults: list[str]) -> tuple[NumaNode, ...]:
    found: list[NumaNode] = []
    for index, raw in enumerate(entry.numa):
        where = f"{place}.numa[{index}]"
        node = _converted(raw, NumaEntry, where, faults)
        if node is not None:
            try:
                found.append(make_node(node))
            except ValueError as fault:
                faults.append(f"{where}: {fault}")
    return tuple(found)


def _names(entry: _HostEntry, place: str, faults: list[str]) -> tuple[HostName, ...]:
    """Expand `h{1..4}`; a range that begins with zeros keeps its width."""
    count = entry.count
    if count is not None and not 1 <= count <= HOSTS_MAX:
        faults.append(f"{place}.count: {count} is not between 1 and {HOSTS_MAX}")
        return ()
    ranges = list(_RANGE.finditer(entry.name))
    if len(ranges) > 1:
        faults.append(f"{place}.name: {entry.name!r} has several ranges; keep one")
        return ()
    if not ranges:
        if count not in (None, 1):
            faults.append(
                f"{place}.name: {count} hosts can't all be {entry.name!r};"
                f' write name = "{entry.name}-{{1..}}"'
            )
            return ()
        names = [entry.name]
    else:
        first_text, last_text = ranges[0].groups()
        first = int(first_text)
        if last_text:
            length = int(last_text) - first + 1
        elif count is not None:
            length = count
        else:
            faults.append(f"{place}.count: missing; {entry.name!r} has no end without it")
            return ()
        if not 1 <= length <= HOSTS_MAX:
            faults.append(f"{place}.name: {entry.name!r} is not 1 to {HOSTS_MAX} hosts")
            return ()
        if count not in (None, length):
            faults.append(
                f"{place}.count: {count}, but {entry.name!r} names {length}; remove the count"
            )
        width = len(first_text) if first_text.startswith("0") else 0
        head, tail = entry.name[: ranges[0].start()], entry.name[ranges[0].end() :]
        names = [f"{head}{number:0{width}}{tail}" for number in range(first, first + length)]
    if not _NAME.fullmatch(names[0]) or not _NAME.fullmatch(names[-1]):
        faults.append(
            f"{place}.name: {names[0]!r} is not a host name;"
            " use a-z, 0-9, - and ., at most 63 characters"
        )
        return ()
    return tuple(HostName(name) for name in names)


def _host_faults(
    entry: _HostEntry,
    cards: Sequence[CardEntry],
    plain_entries: Sequence[PlainEntry],
    nodes: Sequence[NumaNode],
    specs: Sequence[DeviceSpec],
    place: str,
) -> Iterator[str]:
    """What can only be seen with all cards of a host, and all specs, together."""
    pfs = make_pfs("any", cards, pfs_before=0)
    plain = make_plain(plain_entries)
    of_cards = (address for pf in pfs for address in all_addresses(pf))
    overlaps = (
        *overlap_faults(pfs, cards, tuple(entry.bridges.values()), place),
        *clash_faults(plain, of_cards, place),
    )
    yield from overlaps
    yield from numa_faults(nodes, pfs, plain, memory_mib=entry.memory_mib, place=place)
    if overlaps:
        return
    for pf in pfs:
        pf.vfs = [VfRecord() for _ in range(pf.vf_count_at_boot)]
    functions = tuple(machine.functions(KernelState(name="any", pfs=pfs, plain=plain)).values())
    for fault in contradictions(functions, specs):
        yield f"{place}.device_spec: {fault}"
    for index, spec in enumerate(specs):
        if not any(spec.matches(function) for function in functions):
            yield (
                f"{place}.device_spec[{index}]: matches no function of these hosts;"
                " correct or remove it"
            )


def _equal_macs(fleet: Fleet) -> Iterator[str]:
    owners: dict[str, PfRecord] = {}
    hosts: dict[str, HostName] = {}
    if not any(card.mac for group in fleet.groups for card in group.cards):
        return  # Derived ones can't be equal.
    for host in fleet.hosts():
        for pf in host.kernel.pfs:
            mac = str(pf.mac)
            if mac in owners:
                yield (
                    f"card.mac: {mac} is PF {pf.address} of {host.name} and"
                    f" {owners[mac].address} of {hosts[mac]}; change one"
                )
            owners[mac], hosts[mac] = pf, host.name
