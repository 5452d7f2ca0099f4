"""The results of tempest that are kept, the rules that they follow, and the page of them."""

from __future__ import annotations

from collections import Counter

from tests.tempest import page
from tests.tempest.results import passed_of, read_results
from tests.tempest.rules import load_rules
from tests.tempest.test_smoke import CLASSES

RULES = load_rules()
RESULTS = read_results()

# Fixed before the first run. That something is hard is no reason.
CLOSED_LIST = {
    "routers", "volumes", "objects", "guest", "second-cloud", "moves", "disks", "graphics",
    "plugin", "address-planning", "withdrawn", "keystone", "image-stores", "metadefs",
}  # fmt: skip
PASSED_SHARE_MIN = 0.90


def test_the_reasons_are_those_of_the_closed_list() -> None:
    assert set(RULES.reasons) == CLOSED_LIST
    for reason, sentence in RULES.reasons.items():
        assert sentence.startswith(("Needs ", "Moves ", "Takes ", "Uses ", "Logs in ")), reason
        assert sentence.endswith("."), reason


def test_every_exclusion_has_a_reason_of_the_closed_list() -> None:
    assert set(RULES.excluded.values()) | set(RULES.skips.values()) <= CLOSED_LIST


def test_no_exclusion_repeats_a_wider_one() -> None:
    repeated = [
        name for name in RULES.excluded if RULES.rule_for(name.rpartition(".")[0]) is not None
    ]
    assert not repeated


def test_the_results_follow_the_rules() -> None:
    assert not RULES.stale(RESULTS), "these exclude no test that is listed"
    for test, result in RESULTS.items():
        rule = RULES.rule_for(test)
        if rule is not None:
            assert (result.kind, result.reason) == ("excluded", RULES.excluded[rule]), test
        elif result.kind == "excluded":
            assert result.reason in set(RULES.skips.values()), test
        else:
            assert result.kind in ("passed", "failed", "skipped"), test
            assert not result.reason, test


def test_enough_of_the_tests_that_are_run_pass() -> None:
    passed, run = passed_of(RESULTS)
    assert passed >= PASSED_SHARE_MIN * run, f"{passed} of {run}"


def test_every_tree_has_tests_that_pass() -> None:
    for tree in RULES.trees:
        kinds = Counter(r.kind for test, r in RESULTS.items() if test.startswith(f"{tree}."))
        assert kinds["passed"], tree


def test_what_is_run_with_all_tests_passes() -> None:
    for cls in CLASSES:
        passed, run = passed_of(
            {test: r for test, r in RESULTS.items() if test.startswith(f"{cls}.")}
        )
        assert passed == run > 0, cls


def test_what_does_not_pass_is_explained_and_nothing_else_is() -> None:
    failing = page.failing_of(RESULTS)
    beginnings = [each for _, tests in page.load_whys() for each in tests]
    assert not [test for test in failing if not test.startswith(tuple(beginnings))]
    assert not [each for each in beginnings if not any(t.startswith(each) for t in failing)]


def test_the_page_shows_the_results() -> None:
    shown = page.TARGET.read_text()
    assert page.render(shown, RESULTS, RULES) == shown, "run `make docs`"
