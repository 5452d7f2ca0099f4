"""Write tempest's response schemas as JSON. Runs in tempest's environment, not in the project's.

Each tempest client knows which schema module answers for which microversions; that knowledge is
exported along with the schemas:

    {"servers": [{"min": null, "max": "2.2", "schemas": {"get_server": {…}, …}}, …], …}
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from types import ModuleType
from typing import Any, TypeGuard

from tempest.lib.services import compute

SCHEMA_PACKAGE = "tempest.lib.api_schema.response.compute."


def schemas_of(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, dict) and "status_code" in value
    }


def is_schema_module(value: object) -> TypeGuard[ModuleType]:
    return isinstance(value, ModuleType) and value.__name__.startswith(SCHEMA_PACKAGE)


def versions_of(client: ModuleType) -> list[dict[str, Any]]:
    """Return the versions that a client distinguishes; one for all where it does not."""
    for cls in vars(client).values():
        versions = getattr(cls, "schema_versions_info", None)
        if isinstance(cls, type) and cls.__module__ == client.__name__ and versions:
            # What a version's module lacks, the client takes from the oldest one, or from
            # modules that are the same at all versions.
            versioned = {v["schema"].__name__ for v in versions}
            always = schemas_of(versions[0]["schema"])
            for value in vars(client).values():
                if is_schema_module(value) and value.__name__ not in versioned:
                    always |= schemas_of(value)
            return [
                {"min": v["min"], "max": v["max"], "schemas": always | schemas_of(v["schema"])}
                for v in versions
            ]
    schemas: dict[str, Any] = {}
    for value in vars(client).values():
        if is_schema_module(value):
            schemas |= schemas_of(value)
    return [{"min": None, "max": None, "schemas": schemas}] if schemas else []


def main() -> None:
    exported: dict[str, list[dict[str, Any]]] = {}
    for info in pkgutil.iter_modules(compute.__path__):
        if info.name.endswith("_client") and info.name != "base_compute_client":
            client = importlib.import_module(f"{compute.__name__}.{info.name}")
            if versions := versions_of(client):
                exported[info.name.removesuffix("_client")] = versions
    json.dump(exported, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
