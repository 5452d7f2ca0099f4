"""What trunkline/v1 allows, and what OpenStack has no name for."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy.rule import (
    ADMIN,
    ADMIN_READER,
    OF_PROJECT,
    PROJECT_READER,
    Rule,
)

LIST_HOSTS = Rule("trunkline:hosts:list", ADMIN_READER, "listing hosts", reads=True)
SHOW_HOST = Rule("trunkline:hosts:show", ADMIN_READER, "seeing a host", reads=True)
CHANGE_HOST = Rule("trunkline:hosts:change", ADMIN, "changing a host")
REKEY_PF = Rule("trunkline:pfs:rekey", ADMIN, "saying where a PF is")
SET_VF_COUNT = Rule("trunkline:pfs:vf_count", ADMIN, "changing VF counts")
LIST_ENROLMENT_TOKENS = Rule(
    "trunkline:enrolment_tokens:list", ADMIN_READER, "listing enrolment tokens", reads=True
)
CREATE_ENROLMENT_TOKEN = Rule(
    "trunkline:enrolment_tokens:create", ADMIN, "creating an enrolment token"
)
REVOKE_ENROLMENT_TOKEN = Rule(
    "trunkline:enrolment_tokens:revoke", ADMIN, "revoking an enrolment token"
)
LIST_DEVICES = Rule("trunkline:devices:list", ADMIN_READER, "listing devices", reads=True)
FREE_DEVICE = Rule("trunkline:devices:free", ADMIN, "freeing devices")
LIST_NETWORK_POOLS = Rule(
    "trunkline:network_pools:list", ADMIN_READER, "listing network pools", reads=True
)
LIST_PHYSICAL_NETWORKS = Rule(
    "trunkline:physical_networks:list", ADMIN_READER, "listing physical networks", reads=True
)
COUNT_CAPACITY = Rule("trunkline:capacity", ADMIN_READER, "counting what fits on hosts", reads=True)
ASK_WHAT_IF = Rule("trunkline:what_if", ADMIN_READER, "asking what would be", reads=True)
PLAN_MOVES = Rule("trunkline:defrag", ADMIN_READER, "planning moves of servers", reads=True)
VERIFY = Rule("trunkline:verify", ADMIN_READER, "verifying the records", reads=True)
MEND = Rule("trunkline:verify:mend", ADMIN, "mending the records")
LIST_QUOTAS = Rule(
    "trunkline:quotas:list",
    PROJECT_READER,
    "seeing the quotas of a project",
    OF_PROJECT,
    reads=True,
)
SET_QUOTA = Rule("trunkline:quotas:set", ADMIN, "setting a quota")
SET_DEFAULT_QUOTA = Rule("trunkline:quotas:set_default", ADMIN, "setting a quota of every project")
UNSET_QUOTA = Rule("trunkline:quotas:unset", ADMIN, "removing a quota")
LIST_EVENTS = Rule(
    "trunkline:events:list",
    PROJECT_READER,
    "seeing the audit trail of a project",
    OF_PROJECT,
    reads=True,
)
SEE_EVENTS_WHOLE = Rule(
    "trunkline:events:hosts",
    ADMIN_READER,
    "seeing hosts and devices in the audit trail, and filtering by them",
    reads=True,
)
EXPLAIN_BY_HOST = Rule(
    "trunkline:explain:hosts", ADMIN_READER, "being told of hosts by an explanation", reads=True
)
SEE_PCI_FLAVOR_MATCH = Rule(
    "trunkline:pci_flavors:match",
    ADMIN_READER,
    "seeing which devices a PCI flavor means",
    reads=True,
)
CREATE_PCI_FLAVOR = Rule("trunkline:pci_flavors:create", ADMIN, "creating a PCI flavor")
UPDATE_PCI_FLAVOR = Rule("trunkline:pci_flavors:update", ADMIN, "changing a PCI flavor")
DELETE_PCI_FLAVOR = Rule("trunkline:pci_flavors:delete", ADMIN, "deleting a PCI flavor")

RULES: Final = tuple(value for value in globals().values() if isinstance(value, Rule))
