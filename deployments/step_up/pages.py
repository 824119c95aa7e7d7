"""Pages as HTML: one self-contained document each, no script, nothing loaded from anywhere; all text escaped and cleaned."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from credit_review.messages import cleaned
from credit_review.review.decide import Outcome
from credit_review.words import Words, said
from deployments.step_up.sheet import Sheet

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST = 4_000


class Pages:
    """Draws pages; `policy` is the Content-Security-Policy that allows their style and nothing else."""

    def __init__(self) -> None:
        style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self.policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_printed,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {"style": Markup(style), "as_typed": escape}  # noqa: S704  our own file

    # no form leads to the provider but a link: `form-action` would have to name every address it redirects through

    def sign_in(self, words: Words, place: str) -> HTMLResponse:
        """All that is shown before somebody signed in: nothing of whom or what it is about."""
        lead = said("A proposal waits for your decision. Nobody sees it here before signing in.")
        go = {"href": f"{place}/sign-in", "text": words.say(said("Sign in with your company account"))}
        return self.told(words, words.say(lead), go=go)

    def told(
        self, words: Words, text: str, *, title: str = "", status: int = 200, go: Mapping[str, str] | None = None, mood: str = ""
    ) -> HTMLResponse:
        """A page that says one thing, with at most one way on."""
        heading = title or words.say(said("Credit review"))
        return self._page("told.html", words, status, title=heading, text=text, go=go, mood=mood)

    def proposal(self, sheet: Sheet, words: Words, *, status: int = 200) -> HTMLResponse:
        """The proposal, and the forms that decide it."""
        return self._page("proposal.html", words, status, title=sheet.ask, sheet=sheet)

    def outcome(self, outcome: Outcome, words: Words) -> HTMLResponse:
        """What became of an answer: 200 when it counts, 403 when it was refused; the first outcome where it is sent again."""
        done = words.say(said("Done")) if outcome.accepted else words.say(said("Not decided"))
        title = words.say(said("Answered before; nothing was done again")) if outcome.repeated else done
        mood = "good" if outcome.accepted else "bad"
        return self.told(words, words.say(outcome.text), title=title, status=200 if outcome.accepted else 403, mood=mood)

    def _page(self, template: str, words: Words, status: int, **values: Any) -> HTMLResponse:
        language = words.language.replace("_", "-")
        brand = words.say(said("Credit review"))
        text = self._environment.get_template(template).render(language=language, brand=brand, **values)
        return HTMLResponse(text, status_code=status)


def _printed(value: Any) -> Any:
    """What a template prints: our own markup as it is, everything else as cleaned text, to be escaped."""
    return value if isinstance(value, Markup) else cleaned(str(value), _LONGEST)
