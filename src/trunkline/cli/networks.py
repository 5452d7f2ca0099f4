"""`trunkline network`: the networks, and what is free on them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import DeviceCounts, NetworkItem


@click.group(cls=TeachingGroup)
def network() -> None:
    r"""Networks and physical networks, and how many devices are free on them.

    \b
    trunkline network list
    trunkline network physical
    """


@network.command("list")
@click.option("--name", help="Only networks of this name.")
@takes_json
@takes_api
def list_(api: TrunklineApi, *, name: str | None, as_json: bool) -> None:
    r"""List networks, one line for each segment, with the free devices on its physical network.

    Segments and counts are for admins. A VF that is free fits `direct` and `macvtap`, a PF that is
    free `direct-physical`. All networks of a physical network share its devices. NICs and ports
    that say no type are of the network's.

    \b
    trunkline network list
    trunkline network list --name blue --json
    """
    networks = sorted(api.networks({"name": name}), key=lambda item: (item.name, item.id))
    if as_json:
        print_json(networks)
        return
    none = "There are no networks that you may see."
    if all(item.segments is None for item in networks):
        rows = [(item.name, item.default_vnic_type, item.id) for item in networks]
        print_table(("NETWORK", "NIC TYPE", "ID"), rows, none=none)
        return
    print_table(
        (
            "NETWORK",
            "TYPE",
            "PHYSICAL NETWORK",
            "#VLAN OR VNI",
            "NIC TYPE",
            "#FREE VFS",
            "#FREE PFS",
            "ID",
        ),
        [row for item in networks for row in _rows(item)],
        none=none,
    )


def _rows(item: NetworkItem) -> Iterator[tuple[object, ...]]:
    for segment in item.segments or ():
        yield (
            item.name, segment.network_type, segment.physical_network, segment.segmentation_id,
            item.default_vnic_type, _free(segment.vfs), _free(segment.pfs), item.id,
        )  # fmt: skip


@network.command()
@takes_json
@takes_api
def physical(api: TrunklineApi, *, as_json: bool) -> None:
    r"""List physical networks with the devices cabled to them, by state. For admins.

    \b
    trunkline network physical
    """
    found = api.physical_networks()
    if as_json:
        print_json(found)
        return
    print_table(
        ("PHYSICAL NETWORK", "NIC TYPE", "#HOSTS", "DEVICES", "#TOTAL", "#FREE", "#HELD",
         "#RELEASING", "#QUARANTINED", "#RESERVED", "#BLOCKED", "#OUT OF SERVICE"),
        [
            (
                item.name, item.default_vnic_type, item.host_count, kind, counts.total,
                counts.free, counts.held, counts.releasing, counts.quarantined,
                counts.reserved, counts.blocked, counts.out_of_service,
            )
            for item in found
            for kind, counts in (("VF", item.vfs), ("PF", item.pfs))
        ],
        none="No physical network is configured, and no device cabled to one.",
    )  # fmt: skip


def _free(counts: DeviceCounts | None) -> str | None:
    return None if counts is None else f"{counts.free}/{counts.total}"
