"""`trunkline reset-password`, as an operator runs it at the machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_app import password_login
from tests.support.patience import HANGS_SECONDS
from tests.support.processes import trunkline
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.identity import Domain, User
from trunkline.domain.ids import DomainId, UserId
from trunkline.store.schema import open_store
from trunkline.store.transaction import Transaction

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks/controller.toml"


def reset(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", "reset-password", *args],
        cwd=directory, text=True, capture_output=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def printed_password(done: subprocess.CompletedProcess[str]) -> str:
    """The password, which is on the first line of standard output and nowhere else."""
    assert done.returncode == 0, done.stderr
    told = re.match(r"new password of \w+ \(shown once\): (\S+)\n", done.stdout)
    assert told is not None, done.stdout
    assert (done.stdout + done.stderr).count(told[1]) == 1
    return told[1]


def passwords(clouds: Path) -> dict[str, str]:
    content = json.loads(clouds.read_text())["clouds"]
    return {cloud["auth"]["username"]: cloud["auth"]["password"] for cloud in content.values()}


def login(url: str, user: str, password: str) -> tuple[int, str]:
    """Log in; return the status and the token."""
    request = urllib.request.Request(
        f"{url}/identity/v3/auth/tokens",
        data=json.dumps(password_login(user, password, user)).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=HANGS_SECONDS) as reply:
            return reply.status, reply.headers["X-Subject-Token"]
    except urllib.error.HTTPError as refused:
        return refused.code, ""


def status(url: str, token: str) -> int:
    """What a token is good for."""
    request = urllib.request.Request(f"{url}/compute/v2.1/servers", headers={"X-Auth-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=HANGS_SECONDS) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def audit_rows(database_url: str) -> list[Any]:
    from trunkline.domain.listing import ListQuery

    store = open_store(database_url)
    try:
        query = ListQuery(equals={"action": ("user.reset_password",)})
        return store.read(lambda tx: tx.events.page(query))
    finally:
        store.close()


def test_the_directory_of_up_gets_a_new_password_and_clouds_yaml_with_it(tmp_path: Path) -> None:
    with trunkline(tmp_path, "up", "--data", "d", "--port", "0") as running:
        before = passwords(tmp_path / "d/clouds.yaml")
        _, token = login(running.url, "demo", before["demo"])
        in_use = reset(tmp_path, "--data", "d", "demo")
        assert in_use.returncode == ExitCode.REFUSED
        assert "another trunkline is running on it; stop that one" in in_use.stderr
        assert status(running.url, token) == 200
    new = printed_password(reset(tmp_path, "--data", "d", "demo"))
    assert passwords(tmp_path / "d/clouds.yaml") == {**before, "demo": new}
    [row] = audit_rows(f"sqlite:///{tmp_path}/d/trunkline.db")
    assert (row.actor, row.subject) == ("system", "user demo")
    assert new not in repr(row)
    with trunkline(tmp_path, "up", "--data", "d", "--port", "0") as running:
        assert status(running.url, token) == 401
        assert login(running.url, "demo", before["demo"])[0] == 401
        assert login(running.url, "demo", new)[0] == 201
        assert passwords(tmp_path / "d/clouds.yaml")["demo"] == new


def test_on_postgresql_it_works_while_the_service_runs(
    tmp_path: Path, new_empty_postgres_database: Callable[[], str]
) -> None:
    url = new_empty_postgres_database()
    text = f'[database]\nurl = "{url}"\n# [database]'
    (tmp_path / "controller.toml").write_text(EXAMPLE.read_text().replace("# [database]", text))
    (tmp_path / "enrolment.key").touch(mode=0o600)
    (tmp_path / "enrolment.key").write_text("k" * 40 + "\n")
    with trunkline(tmp_path, "server", "--config", "controller.toml", "--port", "0") as running:
        clouds = tmp_path / "state/controller/clouds.yaml"
        old = passwords(clouds)["admin"]
        _, token = login(running.url, "admin", old)
        new = printed_password(reset(tmp_path, "--config", "controller.toml", "admin"))
        assert status(running.url, token) == 401
        assert login(running.url, "admin", old)[0] == 401
        assert login(running.url, "admin", new)[0] == 201
        assert passwords(clouds)["admin"] == new
        for log in tmp_path.glob("*.log"):
            assert new not in log.read_text()


def test_who_or_what_is_not_there_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    missing = reset(tmp_path, "--data", "d", "admin")
    assert missing.returncode == ExitCode.REFUSED
    assert "no service has run on it" in missing.stderr
    assert list(tmp_path.iterdir()) == []
    both = reset(tmp_path, "--data", "d", "--config", "c.toml", "admin")
    assert both.returncode == ExitCode.USAGE
    with trunkline(tmp_path, "up", "--data", "d", "--port", "0"):
        pass
    nobody = reset(tmp_path, "--data", "d", "bob")
    assert nobody.returncode == ExitCode.REFUSED
    assert "user bob could not be found; there are admin, demo" in nobody.stderr


def test_of_several_users_of_a_name_the_one_of_the_domain_that_is_said(tmp_path: Path) -> None:
    with trunkline(tmp_path, "up", "--data", "d", "--port", "0"):
        pass
    clouds = tmp_path / "d/clouds.yaml"
    before = clouds.read_bytes()
    shop = Domain(id=DomainId("0123"), name="shop")
    namesake = User(id=UserId("u"), name="demo", password_hash="", domain_id=shop.id)

    def write(tx: Transaction) -> None:
        tx.domains.insert(shop)
        tx.identity.insert_user(namesake)

    store = open_store(f"sqlite:///{tmp_path}/d/trunkline.db")
    store.write(write)
    store.close()
    either = reset(tmp_path, "--data", "d", "demo")
    assert either.returncode == ExitCode.REFUSED
    assert "give the domain, of Default, shop (--domain)" in either.stderr
    nowhere = reset(tmp_path, "--data", "d", "--domain", "elsewhere", "demo")
    assert "domain elsewhere could not be found; there are Default, shop" in nowhere.stderr
    nobody = reset(tmp_path, "--data", "d", "--domain", "shop", "admin")
    assert "there are admin of Default, demo of Default, demo of shop" in nobody.stderr
    theirs = printed_password(reset(tmp_path, "--data", "d", "--domain", "shop", "demo"))
    assert clouds.read_bytes() == before  # It has the other one's.
    ours = printed_password(reset(tmp_path, "--data", "d", "--domain", "default", "demo"))
    assert passwords(clouds)["demo"] == ours != theirs
