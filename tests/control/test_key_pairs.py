"""A user's key pairs are no more than the limit, whoever brings them at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.control.standing_still import count_statements, run_into
from tests.support.ssh_keys import an_ssh_key
from tests.support.world import ADMIN, DEMO, a_world
from trunkline.control.key_pairs import create_key_pair, delete_key_pair, list_key_pairs
from trunkline.control.quotas import set_quotas
from trunkline.control.services import Services
from trunkline.domain.quota import QuotaExceeded, Resource


def test_of_two_replicas_that_keep_a_users_last_key_pair_one_is_refused(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    url = new_postgres_database()
    with a_world(tmp_path, url=url) as one, a_world(tmp_path, url=url, seed=1) as other:

        def bring(svc: Services, name: str) -> Callable[[], object]:
            return lambda: create_key_pair(svc, DEMO, name, an_ssh_key())

        set_quotas(one, ADMIN, None, [(Resource.KEY_PAIRS, None, 1)])  # So none is there before.
        at_commit = count_statements(one, bring(one, "counted"))
        delete_key_pair(one, DEMO, "counted")
        caught, ended = run_into((one, bring(one, "first")), bring(other, "second"), at_commit)
        assert caught
        assert [type(each) for each in ended] == [type(None), QuotaExceeded]
        assert len(list_key_pairs(one, DEMO)) == 1
