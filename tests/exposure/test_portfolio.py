from __future__ import annotations

from datetime import date, timedelta

import pytest
from exposure_rows import AS_OF, customer, item, run

from credit_review.errors import BadInput
from credit_review.exposure import CAPABILITIES, best_possible_dso, countback_dso, dso, portfolio


def book(result, capabilities=CAPABILITIES):
    return {f.currency: f for f in portfolio(result.frame, result.sales_by_month, as_of=AS_OF, capabilities=capabilities)}


def test_countback_takes_off_the_latest_months_first():
    """Source: countback test vector, AR 1.5m, sales 0.6/0.7/0.9m over 30/31/30 days, latest first."""
    months = [(600_000, 30), (700_000, 31), (900_000, 30)]
    assert countback_dso(1_500_000, months) == 67.67
    assert dso(1_500_000, 2_200_000, 91) == 62.05


def test_countback_says_none_when_the_months_do_not_reach_and_zero_when_nothing_is_owed():
    assert countback_dso(300, [(100, 30), (100, 31)]) is None
    assert countback_dso(0, []) == 0.0
    assert countback_dso(150, [(-50, 30), (150, 31)]) == 61.0


def test_best_possible_counts_only_what_is_not_due():
    assert best_possible_dso(600_000, 2_200_000, 91) == 24.82
    with pytest.raises(BadInput, match="sales of 0"):
        dso(1, 0, 30)


def sale(days_ago, amount, still_open=0, **given):
    day = AS_OF - timedelta(days=days_ago)
    cleared = None if still_open else AS_OF
    return item(
        amount=amount,
        open_minor=still_open,
        posting_date=day,
        document_date=day,
        due_date=day + timedelta(30),
        clearing_date=cleared,
        **given,
    )


def test_figures_stand_per_account_currency_and_nothing_is_added_across():
    rows = [sale(10, 36_500, 36_500), sale(100, 36_500), item("C2", amount=50_000, currency="JPY", due_date=AS_OF - timedelta(days=5))]
    found = book(run(rows, [customer("C1"), customer("C2", currency="JPY")]))
    euro, yen = found["EUR"], found["JPY"]
    assert (euro.open_items_minor, yen.open_items_minor) == (36_500, 50_000)
    assert (euro.dso_days, euro.best_possible_dso_days, euro.add_days) == (182.5, 182.5, 0.0)
    assert euro.countback_dso_days == 30.0
    assert euro.sales_12m_minor == 73_000
    assert (yen.dso_days, yen.best_possible_dso_days, yen.add_days) == (365.0, 0.0, 365.0)
    assert (euro.overdue_fraction, yen.overdue_fraction) == (0.0, 1.0)
    assert yen.ageing_minor == (0, 50_000, 0, 0, 0)


def test_without_sales_in_the_source_no_dso_is_computable():
    capabilities = CAPABILITIES - {"sales"}
    euro = book(run([item()], capabilities=capabilities), capabilities)["EUR"]
    for name in ("dso_days", "best_possible_dso_days", "add_days", "countback_dso_days", "sales_12m_minor"):
        assert getattr(euro, name) is None
        assert euro.text(name) == "not computable: no sales in source"
    assert euro.text("overdue_fraction") == "0.0"


def test_an_empty_book_says_why_each_figure_is_missing():
    euro = book(run([]))["EUR"]
    assert euro.text("dso_days") == "not computable: no sales in the 12 months to 2026-09-30"
    assert euro.text("overdue_fraction") == "not computable: no open items"
    assert euro.text("top10_share_fraction") == "not computable: no exposure"


def test_sales_older_than_the_open_items_leave_countback_open():
    old = item(amount=100, posting_date=date(2024, 1, 1), document_date=date(2024, 1, 1))
    euro = book(run([old, sale(10, 40)]))["EUR"]
    assert euro.text("countback_dso_days") == "not computable: open items exceed the sales of the last 12 months"


def test_concentration_is_the_share_of_the_ten_largest():
    customers = [customer(f"C{n:02}") for n in range(20)]
    euro = book(run([item(f"C{n:02}", amount=100) for n in range(20)], customers))["EUR"]
    assert (euro.customers, euro.top10_share_fraction) == (20, 0.5)


def test_sales_by_month_add_up_to_sales_of_twelve_months_and_months_are_calendar_months():
    result = run([sale(10, 36_500), sale(100, 500), sale(400, 7), item(kind="credit_note", amount=-70)])
    assert result.sales_by_month["sales_minor"].sum() == result.frame["sales_12m_minor"].sum() == 36_930
    assert result.sales_by_month["days"].sum() == 365
    assert result.sales_by_month["period_end"].dt.strftime("%Y-%m-%d").tolist()[-3:] == ["2026-07-31", "2026-08-31", "2026-09-30"]
