"""What every use case is given: made once, in `bootstrap`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trunkline.control.fleet import LiveFleet
from trunkline.control.networking import Networking
from trunkline.control.passwords import AttemptLimiter, Passwords
from trunkline.domain.clock import Clock, IdSource
from trunkline.domain.ids import HostName
from trunkline.store.engine import Store
from trunkline.vif.registry import VifRegistry

IMAGE_SIZE_BYTES_MAX: Final = 50 * 1024**3  # A whole installed system, with room.
TOKEN_LIFETIME_SECONDS: Final = 12 * 3600  # A working day.
PLACEMENT_ATTEMPTS_MAX: Final = 5  # Hosts that may refuse a server before it goes to ERROR.
RACE_RETRIES_MAX: Final = 20  # Times that a request may lose a race before it is told so.


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that an operator may set."""

    image_size_bytes_max: int = IMAGE_SIZE_BYTES_MAX
    token_lifetime_seconds: int = TOKEN_LIFETIME_SECONDS
    placement_attempts_max: int = PLACEMENT_ATTEMPTS_MAX
    host_silent_seconds_max: int = 90  # Longer unheard of, and a host takes no new servers.


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the running control plane."""

    store: Store
    clock: Clock
    ids: IdSource
    fleet: LiveFleet
    networking: Networking
    vif_types: VifRegistry
    images_dir: Path  # Image bytes, each file named by its SHA-512.
    wake_host: Callable[[HostName], None]  # What is desired of the host has changed.
    limits: Limits = field(default_factory=Limits)
    passwords: Passwords = field(default_factory=Passwords)
    password_attempts: AttemptLimiter = field(default_factory=AttemptLimiter)
