"""policy.yaml: read as oslo's are written, or refused with the line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline.bootstrap.policy_commands import policy
from trunkline.bootstrap.policy_file import read_policy
from trunkline.bootstrap.toml_reading import FILE_BYTES_MAX, InvalidConfig
from trunkline.domain.policy.all_rules import ALL_RULES


def a_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    return file


def test_a_file_as_oslos_generator_writes_it_is_read(tmp_path: Path) -> None:
    text = """\
# Intended scope(s): project
#"create_network": "rule:admin_or_project_member"

# Specify ``provider:physical_network`` attribute
# POST  /networks
"create_network:provider:physical_network": "rule:admin_only or role:network_admin"
'create_port': ''
create_port:binding:host_id: rule:admin_only  # Without quotes it is YAML as well.
"os_compute_api:servers:create": "!"
"""
    assert read_policy(a_file(tmp_path, text)).overrides == {
        "create_network:provider:physical_network": "rule:admin_only or role:network_admin",
        "create_port": "",
        "create_port:binding:host_id": "rule:admin_only",
        "os_compute_api:servers:create": "!",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"create_port": "@"\n"create_prot": "@"\n', "line 2: create_prot: nothing is decided"),
        ('\n\n"create_port": "role:a role:b"\n', "line 3: create_port: 'and' or 'or' is missing"),
        ('"create_port": "rule:x"\n"x": "rule:create_port"\n', "refers to itself"),
        ('"create_port": "rule:nowhere"\n', "line 1: create_port: refers to rule:nowhere"),
        ('"create_port":\n', "line 1: create_port: no rule follows"),
        ('"create_port":\n  deeper: "@"\n', "line 1: create_port: no rule follows"),
        ('"create_port": !\n', "line 1: a value that begins with '!'"),
        ('"create_port": [["role:admin"]]\n', "line 1: a value that begins with '\\['"),
        ('"create_port": "@"\n"create_port": "!"\n', "line 2: 'create_port' is given twice"),
        ("- create_port\n", "line 1: a list; write lines of"),
        ("x" * FILE_BYTES_MAX + "x", "is larger than"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(InvalidConfig, match=told):
        read_policy(a_file(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="can't be read"):
        read_policy(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfig, match="not UTF-8"):
        read_policy(tmp_path / "binary.yaml")


def test_what_list_prints_is_a_file_that_changes_nothing(tmp_path: Path) -> None:
    printed = CliRunner().invoke(policy, ["list"])
    assert printed.exit_code == 0
    assert read_policy(a_file(tmp_path, printed.output)).overrides == {}
    uncommented = printed.output.replace('\n#"', '\n"')
    known = read_policy(a_file(tmp_path, uncommented))
    assert known.overrides == {rule.name: rule.check for rule in ALL_RULES}


def test_list_with_a_file_prints_the_file(tmp_path: Path) -> None:
    file = a_file(tmp_path, '"ours": "role:x"\n"create_port": "rule:ours"\n')
    printed = CliRunner().invoke(policy, ["list", "--file", str(file)])
    assert '\n"create_port": "rule:ours"\n' in printed.output
    assert '\n"ours": "role:x"\n' in printed.output
    again = a_file(tmp_path, printed.output)
    assert read_policy(again).overrides == {"ours": "role:x", "create_port": "rule:ours"}


def test_check_says_what_can_go(tmp_path: Path) -> None:
    text = '"get_segment": "rule:admin_or_system_reader"\n"create_port": "@"\n'
    printed = CliRunner().invoke(policy, ["check", str(a_file(tmp_path, text))])
    assert "2 rules, can be used" in printed.output
    assert "get_segment says what it says by default" in printed.output
    assert "create_port" not in printed.output


def test_show_tells_of_one_rule() -> None:
    printed = CliRunner().invoke(policy, ["show", "create_port:binding:host_id"])
    assert "rule:admin_only" in printed.output
    assert "network:project_id" in printed.output
