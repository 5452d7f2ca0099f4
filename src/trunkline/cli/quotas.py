"""`trunkline quota`: how many devices projects may hold."""

from __future__ import annotations

from collections.abc import Callable

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.quotas import QuotaBody, QuotaItem


def _takes_which(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that tell a project's quotas apart."""
    command = click.option(
        "--physical-network", metavar="NAME",
        help="Only devices cabled to it; without it, all of that kind.",
    )(command)  # fmt: skip
    return click.option(
        "--kind", type=click.Choice(["vf", "pf", "plain"]), default="vf", show_default=True,
        help="Of device; plain ones are not SR-IOV, as most GPUs.",
    )(command)  # fmt: skip


@click.group(cls=TeachingGroup)
def quota() -> None:
    r"""How many devices a project may hold at a time. Without a quota: any number.

    Devices count from the moment when they are given to a server or port until they are let go.
    A server that would pass a quota is refused with 403, holding nothing.

    \b
    trunkline quota set demo --limit 20
    trunkline quota set demo --physical-network phy1 --limit 8
    trunkline quota list
    """


@quota.command("list")
@click.option("--project", metavar="NAME", help="Of this project only; its name or ID.")
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
@click.argument("project")
@click.option("--limit", type=click.IntRange(min=0), required=True, help="0: none at all.")
@_takes_which
@takes_json
@takes_api
def set_(
    api: TrunklineApi,
    *,
    project: str,
    limit: int,
    kind: str,
    physical_network: str | None,
    as_json: bool,
) -> None:
    r"""Let the project PROJECT hold so many devices. For admins.

    What it holds beyond a quota that is lowered, it keeps.

    \b
    trunkline quota set demo --limit 20
    trunkline quota set demo --kind plain --limit 2
    """
    body = QuotaBody(limit=limit, physical_network=physical_network)
    item = api.set_quota(project, kind, body)
    if as_json:
        print_json(item)
        return
    _print([item])


@quota.command()
@click.argument("project")
@_takes_which
@takes_api
def unset(api: TrunklineApi, *, project: str, kind: str, physical_network: str | None) -> None:
    r"""Let the project PROJECT hold any number again. For admins.

    \b
    trunkline quota unset demo --physical-network phy1
    """
    api.unset_quota(project, kind, physical_network)


def _print(items: list[QuotaItem] | tuple[QuotaItem, ...]) -> None:
    print_table(
        ("PROJECT", "KIND", "PHYSICAL NETWORK", "#HELD", "#LIMIT"),
        [
            (item.project, item.kind, item.physical_network or "any", item.held, item.limit)
            for item in items
        ],
        none="There are no quotas: projects may hold any number of devices.",
    )
