"""Files that hold a secret: readable by few, and holding something."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.bootstrap.secret_file import UnusableSecret, read_secret


def a_file(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "enrolment.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_secret_is_its_one_line(tmp_path: Path, mode: int) -> None:
    assert read_secret(a_file(tmp_path, b"s3cret\n", mode)) == "s3cret"


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"s3cret", 0o644, "everybody can read it"),
        (b"", 0o600, "has 0 characters"),
        (b"\n\n", 0o600, "has 0 characters"),
        (b"one\ntwo", 0o600, "more than one line"),
        (b"\xff\xfe", 0o600, "not text"),
        (b"x" * 5000, 0o600, "more than one line"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(
    tmp_path: Path, content: bytes, mode: int, problem: str
) -> None:
    with pytest.raises(UnusableSecret, match=problem) as refused:
        read_secret(a_file(tmp_path, content, mode))
    assert "s3cret" not in str(refused.value)


def test_a_short_secret_is_refused_where_it_must_not_be_guessed(tmp_path: Path) -> None:
    with pytest.raises(UnusableSecret, match="needs 32 or more"):
        read_secret(a_file(tmp_path, b"short"), characters_min=32)


def test_a_missing_file_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UnusableSecret, match="head -c 32 /dev/urandom"):
        read_secret(tmp_path / "nothing")
