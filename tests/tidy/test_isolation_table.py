"""Every route is in the table of whose things routes are about, so that all of them are walked."""

from __future__ import annotations

from tests.isolation.kinds import Kind
from tests.isolation.table import ROWS, kind_of
from trunkline.api.routes import ROUTES

# What says all by its path.
BODILESS = ("/tags/{", "os-pci-flavors", "/roles/{role_id}", "/groups/{id}/users/{user_id}")


def test_every_route_is_classified() -> None:
    unknown = [f"{route.method} {route.path}" for route in ROUTES if kind_of(route) is None]
    assert unknown == [], "add a row to tests/isolation/table.py"
    paths = {route.path for route in ROUTES}
    assert [path for path in ROWS if path not in paths] == [], "rows of no route"


def test_every_write_is_tried_with_a_body_that_could_be_meant() -> None:
    """Else it is refused for its body, and nobody has seen what it would have been answered."""
    without = [
        f"{route.method} {route.path}"
        for route in ROUTES
        if route.method in ("POST", "PUT", "PATCH") and kind_of(route) is not Kind.PUBLIC
        if route.path in ROWS and route.method not in ROWS[route.path].bodies
        if not any(part in route.path for part in BODILESS)
    ]
    assert without == [], "add a body to the row in tests/isolation/table.py"
