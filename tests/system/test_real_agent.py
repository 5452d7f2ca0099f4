"""The agent of a real host: this machine's kernel, a helper that is root, and a real libvirt.

The machine that runs the tests need have no card with SR-IOV: what is shown is that the parts find
each other, and that what is missing is told.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.libvirtd import PrivateLibvirt
from tests.support.patience import HANGS_SECONDS
from tests.support.processes import Running, ask, trunkline
from tests.support.talking_guest import said_by, talking_disk
from tests.support.waiting import wait_until
from tests.system.test_up import Session, wait_for_status
from trunkline.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks/controller.toml"


class Site:
    """A controller, and this machine as its host h1."""

    def __init__(self, directory: Path, libvirt: PrivateLibvirt, stack: ExitStack) -> None:
        self.directory = directory
        self.libvirt = libvirt
        self._stack = stack
        self.url = ""

    def start_controller(self) -> None:
        server = self.start("server", "--config", "controller.toml", "--port", "0")
        self.url = server.url
        shutil.copyfile(
            self.directory / "state/controller/clouds.yaml", self.directory / "clouds.yaml"
        )
        (self.directory / "compute.toml").write_text(
            'host = "h1"\nstate_dir = "state"\n'
            f'[controller]\nurl = "{self.url}"\nenrolment_key_file = "token"\n'
            f'[libvirt]\nuri = "{self.libvirt.uri}"\ndomain_type = "qemu"\nstorage_dir = "guests"\n'
            f'[helper]\nsocket = "helper.sock"\n'
        )

    def start(self, *args: str, **env: str) -> Running:
        return self._stack.enter_context(trunkline(self.directory, *args, env=env))

    def start_agent(self, **env: str) -> Running:
        return self.start("agent", "--config", "compute.toml", **env)

    def domains(self) -> str:
        """What runs, by the number that libvirt gives each start, and by its UUID."""
        return self.libvirt.virsh("list", "--id", "--uuid").stdout.strip()

    def files(self) -> list[str]:
        """What servers have on the host: disks and consoles."""
        kept = self.directory / "guests"
        return sorted(
            path.name for kind in ("disks", "consoles") for path in (kept / kind).iterdir()
        )

    def befell(self) -> list[str]:
        """What befell guests, oldest first."""
        listed = json.loads(ask(self.directory, "events", "--json"))
        found = [event["action"].removeprefix("server.guest_") for event in listed
                 if event["action"].startswith("server.guest_")]  # fmt: skip
        return found[::-1]

    def start_helper(self) -> Running:
        return self.start(
            "host-helper", "--config", "compute.toml", "--socket", "helper.sock", "--group", "root"
        )

    def enrol(self) -> None:
        made = json.loads(ask(self.directory, "host", "enrol-token", "create", "--host", "h1",
                              "--json"))  # fmt: skip
        (self.directory / "token").touch(mode=0o600)
        (self.directory / "token").write_text(made["token"] + "\n")

    def host(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(ask(self.directory, "host", "show", "h1", "--json"))
        return shown

    def doctor(self) -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "trunkline", "doctor", "--config", "compute.toml", "--json"],
            cwd=self.directory, text=True, capture_output=True, timeout=HANGS_SECONDS,
        )  # fmt: skip
        return {each["check"]: each["verdict"] for each in json.loads(done.stdout)["findings"]}

    def refused_agent(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "trunkline", "agent", "--config", "compute.toml"],
            cwd=self.directory, text=True, capture_output=True, timeout=HANGS_SECONDS,
        )  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, private_libvirtd: PrivateLibvirt) -> Iterator[Site]:
    shutil.copyfile(EXAMPLE, tmp_path / "controller.toml")
    (tmp_path / "enrolment.key").touch(mode=0o600)
    (tmp_path / "enrolment.key").write_text(secrets.token_urlsafe(32) + "\n")
    with ExitStack() as stack:
        made = Site(tmp_path, private_libvirtd, stack)
        made.start_controller()
        yield made


def test_a_real_host_enrols_tells_what_it_has_and_outlives_libvirt(site: Site) -> None:
    site.start_helper()
    site.enrol()
    site.start_agent()
    wait_until(lambda: site.host()["up"], "the host is up")
    host = site.host()
    assert host["vcpus"] == len(os.sched_getaffinity(0)) or host["vcpus"] == os.cpu_count()
    assert host["memory_mib"] > 256
    assert host["problem"] is None
    assert (site.directory / "state/h1/token").stat().st_mode & 0o777 == 0o600
    site.libvirt.kill()
    wait_until(lambda: site.host()["problem"], "the host is stuck without libvirt")
    assert "virsh list --all" in site.host()["problem"]
    site.libvirt.start()
    wait_until(lambda: site.host()["problem"] is None, "the host can be used again")


def test_a_server_runs_on_a_real_libvirt_whatever_becomes_of_its_agent(
    site: Site, openstack: OpenStack
) -> None:
    session = Session(site.directory, openstack)
    session.prepare()
    (site.directory / "talking.img").write_bytes(talking_disk(3))
    session.demo(
        "image", "create", "--disk-format", "raw", "--file",
        str(site.directory / "talking.img"), "talking",
    )  # fmt: skip
    site.start_helper()
    site.enrol()
    dying = site.start_agent(TRUNKLINE_KILL_AT="before virsh resume")
    small = ("--flavor", "small", "--image", "talking", "--nic", "none")
    session.demo("server", "create", *small, "web")
    dying.wait_killed()
    agent = site.start_agent()
    wait_for_status(session, "web", "ACTIVE")
    runs = site.domains()
    assert session.show("server", "show", "web")["id"] in runs
    agent.kill()
    site.start_agent()
    number = site.host()["generation"]
    wait_until(lambda: site.host()["applied_generation"] == number, "the new agent is settled")
    assert site.domains() == runs, "a guest was started again"
    said = said_by(3).decode()
    wait_until(
        lambda: session.demo("console", "log", "show", "web").rstrip("\n") == said.rstrip("\n"),
        "its console has all that it said, once",
    )
    check_what_befalls_it(site, session)
    session.demo("server", "delete", "--wait", "web")
    wait_until(lambda: site.domains() == "" and site.files() == [], "nothing of it is left")


def check_what_befalls_it(site: Site, session: Session) -> None:
    """Its guest is put right, which is told, until it has ended too often."""
    (name,) = site.libvirt.virsh("list", "--name").stdout.split()

    def runs_anew(before: str) -> None:
        def does() -> bool:
            running = site.libvirt.virsh("list", "--state-running", "--id", "--uuid").stdout.strip()
            return running not in ("", before)

        wait_until(does, f"it is started again; told: {site.befell()}", seconds=60)

    expected = []
    for event, befall in (
        ("crashed", lambda: site.libvirt.kill_guest(name)),
        ("ended", lambda: site.libvirt.virsh("destroy", name)),
        ("crashed", lambda: site.libvirt.kill_guest(name)),
    ):
        runs = site.domains()
        befall()
        runs_anew(runs)
        expected.append(event)
        wait_until(lambda: site.befell() == expected, f"told: {expected}")
    site.libvirt.virsh("suspend", name)
    wait_until(lambda: site.befell() == [*expected, "suspended"], "its suspension is told")
    wait_until(lambda: "running" in site.libvirt.virsh("domstate", name).stdout, "it is resumed")
    wait_for_status(session, "web", "ACTIVE")
    site.libvirt.kill_guest(name)
    wait_for_status(session, "web", "ERROR")
    fault = session.show("server", "show", "web")["fault"]
    assert "ended 4 times within 10 minutes" in fault["message"]
    assert site.domains() == ""
    session.demo("server", "reboot", "--hard", "--wait", "web")
    wait_for_status(session, "web", "ACTIVE")


def test_an_agent_without_its_helper_says_how_to_start_it(site: Site) -> None:
    site.enrol()
    done = site.refused_agent()
    assert done.returncode == ExitCode.UNREACHABLE
    assert "systemctl enable --now trunkline-host-helper.socket" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_doctor_finds_what_the_agent_finds(site: Site) -> None:
    before = site.doctor()
    assert (before["helper"], before["enrolment"]) == ("missing", "missing")
    site.start_helper()
    site.enrol()
    after = site.doctor()
    for check in ("config", "libvirt", "helper", "controller", "clock", "state", "enrolment"):
        assert after[check] == "ok", (check, after)
