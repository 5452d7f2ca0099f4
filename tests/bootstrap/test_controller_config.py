"""controller.toml: what ships is accepted, and each mistake is told with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.bootstrap.controller_config import load_controller_config
from trunkline.bootstrap.tls import CertificateFiles
from trunkline.bootstrap.toml_reading import InvalidConfig
from trunkline.control.networking import IdRange
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.network import NetworkType
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import match_text
from trunkline.domain.policy.policy import DEFAULT_POLICY
from trunkline.domain.port import VnicType
from trunkline.placement.index.criteria import DEFAULT_RANKING, Criterion, Ranking

EXAMPLES = Path(__file__).parents[2] / "examples" / "two-networks"

LEAST = """
data_dir = "state"
[agents]
enrolment_key_file = "key"
[[physical_network]]
name = "phy1"
vlans = ["100-199"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "controller.toml"
    path.write_text(text)
    return path


def faults_of(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidConfig) as refused:
        load_controller_config(written(tmp_path, text))
    assert str(tmp_path / "controller.toml") in str(refused.value)
    return refused.value.faults


def test_the_example_is_the_two_networks_of_the_scenario() -> None:
    config = load_controller_config(EXAMPLES / "controller.toml")
    assert dict(config.networking.default_vnic_types) == {
        "phy1": VnicType.DIRECT,
        "phy2": VnicType.DIRECT,
    }
    assert config.networking.vlan_ranges == {
        PhysicalNetwork("phy1"): (IdRange(100, 199),),
        PhysicalNetwork("phy2"): (IdRange(200, 299),),
    }
    assert config.pci.attributes == {
        "vendor_id", "product_id", "dev_type", "driver", "e.physical_network"
    }  # fmt: skip
    assert config.enrolment_key_file == EXAMPLES / "enrolment.key"
    assert config.database_url == f"sqlite:///{EXAMPLES}/state/controller/trunkline.db"
    assert {kind for d in config.networking.drivers for kind in d.network_types} == set(NetworkType)


def test_what_the_example_comments_out_is_the_default(tmp_path: Path) -> None:
    """Each commented line that is a setting, uncommented, changes nothing."""
    text = (EXAMPLES / "controller.toml").read_text()
    for default in ('address = "127.0.0.1"', "port = 8774", "mtu = 1500", "silent_seconds_max = 90",
                    "trusted_proxies = []", "drain_seconds = 0", "finish_seconds_max = 30",
                    'vif_types = { macvtap = "hw_veb" }'):  # fmt: skip
        assert f"# {default}" in text
        text = text.replace(f"# {default}", default)
    for line in ("[placement]", "ranking = ", "[limits]", "image_size_bytes_max = ",
                 "token_lifetime_seconds = ", "placement_attempts_max = "):  # fmt: skip
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    plain = load_controller_config(written(tmp_path, (EXAMPLES / "controller.toml").read_text()))
    explicit = load_controller_config(written(tmp_path, text))
    assert (explicit.limits, explicit.listen_port) == (plain.limits, plain.listen_port)
    assert explicit.listen_address == plain.listen_address
    assert (explicit.trusted_proxies, explicit.ending) == (plain.trusted_proxies, plain.ending)
    assert explicit.ranking == plain.ranking
    assert explicit.networking.mtu == plain.networking.mtu
    assert explicit.networking.preferred_vif_types == plain.networking.preferred_vif_types


def test_the_least_file_listens_on_loopback_with_sqlite(tmp_path: Path) -> None:
    config = load_controller_config(written(tmp_path, LEAST))
    assert (config.listen_address, config.listen_port) == ("127.0.0.1", 8774)
    assert config.database_url == f"sqlite:///{tmp_path}/state/trunkline.db"
    assert config.networking.tenant_network_types == (NetworkType.VLAN,)


def test_a_certificate_is_found_beside_the_file(tmp_path: Path) -> None:
    keys = '[listen]\ntls_cert = "tls.crt"\ntls_key = "/etc/tls.key"\n'
    config = load_controller_config(written(tmp_path, LEAST + keys))
    assert config.certificate_files == CertificateFiles(tmp_path / "tls.crt", Path("/etc/tls.key"))


def test_a_vendor_vif_type_can_be_preferred(tmp_path: Path) -> None:
    config = load_controller_config(
        written(tmp_path, LEAST + '[networking]\nvif_types = { macvtap = "mlnx_direct" }\n')
    )
    assert config.networking.preferred_vif_types[VnicType.MACVTAP] == "mlnx_direct"
    assert config.networking.preferred_vif_types[VnicType.DIRECT] == "hw_veb"


def test_a_database_password_is_in_no_message(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:hunter2@db/trunkline"
    config = load_controller_config(written(tmp_path, LEAST + f'[database]\nurl = "{url}"\n'))
    assert config.database_url == url
    assert "hunter2" not in repr(config)
    bad = LEAST + '[database]\nurl = "mysql://me:hunter2@db/x"\n'
    assert "hunter2" not in "".join(faults_of(tmp_path, bad))


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("colour = 1\n", "colour: unknown; known are data_dir"),
        ("data_dri = 'x'\n", "data_dri: unknown; did you mean data_dir?"),
        ("[listen]\nport = 70000\n", "listen.port: expected `int` <= 65535, found 70000"),
        ("[listen]\nport = '8774'\n", "listen.port: expected `int`, got `str`, found '8774'"),
        ("[listen]\nprot = 1\n", "listen.prot: unknown; did you mean port?"),
        ("[listen]\ntls_cert = 'a'\n", "listen.tls_key: missing; certificate and key are given"),
        ("[listen]\ntrusted_proxies = ['all']\n", "listen.trusted_proxies[0]: no address"),
        ("[listen]\ndrain_seconds = -1\n", "listen.drain_seconds: expected `int` >= 0"),
        ("listen = 5\n", "listen: expected a table ([listen]), found 5"),
        ("public_url = 'controller'\n", "public_url: not a URL"),
        ("[database]\nurl = 'mysql://x'\n", "database.url: neither sqlite:///PATH nor"),
        ("[networking]\ntenant_network_types = ['gre']\n", "networking.tenant_network_types[0]"),
        ("[networking]\nscheduling_attributes = ['address', 'e.physical_network']\n",
         "networking.scheduling_attributes[0]: 'address' is no attribute"),
        ("[networking]\nscheduling_attributes = ['vendor_id']\n", "'e.physical_network'"),
        ("[[pci_alias]]\nvendor_id = '10de'\n", "pci_alias[0].name: missing; add it"),
        ("[[pci_alias]]\nname = 'a:1'\nvendor_id = '10de'\n", "pci_alias[0].name: 'a:1' is no"),
        ("[[pci_alias]]\nname = 'a1'\n", "pci_alias[0]: matches nothing in particular; add vendor"),
        ("[[pci_alias]]\nname = 'a1'\nvendor_id = 'nv'\n", "pci_alias[0].vendor_id: 'nv': not"),
        ("[[pci_alias]]\nname = 'a1'\nvendor_id = '10de'\ndevice_type = 'gpu'\n",
         "pci_alias[0].device_type: 'gpu' is no kind of device; there are type-PCI"),
        ("[[pci_alias]]\nname = 'a1'\nvendor_id = '10de'\nnuma_policy = 'near'\n",
         "pci_alias[0].numa_policy: 'near' is no policy; there are required, preferred"),
        (2 * "[[pci_alias]]\nname = 'a1'\nvendor_id = '10de'\n" + "numa_policy = 'required'\n",
         "pci_alias[1].numa_policy: another than that of a1 above"),
        (2 * "[[pci_alias]]\nname = 'a1'\nvendor_id = '10de'\n" + "device_type = 'type-PF'\n",
         "pci_alias[1].device_type: another than that of a1 above"),
        ("[networking]\nvif_types = { direct = 'magic' }\n", "networking.vif_types.direct"),
        ("[[physical_network]]\nname = 'p'\ndefault_vnic_type = 'vf'\n",
         "physical_network[1].default_vnic_type"),
        ("[networking]\nmtu = 10\n", "networking.mtu"),
        ("[network_drivers.physical_network]\nprovder_attribute = 'x'\n", "provder_attribute"),
        ("[network_drivers.magic]\n", "network_drivers: no network driver 'magic' is installed"),
        ("[network_drivers.tunnel]\n",
         "networking.tenant_network_types[0]: no network driver serves vlan"),
        ("[network_drivers.physical_network]\ntenant_attribute = 'e.cage'\n", "'e.cage'"),
        ("[limits]\nplacement_attempts_max = 0\n", "limits.placement_attempts_max"),
        ("[placement]\nranking = ['spread_memroy']\n",
         "placement.ranking: 'spread_memroy' is no criterion: did you mean spread_memory?"),
        ("[placement]\nranking = ['pack_disk', 'pack_disk']\n", "pack_disk is given twice"),
        ("[placement]\nranking = ['pack_disk', 'spread_disk']\n",
         "spread_disk contradicts pack_disk"),
        ("[placement]\nranking = 'pack_disk'\n", "placement.ranking: "),
        ("[placement]\nranking = []\nweights = { pack_disk = 1 }\n",
         "placement.weights: ranking and weights exclude each other"),
        ("[placement]\nweights = { memory = 1 }\n", "placement.weights: 'memory' is no criterion"),
        ("[placement]\nweights = { pack_disk = -1 }\n",
         "placement.weights: pack_disk: -1.0 is not from 0.001 to 1000000"),
        ("[placement]\nweights = { pack_disk = nan }\n", "pack_disk: nan is not from"),
        ("[placement]\nweights = { pack_disk = 'x' }\n", "placement.weights"),
        ("[placement]\nweights = {}\n", "placement.weights: there is no weight"),
        ("[[physical_network]]\nname = 'phy1'\n", "network[1].name: 'phy1' is given twice"),
        ("[[physical_network]]\nname = 'PHY1'\n", "'PHY1' differs from 'phy1' in case only"),
        ("[[physical_network]]\nvlans = []\n", "physical_network[1].name: missing; add it"),
        ("[[physical_network]]\nname = ''\n", "physical_network[1].name"),
        ("[[physical_network]]\nname = 'p'\nvlans = ['5-']\n", "physical_network[1].vlans[0]"),
        ("[[physical_network]]\nname = 'p'\nvlans = ['9-5']\n", "ends before it begins; write 5-9"),
        ("[[physical_network]]\nname = 'p'\nvlans = ['0-5']\n", "beyond the VLAN IDs"),
        ("[[physical_network]]\nname = 'p'\nvlans = ['4000-4095']\n", "beyond the VLAN IDs"),
        ("[[physical_network]]\nname = 'p'\nvlans = [5]\n", "physical_network[1].vlans[0]: "),
        ("[[physical_network]]\nname = 'p'\nvlans = ['10-20', '5', '20-30']\n",
         "physical_network[1].vlans[2]: 20-30 overlaps 10-20 of physical_network[1].vlans[0]"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, more: str, fault: str) -> None:
    text = more + LEAST if "=" in more.split("\n", 1)[0] else LEAST + more
    found = faults_of(tmp_path, text)
    assert any(fault in line for line in found), found


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    found = faults_of(
        tmp_path, "data_dri = 'x'\n[agents]\n[listen]\nport = -1\n[[physical_network]]\nname = 1\n"
    )
    assert [line.split(":")[0] for line in found] == [
        "data_dri", "data_dir", "listen.port", "physical_network[0].name",
    ]  # fmt: skip


def test_tenant_vlans_without_any_range_are_a_fault(tmp_path: Path) -> None:
    text = LEAST.replace('vlans = ["100-199"]', "")
    assert any("no physical network has VLANs" in line for line in faults_of(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"data_dir = ", "not TOML"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"#" * 2_000_000, "it is larger than"),
        (b"x = " + b"[" * 100_000, "not TOML"),
    ],
)
def test_what_is_no_toml_is_told(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "controller.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidConfig, match=fault):
        load_controller_config(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="can't be read: No such file"):
        load_controller_config(tmp_path / "nothing.toml")


def test_aliases_are_read_as_nova_has_them(tmp_path: Path) -> None:
    text = (
        LEAST
        + """
[[pci_alias]]
name = "a1"
vendor_id = "10DE"
product_id = "20b0"
[[pci_alias]]
name = "a1"
product_id = "20b2"
[[pci_alias]]
name = "nic"
vendor_id = "8086"
device_type = "type-PF"
numa_policy = "required"
live_migratable = true
"""
    )
    aliases = load_controller_config(written(tmp_path, text)).pci.aliases
    assert match_text(aliases["a1"].match) == "product_id=20b0, vendor_id=10de or product_id=20b2"
    assert (aliases["a1"].kind, aliases["a1"].or_kinds) == (DeviceKind.PLAIN, (DeviceKind.VF,))
    assert match_text(aliases["nic"].match) == (
        "vendor_id=8086, e.live_migratable=true, dev_type=pf"
    )
    assert (aliases["nic"].kind, aliases["nic"].or_kinds) == (DeviceKind.PF, ())
    assert (aliases["a1"].numa, aliases["nic"].numa) == (None, NumaPolicy.REQUIRED)


def test_every_tag_may_be_allowed_at_once(tmp_path: Path) -> None:
    text = LEAST + "[networking]\nscheduling_attributes = ['vendor_id', 'e.*']\n"
    assert load_controller_config(written(tmp_path, text)).pci.attributes == {"vendor_id", "e.*"}


def test_a_policy_file_is_read_from_beside_the_configuration(tmp_path: Path) -> None:
    assert load_controller_config(written(tmp_path, LEAST)).policy is DEFAULT_POLICY
    file = written(tmp_path, LEAST + '[policy]\nfile = "rules.yaml"\n')
    (tmp_path / "rules.yaml").write_text('"create_port": "role:x"\n')
    assert load_controller_config(file).policy.overrides == {"create_port": "role:x"}
    (tmp_path / "rules.yaml").write_text('"create_prot": "role:x"\n')
    with pytest.raises(InvalidConfig, match=r"rules.yaml: line 1: create_prot: nothing is decided"):
        load_controller_config(file)


def test_a_ranking_is_read_by_names_or_by_weights(tmp_path: Path) -> None:
    def ranking(more: str) -> Ranking:
        return load_controller_config(
            written(tmp_path, f"{more}\n{LEAST}" if more.startswith("placement.") else LEAST + more)
        ).ranking

    criteria = Criterion.PACK_DISK, Criterion.SPREAD_VCPUS
    assert ranking("") == DEFAULT_RANKING
    assert ranking("placement.ranking = ['pack_disk', 'spread_vcpus']") == Ranking(criteria)
    assert ranking("placement.ranking = []") == Ranking(())
    weights = ranking("[placement.weights]\npack_disk = 2\nspread_vcpus = 0.25")
    assert weights == Ranking(criteria, (2000, 250))
