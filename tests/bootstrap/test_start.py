"""Starting: what a user who got something wrong is told, and what comes back after a mishap.

Each runs the command as a user does, in a process of its own.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.support.patience import HANGS_SECONDS
from tests.support.processes import Running, trunkline
from trunkline.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow


def refusal(directory: Path, *args: str) -> tuple[int, str]:
    """Run a command that must not start; return its exit code and the one line that says why."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *args],
        cwd=directory, text=True, capture_output=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert "ready" not in done.stdout
    return done.returncode, done.stderr


@contextmanager
def up(directory: Path) -> Iterator[Running]:
    with trunkline(directory, "up", "--data", "d", "--port", "0") as running:
        yield running


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A directory in which `trunkline up --data d` has run before."""
    with up(tmp_path):
        pass
    return tmp_path


def test_a_port_that_is_taken_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refusal(tmp_path, "up", "--data", "d", "--port", str(port))
    assert code == ExitCode.REFUSED
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


@pytest.mark.parametrize("blocker", ["file", "parent is a file"])
def test_a_directory_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, blocker: str
) -> None:
    if blocker == "file":
        (tmp_path / "d").mkdir()
        (tmp_path / "d/hosts").write_text("in the way")
    else:
        (tmp_path / "d").write_text("in the way")
    code, said = refusal(
        tmp_path, "up", "--port", "0", "--data", "d/e" if blocker != "file" else "d"
    )
    assert code == ExitCode.REFUSED
    assert "choose another (--data" in said


def test_a_directory_without_permission_is_named_with_the_remedy(tmp_path: Path) -> None:
    # Root may write anywhere but where the kernel has no files to make.
    code, said = refusal(tmp_path, "up", "--port", "0", "--data", "/proc/self/trunkline")
    assert code == ExitCode.REFUSED
    assert "/proc/self/trunkline" in said
    assert "choose another (--data" in said


@pytest.mark.parametrize("blocker", ["a file", "no permission"])
def test_a_directory_of_images_that_cannot_be_written_is_named_with_the_remedy(
    controller: Callable[[str], Path], blocker: str
) -> None:
    images = "/proc/self/images" if blocker == "no permission" else "images"
    home = controller("")
    if blocker == "a file":
        (home / "images").write_text("in the way")
    config = home / "controller.toml"
    config.write_text(f'images_dir = "{images}"\n' + config.read_text())
    code, said = refusal(home, "server", "--config", "controller.toml", "--port", "0")
    assert code == ExitCode.REFUSED
    assert images in said
    assert "set images_dir" in said


def test_an_unknown_fleet_is_told_with_those_that_ship(tmp_path: Path) -> None:
    code, said = refusal(tmp_path, "up", "--data", "d", "--fleet", "scenari")
    assert code == ExitCode.USAGE
    assert "large-1000, mixed-40, scenario" in said


def test_a_fleet_with_a_mistake_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text("[[host]]\nname = 'h1'\ncount = 'many'\n")
    code, said = refusal(tmp_path, "up", "--data", "d", "--fleet", "fleet.toml")
    assert code == ExitCode.USAGE
    assert "fleet.toml: " in said
    assert "count" in said


def test_a_start_that_is_refused_leaves_no_directory_behind(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[[host]]\nname = 'h1'\ncount = 'many'\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for wrong in (
            ("--fleet", "scenari"), ("--fleet", "bad.toml"), ("--external-agent", "h9"),
            ("--port", port),
        ):  # fmt: skip
            code, _ = refusal(tmp_path, "up", "--port", "0", "--data", "new/d", *wrong)
            assert code != ExitCode.OK
            assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"], wrong


def test_another_fleet_than_at_the_first_start_is_refused(used: Path) -> None:
    code, said = refusal(used, "up", "--data", "d", "--fleet", "mixed-40", "--port", "0")
    assert code == ExitCode.REFUSED
    assert "it was started with another fleet" in said


def test_an_external_agent_of_an_unknown_host_is_refused(tmp_path: Path) -> None:
    code, said = refusal(tmp_path, "up", "--data", "d", "--port", "0", "--external-agent", "h9")
    assert code == ExitCode.USAGE
    assert "no host 'h9'; it has h1, h2, h3, h4, h5, h6" in said


def test_a_database_of_a_newer_version_is_refused_and_left_alone(used: Path) -> None:
    database = used / "d/trunkline.db"
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    before = database.read_bytes()
    code, said = refusal(used, "up", "--data", "d", "--port", "0")
    assert code == ExitCode.REFUSED
    assert "store.too_new" in said
    assert "9999" in said
    assert database.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(used: Path) -> None:
    database = used / "d/trunkline.db"
    database.write_text("no database")
    code, said = refusal(used, "up", "--data", "d", "--port", "0")
    assert code == ExitCode.REFUSED
    assert "file is not a database" in said
    assert "store.unusable" in said
    assert database.read_text() == "no database"


def test_a_database_that_does_not_answer_is_told_without_its_password(
    controller: Callable[[str], Path],
) -> None:
    home = controller('[database]\nurl = "postgresql+psycopg://trunk:hush@127.0.0.1:1/trunk"\n')
    code, said = refusal(home, "server", "--config", "controller.toml", "--port", "0")
    assert code == ExitCode.REFUSED
    assert "store.unusable" in said
    assert "127.0.0.1" in said
    assert "hush" not in said


@pytest.fixture
def controller(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the shipped controller.toml, with more above it, and the key that it names."""
    example = Path(__file__).parents[2] / "examples/two-networks/controller.toml"

    def write(more: str) -> Path:
        shipped = example.read_text()
        at = shipped.index("# [database]")
        (tmp_path / "controller.toml").write_text(shipped[:at] + more + shipped[at:])
        (tmp_path / "enrolment.key").touch(mode=0o600)
        (tmp_path / "enrolment.key").write_text("k" * 40 + "\n")
        return tmp_path

    return write


def test_an_enrolment_key_that_anybody_could_guess_is_refused(used: Path) -> None:
    (used / "d/enrolment.key").write_text("\n")
    code, said = refusal(used, "up", "--data", "d", "--port", "0")
    assert code == ExitCode.USAGE
    assert "enrolment.key" in said


def test_a_lost_clouds_yaml_comes_back_with_new_passwords(used: Path) -> None:
    clouds = used / "d/clouds.yaml"
    lost = json.loads(clouds.read_text())["clouds"]
    clouds.unlink()
    with up(used) as running:
        told = [line for line in running.said if "new password of" in line]
        assert len(told) == 2
        found = json.loads(clouds.read_text())["clouds"]
        for cloud in ("trunkline", "trunkline-demo"):
            password = found[cloud]["auth"]["password"]
            assert password != lost[cloud]["auth"]["password"]
            assert any(line.endswith(f": {password}") for line in told)


def test_a_second_start_at_another_port_rewrites_clouds_yaml(used: Path) -> None:
    before = json.loads((used / "d/clouds.yaml").read_text())["clouds"]["trunkline"]["auth"]
    with up(used) as running:
        after = json.loads((used / "d/clouds.yaml").read_text())["clouds"]["trunkline"]["auth"]
        assert after["auth_url"] == f"{running.url}/identity"
        assert after["password"] == before["password"]
        assert not any("password" in line for line in running.said)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, name: str) -> None:
    with up(tmp_path) as running:
        code = running.signal(signal.Signals[name])
    assert code == (ExitCode.INTERRUPTED if name == "SIGINT" else ExitCode.OK)
    # SQLite folds its log in, and removes it, when the last connection is closed.
    assert {path.name for path in (tmp_path / "d").glob("trunkline.db*")} == {"trunkline.db"}


def test_what_is_said_at_the_start_is_for_people_and_has_no_log_lines(tmp_path: Path) -> None:
    with up(tmp_path):
        log = next(tmp_path.glob("*.log")).read_text()
    assert "alembic" not in log


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--tls-cert", "no.crt"), "--tls-cert and --tls-key are given both or not at all"),
        (("--tls-cert", "no.crt", "--tls-key", "no.key"), "no.crt: it can't be read"),
    ],
)
def test_a_certificate_that_can_not_be_used_is_told_before_anything_is_made(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    code, said = refusal(tmp_path, "up", "--data", "d", "--port", "0", *options)
    assert code == ExitCode.USAGE
    assert told in said
    assert not (tmp_path / "d").exists()
