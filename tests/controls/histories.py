"""Generated histories of a company's approvals, clean or with one planted case, as the frames that controls read.

Shares nothing with the controls but the names of columns: how often something happens by honest chance is decided here alone.
"""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from credit_review.authority import Matrix
from credit_review.controls import dips
from credit_review.controls.history import COLUMNS, History, typed
from credit_review.policy import ControlRules

ZONE = ZoneInfo("Europe/Berlin")
FIRST = pd.Period("2021Q1", "Q")
REVIEWS = 20
ANALYSTS = ("p-ana", "p-ben", "p-cem", "p-dia")
REGIONS = ("north", "south")
CONTROLLERS = {"north": ("p-n1", "p-n2", "p-n3"), "south": ("p-s1", "p-s2", "p-s3")}
MANAGERS, CHIEFS, BOARD = ("p-m1", "p-m2", "p-m3"), ("p-f1", "p-f2"), ("p-b1", "p-b2")
TIERS = (("T1", 100_000, 50_000, 1), ("T2", 500_000, 250_000, 1), ("T3", 3_000_000, 1_500_000, 2), ("T4", None, None, 2))
DEPUTY, GONE, ADMINISTRATOR = "p-deputy", "p-gone", "p-admin"
RULES = ControlRules()


def matrix(version, *, administrators=(ADMINISTRATOR,), more=()):
    held = [(p, "T1", [r]) for r in REGIONS for p in CONTROLLERS[r]]
    held += [(p, t, []) for t, people in (("T2", MANAGERS), ("T3", CHIEFS), ("T4", BOARD)) for p in people]
    holders = [{"person": p, "tier": t, "from": date(2020, 1, 1), "until": None, "regions": r} for p, t, r in [*held, *more]]
    return Matrix.model_validate(
        {
            "version": version,
            "control_currency": "EUR",
            "tiers": [{"tier": t, "name": t, "group_limit_up_to": g, "increases_12m_up_to": i, "approvers": n} for t, g, i, n in TIERS],
            "raise_tier": {"grades": {"E": "T2"}, "exceptions": "T2", "first_limit": "T1"},
            "reduction_tier": "T1",
            "offices": {"administrators": administrators},
            "holders": holders,
        }
    )


class Past:
    """Rows by frame, put together into a `History` when everything is planted."""

    def __init__(self, seed, reviews=REVIEWS):
        self.rng = np.random.default_rng(seed)
        self.reviews = reviews
        self.rows = {name: [] for name in COLUMNS}
        self.matrices = {}
        self.seq = 0
        self.decisions_of = {}
        self.last = FIRST + reviews - 1
        self.now = (self.last + 1).start_time.tz_localize(UTC).to_pydatetime()
        self._people()
        self._documents()
        for number in range(reviews):
            self._quarter(FIRST + number, number)
        self._rest()

    def next_seq(self):
        self.seq += 1
        return self.seq

    def add(self, frame, **row):
        self.rows[frame].append(row)
        return row

    def copy(self):
        """One to plant something in."""
        other = copy.copy(self)
        other.rows = {n: [dict(r) for r in rows] if isinstance(rows, list) else rows for n, rows in self.rows.items()}
        other.matrices = dict(self.matrices)
        return other

    def history(self, rules=RULES, only=tuple(COLUMNS), frames=None):
        """With these frames only: a control that reads another fails."""
        frames = dict(frames or {})
        for name in only if not frames else ():
            rows, columns = self.rows[name], COLUMNS[name]
            frames[name] = rows if isinstance(rows, pd.DataFrame) else typed(name, {c: [r[c] for r in rows] for c in columns})
        return History(
            now=self.now,
            since=datetime(2020, 1, 1, tzinfo=UTC),
            zone=ZONE,
            rules=rules,
            control_currency="EUR",
            matrices=self.matrices,
            frames=frames,
        )

    # --- people and rules ---------------------------------------------------------------------------------------------------------

    def person(self, person_id, *, email=None, active=True, at=datetime(2020, 1, 1, tzinfo=UTC), until=None):
        day = pd.Timestamp(at.date())
        self.add(
            "people", person_id=person_id, email=email or f"{person_id}@example.com", active=active, valid_from=day, valid_to=until,
            recorded_at=at,
        )  # fmt: skip

    def holds(self, kind, key, person_id, *, other="", since=date(2020, 1, 1), until=None, at=datetime(2020, 1, 1, tzinfo=UTC)):
        self.add(
            "held", kind=kind, key=key, person_id=person_id, other_id=other, valid_from=pd.Timestamp(since),
            valid_to=None if until is None else pd.Timestamp(until), recorded_at=at,
        )  # fmt: skip

    def _people(self):
        everybody = [*ANALYSTS, *(p for r in REGIONS for p in CONTROLLERS[r]), *MANAGERS, *CHIEFS, *BOARD, DEPUTY, GONE, ADMINISTRATOR]
        for one in everybody:
            self.person(one)
            self.holds("account", f"slack T|{one}", one)
        left = datetime(2022, 6, 1, 8, tzinfo=UTC)
        self.person(GONE, active=False, at=left)
        self.holds("account", f"slack T|{GONE}", GONE, until=left.date(), at=left)

    def _documents(self):
        for year in range(FIRST.year - 1, self.last.year + 1):
            for kind in ("policy", "authority", "scorecard", "mapping"):
                adopted = datetime(year, 1, int(self.rng.integers(2, 28)), 9, tzinfo=UTC)
                digest = f"{kind}-{year}"
                self.add("documents", kind=kind, name=f"{kind}.yaml", digest=digest, adopted_at=adopted, seq=self.next_seq())
                if kind == "authority":
                    self.matrices[digest] = matrix(str(year))

    def authority_at(self, at):
        adopted = [r for r in self.rows["documents"] if r["kind"] == "authority" and r["adopted_at"] <= at]
        return max(adopted, key=lambda r: r["adopted_at"])["digest"]

    # --- a quarter ----------------------------------------------------------------------------------------------------------------

    def _quarter(self, quarter, number):
        review = f"r-{quarter}"
        self.add("reviews", review_id=review, as_of=(quarter - 1).end_time.normalize(), state="settled", certificate="whole")
        start = quarter.start_time.tz_localize(UTC).to_pydatetime()
        lent = start + timedelta(days=30)
        boss = CONTROLLERS[REGIONS[number % 2]][number % 3]
        self.holds("delegation", f"d-{quarter}", DEPUTY, other=boss, since=lent.date(), until=(lent + timedelta(days=20)).date(), at=lent)
        lending = (boss, lent + timedelta(hours=1), lent + timedelta(days=19, hours=20))
        for maker in ANALYSTS:
            for _ in range(2):
                self._worklist(review, maker, start + timedelta(days=float(self.rng.uniform(8, 24))), 7, lending)
        for day in np.sort(self.rng.uniform(0.3, 85, 25)):
            at = start + timedelta(days=float(day))
            self._worklist(f"q-{quarter}-{day:.4f}", str(self.rng.choice(ANALYSTS)), at, 1, lending, kind="ad_hoc")
        above, more = ((BOARD, 4_000_000), (CHIEFS, 1_000_000))[number % 2]  # they are asked now and then
        one = self.propose(review, ANALYSTS[0], "north", start + timedelta(days=10), more=more)
        for hours, person in enumerate(above):
            at = start + timedelta(days=12, hours=hours)
            self.decide(one, person, at, start + timedelta(days=10))
        self.apply(one, at + timedelta(minutes=5))
        for _ in range(10):
            self.propose(review, "", REGIONS[number % 2], start + timedelta(days=9), rule=True)

    def _worklist(self, review, maker, at, count, lending, kind="periodic"):
        """One maker releases some proposals of a region; of each tier one person sits down to them, some hours later, one by one."""
        region = REGIONS[ANALYSTS.index(maker) % 2] if self.rng.random() < 0.7 else str(self.rng.choice(REGIONS))
        sitting = {}
        for _ in range(count):
            one = self.propose(review, maker, region, at, kind=kind)
            tier = one["tier"]
            if tier not in sitting:
                people = self.rng.permutation(self.able(tier, region))[: one["people"]]
                begins = [at + timedelta(hours=float(self.rng.lognormal(1.4, 1.0))) for _ in people]
                sitting[tier] = [list(pair) for pair in zip(people, begins, strict=True)]
            for place in sitting[tier]:
                place[1] += timedelta(seconds=float(self.rng.lognormal(4.5, 0.9)))
                shown = place[1] - timedelta(seconds=float(self.rng.uniform(2, 9))) if self.rng.random() < 0.01 else at
                self.decide(one, str(place[0]), place[1], shown, lending)
            self.apply(one, max(place[1] for place in sitting[tier]) + timedelta(minutes=5))

    def able(self, tier, region):
        return {"T1": CONTROLLERS[region], "T2": MANAGERS, "T3": CHIEFS, "T4": BOARD}[tier]

    def propose(self, review, maker, region, at, *, kind="periodic", rule=False, more=0):
        key = f"pr-{self.next_seq()}"
        before = int(self.rng.lognormal(10.6, 1.1)) // 1000 * 1000 + 1000
        after = max(1000, int(before * self.rng.uniform(0.6, 1.7)) // 1000 * 1000)
        if rule or more:
            before, after = min(before, 200_000), min(before, 200_000) + (1000 if rule else more)
        group = after + int(self.rng.lognormal(9, 1.5)) * int(self.rng.random() < 0.5)
        increases = max(0, after - before) + int(self.rng.lognormal(8, 1.2)) * int(self.rng.random() < 0.4)
        grade = str(self.rng.choice(["A", "B", "C", "D", "E"], p=[0.25, 0.3, 0.25, 0.15, 0.05]))
        place = 0
        if after > before:
            by_sum = [n for n, (_, g, i, _) in enumerate(TIERS) if (g is None or group <= g) and (i is None or increases <= i)]
            place = max(by_sum[0], 1 if grade == "E" else 0)
        tier, people = TIERS[place][0], TIERS[place][3]
        customer = f"c-{int(self.rng.integers(300))}"
        temporary = kind == "ad_hoc" and self.rng.random() < 0.12
        self.add(
            "proposals", proposal_id=key, review_id=review, review_kind=kind, account_id=f"a-{customer}-{'t' if temporary else 'b'}",
            customer_id=customer, layer="temporary" if temporary else "base", region=region, grade=grade,
            proposer_id="system" if kind == "periodic" else maker, state="applied", currency="EUR", from_minor=before * 100,
            to_minor=after * 100, from_terms_days=30, terms_days=30, exceptional="", digest=f"digest-{key}",
            rule_seq=self.next_seq() if rule else -1,
        )  # fmt: skip
        if maker:
            self.add("makers", proposal_id=key, person_id=maker, how="released" if kind == "periodic" else "requested")
        one = {"key": key, "tier": tier, "people": people, "region": region, "group": group * 100, "increases": increases * 100}
        if rule:
            self.apply(one, at)
        return one

    def decide(self, one, person, at, shown, lending=None):
        behalf = ""
        if lending and lending[0] == person and lending[1] < at < lending[2] and self.rng.random() < 0.8:
            person, behalf = DEPUTY, person
        row = self.add(
            "decisions", proposal_id=one["key"], approver_id=person, on_behalf_of=behalf, verdict="approve", digest=f"digest-{one['key']}",
            tier=one["tier"], at=at, shown_at=shown, seq=self.next_seq(), authority=self.authority_at(at),
            group_limit_minor=one["group"], increases_12m_minor=one["increases"],
        )  # fmt: skip
        self.decisions_of.setdefault(one["key"], []).append(row)

    def apply(self, one, at):
        of = next(r for r in reversed(self.rows["proposals"]) if r["proposal_id"] == one["key"])
        self.change(of["account_id"], of["customer_id"], of["layer"], at, proposal=one["key"])

    def change(self, account, customer, layer, at, *, kind="decision", proposal="", version=2, ended=None):
        day = pd.Timestamp(at.date())
        return self.add(
            "changes", change_id=f"ch-{self.next_seq()}", account_id=account, customer_id=customer, layer=layer, version=version, kind=kind,
            proposal_id=proposal, applied_at=at, effective_from=day, effective_to=None, ended=ended, due=at, taken_back=False,
            seq=self.next_seq(),
        )  # fmt: skip

    # --- what surrounds approvals -------------------------------------------------------------------------------------------------

    def _rest(self):
        as_of = (self.last - 1).end_time.normalize()
        for number in range(300):
            months = int(self.rng.choice([3, 6, 9, 12]))
            state = str(self.rng.choice(["reviewed", "not_due", "quarantined"], p=[0.7, 0.27, 0.03]))
            self.add(
                "coverage", review_id=f"r-{self.last}", as_of=as_of, customer_id=f"c-{number}", state=state, since=pd.Timestamp(2019, 5, 1),
                last_review=as_of - pd.DateOffset(months=months), active=True,
            )  # fmt: skip
        for number in range(4):
            found = self.now - timedelta(days=float(self.rng.uniform(0, 10)))
            self.add(
                "differences",
                difference_id=f"e-{number}",
                account_id="a-c-1-b",
                owner_id="p-ana",
                found_at=found,
                settled_at=None,
                seq=self.next_seq(),
            )
        self.add(
            "differences", difference_id="e-settled", account_id="a-c-2-b", owner_id="p-ana", found_at=self.now - timedelta(days=90),
            settled_at=self.now - timedelta(days=80), seq=self.next_seq(),
        )  # fmt: skip
        self.add(
            "conditions", proposal_id=self.rows["proposals"][0]["proposal_id"], state="met", settled_at=datetime(2021, 1, 1, tzinfo=UTC)
        )

    # --- a ledger -------------------------------------------------------------------------------------------------------------------

    def ledger(self, year, customers=100):
        """Invoices of a year and a half: each customer buys every ten days or so and pays after its own time, some at the month's end."""
        rng, last = self.rng, np.datetime64(f"{year}-12-31")
        number = np.repeat(np.arange(customers), rng.poisson(np.where(np.arange(customers) % 10 == 1, 250, 50)))
        posted = last - rng.integers(0, 520, len(number))
        usual = rng.uniform(15, 60, customers)[number]
        cleared = posted + np.maximum(1, rng.normal(usual, 12)).astype(np.int64)
        ends = (cleared.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
        cleared = np.where(number % 10 == 0, ends, cleared)
        return pd.DataFrame(
            {
                "customer_id": np.array([f"c-{n}" for n in range(customers)])[number],
                "posting_date": posted.astype("datetime64[s]"),
                "clearing_date": np.where(cleared <= last, cleared, np.datetime64("NaT")).astype("datetime64[s]"),
                "amount_minor": (rng.lognormal(9, 1, len(number)) * 100).astype(np.int64),
            }
        )

    def review_days(self, year):
        return [date(year - 1, 12, 31), date(year, 3, 31), date(year, 6, 30), date(year, 9, 30), date(year, 12, 31)]

    def dips(self, year, items, *, floor=1_000_000):
        ids = pd.Index(sorted(set(items["customer_id"])))
        of = dips.balances(items, ids, date(year, 12, 31))
        floors = np.full(len(ids), floor, dtype=np.int64)
        days = self.review_days(year)
        self.rows["dips"] = dips.dips(of, list(ids), date(year, 12, 31), days, percent=RULES.dip_percent, floor=floors)


# --- planted cases ------------------------------------------------------------------------------------------------------------------------


def _busiest(past, rows, key):
    """Rows of the commonest value of `key`, as a list."""
    counted = {}
    for row in rows:
        counted.setdefault(key(row), []).append(row)
    return max(counted.values(), key=len)


def _quarter_of(row):
    return str(pd.Timestamp(row["at"]).tz_convert(ZONE).tz_localize(None).to_period("Q"))


def _pick(past, wanted=lambda row: True):
    rows = [row for row in past.rows["decisions"] if wanted(row)]
    return rows[int(past.rng.integers(len(rows)))]


def plant_own_proposal(past, seed):
    row = _pick(past)
    if seed % 3 == 0:  # his own hand
        past.add("makers", proposal_id=row["proposal_id"], person_id=row["approver_id"], how="amended")
    elif seed % 3 == 1:  # two people of the directory with one mailbox
        past.person("p-twin", email=f"{row['approver_id']}+work@EXAMPLE.com")
        past.add("makers", proposal_id=row["proposal_id"], person_id="p-twin", how="amended")
    else:  # one account that was two people's
        past.person("p-other")
        past.holds("account", f"slack T|{row['approver_id']}", "p-other", until=date(2020, 6, 1))
        next(p for p in past.rows["proposals"] if p["proposal_id"] == row["proposal_id"])["proposer_id"] = "p-other"
    return f"proposal:{row['proposal_id']}"


def plant_administrator_approves(past, seed):
    row = _pick(past)
    administrators = (ADMINISTRATOR, row["approver_id"])
    if seed % 2:  # named by an early matrix only
        first = sorted(past.matrices)[0]
        past.matrices[first] = matrix("first", administrators=administrators)
    else:
        past.matrices = {digest: matrix(digest, administrators=administrators) for digest in past.matrices}
    return f"person:{row['approver_id']}"


def plant_authority_in_force(past, seed):
    first = past.rows["decisions"][0]["at"] + timedelta(days=400)
    row = _pick(past, lambda r: r["tier"] == "T2" and r["at"] > first) if seed % 5 == 0 else _pick(past, lambda r: r["at"] > first)
    if seed % 5 == 0:  # a controller decides a manager's proposal
        row["approver_id"] = "p-n1"
    elif seed % 5 == 1:  # by last year's matrix
        row["authority"] = f"authority-{pd.Timestamp(row['at']).year - 2}"
        past.matrices.setdefault(row["authority"], matrix("old"))
    elif seed % 5 == 2:  # after he left
        past.person(row["approver_id"], active=False, at=row["at"] - timedelta(days=3))
    elif seed % 5 == 3:  # in somebody's name who never asked for it
        row["approver_id"], row["on_behalf_of"] = "p-helper", row["approver_id"]
        past.person("p-helper")
    else:  # sums and tier written small, the limit itself is large
        of = next(p for p in past.rows["proposals"] if p["proposal_id"] == row["proposal_id"])
        of["from_minor"], of["to_minor"] = 100_000_00, 6_000_000_00
    return f"proposal:{row['proposal_id']}"


def plant_applied_without_approvals(past, seed):
    if seed % 3 == 0:  # nobody decided
        row = _pick(past)
        past.rows["decisions"] = [r for r in past.rows["decisions"] if r["proposal_id"] != row["proposal_id"]]
    elif seed % 3 == 1:  # a condition was never met
        row = _pick(past)
        past.add("conditions", proposal_id=row["proposal_id"], state="open", settled_at=None)
    else:  # a reversal of nothing that had ended
        past.change("a-c-7-t", "c-7", "temporary", past.now - timedelta(days=40), kind="reversal", ended=pd.Timestamp(2030, 1, 1))
        return "account:a-c-7-t"
    return "account:" + next(p["account_id"] for p in past.rows["proposals"] if p["proposal_id"] == row["proposal_id"])


def plant_short_lived_change(past, seed):
    kind = ("policy", "authority", "mapping", "scorecard")[seed % 4]
    old = [r for r in past.rows["documents"] if r["kind"] == kind][-1]
    begun = old["adopted_at"] - timedelta(hours=float(past.rng.uniform(1, 24 * 6.9)))
    past.add("documents", kind=kind, name=f"{kind}.yaml", digest="soon-gone", adopted_at=begun, seq=past.next_seq())
    past.matrices["soon-gone"] = matrix("soon-gone")
    return "document:soon-gone"


def plant_leaver_enabled(past, seed):
    left = past.now - timedelta(days=float(past.rng.uniform(9, 200)))
    if seed % 3 == 0:  # holds a tier and an account
        past.person("p-s2", active=False, at=left)
        return "person:p-s2/tier"
    past.person("p-late")
    past.person("p-late", active=False, at=left)
    if seed % 3 == 1:
        past.holds("access", "p-late read_limits", "p-late")
        return "person:p-late/access"
    past.holds("delegation", "d-late", DEPUTY, other="p-late")
    return "person:p-late/delegation"


def plant_unused_right(past, seed):
    if seed % 2:
        past.holds("delegation", "d-idle", "p-idle", other="p-f1", at=past.now - timedelta(days=380))
        return "delegation:d-idle"
    past.matrices = {digest: matrix(digest, more=[("p-idle", "T1", [])]) for digest in past.matrices}
    return "person:p-idle/T1"


def plant_coverage(past, seed):
    if seed % 2:
        past.rows["reviews"][-1]["certificate"] = ("altered", "missing")[seed // 2 % 2]
        return f"review:{past.rows['reviews'][-1]['review_id']}"
    row = past.rows["coverage"][int(past.rng.integers(300))]
    row["state"], row["last_review"] = "quarantined", row["as_of"] - pd.DateOffset(months=12, days=int(past.rng.integers(1, 300)))
    if seed % 4 == 0:
        row["last_review"] = None
    return f"customer:{row['customer_id']}/"


def plant_erp_difference(past, seed):
    found = past.now - timedelta(days=float(past.rng.uniform(14, 90)))
    past.add(
        "differences", difference_id="e-old", account_id="a-c-9-b", owner_id="p-ana", found_at=found, settled_at=None, seq=past.next_seq()
    )
    return "difference:e-old"


def plant_fast_approvals(past, seed):
    rows = _busiest(past, past.rows["decisions"], lambda r: (r["approver_id"], _quarter_of(r)))
    for row in rows:
        if past.rng.random() < 0.7:
            row["shown_at"] = row["at"] - timedelta(seconds=float(past.rng.uniform(1, 8)))
    return f"person:{rows[0]['approver_id']}"


def plant_bulk_approvals(past, seed):
    rows = _busiest(past, past.rows["decisions"], lambda r: (r["approver_id"], _quarter_of(r)))
    for before, row in pairwise(rows[:14]):
        row["at"] = before["at"] + timedelta(seconds=float(past.rng.uniform(2, 15)))
    return f"person:{rows[0]['approver_id']}"


def plant_bunched_amounts(past, seed):
    makers = {r["proposal_id"]: r["person_id"] for r in past.rows["makers"]}
    rows = _busiest(past, past.rows["decisions"], lambda r: (makers[r["proposal_id"]], _quarter_of(r)))
    name, bound = (("group_limit_minor", 100_000_00), ("increases_12m_minor", 50_000_00))[seed % 2]
    chosen = {row["proposal_id"] for row in rows[:18]}
    for row in past.rows["decisions"]:
        if row["proposal_id"] in chosen:
            row[name] = int(bound * past.rng.uniform(0.92, 1.0))
    return f"person:{makers[rows[0]['proposal_id']]}"


def plant_repeated_temporary(past, seed):
    for number in range(3):
        at = past.now - timedelta(days=float(past.rng.uniform(100, 115)) * (number + 0.5))
        past.change("a-c-x-t", "c-x", "temporary", at)
    return "account:a-c-x-t"


def plant_fixed_pair(past, seed):
    maker, year = ANALYSTS[seed % 4], FIRST.year + seed % (past.reviews // 4)
    mine = {r["proposal_id"] for r in past.rows["makers"] if r["person_id"] == maker}
    chosen = {"north": "p-n2", "south": "p-s2"}[REGIONS[ANALYSTS.index(maker) % 2]]
    for row in past.rows["decisions"]:
        if row["proposal_id"] in mine and row["at"].year == year and past.rng.random() < 0.97:
            row["approver_id"], row["on_behalf_of"] = chosen, ""
    return f"person:{chosen}"


def plant_quarter_end_rush(past, seed):
    asked = {p["proposal_id"] for p in past.rows["proposals"] if p["review_kind"] == "ad_hoc" and p["to_minor"] > p["from_minor"]}
    rows = _busiest(past, [r for r in past.rows["decisions"] if r["proposal_id"] in asked], _quarter_of)
    end = pd.Period(_quarter_of(rows[0]), "Q").end_time.tz_localize(ZONE)
    for row in rows:
        if past.rng.random() < 0.9:
            row["at"] = (end - pd.Timedelta(hours=int(past.rng.integers(3, 120)))).floor("s").to_pydatetime()
    return "log"


def plant_exposure_dip(past, seed):
    year = past.last.year
    items = past.ledger(year)
    several = seed % 2 == 1
    chosen = [f"c-{n}" for n in range(1, 100, 2)] if several else [f"c-{10 * (seed % 10) + 1}"]
    days = [date(year, 6, 30)] if several else past.review_days(year)[:4]
    again = []
    for one in chosen:
        for day in map(pd.Timestamp, days):
            owed = (items["customer_id"] == one) & (items["posting_date"] <= day) & ~(items["clearing_date"] <= day)
            back = items[owed].assign(posting_date=day + pd.Timedelta(days=int(past.rng.integers(2, 4))))
            items.loc[owed, "clearing_date"] = day - pd.Timedelta(days=int(past.rng.integers(0, 3)))
            again.append(back.assign(clearing_date=back["clearing_date"].where(back["clearing_date"] > back["posting_date"])))
            again[-1]["clearing_date"] = again[-1]["clearing_date"].fillna((day + pd.Timedelta(days=40)).as_unit("s"))
    past.dips(year, pd.concat([items, *again], ignore_index=True), floor=100_000)
    return f"day:{days[0].isoformat()}" if several else f"customer:{chosen[0]}/"


PLANTED = {name.removeprefix("plant_"): one for name, one in list(globals().items()) if name.startswith("plant_")}
