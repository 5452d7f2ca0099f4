"""`trunkline doctor`: its lines, JSON and exit code; what it asks of controller and files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.terminal import golden
from tests.support.doctor_facts import IGB, WELL, with_card
from trunkline.bootstrap.compute_config import load_compute_config
from trunkline.bootstrap.doctor import agent_facts, controller_facts, doctor, rendered
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.clock import Clock
from trunkline.host.doctor.checks import diagnose
from trunkline.host.doctor.facts import HelperFacts, LibvirtFacts, MachineFacts, ModuleState

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
