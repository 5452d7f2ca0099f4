"""`trunkline explain`: where a server would go, or why nowhere."""

from __future__ import annotations

from collections.abc import Mapping

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.nic_options import takes_flavor, takes_hints, takes_nics, takes_zone
from trunkline.cli.output import print_json, print_table
from trunkline.cli.reasons import most_first, words
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import ExplainAnswer, ExplainBody, ExplainNic, HostMisfit, NicMisfit

_RULES = frozenset({"affinity", "anti_affinity", "numa", "bandwidth"})


@click.command(cls=Teaching)
@takes_nics
@takes_flavor
@takes_hints
@takes_zone
@click.option("--host", metavar="NAME", help="On this host or nowhere. For admins.")
@click.option(
    "--hosts",
    "nearest",
    type=click.IntRange(1, 200),
    metavar="N",
    help="Tell about the N hosts that lack least (default 20).",
)
@click.option(
    "--page",
    type=click.IntRange(1, 200),
    metavar="N",
    help="Tell about the first N of all hosts that refuse, by name, instead.",
)
@click.option("--after", metavar="NAME", help="With --page: begin after the host of this name.")
@takes_json
@takes_api
@click.pass_context
def explain(
    ctx: click.Context,
    api: TrunklineApi,
    *,
    nics: tuple[ExplainNic, ...],
    flavor: str | None,
    hints: Mapping[str, tuple[str, ...]],
    zone: str | None,
    host: str | None,
    nearest: int | None,
    page: int | None,
    after: str | None,
    as_json: bool,
) -> None:
    r"""Say where a server with these NICs would go now, or why it fits nowhere.

    Nothing is made and nothing is held. Exit code 0 if it fits, 1 if not. A refusal counts the
    hosts by reason, and names for those that lack least, nearest first, what stands in the way of
    each NIC, and the smallest change that would make it fit.

    \b
    trunkline explain --nic network=blue,vnic-type=direct
    trunkline explain --flavor small --nic network=blue,vnic-type=direct \
                      --nic network=red,vnic-type=direct
    trunkline explain --nic network=blue,vnic-type=direct,pci-flavor=10g
    trunkline explain --port p1 --port p2 --hint trunkline:nic_anti_affinity=pf
    trunkline explain --port p1 --host h1
    trunkline explain --port p1 --page 100 --after h0100
    """
    if after is not None and page is None:
        raise click.UsageError("--after goes with --page: say how many hosts to tell about.")
    body = ExplainBody(nics=nics, flavor=flavor, hints=hints, host=host, availability_zone=zone)
    answer = api.explain(body, nearest=nearest, limit=page, marker=after)
    if as_json:
        print_json(answer)
    elif answer.fits:
        _print_fit(answer)
    else:
        _print_misfit(answer)
    if not answer.fits:
        ctx.exit(ExitCode.REFUSED)


def _print_fit(answer: ExplainAnswer) -> None:
    where = f" on host {answer.host}" if answer.host else ""
    confined = "" if answer.numa_node is None else f", confined to NUMA node {answer.numa_node}"
    click.echo(f"It fits{where}{confined}.")
    if answer.nics:
        print_table(
            ("NIC", "DEVICE", "KIND", "PHYSICAL NETWORK", "TYPE", "#VLAN OR VNI"),
            [
                (
                    nic.said, nic.device, nic.kind and nic.kind.upper(), nic.physical_network,
                    nic.network_type, nic.segmentation_id,
                )
                for nic in answer.nics
            ],
            none="",
        )  # fmt: skip


def _print_misfit(answer: ExplainAnswer) -> None:
    click.echo("It fits on no host.")
    if answer.smallest_change:
        click.echo(f"Smallest change: {answer.smallest_change}")
    asked_for = answer.asked_for
    if asked_for is not None and asked_for.change != answer.smallest_change:
        click.echo(f"To fit on {asked_for.host}: {asked_for.change}")
    if answer.counts:
        click.echo()
        print_table(
            ("REASON", "#HOSTS"),
            [(reason, str(count)) for reason, count in most_first(answer.counts)],
            none="",
        )
    hosts = answer.hosts if answer.page is None else answer.page
    if asked_for is not None and answer.page is None:
        hosts = (asked_for, *(misfit for misfit in hosts if misfit.host != asked_for.host))
    if hosts:
        click.echo()
        print_table(
            ("HOST", "NIC", "REASON", "#FITTING", "#FREE", "DETAIL"),
            [row for misfit in hosts for row in _rows(misfit)],
            none="",
        )
    if answer.page is None and answer.host_count is not None and answer.host_count > len(hosts):
        click.echo(
            f"\nThese {len(hosts)} of {answer.host_count} hosts lack least; "
            "--page 100 lists the first hundred of all by name."
        )
    if answer.next_marker is not None:
        click.echo(f"\nMore with --after {answer.next_marker}")


def _rows(misfit: HostMisfit) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (misfit.host, None, words(reason), None, None, misfit.detail) for reason in misfit.reasons
    ]
    rows += [
        (misfit.host, nic.said, words(nic.reason), *_counts(nic), nic.detail) for nic in misfit.nics
    ]
    return [*rows, (misfit.host, None, "would fit after", None, None, misfit.change)]


def _counts(nic: NicMisfit) -> tuple[object, object]:
    """Return how many devices fit and are free; of a NIC that a rule keeps out, no matter."""
    return (None, None) if nic.reason in _RULES else (str(nic.fitting), str(nic.free))
