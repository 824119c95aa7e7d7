"""Before whom pending proposals are put, and by which messages: a card each, or one digest where a review asks a person many times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from credit_review.authority import Matrix, Standing, asked_first
from credit_review.model.records import Addressee
from credit_review.model.states import Asked
from credit_review.ports import UnitOfWork
from credit_review.review.outbox import DIGEST, SUMMARY, card_of, owe_messages, owe_updates, to_person


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where messages go: `direct` to the people asked, and to `channel` (empty: none).

    Who is asked about more than `digest_above` proposals of one review gets one digest of them instead of cards.
    """

    direct: bool = False
    channel: str = ""
    digest_above: int = 20


NOWHERE = Destinations()


def put_before(uow: UnitOfWork, standings: Sequence[Standing], matrix: Matrix, to: Destinations, now: datetime) -> None:
    """Records whom each pending proposal is put before, and owes them their messages; the review's summary comes first."""
    cards = [(card_of(s.proposal.proposal_id), to.channel) for s in standings] if to.channel else []
    summaries = [(f"{SUMMARY}:{review}", to.channel) for review in sorted({s.proposal.review_id for s in standings})] if to.channel else []
    owe_messages(uow, [*summaries, *cards], now)
    if to.direct:
        asked = [(s, person, why) for s in standings for person, why in asked_first(s, matrix)]
        ask(uow, asked, to.digest_above, now)


def ask(uow: UnitOfWork, asked: Sequence[tuple[Standing, str, Asked]], digest_above: int, now: datetime) -> None:
    """Records that proposals are put before people who were not asked about them yet, and owes the messages."""
    people = sorted({person for _, person, _ in asked})
    for review in sorted({s.proposal.review_id for s, _, _ in asked}):
        mine = [(s, person, why) for s, person, why in asked if s.proposal.review_id == review]
        before = dict(uow.tally(Addressee, by=("person_id",), person_id=people, review_id=review)) if people else {}
        added = Counter(person for _, person, _ in mine)
        many = {person for person in added if before.get(person, 0) + added[person] > digest_above}
        uow.add(
            *(Addressee(proposal_id=s.proposal.proposal_id, person_id=person, review_id=review, why=why, at=now) for s, person, why in mine)
        )
        _owe(uow, review, [(s, person) for s, person, _ in mine], many, now)


def _owe(uow: UnitOfWork, review: str, asked: Sequence[tuple[Standing, str]], many: set[str], now: datetime) -> None:
    wanted = []
    for person in sorted({person for _, person in asked}):
        wanted.append((f"{SUMMARY}:{review}", to_person(person)))
        if person in many:
            wanted.append((f"{DIGEST}:{review}", to_person(person)))
        else:
            wanted += [(card_of(s.proposal.proposal_id), to_person(person)) for s, one in asked if one == person]
    owe_messages(uow, wanted, now)
    if many:
        owe_updates(uow, [f"{DIGEST}:{review}"], now, addresses=[to_person(p) for p in many])
