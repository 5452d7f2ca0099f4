"""[keystone] of controller.toml: what it takes, and what a start makes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.clock import ManualClock
from tests.support.patience import HANGS_SECONDS
from tests.support.stand_in_keystone import PASSWORD, a_stand_in
from trunkline.bootstrap.controller_config import ControllerConfig, load_controller_config
from trunkline.bootstrap.keystone import open_keystone, require_login
from trunkline.bootstrap.secret_file import UnusableSecret
from trunkline.bootstrap.toml_reading import InvalidConfig

NETWORKS = '\n[[physical_network]]\nname = "phy1"\nvlans = ["100-199"]\n'
LEAST = 'data_dir = "state"\nauth = "keystone"\n[keystone]\n'
URL = 'url = "http://keystone:5000"\n'
BY_PASSWORD = 'username = "trunkline"\npassword_file = "keystone.password"\n'
BY_CREDENTIAL = (
    'application_credential_id = "a1"\napplication_credential_secret_file = "keystone.password"\n'
)


def load(tmp_path: Path, text: str) -> ControllerConfig:
    path = tmp_path / "controller.toml"
    path.write_text(text + NETWORKS)
    secret = tmp_path / "keystone.password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    return load_controller_config(path)


def test_without_a_word_about_it_users_are_our_own(tmp_path: Path) -> None:
    assert load(tmp_path, 'data_dir = "state"\n').keystone is None
    assert load(tmp_path, 'data_dir = "state"\nauth = "built-in"\n').keystone is None


def refused(directory: Path, *args: str) -> str:
    """Run a command that is to end at once, in order, and return what it says of it."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *args],
        cwd=directory, text=True, capture_output=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("login", [BY_PASSWORD, BY_CREDENTIAL])
def test_a_url_and_one_way_to_log_in_are_enough(tmp_path: Path, login: str) -> None:
    config = load(tmp_path, LEAST + URL + login).keystone
    assert config is not None
    assert config.secret_file == tmp_path / "keystone.password"
    with_both = open_keystone(config, ManualClock(), config_file=tmp_path / "controller.toml")
    assert with_both.url == "http://keystone:5000"
    with_both.close()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (LEAST + BY_PASSWORD, "keystone.url: missing; add it"),
        (LEAST + URL, "keystone: needs either username and password_file, or application_"),
        (LEAST + URL + BY_PASSWORD + BY_CREDENTIAL, "keystone: needs either"),
        (LEAST + URL + 'username = "trunkline"\n', "keystone.password_file: missing; add it"),
        (
            LEAST + URL + 'application_credential_secret_file = "f"\n',
            "keystone.application_credential_id: missing; add it",
        ),
        (LEAST + 'url = "keystone:5000"\n' + BY_PASSWORD, "keystone.url: not a URL"),
        (LEAST + URL + 'public_url = "ftp://k"\n' + BY_PASSWORD, "keystone.public_url: not a URL"),
        (LEAST + URL + BY_PASSWORD + "cache_seconds = 3601\n", "keystone.cache_seconds: "),
        (LEAST + URL + BY_PASSWORD + "cache_second = 1\n", "did you mean cache_seconds?"),
        (
            'data_dir = "state"\n[keystone]\n' + URL + BY_PASSWORD,
            'keystone: is given, and auth is not "keystone"; set that, or remove it',
        ),
        ('data_dir = "state"\nauth = "none"\n', "auth: "),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        load(tmp_path, text)
    assert len(refused.value.faults) == 1
    assert fault in refused.value.faults[0]


def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    config = load(tmp_path, LEAST + URL + BY_PASSWORD).keystone
    assert config is not None
    config.secret_file.chmod(0o644)
    with pytest.raises(UnusableSecret, match="everybody can read it"):
        open_keystone(config, ManualClock(), config_file=tmp_path / "controller.toml")


def test_certificates_that_are_not_there_are_told_at_start(tmp_path: Path) -> None:
    secure = 'url = "https://keystone"\nca_file = "ca.pem"\n'
    config = load(tmp_path, LEAST + secure + BY_PASSWORD).keystone
    assert config is not None
    with pytest.raises(InvalidConfig, match=r"ca\.pem can't be read"):
        open_keystone(config, ManualClock(), config_file=tmp_path / "controller.toml")


@pytest.mark.parametrize("login", [BY_PASSWORD, BY_CREDENTIAL])
def test_a_login_that_works_is_tried_at_start(tmp_path: Path, login: str) -> None:
    with a_stand_in() as stand_in:
        config = load(tmp_path, f'{LEAST}url = "{stand_in.url}/v3"\n{login}').keystone
        assert config is not None
        keystone = open_keystone(config, ManualClock(), config_file=Path("controller.toml"))
        require_login(keystone, Path("controller.toml"))
        keystone.close()
        assert stand_in.counts == {"login": 1}


def test_a_login_that_is_refused_ends_the_start(tmp_path: Path) -> None:
    with a_stand_in() as stand_in:
        stand_in.password = "another"
        load(tmp_path, f'{LEAST}url = "{stand_in.url}"\n{BY_PASSWORD}')
        said = refused(tmp_path, "server", "--config", "controller.toml")
    assert f"Keystone at {stand_in.url} refuses this service's own login" in said
    assert not (tmp_path / "state").exists()


def test_a_keystone_that_is_away_delays_no_start(tmp_path: Path) -> None:
    with a_stand_in() as gone:
        pass
    config = load(tmp_path, f'{LEAST}url = "{gone.url}"\n{BY_PASSWORD}').keystone
    assert config is not None
    keystone = open_keystone(config, ManualClock(), config_file=Path("controller.toml"))
    with capture_logs() as logs:
        require_login(keystone, Path("controller.toml"))
    assert [line["log_level"] for line in logs] == ["warning", "warning"]


def test_passwords_of_keystones_users_are_not_reset_here(tmp_path: Path) -> None:
    load(tmp_path, LEAST + URL + BY_PASSWORD)
    said = refused(tmp_path, "reset-password", "--config", "controller.toml", "admin")
    assert "users are in the hands of Keystone" in said
