"""Many proposals in one message: a page of them with filters, each to be opened, and where policy allows it approved together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from credit_review.errors import BadInput
from credit_review.messages.card import asked_briefly
from credit_review.messages.text import Block, Message, button, buttons, escaped, header, notes, plain, section, select, value_of
from credit_review.model.money import MAX_MINOR, Money, exponent, to_minor
from credit_review.model.records import Proposal
from credit_review.words import Words, marked, said, said_many

OPEN, PAGE, FILTER_GRADE, FILTER_AMOUNT = "credit_review_open", "credit_review_page", "credit_review_grade", "credit_review_amount"
APPROVE_LISTED = "credit_review_approve_listed"
A_PAGE = 10
BANDS = {"all": (0, None), "small": (0, 50_000), "middle": (50_000, 250_000), "large": (250_000, None)}
"""Filters by a proposal's size in whole units of control currency: from the first, below the second."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each proposal is about, by id: the larger of its limits before and after, minor units of one currency.

    One whose rate nobody recorded has no size: it comes first, and passes every filter by amount.
    """

    currency: str
    minor: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which part of the list is shown: the page (0 the first), a grade (empty: all) and a band of amounts."""

    review: str
    page: int = 0
    grade: str = ""
    band: str = "all"

    def value(self, **more: Any) -> str:
        """What its buttons carry."""
        return value_of(review=self.review, page=self.page, grade=self.grade, band=self.band, **more)


def listing_of(value: str) -> Listing:
    """The part of the list a button speaks of. Raises BadInput when the value is none of ours."""
    try:
        found = json.loads(value)
        page, band = int(found["page"]), str(found["band"])
        if page < 0 or band not in BANDS:
            raise ValueError
        return Listing(review=str(found["review"]), page=page, grade=str(found["grade"]), band=band)
    except (ValueError, KeyError, TypeError):
        raise BadInput(said("this list is not one of ours"), next_step=said("open the App Home")) from None


def chosen(proposals: Sequence[Proposal], listing: Listing, sizes: Sizes) -> list[Proposal]:
    """The proposals that pass the filters, largest first."""
    above, up_to = BANDS[listing.band]
    unit = 10 ** exponent(sizes.currency)

    def fits(p: Proposal) -> bool:
        size = sizes.minor.get(p.proposal_id)
        within = size is None or (size >= above * unit and (up_to is None or size < up_to * unit))
        return within and (not listing.grade or p.grade == listing.grade)

    return sorted((p for p in proposals if fits(p)), key=lambda p: (-sizes.minor.get(p.proposal_id, MAX_MINOR), p.proposal_id))


def page_of(proposals: Sequence[Proposal], listing: Listing, sizes: Sizes) -> list[Proposal]:
    """The proposals listed on the page."""
    return list(chosen(proposals, listing, sizes)[listing.page * A_PAGE : (listing.page + 1) * A_PAGE])


def listed_digest(proposals: Sequence[Proposal]) -> str:
    """SHA-256 over exactly these packets, in the order shown: what `approve the N listed` is bound to."""
    return sha256("\n".join(f"{p.proposal_id} {p.digest}" for p in proposals).encode()).hexdigest()


def digest(proposals: Sequence[Proposal], listing: Listing, words: Words, *, label: str, together: Sequence[str], sizes: Sizes) -> Message:
    """A page of a person's pending proposals of a review; `together` are the ids that policy lets him approve at once."""
    w = words
    title = w.say(
        said_many("{n} proposal of {label} waits for you", "{n} proposals of {label} wait for you", n=len(proposals), label=label)
    )
    if not proposals:
        title = w.say(said("Nothing of {label} waits for you", label=label))
        return Message(escaped(title), (header(title),))
    found = chosen(proposals, listing, sizes)
    shown = page_of(proposals, listing, sizes)
    blocks: list[Block] = [header(title), _filters(proposals, listing, w, sizes.currency)]
    blocks += [_row(p, w) for p in shown] or [section(w.say(said("No proposal passes these filters.")))]
    pages = max(1, -(-len(found) // A_PAGE))
    text = marked("Page {page} of {pages}, {n} listed; the largest first, by the larger of limit before and after in {currency}")
    blocks.append(notes(w.say(said(text, page=listing.page + 1, pages=pages, n=len(found), currency=sizes.currency))))
    row = _row_of_buttons(shown, listing, pages, w, together)
    if row:
        blocks.append(buttons(f"pages:{listing.review}", *row))
    return Message(escaped(title), tuple(blocks))


def _filters(proposals: Sequence[Proposal], listing: Listing, w: Words, currency: str) -> Block:
    first = Listing(review=listing.review, grade=listing.grade, band=listing.band)
    grades = sorted({p.grade for p in proposals if p.grade})
    by_grade = [(Listing(review=first.review, grade=g, band=first.band).value(), g or w.say(said("all grades"))) for g in ("", *grades)]
    low, high = (Money(to_minor(edge, currency), currency) for edge in (50_000, 250_000))
    texts = {
        "all": said("all amounts"),
        "small": said("below {amount}", amount=low),
        "middle": said("{amount} to {more}", amount=low, more=high),
        "large": said("{amount} and more", amount=high),
    }
    by_band = [(Listing(review=first.review, grade=first.grade, band=b).value(), w.say(texts[b])) for b in BANDS]
    here = first.value()
    return buttons(
        f"filters:{listing.review}",
        select(FILTER_GRADE, by_grade[:100], placeholder=w.say(said("Grade")), chosen=here),
        select(FILTER_AMOUNT, by_band, placeholder=w.say(said("Amount")), chosen=here),
    )


def _row(proposal: Proposal, w: Words) -> Block:
    name = json.loads(proposal.packet_json)["customer_name"]
    grade = f" · {proposal.grade}" if proposal.grade else ""
    value = value_of(proposal=proposal.proposal_id, digest=proposal.digest)
    shown = {"type": "section", "text": plain(asked_briefly(proposal, name, w) + grade, 300)}
    return {**shown, "accessory": button(OPEN, w.say(said("Open")), value)}


def _row_of_buttons(shown: Sequence[Proposal], listing: Listing, pages: int, w: Words, together: Sequence[str]) -> list[Block]:
    def turn(to: int, text: str) -> Block:
        target = Listing(review=listing.review, page=to, grade=listing.grade, band=listing.band)
        return button(f"{PAGE}:{to}", text, target.value())

    row = [turn(listing.page - 1, w.say(said("Back")))] if listing.page > 0 else []
    row += [turn(listing.page + 1, w.say(said("Next")))] if listing.page + 1 < pages else []
    if shown and {p.proposal_id for p in shown} <= set(together):
        text = w.say(said_many("Approve the {n} listed", "Approve the {n} listed", n=len(shown)))
        row.append(button(APPROVE_LISTED, text, listing.value(listed=listed_digest(shown)), style="primary"))
    return row
