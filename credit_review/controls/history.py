"""What the controls read: a stretch of the record as typed frames, each documented here once for readers, generators and tests.

Frame dtypes are those of `model.frames`, and `time` (datetime64[us, UTC], NaT when missing). Missing text is the empty string, a missing
figure NA, a missing entry number -1. Amounts are integer minor units, days are days where the company is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from types import MappingProxyType
from typing import Any

import pandas as pd

from credit_review.authority import Matrix
from credit_review.model.frames import PANDAS
from credit_review.policy import ControlRules

_DTYPES = MappingProxyType({**PANDAS, "time": "datetime64[us, UTC]"})


def _columns(text: str) -> Mapping[str, str]:
    return MappingProxyType(dict(line.split()[:2] for line in text.strip().splitlines()))


COLUMNS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # approvers' answers. authority, group_limit_minor, increases_12m_minor: as the entry states them (sums in control currency)
        "decisions": _columns("""
            proposal_id          str
            approver_id          str
            on_behalf_of         str
            verdict              str
            digest               str
            tier                 str
            at                   time
            shown_at             time   first shown to the approver: a card of his in Slack, or put before him
            seq                  int    its entry
            authority            str    digest of the matrix it was judged by
            group_limit_minor    int?
            increases_12m_minor  int?
        """),
        "proposals": _columns("""
            proposal_id            str
            review_id              str
            review_kind            str
            account_id             str
            customer_id            str
            layer                  str
            region                 str
            grade                  str
            proposer_id            str
            state                  str
            currency               str
            from_minor             int?
            to_minor               int
            from_terms_days        int?
            terms_days             int?
            exceptional            str
            digest                 str
            rule_seq               int   the entry that approved it by rule
        """),
        "makers": _columns("""
            proposal_id  str
            person_id    str
            how          str
        """),
        "conditions": _columns("""
            proposal_id  str
            state        str
            settled_at   time
        """),
        # applied changes; ended is the end of the change that a reversal names. due: until when approvals count: its application, or of an
        # override when it was approved afterwards or must be. taken_back: an override without approval that was reversed, and its reversal
        "changes": _columns("""
            change_id       str
            account_id      str
            customer_id     str
            layer           str
            version         int
            kind            str
            proposal_id     str
            applied_at      time
            effective_from  date
            effective_to    date
            ended           date
            due             time
            taken_back      bool
            seq             int
        """),
        "people": _columns("""
            person_id    str
            email        str
            active       bool
            valid_from   date
            valid_to     date
            recorded_at  time
        """),
        # what a person holds beside a tier. kind: account (key: kind and account), delegation (its id; other_id is the principal), access
        "held": _columns("""
            kind         str
            key          str
            person_id    str
            other_id     str
            valid_from   date
            valid_to     date
            recorded_at  time
        """),
        "documents": _columns("""
            kind        str
            name        str
            digest      str
            adopted_at  time
            seq         int   the entry that put it in force
        """),
        # certificate: whole, altered, missing; empty while the review is not that far
        "reviews": _columns("""
            review_id    str
            as_of        date
            state        str
            certificate  str
        """),
        "differences": _columns("""
            difference_id  str
            account_id     str
            owner_id       str
            found_at       time
            settled_at     time
            seq            int
        """),
        # customers of the newest review that reached all; active: owes something, has a limit above 0, or had an invoice within 12 months
        "coverage": _columns("""
            review_id    str
            as_of        date
            customer_id  str
            state        str
            last_review  date
            since        date  with us since, at the earliest since the record begins
            active       bool
        """),
        # customers around review days, from a later snapshot. Other days of the same ledger keep clear of all review days and their weeks
        "dips": _columns("""
            customer_id  str
            as_of        date
            dipped       bool
            around_minor int   the lower of what was usual in the weeks before and after
            day_minor    int   on the day
            other_days   int
            other_dips   int
            as_deep      int   of them, at least as deep as this day
            other_ends   int   ends of months among the other days
            end_dips     int
            deep_ends    int
        """),
    }
)
"""Columns of every frame of a `History`: name and dtype."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A stretch of the record from `since` to `now`; decisions before it are there where a later change needs them.

    `matrices` are all authority matrices ever adopted, by digest.
    """

    now: datetime
    since: datetime
    zone: tzinfo
    rules: ControlRules
    control_currency: str
    matrices: Mapping[str, Matrix]
    frames: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The frame of that name, as COLUMNS describes it."""
        return self.frames[name]

    @property
    def today(self) -> date:
        """The company's day."""
        return self.now.astimezone(self.zone).date()

    def days(self, times: pd.Series[Any]) -> pd.Series[Any]:
        """The company's day of each time."""
        days: pd.Series[Any] = times.dt.tz_convert(self.zone).dt.tz_localize(None).dt.normalize().astype("datetime64[s]")
        return days


def having(frame: pd.DataFrame, **values: str | Sequence[str]) -> pd.DataFrame:
    """The rows whose columns have the value named, or one of several."""
    kept = frame
    for column, value in values.items():
        kept = kept[kept[column].isin([str(one) for one in ([value] if isinstance(value, str) else value)])]
    return kept


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows as named tuples, `Index` first."""
    return iter(frame.itertuples())


def typed(name: str, columns: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
    """A frame of that name with exactly its columns and dtypes."""
    found = pd.DataFrame(columns) if not isinstance(columns, pd.DataFrame) else columns
    return pd.DataFrame({column: found[column].astype(_DTYPES[dtype]) for column, dtype in COLUMNS[name].items()}, index=found.index)


def empty(name: str) -> pd.DataFrame:
    """The frame of that name without a row."""
    return typed(name, {column: [] for column in COLUMNS[name]})
