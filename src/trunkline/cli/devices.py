"""`trunkline device`: the PFs and VFs."""

from __future__ import annotations

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import DeviceItem

STATES = (
    "free", "claimed", "active", "releasing", "quarantined", "reserved", "blocked",
    "out_of_service", "in_use", "withdrawn",
)  # fmt: skip


@click.group(cls=TeachingGroup)
def device() -> None:
    r"""The PFs and VFs that hosts offer, and who has them. For admins.

    \b
    trunkline device list --host h1
    trunkline device list --state quarantined
    trunkline device free h1 0000:c1:00.0
    """


@device.command("list")
@click.option("--host", metavar="NAME", help="Only on this host.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--physical-network", metavar="NAME", help="Only cabled to this physical network.")
@click.option(
    "--kind", type=click.Choice(("pf", "vf", "plain")),
    help="Only PFs, only VFs, or only functions that are neither.",
)  # fmt: skip
@click.option("--server", metavar="NAME", help="Only those that this server (or its ID) has.")
@click.option("--port", metavar="NAME", help="Only the one that this port (or its ID) has.")
@takes_json
@takes_api
def list_(
    api: TrunklineApi,
    *,
    host: str | None,
    state: str | None,
    physical_network: str | None,
    kind: str | None,
    server: str | None,
    port: str | None,
    as_json: bool,
) -> None:
    r"""List devices, by host and PCI address; filters narrow each other down.

    \b
    free            nobody's: a server can have it
    claimed         a server's; its host has not yet shown it ready
    active          a server's; set up, and read back
    releasing       nobody's any more; not yet read back clean
    quarantined     did not come back clean; held until it does
    reserved        for one use, and used; nobody's until `trunkline device free`
    blocked         a VF whose PF is given away whole, or a PF of which VFs are in use
    out_of_service  nobody's, and its PF has no link or no driver that works: what is wrong
                    is told below the table; it comes back by itself
    in_use          left alone, since others have it: a guest that is not Trunkline's, or the
                    host itself; who is told below the table; it is free when they leave it
    withdrawn       not on offer (any more); where no guest may be given it, why not is told
                    below the table

    Where PFs account bandwidth, a column tells what of it is guaranteed, of how much.

    \b
    trunkline device list --host h1 --kind vf
    trunkline device list --physical-network phy1 --state free
    trunkline device list --server web --json
    """
    filters = {
        "host": host,
        "state": state,
        "physical_network": physical_network,
        "kind": kind,
        "server": server,
        "port": port,
    }
    devices = sorted(api.devices(filters), key=lambda item: (item.host, item.address))
    if as_json:
        print_json(devices)
        return
    guaranteed = {item.id: text for item in devices if (text := _guaranteed(item))}
    print_table(
        ("HOST", "ADDRESS", "DEVICE", "NETDEV", "PHYSICAL NETWORK", "DRIVER", "NUMA", "STATE",
         "SERVER", "PORT", *(["MBPS GUARANTEED"] if guaranteed else [])),
        [
            (
                item.host, item.address, _what(item),
                item.ifname, item.physical_network, item.driver, _number(item.numa_node),
                item.state, item.owner and item.owner.server_id, item.owner and item.owner.port_id,
                *([guaranteed.get(item.id)] if guaranteed else []),
            )
            for item in devices
        ],
        none="No device is so.",
    )  # fmt: skip
    _print_failures(devices)


@device.command()
@click.argument("host")
@click.argument("address")
@takes_api
def free(api: TrunklineApi, *, host: str, address: str) -> None:
    r"""Let a device for one use be given away again: the one at ADDRESS of HOST.

    A device whose spec says `one_time_use = true` is reserved once it has come back from a server.
    What its user may have left in it, such as other firmware, nothing here can read back: look at
    it, and free it.

    \b
    trunkline device list --state reserved
    trunkline device free h1 0000:c1:00.0
    """
    api.free_device(host, address)
    click.echo(f"{address} on {host} can be given away again.")


def _what(item: DeviceItem) -> str:
    if item.kind == "plain":  # Neither PF nor VF: its product says more.
        return " ".join(filter(None, (f"{item.vendor_id}:{item.product_id}", item.product_name)))
    return describe(item.kind, item.vf_index, item.pf_address)


def describe(kind: str, vf_index: int | None, pf_address: str | None) -> str:
    """Say what a device is: ``PF``, or ``VF 3 of 0000:05:00.0``."""
    if kind != "vf":
        return kind.upper()
    return f"VF {vf_index} of {pf_address}" if pf_address else f"VF {vf_index}"


def _guaranteed(item: DeviceItem) -> str:
    """Of a PF, what is owed and what it has: ``600/8000 egress``; of what is held, its part."""
    if item.bandwidth is not None:
        has = item.bandwidth
        owed = ((has.egress_mbps_owed, has.egress_mbps), (has.ingress_mbps_owed, has.ingress_mbps))
        texts = [
            f"{part}/{_number(whole) or 'none'}" if whole or part else "" for part, whole in owed
        ]
    elif item.owner is not None:
        texts = [str(mbps or "") for mbps in (item.owner.egress_mbps, item.owner.ingress_mbps)]
    else:
        texts = ["", ""]
    named = zip(texts, ("egress", "ingress"), strict=True)
    return ", ".join(f"{text} {name}" for text, name in named if text)


def _print_failures(devices: list[DeviceItem]) -> None:
    for item in devices:
        if item.owner is not None and item.owner.failure:
            click.echo(f"{item.host} {item.address}: {item.owner.failure}")
        if item.used_by:
            click.echo(f"{item.host} {item.address} is left alone: {item.used_by}")
        if item.unfit:
            click.echo(f"{item.host} {item.address} is for no guest: it {item.unfit}")
    for host, problem in sorted({(item.host, item.problem) for item in devices if item.problem}):
        click.echo(f"{host}: {problem}")


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)
