"""All evidence about one proposal at one moment, as a value: what `judge` looks at, and all that it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from credit_review.fx import RateTable
from credit_review.model.records import CreditLimit, Decision, Delegation, Person, Proposal
from credit_review.model.states import Assurance, Layer

SYSTEM = "system"
APPEAL = "appeal"
"""Exception of a proposal that appeals against a refusal; those who refused are among its makers."""
"""Proposer of a review's pure output, which no person touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A person asking to decide, for himself or on behalf of a principal, on the packet with `digest`. `person_id` empty: unknown.

    `assurance` is how sure we are that it is he; only what approves (`approves`) may ask for more than a click.
    """

    person_id: str
    digest: str
    on_behalf_of: str | None = None
    assurance: Assurance = Assurance.CLICK
    approves: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All evidence about one proposal at one moment. Sums are integer minor units of `control_currency`; `today` is the company's day.

    `other_limits_minor` are the group's limits without this account, temporary and approved ones included; `other_increases_minor`
    its increases of the last 12 months without this proposal, automatic and approved ones included. `conflicted` have declared a
    conflict of interest about the customer; `absent` are out of office today: they may decide, but others are asked first. `passed` have a
    current pass of a rehearsal today, `passed_then` are the approvers who, with their principals, had one when they decided; both are
    empty where the matrix asks for none.
    """

    at: datetime
    today: date
    control_currency: str
    proposal: Proposal
    layer: str
    in_force: CreditLimit | None
    makers: frozenset[str]
    decisions: tuple[Decision, ...]
    persons: Mapping[str, Person]
    delegations: tuple[Delegation, ...]
    other_limits_minor: int
    other_increases_minor: int
    rates: RateTable = field(repr=False)
    policy_in_force: str
    authority_in_force: str
    asking: Asking | None = None
    conflicted: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    passed_then: frozenset[str] = frozenset()

    @property
    def from_minor(self) -> int | None:
        """Amount in force, None when there is none."""
        return self.in_force.amount_minor if self.in_force else None

    @property
    def group_limit_minor(self) -> int:
        """The resulting limit plus all other limits of the group."""
        return self.other_limits_minor + self.converted(self.proposal.to_minor)

    @property
    def increases_12m_minor(self) -> int:
        """The group's increases over 12 months, this one included."""
        return self.other_increases_minor + self.converted(max(0, self.proposal.to_minor - (self.from_minor or 0)))

    @property
    def loosens(self) -> bool:
        """Whether amount, payment terms or end grow in any respect.

        Terms not on file count as none granted; a proposal that would drop terms on file leaves them to custom, which is looser.
        """
        new, now = self.proposal, self.in_force
        if now is None or now.amount_minor is None:
            return new.to_minor > 0 or (new.terms_days or 0) > 0
        dropped = new.terms_days is None and now.terms_days is not None
        longer_terms = dropped or (new.terms_days or 0) > (now.terms_days or 0)
        ends_later = now.effective_to is not None and (new.effective_to is None or new.effective_to > now.effective_to)
        return new.to_minor > now.amount_minor or longer_terms or (ends_later and new.to_minor > 0)

    @property
    def first_limit(self) -> bool:
        """Whether the customer has no limit on file (a limit of 0 is one)."""
        return self.from_minor is None and self.layer != Layer.TEMPORARY

    def converted(self, minor: int) -> int:
        """An amount of the account in control currency. Raises fx.MissingRate."""
        return self.rates.convert(minor, base=self.proposal.currency, quote=self.control_currency, on=self.today).minor
