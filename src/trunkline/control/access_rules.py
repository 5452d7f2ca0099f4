"""Access rules: what application credentials may ask. A user's are kept until they are deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_user, require
from trunkline.control.services import Services
from trunkline.control.user_accounts import get_locked, get_user
from trunkline.domain.access_rules import AccessRule
from trunkline.domain.errors import ErrorKind, Invalid, NotFound, TrunklineError
from trunkline.domain.identity import Caller
from trunkline.domain.ids import AccessRuleId, UserId
from trunkline.domain.policy import identity_rules as rules
from trunkline.store.transaction import Transaction

RULES_OF_USER_MAX: Final = 1000


class AccessRuleInUse(TrunklineError):
    """An application credential has the access rule that was to be deleted."""

    code = "identity.access_rule_in_use"
    kind = ErrorKind.FORBIDDEN  # Keystone's.

    def __init__(self, rule_id: str) -> None:
        super().__init__(
            f"an application credential has access rule {rule_id}: delete that credential first"
        )


class TooManyAccessRules(TrunklineError):
    """A user has as many access rules as one may have."""

    code = "identity.too_many_access_rules"
    kind = ErrorKind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            f"a user has {RULES_OF_USER_MAX} access rules at most: delete some that no application"
            " credential has"
        )


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule that the user has, by its ID."""

    id: str


def list_access_rules(
    svc: Services, caller: Caller, user_id: str, equals: Mapping[str, str]
) -> list[AccessRule]:
    """Return those of a user."""
    get_user(svc, caller, user_id, rules.LIST_ACCESS_RULES)
    return svc.store.read(lambda tx: tx.access_rules.of_user(UserId(user_id), equals))


def get_access_rule(svc: Services, caller: Caller, user_id: str, rule_id: str) -> AccessRule:
    """Return one of a user."""
    get_user(svc, caller, user_id, rules.SHOW_ACCESS_RULE)
    return svc.store.read(lambda tx: _get(tx, user_id, rule_id))


def delete_access_rule(svc: Services, caller: Caller, user_id: str, rule_id: str) -> None:
    """Delete one that no application credential has.

    Raises:
        NotFound: There is none, or none that the caller may know of.
        AccessRuleInUse: An application credential has it.
    """
    get_user(svc, caller, user_id)
    require(caller, rules.DELETE_ACCESS_RULE, of_user(user_id))
    at = svc.clock.now()

    def write(tx: Transaction) -> None:
        get_locked(tx, user_id)  # Nobody gives it to a new application credential meanwhile.
        rule = _get(tx, user_id, rule_id)
        if not tx.access_rules.delete_unused(rule.id):
            raise AccessRuleInUse(rule.id)
        _record(tx, caller, at, user_id, rule)

    svc.store.write(write)


def ensure_rules(
    tx: Transaction, user_id: UserId, wanted: Sequence[AccessRule | KnownRule]
) -> tuple[AccessRule, ...]:
    """Return the user's rules that are wanted, each once; those that there were none of are made.

    The user's row is locked.

    Raises:
        Invalid: One that is named by its ID is none of the user's.
        TooManyAccessRules: The user would have too many.
    """
    if not wanted:
        return ()
    has = tx.access_rules.of_user(user_id)
    by_id, by_what = {rule.id: rule for rule in has}, {rule.what: rule for rule in has}
    found: dict[AccessRuleId, AccessRule] = {}
    made = []
    for at, each in enumerate(wanted):
        if isinstance(each, KnownRule):
            known = by_id.get(AccessRuleId(each.id))
            if known is None:
                raise Invalid(
                    f"application_credential.access_rules[{at}].id", "is no access rule of the user"
                )
        else:
            known = by_what.setdefault(each.what, each)
            if known is each:
                made.append(each)
        found[known.id] = known
    if made and len(has) + len(made) > RULES_OF_USER_MAX:
        raise TooManyAccessRules
    tx.access_rules.insert(user_id, made)
    return tuple(found.values())


def with_new_ids(
    svc: Services, wanted: Sequence[AccessRule | KnownRule]
) -> Sequence[AccessRule | KnownRule]:
    """Give those that may have to be made an ID, before any transaction is begun."""
    return [
        each
        if isinstance(each, KnownRule)
        else replace(each, id=AccessRuleId(svc.ids.new_id().replace("-", "")))
        for each in wanted
    ]


def _get(tx: Transaction, user_id: str, rule_id: str) -> AccessRule:
    found = tx.access_rules.of_user(UserId(user_id), {"id": rule_id})
    if not found:
        raise NotFound("access rule", rule_id)
    return found[0]


def _record(tx: Transaction, caller: Caller, at: datetime, user_id: str, rule: AccessRule) -> None:
    audit.record(
        tx, audit.actor_of(caller), at, "access_rule.delete",
        f"access rule {rule.method.value} {rule.path} of {rule.service}",
        details={"user_id": user_id, "access_rule_id": rule.id},
    )  # fmt: skip
