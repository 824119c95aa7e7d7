"""`audit coaching`: a person's own figures for that person, and everybody's for the control owner."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from credit_review.errors import BadInput
from credit_review.review import coaching
from credit_review.review.signing import Office, require_office
from credit_review.words import Said, listed, marked, said
from deployments.cli.frame import names_of, services, show_json, show_pairs, tell
from deployments.cli.governing import me, signing_as

if TYPE_CHECKING:
    from credit_review.monitoring.overrides import Hindsight, Override
    from credit_review.review.coaching import Figures

EVERYONE = "everyone"

_ROLES = {"analyst": marked("as analyst"), "approver": marked("as approver"), coaching.EMERGENCY: marked("in emergencies")}
_WHAT = {
    "release": marked("{n} released"),
    "approve": marked("{n} approved"),
    "reject": marked("{n} rejected"),
    "return": marked("{n} returned"),
    "counter": marked("{n} counter-offers"),
}


def show(config: Path, period: str, *, person: str, as_person: str, as_json: bool) -> None:
    """Print the figures of a quarter: one's own, or with the control owner's office those of `person` or everyone."""
    opened = services(config)
    try:
        first, last = coaching.period_of(period)
    except ValueError:
        raise BadInput(said("{period} is no quarter", period=repr(period)), expected=said("a quarter such as 2026Q4")) from None
    with signing_as(opened, as_person, "log") as (uow, reader):
        if person not in ("", reader.person_id):
            about = said("read the coaching figures of others")
            require_office(uow, Office.CONTROL_OWNER, about, reader.person_id, on=opened.today(), now=opened.clock.now())
    with opened.store.read() as uow:
        me(opened, uow, as_person)
        wanted = person or reader.person_id
        cases, overrides = coaching.gather(uow, first, last, opened.settings.zone)
        names = names_of(uow)
    if wanted != EVERYONE:
        cases, overrides = [c for c in cases if c.person_id == wanted], [o for o in overrides if o.person_id == wanted]
    found = coaching.figures(cases, overrides, _hindsight(config, overrides), _grades(config))
    if as_json:
        show_json({"period": period, "least": coaching.LEAST, "people": [asdict(one) for one in found]})
        return
    if not found:
        tell(said("no releases or answers in {period}", period=period))
    for one in sorted(found, key=lambda one: (names.get(one.person_id, one.person_id), one.role)):
        tell(said("{name}, {role}", name=names.get(one.person_id, one.person_id), role=said(_ROLES[one.role])))
        show_pairs(_lines(one))


def _hindsight(config: Path, overrides: list[Override]) -> dict[tuple[str, date, int], Hindsight]:
    if not overrides:
        return {}
    from tasks.hindsight import hindsight

    return hindsight(str(config), overrides)


def _grades(config: Path) -> tuple[str, ...]:
    from credit_review.review.standing import policy_in_force

    opened = services(config)
    with opened.store.read() as uow:
        return policy_in_force(uow, opened.clock.now()).grade_names


def _lines(one: Figures) -> dict[str, Said]:
    """The figures with their cases, by label."""
    few = said("too few cases ({n}, at least {least})", n=one.opened_cases, least=coaching.LEAST)
    counted = [said(_WHAT[what], n=n) for what, n in one.answers.items()]
    hours = marked("median {median} hours, slowest tenth {slowest} hours or more, of {n} cases opened before")
    lines: dict[str, Said] = {
        said("Cases"): said("{n}: {kinds}", n=one.cases, kinds=listed(counted)) if counted else said("none"),
        said("Came back"): said("{n} of {total}", n=one.returned, total=one.cases),
        said("From opening to answer"): few
        if one.median_hours is None
        else said(hours, median=one.median_hours, slowest=one.slowest_tenth_hours, n=one.opened_cases),
        said("Figures replaced"): said("{n}, {up} of them upwards", n=one.overrides, up=one.overrides_up),
    }
    for quarters, became in one.looked_at.items():
        n = one.overrides_known[quarters]
        sentence = marked("of {n} cases: grade better {better}, same {same}, worse {worse}; late {late}")
        lines[said("{quarters} quarters later", quarters=quarters)] = (
            said("too few cases ({n}, at least {least})", n=n, least=coaching.LEAST) if became is None else said(sentence, n=n, **became)
        )
    return lines
