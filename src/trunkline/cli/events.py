"""`trunkline events`: who changed what when."""

from __future__ import annotations

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi


@click.command(cls=Teaching)
@click.option("--host", metavar="NAME", help="Only about this host.")
@click.option("--server", metavar="NAME", help="Only about this server (or its ID).")
@click.option("--port", metavar="NAME", help="Only about this port (or its ID).")
@click.option("--device", metavar="[HOST/]ADDRESS", help="Only about this device (or its ID).")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True,
    help="How many at most.",
)  # fmt: skip
@takes_json
@takes_api
def events(
    api: TrunklineApi,
    *,
    host: str | None,
    server: str | None,
    port: str | None,
    device: str | None,
    limit: int,
    as_json: bool,
) -> None:
    r"""Show the audit trail, newest first: who changed what when.

    Tenants see what concerns their own project. What has been deleted is found by its ID.

    \b
    trunkline events --server web
    trunkline events --host h1 --limit 200
    trunkline events --device h1/0000:05:00.1 --json
    """
    filters = {"host": host, "server": server, "port": port, "device": device}
    found = list(api.events(filters, limit=limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("TIME (UTC)", "WHO", "ACTION", "WHAT", "DETAILS"),
        [
            (
                event.at, event.actor, event.action, event.subject,
                ", ".join(f"{name}={value}" for name, value in event.details.items()),
            )
            for event in found
        ],
        none="Nothing has happened that you may see.",
    )  # fmt: skip
