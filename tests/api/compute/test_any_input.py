"""Whatever is sent, the answer is a fault of the request or a success: never a broken server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.compute_site import BLANK_DISK, ComputeSite, a_compute_site
from trunkline.api.compute.routes import ROUTES

NAMES: Final = (
    "server", "flavor", "name", "flavorRef", "imageRef", "networks", "port", "uuid", "fixed_ip",
    "tag", "metadata", "tags", "description", "user_data", "config_drive", "availability_zone",
    "host", "hypervisor_hostname", "min_count", "max_count", "block_device_mapping_v2",
    "boot_index", "source_type", "destination_type", "volume_size", "key_name", "security_groups",
    "hostname", "os:scheduler_hints", "ram", "vcpus", "disk", "id", "swap", "rxtx_factor",
    "os-flavor-access:is_public", "extra_specs", "status", "disabled_reason", "forced_down",
    "reboot", "type", "os-stop", "os-start", "resize", "binary",
)  # fmt: skip
FILTERS: Final = (
    "name", "status", "host", "all_tenants", "deleted", "changes-since", "limit", "marker",
    "sort_key", "sort_dir", "flavor", "image", "uuid", "project_id", "is_public", "minRam",
    "hypervisor_hostname_pattern", "with_servers", "binary", "tags",
)  # fmt: skip

_TEXT = st.text(max_size=12) | st.sampled_from(
    ["small", "auto", "none", "nova", "nova:h1", "true", "SOFT", "0", "-1", "1e9", "%", "\\", "^$",
     "display_name", "asc", "h1", "ACTIVE", "2020-01-01", "0001-01-01T00:00:00+23:59",
     "9999-12-31T23:59:59-23:59", "a" * 300, "\x00", "\ud800"]
)  # fmt: skip
_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | _TEXT
_JSON = st.recursive(
    _SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
_GOOD_SERVER: Final[dict[str, Any]] = {
    "name": "web",
    "flavorRef": "small",
    "networks": "none",
    "block_device_mapping_v2": [BLANK_DISK],
}
_BODIES = _JSON | st.builds(
    lambda changes: {"server": _GOOD_SERVER | changes},
    st.dictionaries(st.sampled_from(NAMES), _JSON, max_size=2),
)
_VERSIONS = st.sampled_from(["2.1", "2.36", "2.52", "2.54", "2.74", "2.87", "2.96"])
_REFS = st.sampled_from(["small", "h1", "enable", "2e4f5a00-0000-4000-8000-00000000dead"]) | _TEXT


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


def _path_of(template: str, ref: str) -> str:
    path = template.removeprefix("/compute/v2.1")
    for name in ("{id}", "{key}", "{name}", "{network}", "{port_id}"):
        path = path.replace(name, quote(ref.encode("utf-8", "surrogatepass"), safe="") or "x")
    return path


@settings(max_examples=300)
@given(
    route=st.sampled_from([r for r in ROUTES if r.method in ("POST", "PUT")]),
    ref=_REFS,
    body=_BODIES,
    version=_VERSIONS,
    user=st.sampled_from(["admin", "demo"]),
)
def test_no_body_breaks_the_server(
    scene: ComputeSite, route: Any, ref: str, body: object, version: str, user: str
) -> None:
    path = _path_of(route.path, ref)
    reply = scene.call(route.method, path, version=version, user=user, body=body)
    assert reply.status < 500 or reply.status == 501, (route.method, path, body, reply)


@settings(max_examples=300)
@given(
    route=st.sampled_from([r for r in ROUTES if r.method == "GET"]),
    ref=_REFS,
    query=st.lists(st.tuples(st.sampled_from(FILTERS), _TEXT), max_size=3),
    version=_VERSIONS,
    user=st.sampled_from(["admin", "demo"]),
)
def test_no_query_breaks_the_server(
    scene: ComputeSite,
    route: Any,
    ref: str,
    query: list[tuple[str, str]],
    version: str,
    user: str,
) -> None:
    pairs = [f"{name}={quote(text.encode('utf-8', 'surrogatepass'))}" for name, text in query]
    path = f"{_path_of(route.path, ref)}?{'&'.join(pairs)}"
    reply = scene.call("GET", path, version=version, user=user)
    assert reply.status < 500, (path, reply)
