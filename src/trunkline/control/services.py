"""What every use case is given: made once, by `bootstrap` or the simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trunkline.control.fleet import LiveFleet
from trunkline.control.identity_elsewhere import IdentityElsewhere
from trunkline.control.networking import Networking
from trunkline.control.passwords import AttemptLimiter, Passwords
from trunkline.control.pci_options import PciOptions
from trunkline.control.provider_trees import ProviderTrees
from trunkline.domain.aggregate import DEFAULT_ZONE
from trunkline.domain.clock import Clock, IdSource
from trunkline.domain.ids import HostName, ZoneName
from trunkline.domain.policy.policy import DEFAULT_POLICY, Policy
from trunkline.placement.index.criteria import DEFAULT_RANKING, Ranking
from trunkline.store.engine import Store
from trunkline.vif.registry import VifRegistry, load_vif_types

IMAGE_SIZE_BYTES_MAX: Final = 50 * 1024**3  # A whole installed system, with room.
TOKEN_LIFETIME_SECONDS: Final = 12 * 3600  # A working day.
PLACEMENT_ATTEMPTS_MAX: Final = 5  # Hosts that may refuse a server before it goes to ERROR.
DELETED_SERVERS_KEPT_DAYS: Final = 30
EVENTS_KEPT_DAYS: Final = 90  # Some 3 GB at 10,000 servers a day.
RACE_RETRIES_MAX: Final = 20  # Times that a request may lose a race before it is told so.


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that an operator may set."""

    image_size_bytes_max: int = IMAGE_SIZE_BYTES_MAX
    token_lifetime_seconds: int = TOKEN_LIFETIME_SECONDS
    placement_attempts_max: int = PLACEMENT_ATTEMPTS_MAX
    host_silent_seconds_max: int = 90  # Longer unheard of, and a host takes no new servers.
    deleted_servers_kept_days: int = DELETED_SERVERS_KEPT_DAYS
    events_kept_days: int = EVENTS_KEPT_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the running control plane."""

    store: Store
    clock: Clock
    ids: IdSource
    fleet: LiveFleet
    provider_trees: ProviderTrees
    networking: Networking
    vif_types: VifRegistry
    images_dir: Path  # Image bytes, each file named by its SHA-512.
    wake_host: Callable[[HostName], None]  # What is desired of the host has changed.
    limits: Limits = field(default_factory=Limits)
    default_zone: ZoneName = DEFAULT_ZONE  # Of hosts that no aggregate puts into one.
    policy: Policy = DEFAULT_POLICY
    pci: PciOptions = field(default_factory=PciOptions)
    passwords: Passwords = field(default_factory=Passwords)
    password_attempts: AttemptLimiter = field(default_factory=AttemptLimiter)
    identity_elsewhere: IdentityElsewhere | None = None  # None: users are in the store.


def make_services(
    store: Store,
    *,
    clock: Clock,
    ids: IdSource,
    networking: Networking,
    images_dir: Path,
    wake_host: Callable[[HostName], None],
    limits: Limits | None = None,
    pci: PciOptions | None = None,
    ranking: Ranking = DEFAULT_RANKING,
    default_zone: ZoneName = DEFAULT_ZONE,
    policy: Policy = DEFAULT_POLICY,
    identity_elsewhere: IdentityElsewhere | None = None,
) -> Services:
    """Join the parts, and fill the fleet index from the store."""
    limits = limits or Limits()
    fleet = LiveFleet(
        clock,
        host_silent_seconds_max=limits.host_silent_seconds_max,
        replicated=store.dialect != "sqlite",
        spread_key="" if store.dialect == "sqlite" else ids.new_id(),
        ranking=ranking,
        default_zone=default_zone,
    )
    store.read(fleet.load)
    return Services(
        store=store,
        clock=clock,
        ids=ids,
        fleet=fleet,
        provider_trees=ProviderTrees(store),
        networking=networking,
        vif_types=load_vif_types(),
        images_dir=images_dir,
        wake_host=wake_host,
        limits=limits,
        pci=pci or PciOptions(),
        default_zone=default_zone,
        policy=policy,
        identity_elsewhere=identity_elsewhere,
    )
