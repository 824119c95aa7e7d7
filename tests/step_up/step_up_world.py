"""A page outside Slack with a provider and a world behind it, and a browser that walks through them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from credit_review import audit
from credit_review.adapters import settings as configuration
from credit_review.adapters.settings import StepUpSettings
from credit_review.adapters.wiring import Services
from credit_review.model.records import Proposal, StepUpLink
from credit_review.review import step_up
from credit_review.words import packed, said
from tests.review.decision_world import NOON, World, digest_of
from tests.step_up.oidc_provider import CLIENT_ID

STARTER = configuration.load(Path(__file__).parents[2] / "deployments" / "starter")
SESSION_KEY = "a-key-of-the-tests-that-is-long-enough"
CERTIFICATES = httpx.create_ssl_context()
NAME = "Harbour & Söhne Shipping"


def services_for(store, clock, **chosen):
    """An installation with the starter's settings."""
    step_up_settings = StepUpSettings(**{"client_id": CLIENT_ID, **chosen})
    return Services(STARTER.model_copy(update={"step_up": step_up_settings}), store, clock)


class Scene:
    """The world, the page's address, and the links it has given out."""

    def __init__(self, store, clock, provider, services):
        self.world, self.clock, self.provider, self.services = World(store), clock, provider, services
        self.url = services.settings.step_up.url

    def proposes(self, customer="c-1", *, to=5_000_000_00, name=NAME, **fields):
        """A pending proposal of the highest tier, with a whole packet."""
        packet = {
            "customer_id": customer, "customer_name": name, "currency": "EUR", "exposure_minor": 1_420_000_00, "own_risk_minor": 620_000_00,
            "overdue_minor": 12_500_00, "over_limit_minor": None, "blocked_orders_minor": None, "grade": "B", "pd": "0.020000",
            "from_minor": 50_000_00, "from_terms_days": 30, "terms_days": 30, "to_minor": to, "engine_minor": to,
            "effective_from": "2026-10-01", "effective_to": None,
            "reasons": ["share of open items past due", "orders over twelve months"], "exceptional": ["first_limit"],
            "notes": [{"kind": "comment", "by": "p-analyst", "at": "2026-09-30T09:00:00+00:00", "text": "Visited in August.", "sha256": ""}],  # noqa: E501
            "derivation": [[packed(said("need")), packed(said("{days} days", days=45))], ["cap <b>x</b>", "none"]],
            "review": {"id": "r-1", "label": "2026Q3"},
        }  # fmt: skip
        text = audit.canonical(packet)
        return self.world.propose(customer, to=to, packet_json=text, digest=digest_of(text), **fields)

    def link(self, proposal_id, person_id="p-ceo", *, now=NOON):
        """The token of a new link."""
        with self.world.store.begin() as uow:
            token, link = step_up.new_link(uow.get(Proposal, proposal_id=proposal_id), person_id, now)
            uow.add(link)
            uow.commit()
        return token

    def used_at(self, token):
        return self.world.one(StepUpLink, token_sha256=step_up.digest_of_token(token)).used_at

    def known_as(self, person_id, **claims):
        """From now on the provider says it is this person."""
        self.provider.claims = {"email": f"{person_id}@example.com", "email_verified": True, **claims}

    def browser(self):
        return Browser(self)

    def signed_in(self, token, person_id="p-ceo"):
        """A browser in which the person has signed in for the link."""
        self.known_as(person_id)
        browser = self.browser()
        assert browser.signs_in(token).status_code == 200
        return browser


class Browser:
    """Keeps cookies, follows redirects by itself, remembers every answer."""

    def __init__(self, scene):
        self.scene, self.client, self.seen = scene, httpx.Client(timeout=20, verify=CERTIFICATES), []

    def get(self, path, method="GET"):
        address = path if path.startswith("http") else self.scene.url + path
        self.seen.append(self.client.request(method, address))
        return self.seen[-1]

    def opens(self, token):
        return self.get(f"/d/{token}")

    def leaves_for_sign_in(self, token):
        """Up to the address that the provider sends him back to."""
        there = self.get(f"/d/{token}/sign-in")
        assert there.status_code == 302, there.text
        return self.get(there.headers["location"]).headers["location"]

    def signs_in(self, token):
        """The page after the whole way."""
        back = self.get(self.leaves_for_sign_in(token))
        if back.status_code != 303:
            return back
        where = urlsplit(self.scene.url)
        return self.get(f"{where.scheme}://{where.netloc}{back.headers['location']}")

    def csrf(self):
        """The secret of the form seen last."""
        return [found for answer in self.seen for found in re.findall(r'name="csrf" value="([^"]+)"', answer.text)][-1]

    def decides(self, token, verdict="approve", *, headers=None, **fields):
        known = {"verdict": verdict, "reason": "within appetite", "amount": "5,000,000" if verdict == "approve" else ""}
        if "csrf" not in fields:
            fields["csrf"] = self.csrf()
        fields = {name: value for name, value in {**known, **fields}.items() if value is not None}
        return self.client.post(f"{self.scene.url}/d/{token}/decide", data=fields, headers=headers)


def words_of(answer):
    """What a person reads on a page."""
    body = re.sub(r"<style>.*?</style>", " ", answer.text, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())
