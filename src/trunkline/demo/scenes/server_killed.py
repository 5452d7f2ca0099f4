"""Scene 5: the whole server process is killed with SIGKILL, and started again."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from trunkline.client.errors import ClientError
from trunkline.demo.cloud import Cloud
from trunkline.demo.stage import HOSTS, Stage, WentWrong
from trunkline.demo.system import wait_until
from trunkline.wire.v1 import HostItem

BURST = 20  # Fewer than there are free VFs on red.
CLIENTS = 4
KILL_AFTER = 10  # Acknowledged servers, while others are being asked for.


class _Burst:
    """Several clients asking for servers at once, until the server is gone."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = threading.Lock()
        self._names = [f"burst-{number}" for number in range(BURST)]
        self.ports: dict[str, list[str]] = {}
        self.acknowledged: dict[str, str] = {}  # ID by name: what was answered 202.
        self.devices: dict[str, tuple[str | None, ...]] = {}  # By name, as shown before the kill.
        self.threads = [threading.Thread(target=self._ask, name=f"client {n}")
                        for n in range(CLIENTS)]  # fmt: skip

    def prepare(self) -> None:
        """Make the ports beforehand, so that only servers are being made at the kill."""
        for name in self._names:
            self.ports[name] = [
                self._stage.cloud.create_port(
                    f"{name}-{network}", self._stage.networks[network], "direct", shown=False
                )
                for network in ("blue", "red")
            ]

    def _ask(self) -> None:
        stage = self._stage
        try:
            cloud = Cloud(stage.system.data / "clouds.yaml", stage.story)
            while (name := self._next()) is not None:
                server_id = cloud.create_server(
                    name, stage.flavor_id, stage.image_id, self.ports[name], None
                )
                with self._lock:
                    stage.asked[server_id] = [("blue", "direct"), ("red", "direct")]
                    self.acknowledged[name] = server_id
                devices = devices_of(cloud, server_id)
                with self._lock:
                    self.devices[name] = devices
        except ClientError:
            return  # The server is gone, as was meant.

    def _next(self) -> str | None:
        with self._lock:
            return self._names.pop(0) if self._names else None


def play(stage: Stage) -> None:
    """Play the scene."""
    story = stage.story
    story.scene(5, "The whole server is killed")
    _in_the_middle(stage)
    _when_all_is_quiet(stage)


def _in_the_middle(stage: Stage) -> None:
    story, system = stage.story, stage.system
    story.say(
        f"{CLIENTS} clients ask for servers as fast as they can, each with a NIC on blue and one "
        f"on red. After {KILL_AFTER} answers the server process (API, scheduler, database, the "
        "agents of five hosts) is killed with SIGKILL."
    )
    story.command("openstack server create --flavor small --image demo "
                  "--port burst-N-blue --port burst-N-red burst-N")  # fmt: skip
    burst = _Burst(stage)
    burst.prepare()
    before = stage.claims.snapshot("before-burst")
    for thread in burst.threads:
        thread.start()
    with story.waiting("asking for servers"):
        wait_until(
            lambda: len(burst.acknowledged) >= KILL_AFTER, f"{KILL_AFTER} answers", seconds_max=30
        )
    system.server.kill()
    for thread in burst.threads:
        thread.join()
    ran = stage.running_guests() & set(burst.acknowledged.values())
    story.say(
        f"Killed, with {len(burst.acknowledged)} servers acknowledged, of which {len(ran)} ran "
        "already. The simulated kernels and guests live on, as real ones would. The server is "
        "started again on the same directory:"
    )
    _start_again(stage)
    running = _wait_for_the_acknowledged(stage, burst.acknowledged)
    story.table(
        ("SERVER", "AT THE KILL", "NOW", "HOST", "DEVICES", "SHOWN BEFORE THE KILL"),
        [
            (
                name, "running" if server_id in ran else "being built", "running",
                running[name][0], ", ".join(filter(None, running[name][1])),
                "the same" if name in burst.devices else "not asked in time",
            )
            for name, server_id in burst.acknowledged.items()
        ],
    )  # fmt: skip
    for name, devices in burst.devices.items():
        stage.expect(running[name][1] == devices, f"server {name} had {devices}, not any more")
    for name in burst.acknowledged:
        stage.claim(stage.servers[name])
    stage.claims.add(
        "servers that ran before: still on the same devices, to which nobody has written",
        "untouched", since=before,
    )  # fmt: skip
    stage.check()
    for server in stage.cloud.servers():
        if server["name"] in burst.ports:  # Also those whose answer was lost.
            stage.port_ids[server["id"]] = burst.ports.pop(server["name"])
    for ports in burst.ports.values():
        for port_id in ports:
            stage.cloud.delete_port(port_id)


def _wait_for_the_acknowledged(
    stage: Stage, acknowledged: Mapping[str, str]
) -> dict[str, tuple[str, tuple[str | None, ...]]]:
    with stage.story.waiting("waiting for every acknowledged server"):
        for name, server_id in acknowledged.items():
            if stage.cloud.is_gone(server_id):
                raise WentWrong(f"server {name} ({server_id}) was acknowledged, and is lost")
        wait_until(
            lambda: not any(server["status"] == "BUILD" for server in stage.cloud.servers()),
            "no server is being built any more",
            seconds_max=40,
        )
    found = {}
    for name, server_id in acknowledged.items():
        status = stage.cloud.server(server_id)["status"]
        stage.expect(status == "ACTIVE", f"server {name} was acknowledged, and is {status}")
        server = stage.find_server(server_id)
        found[name] = server.host, devices_of(stage.cloud, server_id)
    return found


def _when_all_is_quiet(stage: Stage) -> None:
    story, system = stage.story, stage.system
    story.say(
        f"Now that all is as it should be, everything is killed once more: the server, and the "
        f"agent of {system.external_host}. Restarting must not write anything to any card."
    )
    before = stage.claims.snapshot("before-quiet-restart")
    killed_at = datetime.fromtimestamp(time.time(), UTC)
    system.server.kill()
    system.agent.kill()
    _start_again(stage)
    with story.waiting("starting the agent, and waiting until every host has been heard"):
        system.start_agent()
        wait_until(
            lambda: all(_heard_since(killed_at, host) for host in stage.cloud.v1.hosts()),
            f"reports of {', '.join(HOSTS)}",
            seconds_max=40,
        )
    stage.claims.add("restarted: not one attempt to write to any kernel or libvirt",
                     "quiet", since=before)  # fmt: skip
    stage.claims.add("restarted: every guest still runs, on the same devices",
                     "untouched", since=before)  # fmt: skip
    stage.check()


def _start_again(stage: Stage) -> None:
    started = time.monotonic()
    with stage.story.waiting("starting the server again"):
        stage.system.start_server()
    stage.reconnect()
    stage.story.say(f"Ready again after {time.monotonic() - started:.1f} s.")


def _heard_since(moment: datetime, host: HostItem) -> bool:
    """Whether a host's new agent has reported, with nothing left to do."""
    heard = host.last_seen is not None and host.last_seen > moment
    return heard and host.applied_generation == host.generation


def devices_of(cloud: Cloud, server_id: str) -> tuple[str | None, ...]:
    """Return the PCI addresses that a server has, NIC by NIC."""
    nics = cloud.v1.server_path(server_id).nics
    return tuple(None if n.device is None else n.device.address for n in nics)
