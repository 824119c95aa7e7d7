"""A small OpenID Connect provider for the tests: discovery, authorize (consents at once, for a chosen user), token with PKCE, keys."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "credit-review", "a-client-secret-of-the-tests"


class Provider:
    """What it is told to say; `asked` are the authorization requests it got, `given` every code and token it gave out."""

    def __init__(self):
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.stranger = RSAKey.generate_key(2048, {"kid": "one"})
        self.url = ""
        self.reset(lambda: int(time.time()))

    def reset(self, now):
        """Back to an honest provider whose clock is the test's."""
        self.now, self.claims, self.without, self.signing = now, {}, set(), "honest"
        self.error, self.token_status, self.says_issuer, self.codes = "", 200, self.url, {}
        self.asked, self.given, self.methods, self.algorithms = [], [], ["client_secret_basic"], ["RS256", "none"]

    def app(self):
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", lambda _: JSONResponse({"keys": [self.key.as_dict(private=False)]})),
            ]
        )

    def _configuration(self, _):
        about = {name: f"{self.url}/{path}" for name, path in (("authorization_endpoint", "authorize"), ("token_endpoint", "token"))}
        about |= {"issuer": self.says_issuer, "jwks_uri": f"{self.url}/jwks", "response_types_supported": ["code"]}
        about |= {"token_endpoint_auth_methods_supported": self.methods}
        return JSONResponse(about | {"id_token_signing_alg_values_supported": self.algorithms})

    def _authorize(self, request):
        asked = dict(request.query_params)
        self.asked.append(asked)
        if self.error:
            answer = {"error": self.error, "error_description": "<b>no</b>", "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            self.given += [code, asked["state"], asked["nonce"]]
            answer = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", status_code=302)

    async def _token(self, request):
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code"), None)
        challenge = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        self.given.append(form.get("code_verifier", ""))
        wrong = asked is None or challenge != asked["code_challenge"] or asked["code_challenge_method"] != "S256"
        if wrong or form["redirect_uri"] != asked["redirect_uri"] or not self._is_client(request, form):
            return JSONResponse({"error": "invalid_grant", "error_description": "no"}, status_code=400)
        token, access = self._id_token(asked), secrets.token_urlsafe(16)
        self.given += [token, access]
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token}
        return JSONResponse({k: v for k, v in answer.items() if k not in self.without}, status_code=self.token_status)

    def _is_client(self, request, form):
        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if self.methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        return request.headers.get("authorization") == basic

    def _id_token(self, asked):
        now = self.now()
        claims = {"iss": self.url, "aud": CLIENT_ID, "sub": "s-1", "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= {"auth_time": now - 5, "amr": ["pwd", "mfa"], **self.claims}
        claims = {name: value for name, value in claims.items() if name not in self.without}
        if self.signing == "none":
            registry = jws.JWSRegistry(algorithms=["none"])
            return jws.serialize_compact({"alg": "none"}, json.dumps(claims), OctKey.import_key("x" * 16), registry=registry)
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.stranger if self.signing == "stranger" else self.key)


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
