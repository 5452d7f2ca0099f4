"""`trunkline reset-password`: for whoever has the machine, and no password any more."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from trunkline.bootstrap.controller_config import load_controller_config
from trunkline.bootstrap.directory import (
    CLOUDS,
    DATABASE,
    DataDirectory,
    DirectoryUnusable,
    replace_password,
)
from trunkline.bootstrap.real import RandomIds, RealClock
from trunkline.cli.context import Failed, Teaching
from trunkline.cli.exit_codes import ExitCode
from trunkline.control.identity import reset_password
from trunkline.control.passwords import Passwords
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Domain
from trunkline.store.schema import open_store, sqlite_file
from trunkline.store.transaction import Transaction

DEFAULT_DATA: Final = Path(".trunkline")


@click.command("reset-password", cls=Teaching)
@click.argument("user")
@click.option(
    "--domain", metavar="NAME", help="USER's domain, or its ID; needed if several have a USER."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"The directory that `trunkline up` was started with. Default: {DEFAULT_DATA}.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The controller.toml that `trunkline server` was started with.",
)
def reset_password_command(
    user: str, domain: str | None, data: Path | None, config_file: Path | None
) -> None:
    r"""Give USER a new password, and print it: once, here, and in no log.

    For a password that was lost or has become known. It works on the database itself, so it needs
    no password, but read and write access to what the service keeps. Every token of USER is
    revoked at once; what runs with the old password fails from then on. The audit trail tells of
    it. The clouds.yaml that the service made is brought up to date; other copies are not.

    On SQLite, stop the service first. On PostgreSQL it may run.

    \b
    Examples:
      trunkline reset-password --data /tmp/tl admin
      trunkline reset-password --config controller.toml --domain Default demo
    """
    if data is not None and config_file is not None:
        raise click.UsageError("--data is of `trunkline up`, --config of `trunkline server`: "
                               "give one of them")  # fmt: skip
    data_dir, database_url = _place(data or DEFAULT_DATA, config_file)
    with ExitStack() as stack:
        embedded = sqlite_file(database_url)  # For one process at a time.
        if embedded is not None:
            if not embedded.exists():
                raise DirectoryUnusable(
                    data_dir,
                    f"no service has run on it: there is no {embedded}; name the right one with "
                    "--data or --config",
                )
            stack.callback(DataDirectory(data_dir).close)
        password, of = _reset(database_url, user, domain)
    sys.stdout.write(f"new password of {user} (shown once): {password}\n")
    sys.stdout.flush()  # Nothing that fails from here on may keep it back.
    clouds = data_dir / CLOUDS
    if replace_password(clouds, user, of, password):
        sys.stdout.write(f"{clouds} has it too\n")


def _place(data: Path, config_file: Path | None) -> tuple[Path, str]:
    """Return the data directory and the database's URL."""
    if config_file is not None:
        config = load_controller_config(config_file)
        if config.keystone is not None:
            raise Failed(
                "users are in the hands of Keystone: `openstack user password set` is for your "
                "own, `openstack user set --password-prompt USER` for others'",
                ExitCode.REFUSED,
            )
        return config.data_dir, config.database_url
    return data, f"sqlite:///{data.absolute() / DATABASE}"


def _reset(database_url: str, user: str, domain: str | None) -> tuple[str, Domain]:
    store = open_store(database_url)
    try:
        return reset_password(
            store, user, domain=domain, clock=RealClock(), ids=RandomIds(), passwords=Passwords()
        )
    except Invalid as problem:
        raise Failed(f"{problem} (--domain)", ExitCode.REFUSED) from problem
    except NotFound as problem:
        what = problem.what
        there_are = store.read(lambda tx: _known(tx, what))
        raise Failed(f"{problem}; {there_are}", ExitCode.REFUSED) from problem
    finally:
        store.close()


def _known(tx: Transaction, what: str) -> str:
    """Say what there is in place of the user or domain that there is not."""
    domains = tx.domains.names()
    if what == "domain":
        return f"there are {', '.join(sorted(domains.values()))}"
    names = [
        user.name if len(domains) == 1 else f"{user.name} of {domains[user.domain_id]}"
        for user in tx.identity.all_users()
    ]
    return f"there are {', '.join(sorted(names))}" if names else "there are no users yet"
