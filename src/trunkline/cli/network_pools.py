"""`trunkline pool`: the VFs that libvirt hands out."""

from __future__ import annotations

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi


@click.group(cls=TeachingGroup)
def pool() -> None:
    r"""Network pools: VFs that libvirt hands out, from a network for each PF. For admins.

    \b
    trunkline pool list
    """


@pool.command("list")
@click.option("--host", help="Only those of this host.")
@takes_json
@takes_api
def list_(api: TrunklineApi, *, host: str | None, as_json: bool) -> None:
    r"""List network pools, with how many VFs of each are free.

    A pool has the name of its libvirt network. VFs in mode `hostdev` go to ports of VNIC type
    `direct`, in mode `passthrough` to those of type `macvtap`.

    \b
    trunkline pool list
    trunkline pool list --host h1 --json
    """
    found = api.network_pools({"host": host})
    if as_json:
        print_json(found)
        return
    print_table(
        ("HOST", "POOL", "MODE", "PHYSICAL NETWORK", "PF", "#VFS", "#HELD", "#FREE", "PROBLEM"),
        [
            (
                item.host, item.name, item.mode, item.physical_network, item.pf_address,
                item.vfs, item.held, item.free, item.problem,
            )
            for item in found
        ],
        none="No device spec puts VFs in network pools.",
    )  # fmt: skip
