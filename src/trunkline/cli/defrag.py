"""`trunkline defrag`: the fewest servers to move so that devices are free."""

from __future__ import annotations

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.output import print_json, print_table
from trunkline.cli.reasons import most_first
from trunkline.client.api import TrunklineApi
from trunkline.wire.defrag import DefragAnswer, DefragBody, DefragMove, StuckServer


class AttributeParameter(click.ParamType[tuple[str, str]]):
    """``KEY=VALUE``."""

    name = "attribute"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read one attribute."""
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"write KEY=VALUE, not {value!r}", param, ctx)
        return key, text


@click.command(cls=Teaching)
@click.option("--free", type=click.IntRange(min=1), metavar="N", help="So many VFs, at once.")
@click.option("--whole", is_flag=True, help="Instead: a PF, with all its VFs.")
@click.option("--pf", metavar="HOST/ADDRESS", help="On this PF.")
@click.option("--numa", metavar="HOST/NODE", help="On the PFs of this NUMA node.")
@click.option(
    "--switch",
    metavar="NAME",
    help="On the PFs cabled to this switch (tag `switch`), of all hosts.",
)
@click.option(
    "--attribute", "attributes", multiple=True, type=AttributeParameter(), metavar="KEY=VALUE",
    help="Count only devices that have it, as e.trusted=true; give it once for each.",
)  # fmt: skip
@click.option(
    "--budget", type=click.IntRange(min=0), metavar="STATES",
    help="How many states to look at before a plan is taken without proof (default 2000).",
)  # fmt: skip
@takes_json
@takes_api
@click.pass_context
def defrag(
    ctx: click.Context,
    api: TrunklineApi,
    *,
    free: int | None,
    whole: bool,
    pf: str | None,
    numa: str | None,
    switch: str | None,
    attributes: tuple[tuple[str, str], ...],
    budget: int | None,
    as_json: bool,
) -> None:
    r"""Find the fewest servers to move so that devices are free on a PF, NUMA node or switch.

    For admins. VFs that are free already count. A server that is moved leaves the place: it goes
    to another host, or stays and gets other devices of its host. All rules of all servers hold,
    and every move takes only what is free now, so that the moves can be made in any order.

    Nothing is moved and nothing is held. It is said whether the plan is proven to be the shortest,
    and if not, how many moves there must be at least. Exit code 0 if there is a plan, 1 if not.

    \b
    trunkline defrag --free 8 --pf h1/0000:3b:00.0
    trunkline defrag --free 4 --numa h1/0 --attribute e.trusted=true
    trunkline defrag --whole --switch tor3
    """
    _check(free=free, whole=whole, places=[pf, numa, switch])
    answer = api.defrag(
        DefragBody(
            free=free, whole=whole, pf=pf, numa=numa, switch=switch,
            attributes=dict(attributes), budget=budget,
        )
    )  # fmt: skip
    what = "a PF" if whole else f"{free} VFs" if free != 1 else "1 VF"
    if as_json:
        print_json(answer)
    elif answer.is_found:
        _print_plan(answer, what)
    else:
        _print_refusal(answer, what)
    if not answer.is_found:
        ctx.exit(ExitCode.REFUSED)


def _check(*, free: int | None, whole: bool, places: list[str | None]) -> None:
    if (free is None) is not whole:
        raise click.UsageError("say what is to be free: --free N or --whole, one of them")
    if sum(place is not None for place in places) != 1:
        raise click.UsageError("say where: --pf, --numa or --switch, one of them")


def _print_plan(answer: DefragAnswer, what: str) -> None:
    if not answer.moves:
        click.echo(f"Nothing has to be moved: {what} can be had on {_pfs(answer)} now.")
        return
    count = len(answer.moves)
    click.echo(
        f"{_moves(count)} free{'s' if count == 1 else ''} {what} on {_pfs(answer)}: "
        f"{answer.free_before} free now, {answer.free_after} then."
    )
    click.echo(_proof(answer))
    click.echo()
    print_table(
        ("SERVER", "FROM", "TO", "#MEMORY MIB", "NIC", "DEVICE", "NEW DEVICE"),
        [row for move in answer.moves for row in _rows(move)],
        none="",
    )
    click.echo()
    click.echo(
        "The moves can be made in any order. Nothing is held for them, and nothing was done:\n"
        "docs/defrag.md says how to make them."
    )


def _proof(answer: DefragAnswer) -> str:
    if not answer.is_optimal:
        return (
            f"It may be done with fewer, but not with fewer than {answer.at_least}: "
            f"{_states(answer)} looked at, --budget allows for more."
        )
    if not answer.is_best:
        return f"Proven: no plan has fewer moves ({_states(answer)} looked at)."
    return (
        "Proven: no plan has fewer moves, and none with as few moves fewer devices or less memory "
        f"({_states(answer)} looked at)."
    )


def _rows(move: DefragMove) -> list[tuple[object, ...]]:
    stays = move.from_host == move.to_host
    first: tuple[object, ...] = (
        move.server_name, move.from_host, "(stays)" if stays else move.to_host,
        None if stays else str(move.memory_mib),
    )  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for device in move.devices:
        rows.append((*first, device.nic, device.before, device.after))
        first = (" ",) * len(first)
    return rows or [(*first, None, None, None)]


def _print_refusal(answer: DefragAnswer, what: str) -> None:
    if answer.at_least is None:
        click.echo(f"No moves can free {what} there.")
    else:
        click.echo(
            f"No plan was found that frees {what} there; it would take {_moves(answer.at_least)} "
            f"at least. {_states(answer)} looked at; --budget allows for more."
        )
    if not answer.size:
        click.echo("There are no such devices on offer.")
        return
    most = f"at most {answer.free_after} can be"
    if answer.free_bound != answer.free_after:
        most = f"{answer.free_after} can be for sure, and no more than {answer.free_bound}"
    click.echo(f"Of {answer.size} there, {answer.free_before} are free now; {most}.")
    if answer.ownerless:
        click.echo(
            f"{answer.ownerless} are held by no server that could be moved: on their way back, "
            "quarantined, reserved, or claimed for a port (`trunkline device list` shows which)."
        )
    if answer.stuck:
        click.echo()
        print_table(
            ("STUCK SERVER", "HOST", "WHY NO OTHER HOST TAKES IT", "SMALLEST CHANGE"),
            [(one.server_name, one.host, _why(one), one.smallest_change) for one in answer.stuck],
            none="",
        )


def _why(one: StuckServer) -> str | None:
    if one.counts is None:
        return None
    told = ", ".join(f"{reason}: {_hosts(count)}" for reason, count in most_first(one.counts))
    return told or "there is no other host"


def _pfs(answer: DefragAnswer) -> str:
    return ", ".join(answer.pfs[:4]) + (
        f" and {len(answer.pfs) - 4} more" if len(answer.pfs) > 4 else ""
    )


def _moves(count: int) -> str:
    return f"{count} move{'' if count == 1 else 's'}"


def _states(answer: DefragAnswer) -> str:
    return f"{answer.states} state{'' if answer.states == 1 else 's'}"


def _hosts(count: int) -> str:
    return f"{count} host{'' if count == 1 else 's'}"
