"""A user of the real clients, at a site whose agents are at work."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.clients import OpenStack
from tests.support.clock import a_clock_for_clients
from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import served, write_clouds

BLANK = ("--block-device", "source_type=blank,destination_type=local,boot_index=0,volume_size=1")
AGENT_PAUSE_SECONDS = 0.1  # Between two rounds of the agents.

ASKED_TIMES_MAX = 20  # A command takes a second, an agent's round much less.


@contextmanager
def agents_at_work(scene: ComputeSite) -> Iterator[None]:
    """Let all agents make true what is desired, round after round, while a client waits."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(AGENT_PAUSE_SECONDS):
            scene.settle()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@dataclass
class Desk:
    """A user at the command line."""

    scene: ComputeSite
    directory: Path
    openstack: OpenStack
    run_with_sdk: Callable[..., subprocess.CompletedProcess[str]]

    def run(self, *args: str, cloud: str = "trunkline-demo") -> str:
        return self.openstack(self.directory, *args, cloud=cloud, check=True).stdout

    def show(self, *args: str, cloud: str = "trunkline-demo") -> Any:
        return json.loads(self.run(*args, "-f", "json", cloud=cloud))

    def wait_for_status(self, name: str, wanted: str) -> None:
        """Ask until the server has this status; the agents report it on their own time."""
        for _ in range(ASKED_TIMES_MAX):
            seen = self.show("server", "show", name)["status"]
            if seen == wanted:
                return
        raise AssertionError(f"server {name} is {seen}, not {wanted}")

    def fail(self, *args: str, cloud: str = "trunkline-demo") -> str:
        done = self.openstack(self.directory, *args, cloud=cloud)
        assert done.returncode != 0, done.stdout
        return done.stderr


@dataclass(frozen=True)
class Desks:
    """Sets desks up."""

    mktemp: Callable[[str], Path]
    openstack: OpenStack
    run_with_sdk: Callable[..., subprocess.CompletedProcess[str]]

    @contextmanager
    def set_up(self, furnish: Callable[[ComputeSite], None] = lambda _: None) -> Iterator[Desk]:
        """Open a site, `furnish` it, and let its agents work."""
        directory = self.mktemp("desk")
        site = a_compute_site(self.mktemp("site"), clock=a_clock_for_clients())
        with site as scene, served(scene.site.app) as url:
            furnish(scene)
            write_clouds(directory, url, scene.site.passwords)
            with agents_at_work(scene):
                yield Desk(scene, directory, self.openstack, self.run_with_sdk)
