"""`trunkline host-helper` as a process, under the real kernel."""

from __future__ import annotations

import grp
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline.bootstrap.host_helper import host_helper
from trunkline.domain.pci import PciAddress
from trunkline.host.privileged.client import HelperClient
from trunkline.reconcile.interfaces import HostRefused

CONFIG = """\
state_dir = "state"
[controller]
url = "http://127.0.0.1:1"
enrolment_key_file = "key"
[[device_spec]]
address = "0000:ff:00.0"
physical_network = "phy1"
"""
GROUP = grp.getgrgid(os.getgid()).gr_name
_NOBODY = 65534  # Debian's `nobody`.
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the helper runs as root alone")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "compute.toml"
    path.write_text(CONFIG)
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    return path


@contextmanager
def running(config: Path, *options: str, passed: socket.socket | None = None) -> Iterator[Path]:
    path = config.parent / "helper.sock"
    command = [sys.executable, "-m", "trunkline", "host-helper", "--config", str(config)]
    command += ["--group", GROUP, "--socket", str(path), *options]
    if passed is not None:
        # As systemd does it: the socket is descriptor 3, and the variables name this process.
        command = ["sh", "-c", 'exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *command]
    with subprocess.Popen(
        command,
        stdin=None if passed is None else passed.fileno(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield path
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@as_root
def test_it_listens_for_root_and_its_group_and_answers(config: Path) -> None:
    with running(config) as path:
        status = path.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o660, 0)
        with pytest.raises(HostRefused) as refused:
            HelperClient(path).set_vf_count(PciAddress.parse("0000:00:00.0"), 1)
        assert refused.value.errno_name == "EPERM"
    assert not path.exists()


@as_root
def test_it_takes_the_socket_that_systemd_passes(config: Path) -> None:
    at = config.parent / "passed.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(at))
        listener.listen()
        with running(config, passed=listener) as path:
            assert not path.exists()
            with pytest.raises(HostRefused, match="no PF that is on offer"):
                HelperClient(at).read_vpd(PciAddress.parse("0000:00:00.0"))


@as_root
@pytest.mark.parametrize("writable", ["file", "directory"])
def test_a_configuration_that_others_may_write_is_refused(config: Path, writable: str) -> None:
    (config if writable == "file" else config.parent).chmod(0o777)
    result = CliRunner().invoke(host_helper, ["--config", str(config)])
    assert result.exit_code == 2
    assert "writable for root alone" in result.output


@as_root
@pytest.mark.parametrize("theirs", ["a directory above", "a link on the way", "where a link leads"])
def test_a_configuration_that_others_may_put_another_in_the_place_of_is_refused(
    config: Path, tmp_path: Path, theirs: str
) -> None:
    above = tmp_path / "above"
    (above / "etc").mkdir(parents=True)
    path = above / "etc/compute.toml"
    if theirs == "where a link leads":
        (above / "home").mkdir()
        path.symlink_to(config.rename(above / "home/compute.toml"))
        os.chown(above / "home", _NOBODY, _NOBODY)
    elif theirs == "a link on the way":
        config.rename(path)
        link = above / "link"
        link.symlink_to("etc")
        os.lchown(link, _NOBODY, _NOBODY)
        path = link / "compute.toml"
    else:
        config.rename(path)
        above.chmod(0o775)
    result = CliRunner().invoke(host_helper, ["--config", str(path)])
    assert result.exit_code == 2
    assert "writable for root alone" in result.output


@as_root
def test_what_it_adds_is_on_record_where_root_alone_writes(config: Path, tmp_path: Path) -> None:
    """Not even where a sticky bit lets nobody replace a file: somebody may have made it before."""
    everybodys = tmp_path / "everybodys"
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    result = CliRunner().invoke(
        host_helper,
        ["--config", str(config), "--group", GROUP, "--socket", str(everybodys / "helper.sock")],
    )
    assert result.exit_code == 2
    assert f"{everybodys} must be root's, and writable for root alone" in result.output


@as_root
def test_a_group_that_is_missing_is_told_with_the_fix(config: Path) -> None:
    result = CliRunner().invoke(host_helper, ["--config", str(config), "--group", "no-such-group"])
    assert result.exit_code == 2
    assert "addgroup --system no-such-group" in result.output


def test_without_root_it_says_so(config: Path) -> None:
    user = os.geteuid()
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        result = CliRunner().invoke(host_helper, ["--config", str(config)])
    finally:
        os.seteuid(user)
    assert result.exit_code == 2
    assert "start it as root" in result.output
