"""`[keystone]` of controller.toml: where users are, and by what right this service asks there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta

from trunkline.bootstrap.secret_file import read_secret
from trunkline.bootstrap.toml_reading import InvalidConfig, is_http_url
from trunkline.client.errors import ClientError
from trunkline.domain.clock import Clock
from trunkline.domain.errors import IdentityUnavailable
from trunkline.keystone.connections import Connections
from trunkline.keystone.identity import Keystone
from trunkline.keystone.service_login import (
    ApplicationCredentialLogin,
    LoginRefused,
    PasswordLogin,
    ServiceToken,
)

TIMEOUT_SECONDS: Final = 10
CACHE_SECONDS: Final = 60
CACHE_SECONDS_MAX: Final = 3600  # So long may what was revoked be used.
_SERVICE_PROJECT: Final = "service"
_DOMAIN: Final = "Default"

log: Final = structlog.get_logger("trunkline.keystone")

_Text = Annotated[str, Meta(min_length=1, max_length=255)]


class KeystoneTable(msgspec.Struct, frozen=True, kw_only=True):
    """The table, as far as it can be checked by type alone."""

    url: _Text | None = None
    public_url: _Text | None = None
    ca_file: _Text | None = None
    username: _Text | None = None
    password_file: _Text | None = None
    user_domain_name: _Text = _DOMAIN
    project_name: _Text = _SERVICE_PROJECT
    project_domain_name: _Text = _DOMAIN
    application_credential_id: _Text | None = None
    application_credential_secret_file: _Text | None = None
    timeout_seconds: Annotated[int, Meta(ge=1, le=60)] = TIMEOUT_SECONDS
    cache_seconds: Annotated[int, Meta(ge=0, le=CACHE_SECONDS_MAX)] = CACHE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneConfig:
    """What the table says, checked."""

    table: KeystoneTable
    url: str
    secret_file: Path  # Of the password, or of the application credential's secret.
    ca_file: Path | None


def read_keystone_table(
    table: KeystoneTable, directory: Path, faults: list[str], *, wanted: bool
) -> KeystoneConfig | None:
    """Check the table; None if it is not `wanted`, or something is wrong, which is told."""
    if not wanted:
        if table != KeystoneTable():
            faults.append('keystone: is given, and auth is not "keystone"; set that, or remove it')
        return None
    by_password = {"username": table.username, "password_file": table.password_file}
    by_credential = {
        "application_credential_id": table.application_credential_id,
        "application_credential_secret_file": table.application_credential_secret_file,
    }
    given = [login for login in (by_password, by_credential) if any(login.values())]
    needed = {"url": table.url} | (given[0] if len(given) == 1 else {})
    found = [f"keystone.{key}: missing; add it" for key, text in needed.items() if text is None]
    if len(given) != 1:
        found.append(
            "keystone: needs either username and password_file, or application_credential_id and "
            "application_credential_secret_file"
        )
    found += [
        f"keystone.{key}: not a URL; write http(s)://HOST[:PORT][/PATH]"
        for key, url in (("url", table.url), ("public_url", table.public_url))
        if url is not None and not is_http_url(url)
    ]
    faults += found
    secret_file = table.password_file or table.application_credential_secret_file
    if found or table.url is None or secret_file is None:
        return None
    return KeystoneConfig(
        table=table,
        url=table.url,
        secret_file=directory / secret_file,
        ca_file=None if table.ca_file is None else directory / table.ca_file,
    )


def open_keystone(config: KeystoneConfig, clock: Clock, *, config_file: Path) -> Keystone:
    """Join the parts; nothing is asked yet.

    Raises:
        UnusableSecret: The file with the secret is not fit.
        InvalidConfig: The certificates can't be read.
    """
    table, secret = config.table, read_secret(config.secret_file)
    try:
        connections = Connections(
            config.url,
            ca_file=None if config.ca_file is None else str(config.ca_file),
            seconds_max=table.timeout_seconds,
        )
    except ClientError as problem:
        raise InvalidConfig(config_file, [f"keystone: {problem}"]) from problem
    public_url = table.public_url or config.url
    own = ServiceToken(connections, _login(table, secret), clock, public_url=public_url)
    return Keystone(
        connections, own, clock, public_url=public_url, cache_seconds=table.cache_seconds
    )


def require_login(keystone: Keystone, config_file: Path) -> None:
    """Try the service's own credential; one that does not answer yet is no fault of the file.

    Raises:
        InvalidConfig: The credential is refused.
    """
    try:
        keystone.log_in()
    except LoginRefused as problem:
        raise InvalidConfig(
            config_file,
            [f"keystone: Keystone at {keystone.url} refuses this service's own login; mend it"],
        ) from problem
    except IdentityUnavailable as problem:
        log.warning("keystone could not be asked at start", problem=problem.message)


def _login(table: KeystoneTable, secret: str) -> PasswordLogin | ApplicationCredentialLogin:
    if table.application_credential_id is not None:
        return ApplicationCredentialLogin(id=table.application_credential_id, secret=secret)
    assert table.username is not None, "the table was checked"
    return PasswordLogin(
        username=table.username,
        password=secret,
        project_name=table.project_name,
        user_domain=table.user_domain_name,
        project_domain=table.project_domain_name,
    )
