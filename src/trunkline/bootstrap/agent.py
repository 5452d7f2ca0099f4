"""`trunkline agent`: the agent of one host, which reaches the control plane over HTTP."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import click
import structlog

from trunkline import durable
from trunkline.agent.apply import NoProbe, Probe
from trunkline.agent.http_transport import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MAX_SECONDS,
    HttpTransport,
)
from trunkline.agent.loop import AgentHost
from trunkline.api.foreground import Foreground
from trunkline.bootstrap.agents import AgentRunner, agent_of
from trunkline.bootstrap.compute_config import ComputeConfig, load_compute_config
from trunkline.bootstrap.directory import DirectoryUnusable
from trunkline.bootstrap.real import RandomIds, RealClock
from trunkline.bootstrap.secret_file import ENROLMENT_KEY_CHARACTERS_MIN, read_secret
from trunkline.cli.context import Failed, Teaching
from trunkline.cli.exit_codes import ExitCode
from trunkline.client.agents import enrol
from trunkline.client.errors import ApiError, ClientError, Unreachable
from trunkline.vif.registry import load_vif_types

log = structlog.get_logger()

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
KILL_AT: Final = "TRUNKLINE_KILL_AT"


@click.command(cls=Teaching)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="compute.toml; examples/two-networks has one, commented.",
)
@click.option("--host", metavar="NAME", help="Goes before the file's `host`.")
@click.option(
    "--simulate",
    metavar="FLEET",
    help="Run on a simulated host instead of this machine: a fleet file, the name of a shipped "
    "one, or a directory of simulated hosts such as DATA/hosts of `trunkline up`.",
)
def agent(config_file: Path, host: str | None, simulate: str | None) -> None:
    r"""Run the agent of one host until it is told to stop; its guests run on.

    It needs the privileged helper (`trunkline host-helper`) and libvirt; `trunkline doctor` says
    what is missing. While the controller does not answer it waits and tries again, at the first
    start too.

    \b
    Examples:
      trunkline agent --config /etc/trunkline/compute.toml
      trunkline agent --config compute.toml --simulate scenario --host h1
    """
    config = load_compute_config(config_file, host=host)
    state = config.state_dir / config.host
    with _alone(state), ExitStack() as stack:
        runner = AgentRunner(RealClock(), Foreground())
        token = _token(config, state)
        # Waited for, not handled: a handler that sets what the same thread waits for can meet
        # it in the middle of beginning to wait, and neither would ever go on. Before there is any
        # other thread, since each inherits the mask, and one without it would take the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        machine = stack.enter_context(
            _host(config, token, simulate, lambda: runner.wake(config.host))
        )
        transport = stack.enter_context(
            HttpTransport(
                config.controller_url,
                config.host,
                token,
                ca_file=None if config.ca_file is None else str(config.ca_file),
                on_news=lambda: runner.wake(config.host),
            )
        )
        one = agent_of(machine, journal=state / "journal.json", transport=transport, probe=_probe())
        runner.start([(config.host, one)])
        sys.stdout.write(f"agent of {config.host} serves {config.controller_url}\nready\n")
        sys.stdout.flush()
        signal.sigwait(_ENDING)
        runner.stop()


def _host(
    config: ComputeConfig, token: str, simulate: str | None, wake: Callable[[], None]
) -> AbstractContextManager[AgentHost]:
    """What the agent acts on, to be opened; `wake` is called when it tells of a change."""
    vif_types = load_vif_types()
    if simulate is not None:
        from trunkline.bootstrap.simulated import open_simulated_host

        return open_simulated_host(config, vif_types, simulate, on_news=wake)
    from trunkline.bootstrap.real_host import open_real_host

    return open_real_host(config, token, vif_types, on_news=wake)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the host's state directory: two agents of one host would undo each other's work."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise DirectoryUnusable(state, f"{problem.strerror}; mend state_dir") from problem
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise DirectoryUnusable(state, "an agent of this host is running already") from problem
        yield
    finally:
        os.close(lock)


def _token(config: ComputeConfig, state: Path) -> str:
    """Return the host's credential; enrol the host if it has none yet, however long that takes.

    The agent makes the credential up, and keeps it before it asks: an enrolment token is good for
    one credential, and if the answer gets lost, or this process ends, the same question is asked
    again.
    """
    kept, proposed = state / "token", state / "token.proposed"
    if kept.exists():
        return read_secret(kept)
    key = read_secret(config.enrolment_key_file, characters_min=ENROLMENT_KEY_CHARACTERS_MIN)
    if not proposed.exists():
        durable.write_private(proposed, RandomIds().new_secret() + "\n")
    token = read_secret(proposed)
    ca_file = None if config.ca_file is None else str(config.ca_file)
    pauses = _growing(BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS)
    for tries in itertools.count():
        try:
            enrol(config.controller_url, config.host, key, token=token, ca_file=ca_file)
        except ClientError as problem:
            if not _may_pass(problem):
                raise _not_enrolled(config, problem) from problem
            if tries == 0:
                log.warning(
                    "the controller does not answer yet: trying on until it does",
                    url=config.controller_url,
                    problem=str(problem),
                )
            threading.Event().wait(next(pauses))  # Signals end the process meanwhile, as usual.
        else:
            break
    proposed.replace(kept)
    return token


def _growing(first: float, most: float) -> Iterator[float]:
    while True:
        yield first
        first = min(2 * first, most)


def _may_pass(problem: ClientError) -> bool:
    """Say whether the same request may be answered later: no key or name gets better by waiting."""
    if isinstance(problem, ApiError):
        return problem.is_fault or problem.status == HTTPStatus.TOO_MANY_REQUESTS
    return isinstance(problem, Unreachable)


def _not_enrolled(config: ComputeConfig, problem: ClientError) -> Failed:
    remedy = ""
    if isinstance(problem, ApiError) and problem.is_refused_login:
        remedy = (
            f"; `trunkline host enrol-token create --host {config.host}` makes a token: put it, or"
            f" the controller's enrolment key, into {config.enrolment_key_file}"
        )
    return Failed(
        f"{config.controller_url} does not enrol {config.host}: {problem}{remedy}",
        ExitCode.REFUSED if isinstance(problem, ApiError) else ExitCode.USAGE,
    )


class _KillAt:
    """Ends this process with SIGKILL at the n-th point that holds a text: for trying it out."""

    def __init__(self, text: str, count: int) -> None:
        self._text = text
        self._left = count

    def reached(self, point: str) -> None:
        """Count a point."""
        if self._text in point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _probe() -> Probe:
    """Read ``TRUNKLINE_KILL_AT=TEXT[:N]``, which the demo sets to show that a kill does no harm."""
    setting = os.environ.get(KILL_AT)
    if not setting:
        return NoProbe()
    text, _, count = setting.rpartition(":")
    return _KillAt(text, int(count)) if text and count.isdecimal() else _KillAt(setting, 1)
