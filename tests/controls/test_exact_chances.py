"""Chances that controls compare with, against the sums that define them."""

from __future__ import annotations

from math import comb

import pytest

from credit_review.controls.statistics import at_least


@pytest.mark.parametrize("chance", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("of", [0, 1, 7, 40])
def test_the_chance_of_so_many_or_more_is_the_sum_of_the_binomial_terms(of, chance):
    terms = [comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(of + 1)]
    found = range(of + 1)
    assert at_least(found, [of] * (of + 1), chance).tolist() == pytest.approx([sum(terms[k:]) for k in found], abs=1e-12)
