"""The commands that ask the API; `bootstrap` mounts them in the root command."""

from __future__ import annotations

from typing import Final

import click

from trunkline.cli.capacity import capacity
from trunkline.cli.defrag import defrag
from trunkline.cli.devices import device
from trunkline.cli.events import events
from trunkline.cli.explain import explain
from trunkline.cli.hosts import host
from trunkline.cli.network_pools import pool
from trunkline.cli.networks import network
from trunkline.cli.pci_flavors import pci_flavor
from trunkline.cli.pfs import pf
from trunkline.cli.quotas import quota
from trunkline.cli.servers import server_commands
from trunkline.cli.verify import verify
from trunkline.cli.what_if import what_if

commands: Final[list[click.Command]] = [
    host, device, pf, pool, network, pci_flavor, server_commands, explain, capacity, defrag, events,
    quota, verify, what_if,
]  # fmt: skip
