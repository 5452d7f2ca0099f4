"""`trunkline what-if`: what would be, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.nic_options import takes_flavor, takes_hints, takes_nics, takes_zone
from trunkline.cli.output import print_json, print_table
from trunkline.cli.reasons import most_first
from trunkline.client.api import TrunklineApi
from trunkline.wire.planning import (
    BoundsItem,
    GivenNic,
    ShapeItem,
    StuckItem,
    WhatIfAnswer,
    WhatIfBody,
)
from trunkline.wire.v1 import ExplainNic


@click.command("what-if", cls=Teaching)
@click.option(
    "--drain", "drain", multiple=True, metavar="HOST",
    help="This host would be out of service; give it once for each.",
)  # fmt: skip
@click.option(
    "--lose-pf", "lose_pf", multiple=True, metavar="HOST/ADDRESS",
    help="This PF and its VFs would be gone; give it once for each.",
)  # fmt: skip
@click.option(
    "--add-hosts", type=click.IntRange(0), default=0, metavar="N", help="So many hosts more."
)
@click.option("--like", metavar="HOST", help="What added hosts are built like; they are empty.")
@takes_nics
@takes_flavor
@takes_hints
@takes_zone
@takes_json
@takes_api
@click.pass_context
def what_if(
    ctx: click.Context,
    api: TrunklineApi,
    *,
    drain: tuple[str, ...],
    lose_pf: tuple[str, ...],
    add_hosts: int,
    like: str | None,
    nics: tuple[ExplainNic, ...],
    flavor: str | None,
    hints: Mapping[str, tuple[str, ...]],
    zone: str | None,
    as_json: bool,
) -> None:
    r"""Say what would be with hosts drained, PFs lost or hosts added. For admins.

    Nothing is changed and nothing is held. Servers that would have to leave are placed anew, as
    far as they find a place beside each other; where not all do, it is said whether that is proven.
    With --nic or --flavor it is also told where one more such server would go then, and how many
    would fit. Exit code 0 if all find a place, 1 if not.

    \b
    trunkline what-if --drain h1
    trunkline what-if --lose-pf h1/0000:05:00.0
    trunkline what-if --drain h1 --add-hosts 2 --like h2 --nic network=blue,vnic-type=direct
    """
    if not (drain or lose_pf or add_hosts or nics or flavor):
        raise click.UsageError("ask something: --drain, --lose-pf, --add-hosts, or a server")
    answer = api.what_if(
        WhatIfBody(
            drain=drain, lose_pf=lose_pf, add_hosts=add_hosts, like=like,
            nics=nics, flavor=flavor, hints=hints, availability_zone=zone,
        )
    )  # fmt: skip
    if as_json:
        print_json(answer)
    else:
        _print_answer(answer, edited=bool(drain or lose_pf))
    if answer.stuck or (answer.shape is not None and not answer.shape.fits):
        ctx.exit(ExitCode.REFUSED)


def _print_answer(answer: WhatIfAnswer, *, edited: bool) -> None:
    if edited:
        click.echo(_verdict(answer))
    if answer.moves:
        click.echo()
        print_table(
            ("SERVER", "FROM", "TO", "DEVICES"),
            [
                (move.server, move.from_host, move.to_host, _addresses(move.nics))
                for move in answer.moves
            ],
            none="",
        )
    if answer.stuck:
        click.echo()
        print_table(
            ("NO PLACE FOR", "FROM", "HOSTS BY REASON", "SMALLEST CHANGE"),
            [_row(stuck) for stuck in answer.stuck],
            none="",
        )
    if answer.shape is not None:
        if edited:
            click.echo()
        _print_shape(answer.shape)


def _verdict(answer: WhatIfAnswer) -> str:
    if not answer.leaving:
        return "No server would have to leave."
    servers = "1 server" if answer.leaving == 1 else f"{answer.leaving} servers"
    if answer.placed == answer.leaving:
        which = "the" if answer.leaving == 1 else "all"
        return f"A place is found for {which} {servers} that would have to leave."
    said = f"A place is found for {answer.placed} of {servers} that would have to leave."
    if answer.at_most == answer.placed:
        return f"{said} More can't: that is proven."
    return f"{said} Whether more could, up to {answer.at_most}, is not proven."


def _addresses(nics: Iterable[GivenNic]) -> str:
    return " ".join(nic.device for nic in nics if nic.device is not None)


def _row(stuck: StuckItem) -> tuple[object, ...]:
    return stuck.server, stuck.from_host, _reasons(stuck.counts), stuck.smallest_change or None


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in most_first(counts))


def _print_shape(shape: ShapeItem) -> None:
    if shape.fits:
        devices = _addresses(shape.nics)
        on = f", on {devices}" if devices else ""
        click.echo(f"One more such server would go to {shape.host}{on}.")
    else:
        click.echo(f"One more such server would fit on no host: {_reasons(shape.counts)}.")
        if shape.smallest_change:
            click.echo(f"Smallest change: {shape.smallest_change}")
    if shape.before is not None and shape.after is not None:
        click.echo(
            f"Such servers that fit: {_range(shape.before)} now, {_range(shape.after)} then."
        )


def _range(bounds: BoundsItem) -> str:
    if bounds.least == bounds.most:
        return str(bounds.least)
    return f"{bounds.least} to {bounds.most}"
