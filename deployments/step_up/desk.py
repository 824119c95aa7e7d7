"""What every page works with, and the two questions each asks: whose link is it, and is it he who signed in."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from credit_review.adapters.settings import StepUpSettings
from credit_review.adapters.wiring import Services
from credit_review.errors import Refused
from credit_review.messages import Company
from credit_review.model.records import InboxEntry, Person, StepUpLink
from credit_review.ports import UnitOfWork
from credit_review.review.decide import refused_login
from credit_review.review.directory import person_for
from credit_review.review.step_up import digest_of_token
from credit_review.words import said
from deployments.step_up.identity import Identity
from deployments.step_up.pages import Pages
from deployments.step_up.sign_in import CompanySignIn


@dataclass(frozen=True, slots=True)
class Desk:
    """Services, company sign-in, how the company reads, and the pages."""

    services: Services
    sign_in: CompanySignIn
    company: Company
    pages: Pages

    @property
    def chosen(self) -> StepUpSettings:
        """The settings of the page."""
        return self.services.settings.step_up

    @property
    def folder(self) -> str:
        """The path below which the page is reached: empty, or what the public address has after its host."""
        return urlsplit(self.chosen.url).path.rstrip("/")

    @property
    def callback(self) -> str:
        """Where the provider sends people back to; from the settings, never from what a request says its host is."""
        return f"{self.chosen.url.rstrip('/')}/callback"

    def place_of(self, token: str) -> str:
        """The path of a link's page."""
        return f"{self.folder}/d/{token}"

    def require_person(self, uow: UnitOfWork, link: StepUpLink, identity: Identity) -> Person:
        """The link's person, active today. Refused when somebody else, or nobody of ours, is signed in."""
        person = person_for(uow, identity.kind, identity.account, on=self.services.today(), known_at=self.services.clock.now())
        if person.person_id != link.person_id:
            text = said("this link is for somebody else; you are signed in as {name}", name=person.name)
            raise Refused("step_up.another_person", text)
        return person

    def record_refused(self, token: str, identity: Identity, refusal: Refused) -> None:
        """Keeps in the audit log that somebody who may not tried; once for each link, account and cause, however often he reloads."""
        parts = (digest_of_token(token), identity.kind, identity.account, refusal.code)
        key = f"step_up_refused:{sha256('|'.join(parts).encode()).hexdigest()}"
        with self.services.store.begin(interactive=True) as uow:
            if uow.add_if_absent(InboxEntry(delivery_key=key, outcome_json="{}", at=self.services.clock.now())):
                refused_login(uow, identity.kind, identity.account, refusal)
                uow.commit()
