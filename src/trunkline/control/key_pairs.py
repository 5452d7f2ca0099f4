"""Key pairs: each user's own. Admins see and change those of others."""

from __future__ import annotations

from trunkline.control import audit
from trunkline.control.access import of_user, require
from trunkline.control.quotas import require_of_each
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.ids import UserId
from trunkline.domain.key_pair import KeyPair, parse_public_key
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.quota import Resource
from trunkline.store.transaction import Transaction


def create_key_pair(
    svc: Services, caller: Caller, name: str, public_key: str, *, user_id: str | None = None
) -> KeyPair:
    """Keep a public key under a name.

    Raises:
        Forbidden: It is for another user, and the caller is no admin.
        Invalid: It is no key.
        AlreadyExists: The name is taken.
        QuotaExceeded: The user has as many as one of the caller's project may have.
    """
    owner = _user(caller, user_id, rules.CREATE_KEY_PAIR)
    try:
        key = parse_public_key(public_key)
    except ValueError as problem:
        raise Invalid("keypair.public_key", str(problem)) from problem
    pair = KeyPair(
        id=0,
        user_id=owner,
        name=name,
        public_key=key.text,
        fingerprint=key.fingerprint,
        created_at=svc.clock.now(),
    )

    def create(tx: Transaction) -> KeyPair:
        count = tx.key_pairs.count_alone(owner) + 1
        require_of_each(tx, caller.project_id, Resource.KEY_PAIRS, now=count, added=1)
        stored = tx.key_pairs.insert(pair)
        _audit(tx, svc, caller, "key_pair.create", stored)
        return stored

    return svc.store.write(create)


def list_key_pairs(
    svc: Services,
    caller: Caller,
    *,
    user_id: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[KeyPair]:
    """Return a user's key pairs by name; those `after` a name, and no more than `limit`."""
    owner = _user(caller, user_id, rules.LIST_KEY_PAIRS)
    return svc.store.read(lambda tx: tx.key_pairs.of_user(owner, after=after, limit=limit))


def get_key_pair(
    svc: Services, caller: Caller, name: str, *, user_id: str | None = None
) -> KeyPair:
    """Return a user's key pair; raise `NotFound` if there is none of this name."""
    owner = _user(caller, user_id, rules.SHOW_KEY_PAIR)
    return svc.store.read(lambda tx: _get(tx, owner, name))


def delete_key_pair(
    svc: Services, caller: Caller, name: str, *, user_id: str | None = None
) -> None:
    """Forget a key pair. Servers that were made with it keep the key."""
    owner = _user(caller, user_id, rules.DELETE_KEY_PAIR)

    def delete(tx: Transaction) -> None:
        pair = _get(tx, owner, name)
        tx.key_pairs.delete(pair)
        _audit(tx, svc, caller, "key_pair.delete", pair)

    svc.store.write(delete)


def public_key_of(tx: Transaction, user_id: UserId, name: str | None) -> str | None:
    """Return the key that a user's server gets; raise `Invalid` if they have none so named."""
    if name is None:
        return None
    pair = tx.key_pairs.find(user_id, name)
    if pair is None:
        raise Invalid(
            "server.key_name", f"there is no key pair {name}; see `openstack keypair list`"
        )
    return pair.public_key


def _user(caller: Caller, user_id: str | None, rule: Rule) -> UserId:
    """Return whose key pairs are meant: the caller's unless others are named."""
    owner = caller.user_id if user_id is None else UserId(user_id)
    require(caller, rule, of_user(owner))
    return owner


def _get(tx: Transaction, user_id: UserId, name: str) -> KeyPair:
    pair = tx.key_pairs.find(user_id, name)
    if pair is None:
        raise NotFound("key pair", name)
    return pair


def _audit(tx: Transaction, svc: Services, caller: Caller, action: str, pair: KeyPair) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action,
        f"key pair {pair.name} of user {pair.user_id}",
        details={"fingerprint": pair.fingerprint},
    )  # fmt: skip
