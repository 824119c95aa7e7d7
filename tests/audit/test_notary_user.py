"""The notary as production runs it: an operating-system user and a database login of its own, a key that nobody else reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from credit_review import audit
from credit_review.adapters.store.engine import WRITE_BUDGET
from credit_review.adapters.store.roles import create_roles
from credit_review.audit.notes import VerificationKey, open_note
from credit_review.ports import Entry
from deployments.cli.auditing import make_key
from tests.audit.notary_world import ORIGIN

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to act as other operating-system users"
)

NOTARY, APPLICATION = 12345, 12346
STARTER = Path(__file__).parents[2] / "deployments" / "starter"


def typed_by(user, folder, *words, **environment):
    """What a command says that a user types, with nothing of this process's environment but the path."""
    program = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", *words]
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment}
    return subprocess.run(program, cwd=folder, env=given, capture_output=True, text=True, check=False)


@pytest.fixture
def reachable(postgres_url):
    """The server's socket, for other users too while the test runs."""
    folder = Path(make_url(postgres_url).query["host"])
    mode = folder.stat().st_mode
    folder.chmod(mode | 0o011)
    yield
    folder.chmod(mode)


@pytest.fixture
def login(postgres_store, postgres_administrator):
    """A login that has the notary's role and no other."""
    prefix = postgres_store.engine.url.database[:20]
    create_roles(postgres_store.engine, prefix)
    postgres_administrator.execute(f"CREATE ROLE {prefix}_signer LOGIN IN ROLE {prefix}_notary")
    yield f"{prefix}_signer"
    with postgres_store.engine.connect().execution_options(**{WRITE_BUDGET: 5}) as connection:
        for role in ("owner", "app", "auditor", "notary"):
            connection.execute(text(f"REASSIGN OWNED BY {prefix}_{role} TO postgres"))
            connection.execute(text(f"DROP OWNED BY {prefix}_{role}"))
        connection.commit()
    for role in ("signer", "owner", "app", "auditor", "notary"):
        postgres_administrator.execute(f"DROP ROLE {prefix}_{role}")


@pytest.fixture
def office(postgres_url, login, capsys):
    """The notary's configuration folder with its key, and what a worker of its user has in its environment."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        for name in ("worm", "second"):
            (home / name).mkdir()
            os.chown(home / name, 65534, 65534)
            (home / name).chmod(0o1777)
        mine = home / "notary"
        shutil.copytree(STARTER, mine)
        (mine / "secrets").mkdir()
        make_key(ORIGIN, mine / "secrets" / "NOTARY_KEY", witness=False)
        key = capsys.readouterr().out.strip()
        anchors = [{"kind": "directory", "name": name, "administrator": name, "folder": str(home / name)} for name in ("worm", "second")]
        settings = (mine / "settings.yaml").read_text(encoding="utf-8")
        settings += "audit: " + json.dumps({"origin": ORIGIN, "keys": [key], "anchors": anchors}) + "\n"
        (mine / "settings.yaml").write_text(settings, encoding="utf-8")
        for path in (mine, *mine.rglob("*")):
            os.chown(path, NOTARY, NOTARY)
        (mine / "secrets").chmod(0o700)
        url = make_url(postgres_url).set(username=login)
        yield home, key, {"CREDIT_REVIEW_SECRETS_DIR": str(mine / "secrets"), "CREDIT_REVIEW_DATABASE_URL": url.render_as_string(False)}


@pytest.mark.usefixtures("reachable")
def test_the_notarys_user_signs_with_a_login_that_may_nothing_else_and_a_key_the_applications_user_cannot_read(office, postgres_store):
    home, key, environment = office
    with postgres_store.begin() as uow:
        uow.append(Entry(action=audit.Action.CONFIG_LOADED, actor="system:test", entity="config:1"))
        uow.commit()
    command = (str(Path(sys.executable).parent / "credit-review"), "audit", "checkpoint", "--config", str(home / "notary"))
    signed = typed_by(NOTARY, home / "notary", *command, **environment)
    assert signed.returncode == 0 and "checkpoint of 1 entries, kept by 2 anchors" in signed.stdout, signed.stderr + signed.stdout
    for name in ("worm", "second"):
        (held,) = (home / name).glob("*.checkpoint")
        assert held.stat().st_uid == NOTARY and open_note(held.read_text(), [VerificationKey.read(key)]).checkpoint.size == 1
    refused = typed_by(APPLICATION, home, *command, **environment)
    assert refused.returncode == 3 and "NOTARY_KEY" in refused.stderr and "Traceback" not in refused.stderr, refused.stderr
    assert key.rpartition("+")[2] not in refused.stderr
