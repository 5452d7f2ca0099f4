"""`trunkline pf`: PFs, where an operator has a say."""

from __future__ import annotations

import click

from trunkline.cli.context import TeachingGroup, takes_api
from trunkline.client.api import TrunklineApi


@click.group(cls=TeachingGroup)
def pf() -> None:
    r"""The PFs of hosts: which card is which. For admins.

    \b
    trunkline pf rekey h1 0000:05:00.0 0000:82:00.0
    """


@pf.command()
@click.argument("host")
@click.argument("address")
@click.argument("now_at")
@takes_api
def rekey(api: TrunklineApi, *, host: str, address: str, now_at: str) -> None:
    r"""Say that the PF on record at ADDRESS of HOST is the one at NOW_AT.

    A card is known by its serial number and its permanent MAC: one that was moved to another slot
    keeps its devices and servers by itself. Where that is in doubt, `trunkline host show` says so,
    nothing is given of the PF, and its servers wait: move or delete them, or say here which it is.

    Done with the host's next report, if a PF with the same VFs is there. No address on record has
    to be free: the PF that is there now takes its place.

    \b
    trunkline host show h1
    trunkline pf rekey h1 0000:05:00.0 0000:82:00.0
    """
    api.rekey_pf(host, address, now_at)
    click.echo(
        f"{host} will be looked at with its next report; then see: trunkline host show {host}"
    )
