"""`trunkline server show`: the way from each NIC to the wire."""

from __future__ import annotations

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.devices import describe
from trunkline.cli.output import print_fields, print_heading, print_json
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import NicPath, PathDevice, ServerPath


def print_server(found: ServerPath, *, as_json: bool) -> None:
    """Print a server and its NICs."""
    if as_json:
        print_json(found)
        return
    print_fields([
        ("server", found.name),
        ("id", found.id),
        ("status", found.status),
        ("host", found.host),
        ("numa node", _confined(found.numa_node)),
        ("rules", "; ".join(found.rules) or None),
        ("fault", found.fault),
    ])  # fmt: skip
    if found.fault_details:
        click.echo("\n".join(f"  {line}" for line in found.fault_details.splitlines()))
    for position, nic in enumerate(found.nics):
        click.echo()
        print_heading(f"nic {position}: {path_line(nic)}")
        print_fields([
            ("  port", f"{nic.port_name or '(no name)'} {nic.port_id}"),
            ("  status", nic.port_status),
            ("  mac", nic.mac),
            ("  addresses", ", ".join(nic.fixed_ips) or None),
            ("  logical name", nic.logical_name),
            ("  network", f"{nic.network_name} {nic.network_id}"),
            ("  pci flavor", nic.pci_flavor),
            ("  numa policy", nic.numa_policy),
        ])  # fmt: skip
    for position, device in enumerate(found.devices):
        click.echo()
        print_heading(f"device {position}: {device_line(device)}")
    if found.device_count and not found.devices:
        click.echo(f"\nand {found.device_count} devices besides")


def _confined(numa_node: int | None) -> str | None:
    return None if numa_node is None else f"{numa_node}, which its guest is confined to"


def path_line(nic: NicPath) -> str:
    """Draw the way of a NIC: ``direct -> VF 3 0000:05:10.3 -> PF … -> phy1 -> VLAN 100``."""
    steps = [nic.vnic_type]
    if nic.device is not None:
        device = nic.device
        steps.append(f"{describe(device.kind, device.vf_index, None)} {device.address}")
    if nic.pf is not None:
        details = " ".join(filter(None, (nic.pf.ifname, nic.pf.driver)))
        steps.append(f"PF {nic.pf.address}" + (f" ({details})" if details else ""))
    if nic.network_type is not None:
        steps.append(nic.physical_network or "no physical network")
        steps.append(_on_the_wire(nic.network_type, nic.segmentation_id))
    elif nic.vif_type is None:
        steps.append("not bound")
    else:
        steps.append(f"network {nic.network_name}")
    return " -> ".join(steps)


def device_line(device: PathDevice) -> str:
    """Say which device was handed over besides NICs: ``10de:20b0 0000:c1:00.0, NUMA node 1``."""
    what = "" if device.kind == "plain" else describe(device.kind, device.vf_index, None) + " "
    numa = "" if device.numa_node is None else f", NUMA node {device.numa_node}"
    return f"{what}{device.vendor_id}:{device.product_id} {device.address}{numa}"


def _on_the_wire(network_type: str, segmentation_id: int | None) -> str:
    if segmentation_id is None:
        return "untagged"
    return f"{network_type.upper()} {segmentation_id}"


@click.group(cls=TeachingGroup, name="server")
def server_commands() -> None:
    r"""Servers and their NICs. To make and delete servers use the `openstack` command.

    \b
    trunkline server show web
    """


@server_commands.command()
@click.argument("server")
@takes_json
@takes_api
def show(api: TrunklineApi, *, server: str, as_json: bool) -> None:
    r"""Show SERVER (ID or name) with the way from each NIC to the wire.

    The way is NIC, VF, PF, physical network, VLAN. Host, devices and VLANs are for admins.

    \b
    trunkline server show web
    trunkline server show 5d2c… --json
    """
    print_server(api.server_path(server), as_json=as_json)
