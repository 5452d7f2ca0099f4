"""Roles, and what a caller speaks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.world import DEMO
from trunkline.control.access import visible_by
from trunkline.domain.errors import Forbidden
from trunkline.domain.identity import with_implied
from trunkline.domain.policy.network_rules import GET_PORT


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ({"admin"}, {"admin", "manager", "member", "reader"}),
        ({"manager"}, {"manager", "member", "reader"}),
        ({"reader"}, {"reader"}),
        ({"network_admin"}, {"network_admin"}),
        ({"network_admin", "reader"}, {"network_admin", "reader"}),
        (set(), set()),
    ],
)
def test_a_default_role_implies_those_below_it_and_others_imply_none(
    given: set[str], held: set[str]
) -> None:
    assert with_implied(given) == held


def test_a_caller_who_speaks_for_no_project_neither_makes_nor_lists_a_projects_things() -> None:
    nobody = replace(DEMO, project_id=None, project_name="")
    with pytest.raises(Forbidden, match="a token for a project"):
        _ = nobody.own_project
    with pytest.raises(Forbidden, match="a token for a project"):
        visible_by(nobody, GET_PORT)
