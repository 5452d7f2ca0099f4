"""`trunkline doctor`: its lines, JSON and exit code; what it asks of controller and files."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import libvirt
import pytest
from click.testing import CliRunner

from tests.cli.terminal import golden
from tests.support.doctor_facts import IGB, WELL, with_card
from tests.support.sysfs_trees import Tree
from trunkline.agent.journal import JournalFile
from trunkline.bootstrap.compute_config import load_compute_config
from trunkline.bootstrap.doctor import (
    agent_facts,
    controller_facts,
    doctor,
    gather,
    rendered,
)
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.clock import Clock
from trunkline.domain.pci import PciAddress
from trunkline.host.doctor.checks import diagnose
from trunkline.host.doctor.facts import HelperFacts, LibvirtFacts, MachineFacts, ModuleState
from trunkline.host.doctor.findings import Verdict
from trunkline.host.doctor.services import ask_for_domains, ask_libvirt
from trunkline.reconcile.observed import Journal, OriginalState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Standing:
    """A clock."""

    def now(self) -> datetime:
        return NOW


def write_config(tmp_path: Path, url: str = "http://127.0.0.1:1") -> Path:
    path = tmp_path / "compute.toml"
    path.write_text(
        'host = "h1"\nstate_dir = "state"\n'
        f'[controller]\nurl = "{url}"\nenrolment_key_file = "token"\n'
        f'[helper]\nsocket = "no-helper"\n[libvirt]\nuri = "test:///none"\n'
    )
    return path


def test_a_host_that_is_well_reads_so() -> None:
    golden("doctor-well", "\n".join(rendered(diagnose(WELL))) + "\n")


def test_a_machine_fresh_from_the_box_is_told_what_to_do_line_by_line() -> None:
    bare = replace(
        with_card(IGB, vf_count_max=0, link_up=False),
        machine=MachineFacts(
            kernel_release="6.1.0-30-amd64", command_line=("quiet",), cpu_vendor="GenuineIntel",
            cpu_virtualizes=True, iommus=(), iommu_group_count=0, has_kvm=False,
            vfio_pci=ModuleState.AVAILABLE,
        ),
        bridges={},
        netdevs=frozenset(),
        libvirt=LibvirtFacts(uri="qemu:///system", problem="no socket", fix="install it"),
        helper=HelperFacts(socket="/run/trunkline/host-helper.sock", exists=False, answers=False),
    )  # fmt: skip
    golden("doctor-bare", "\n".join(rendered(diagnose(bare))) + "\n")


def test_what_this_machine_lacks_decides_the_exit_code(tmp_path: Path) -> None:
    """The machine that runs the tests has no controller, helper or libvirt at these addresses."""
    arguments = ["--config", str(write_config(tmp_path)), "--json"]
    result = CliRunner().invoke(doctor, arguments)
    said = json.loads(result.output)
    assert result.exit_code == ExitCode.REFUSED
    assert not said["ready"]
    verdicts = {each["check"]: each["verdict"] for each in said["findings"]}
    assert verdicts["config"] == "ok"
    assert verdicts["state"] == "ok"
    for check in ("libvirt", "helper", "controller", "enrolment"):
        assert verdicts[check] == "missing", said
    assert all(bool(each["fix"]) == (each["verdict"] != "ok") for each in said["findings"])


def test_without_a_configuration_only_the_machine_is_looked_at() -> None:
    output = CliRunner().invoke(doctor).output
    checks = {line.split()[1] for line in output.splitlines()[:-1]}
    assert {"config", "kvm", "iommu", "vfio", "libvirt"} <= checks
    assert not checks & {"helper", "controller", "enrolment", "state"}


def test_a_libvirt_that_hangs_is_told_and_waited_on_for_so_long(tmp_path: Path) -> None:
    path = tmp_path / "hangs"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        found = ask_libvirt(f"qemu+unix:///system?socket={path}", seconds=0.2)
    assert found.problem == "it did not answer within 0.2 s"
    assert "systemctl restart libvirtd" in found.fix


def test_a_libvirt_that_does_not_tell_of_its_domains_is_a_finding_and_no_matter_of_an_agents_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose(*_: object) -> None:
        raise libvirt.libvirtError("the connection was lost")

    monkeypatch.setattr(libvirt.virConnect, "listAllDomains", lose)
    found = ask_libvirt("test:///default")
    assert found.problem == ""
    assert found.hypervisor_version > 0
    finding = next(
        each
        for each in diagnose(replace(WELL, libvirt=ask_for_domains(found)))
        if each.check == "libvirt"
    )
    assert finding.verdict is Verdict.MISSING
    assert "does not tell of its domains: the connection was lost" in finding.found


def test_a_device_that_an_agent_had_before_a_reboot_is_the_hosts_own_now(tmp_path: Path) -> None:
    config, address = write_config(tmp_path), PciAddress.parse("0000:05:10.0")
    config.write_text(config.read_text() + '[[device_spec]]\nvendor_id = "8086"\n')
    tree = Tree(tmp_path / "root/sys")
    tree.add(str(address), driver="igbvf", netdevs={"eth2v0": {}})
    (tree.device(str(address)) / "net/eth2v0/upper_br0").symlink_to("br0")
    boot_id = tmp_path / "root/proc/sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    (tmp_path / "state/h1").mkdir(parents=True)
    had = Journal(boot_id="one", originals={address: OriginalState(address=address)})
    JournalFile(tmp_path / "state/h1/journal.json").save(had)

    def user() -> str:
        return gather(config, None, root=tmp_path / "root").functions[address].used_by

    boot_id.write_text("one\n")
    assert user() == "", "it is a server's"
    boot_id.write_text("two\n")
    assert user() == "eth2v0 is below br0"


def test_every_fault_of_the_configuration_is_told(tmp_path: Path) -> None:
    path = tmp_path / "compute.toml"
    path.write_text("bridge = 1\n")
    output = CliRunner().invoke(doctor, ["--config", str(path)]).output
    assert "config" in output
    assert "bridge: unknown; did you mean bridges?" in output
    assert "state_dir: missing; add it" in output


def test_a_host_is_enrolled_once_it_has_a_token_of_its_own(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    config = load_compute_config(path)
    assert "it can't be read" in agent_facts(path, config).enrolment_problem
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("t" * 43 + "\n")
    assert agent_facts(path, config).enrolment_problem == ""
    (tmp_path / "state/h1").mkdir(parents=True)
    (tmp_path / "state/h1/token").touch()
    (tmp_path / "token").unlink()
    assert agent_facts(path, config).has_token


@contextmanager
def a_controller(date: str | None) -> Iterator[str]:
    """A service that says nothing but what time it is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(300)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        (format_datetime(NOW.replace(minute=1), usegmt=True), -60.0),
        (format_datetime(NOW, usegmt=True), 0.0),
        (None, None),
        ("soon", None),
    ],
)
def test_the_clock_is_held_against_the_controllers(
    tmp_path: Path, date: str | None, ahead: float | None
) -> None:
    clock: Clock = Standing()
    with a_controller(date) as url:
        found = controller_facts(load_compute_config(write_config(tmp_path, url)), clock)
    assert (found.problem, found.clock_ahead_seconds) == ("", ahead)


def test_a_controller_that_does_not_answer_and_one_that_speaks_no_tls(tmp_path: Path) -> None:
    config = load_compute_config(write_config(tmp_path))
    assert controller_facts(config, Standing()).problem == "connection refused"
    with a_controller(None) as url:
        secure = url.replace("http:", "https:")
        config = load_compute_config(write_config(tmp_path, secure))
        found = controller_facts(config, Standing())
    assert found.is_tls_problem, found
