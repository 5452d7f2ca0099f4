"""Whom to ask, and as whom: clouds.yaml and the OS_* variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trunkline.client.clouds import FIRST_DOMAIN, Cloud, DomainRef, find_cloud
from trunkline.client.errors import BadCredentials
from trunkline.client.plain_yaml import NotPlainYaml, parse

YAML = """\
---
# Two clouds.
clouds:
  lab:   # the first
    auth:
      auth_url: http://lab:8774/identity
      username: "admin"
      password: 'it''s # secret: yes'
      project_name: admin
      user_domain_name: Default
    region_name: RegionOne
    verify: false
  'other one':
    auth:
        auth_url: https://other/identity/v3
        username: me
        password: "tab\\tand \\"quotes\\""
        project_name: 0123
"""

ENVIRON = {
    "OS_AUTH_URL": "http://c:8774/identity",
    "OS_USERNAME": "u",
    "OS_PASSWORD": "p",
    "OS_PROJECT_NAME": "x",
}


def in_directory(tmp_path: Path, text: str = YAML, name: str = "clouds.yaml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path


def test_a_cloud_is_found_by_name_in_yaml(tmp_path: Path) -> None:
    cwd = in_directory(tmp_path)
    lab = find_cloud({}, name="lab", cwd=cwd)
    assert lab == Cloud(
        auth_url="http://lab:8774/identity", username="admin", password="it's # secret: yes",
        project_name="admin", user_domain=FIRST_DOMAIN, region="RegionOne", verify=False,
    )  # fmt: skip
    other = find_cloud({"OS_CLOUD": "other one"}, cwd=cwd)
    assert (other.project_name, other.password) == ("0123", 'tab\tand "quotes"')
    assert other.verify


def test_json_is_read_as_the_yaml_that_it_is(tmp_path: Path) -> None:
    auth = {"auth_url": "http://c", "username": "u", "password": "p", "project_name": "x"}
    cwd = in_directory(tmp_path, json.dumps({"clouds": {"only": {"auth": auth}}}, indent=2))
    assert find_cloud({}, cwd=cwd).username == "u"


def test_the_password_is_not_in_its_repr() -> None:
    cloud = Cloud(auth_url="a", username="u", password="hunter2", project_name="p")
    assert "hunter2" not in repr(cloud)


def test_variables_alone_will_do(tmp_path: Path) -> None:
    found = find_cloud({**ENVIRON, "OS_PROJECT_DOMAIN_NAME": "there"}, cwd=tmp_path)
    assert (found.username, found.project_domain) == ("u", DomainRef("name", "there"))
    assert found.user_domain == FIRST_DOMAIN


def test_a_domain_is_named_by_its_id_or_its_name_and_one_may_be_said_for_both(
    tmp_path: Path,
) -> None:
    given = {"OS_USER_DOMAIN_ID": "abc", "OS_DEFAULT_DOMAIN": "there"}
    found = find_cloud({**ENVIRON, **given}, cwd=tmp_path)
    assert found.user_domain == DomainRef("id", "abc")
    assert found.project_domain == DomainRef("name", "there")


def test_a_named_cloud_goes_before_variables(tmp_path: Path) -> None:
    assert (
        find_cloud({**ENVIRON, "OS_CLOUD": "lab"}, cwd=in_directory(tmp_path)).username == "admin"
    )


def test_the_only_cloud_need_not_be_named_and_of_several_one_must(tmp_path: Path) -> None:
    only = YAML[: YAML.index("  'other one'")]
    assert find_cloud({}, cwd=in_directory(tmp_path, only)).username == "admin"
    with pytest.raises(BadCredentials, match=r"has clouds lab, other one.*--os-cloud"):
        find_cloud({}, cwd=in_directory(tmp_path))


def test_places_are_looked_at_in_the_clients_order(tmp_path: Path) -> None:
    home, here, named = tmp_path / "home", tmp_path / "here", tmp_path / "named.yaml"
    (home / ".config" / "openstack").mkdir(parents=True)
    here.mkdir()

    def write(path: Path, user: str) -> None:
        path.write_text(YAML.replace('"admin"', user))

    environ = {"HOME": str(home), "OS_CLIENT_CONFIG_FILE": str(named)}
    write(home / ".config" / "openstack" / "clouds.yaml", "from-home")
    assert find_cloud(environ, name="lab", cwd=here).username == "from-home"
    write(here / "clouds.yaml", "from-here")
    assert find_cloud(environ, name="lab", cwd=here).username == "from-here"
    write(named, "from-named")
    assert find_cloud(environ, name="lab", cwd=here).username == "from-named"


def test_secure_yaml_adds_what_clouds_yaml_leaves_out(tmp_path: Path) -> None:
    cwd = in_directory(tmp_path, YAML.replace("      password: 'it''s # secret: yes'\n", ""))
    with pytest.raises(BadCredentials, match="lacks password"):
        find_cloud({}, name="lab", cwd=cwd)
    assert find_cloud({"OS_PASSWORD": "env"}, name="lab", cwd=cwd).password == "env"
    in_directory(tmp_path, "clouds:\n  lab:\n    auth:\n      password: hidden\n", "secure.yaml")
    assert find_cloud({}, name="lab", cwd=cwd).password == "hidden"


@pytest.mark.parametrize(
    ("environ", "name", "said"),
    [
        ({}, "nothing", "has no cloud 'nothing'; it has lab, other one"),
        ({"OS_AUTH_URL": "http://c"}, None, "the OS_. variables lacks username, password"),
    ],
)
def test_what_is_missing_is_told(
    tmp_path: Path, environ: dict[str, str], name: str | None, said: str
) -> None:
    with pytest.raises(BadCredentials, match=said.replace("*", ".")):
        find_cloud(environ, name=name, cwd=in_directory(tmp_path))


def test_without_any_settings_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadCredentials, match="give --os-cloud NAME or set OS_CLOUD"):
        find_cloud({}, cwd=tmp_path)
    with pytest.raises(BadCredentials, match=r"no clouds\.yaml with cloud 'lab' \(looked at "):
        find_cloud({}, name="lab", cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n  - 1\n", 2),
        ("a: [1, 2]\n", 1),
        ("a: {b: 1}\n", 1),
        ("a: &x 1\n", 1),
        ("a: *x\n", 1),
        ("a: !!str 1\n", 1),
        ("a: |\n  text\n", 1),
        ("a: >\n  text\n", 1),
        ("a:\n\tb: 1\n", 2),
        ("a: 1\na: 2\n", 2),
        ("a:\n    b: 1\n  c: 2\n", 3),
        ("a: 1\n  b: 2\n", 2),
        ("a: 'x' y\n", 1),
        ('a: "\\x41"\n', 1),
        ("a: b: c\n", 1),
        ("just text\n", 1),
        ("{\n'a': 1}", 2),
        ("{" * 100_000, 1),
        ('{"a": ' * 100_000, 1),
        ("".join("  " * depth + "a:\n" for depth in range(30)), 20),
    ],
)
def test_yaml_that_is_not_plain_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(NotPlainYaml) as refused:
        parse(text)
    assert refused.value.line == line


def test_a_file_that_is_not_plain_is_told_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(BadCredentials, match=r"clouds\.yaml, line 1: .*OS_AUTH_URL"):
        find_cloud({}, name="lab", cwd=in_directory(tmp_path, "clouds: [a]\n"))


@pytest.mark.parametrize("text", ["x: 1\n", "clouds: text\n", "clouds:\n  lab: text\n"])
def test_a_file_of_another_shape_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadCredentials, match=r"clouds\.yaml"):
        find_cloud({}, name="lab", cwd=in_directory(tmp_path, text))
