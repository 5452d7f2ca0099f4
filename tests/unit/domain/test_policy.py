"""The policy: its defaults, and what an operator may put in their place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.world import ADMIN, DEMO, OTHER, a_caller
from trunkline.domain.identity import Caller
from trunkline.domain.policy import compute_rules, network_rules, trunkline_rules
from trunkline.domain.policy.all_rules import ALL_RULES
from trunkline.domain.policy.language import PolicyFault
from trunkline.domain.policy.policy import CHAIN_MAX, Policy
from trunkline.domain.policy.rule import BASE_RULES, Rule

READER = a_caller("demo", "reader")
MANAGER = a_caller("demo", "manager")
CUSTOM = a_caller("demo", "network_admin")
SYSTEM_ADMIN = replace(ADMIN, project_id=None, project_name="", is_system=True)
SYSTEM_READER = replace(READER, project_id=None, project_name="", is_system=True)
UNSCOPED = replace(DEMO, project_id=None, project_name="", roles=frozenset())
# What a user has and can give is given up or passed on by the user, as in Keystone.
OF_ONES_OWN = {
    "identity:revoke_token",
    "identity:create_application_credential",
    "identity:delete_access_rule",
    "identity:delete_application_credential",
}
DECISIONS = [rule for rule in ALL_RULES if rule not in BASE_RULES]


def own(rule: Rule, caller: Caller = DEMO) -> dict[str, str | None]:
    """A thing that is the caller's own in every way."""
    return {
        name: caller.user_id if name == "user_id" else caller.project_id for name in rule.target
    }


@pytest.mark.parametrize("rule", DECISIONS, ids=lambda rule: rule.name)
def test_by_default_readers_change_nothing_and_strangers_see_nothing(rule: Rule) -> None:
    if not rule.reads:
        assert READER.may(rule, own(rule, READER)) is (rule.name in OF_ONES_OWN)
        assert not SYSTEM_READER.may(rule, own(rule, ADMIN))
    if rule.check != "@" and rule.target:
        for stranger in (OTHER, a_caller("other", "manager"), CUSTOM, UNSCOPED):
            foreign = dict.fromkeys(rule.target, "another's")
            assert not stranger.may(rule, foreign), stranger


@pytest.mark.parametrize("rule", DECISIONS, ids=lambda rule: rule.name)
def test_by_default_admins_may_all_and_system_readers_see_what_admins_see(rule: Rule) -> None:
    for_the_user_alone = rule.name == "identity:create_application_credential"
    assert ADMIN.may_on_all(rule) is not for_the_user_alone
    assert SYSTEM_ADMIN.may_on_all(rule) is not (rule.needs_project or for_the_user_alone)
    assert SYSTEM_READER.may_on_all(rule) is rule.reads


def test_names_are_given_once_and_every_rule_says_what_it_allows() -> None:
    names = [rule.name for rule in ALL_RULES]
    assert len(names) == len(set(names))
    assert [rule.name for rule in ALL_RULES if not rule.about or rule.about.endswith(".")] == []


def test_a_role_of_ones_own_is_given_what_a_rule_says_and_no_more() -> None:
    shared = network_rules.CREATE_NETWORK_SHARED
    policy = Policy({shared.name: "rule:admin_only or role:network_admin"})
    network_admin = replace(CUSTOM, policy=policy)
    assert network_admin.may(shared, own(shared))
    segment = network_rules.CREATE_NETWORK_SEGMENTATION_ID
    assert not network_admin.may(segment, own(segment))
    assert not replace(DEMO, policy=policy).may(shared, own(shared))


def test_what_others_are_made_of_can_be_changed_for_all_of_them() -> None:
    policy = Policy({"admin_only": "role:root"})
    assert not replace(ADMIN, policy=policy).may(compute_rules.CREATE_FLAVOR)
    root = replace(a_caller("demo", "root"), policy=policy)
    assert root.may(compute_rules.CREATE_FLAVOR)
    assert root.may(trunkline_rules.VERIFY)


def test_rules_of_another_name_serve_those_that_refer_to_them() -> None:
    policy = Policy({"ours": "role:netops or role:admin", "create_port": "rule:ours"})
    create = network_rules.CREATE_PORT
    assert not replace(DEMO, policy=policy).may(create, own(create))
    assert replace(a_caller("demo", "netops"), policy=policy).may(create, own(create))


CHAIN = {f"r{number}": f"rule:r{number + 1}" for number in range(CHAIN_MAX)} | {
    f"r{CHAIN_MAX}": "@", "create_port": "rule:r0"
}  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "rule", "problem"),
    [
        ({"create_prt": "@"}, "create_prt", "nothing is decided.*there is create_port"),
        ({"zzz": "@"}, "zzz", "nothing is decided.*trunkline policy list"),
        ({"a": "rule:b", "b": "@"}, "a", "nothing is decided"),
        ({"create_port": "rule:admin_onyl"}, "create_port", "rule:admin_onyl.*admin_only"),
        ({"create_port": "rule:create_port"}, "create_port", "create_port -> create_port"),
        ({"create_port": "rule:x", "x": "rule:create_port"}, "create_port", "refers to itself"),
        ({"admin_only": "rule:get_port"}, "admin_only", "refers to itself|would ask"),
        ({"create_port": "role"}, "create_port", "is no check"),
        (CHAIN, "r0", "chain of more than"),
        ({"create_port": "user_id:%(user_id)s"}, "create_port", r"%\(project_id\)s"),
        ({"trunkline:verify": "rule:project_reader"}, "trunkline:verify", "has nothing to compare"),
        ({"admin_only": "project_id:%(project_id)s"}, "admin_only", "would ask for"),
    ],
)
def test_a_file_that_can_not_mean_what_it_says_is_refused(
    overrides: dict[str, str], rule: str, problem: str
) -> None:
    with pytest.raises(PolicyFault, match=problem) as refused:
        Policy(overrides)
    assert refused.value.rule == rule
