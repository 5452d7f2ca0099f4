"""controller.toml: what `trunkline server` needs to know.

What the file says is read whole and checked; after this it is frozen values that nobody doubts.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from trunkline.bootstrap.http_server import FINISH_SECONDS_MAX, Ending
from trunkline.bootstrap.keystone import KeystoneConfig, KeystoneTable, read_keystone_table
from trunkline.bootstrap.pci_aliases import PciAliasTable, read_aliases
from trunkline.bootstrap.policy_file import read_policy
from trunkline.bootstrap.tls import CertificateFiles
from trunkline.bootstrap.toml_reading import InvalidConfig, is_http_url, read_table, read_toml
from trunkline.control.networking import ConnectivityCheck, IdRange, Networking
from trunkline.control.pci_options import PciOptions
from trunkline.control.services import (
    DELETED_SERVERS_KEPT_DAYS,
    EVENTS_KEPT_DAYS,
    IMAGE_SIZE_BYTES_MAX,
    PLACEMENT_ATTEMPTS_MAX,
    TOKEN_LIFETIME_SECONDS,
    Limits,
)
from trunkline.domain.aggregate import DEFAULT_ZONE
from trunkline.domain.attributes import ALL_TAGS, FACTS, is_attribute
from trunkline.domain.errors import TrunklineError
from trunkline.domain.ether import VLAN_ID_MAX, VLAN_ID_MIN
from trunkline.domain.ids import PhysicalNetwork, ZoneName
from trunkline.domain.network import NetworkType
from trunkline.domain.policy.policy import DEFAULT_POLICY, Policy
from trunkline.domain.port import VnicType
from trunkline.netdrivers.registry import (
    DEFAULT_DRIVERS,
    load_network_drivers,
    require_scheduled,
)
from trunkline.placement.index.criteria import Ranking, RankingFault, make_ranking
from trunkline.vif.registry import DEFAULT_VIF_TYPES, UnknownVifType, load_vif_types

# What network drivers and PCI flavors may demand of devices. Addresses and host names are left out
# on purpose: a demand that names one is tied to one host.
DEFAULT_SCHEDULING_ATTRIBUTES: Final = (
    "vendor_id",
    "product_id",
    "dev_type",
    "driver",
    "e.physical_network",
)
_RANGE: Final = re.compile(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?")
_NAME_BYTES_MAX: Final = 255

_Name = Annotated[str, Meta(min_length=1, max_length=_NAME_BYTES_MAX)]
_Port = Annotated[int, Meta(ge=0, le=65535)]
_Positive = Annotated[int, Meta(ge=1)]
_Days = Annotated[int, Meta(ge=1, le=36_500)]


class _Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the file, as far as it can be checked by type alone."""


class _Listen(_Table, frozen=True, kw_only=True):
    address: _Name = "127.0.0.1"
    port: _Port = 8774
    tls_cert: _Name | None = None
    tls_key: _Name | None = None
    trusted_proxies: tuple[str, ...] = ()
    drain_seconds: Annotated[int, Meta(ge=0, le=600)] = 0
    finish_seconds_max: Annotated[int, Meta(ge=1, le=600)] = FINISH_SECONDS_MAX


class _Database(_Table, frozen=True, kw_only=True):
    url: _Name | None = None


class _PhysicalNetworkTable(_Table, frozen=True, kw_only=True):
    name: _Name
    vlans: tuple[str, ...] = ()
    default_vnic_type: VnicType | None = None


class _NetworkingTable(_Table, frozen=True, kw_only=True):
    tenant_network_types: tuple[NetworkType, ...] = (NetworkType.VLAN,)
    scheduling_attributes: tuple[str, ...] = DEFAULT_SCHEDULING_ATTRIBUTES
    mtu: Annotated[int, Meta(ge=68, le=65535)] = 1500
    connectivity_check: ConnectivityCheck = ConnectivityCheck.PLACEMENT
    vif_types: dict[VnicType, str] = msgspec.field(default_factory=dict)


class Identity(enum.Enum):
    """Whose the users are."""

    BUILT_IN = "built-in"
    KEYSTONE = "keystone"


class _Agents(_Table, frozen=True, kw_only=True):
    enrolment_key_file: _Name | None = None
    silent_seconds_max: _Positive = 90


class _LimitsTable(_Table, frozen=True, kw_only=True):
    image_size_bytes_max: _Positive = IMAGE_SIZE_BYTES_MAX
    token_lifetime_seconds: _Positive = TOKEN_LIFETIME_SECONDS
    placement_attempts_max: _Positive = PLACEMENT_ATTEMPTS_MAX


_Zone = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^:\s]([^:]*[^:\s])?$")]


class _Placement(_Table, frozen=True, kw_only=True):
    default_zone: _Zone = DEFAULT_ZONE
    ranking: tuple[str, ...] | None = None
    weights: dict[str, float] | None = None


class _Retention(_Table, frozen=True, kw_only=True):
    deleted_servers_days: _Days = DELETED_SERVERS_KEPT_DAYS
    events_days: _Days = EVENTS_KEPT_DAYS


class _PolicyTable(_Table, frozen=True, kw_only=True):
    file: _Name | None = None


class _File(_Table, frozen=True, kw_only=True):
    data_dir: _Name
    images_dir: _Name | None = None
    agents: _Agents = _Agents()
    public_url: _Name | None = None
    auth: Identity = Identity.BUILT_IN
    keystone: KeystoneTable = KeystoneTable()
    listen: _Listen = _Listen()
    database: _Database = _Database()
    networking: _NetworkingTable = _NetworkingTable()
    physical_network: tuple[_PhysicalNetworkTable, ...] = ()
    network_drivers: dict[str, dict[str, str]] = msgspec.field(
        default_factory=lambda: {name: dict(given) for name, given in DEFAULT_DRIVERS.items()}
    )
    pci_alias: tuple[PciAliasTable, ...] = ()
    placement: _Placement = _Placement()
    limits: _LimitsTable = _LimitsTable()
    policy: _PolicyTable = _PolicyTable()
    retention: _Retention = _Retention()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig:
    """What `controller.toml` says, checked. Paths are absolute."""

    listen_address: str
    listen_port: int
    certificate_files: CertificateFiles | None  # None: without TLS.
    trusted_proxies: tuple[str, ...]  # Addresses and networks.
    ending: Ending
    public_url: str | None  # None: as each client's Host header says.
    database_url: str = field(repr=False)  # May hold a password.
    data_dir: Path
    images_dir: Path | None  # None: below `data_dir`.
    networking: Networking
    pci: PciOptions
    ranking: Ranking
    default_zone: ZoneName
    enrolment_key_file: Path | None  # None: hosts enrol by tokens alone.
    policy: Policy
    limits: Limits
    keystone: KeystoneConfig | None  # None: users are in our own database.


def load_controller_config(path: Path) -> ControllerConfig:
    """Read and check controller.toml.

    Relative paths in it are relative to the file's directory.

    Raises:
        InvalidConfig: Something is wrong with it; every fault is told, with its place and remedy.
    """
    faults: list[str] = []
    file = read_table(_File, read_toml(path), "", faults)
    if file is None:
        raise InvalidConfig(path, faults)
    faults += _url_faults(file)
    faults += _listen_faults(file.listen)
    vlan_ranges = _vlan_ranges(file.physical_network, faults)
    faults += name_clashes([table.name for table in file.physical_network], "physical_network")
    faults += _attribute_faults(file.networking.scheduling_attributes)
    attributes = frozenset(file.networking.scheduling_attributes)
    aliases = read_aliases(file.pci_alias, attributes, faults)
    ranking = _ranking(file.placement, faults)
    networking = _networking(file, vlan_ranges, faults)
    directory = path.absolute().parent
    keystone = read_keystone_table(
        file.keystone, directory, faults, wanted=file.auth is Identity.KEYSTONE
    )
    if networking is None or ranking is None or faults:
        raise InvalidConfig(path, faults)
    data_dir = directory / file.data_dir
    return ControllerConfig(
        listen_address=file.listen.address,
        listen_port=file.listen.port,
        certificate_files=_certificate_files(file.listen, directory),
        trusted_proxies=file.listen.trusted_proxies,
        ending=Ending(
            drain_seconds=file.listen.drain_seconds,
            finish_seconds_max=file.listen.finish_seconds_max,
        ),
        public_url=file.public_url,
        database_url=file.database.url or f"sqlite:///{data_dir / 'trunkline.db'}",
        data_dir=data_dir,
        images_dir=None if file.images_dir is None else directory / file.images_dir,
        networking=networking,
        pci=PciOptions(attributes=attributes, aliases=aliases),
        ranking=ranking,
        default_zone=ZoneName(file.placement.default_zone),
        enrolment_key_file=(
            None
            if file.agents.enrolment_key_file is None
            else directory / file.agents.enrolment_key_file
        ),
        policy=DEFAULT_POLICY
        if file.policy.file is None
        else read_policy(directory / file.policy.file),
        limits=Limits(
            image_size_bytes_max=file.limits.image_size_bytes_max,
            token_lifetime_seconds=file.limits.token_lifetime_seconds,
            placement_attempts_max=file.limits.placement_attempts_max,
            host_silent_seconds_max=file.agents.silent_seconds_max,
            deleted_servers_kept_days=file.retention.deleted_servers_days,
            events_kept_days=file.retention.events_days,
        ),
        keystone=keystone,
    )


def _ranking(table: _Placement, faults: list[str]) -> Ranking | None:
    try:
        return make_ranking(table.ranking, table.weights)
    except RankingFault as found:
        key = "ranking" if table.weights is None else "weights"
        faults += [f"placement.{key}: {fault}" for fault in found.faults]
        return None


def name_clashes(names: Sequence[str], place: str) -> list[str]:
    """Tell names that are given twice, and names that differ in case only."""
    faults: list[str] = []
    seen: dict[str, str] = {}
    for at, name in enumerate(names):
        earlier = seen.setdefault(name.casefold(), name)
        if earlier is name:
            continue
        if earlier == name:
            faults.append(f"{place}[{at}].name: {name!r} is given twice; remove one of them")
        else:
            faults.append(
                f"{place}[{at}].name: {name!r} differs from {earlier!r} in case only, and is "
                "another physical network; write both alike, or rename one"
            )
    return faults


def _url_faults(file: _File) -> list[str]:
    faults: list[str] = []
    if file.public_url is not None and not is_http_url(file.public_url):
        faults.append("public_url: not a URL; write http(s)://HOST[:PORT]")
    url = file.database.url
    if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        # The URL is not shown: it may hold a password.
        faults.append(
            "database.url: neither sqlite:///PATH nor "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; write one of them"
        )
    return faults


def _listen_faults(table: _Listen) -> list[str]:
    faults: list[str] = []
    if (table.tls_cert is None) is not (table.tls_key is None):
        lacking = "tls_cert" if table.tls_cert is None else "tls_key"
        faults.append(f"listen.{lacking}: missing; certificate and key are given both or neither")
    for at, proxy in enumerate(table.trusted_proxies):
        try:
            ip_network(proxy)
        except ValueError as problem:
            faults.append(f"listen.trusted_proxies[{at}]: no address or network: {problem}")
    return faults


def _certificate_files(table: _Listen, directory: Path) -> CertificateFiles | None:
    if table.tls_cert is None or table.tls_key is None:
        return None
    return CertificateFiles(directory / table.tls_cert, directory / table.tls_key)


def _vlan_ranges(
    tables: Sequence[_PhysicalNetworkTable], faults: list[str]
) -> dict[PhysicalNetwork, tuple[IdRange, ...]]:
    ranges: dict[PhysicalNetwork, tuple[IdRange, ...]] = {}
    for at, table in enumerate(tables):
        place = f"physical_network[{at}].vlans"
        found: list[tuple[int, IdRange]] = []
        for position, text in enumerate(table.vlans):
            parsed = _vlan_range(text)
            if isinstance(parsed, str):
                faults.append(f"{place}[{position}]: {parsed}")
            else:
                found.append((position, parsed))
        faults += _overlaps(found, place)
        ranges[PhysicalNetwork(table.name)] = tuple(parsed for _, parsed in found)
    return ranges


def _vlan_range(text: str) -> IdRange | str:
    """Read ``100-199`` or ``100``; what is wrong with it, if something is."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return f'{text!r} is no range; write "100-199", or "100" for one'
    low = int(match[1])
    high = int(match[2]) if match[2] else low
    if low > high:
        return f"{text!r} ends before it begins; write {high}-{low}"
    if low < VLAN_ID_MIN or high > VLAN_ID_MAX:
        return f"{text!r} goes beyond the VLAN IDs that there are ({VLAN_ID_MIN}-{VLAN_ID_MAX})"
    return IdRange(low, high)


def _overlaps(found: Sequence[tuple[int, IdRange]], place: str) -> list[str]:
    in_order = sorted(found, key=lambda item: (item[1].low, item[1].high))
    return [
        f"{place}[{later_at}]: {later.low}-{later.high} overlaps {earlier.low}-{earlier.high} of "
        f"{place}[{earlier_at}]; make them one range"
        for (earlier_at, earlier), (later_at, later) in pairwise(in_order)
        if later.low <= earlier.high
    ]


def _attribute_faults(attributes: Sequence[str]) -> list[str]:
    return [
        f"networking.scheduling_attributes[{at}]: {attribute!r} is no attribute of devices; there "
        f"are {', '.join(sorted(FACTS))}, and e.NAME for each tag NAME of your device specs, or "
        f"{ALL_TAGS} for all of them"
        for at, attribute in enumerate(attributes)
        if attribute != ALL_TAGS and not is_attribute(attribute)
    ]


def _networking(
    file: _File, vlan_ranges: Mapping[PhysicalNetwork, tuple[IdRange, ...]], faults: list[str]
) -> Networking | None:
    """Load the network drivers, and check that placement looks at what they demand."""
    try:
        drivers = load_network_drivers(file.network_drivers)
        require_scheduled(drivers, file.networking.scheduling_attributes)
    except TrunklineError as problem:
        faults.append(f"network_drivers: {problem}")
        return None
    served = defaultdict(list)
    for driver in drivers:
        for kind in driver.network_types:
            served[kind].append(driver.name)
    for at, kind in enumerate(file.networking.tenant_network_types):
        if kind not in served:
            faults.append(
                f"networking.tenant_network_types[{at}]: no network driver serves {kind.value}; "
                "add one under network_drivers, or remove it here"
            )
        elif kind is NetworkType.VLAN and not any(vlan_ranges.values()):
            faults.append(
                f"networking.tenant_network_types[{at}]: no physical network has VLANs for them; "
                'add `vlans = ["100-199"]` to one, or remove vlan here'
            )
    return Networking(
        vlan_ranges=MappingProxyType(dict(vlan_ranges)),
        drivers=drivers,
        tenant_network_types=file.networking.tenant_network_types,
        preferred_vif_types=_vif_types(file.networking.vif_types, faults),
        mtu=file.networking.mtu,
        default_vnic_types={
            PhysicalNetwork(table.name): table.default_vnic_type
            for table in file.physical_network
            if table.default_vnic_type is not None
        },
        connectivity_check=file.networking.connectivity_check,
    )


def _vif_types(wanted: Mapping[VnicType, str], faults: list[str]) -> Mapping[VnicType, str]:
    """Complete the VIF types that are preferred; each must be installed."""
    installed = load_vif_types()
    for vnic_type, name in wanted.items():
        try:
            installed.get(name, vnic_type)
        except UnknownVifType as problem:
            faults.append(f"networking.vif_types.{vnic_type.value}: {problem}")
    return MappingProxyType({**DEFAULT_VIF_TYPES, **wanted})
