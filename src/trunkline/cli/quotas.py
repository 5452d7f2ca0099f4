"""`trunkline quota`: how much of each resource projects may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.quotas import QuotaBody, QuotaItem

_RESOURCES = (
    "vf", "pf", "plain", "egress_mbps", "ingress_mbps",
    "servers", "cores", "memory_mib", "networks", "subnets", "ports", "security_groups",
    "security_group_rules", "server_groups", "server_group_members", "key_pairs", "metadata_items",
)  # fmt: skip


def _takes_which(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what tells one quota from another."""
    command = click.option(
        "--physical-network", metavar="NAME",
        help="Only devices cabled to it, or what their PFs guarantee; without it, all.",
    )(command)  # fmt: skip
    command = click.option(
        "--resource", type=click.Choice(_RESOURCES), default="vf", show_default=True,
        help="Devices by kind (plain ones are not SR-IOV, as most GPUs); Mbit/s that PFs guarantee;"
        " what each server, network, subnet or port takes; and of each group, user or server its"
        " members, key pairs or metadata items.",
    )(command)  # fmt: skip
    command = click.option(
        "--default", "for_all", is_flag=True,
        help="Instead of PROJECT: all projects that have no such quota of their own.",
    )(command)  # fmt: skip
    return click.argument("project", required=False)(command)


@click.group(cls=TeachingGroup)
def quota() -> None:
    r"""How much a project may hold at a time. Without a quota: any amount.

    Devices and guarantees count from the moment when they are given to a server or port until they
    are let go; the rest until it is deleted. Who would pass a quota is refused, holding nothing
    new. `openstack quota` shows and sets those that Nova and Neutron know.

    \b
    trunkline quota set demo --limit 20
    trunkline quota set demo --resource egress_mbps --physical-network phy1 --limit 8000
    trunkline quota set --default --resource cores --limit 64
    trunkline quota list
    """


@quota.command("list")
@click.option("--project", metavar="NAME", help="Those that hold for it; its name or ID.")
@takes_json
@takes_api
def list_(api: TrunklineApi, *, project: str | None, as_json: bool) -> None:
    r"""List the quotas, with what is held; tenants see those of their own project.

    \b
    trunkline quota list
    trunkline quota list --project demo
    """
    found = api.quotas(project)
    if as_json:
        print_json(found)
        return
    _print(found)


@quota.command("set")
@_takes_which
@click.option("--limit", type=click.IntRange(min=0), help="0: none at all.")
@click.option("--unlimited", is_flag=True, help="Any amount, whatever is set for all projects.")
@takes_json
@takes_api
def set_(
    api: TrunklineApi,
    *,
    project: str | None,
    for_all: bool,
    limit: int | None,
    unlimited: bool,
    resource: str,
    physical_network: str | None,
    as_json: bool,
) -> None:
    r"""Let the project PROJECT hold so much. For admins.

    What it holds beyond a quota that is lowered, it keeps.

    \b
    trunkline quota set demo --limit 20
    trunkline quota set demo --resource servers --limit 5
    trunkline quota set --default --resource ports --limit 500
    """
    if (limit is None) is not unlimited:
        raise click.UsageError("say --limit N, or --unlimited, not both")
    body = QuotaBody(limit=limit, physical_network=physical_network)
    item = api.set_quota(_whose(project, for_all=for_all), resource, body)
    if as_json:
        print_json(item)
        return
    _print([item])


@quota.command()
@_takes_which
@takes_api
def unset(
    api: TrunklineApi,
    *,
    project: str | None,
    for_all: bool,
    resource: str,
    physical_network: str | None,
) -> None:
    r"""Take a quota of the project PROJECT away: what is set for all projects holds. For admins.

    \b
    trunkline quota unset demo --physical-network phy1
    trunkline quota unset --default --resource cores
    """
    api.unset_quota(_whose(project, for_all=for_all), resource, physical_network)


def _whose(project: str | None, *, for_all: bool) -> str | None:
    if (project is None) is not for_all:
        raise click.UsageError("name a PROJECT, or say --default for all of them, not both")
    return project


def _print(items: list[QuotaItem] | tuple[QuotaItem, ...]) -> None:
    named = {(item.project, item.project_id) for item in items}
    of_name = Counter(name for name, _ in named)  # Projects of several domains may have one.

    def whose(item: QuotaItem) -> str:
        told = item.project or item.project_id or "every other one"
        return f"{told} ({item.project_id})" if of_name[item.project] > 1 else told

    print_table(
        ("PROJECT", "RESOURCE", "PHYSICAL NETWORK", "#HELD", "#LIMIT"),
        [
            (
                whose(item),
                item.resource,
                item.physical_network or "any",
                item.held,
                "any" if item.limit is None else item.limit,
            )
            for item in items
        ],
        none="There are no quotas: projects may hold any amount.",
    )
