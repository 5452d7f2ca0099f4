"""Whom to ask, and as whom: from clouds.yaml and the OS_* variables, as OpenStack's clients do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from trunkline.client.errors import BadCredentials
from trunkline.client.plain_yaml import NotPlainYaml, parse

_REMEDY: Final = (
    "give --os-cloud NAME or set OS_CLOUD (a cloud of clouds.yaml; `trunkline up` prints the lines "
    "to paste), or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME"
)


@dataclass(frozen=True, slots=True)
class DomainRef:
    """A domain, by its ID or its name."""

    by: Literal["id", "name"]
    value: str


FIRST_DOMAIN: Final = DomainRef("id", "default")  # Keystone's, and its name is `Default`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One cloud with a user's credentials."""

    auth_url: str
    username: str
    password: str
    project_name: str
    user_domain: DomainRef = FIRST_DOMAIN
    project_domain: DomainRef = FIRST_DOMAIN
    region: str | None = None
    ca_file: str | None = None
    verify: bool = True

    def __repr__(self) -> str:
        return f"Cloud({self.auth_url!r}, {self.username!r}, {self.project_name!r})"


def find_cloud(environ: Mapping[str, str], *, name: str | None = None, cwd: Path) -> Cloud:
    """Find the cloud to use.

    Args:
        environ: The environment's variables.
        name: A cloud of clouds.yaml; None: OS_CLOUD, else the OS_* variables, else the only cloud
            there is.
        cwd: Where to look for clouds.yaml first.

    Raises:
        BadCredentials: None is found, or something is missing from it.
    """
    name = name or environ.get("OS_CLOUD") or None
    if name is None and environ.get("OS_AUTH_URL"):
        return _cloud(_auth_from(environ), {}, "the OS_* variables")
    files = list(_files(environ, cwd))
    path = next((path for path in files if path.is_file()), None)
    if path is None:
        looked = ", ".join(str(path) for path in files)
        if name is None:
            raise BadCredentials(f"it is not known which cloud to ask: {_REMEDY}")
        raise BadCredentials(f"there is no clouds.yaml with cloud {name!r} (looked at {looked})")
    clouds = _clouds_in(path)
    if name is None:
        if len(clouds) != 1:
            raise BadCredentials(f"{path} has clouds {_listed(clouds)}: {_REMEDY}")
        name = next(iter(clouds))
    if name not in clouds:
        raise BadCredentials(f"{path} has no cloud {name!r}; it has {_listed(clouds)}")
    entry = clouds[name]
    if not isinstance(entry, dict) or not isinstance(entry.get("auth", {}), dict):
        raise BadCredentials(f"{path}: cloud {name!r} is not a mapping with `auth`")
    # secure.yaml beside it may hold what should not stand in clouds.yaml.
    secret = path.with_name("secure.yaml")
    hidden = _clouds_in(secret).get(name, {}) if secret.is_file() else {}
    auth = {**entry.get("auth", {}), **(hidden.get("auth", {}) if isinstance(hidden, dict) else {})}
    if "profile" in entry and "auth_url" not in auth:
        raise BadCredentials(f"{path}: cloud {name!r} uses a vendor profile; write auth_url in it")
    return _cloud({**auth, **_password_from(environ, auth)}, entry, f"cloud {name!r} of {path}")


def _files(environ: Mapping[str, str], cwd: Path) -> Iterator[Path]:
    if named := environ.get("OS_CLIENT_CONFIG_FILE"):
        yield Path(named)
    yield cwd / "clouds.yaml"
    home = environ.get("HOME")
    config = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else None)
    if config:
        yield Path(config) / "openstack" / "clouds.yaml"
    yield Path("/etc/openstack/clouds.yaml")


def _clouds_in(path: Path) -> dict[str, Any]:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise BadCredentials(f"{path} can't be read: {problem}") from problem
    except NotPlainYaml as problem:
        raise BadCredentials(
            f"{path}, {problem}. Only plain nested keys and JSON are read here: write the cloud "
            "so, or set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME"
        ) from problem
    clouds = content.get("clouds")
    if not isinstance(clouds, dict):
        raise BadCredentials(f"{path} has no `clouds`")
    return clouds


def _auth_from(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("OS_").lower(): value
        for name, value in environ.items()
        if name.startswith("OS_") and value
    }


def _password_from(environ: Mapping[str, str], auth: Mapping[str, Any]) -> dict[str, str]:
    """OS_PASSWORD fills in for a file that leaves the password out."""
    password = environ.get("OS_PASSWORD")
    return {"password": password} if password and "password" not in auth else {}


def _cloud(auth: Mapping[str, Any], entry: Mapping[str, Any], where: str) -> Cloud:
    found = {"project_name": auth.get("tenant_name"), **auth}
    needed = ("auth_url", "username", "password", "project_name")
    lacking = [key for key in needed if not found.get(key)]
    if lacking:
        raise BadCredentials(f"{where} lacks {', '.join(lacking)}")
    verify = entry.get("verify", True)
    return Cloud(
        **{key: str(found[key]) for key in needed},
        user_domain=_domain(auth, "user_domain"),
        project_domain=_domain(auth, "project_domain"),
        region=entry.get("region_name") or auth.get("region_name"),
        ca_file=entry.get("cacert") or auth.get("cacert"),
        verify=str(verify).lower() not in ("false", "no", "0"),
    )


def _domain(auth: Mapping[str, Any], which: str) -> DomainRef:
    for prefix in (which, "default_domain"):
        if auth.get(f"{prefix}_id"):
            return DomainRef("id", str(auth[f"{prefix}_id"]))
        # OSC's own option, which came before there were IDs and names, is either.
        name = auth.get(f"{prefix}_name") or (auth.get(prefix) if prefix != which else None)
        if name:
            # Many write it small, and on some databases Keystone finds it so.
            return FIRST_DOMAIN if str(name).lower() == "default" else DomainRef("name", str(name))
    return FIRST_DOMAIN


def _listed(clouds: Mapping[str, Any]) -> str:
    return ", ".join(sorted(clouds)) or "none"
