"""The body of ``POST /servers`` as a `ServerCreate`. What would have no effect is refused, by name.

Nova's clients send more than is served here. Whatever is asked for and would be dropped without
a word is an error that says so; only values that mean "the default" pass.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from trunkline.api.compute.owner_fields import (
    access_ipv4,
    access_ipv6,
    admin_password,
    disk_config,
)
from trunkline.api.compute.server_metadata import parse_metadata
from trunkline.api.compute.server_tags import parse_tags
from trunkline.api.hints import Hints, parse_hints
from trunkline.api.parsing import Fields
from trunkline.api.versions import Microversion
from trunkline.control.requests import NicPolicy, NicRequest, ServerCreate, given
from trunkline.control.servers import NAME_CHARS_MAX
from trunkline.domain.ids import FlavorId, HostName, ImageId, NetworkId, PortId, ZoneName, is_uuid
from trunkline.domain.port import parse_vnic_type
from trunkline.domain.server import DiskConfig
from trunkline.domain.server_labels import tag_problem

USER_DATA_CHARS_MAX: Final = 65_535  # Nova's: a MEDIUMTEXT would be larger, guests never need it.
GROUPS_MAX: Final = 64  # More rules than anybody reads.
NICS_MAX: Final = 64  # More PCI slots than a guest's root bus has.

# The minor version that brought each field; before it the field is unknown, as it is in Nova.
_SINCE: Final[Mapping[str, int]] = MappingProxyType({
    "name": 1, "flavorRef": 1, "imageRef": 1, "networks": 1, "metadata": 1, "config_drive": 1,
    "user_data": 1, "availability_zone": 1, "min_count": 1, "max_count": 1, "key_name": 1,
    "security_groups": 1, "adminPass": 1, "accessIPv4": 1, "accessIPv6": 1,
    "OS-DCF:diskConfig": 1, "block_device_mapping": 1, "block_device_mapping_v2": 1,
    "return_reservation_id": 1, "personality": 1, "description": 19, "tags": 52,
    "trusted_image_certificates": 63, "host": 74, "hypervisor_hostname": 74, "hostname": 90,
})  # fmt: skip
_GONE: Final[Mapping[str, int]] = MappingProxyType({"personality": 57})

# Fields that do nothing here, each with the values that ask for nothing, and why others fail.
_WITHOUT_EFFECT: Final[Mapping[str, tuple[tuple[object, ...], str]]] = MappingProxyType({
    "block_device_mapping": (([], None), "use block_device_mapping_v2"),
    "personality": (([],), "files are not put into guests; use user_data"),
    "trusted_image_certificates": ((None, []), "image signatures are not checked"),
})  # fmt: skip

# Top-level keys beside "server".
_HINTS: Final = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")

_HOSTNAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCreate:
    """Servers that are alike, as many as fit between two numbers; most often one."""

    server: ServerCreate
    least: int
    most: int
    by_reservation: bool  # Answer with what they have in common, not with the first one's ID.


def parse_server_create(body: Fields, version: Microversion) -> BatchCreate:
    """Return what is asked for; raise `Invalid` for what is malformed, unknown, or not served."""
    body.require_only(("server", *_HINTS))
    hints = _hints(body)
    server = body.fields("server")
    _require_known(server, version)
    for name, (meaningless, why) in _WITHOUT_EFFECT.items():
        if name in server and server.raw(name) not in meaningless:
            raise server.invalid(name, why)
    least, most = _counts(server)
    image_id = image_ref(server)
    zone, host = _zone_and_host(server)
    _check_block_devices(server, image_id)
    request = ServerCreate(
        name=server_name(server),
        flavor_id=_flavor(server),
        image_id=image_id,
        nics=_nics(server, version),
        rules=hints.rules,
        group_id=hints.group_id,
        zone=zone,
        host=host,
        description=server_description(server),
        metadata=parse_metadata(server),
        tags=parse_tags(server),
        security_groups=_security_groups(server),
        config_drive=_config_drive(server),
        key_name=key_name(server),
        user_data=user_data(server),
        hostname=hostname(server),
        admin_password=admin_password(server),
        access_ipv4=given(access_ipv4(server), ""),
        access_ipv6=given(access_ipv6(server), ""),
        disk_config=given(disk_config(server), DiskConfig.MANUAL),
        scheduler_hints=_hints_as_sent(body),
    )
    return BatchCreate(
        server=request,
        least=least,
        most=most,
        by_reservation=bool(server.boolean("return_reservation_id", default=False)),
    )


def server_name(server: Fields) -> str:
    """Read a server's name."""
    name = server.text("name", length_min=1, length_max=NAME_CHARS_MAX)
    if name != name.strip() or not name.isprintable():
        raise server.invalid("name", "must be printable, with no space at either end")
    return name


def server_description(server: Fields) -> str | None:
    """Read a server's description."""
    description = server.text("description", None, length_max=NAME_CHARS_MAX)
    if description is not None and not all(c.isprintable() or c in "\n\t" for c in description):
        raise server.invalid("description", "has characters that can't be printed")
    return description


def _hints(body: Fields) -> Hints:
    given = [hints for name in _HINTS if (hints := body.fields(name, None)) is not None]
    read = [parse_hints(hints, of_servers=True) for hints in given]
    return Hints(
        rules=tuple(rule for hints in read for rule in hints.rules),
        group_id=next((hints.group_id for hints in read if hints.group_id), None),
    )


def _hints_as_sent(body: Fields) -> Mapping[str, object]:
    """Return the hints as they were sent."""
    return {key: value for name in _HINTS for key, value in body.mapping(name, {}).items()}


def _require_known(server: Fields, version: Microversion) -> None:
    known = {
        name
        for name, since in _SINCE.items()
        if since <= version.minor < _GONE.get(name, version.minor + 1)
    }
    for name in server.names():
        if name in _SINCE and name not in known:
            since = _SINCE[name]
            when = f"from 2.{since} on" if since > 1 else f"before 2.{_GONE[name]}"
            raise server.invalid(name, f"is known {when} only; this request is of {version}")
    server.require_only(known)


def _counts(server: Fields) -> tuple[int, int]:
    """Return how many servers at least, and at most."""
    least = server.integer("min_count", 1, low=1, high=2**31 - 1)
    most = server.integer("max_count", least, low=1, high=2**31 - 1)
    if least > most:
        raise server.invalid("min_count", "must not be greater than max_count")
    return least, most


def _flavor(server: Fields) -> FlavorId:
    value = server.raw("flavorRef")
    if isinstance(value, int) and not isinstance(value, bool):
        return FlavorId(str(value))
    # A link to the flavor is as good as its ID.
    flavor_id = server.text("flavorRef", length_min=1, length_max=2048).rpartition("/")[2]
    if not flavor_id:
        raise server.invalid("flavorRef", "must end in the flavor's ID")
    return FlavorId(flavor_id)


def image_ref(server: Fields) -> ImageId | None:
    """Read the image that the disk is made from; None: it is to be blank."""
    value = server.text("imageRef", None, length_max=2048)
    if not value:
        return None
    image_id = value.rpartition("/")[2]
    if not is_uuid(image_id):
        raise server.invalid("imageRef", "must be the image's UUID, or empty")
    return ImageId(_canonical(image_id))


def _check_block_devices(server: Fields, image_id: ImageId | None) -> None:
    """Take the two forms that mean a local root disk: a copy of the image, or a blank one."""
    disks = server.objects("block_device_mapping_v2", None)
    if disks is None:
        if image_id is None:
            raise server.invalid(
                "imageRef", "is required, or a blank local disk in block_device_mapping_v2"
            )
        return
    if len(disks) != 1:
        raise server.invalid("block_device_mapping_v2", "a server has one disk, its root disk")
    _check_root_disk(disks[0], image_id)


def _check_root_disk(disk: Fields, image_id: ImageId | None) -> None:
    disk.require_only(_DISK_FIELDS)
    source = disk.text("source_type")
    target = disk.text("destination_type", "local")
    if source in ("volume", "snapshot") or target != "local":
        raise disk.invalid("destination_type", "volumes are not served: disks are local")
    if source not in ("image", "blank"):
        raise disk.invalid("source_type", "must be image or blank")
    if disk.raw("boot_index") not in (0, "0"):
        raise disk.invalid("boot_index", "must be 0: a server has one disk, its root disk")
    for name, meaningless, why in _DISK_WITHOUT_EFFECT:
        if disk.raw(name) not in meaningless:
            raise disk.invalid(name, why)
    disk.integer("volume_size", None, low=1, high=2**31 - 1)
    if source == "blank":
        if image_id is not None:
            raise disk.invalid("source_type", "must be image where imageRef names one")
    elif image_id is None or _canonical(disk.uuid("uuid")) != image_id:
        raise disk.invalid("uuid", "must be the image that imageRef names")


# The root disk has the flavor's size, so a blank one's `volume_size` says nothing new; the client
# can't leave it out.
_DISK_FIELDS: Final = (
    "boot_index", "delete_on_termination", "destination_type", "device_name", "device_type",
    "disk_bus", "guest_format", "no_device", "source_type", "tag", "uuid", "volume_size",
    "volume_type",
)  # fmt: skip
_DISK_WITHOUT_EFFECT: Final[tuple[tuple[str, tuple[object, ...], str], ...]] = (
    ("delete_on_termination", (None, True, "true", "True"), "a local disk goes with its server"),
    ("device_name", (None, "", "vda", "/dev/vda"), "the root disk is /dev/vda"),
    ("device_type", (None, "", "disk"), "the root disk is a disk"),
    ("disk_bus", (None, "", "virtio"), "the root disk is on virtio"),
    ("guest_format", (None, ""), "the root disk is not formatted"),
    ("no_device", (None, False, ""), "a server has a root disk"),
    ("tag", (None, ""), "only NICs have tags"),
    ("volume_type", (None, ""), "volumes are not served"),
)


def _nics(server: Fields, version: Microversion) -> tuple[NicRequest, ...] | NicPolicy:
    value = server.raw("networks")
    if value is None and version.minor >= 37:
        raise server.invalid("networks", "is required from 2.37 on: a list, auto or none")
    if isinstance(value, str) and version.minor >= 37:
        if value not in ("auto", "none"):
            raise server.invalid("networks", "must be a list, auto or none")
        return NicPolicy(value)
    nics = server.objects("networks", None)
    if not nics:
        return NicPolicy.AUTO
    if len(nics) > NICS_MAX:
        raise server.invalid("networks", f"a server has {NICS_MAX} NICs at most")
    return tuple(_nic(nic, version) for nic in nics)


def _nic(nic: Fields, version: Microversion) -> NicRequest:
    # Nova forgot tags from 2.37 to 2.41.
    has_tag = version.minor >= 42 or 32 <= version.minor <= 36
    nic.require_only(
        ("uuid", "port", "fixed_ip", "vnic_type", "pci_flavor", *(("tag",) if has_tag else ()))
    )
    tag = nic.text("tag", None) or None
    if tag is not None and (problem := tag_problem(tag)) is not None:
        raise nic.invalid("tag", problem)
    port_id = nic.uuid("port", None)
    network_id = nic.uuid("uuid", None)
    fixed_ip = nic.text("fixed_ip", None)
    # Nova has neither of these two: there, both are said with a port.
    vnic_type = nic.parsed("vnic_type", parse_vnic_type, None)
    pci_flavor = nic.text("pci_flavor", None) or None
    if port_id is not None:
        if fixed_ip is not None:
            raise nic.invalid("fixed_ip", "a port has its addresses already")
        # As Nova: the port goes first.
        return NicRequest(
            port_id=PortId(_canonical(port_id)),
            vnic_type=vnic_type,
            pci_flavor=pci_flavor,
            tag=tag,
        )
    if network_id is None:
        raise nic.invalid("uuid", "a NIC names a network (uuid) or a port")
    return NicRequest(
        network_id=NetworkId(_canonical(network_id)),
        fixed_ip=fixed_ip,
        vnic_type=vnic_type,
        pci_flavor=pci_flavor,
        tag=tag,
    )


def _zone_and_host(server: Fields) -> tuple[ZoneName | None, HostName | None]:
    """Return the zone, and the host that is named in whichever of the three ways."""
    host = server.text("host", None, length_min=1)
    node = server.text("hypervisor_hostname", None, length_min=1)
    zone_name = server.text("availability_zone", None)
    if host is not None and node is not None and host != node:
        raise server.invalid("hypervisor_hostname", f"a host has one hypervisor; {host!r} is named")
    named = host or node
    zone_part, colon, place = (zone_name or "").partition(":")
    zone = ZoneName(zone_part) if zone_part else None
    if not colon:
        return zone, None if named is None else HostName(named)
    if named is not None:
        raise server.invalid("availability_zone", "names a host, and so does another field")
    host_part, _, node_part = place.partition(":")
    if not (host_part or node_part) or (host_part and node_part and host_part != node_part):
        raise server.invalid("availability_zone", "must be ZONE or ZONE:HOST")
    return zone, HostName(host_part or node_part)


def _security_groups(server: Fields) -> tuple[str, ...]:
    """Return the names or IDs that are given, each once."""
    given = server.objects("security_groups", None) or []
    if len(given) > GROUPS_MAX:
        raise server.invalid("security_groups", f"name {GROUPS_MAX} groups at most")
    for group in given:
        group.require_only(("name",))
    names = [group.text("name", length_min=1, length_max=NAME_CHARS_MAX) for group in given]
    return tuple(dict.fromkeys(names))


def _config_drive(server: Fields) -> bool:
    if server.raw("config_drive") in ("", None):
        return False
    return server.boolean("config_drive")


def key_name(server: Fields) -> str | None:
    """Read the name of a key pair."""
    return server.text("key_name", None, length_min=1, length_max=NAME_CHARS_MAX)


def user_data(server: Fields) -> str | None:
    """Read what software in the guest is to do with itself."""
    data = server.text("user_data", None, length_max=USER_DATA_CHARS_MAX)
    if not data:
        return None
    try:
        base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise server.invalid("user_data", "must be base64") from None
    return data


def hostname(server: Fields) -> str | None:
    """Read the name that the guest is to give itself."""
    name = server.text("hostname", None, length_min=1)
    if name is not None and not _HOSTNAME.fullmatch(name):
        raise server.invalid("hostname", "must be a host name: letters, digits, hyphens, dots")
    return name


def _canonical(text: str) -> str:
    """Return a UUID in the one form that IDs are stored in."""
    return str(uuid.UUID(text))
