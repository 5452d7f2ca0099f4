"""One transaction: the door to each kind of row, and what to do once it is durable or lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from trunkline.store.access_rules import AccessRules
from trunkline.store.aggregates import Aggregates
from trunkline.store.allocations import Allocations
from trunkline.store.application_credentials import ApplicationCredentials
from trunkline.store.bandwidth import Bandwidths
from trunkline.store.bindings import Bindings
from trunkline.store.capacity import Capacity
from trunkline.store.changes import Changes
from trunkline.store.consoles import Consoles
from trunkline.store.default_rules import DefaultRules
from trunkline.store.devices import Devices
from trunkline.store.domains import Domains
from trunkline.store.enrolment import EnrolmentTokens
from trunkline.store.events import Events
from trunkline.store.flavors import Flavors
from trunkline.store.hosts import Hosts
from trunkline.store.identity import Identity
from trunkline.store.image_members import ImageMembers
from trunkline.store.images import Images
from trunkline.store.key_pairs import KeyPairs
from trunkline.store.leases import Leases
from trunkline.store.locks import Lock
from trunkline.store.networks import Networks
from trunkline.store.pci_flavors import PciFlavors
from trunkline.store.pools import Pools
from trunkline.store.ports import Ports
from trunkline.store.qos import QosPolicies
from trunkline.store.quotas import Quotas
from trunkline.store.roles import Roles
from trunkline.store.security_groups import SecurityGroups
from trunkline.store.server_groups import ServerGroups
from trunkline.store.servers import Servers
from trunkline.store.settings import Settings
from trunkline.store.shares import Shares
from trunkline.store.subnets import Subnets
from trunkline.store.tokens import Tokens
from trunkline.store.user_groups import UserGroups

_log = logging.getLogger(__name__)


class Transaction:
    """What a use case is given."""

    def __init__(self, connection: Connection, *, sees_newest: bool = True) -> None:
        """Wrap a connection on which a transaction has begun.

        Args:
            connection: Of the transaction.
            sees_newest: Each statement sees all that is committed. A snapshot, which may be older
                by the time it is read, does not.
        """
        self._connection = connection
        self.sees_newest = sees_newest
        self._on_commit: list[Callable[[], None]] = []
        self._on_rollback: list[Callable[[], None]] = []
        self.aggregates = Aggregates(connection)  # Sets of hosts with metadata.
        self.allocations = Allocations(connection)  # Who holds which device.
        self.bandwidths = Bandwidths(connection)  # What PFs can guarantee, and what they owe.
        self.bindings = Bindings(connection)  # Which host, segment and device each port has.
        self.capacity = Capacity(connection)  # How many devices there are on each physical network.
        self.changes = Changes(connection)  # Which hosts have changed, for those who follow them.
        self.consoles = Consoles(connection)  # What guests have said, for those who asked.
        self.devices = Devices(connection)  # The PFs and VFs of all hosts.
        self.pools = Pools(connection)  # What placement counts of the devices.
        self.enrolment_tokens = EnrolmentTokens(connection)  # Who may enrol a host, once.
        self.events = Events(connection)  # The audit trail.
        self.flavors = Flavors(connection)  # Server sizes.
        self.hosts = Hosts(connection)  # Hosts and their generations.
        self.domains = Domains(connection)  # What users and projects belong to.
        self.user_groups = UserGroups(connection)  # Groups of users, and who is in them.
        self.identity = Identity(connection)  # Users and projects.
        self.roles = Roles(connection)  # Roles, and who has them where.
        self.tokens = Tokens(connection)  # Tokens.
        self.application_credentials = ApplicationCredentials(connection)  # And their roles.
        self.access_rules = AccessRules(connection)  # What may be asked by them.
        self.image_members = ImageMembers(connection)  # With whom images are shared.
        self.images = Images(connection)  # Images, without their bytes.
        self.key_pairs = KeyPairs(connection)  # Users' public SSH keys.
        self.leases = Leases(connection)  # Who does which background task.
        self.networks = Networks(connection)  # Networks and their segments.
        self.pci_flavors = PciFlavors(connection)  # Which devices will do, by name.
        self.ports = Ports(connection)  # Ports and their IP addresses.
        self.quotas = Quotas(connection)  # How many devices projects may hold.
        self.qos = QosPolicies(connection)  # QoS policies, and who has them.
        self.server_groups = ServerGroups(connection)  # Which servers are to be together or apart.
        self.default_rules = DefaultRules(connection)  # Of new security groups.
        self.security_groups = SecurityGroups(connection)  # Groups, rules, and whose ports.
        self.servers = Servers(connection)  # Servers.
        self.settings = Settings(connection)  # Facts of the installation.
        self.shares = Shares(connection)  # What projects share with others.
        self.subnets = Subnets(connection)  # Subnets.

    def lock(self, wanted: Lock) -> Lock:
        """Return how to read rows that a writer would lock: a snapshot has nothing to lock."""
        return wanted if self.sees_newest else Lock.NONE

    def on_commit(self, effect: Callable[[], None]) -> None:
        """Run `effect` once what was written is durable, before the caller is answered."""
        self._on_commit.append(effect)

    def on_rollback(self, effect: Callable[[], None]) -> None:
        """Run `effect` if nothing of this transaction is kept; newest first."""
        self._on_rollback.append(effect)

    def flush(self) -> None:
        """For the store: nothing more is added."""
        self.events.flush()

    def committed(self) -> None:
        """For the store: what was written is durable."""
        _run_all(self._on_commit)

    def rolled_back(self) -> None:
        """For the store: nothing was kept."""
        _run_all(self._on_rollback[::-1])


def _run_all(effects: Sequence[Callable[[], None]]) -> None:
    """Run every effect, whatever becomes of another: the outcome they follow is a fact already.

    One that fails is a bug. It is logged, and neither its caller nor the one who writes, on whom
    others wait, pays for it.
    """
    for effect in effects:
        try:
            effect()
        except Exception:  # noqa: BLE001 - told, and the others run
            _log.exception("an effect of a transaction failed")
