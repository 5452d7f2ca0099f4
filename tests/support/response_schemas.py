"""tempest's published response schemas, chosen by microversion as tempest itself chooses them."""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema

from tests.support.environments import CACHE, PINS, digest_of, ensure_environment, only_one_process
from tests.support.patience import HANGS_SECONDS

EXPORTER = PINS / "export_tempest_schemas.py"
FORMATS = jsonschema.FormatChecker()

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?")


@FORMATS.checks("iso8601-date-time")
def _is_iso8601(instance: object) -> bool:
    """As oslo.utils' parse_isotime takes it; null passes, as it does in tempest."""
    return instance is None or (isinstance(instance, str) and bool(_TIME.fullmatch(instance)))


@FORMATS.checks("base64")
def _is_base64(instance: object) -> bool:
    if not isinstance(instance, str):
        return False
    try:
        base64.b64decode(instance, validate=True)
    except binascii.Error:
        return False
    return True


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


@dataclass(frozen=True, slots=True)
class ResponseSchemas:
    """All schemas, by tempest's client (`servers`, `flavors`, `hypervisor`…)."""

    clients: Mapping[str, Sequence[Mapping[str, Any]]]

    def find(self, client: str, name: str, microversion: str | None) -> Mapping[str, Any]:
        """Return the schema `name` for a microversion; None: the request named none (2.1).

        A range that states no minimum begins before every version, and one that states no
        maximum never ends: the rules of tempest's BaseComputeClient.get_schema().
        """
        wanted = _version(microversion or "2.1")
        for item in self.clients[client]:
            low, high = item["min"], item["max"]
            if (low is None or _version(low) <= wanted) and (
                high is None or wanted <= _version(high)
            ):
                schema: Mapping[str, Any] = item["schemas"][name]
                return schema
        raise KeyError(f"tempest has no {client}.{name} for {microversion}")

    def check(
        self, client: str, name: str, *, microversion: str | None, status: int, body: object
    ) -> None:
        """Fail unless a response is what tempest accepts; `body` is None when there is none."""
        schema = self.find(client, name, microversion)
        assert status in schema["status_code"], (
            f"{client}.{name}: status {status}, tempest takes {schema['status_code']}"
        )
        if "response_body" not in schema:
            assert not body, f"{client}.{name}: a body where tempest takes none: {body!r}"
            return
        validator = jsonschema.Draft4Validator(schema["response_body"], format_checker=FORMATS)
        faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
        assert not faults, f"{client}.{name} at {microversion}:\n  " + "\n  ".join(faults)


def load_response_schemas() -> ResponseSchemas:
    """Return the schemas, exported from tempest once and kept in .cache/."""
    exported = CACHE / "tempest-schemas.json"
    stamp = CACHE / "tempest-schemas.sha256"
    wanted = digest_of(PINS / "tempest.txt", EXPORTER)
    with only_one_process("tempest-schemas"):
        if not exported.exists() or not stamp.exists() or stamp.read_text() != wanted:
            python = ensure_environment("tempest") / "python"
            done = subprocess.run(
                [str(python), str(EXPORTER)], text=True, capture_output=True, timeout=HANGS_SECONDS
            )
            assert done.returncode == 0, f"exporting tempest's schemas failed:\n{done.stderr}"
            exported.write_text(done.stdout)
            stamp.write_text(wanted)
    return ResponseSchemas(json.loads(exported.read_text()))
