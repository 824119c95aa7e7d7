"""Assigns each customer its one state, by scope, cadence, exclusions, deferrals and quarantine; says who must be looked at by name.

Order: excluded, then not due (outside the scope or not yet due), then deferred, then quarantined; the rest is reviewed. Nobody is skipped
in silence: a customer without any date is due, and one outside the scope says when it was due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from credit_review import fx
from credit_review.completeness.scope import ALL, CUSTOMERS, DUE, Scope, parse_scope
from credit_review.completeness.segments import policy_segments
from credit_review.errors import BadInput, ReviewStopped
from credit_review.model.frames import PANDAS, STATES
from credit_review.model.records import Deferral, Exclusion
from credit_review.model.states import CustomerState
from credit_review.policy import Exclude, Policy
from credit_review.words import marked

HISTORY = ("customer_id", "as_of", "state", "grade", "dso_days")
"""Columns of the history frame: one row a customer and earlier review (superseded ones left out), with the state and grade it ended in.

`dso_days` is NaN where it could not be computed.
"""

_MISSED = (CustomerState.QUARANTINED, CustomerState.DEFERRED)
_SHOWN = 3
_LARGE, _UNGRADED = marked("large exposure"), marked("not graded")
_IN_SEGMENT = marked("segment {segment}, {why}")
_ADDED = marked("reviewed with quarantined rows added to exposure: {rows}")
_HELD = marked("quarantined rows: {rows}")
_MORE = marked("{rows} and {count} more")
_AGAIN = marked("quarantined or deferred {count} reviews in a row")
_RESOLVES = marked("{person} to resolve")


def assign_states(
    customers: pd.DataFrame,
    features: pd.DataFrame | None,
    quarantine: pd.DataFrame,
    history: pd.DataFrame,
    deferrals: Sequence[Deferral],
    exclusions: Sequence[Exclusion],
    *,
    scope: str,
    policy: Policy,
    as_of: date,
    rates: fx.RateTable,
    ledger_customers: Iterable[str] = (),
    due_again: Mapping[str, date] | None = None,
) -> pd.DataFrame:
    """STATES of every customer of master, ledger or quarantine, sorted by id.

    `quarantine` is the QUARANTINE rows of all stages so far, `history` has the columns HISTORY, `ledger_customers` the ids met in the
    ledger (one that is not in the master is quarantined by name), `due_again` by customer the day on which an exception ended: it is due
    from that day on, whatever its cadence, until it is reviewed. `features` None means that none were computed: then exposure plays no
    part in cadence and every quarantined row that could raise exposure quarantines its customer.
    Raises BadInput for a scope nobody matches, ReviewStopped for a customer that stands twice or lost its features.
    """
    wanted = parse_scope(scope)
    frame = _universe(customers, quarantine, ledger_customers)
    _require_features(frame, features, quarantine)
    past = _past(history, as_of, frame["customer_id"])
    frame = frame.assign(**past)
    frame["large"] = _large(frame, features, policy, as_of, rates)
    frame["policy_segment"] = policy_segments(frame, features, policy=policy, as_of=as_of, rates=rates)
    frame["next_review"] = _next_review(frame, policy, due_again or {})
    held = _held(frame, features, quarantine, policy, as_of, rates)
    states = [
        *_excluded(frame, exclusions, policy, as_of),
        *_outside(frame, wanted, policy, as_of),
        _deferred(frame, deferrals, as_of),
        (CustomerState.QUARANTINED, held["reason"] != "", held["reason"]),
    ]
    frame["state"], frame["state_reason"] = _first(states, len(frame), otherwise=held["added"])
    frame["quarantined_minor"] = held["amount"]
    frame["escalate"] = _escalations(frame, policy, as_of)
    return frame[list(STATES.names)].astype({c.name: PANDAS[c.dtype] for c in STATES.columns})


def last_grades(history: pd.DataFrame, as_of: date) -> pd.Series[str]:
    """By customer id, the grade of the last review before `as_of` that reached the customer; `history` has the columns HISTORY."""
    earlier = history[(pd.to_datetime(history["as_of"]) < pd.Timestamp(as_of)) & (history["state"] == CustomerState.REVIEWED)]
    last = earlier.sort_values(["customer_id", "as_of"], ascending=[True, False]).drop_duplicates("customer_id")
    return last.set_index("customer_id")["grade"].astype("str")


def with_outcome(
    states: pd.DataFrame, proposals: pd.DataFrame, customers: pd.DataFrame, history: pd.DataFrame, *, policy: Policy, as_of: date
) -> pd.DataFrame:
    """STATES as the review ended: state and reason from PROPOSALS, since the last stage may still quarantine (a missing rate, neither
    need nor limit), and who must be looked at reckoned from them."""
    last = proposals.set_index("customer_id").reindex(states["customer_id"])
    since = customers.set_index("customer_id")["customer_since"].reindex(states["customer_id"])
    frame = states.assign(
        state=last["state"].to_numpy(),
        state_reason=last["state_reason"].to_numpy(),
        customer_since=since.to_numpy(),
        misses=_past(history, as_of, states["customer_id"])["misses"],
    )
    frame["escalate"] = _escalations(frame, policy, as_of)
    return frame[list(STATES.names)].astype({c.name: PANDAS[c.dtype] for c in STATES.columns})


def _universe(customers: pd.DataFrame, quarantine: pd.DataFrame, ledger: Iterable[str]) -> pd.DataFrame:
    twice = customers.loc[customers["customer_id"].duplicated(), "customer_id"]
    if len(twice):
        raise ReviewStopped(
            f"customers: {_some(twice)} stand more than once",
            expected="one row a customer",
            next_step="join or remove the duplicates in the customer master, then resume",
        )
    columns = ["customer_id", "group_id", "currency", "portfolio", "segment", "region", "legal_entity", "status", "customer_since"]
    known = customers[columns].assign(mastered=True)
    met = set(quarantine["customer_id"].drop_duplicates().tolist()).union(ledger)
    others = sorted(met - set(customers["customer_id"].tolist()) - {""})
    unknown = pd.DataFrame({"customer_id": pd.Series(others, dtype="str")})
    unknown = unknown.assign(**dict.fromkeys(columns[2:8], ""), group_id=unknown["customer_id"], mastered=False)
    unknown["customer_since"] = pd.Series(pd.NaT, index=unknown.index, dtype="datetime64[s]")
    unknown = unknown[[*columns, "mastered"]].astype(known.dtypes.to_dict())
    frame = pd.concat([known, unknown], ignore_index=True) if len(unknown) else known
    return frame.sort_values("customer_id", kind="stable", ignore_index=True)


def _require_features(frame: pd.DataFrame, features: pd.DataFrame | None, quarantine: pd.DataFrame) -> None:
    if features is None:
        return
    ids = frame["customer_id"]
    lost = frame["mastered"] & ~_among(ids, features["customer_id"]) & ~_among(ids, quarantine["customer_id"])
    if lost.any():
        raise ReviewStopped(
            f"features: no row for customers of the master: {_some(frame.loc[lost, 'customer_id'])}",
            expected="features, or a quarantined row that says why there are none",
            next_step="resume the review; when it stops here again, the feature stage lost these customers",
        )


def _past(history: pd.DataFrame, as_of: date, ids: pd.Series[Any]) -> dict[str, Any]:
    """By customer: as-of date and grade of the last review that reached it, whether there was any, and misses in a row up to now."""
    earlier = history[pd.to_datetime(history["as_of"]) < pd.Timestamp(as_of)].sort_values(["customer_id", "as_of"], ascending=[True, False])
    last = earlier[earlier["state"] == CustomerState.REVIEWED].drop_duplicates("customer_id").set_index("customer_id")
    reached = earlier[earlier["state"] != CustomerState.NOT_DUE]
    kept = (~reached["state"].isin(_MISSED)).groupby(reached["customer_id"]).cumsum()
    misses = (kept == 0).groupby(reached["customer_id"]).sum()
    return {
        "last_review": last["as_of"].reindex(ids).astype("datetime64[s]").to_numpy(),
        "last_grade": last["grade"].reindex(ids).fillna("").to_numpy(),
        "misses": misses.reindex(ids).fillna(0).to_numpy(dtype=np.int64),
    }


def _large(frame: pd.DataFrame, features: pd.DataFrame | None, policy: Policy, as_of: date, rates: fx.RateTable) -> pd.Series[Any]:
    """Customers with a large exposure; one that cannot be converted counts as large, which only brings its review forward."""
    if features is None:
        return pd.Series(False, index=frame.index)
    exposure = features.set_index("customer_id")["exposure_minor"].reindex(frame["customer_id"]).reset_index(drop=True)
    control, _ = fx.convert_column(exposure.fillna(0).astype("Int64"), frame["currency"], policy.control_currency, on=as_of, rates=rates)
    least = policy.minor(policy.review.large_exposure.amount)
    return exposure.notna() & (control.isna() | (control.fillna(0) >= least)) & (exposure.fillna(0) > 0)


def _next_review(frame: pd.DataFrame, policy: Policy, due_again: Mapping[str, date]) -> pd.Series[Any]:
    """Last review plus the months of the grade it gave; the last day of a month where the day does not exist. NaT without a review.

    Earlier where a day of `due_again` came after the last review.
    """
    by = frame[["last_grade", "large", "policy_segment"]]
    months = _text(by, lambda grade, large, segment: str(_months(policy.of_segment(segment), str(grade), bool(large)))).astype("int64")
    last = frame["last_review"].to_numpy().astype("datetime64[D]")
    month = last.astype("datetime64[M]")
    then = month + months.to_numpy().astype("timedelta64[M]")
    day = np.minimum((last - month).astype("timedelta64[D]"), (then + 1).astype("datetime64[D]") - then.astype("datetime64[D]") - 1)
    following = pd.Series((then.astype("datetime64[D]") + day).astype("datetime64[s]"), index=frame.index)
    if not due_again:
        return following
    again = pd.to_datetime(frame["customer_id"].map(due_again)).astype("datetime64[s]")
    return following.mask((again > frame["last_review"]) & (again < following), again)


def _months(policy: Policy, grade: str, large: bool) -> int:
    """A grade that an earlier policy gave and this one lacks counts as no grade."""
    return policy.months_for(grade if grade in policy.grade_names else "", large=large)


State = tuple[CustomerState, Any, Any]


def _excluded(frame: pd.DataFrame, exclusions: Sequence[Exclusion], policy: Policy, as_of: date) -> list[State]:
    rules = {name: f"{name}: {rule.rule}" for name, rule in policy.classes.items() if isinstance(rule, Exclude)}
    valid = [e for e in exclusions if e.valid_from <= as_of and (e.valid_to is None or as_of < e.valid_to)]
    named = {e.customer_id: f"{e.rule}, by {e.owner_id}" for e in sorted(valid, key=lambda e: (e.recorded_at, e.exclusion_id))}
    by_class, by_name = _looked_up(frame["status"], rules), _looked_up(frame["customer_id"], named)
    return [(CustomerState.EXCLUDED, reason != "", reason) for reason in (by_name, by_class)]


def _outside(frame: pd.DataFrame, scope: Scope, policy: Policy, as_of: date) -> list[State]:
    """Customers the scope does not reach, and those it reaches that are not yet due."""
    last, following = _days(frame["last_review"]), _days(frame["next_review"])
    when = pd.DataFrame(
        {"last": last, "next": following, "grade": frame["last_grade"], "large": frame["large"], "segment": frame["policy_segment"]}
    )
    if scope.kind == DUE:
        later = frame["next_review"] > pd.Timestamp(as_of)

        def rule(last: Any, following: Any, grade: Any, large: Any, segment: Any) -> str:
            why = _LARGE if large else marked("grade {grade}").format(grade=grade) if grade else _UNGRADED
            why = _IN_SEGMENT.format(segment=segment, why=why) if segment else why
            months = _months(policy.of_segment(str(segment)), str(grade), bool(large))
            due = marked("last review {last}, next {next} ({why}: every {months} months)")
            return due.format(last=last, next=following, why=why, months=months)

        return [(CustomerState.NOT_DUE, later, _text(when, rule))]

    def outside(last: Any, following: Any, *_of: Any) -> str:
        if not last:
            return marked("outside scope {scope}; never reviewed, due now").format(scope=scope.text)
        return marked("outside scope {scope}; last review {last}, next {next}").format(scope=scope.text, last=last, next=following)

    return [(CustomerState.NOT_DUE, ~_inside(frame, scope), _text(when, outside))]


def _inside(frame: pd.DataFrame, scope: Scope) -> pd.Series[Any]:
    if scope.kind == ALL:
        return pd.Series(True, index=frame.index)
    column = "customer_id" if scope.kind == CUSTOMERS else scope.kind
    unknown = sorted(set(scope.values) - set(frame[column].tolist()))
    if unknown:
        there = sorted(set(frame[column].tolist()) - {""}) if column != "customer_id" else []
        raise BadInput(
            f"scope {scope.text}: no customer has {column.replace('_', ' ')} {_some(unknown)}",
            expected=f"one of {_some(there)}" if there else "customer ids of the master or the ledger",
            next_step="name the scope again",
        )
    return frame[column].isin(scope.values)


def _deferred(frame: pd.DataFrame, deferrals: Sequence[Deferral], as_of: date) -> State:
    newest = {d.customer_id: d for d in sorted(deferrals, key=lambda d: (d.recorded_at, d.deferral_id))}
    text = marked("deferred by {person} until {day}")
    texts = {c: text.format(person=d.owner_id, day=d.until) for c, d in newest.items() if d.until > as_of}
    reason = _looked_up(frame["customer_id"], texts)
    return (CustomerState.DEFERRED, reason != "", reason)


def _held(
    frame: pd.DataFrame, features: pd.DataFrame | None, quarantine: pd.DataFrame, policy: Policy, as_of: date, rates: fx.RateTable
) -> pd.DataFrame:
    """By customer: why it is quarantined (empty: it is not), what was added to exposure instead, and the amount in account currency."""
    out = pd.DataFrame({"reason": "", "added": "", "amount": pd.array([0] * len(frame), dtype="Int64")}, index=frame.index)
    out.loc[~frame["mastered"], "reason"] = marked("in the ledger but not in the customer master")
    if features is not None:
        out.loc[frame["mastered"] & ~_among(frame["customer_id"], features["customer_id"]), "reason"] = marked("features in quarantine")
    rows = quarantine[quarantine["could_raise"] & (quarantine["customer_id"] != "")]
    if not len(rows):
        return out
    sizes = _sizes(rows, frame, policy, as_of, rates)
    at = pd.Index(frame["customer_id"]).get_indexer(pd.Index(sizes.index))
    small = _added(sizes, features, policy).to_numpy(dtype=bool)
    out.loc[at, "amount"] = sizes["own"].array
    out.loc[at[small], "added"] = sizes["names"][small].map(lambda rows: _ADDED.format(rows=rows)).to_numpy()
    out.loc[at[~small], "reason"] = sizes["names"][~small].map(lambda rows: _HELD.format(rows=rows)).to_numpy()
    return out


def _added(sizes: pd.DataFrame, features: pd.DataFrame | None, policy: Policy) -> pd.Series[Any]:
    """Customers that may be reviewed with their quarantined rows: all are ledger rows with an amount, together at most policy's
    `review_quarantined_below`, and the features did add exactly that amount to exposure."""
    if features is None:
        return pd.Series(False, index=sizes.index)
    done = features.set_index("customer_id")["quarantined_minor"].reindex(sizes.index)
    least = policy.minor(policy.intake.review_quarantined_below)
    told = sizes["control"].notna() & done.notna()
    return told & (sizes["control"].fillna(0) <= least) & (done.fillna(0) == sizes["own"].fillna(0))


def _sizes(rows: pd.DataFrame, frame: pd.DataFrame, policy: Policy, as_of: date, rates: fx.RateTable) -> pd.DataFrame:
    """By customer: absolute amounts of its quarantined rows in account and control currency (NA: cannot be told), and their names."""
    size = rows["amount_minor"].abs().where(rows["dataset"] == "items")
    each = rows.assign(size=size, unknown=size.isna())
    each = each.sort_values(["customer_id", "dataset", "row_key", "size"], kind="stable", na_position="last")
    one = each.groupby(["customer_id", "dataset", "row_key"], sort=True).agg(
        size=("size", "last"),
        unknown=("unknown", "any"),
        currency=("currency", "last"),
        expectation=("expectation", "first"),
    )
    one = one.reset_index()
    account = one["customer_id"].map(frame.set_index("customer_id")["currency"]).fillna("").astype("str")
    size = one["size"].astype("Int64").mask(one["unknown"].astype(bool))
    one["own"], _ = fx.convert_column(size, one["currency"], account, on=as_of, rates=rates)
    one["control"], _ = fx.convert_column(size, one["currency"], policy.control_currency, on=as_of, rates=rates)
    one["name"] = one["dataset"] + " " + one["row_key"] + " (" + one["expectation"] + ")"
    by = one.groupby("customer_id", sort=True)
    total = by[["own", "control"]].sum(min_count=1).astype("Int64")
    told = by[["own", "control"]].count().eq(by.size(), axis=0)
    total = total.where(told)
    shown = one[by.cumcount() < _SHOWN].groupby("customer_id", sort=True)["name"].agg(", ".join)
    more = (by.size() - _SHOWN).clip(lower=0)
    total["names"] = [_MORE.format(rows=rows, count=n) if n else rows for rows, n in zip(shown, more.reindex(shown.index), strict=True)]
    return total


def _first(states: Sequence[State], size: int, *, otherwise: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """The first state that holds for each customer, with its reason."""
    state, reason = pd.Series([CustomerState.REVIEWED.value] * size, dtype="str"), otherwise.astype("str")
    for name, holds, why in reversed(states):
        state, reason = state.mask(holds, name.value), reason.mask(holds, why)
    return state, reason


def _escalations(frame: pd.DataFrame, policy: Policy, as_of: date) -> pd.Series[Any]:
    """Why a named person must look: missed again, or unreviewed for longer than policy allows. Excluded customers are not reviewed."""
    longest, often = policy.review.longest_months, policy.review.escalate_after
    missed = frame["state"].isin(_MISSED)
    in_a_row = frame["misses"] + missed
    reached = frame["state"] == CustomerState.REVIEWED
    since = frame["last_review"].fillna(frame["customer_since"])
    limit = pd.Timestamp(as_of) - pd.DateOffset(months=longest)
    old = ~reached & (frame["state"] != CustomerState.EXCLUDED) & (since.isna() | (since < limit))
    person = _text(frame[["portfolio"]], lambda portfolio: policy.analyst_for(str(portfolio)))
    again = missed & (in_a_row >= often)
    texts = [
        in_a_row[again].map(lambda n: _AGAIN.format(count=n)).astype("str").reindex(frame.index, fill_value=""),
        _days(frame["last_review"]).map(_since(longest)).where(old, ""),
    ]
    joined = texts[0].str.cat(texts[1], sep="; ").str.strip("; ")
    resolves = person[joined != ""].map(lambda one: _RESOLVES.format(person=one)).reindex(frame.index, fill_value="")
    named: pd.Series[Any] = joined.where(joined == "", joined + "; " + resolves)
    return named


def _since(longest: int) -> Callable[[str], str]:
    def text(day: str) -> str:
        if not day:
            return marked("never reviewed, longest is {months} months").format(months=longest)
        return marked("not reviewed since {day}, longest is {months} months").format(day=day, months=longest)

    return text


def _among(keys: pd.Series[Any], of: pd.Series[Any]) -> Any:
    """Which keys occur in `of`; `Series.isin` walks long text columns one value at a time."""
    return pd.Index(of).unique().get_indexer(pd.Index(keys)) >= 0


def _looked_up(column: pd.Series[Any], texts: Mapping[str, str]) -> pd.Series[Any]:
    """The text of each key, empty where there is none."""
    return column.map(dict(texts)).astype("object").fillna("").astype("str")


def _days(column: pd.Series[Any]) -> pd.Series[Any]:
    """Dates as ISO text, empty where missing."""
    texts: pd.Series[Any] = column.dt.strftime("%Y-%m-%d").fillna("").astype("str")
    return texts


def _text(columns: pd.DataFrame, write: Callable[..., str]) -> pd.Series[Any]:
    """`write` of each row, called once a distinct row."""
    number = columns.groupby(list(columns.columns), sort=False, dropna=False).ngroup().to_numpy()
    first = columns[~columns.duplicated()]
    texts = np.array([write(*row) for row in first.itertuples(index=False)], dtype=object)
    return pd.Series(texts[number] if len(columns) else [], index=columns.index, dtype="str")


def _some(names: Collection[str]) -> str:
    shown = [str(n) for n in list(names)[:5]]
    return ", ".join(shown) + (f" ... ({len(names)} in all)" if len(names) > len(shown) else "")
