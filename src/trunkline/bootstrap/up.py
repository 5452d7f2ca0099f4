"""`trunkline up`: the whole system in one process, on simulated hosts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from trunkline.agent.loop import Agent
from trunkline.api.foreground import Foreground
from trunkline.api.wakeups import Wakeups
from trunkline.bootstrap.agents import AgentRunner
from trunkline.bootstrap.background import background_tasks
from trunkline.bootstrap.control_plane import (
    ADMIN_CLOUD,
    DEMO_CLOUD,
    Listener,
    listen,
    new_logins,
    serve,
)
from trunkline.bootstrap.directory import FLEET_FILE, DataDirectory, DirectoryUnusable, Login
from trunkline.bootstrap.images_dir import begin_with_images, require_usable_images_dir
from trunkline.bootstrap.local_transport import LocalTransport
from trunkline.bootstrap.real import RandomIds, RealClock
from trunkline.bootstrap.simulated import simulated_agent
from trunkline.bootstrap.tls import CertificateFiles, ServedCertificate
from trunkline.bootstrap.tls_options import takes_certificate
from trunkline.cli.context import Teaching
from trunkline.cli.progress import progress_line
from trunkline.control.enrolment import set_enrolment_key
from trunkline.control.hosts import ensure_host
from trunkline.control.networking import IdRange, Networking
from trunkline.control.services import Services, make_services
from trunkline.domain.ids import HostName, PhysicalNetwork
from trunkline.host.fleet import Fleet, find_fleet, load_fleet, shipped_fleets
from trunkline.host.simulated_host import SimulatedHost, create_hosts, open_host
from trunkline.host.simulated_watch import ChangeTeller
from trunkline.netdrivers.builtin import PhysicalNetworkDriver, TunnelDriver
from trunkline.store.schema import open_store

DEFAULT_FLEET: Final = "scenario"
HOSTS_NAMED_MAX: Final = 8  # In a message; a fleet may have thousands.
# A request passes from thread to thread some six times, and agents compute beside it. At Python's
# default of 5 ms each pass could wait that long for the interpreter.
THREAD_SWITCH_SECONDS: Final = 0.0002


@click.command(cls=Teaching)
@click.option(
    "--fleet",
    "fleet_name",
    metavar="FILE",
    help="The simulated hosts: a TOML file, or the name of a shipped one "
    f"({', '.join(sorted(shipped_fleets()))}). Default: {DEFAULT_FLEET}.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".trunkline"),
    show_default=True,
    help="Where database, images, simulated hosts and clouds.yaml are kept. A second start on the "
    "same directory goes on where the first stopped.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8774, show_default=True,
              help="The TCP port to answer on; 0 takes any that is free.")  # fmt: skip
@click.option("--address", default="127.0.0.1", show_default=True, help="The address to answer on.")
@click.option(
    "--external-agent",
    "external",
    multiple=True,
    metavar="HOST",
    help="Run no agent for this host here: `trunkline agent` does, elsewhere. May be repeated.",
)
@takes_certificate("Needs --tls-key")
def up(
    fleet_name: str | None,
    data: Path,
    port: int,
    address: str,
    external: tuple[str, ...],
    certificate_files: CertificateFiles | None,
) -> None:
    r"""Run everything here: API, scheduler and simulated hosts with their agents.

    \b
    Example:
      trunkline up --data /tmp/tl
      export OS_CLIENT_CONFIG_FILE=/tmp/tl/clouds.yaml OS_CLOUD=trunkline
      openstack hypervisor list
    """
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    source = _fleet_file(data, fleet_name)
    fleet = load_fleet(source)
    _check_external(external, fleet)
    certificate = None
    if certificate_files is not None:
        certificate = ServedCertificate(certificate_files, RealClock())
    # What is refused up to here leaves no directory behind. Where there is one, that it is in use
    # is the better answer than that the port is.
    bind = partial(listen, address, port, certificate=certificate)
    listener = None if data.exists() else bind()
    directory = DataDirectory(data)
    try:
        _keep_fleet(directory, source)
        listener = listener or bind()
        _run(directory, fleet, listener, frozenset(external), certificate)
    finally:
        directory.close()


def _fleet_file(data: Path, name: str | None) -> Path:
    """Return the file of the fleet asked for; the directory's own when none is."""
    kept = data / FLEET_FILE
    return kept if name is None and kept.exists() else find_fleet(name or DEFAULT_FLEET)


def _keep_fleet(directory: DataDirectory, source: Path) -> None:
    """Keep a copy in the directory, unless it was begun with another fleet."""
    kept = directory.fleet_file
    if kept.exists() and kept.read_bytes() == source.read_bytes():
        return
    if kept.exists() and any(directory.hosts.iterdir()):
        raise DirectoryUnusable(
            directory.path,
            f"it was started with another fleet ({kept}); start it without --fleet, or use "
            "another --data",
        )
    shutil.copyfile(source, kept)


def _check_external(external: Collection[str], fleet: Fleet) -> None:
    for name in external:
        if name not in fleet.host_names:
            raise click.BadParameter(
                f"the fleet has no host {name!r}; it has "
                f"{', '.join(fleet.host_names[:HOSTS_NAMED_MAX])}"
                + (", …" if len(fleet.host_names) > HOSTS_NAMED_MAX else ""),
                param_hint="'--external-agent'",
            )


def _run(
    directory: DataDirectory,
    fleet: Fleet,
    listener: Listener,
    external: Collection[str],
    certificate: ServedCertificate | None,
) -> None:
    require_usable_images_dir(directory.images)
    clock, ids, wakeups = RealClock(), RandomIds(), Wakeups()
    with progress_line(f"making {len(fleet.host_names)} simulated hosts"):
        made = create_hosts(fleet, directory.hosts)
    store = open_store(directory.database_url)
    foreground = Foreground()
    runner = AgentRunner(clock, foreground)

    def wake_host(name: HostName) -> None:
        runner.wake(name)
        wakeups.wake(name)

    try:
        with progress_line("reading the devices of every host"):
            svc = make_services(
                store,
                clock=clock,
                ids=ids,
                networking=networking_for(fleet),
                images_dir=directory.images,
                wake_host=wake_host,
            )
        begin_with_images(svc, named=False)
        set_enrolment_key(svc, directory.enrolment_key(ids))
        logins = new_logins(
            directory,
            svc,
            listener.url,
            ca_file=None if certificate is None else certificate.trust_file,
        )
        _make_known(svc, fleet.host_names)
        hosts = [
            open_host(directory.hosts, name) for name in fleet.host_names if name not in external
        ]
        runner.start(_agents(directory, svc, hosts))
        changes = ChangeTeller({host.name: host.state_files for host in hosts}, runner.wake)
        with background_tasks(svc), changes:
            serve(
                svc,
                wakeups,
                listener,
                foreground=foreground,
                certificate=certificate,
                on_ready=lambda: _say_ready(
                    directory, listener.url, len(fleet.host_names), made, logins
                ),
            )
    finally:
        runner.stop()
        store.close()


def _agents(
    directory: DataDirectory, svc: Services, hosts: Iterable[SimulatedHost]
) -> Iterator[tuple[HostName, Agent]]:
    transport = LocalTransport(svc)
    for host in hosts:
        yield (
            host.name,
            simulated_agent(
                host,
                journal=directory.hosts / host.name / "journal.json",
                transport=transport,
                vif_types=svc.vif_types,
            ),
        )


def networking_for(fleet: Fleet) -> Networking:
    """Give each physical network of a fleet a hundred VLANs: by name, 100-199, 200-299, …"""
    names = sorted({
        str(value)
        for group in fleet.groups
        for spec in group.raw_device_specs
        for key, value in spec.items()
        if key == "physical_network"
    })  # fmt: skip
    ranges = {
        PhysicalNetwork(name): (IdRange(low, low + 99),)
        for name, low in zip(names, range(100, 4000, 100), strict=False)
    }
    return Networking(
        vlan_ranges=MappingProxyType(ranges),
        drivers=(PhysicalNetworkDriver({}), TunnelDriver({})),
    )


def _make_known(svc: Services, names: Collection[HostName]) -> None:
    known = {host.name for host in svc.store.read(lambda tx: tx.hosts.all())}
    new = [name for name in names if name not in known]
    if new:
        svc.store.write(lambda tx: [ensure_host(tx, svc, name) for name in new])


def _say_ready(
    directory: DataDirectory, url: str, hosts: int, made: int, logins: list[Login]
) -> None:
    lines = [
        f"Trunkline answers at {url}",
        f"  {hosts} simulated hosts in {directory.hosts}"
        + (f" ({made} of them new)" if made else ", as they were left"),
    ]
    lines += [
        f"  new password of {login.user} (shown once, kept in clouds.yaml): {login.password}"
        for login in logins
    ]
    lines += [
        "",
        f"export OS_CLIENT_CONFIG_FILE={directory.clouds.absolute()}",
        f"export OS_CLOUD={ADMIN_CLOUD}    # or {DEMO_CLOUD}: a member of the project demo",
        "",
        "ready",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
