"""Two replicas that give a name in a domain at once: one of them does, the other is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.control.standing_still import count_statements, run_into
from tests.support.world import ADMIN, a_world
from trunkline.control.domains import DomainUpdate, create_domain
from trunkline.control.projects import ProjectUpdate, create_project
from trunkline.control.services import Services
from trunkline.control.user_accounts import UserUpdate, create_user, update_user
from trunkline.domain.errors import AlreadyExists
from trunkline.domain.ids import DomainId


def a_user(svc: Services, name: str, domain: DomainId) -> object:
    return create_user(svc, ADMIN, UserUpdate(name=name, password=None, domain_id=domain))


def a_project(svc: Services, name: str, domain: DomainId) -> object:
    return create_project(svc, ADMIN, ProjectUpdate(name=name, domain_id=domain))


def a_renamed_user(svc: Services, name: str, domain: DomainId) -> object:
    made = create_user(svc, ADMIN, UserUpdate(name=svc.ids.new_id(), domain_id=domain))
    return update_user(svc, ADMIN, made.id, UserUpdate(name=name))


@pytest.mark.parametrize("make", [a_user, a_project, a_renamed_user])
def test_of_two_replicas_that_give_a_name_in_a_domain_one_does(
    tmp_path: Path,
    new_postgres_database: Callable[[], str],
    make: Callable[[Services, str, DomainId], object],
) -> None:
    url = new_postgres_database()
    with a_world(tmp_path, url=url) as one, a_world(tmp_path, url=url, seed=1) as other:
        shop = create_domain(one, ADMIN, DomainUpdate(name="shop")).id
        depot = create_domain(one, ADMIN, DomainUpdate(name="depot")).id
        statements = count_statements(one, lambda: make(one, "counted", shop))
        for number in range(1, statements + 1):
            name = f"name {number}"
            caught, ended = run_into(
                (one, partial(make, one, name, shop)), partial(make, other, name, shop), number
            )
            assert caught
            assert sorted(problem is None for problem in ended) == [False, True], ended
            assert [AlreadyExists] == [type(each) for each in ended if each is not None]
            make(other, name, depot)
