"""The sandbox's issuer as a provider that consents at once for a chosen user, and that tests can make dishonest."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from deployments.slack_sandbox.issuer import CLIENT_ID, Issuer

__all__ = ["CLIENT_ID"]

CLIENT_SECRET = "a-client-secret-of-the-tests"


class Provider(Issuer):
    """What it is told to say; `asked` are the authorization requests it got, `given` every code and token it gave out."""

    def __init__(self):
        super().__init__("", secret=CLIENT_SECRET)
        self.stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.reset(lambda: int(time.time()))

    def reset(self, now):
        """Back to an honest provider whose clock is the test's."""
        self.clock, self.claims, self.without, self.signing = now, {}, set(), "honest"
        self.error, self.token_status, self.says_issuer, self.codes = "", 200, self.url, {}
        self.asked, self.given, self.methods, self.algorithms = [], [], ["client_secret_basic"], ["RS256", "none"]

    def app(self):
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", lambda _: JSONResponse(self.configuration())),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", lambda _: JSONResponse(self.keys())),
            ]
        )

    def configuration(self):
        said = {"issuer": self.says_issuer, "id_token_signing_alg_values_supported": self.algorithms}
        return {**super().configuration(), **said, "token_endpoint_auth_methods_supported": self.methods}

    def _authorize(self, request):
        asked = dict(request.query_params)
        self.asked.append(asked)
        if self.error:
            answer = {"error": self.error, "error_description": "<b>no</b>", "state": asked["state"]}
        else:
            code = self.code_for(asked, {"sub": "s-1", "auth_time": self.clock() - 5, "amr": ["pwd", "mfa"], **self.claims})
            self.given += [code, asked["state"], asked["nonce"]]
            answer = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", status_code=302)

    async def _token(self, request):
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.given.append(form.get("code_verifier", ""))
        answer = self.redeem(form, request.headers.get("authorization", ""))
        if answer is None:
            return JSONResponse({"error": "invalid_grant", "error_description": "no"}, status_code=400)
        self.given += [answer["id_token"], answer["access_token"]]
        return JSONResponse({k: v for k, v in answer.items() if k not in self.without}, status_code=self.token_status)

    def is_client(self, form, authorization):
        if self.methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        return super().is_client(form, authorization)

    def signed(self, claims):
        claims = {name: value for name, value in claims.items() if name not in self.without}
        if self.signing == "none":
            return jwt.encode(claims, None, algorithm="none")
        if self.signing == "stranger":
            return jwt.encode(claims, self.stranger, algorithm="RS256", headers={"kid": "one"})
        return super().signed(claims)


@contextmanager
def running(server):
    """A uvicorn server in a thread, until the block is left."""
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    yield
    server.should_exit = server.force_exit = True  # nobody waits for browsers that keep their connections
    thread.join(10)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def provided():
    """A provider that listens."""
    provider, port = Provider(), free_port()
    provider.url = f"http://127.0.0.1:{port}"
    with running(
        uvicorn.Server(uvicorn.Config(provider.app(), host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off"))
    ):
        yield provider
