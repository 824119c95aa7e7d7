"""What people get wrong in a limit formula: each message names file, line, column, what was expected, and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from credit_review import documents, policy
from credit_review.errors import BadInput

TEXT = (Path(__file__).parents[2] / "deployments/starter/policy.yaml").read_text()
AT = "  forbid_increase:  "
LINE = TEXT[: TEXT.index(AT)].count("\n") + 1


def refusal(block: str) -> str:
    """What the starter policy with these lines in `limits` is refused with; `block` begins on LINE."""
    with pytest.raises(BadInput) as caught:
        policy.load(documents.parse(TEXT.replace(AT, block + AT, 1), name="policy.yaml"))
    return caught.value.text()


@pytest.mark.parametrize(("formula", "column", "reason"), [
    ("need * need_facter", 8, "unknown name 'need_facter'; did you mean need_factor?"),
    ("mim(need, exposure)", 1, "unknown function 'mim'; did you mean min?"),
    ("need + terms", 8, "days beside money; expected money"),
    ("need + 5", 8, "a plain number such as a factor beside money; expected money"),
    ("need * exposure", 6, "money * money has no meaning"),
    ("1 / need", 3, "a plain number / money has no meaning"),
    ("need * 1 USD", 8, "an amount in USD; expected one in EUR"),
    ("1 XYZ", 3, "unknown unit 'XYZ'; expected days, months, % or a currency"),
    ("if need then need else need", 4, "the condition is money; expected true or false"),
    ('if grade = "F" then need else need', 12, "grade is never 'F'; expected one of A, B, C, D, E"),
    ('if status in ["legal", "lost"] then need else need', 24, "status is never 'lost'"),
    ('if altman_zone = "gray" then need else need', 18, "altman_zone is never 'gray'; did you mean grey?"),
    ('if need = "A" then need else need', 9, "need is money; expected a word"),
    ('if grade < "B" then need else need', 10, "words have no order"),
    ("if grade = grade then need else need", 4, "a word where a figure is needed"),
    ("need *", 7, "found the end of the formula; expected a number, a name or a bracket"),
    ("min(need", 9, "expected ')' after the arguments of min"),
    ("min(need)", 1, "min of one figure is that figure"),
    ("need need", 6, "expected an operator or the end of the formula"),
    ("need ; need", 6, "';' has no meaning here"),
    ("__import__", 1, "unknown name '__import__'"),
    ("need.real", 5, "'.' has no meaning here"),
    ("0.1234567 * need", 1, "more than 6 decimals"),
    ("0.001 EUR", 1, "more than 2 decimals"),
    ("99000000000 * need", 1, "too large"),
    ("points", 1, "the limit is a plain number; expected money"),
    ("need and need", 1, "money beside 'and'; expected true or false"),
    ("if known(need > need) then need else need", 4, "known takes a figure or a word"),
])  # fmt: skip
def test_a_formula_that_is_wrong_is_refused_with_line_column_and_what_was_expected(formula, column, reason):
    said = refusal(f"  formula:\n    limit: {formula}\n")
    assert said.startswith(f"policy.yaml line {LINE + 1} column {column + 11}, limits.formula.limit: ")
    assert reason in said


@pytest.mark.parametrize(("block", "line", "column"), [
    ("  formula:\n    limit: |\n      min(need,\n        foo)\n", 3, 9),
    ("  formula:\n    limit: >-\n      min(need,\n      foo)\n", 3, 7),
    ('  formula:\n    limit: "min(need, foo)"\n', 1, 23),
    ("  formula:\n    limit: min(need,\n      foo)\n", 2, 7),
    ("  formula: {a: need, limit: foo + need}\n", 0, 29),
])  # fmt: skip
def test_the_place_is_that_of_the_file_however_the_formula_is_written(block, line, column):
    assert refusal(block).startswith(f"policy.yaml line {LINE + line} column {column}, limits.formula.limit: unknown name 'foo'")


@pytest.mark.parametrize(("block", "reason"), [
    ("  formula:\n    by_need: need\n", "limits.formula.by_need: expected the last step to be called limit"),
    ("  formula:\n    Need: need\n    limit: need\n", "limits.formula.Need: not a name for a step"),
    ("  formula:\n    need: exposure\n    limit: need\n", "limits.formula.need: an input or word of the language has this name"),
    ("  formula:\n    limit: later\n    later: need\n", "unknown name 'later'"),
    ("  formula:\n    limit: need\n  inputs:\n    neeed: {}\n", "limits.inputs.neeed: unknown input 'neeed'; did you mean need?"),
    ("  formula:\n    limit: need\n  inputs:\n    sales_12m: {}\n", "no step of limits.formula uses sales_12m"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {max_age_days: 3}\n", "need is of the as-of date and has no age"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {otherwise: use}\n", "use: expected with otherwise: use, and only there"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {at_most: 5}\n", "at_most: expected with otherwise: lower_ceiling"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {otherwise: use, use: 3 days}\n", "expected one figure: money"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {otherwise: use, use: exposure}\n", "expected one figure: money"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {otherwise: guess}\n", "expected one of 'use', 'lower_ceiling'"),
    ("  formula:\n    limit: need\n  inputs:\n    need: {otherwise: lower_ceiling, at_most: 4000000}\n", "would cost nothing"),
    ('  formula:\n    limit: if grade = "A" then need else need\n  inputs:\n    grade: {otherwise: use, use: A}\n', "nothing can stand in"),
])  # fmt: skip
def test_steps_and_rules_for_inputs_that_are_wrong_are_refused(block, reason):
    said = refusal(block)
    assert said.startswith("policy.yaml line ") and reason in said
