"""What a replay found: inputs that are not what the manifest says, figures that come out another, what people did, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from credit_review.replay.figures import Figure
from credit_review.words import listed, marked, said


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the manifest that is not what it was: its name, where it stands, and the digests."""

    name: str
    where: str
    expected: str
    found: str

    def text(self) -> str:
        """One sentence."""
        sentence = marked("{input} ({where}): expected digest {expected}, found {found}")
        return said(sentence, input=said(self.name), where=self.where, expected=self.expected, found=self.found)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something stored that does not come out again. `customer` is empty where it is about a file, a bucket or the review."""

    text: str
    customer: str = ""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer of a replay of a review, or of one of its proposals.

    `checked` counts inputs, `customers`, `proposals` and `routes` what was compared. `missing` names what it could not do without,
    `people` is what people did to the proposal, `notes` is what explains and is no difference.
    """

    review_id: str
    proposal_id: str = ""
    checked: int = 0
    customers: int = 0
    proposals: int = 0
    routes: int = 0
    inputs: tuple[Input, ...] = ()
    missing: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    people: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 equal, 1 different, 2 cannot tell."""
        if self.inputs or self.differences:
            return 1
        return 2 if self.missing else 0


def about_customer(customer: str, figures: Sequence[Figure]) -> Difference:
    """One customer's figures that differ, each named once, in the order given."""
    once = tuple(dict.fromkeys(figures))
    return Difference(said("customer {customer}: {figures}", customer=customer, figures=named(once)), customer, once)


def named(figures: Sequence[Figure]) -> str:
    """Figures that differ, as one list."""
    return listed([one.text() for one in figures], by=marked("{first}; {rest}"))
