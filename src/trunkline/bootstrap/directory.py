"""The data directory of `trunkline up` and `trunkline server`: for one process at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline import durable
from trunkline.bootstrap.secret_file import ENROLMENT_KEY_CHARACTERS_MIN, read_secret
from trunkline.domain.clock import IdSource
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.identity import Domain

DATABASE: Final = "trunkline.db"
CLOUDS: Final = "clouds.yaml"
FLEET_FILE: Final = "fleet.toml"


class DirectoryUnusable(TrunklineError):
    """A directory that the process keeps its things in can't be used."""

    code = "up.directory_unusable"
    kind = ErrorKind.CONFLICT

    def __init__(self, path: Path, problem: str, *, what: str = "data directory") -> None:
        super().__init__(f"{what} {path}: {problem}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Login:
    """One entry of clouds.yaml."""

    cloud: str
    user: str
    password: str
    project: str


class DataDirectory:
    """A directory that this process alone uses, until it is closed or the process ends."""

    def __init__(self, path: Path) -> None:
        """Make the directory if it is not there, and lock it.

        Raises:
            DirectoryUnusable: It can't be written, or another process has it.
        """
        self.path = path
        try:
            # One that is there already keeps the mode its owner gave it.
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.hosts.mkdir(exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise DirectoryUnusable(
                path,
                f"{problem.strerror}; choose another (--data, or data_dir of controller.toml), or "
                "mend its permissions",
            ) from problem
        try:
            # The kernel drops the lock with the process, however that ends.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            os.close(self._lock)
            if problem.errno in (errno.EAGAIN, errno.EACCES):
                raise DirectoryUnusable(
                    path, "another trunkline is running on it; stop that one, or use another --data"
                ) from problem
            raise DirectoryUnusable(path, str(problem.strerror)) from problem

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    @property
    def database_url(self) -> str:
        """Where the embedded database is."""
        return f"sqlite:///{self.path.absolute() / DATABASE}"

    @property
    def images(self) -> Path:
        """Image bytes."""
        return self.path / "images"

    @property
    def hosts(self) -> Path:
        """What simulated hosts keep: each outlives its agent, as a real one would."""
        return self.path / "hosts"

    @property
    def clouds(self) -> Path:
        """The clients' configuration."""
        return self.path / CLOUDS

    @property
    def fleet_file(self) -> Path:
        """The fleet that the directory was first started with."""
        return self.path / FLEET_FILE

    def enrolment_key(self, ids: IdSource) -> str:
        """Return the key that agents elsewhere enrol with; made at the first start."""
        file = self.path / "enrolment.key"
        if not file.exists():
            durable.write_private(file, ids.new_secret() + "\n")
        return read_secret(file, characters_min=ENROLMENT_KEY_CHARACTERS_MIN)

    def write_clouds(self, url: str, logins: list[Login], *, ca_file: Path | None = None) -> None:
        """Write clouds.yaml, readable by its owner alone: it holds the passwords.

        With `ca_file` clients trust the service by it; without, by whatever an operator wrote.
        """
        cacert = self._cacert() if ca_file is None else str(ca_file)
        clouds = {
            login.cloud: {
                "auth": {
                    "auth_url": f"{url}/identity",
                    "username": login.user,
                    "password": login.password,
                    "project_name": login.project,
                    "user_domain_id": "default",
                    "project_domain_id": "default",
                },
                "region_name": "RegionOne",
                "identity_api_version": "3",
                **({} if cacert is None else {"cacert": cacert}),
            }
            for login in logins
        }
        # JSON is YAML, and every reader of the one reads the other.
        text = json.dumps({"clouds": clouds}, indent=2) + "\n"
        durable.write_private(self.clouds, text)

    def _cacert(self) -> str | None:
        try:
            clouds = json.loads(self.clouds.read_text())["clouds"]
            return next(
                (str(cloud["cacert"]) for cloud in clouds.values() if "cacert" in cloud), None
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def read_logins(self) -> list[Login]:
        """Return what `write_clouds` wrote; empty if it never did.

        Raises:
            DirectoryUnusable: The file is there, and is not what was written.
        """
        try:
            clouds = json.loads(self.clouds.read_text())["clouds"]
            return [
                Login(
                    cloud=name,
                    user=cloud["auth"]["username"],
                    password=cloud["auth"]["password"],
                    project=cloud["auth"]["project_name"],
                )
                for name, cloud in clouds.items()
            ]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as problem:
            raise DirectoryUnusable(
                self.path, f"clouds.yaml is not as it was written ({problem}); restore it"
            ) from problem


def replace_password(clouds: Path, user: str, domain: Domain, password: str) -> bool:
    """Write another password of a user into clouds.yaml; False if the file has none of them.

    Raises:
        DirectoryUnusable: The file is not what `DataDirectory.write_clouds` wrote.
    """
    try:
        content = json.loads(clouds.read_text())
        own = [
            cloud["auth"]
            for cloud in content["clouds"].values()
            if cloud["auth"]["username"] == user and _is_of(cloud["auth"], domain)
        ]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise DirectoryUnusable(
            clouds.parent, f"clouds.yaml is not as it was written ({problem}); edit it by hand"
        ) from problem
    for auth in own:
        auth["password"] = password
    if own:
        durable.write_private(clouds, json.dumps(content, indent=2) + "\n")
    return bool(own)


def _is_of(auth: dict[str, object], domain: Domain) -> bool:
    """Say whether a user of clouds.yaml is of a domain; a person may have written its name."""
    if "user_domain_id" in auth:
        return auth["user_domain_id"] == domain.id
    return auth.get("user_domain_name", domain.name) == domain.name
