"""What a guest is told on its config drive, as files. The same for the same server, to the byte.

The layout is OpenStack's, which cloud-init reads. Source: Nova, doc/source/user/metadata.rst and
doc/api_schemas/network_data.json; cloud-init, sources/helpers/openstack.py.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.reconcile.desired import GuestAddress, GuestData, NicConfig, ServerConfig
from trunkline.wire.json import encode

LABEL: Final = "config-2"  # By which guests find it.
_FOLDER: Final = "openstack/latest"


def guest_address(place: int) -> PciAddress:
    """Return where the guest finds what has this place among its NICs and devices; counts from 0.

    Each has a PCI Express root port of its own, which libvirt adds, and so a bus.
    """
    return PciAddress(0, place + 1, 0, 0)


def config_drive(server: ServerConfig) -> Mapping[str, bytes] | None:
    """Return the files by their paths; None: the guest is told nothing."""
    guest = server.guest
    if guest is None:
        return None
    files = {
        f"{_FOLDER}/meta_data.json": encode(_metadata(server, guest)),
        f"{_FOLDER}/network_data.json": encode(_network_data(server)),
    }
    if guest.user_data is not None:
        files[f"{_FOLDER}/user_data"] = base64.b64decode(guest.user_data)
    return files


def file_name(server: ServerConfig) -> str | None:
    """Return the drive's file name, which is another one once the guest is told otherwise.

    Its password is no part of that: the service forgets it once the guest has run, and the drive
    that has it is to stay. (Nor could whoever sees the name try passwords against it.) Another
    password comes with another disk alone, and each disk has a drive of its own.
    """
    if server.guest is None:
        return None
    files = config_drive(replace(server, guest=replace(server.guest, admin_password=None))) or {}
    digest = hashlib.sha256()
    if server.disk_number > 1:
        digest.update(f"disk {server.disk_number} ".encode())
    for path, content in sorted(files.items()):
        digest.update(f"{path} {len(content)} ".encode())
        digest.update(content)
    return f"{server.id}.{digest.hexdigest()[:16]}.iso"


def _metadata(server: ServerConfig, guest: GuestData) -> dict[str, Any]:
    keys = dict(sorted(guest.public_keys.items()))
    return {
        "uuid": server.id,
        "name": server.name,
        "hostname": guest.hostname,
        "launch_index": guest.launch_index,
        "availability_zone": guest.availability_zone,
        "project_id": guest.project_id,
        "meta": dict(sorted(guest.metadata.items())),
        "devices": [_device(place, nic) for place, nic in server.placed_nics],
        **_with_keys(keys),
        # Nova's name for it; cloudbase-init gives it to the guest's first user.
        **({} if guest.admin_password is None else {"admin_pass": guest.admin_password}),
    }


def _with_keys(keys: Mapping[str, str]) -> dict[str, Any]:
    """Return what tells of SSH keys, in both of the forms that readers know; nothing of none."""
    if not keys:
        return {}
    listed = [{"name": name, "type": "ssh", "data": key} for name, key in keys.items()]
    return {"public_keys": keys, "keys": listed}


def _device(place: int, nic: NicConfig) -> dict[str, Any]:
    device: dict[str, Any] = {
        "type": "nic",
        "bus": "pci",
        "address": str(guest_address(place)),
        "mac": str(nic.mac),
        "tags": [] if nic.tag is None else [nic.tag],
    }
    if _tags_itself(nic):
        device["vlan"] = nic.vlan_id
    if nic.device is not None and nic.device.vf_index is not None:
        device["vf_trusted"] = nic.trust
    return device


def _tags_itself(nic: NicConfig) -> bool:
    """Whether the guest is to put the VLAN tag on: the card does so for VFs only."""
    return nic.vnic_type is VnicType.DIRECT_PHYSICAL and nic.vlan_id != 0


def _network_data(server: ServerConfig) -> dict[str, Any]:
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    for nic in server.nics:
        link = nic.logical_name
        # `phy` whatever it is on the host: that is what it is to the guest, and the one type that
        # every reader knows.
        links.append({
            "id": link, "vif_id": nic.port_id, "type": "phy", "mtu": nic.mtu,
            "ethernet_mac_address": str(nic.mac),
        })  # fmt: skip
        if _tags_itself(nic):
            below, link = link, f"{link}.{nic.vlan_id}"
            links.append({
                "id": link, "vif_id": nic.port_id, "type": "vlan", "mtu": nic.mtu,
                "vlan_link": below, "vlan_id": nic.vlan_id, "vlan_mac_address": str(nic.mac),
            })  # fmt: skip
        networks += [
            _network(address, link, number)
            for number, address in enumerate(nic.addresses, len(networks))
        ]
    servers = dict.fromkeys(
        dns for nic in server.nics for each in nic.addresses for dns in each.dns
    )
    return {"links": links, "networks": networks, "services": [_dns(each) for each in servers]}


def _network(address: GuestAddress, link: str, number: int) -> dict[str, Any]:
    interface = ipaddress.ip_interface(f"{address.ip_address}/{address.prefix_length}")
    routes = [_route(each.destination, each.nexthop) for each in address.routes]
    if address.gateway is not None:
        everywhere = "0.0.0.0/0" if interface.version == 4 else "::/0"
        routes.insert(0, _route(everywhere, address.gateway))
    return {
        "id": f"network{number}",
        "type": f"ipv{interface.version}",
        "link": link,
        "ip_address": address.ip_address,
        "netmask": str(interface.netmask),
        "routes": routes,
        "network_id": address.network_id,
        "services": [_dns(each) for each in address.dns],
    }


def _route(destination: str, gateway: str) -> dict[str, str]:
    network = ipaddress.ip_network(destination)
    return {
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        "gateway": gateway,
    }


def _dns(address: str) -> dict[str, str]:
    return {"type": "dns", "address": address}
