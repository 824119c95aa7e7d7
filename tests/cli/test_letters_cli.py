"""From an applied limit to a letter that a person released, at the command line, with a template of the company's own."""

from __future__ import annotations

from datetime import timedelta

from office import CLOCK, NOON

from credit_review.model.records import CustomerLetter, OutboxEntry, Proposal


def test_letters_are_drafted_listed_read_released_and_dropped_by_name(office, tmp_path):
    office.edit("policy.yaml", "letters: []", "letters: [{kinds: [increase, reduction, first]}]")
    office.adopt("policy.yaml")
    office.edit("settings.yaml", 'letters_dir: ""', 'letters_dir: "own"')
    (office.config / "own").mkdir()
    own = office.config / "own" / "reduction.en.txt"
    own.write_text("Your account\n\nDear {custmer}, your limit is {new_limit}.\n", encoding="utf-8")
    assert "own/reduction.en.txt line 3: unknown placeholder {custmer}" in office.run("doctor").out
    CLOCK.set(NOON + timedelta(minutes=1))
    for key in office.waiting(way="down", tier="T1")[:2]:
        office.run("release", key, who="p-analyst").fine()
        office.run("decide", key, "approve", who="p-controller")
        for changed in [p.proposal_id for p in office.find(Proposal, supersedes_id=key)]:
            office.run("decide", changed, "approve", who="p-controller").fine()
    assert "not drafted yet" in office.run("apply").fine().out and office.find(CustomerLetter) == []
    assert office.find(OutboxEntry, kind="letter", state="queued"), "what could not be written stays owed"
    own.write_text("Your account\n\nDear {customer}, your limit is {new_limit}.\n", encoding="utf-8")
    assert "letter(s) drafted for a person to release" in office.run("apply").fine().out

    waiting = office.run("letters", "list", "--json").fine().json
    assert {one["state"] for one in waiting} == {"draft"} and len(waiting) >= 2
    first, second = [one for one in waiting if one["kind"] == "reduction"][:2]
    copy = tmp_path / "letter.html"
    office.run("letters", "show", first["letter_id"], "--out", str(copy)).fine()
    assert "Dear " in copy.read_text(encoding="utf-8") and "EUR" in copy.read_text(encoding="utf-8")
    assert first["sha256"] in office.run("letters", "show", first["letter_id"]).fine().out
    office.run("letters", "send", first["letter_id"], "l-none", who="p-analyst").refused(3, "there is no letter l-none")
    assert "released; print and send" in office.run("letters", "send", first["letter_id"], who="p-analyst").fine().out
    office.run("letters", "drop", second["letter_id"], who="p-analyst").refused(3, "no reason given")
    office.run("letters", "drop", second["letter_id"], "--reason", "told by phone", who="p-manager").fine()
    office.run("letters", "send", second["letter_id"], who="p-analyst").refused(4, "is dropped already")

    left = [one["letter_id"] for one in office.run("letters", "list", "--json").fine().json]
    assert len(left) == len(waiting) - 2 and "dropped" in office.run("letters", "list", "--all").fine().out
    if left:
        one = office.one(CustomerLetter, letter_id=left[0])
        (office.config / "data" / "letters" / one.file).write_text("another text", encoding="utf-8")
        assert office.run("letters", "send", left[0], who="p-analyst").code != 0, "what was not drafted is not released"
        assert office.one(CustomerLetter, letter_id=left[0]).state == "draft"
    assert "verified" in (told := office.run("audit", "verify", "--business").out) or "consistent" in told
