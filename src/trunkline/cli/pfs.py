"""`trunkline pf`: PFs, where an operator has a say."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_fields, print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import VfCountBlocker


@click.group(cls=TeachingGroup)
def pf() -> None:
    r"""The PFs of hosts: how many VFs they have, and which card is which. For admins.

    \b
    trunkline pf show h1 eth2
    trunkline pf set-vfs h1 eth2 8
    trunkline pf rekey h1 0000:05:00.0 0000:82:00.0
    """


@pf.command()
@click.argument("host")
@click.argument("pf_name", metavar="PF")
@takes_json
@takes_api
def show(api: TrunklineApi, *, host: str, pf_name: str, as_json: bool) -> None:
    r"""Show a PF of HOST: what it is, whether it is in service, and what errors it has met.

    PF is a PCI address or the name of a netdev. Uncorrectable errors are those of PCI Express that
    the host's kernel has counted since it booted (AER). Each takes the PF out of service for a
    while.

    \b
    trunkline pf show h1 eth2
    trunkline pf show h1 0000:05:00.0 --json | jq .uncorrectable_errors
    """
    found = [
        item
        for item in api.devices({"host": host, "kind": "pf"})
        if pf_name in (item.address, item.ifname)
    ]
    if not found:
        raise click.UsageError(
            f"{host} tells of no PF {pf_name}: see `trunkline device list --host {host} --kind pf`"
        )
    item = found[0]
    if as_json:
        print_json(item)
        return
    names = " ".join(filter(None, (item.vendor_name, item.product_name)))
    errors = item.uncorrectable_errors
    print_fields([
        ("PF", f"{item.address} on {item.host}" + (f" ({item.ifname})" if item.ifname else "")),
        ("id", item.id),
        ("product", f"{item.vendor_id}:{item.product_id}" + (f" {names}" if names else "")),
        ("driver", item.driver),
        ("NUMA node", item.numa_node),
        ("physical network", item.physical_network),
        ("state", item.state),
        ("problem", item.problem),
        ("link", "up" if item.link_up else "down"),
        ("VFs", f"{item.vf_count}, of which {item.vfs_held} have an owner"),
        ("uncorrectable errors", "not counted" if errors is None else errors),
    ])  # fmt: skip


@pf.command("set-vfs")
@click.argument("host")
@click.argument("pf_name", metavar="PF")
@click.argument("count", type=click.IntRange(min=0), required=False)
@click.option("--apply", is_flag=True, help="Do it. Without this, only say what it would take.")
@click.option(
    "--drain", is_flag=True,
    help="Do it once nobody has any of it; from now on nothing of the PF is given to anybody.",
)  # fmt: skip
@click.option("--cancel", is_flag=True, help="Instead of COUNT: take back what was said before.")
@takes_json
@takes_api
def set_vfs(
    api: TrunklineApi,
    *,
    host: str,
    pf_name: str,
    count: int | None,
    apply: bool,
    drain: bool,
    cancel: bool,
    as_json: bool,
) -> None:
    r"""Say what it takes to give PF of HOST another COUNT of VFs; with --apply, have it done.

    PF is a PCI address or the name of a netdev. The kernel can't add VFs to others: all of them go,
    and new ones are made. So nothing is done while anybody has a VF of the PF, or the PF; the plan
    tells who. Until the host reports the new VFs, nothing of the PF is given to anybody. With
    --drain it is done by itself once the last of them is gone: delete or move these meanwhile.

    The count stays the host's to keep, over reboots, whatever its device specs say; until --cancel
    leaves it to these again. That changes no VFs: the PF is in service with those that it has.

    \b
    trunkline pf set-vfs h1 eth2 8
    trunkline pf set-vfs h1 0000:05:00.0 8 --apply
    trunkline pf set-vfs h1 eth2 8 --drain
    trunkline pf set-vfs h1 eth2 --cancel
    """
    if cancel == (count is not None) or cancel + apply + drain > 1:
        raise click.UsageError("say either COUNT, alone or with --apply or --drain, or --cancel")
    if count is None:
        api.unset_vf_count(host, pf_name)
        if as_json:
            print_json({"host": host, "pf": pf_name, "wanted": None})
        else:
            click.echo(f"The VF count of {pf_name} is left to {host} again.")
        return
    plan = api.set_vf_count(host, pf_name, count, apply=apply, drain=drain)
    if as_json:
        print_json(plan)
        return
    print_fields([
        ("PF", f"{plan.address} on {plan.host}" + (f" ({plan.ifname})" if plan.ifname else "")),
        ("VFs", f"{plan.count} now, {plan.wanted} wanted, {plan.count_max} at most"),
        ("cost", plan.cost),
    ])  # fmt: skip
    if plan.in_the_way:
        print_table(
            ("IN THE WAY", "STATE", "SERVER", "ID"),
            [
                (each.address, each.state, each.used_by or each.server, each.server_id)
                for each in plan.in_the_way
            ],
            none="",
        )
        click.echo(_WAITING if plan.applied else _remedy(plan.in_the_way))
    elif plan.applied:
        click.echo(f"The host has been told; see: trunkline device list --host {plan.host}")
    else:
        click.echo("Nothing is in the way. Nothing was done: add --apply.")


_WAITING: Final = (
    "The host has been told: nothing of the PF is given to anybody, and once these have gone it is"
    " done. --cancel takes it back."
)


def _remedy(in_the_way: Collection[VfCountBlocker]) -> str:
    said = []
    if any(each.state == "reserved" for each in in_the_way):
        said.append("free what is reserved (`trunkline device free`)")
    if not all(each.used_by or each.state == "reserved" for each in in_the_way):
        said.append("move or delete these servers")
    if any(each.used_by for each in in_the_way):
        said.append("have others give up theirs")
    words = ", and ".join(said)
    return f"{words[0].upper()}{words[1:]} first: nothing is done while anybody has devices."


@pf.command()
@click.argument("host")
@click.argument("address")
@click.argument("now_at")
@takes_api
def rekey(api: TrunklineApi, *, host: str, address: str, now_at: str) -> None:
    r"""Say that the PF on record at ADDRESS of HOST is the one at NOW_AT.

    A card is known by its serial number and its permanent MAC: one that was moved to another slot
    keeps its devices and servers by itself. Where that is in doubt, `trunkline host show` says so,
    nothing is given of the PF, and its servers wait: move or delete them, or say here which it is.

    Done with the host's next report, if a PF with the same VFs is there. No address on record has
    to be free: the PF that is there now takes its place.

    \b
    trunkline host show h1
    trunkline pf rekey h1 0000:05:00.0 0000:82:00.0
    """
    api.rekey_pf(host, address, now_at)
    click.echo(
        f"{host} will be looked at with its next report; then see: trunkline host show {host}"
    )
