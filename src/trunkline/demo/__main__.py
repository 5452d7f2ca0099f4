"""``python -m trunkline.demo``, which is `make demo`."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from trunkline.client.errors import ClientError
from trunkline.demo import plants
from trunkline.demo.claims import CheckerFailed, ClaimFalse, Claims
from trunkline.demo.cloud import Cloud, Refused
from trunkline.demo.scenes import agent_killed, inventory, refusal, release, server_killed, servers
from trunkline.demo.stage import HOSTS, Stage, WentWrong
from trunkline.demo.story import Story
from trunkline.demo.system import Stuck, System, wait_until

EXIT_FALSE, EXIT_INTERRUPTED = 1, 130
SEPARATE_AGENT = "h4"
SCENES = (
    inventory.play, servers.play, refusal.play, agent_killed.play, server_killed.play, release.play
)  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--plant",
    type=click.Choice(plants.NAMES),
    help="Plant a fault in a simulated card: the demonstration must notice, and fail.",
)
@click.option("--keep", is_flag=True, help="Leave the directory, with logs and raw files.")
def main(plant: str | None, *, keep: bool) -> None:
    """Walk through the two-network scenario on simulated hosts, each claim checked from outside.

    Exit code 0 only if every claim was checked and holds.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    story, started = Story(), time.monotonic()
    try:
        with _directory(keep=keep) as directory:
            count = _play(story, directory, plant)
    except KeyboardInterrupt:
        story.say("Interrupted; nothing is left behind.")
        sys.exit(EXIT_INTERRUPTED)
    except (ClaimFalse, WentWrong) as problem:
        story.say("The demonstration FAILED. This is wrong:")
        for each in _problems(problem):
            story.verdict(each, holds=False)
        sys.exit(EXIT_FALSE)
    except (CheckerFailed, Stuck, Refused, ClientError) as problem:
        story.say(f"The demonstration could not go on: {problem}")
        sys.exit(EXIT_FALSE)
    if plant is not None:
        story.say(f"The fault {plant} was planted, and nobody noticed.")
        sys.exit(EXIT_FALSE)
    seconds = time.monotonic() - started
    story.say(f"{count} claims checked, and all hold. It took {seconds:.0f} s.")


def _play(story: Story, directory: Path, plant: str | None) -> int:
    system = System(directory, external_host=SEPARATE_AGENT)
    try:
        stage = _start(story, system, directory)
        for play in SCENES:
            if play is servers.play and plant is not None:
                plants.plant(stage, plant)
            play(stage)
        return stage.claims.checked_count
    finally:
        with _uninterrupted():
            system.stop()


def _start(story: Story, system: System, directory: Path) -> Stage:
    story.say(
        "This starts all of Trunkline on simulated hosts: the real API, scheduler and agents, on "
        "kernels and libvirts that are files. DIR is a temporary directory. A line that begins "
        "with `$ openstack` is what you would type; the demo needs no client, and sends the same "
        "requests itself."
    )
    story.command(system.shortened(f"trunkline {' '.join(system.server_command)}"))
    with story.waiting("starting the server"):
        system.start_server()
    story.command("trunkline agent --config DIR/compute.toml --simulate DIR/data/hosts")
    system.write_compute_file()
    with story.waiting(f"starting the agent of {system.external_host}"):
        system.start_agent()
    claims = Claims(story, system.data, directory)
    stage = Stage(story, system, claims, Cloud(system.data / "clouds.yaml", story))
    with story.waiting("waiting until every host has reported"):
        wait_until(
            lambda: all(host.up for host in stage.cloud.v1.hosts()),
            f"reports of {', '.join(HOSTS)}",
            seconds_max=30,
        )
    stage.start_snapshot = claims.snapshot("start")
    return stage


@contextmanager
def _directory(*, keep: bool) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="trunkline-demo-"))
    try:
        yield directory
    finally:
        with _uninterrupted():
            if keep:
                sys.stderr.write(f"kept: {directory}\n")
            else:
                shutil.rmtree(directory)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let nothing but SIGKILL break off the tidying up."""
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _problems(problem: BaseException | None) -> Iterator[str]:
    """Yield what is wrong, the cause first."""
    if problem is not None:
        yield from _problems(problem.__cause__)
        yield from problem.problems if isinstance(problem, ClaimFalse) else [str(problem)]


if __name__ == "__main__":
    main()
