"""Packets of a past review as the engine writes them, for rehearsals."""

from __future__ import annotations

from credit_review.model.money import Money
from credit_review.words import packed, said


def packet(n=0, *, had=20_000_00, to=40_000_00, need=50_000_00, factor="1.20", caps=(45_000_00, 90_000_00), **changed):
    """An increase that rests on need x factor, of a quiet customer."""

    def money(minor):
        return said("{amount}", amount=Money(minor, "EUR"))

    need_times = "need {amount} (highest balance of 12 months) x {factor} (grade {grade})"
    needed = "{need}: {terms} by sales and terms, highest balance of 12 months {peak}"
    formula = said(need_times, amount="50,000.00 EUR", factor=factor, grade="B")
    result = need * int(factor.replace(".", "")) // 100
    steps = [
        (said("Limit in force"), money(had)),
        (said("Need"), said(needed, need=money(need), terms=money(1), peak=money(2))),
        (said("Formula"), said("{formula} = {amount}", formula=formula, amount=Money(result, "EUR"))),
        *((said("Cap: {cap}", cap=said("ceiling of the grade")), money(cap)) for cap in caps),
        (said("After caps"), money(min([result, *caps]))),
        (said("After the step limit"), money(to)),
        (said("Proposed limit"), said("increase to {amount}", amount=money(to))),
    ]  # fmt: skip
    known = {
        "v": 1,
        "proposal_id": f"p-{n}",
        "supersedes": None,
        "review": {"id": "r-1", "label": "2026Q3", "kind": "periodic", "as_of": "2026-09-30"},
        "customer_id": f"c-{n}",
        "customer_name": f"Kunde {n} GmbH",
        "group_id": f"g-{n}",
        "region": "",
        "portfolio": "P",
        "status": "active",
        "account_id": f"a-{n}",
        "legal_entity": "ALL",
        "layer": "base",
        "currency": "EUR",
        "from_minor": had,
        "from_terms_days": 30,
        "to_minor": to,
        "terms_days": 30,
        "effective_from": "2026-10-01",
        "effective_to": None,
        "notice_working_days": 5,
        "engine_minor": to,
        "exposure_minor": 15_000_00,
        "own_risk_minor": 15_000_00,
        "overdue_minor": 1_000_00,
        "blocked_orders_minor": 0,
        "over_limit_minor": 0,
        "grade": "B",
        "points": 600,
        "pd": "0.02",
        "reasons": [],
        "account_owner": "H. Brandt",
        "facts": {"oldest_dpd_days": n % 20},
        "derivation": [[packed(label), packed(figure)] for label, figure in steps],
        "exceptional": [],
        "substitutes": [],
        "request": None,
        "notes": [],
        "amendments": [],
        "manifest": "0" * 64,
        "policy": "1" * 64,
        "authority": "2" * 64,
        "scorecard": "3" * 64,
    }
    return known | changed


def packets(count=40):
    """By proposal, so many different ones."""
    return {f"p-{n}": packet(n, to=(30_000 + 500 * (n % 20)) * 100) for n in range(count)}
