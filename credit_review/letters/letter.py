"""A letter as a value: every letter to a customer, a notice of adverse action among them, is one and is shown by the same two functions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter in its reader's language: who writes it, on which day, to whom, about what, and what it says.

    `points` is a list with its heading, empty where there is none; `foot` is what whoever sends it must know, and is not the customer's.
    """

    company: str
    day: str
    to: str
    subject: str = ""
    paragraphs: tuple[str, ...] = ()
    points_title: str = ""
    points: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    foot: str = ""


def as_text(letter: Letter) -> str:
    """The letter as plain text."""
    lines = [letter.company, letter.day, "", letter.to, ""]
    if letter.subject:
        lines += [letter.subject, ""]
    for paragraph in letter.paragraphs:
        lines += [paragraph, ""]
    if letter.points:
        lines += [letter.points_title, *(f"- {point}" for point in letter.points), ""]
    for paragraph in letter.closing:
        lines += [paragraph, ""]
    return "\n".join([*lines, letter.foot] if letter.foot else lines[:-1]) + "\n"
