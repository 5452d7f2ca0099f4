"""The reference pages name every command, route, key and metric, with the defaults of the code."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from prometheus_client import REGISTRY

from tests.tidy.repository import REPOSITORY
from tools import list_policy, list_routes, write_cli_reference
from trunkline.api.routes import ROUTES
from trunkline.bootstrap import compute_config, controller_config
from trunkline.domain import device_spec_parsing
from trunkline.domain.policy.all_rules import RULES_BY_FACE
from trunkline.host import faults, fleet, fleet_cards, fleet_numa, fleet_plain

CONFIGURATION = REPOSITORY / "docs/configuration.md"
FLEETS = REPOSITORY / "docs/run-simulated.md"


def test_the_page_of_commands_is_up_to_date() -> None:
    assert write_cli_reference.TARGET.read_text() == write_cli_reference.render(), "run `make docs`"


def test_the_tables_of_routes_are_up_to_date() -> None:
    page = list_routes.TARGET.read_text()
    assert list_routes.render(page) == page, "run `make docs`"
    missing = [route.path for route in ROUTES if f"| {route.method} | `{route.path}` |" not in page]
    assert not missing


def test_every_rule_of_the_policy_is_listed() -> None:
    page = list_policy.TARGET.read_text()
    assert list_policy.render(page) == page, "run `make docs`"
    for face in RULES_BY_FACE:
        assert f"<!-- rules of {face} -->" in page


def test_every_metric_is_documented() -> None:
    page = list_routes.TARGET.read_text()
    ours = {
        metric.name: metric.type
        for metric in REGISTRY.collect()
        if metric.name.startswith("trunkline_")
    }
    assert len(ours) >= 2
    for name, kind in ours.items():
        assert f"| `{name}{'_total' if kind == 'counter' else ''}` |" in page


def _documented(page: Path, heading: str) -> dict[str, str]:
    """The first two columns of the first table below a heading: key and default."""
    section = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    [text] = [part for part in section if part.startswith(f"{heading}\n")]
    table = text.split("|---|---|---|\n", 1)[1].split("\n\n", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| [^|\s]", table, flags=re.MULTILINE)
    assert len(rows) == len(table.splitlines()), "a row lacks its key, its default or its text"
    return dict(rows)


def _keys(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a configuration struct, with its default as the page shows it."""
    for field in msgspec.structs.fields(struct):
        inner = _table_of(field.type)
        key = f"{prefix}{field.encode_name}"
        if inner is not None:
            yield from _keys(inner, f"{key}[]." if get_origin(field.type) is tuple else f"{key}.")
        else:
            yield key, _shown(field)


def _table_of(type_: Any) -> type[msgspec.Struct] | None:
    candidates = (type_, *get_args(type_)[:1]) if get_origin(type_) is tuple else (type_,)
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _shown(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        made = field.default_factory()
        return f"`{_toml(made)}`" if not made else "see below"
    return "none" if field.default is None else f"`{_toml(field.default)}`"


def _toml(value: object) -> str:
    match value:
        case enum.Enum():
            return json.dumps(value.value)
        case tuple() | list():
            return f"[{', '.join(_toml(each) for each in value)}]"
        case _:
            return json.dumps(value)


def _agree(documented: Mapping[str, str], known: Mapping[str, str]) -> None:
    assert set(documented) == set(known)
    wrong = {key: known[key] for key in known if documented[key] != known[key]}
    assert not wrong, "the code has other defaults"


def test_every_key_of_controller_toml_is_documented_with_its_default() -> None:
    known = dict(_keys(controller_config._File))
    known["networking.vif_types"] = "none"  # Empty: the registry's own defaults stay.
    _agree(_documented(CONFIGURATION, "controller.toml"), known)


def test_every_key_of_compute_toml_is_documented_with_its_default() -> None:
    known = dict(_keys(compute_config._File))
    known["device_spec[]"] = known.pop("device_spec")
    _agree(_documented(CONFIGURATION, "compute.toml"), known)


def test_every_key_of_a_device_spec_is_documented() -> None:
    documented = _documented(CONFIGURATION, "Device specs")
    assert set(documented) == set(device_spec_parsing._KEYS)


def test_every_key_of_a_fleet_file_is_documented_with_its_default() -> None:
    known = {f"host.{key}": default for key, default in _keys(fleet._HostEntry)}
    for table in ("numa", "card", "function", "device_spec"):  # Described by themselves.
        del known[f"host.{table}"]
    known |= {f"host.function.{key}": default for key, default in _keys(fleet_plain.PlainEntry)}
    known |= {f"host.numa.{key}": default for key, default in _keys(fleet_numa.NumaEntry)}
    known |= {f"host.card.{key}": default for key, default in _keys(fleet_cards.CardEntry)}
    _agree(_documented(FLEETS, "The fleet file"), known)


def test_every_fault_that_can_be_planted_is_documented() -> None:
    text = FLEETS.read_text()
    planted = [fault.__name__ for fault in get_args(faults.Fault)]
    assert [name for name in planted if f"`{name}`" not in text] == []
