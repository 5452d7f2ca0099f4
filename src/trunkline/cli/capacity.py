"""`trunkline capacity`: how many more servers of a shape fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.nic_options import takes_flavor, takes_hints, takes_nics, takes_zone
from trunkline.cli.output import print_json, print_table
from trunkline.cli.reasons import most_first, words
from trunkline.client.api import TrunklineApi
from trunkline.wire.json import decode
from trunkline.wire.planning import (
    BoundsItem,
    CapacityAnswer,
    CapacityBody,
    HostCapacityItem,
    MixBody,
    MixPart,
)
from trunkline.wire.v1 import ExplainNic


@click.command(cls=Teaching)
@takes_nics
@takes_flavor
@takes_hints
@takes_zone
@click.option("--host", metavar="NAME", help="On this host only.")
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, metavar="N",
    help="Show this many hosts, by name; 0: all. All are counted.",
)  # fmt: skip
@click.option("--after", metavar="NAME", help="Show hosts whose names come after this one.")
@click.option(
    "--mix", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Instead: count mixes of several shapes. JSON: "
    '[{"share": 2, "flavor": NAME, "nics": [{"network": NAME, "vnic_type": TYPE}]}, …]',
)  # fmt: skip
@takes_json
@takes_api
@click.pass_context
def capacity(
    ctx: click.Context,
    api: TrunklineApi,
    *,
    nics: tuple[ExplainNic, ...],
    flavor: str | None,
    hints: Mapping[str, tuple[str, ...]],
    zone: str | None,
    host: str | None,
    limit: int,
    after: str | None,
    mix: Path | None,
    as_json: bool,
) -> None:
    r"""Count how many more servers of a shape fit now, per host and in all. For admins.

    Exact wherever that can be proven, which is for all requests but such whose rules cross each
    other; then both bounds are shown. Exit code 0 if one or more fit, 1 if none does.

    \b
    trunkline capacity --flavor small --nic network=blue,vnic-type=direct
    trunkline capacity --nic network=blue,vnic-type=direct --host h1
    trunkline capacity --mix web-and-database.json
    """
    if mix is not None:
        if nics or flavor or hints or host or zone:
            raise click.UsageError("--mix says all about its servers: leave the others out")
        bounds = api.capacity_of_mix(_read_mix(mix))
        if as_json:
            print_json(bounds)
        else:
            click.echo(_mixes(bounds))
        if not bounds.least:
            ctx.exit(ExitCode.REFUSED)
        return
    body = CapacityBody(
        nics=nics, flavor=flavor, hints=hints, host=host, availability_zone=zone, marker=after
    )
    answer = api.capacity(replace(body, limit=limit or None))
    while not limit and answer.next_marker is not None:
        more = api.capacity(replace(body, marker=answer.next_marker))
        answer = replace(answer, hosts=(*answer.hosts, *more.hosts), next_marker=more.next_marker)
    if as_json:
        print_json(answer)
    else:
        print_capacity(answer)
    if not answer.least:
        ctx.exit(ExitCode.REFUSED)


def _read_mix(path: Path) -> MixBody:
    try:
        return MixBody(mix=decode(path.read_bytes(), tuple[MixPart, ...]))
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as problem:
        raise click.UsageError(f"--mix {path}: {problem}") from None


def _mixes(bounds: BoundsItem) -> str:
    if bounds.least == bounds.most:
        return f"{bounds.least} such mixes fit."
    return (
        f"At least {bounds.least} such mixes fit, each on one host; "
        f"at most {bounds.most}, were devices and room of all hosts in one."
    )


def print_capacity(answer: CapacityAnswer) -> None:
    """Print the sum, what limits hosts, and a page of them."""
    click.echo(f"{_number(answer)} more of these servers {_fit(answer)}.")
    if answer.limits:
        click.echo()
        print_limits(answer.limits)
    if answer.hosts:
        click.echo()
        print_hosts(answer.hosts)
    if answer.next_marker is not None:
        click.echo(f"There are more hosts: --after {answer.next_marker}, or --limit 0 for all.")


def print_limits(limits: Mapping[str, int]) -> None:
    """Print how many hosts each reason stands at, most first."""
    print_table(
        ("WHAT LIMITS", "#HOSTS"),
        [(reason, str(count)) for reason, count in most_first(limits)],
        none="",
    )


def print_hosts(hosts: Iterable[HostCapacityItem]) -> None:
    """Print how many fit on each."""
    print_table(
        ("HOST", "#FIT", "LIMITED BY"),
        [(host.host, _number(host), words(host.limit)) for host in hosts],
        none="",
    )


def _number(counted: CapacityAnswer | HostCapacityItem) -> str:
    """E.g. `12`, or `12 to 14` where that is as much as is proven."""
    if counted.least == counted.most:
        return str(counted.least)
    return f"{counted.least} to {counted.most}"


def _fit(answer: CapacityAnswer) -> str:
    if answer.least == answer.most:
        return "fits" if answer.least == 1 else "fit"
    return "fit: that many do, and no more than that; the number between is not proven"
