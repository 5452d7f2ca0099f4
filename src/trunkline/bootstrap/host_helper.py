"""`trunkline host-helper`: what an agent that is not root lets root do, and nothing else."""

from __future__ import annotations

import grp
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from trunkline.bootstrap.compute_config import ComputeConfig, load_compute_config
from trunkline.bootstrap.passed_socket import take_passed_socket
from trunkline.cli.context import Failed, Teaching
from trunkline.cli.exit_codes import ExitCode
from trunkline.host.linux.bridges import read_uplinks
from trunkline.host.linux.kernel import SYSFS, LinuxKernel
from trunkline.host.privileged import additions, set_vfs
from trunkline.host.privileged.additions import Additions
from trunkline.host.privileged.client import DEFAULT_SOCKET
from trunkline.host.privileged.direct import DirectWrites
from trunkline.host.privileged.listed import Listed
from trunkline.host.privileged.ownership import find_not_roots_alone
from trunkline.host.privileged.permissions import Permissions
from trunkline.host.privileged.server import BACKLOG, Callers, Helper
from trunkline.host.privileged.set_vfs import SetVfs

AGENT_GROUP: Final = "trunkline"
# Source: sd_listen_fds(3): the first descriptor passed, and who it is meant for.


@click.command("host-helper", cls=Teaching)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The agent's compute.toml. Its device specs and bridges say what may be touched; it "
    "must be root's, and writable for root alone.",
)
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_SOCKET,
    show_default=True,
    help="Where to listen, unless systemd passes a socket.",
)
@click.option(
    "--group",
    default=AGENT_GROUP,
    show_default=True,
    help="Who may ask, besides root: the members of this group, of which the agent's user is one.",
)
def host_helper(config_file: Path, socket_path: Path, group: str) -> None:
    r"""Do as root what the agent of this host asks, out of a closed list.

    It sets VFs, VF counts and drivers of devices on offer, renames their netdevs, reads cards'
    serial numbers and servers' consoles, and sets VLANs and addresses of bridge ports. It runs no
    other program and opens no file that a caller names.

    \b
    Example:
      trunkline host-helper --config /etc/trunkline/compute.toml
    """
    if os.geteuid() != 0:
        raise Failed("host-helper does what needs root: start it as root", ExitCode.USAGE)
    _require_roots_alone(config_file)
    group_id = _group_id(group)
    callers = Callers(users={0}, groups={group_id})
    # systemd makes a directory for it, since it lets it write nowhere else.
    state = Path(os.environ.get("RUNTIME_DIRECTORY", socket_path.parent))
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    _require_roots_alone(state)
    helper = _helper(load_compute_config(config_file), callers, state)
    with _listener(socket_path, group_id) as listener, _ended() as stop:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        helper.serve(listener, stop=stop)


def _helper(config: ComputeConfig, callers: Callers, state: Path) -> Helper:
    writes = DirectWrites(consoles=config.console_dir)
    kernel = LinuxKernel(writes)
    uplinks = partial(read_uplinks, str(SYSFS))
    permissions = Permissions(
        listed=Listed(config.device_specs, config.bridges, uplinks=uplinks),
        kernel=kernel,
        additions=Additions(state / additions.FILE),
        set_vfs=SetVfs(state / set_vfs.FILE),
        sysfs_root=SYSFS,
    )
    return Helper(writes, permissions, callers)


def _require_roots_alone(path: Path) -> None:
    """Refuse what somebody else than root could write, or put another in the place of.

    Whoever can do that with the configuration, or with what was added, says what may be touched.
    """
    try:
        found = find_not_roots_alone(path)
    except OSError as problem:
        raise Failed(f"{problem.filename}: {problem.strerror}", ExitCode.USAGE) from problem
    if found is not None:
        raise Failed(f"{found}: {found.remedy}", ExitCode.USAGE)


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Failed(
            f"there is no group {group}: addgroup --system {group}, or say --group",
            ExitCode.USAGE,
        ) from None


@contextmanager
def _listener(path: Path, group_id: int) -> Iterator[socket.socket]:
    taken = take_passed_socket()
    if taken is not None:
        with taken as passed:
            passed.setblocking(False)  # noqa: FBT003
            yield passed
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            os.chown(path, 0, group_id)
            path.chmod(0o660)
        except OSError as problem:
            raise Failed(f"can't listen at {path}: {problem}", ExitCode.USAGE) from problem
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003
        yield listener
    path.unlink(missing_ok=True)


@contextmanager
def _ended() -> Iterator[int]:
    """Give a descriptor that can be read once SIGTERM or SIGINT has come."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writer, b"!"))
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)
