"""Many proposals in one message: a page of them with filters, each to be opened, and where policy allows it approved together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from credit_review.errors import BadInput
from credit_review.messages.card import asked
from credit_review.messages.text import Block, Message, button, buttons, escaped, header, notes, plain, section, select, value_of
from credit_review.model.records import Proposal
from credit_review.words import Words, said, said_many

OPEN, PAGE, FILTER_GRADE, FILTER_AMOUNT = "credit_review_open", "credit_review_page", "credit_review_grade", "credit_review_amount"
APPROVE_LISTED = "credit_review_approve_listed"
A_PAGE = 10
BANDS = {"all": (0, None), "small": (0, 50_000), "middle": (50_000, 250_000), "large": (250_000, None)}
"""Filters by amount asked for, in whole units of the proposal's currency: above the first, up to the second."""


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
        raise BadInput("this list is not one of ours", next_step="open the App Home") from None


def chosen(proposals: Sequence[Proposal], listing: Listing) -> list[Proposal]:
    """The proposals that pass the filters, largest first."""
    from credit_review.model.money import exponent

    above, up_to = BANDS[listing.band]

    def fits(p: Proposal) -> bool:
        whole = p.to_minor / 10 ** exponent(p.currency)
        return (not listing.grade or p.grade == listing.grade) and whole >= above and (up_to is None or whole < up_to)

    return sorted((p for p in proposals if fits(p)), key=lambda p: (-p.to_minor, p.proposal_id))


def page_of(proposals: Sequence[Proposal], listing: Listing) -> list[Proposal]:
    """The proposals listed on the page."""
    return list(chosen(proposals, listing)[listing.page * A_PAGE : (listing.page + 1) * A_PAGE])


def listed_digest(proposals: Sequence[Proposal]) -> str:
    """SHA-256 over exactly these packets, in the order shown: what `approve the N listed` is bound to."""
    return sha256("\n".join(f"{p.proposal_id} {p.digest}" for p in proposals).encode()).hexdigest()


def digest(proposals: Sequence[Proposal], listing: Listing, words: Words, *, label: str, together: Sequence[str]) -> Message:
    """A page of a person's pending proposals of a review; `together` are the ids that policy lets him approve at once."""
    w = words
    title = w.say(
        said_many("{n} proposal of {label} waits for you", "{n} proposals of {label} wait for you", n=len(proposals), label=label)
    )
    if not proposals:
        title = w.say(said("Nothing of {label} waits for you", label=label))
        return Message(escaped(title), (header(title),))
    found = chosen(proposals, listing)
    shown = page_of(proposals, listing)
    blocks: list[Block] = [header(title), _filters(proposals, listing, w)]
    blocks += [_row(p, w) for p in shown] or [section(w.say(said("No proposal passes these filters.")))]
    pages = max(1, -(-len(found) // A_PAGE))
    blocks.append(notes(w.say(said("Page {page} of {pages}, {n} listed", page=listing.page + 1, pages=pages, n=len(found)))))
    row = _row_of_buttons(shown, listing, pages, w, together)
    if row:
        blocks.append(buttons(f"pages:{listing.review}", *row))
    return Message(escaped(title), tuple(blocks))


def _filters(proposals: Sequence[Proposal], listing: Listing, w: Words) -> Block:
    first = Listing(review=listing.review, grade=listing.grade, band=listing.band)
    grades = sorted({p.grade for p in proposals if p.grade})
    by_grade = [(Listing(review=first.review, grade=g, band=first.band).value(), g or w.say(said("all grades"))) for g in ("", *grades)]
    texts = {
        "all": said("all amounts"),
        "small": said("below 50,000"),
        "middle": said("50,000 to 250,000"),
        "large": said("250,000 and more"),
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
    shown = {"type": "section", "text": plain(asked(proposal, name, w) + grade, 300)}
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
