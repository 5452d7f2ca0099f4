"""`trunkline server`: the control plane alone. Agents reach it over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from trunkline.api.wakeups import Wakeups
from trunkline.bootstrap.background import background_tasks
from trunkline.bootstrap.control_plane import Listener, listen, new_logins, serve
from trunkline.bootstrap.controller_config import ControllerConfig, load_controller_config
from trunkline.bootstrap.directory import DataDirectory
from trunkline.bootstrap.images_dir import begin_with_images, require_usable_images_dir
from trunkline.bootstrap.keystone import open_keystone, require_login
from trunkline.bootstrap.real import RandomIds, RealClock
from trunkline.bootstrap.secret_file import ENROLMENT_KEY_CHARACTERS_MIN, read_secret
from trunkline.bootstrap.ticker import Ticker
from trunkline.bootstrap.tls import CertificateFiles, ServedCertificate
from trunkline.bootstrap.tls_options import takes_certificate
from trunkline.cli.context import TeachingGroup
from trunkline.cli.progress import progress_line
from trunkline.control.enrolment import set_enrolment_key
from trunkline.control.services import Services, make_services
from trunkline.keystone.identity import Keystone
from trunkline.store.schema import open_store

FEED_CHECK_SECONDS: Final = 0.5  # How late an agent hears of what another replica decided.


@click.group(cls=TeachingGroup, invoke_without_command=True)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="controller.toml; examples/two-networks has one, commented. Needed without a COMMAND.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Goes before the file's listen.port; 0 takes any that is free.",
)
@takes_certificate("Goes before the file's listen.tls_cert")
@click.pass_context
def server(
    context: click.Context,
    config_file: Path | None,
    port: int | None,
    certificate_files: CertificateFiles | None,
) -> None:
    r"""Run API and scheduler; or, with a command, ask about a server (a virtual machine).

    Several may run over one PostgreSQL.

    \b
    Examples:
      trunkline server --config controller.toml
      trunkline server show web
    """
    if context.invoked_subcommand is not None:
        return
    if config_file is None:
        raise click.UsageError("--config FILE is needed to run the service")
    config = load_controller_config(config_file)
    file = config.enrolment_key_file
    key = None
    if file is not None:
        key = read_secret(file, characters_min=ENROLMENT_KEY_CHARACTERS_MIN)
    files = certificate_files or config.certificate_files
    certificate = None if files is None else ServedCertificate(files, RealClock())
    keystone = None
    if config.keystone is not None:
        keystone = open_keystone(config.keystone, RealClock(), config_file=config_file)
        require_login(keystone, config_file)
    with ExitStack() as stack:
        if keystone is not None:
            stack.callback(keystone.close)
        directory = DataDirectory(config.data_dir)
        stack.callback(directory.close)
        listener = listen(
            config.listen_address,
            config.listen_port if port is None else port,
            certificate=certificate,
        )
        _run(config, key, keystone, directory, listener, certificate)


def _run(
    config: ControllerConfig,
    key: str | None,
    keystone: Keystone | None,
    directory: DataDirectory,
    listener: Listener,
    certificate: ServedCertificate | None,
) -> None:
    wakeups = Wakeups()
    images_dir = config.images_dir or directory.images
    require_usable_images_dir(images_dir)
    store = open_store(config.database_url)
    try:
        with progress_line("reading the devices of every host"):
            svc = make_services(
                store,
                clock=RealClock(),
                ids=RandomIds(),
                networking=config.networking,
                images_dir=images_dir,
                wake_host=wakeups.wake,
                limits=config.limits,
                pci=config.pci,
                ranking=config.ranking,
                default_zone=config.default_zone,
                policy=config.policy,
                identity_elsewhere=keystone,
            )
        begin_with_images(svc, named=config.images_dir is not None)
        set_enrolment_key(svc, key)
        url = config.public_url or listener.url
        logins = []
        if keystone is None:
            ca_file = None if certificate is None else certificate.trust_file
            logins = new_logins(directory, svc, url, ca_file=ca_file)
        following = []
        if store.dialect != "sqlite":
            following.append(Ticker("change feed", FEED_CHECK_SECONDS, waking_hosts(svc, wakeups)))
        passwords = "".join(
            f"  new password of {login.user} (shown once, kept in {directory.clouds}): "
            f"{login.password}\n"
            for login in logins
        )

        def say_ready() -> None:
            elsewhere = "" if keystone is None else f"users log in to Keystone at {keystone.url}\n"
            sys.stdout.write(f"Trunkline answers at {url}\n{elsewhere}{passwords}ready\n")
            sys.stdout.flush()

        with background_tasks(svc, *following):
            serve(
                svc,
                wakeups,
                listener,
                public_url=config.public_url,
                certificate=certificate,
                ending=config.ending,
                trusted_proxies=config.trusted_proxies,
                reloads_on_hangup=True,
                on_ready=say_ready,
            )
    finally:
        store.close()


def waking_hosts(svc: Services, wakeups: Wakeups) -> Callable[[], None]:
    """Return what wakes the agents that wait here for hosts that another replica changed."""
    read = svc.store.read(lambda tx: tx.changes.newest())

    def wake() -> None:
        nonlocal read
        read, changed = svc.store.read(lambda tx: tx.changes.since(read))
        if changed:
            for host in svc.store.read(lambda tx: tx.hosts.get_many(changed)).values():
                wakeups.wake(host.name)

    return wake
