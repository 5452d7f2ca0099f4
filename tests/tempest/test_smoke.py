"""Some classes of tempest, in every run of all tests; `make test-tempest` runs the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tempest.cloud import a_cloud
from tests.tempest.results import read_results
from tests.tempest.rules import load_rules
from tests.tempest.suite import Suite, class_of

CLASSES = (
    "neutron_tempest_plugin.api.test_extensions.ExtensionsTest",
    "neutron_tempest_plugin.api.test_qos.QosBandwidthLimitRuleWithDirectionTestJSON",
    "tempest.api.compute.admin.test_flavors.FlavorsAdminTestJSON",
    "tempest.api.compute.admin.test_flavors_access.FlavorsAccessTestJSON",
    "tempest.api.compute.admin.test_hypervisor.HypervisorAdminV253TestBase",
    "tempest.api.compute.keypairs.test_keypairs.KeyPairsV2TestJSON",
    "tempest.api.compute.servers.test_create_server_multi_nic.ServersTestMultiNic",
    "tempest.api.compute.servers.test_list_servers_negative.ListServersNegativeTestJSON",
    "tempest.api.image.v2.test_images_tags.ImagesTagsTest",
    "tempest.api.network.test_networks.BulkNetworkOpsTest",
    "tempest.api.network.test_networks.NetworksTest",
    "tempest.api.network.test_networks_negative.NetworksNegativeTestJSON",
    "tempest.api.network.test_versions.NetworksApiDiscovery",
)
WORKERS = 3


@pytest.mark.slow
def test_tempest_finds_nothing_in_what_it_tries_first(tmp_path: Path) -> None:
    rules = load_rules()
    chosen = [
        test
        for test in read_results()
        if class_of(test) in CLASSES and rules.rule_for(test) is None
    ]
    assert {class_of(test) for test in chosen} == set(CLASSES)
    with a_cloud(tmp_path) as config:
        outcomes = Suite(config, tmp_path).run(chosen, workers=WORKERS)
    open_ones = [
        f"{test}: {outcome.said}"
        for test, outcome in outcomes.items()
        if outcome.kind != "passed" and rules.reason_to_skip(outcome.said) is None
    ]
    assert not open_ones, "\n".join(open_ones)
