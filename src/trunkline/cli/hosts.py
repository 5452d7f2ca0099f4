"""`trunkline host`: the machines."""

from __future__ import annotations

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.enrolment import enrol_token
from trunkline.cli.output import print_fields, print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import HostItem, NumaNodeItem


@click.group(cls=TeachingGroup)
def host() -> None:
    r"""The machines that have the devices and run the servers. For admins.

    \b
    trunkline host list
    trunkline host show h1
    trunkline host disable h1 --reason "new card on Tuesday"
    """


@host.command("list")
@takes_json
@takes_api
def list_(api: TrunklineApi, *, as_json: bool) -> None:
    r"""List the hosts, by name.

    AGENT is `up` (heard of lately), `down` (not), or `stuck`: it can't read the host or act on it;
    `host show` says why.

    SETTLED says whether everything that is desired of the host has been made true on it and read
    back; a busy host is often a moment behind.

    \b
    trunkline host list
    trunkline host list --json | jq -r '.[] | select(.up | not).name'
    """
    hosts = list(api.hosts())
    if as_json:
        print_json(hosts)
        return
    print_table(
        ("HOST", "AGENT", "NEW SERVERS", "#SERVERS", "#VCPUS", "#MEMORY MIB", "SETTLED",
         "LAST SEEN"),
        [
            (
                item.name, _agent(item), _allowed(item), item.server_count,
                f"{item.vcpus_used}/{item.vcpus}", f"{item.memory_mib_used}/{item.memory_mib}",
                item.applied_generation == item.generation, item.last_seen,
            )
            for item in hosts
        ],
        none="There are no hosts: start an agent on one (`trunkline agent --help`).",
    )  # fmt: skip


@host.command()
@click.argument("name")
@takes_json
@takes_api
def show(api: TrunklineApi, *, name: str, as_json: bool) -> None:
    r"""Show the host NAME.

    \b
    trunkline host show h1
    """
    _print(api.host(name), as_json=as_json)


@host.command()
@click.argument("name")
@takes_json
@takes_api
def enable(api: TrunklineApi, *, name: str, as_json: bool) -> None:
    r"""Let the host NAME take new servers again.

    \b
    trunkline host enable h1
    """
    _print(api.set_host_enabled(name, enabled=True), as_json=as_json)


@host.command()
@click.argument("name")
@click.option("--reason", help="Why, for those who wonder later; shown by `host show`.")
@takes_json
@takes_api
def disable(api: TrunklineApi, *, name: str, reason: str | None, as_json: bool) -> None:
    r"""Let the host NAME take no new servers; those it has stay and run on.

    \b
    trunkline host disable h1 --reason "new card on Tuesday"
    """
    _print(api.set_host_enabled(name, enabled=False, reason=reason), as_json=as_json)


host.add_command(enrol_token)


def _print(item: HostItem, *, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    bridges = ", ".join(f"{network}: {bridge}" for network, bridge in sorted(item.bridges.items()))
    print_fields([
        ("host", item.name),
        ("id", item.id),
        ("address", item.address),
        ("agent", _agent(item)),
        ("problem", item.problem),
        ("last seen", item.last_seen),
        ("new servers", _allowed(item)),
        ("disabled because", item.disabled_reason or None),
        ("servers", item.server_count),
        ("vcpus", f"{item.vcpus_used} of {item.vcpus} used"),
        ("memory", f"{item.memory_mib_used} of {item.memory_mib} MiB used"),
        ("disk", f"{item.disk_gib_used} of {item.disk_gib} GiB used"),
        *(_numa_node(node) for node in item.numa_nodes),
        ("bridges", bridges or "none"),
        ("out of service", "; ".join(item.out_of_service) or None),
        ("generation", f"{item.generation}, of which {item.applied_generation} made true"),
    ])  # fmt: skip


def _numa_node(node: NumaNodeItem) -> tuple[str, str]:
    socket = "" if node.socket is None else f"socket {node.socket}, "
    return f"NUMA node {node.number}", (
        f"{socket}CPUs {node.cpus or 'none'};"
        f" {node.vcpus_used} of {node.vcpus} vCPUs and"
        f" {node.memory_mib_used} of {node.memory_mib} MiB used by servers confined to it"
    )


def _agent(item: HostItem) -> str:
    if item.problem:
        return "stuck"
    return "up" if item.up else "down"


def _allowed(item: HostItem) -> str:
    return "enabled" if item.enabled else "disabled"
