"""`trunkline explain`: where a server would go, or why nowhere."""

from __future__ import annotations

from collections.abc import Mapping

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.nic_options import takes_flavor, takes_hints, takes_nics
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import ExplainAnswer, ExplainBody, ExplainNic, HostMisfit


@click.command(cls=Teaching)
@takes_nics
@takes_flavor
@takes_hints
@click.option("--host", metavar="NAME", help="On this host or nowhere. For admins.")
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
    host: str | None,
    as_json: bool,
) -> None:
    r"""Say where a server with these NICs would go now, or why it fits nowhere.

    Nothing is made and nothing is held. Exit code 0 if it fits, 1 if not. A refusal names for
    each host and NIC what stands in the way, and the smallest change that would make it fit.

    \b
    trunkline explain --nic network=blue,vnic-type=direct
    trunkline explain --flavor small --nic network=blue,vnic-type=direct \
                      --nic network=red,vnic-type=direct
    trunkline explain --nic network=blue,vnic-type=direct,pci-flavor=10g
    trunkline explain --port p1 --port p2 --hint trunkline:nic_anti_affinity=pf
    trunkline explain --port p1 --host h1
    """
    answer = api.explain(ExplainBody(nics=nics, flavor=flavor, hints=hints, host=host))
    if as_json:
        print_json(answer)
    elif answer.fits:
        _print_fit(answer)
    else:
        _print_misfit(answer)
    if not answer.fits:
        ctx.exit(ExitCode.REFUSED)


def _print_fit(answer: ExplainAnswer) -> None:
    click.echo(f"It fits on host {answer.host}." if answer.host else "It fits.")
    if answer.nics:
        print_table(
            ("NIC", "DEVICE", "KIND", "PHYSICAL NETWORK", "TYPE", "#VLAN OR VNI"),
            [
                (
                    nic.nic, nic.device, nic.kind and nic.kind.upper(), nic.physical_network,
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
    if answer.counts:
        click.echo()
        print_table(
            ("REASON", "#HOSTS"),
            [(_words(reason), str(count)) for reason, count in _most_first(answer)],
            none="",
        )
    if answer.hosts:
        click.echo()
        print_table(
            ("HOST", "NIC", "REASON", "#FITTING", "#FREE", "DETAIL"),
            [row for misfit in answer.hosts for row in _rows(misfit)],
            none="",
        )


def _most_first(answer: ExplainAnswer) -> list[tuple[str, int]]:
    return sorted(answer.counts.items(), key=lambda item: (-item[1], item[0]))


def _rows(misfit: HostMisfit) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (misfit.host, None, _words(reason), None, None, misfit.detail) for reason in misfit.reasons
    ]
    rows += [
        (misfit.host, nic.nic, _words(nic.reason), str(nic.fitting), str(nic.free), nic.detail)
        for nic in misfit.nics
    ]
    return rows or [(misfit.host, None, misfit.detail, None, None, None)]


def _words(reason: str) -> str:
    return reason.replace("_", " ")
