"""Every kind of anchor against a real counterpart on this machine: a time-stamp authority, a mail server, Slack, other users."""

from __future__ import annotations

import contextlib
import email
import os
import re
import shlex
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from credit_review.adapters.anchors.mail import MailAnchor
from credit_review.adapters.anchors.timestamp import TimestampAnchor
from credit_review.adapters.settings import MailAnchorSettings
from credit_review.adapters.store.verify import Status
from credit_review.errors import Tampered, Unavailable
from tests.audit.notary_world import World, directory
from tests.audit.timestamp_authority import Authority, listening

several_users = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to act as other operating-system users"
)


@pytest.fixture
def authority(clock):
    made = Authority(clock.now())
    with listening(made) as url:
        made.url = url
        yield made


def stamping(authority, folder):
    return TimestampAnchor("authority", "TSA Ltd", authority.url, folder=folder, root=authority.root_pem)


def test_a_time_stamp_counts_as_an_anchor_and_says_when(sqlite_store, clock, tmp_path, authority):
    world = World(sqlite_store, clock, tmp_path, [directory(tmp_path, "worm", "storage team"), stamping(authority, tmp_path / "stamps")])
    world.grow()
    assert world.notarise().confirmed == {"worm": 3, "authority": 3} and authority.asked == 1
    assert world.verdict().status == Status.VERIFIED
    world.notarise()
    assert authority.asked == 1, "what is stamped is not stamped again"
    assert world.anchors[1].stamped_at("0001-0000000000000003") == clock.now()


def typed(folder):
    """What the commands of the auditor's guide say, typed in `folder` with nothing but OpenSSL."""
    guide = Path(__file__).parents[2] / "docs" / "audit" / "guide.md"
    verify, when = re.findall(r"^openssl .+$", guide.read_text(encoding="utf-8"), re.M)
    return [subprocess.run(shlex.split(one), cwd=folder, capture_output=True, text=True, check=False) for one in (verify, when)]


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on this machine")
def test_an_auditor_checks_a_time_stamp_by_the_guide_with_openssl_alone(sqlite_store, clock, tmp_path, authority):
    stamps = tmp_path / "stamps"
    world = World(sqlite_store, clock, tmp_path, [directory(tmp_path, "worm", "storage team"), stamping(authority, stamps)])
    world.grow()
    world.notarise()
    root = stamps / "tsa-root.pem"
    root.write_bytes(authority.root_pem)
    held, when = typed(stamps)
    assert held.returncode == 0 and "Verification: OK" in held.stdout + held.stderr
    assert f"Time stamp: {clock.now():%b %e %H:%M:%S %Y} GMT" in when.stdout
    root.write_bytes(Authority(clock.now()).root_pem)
    assert typed(stamps)[0].returncode == 1, "a token of another authority"
    root.write_bytes(authority.root_pem)
    (note,) = stamps.glob("*.checkpoint")
    note.write_text(note.read_text().replace("\n3\n", "\n4\n"))
    changed, _ = typed(stamps)
    assert changed.returncode == 1 and "FAILED" in changed.stdout + changed.stderr


def test_a_time_stamp_of_another_note_or_authority_is_a_finding(sqlite_store, clock, tmp_path, authority):
    world = World(sqlite_store, clock, tmp_path, [directory(tmp_path, "worm", "storage team"), stamping(authority, tmp_path / "stamps")])
    world.grow()
    world.notarise()
    path = tmp_path / "stamps" / "0001-0000000000000003.checkpoint"
    note = path.read_text()
    path.write_text(note.replace("\n3\n", "\n4\n"))
    found = world.verdict()
    assert found.status == Status.TAMPERED and "time stamp" in found.finding
    path.write_text(note)
    stranger = TimestampAnchor("authority", "TSA Ltd", authority.url, folder=tmp_path / "stamps", root=Authority(clock.now()).root_pem)
    with pytest.raises(Tampered, match="does not hold"):
        stranger.held()
    with pytest.raises(Tampered, match="does not hold"):
        TimestampAnchor("other", "x", authority.url, folder=tmp_path / "other", root=Authority(clock.now()).root_pem).keep("0001-0", note)
    assert not list((tmp_path / "other").glob("*")), "what does not hold is not kept"


def test_an_authority_that_does_not_answer_is_tried_again(tmp_path, clock):
    away = Authority(clock.now())
    with listening(away) as url:
        away.url = url
    with pytest.raises(Unavailable, match="cannot be reached"):
        stamping(away, tmp_path / "stamps").keep("0001-0000000000000003", "note")


class _Mailbox(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (one := self.rfile.readline()) != b".\r\n":
                    lines.append(one)
                self.server.received.append(b"".join(lines))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def test_a_checkpoint_is_mailed_as_it_stands(tmp_path):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox) as server:
        server.received = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address
        told = {"name": "mailbox", "administrator": "internal audit", "kind": "mail", "host": host, "port": port, "tls": False}
        anchor = MailAnchor.from_settings(MailAnchorSettings(**told, sender="notary@company.example", to="audit@company.example"))
        anchor.keep("0001-0000000000000003", "origin/1\n3\nroot\n\n— origin/1 x\n")
        server.shutdown()
    message = email.message_from_bytes(server.received[0])
    assert message["To"] == "audit@company.example" and "0001-0000000000000003" in message["Subject"]
    assert message.get_payload(decode=True).decode() == "origin/1\n3\nroot\n\n— origin/1 x\n"
    assert anchor.held() == [] and not anchor.readable
    with pytest.raises(Unavailable, match="mailbox"):
        anchor.keep("0001-0000000000000004", "x")


@pytest.fixture
def open_to_all():
    """A folder that other users reach: pytest keeps its own from them, and closes them again when another session starts."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@several_users
def test_a_write_once_folder_of_another_user_is_added_to_and_not_changed(open_to_all):
    """The notary's user may add files to a sticky folder of the administrator's; another user may neither change nor remove them."""
    held = open_to_all
    os.chown(held, 65534, 65534)
    held.chmod(0o1777)
    code = "from pathlib import Path; from credit_review.adapters.anchors.directory import DirectoryAnchor as D; "
    keep = code + f"D('worm', 'storage', Path({str(held)!r})).keep('0001-0000000000000003', 'note')"
    as_notary, as_app = (["setpriv", "--reuid", user, "--clear-groups", sys.executable, "-c"] for user in ("12345", "12346"))
    subprocess.run([*as_notary, keep], check=True, cwd=held)
    path = held / "0001-0000000000000003.checkpoint"
    assert path.stat().st_uid == 12345 and path.read_text() == "note"
    for attempt in (
        f"open({str(path)!r}, 'w')",
        f"__import__('os').unlink({str(path)!r})",
        f"__import__('os').replace({str(path)!r}, 'x')",
    ):
        refused = subprocess.run([*as_app, attempt], capture_output=True, text=True, check=False, cwd=held)
        assert "PermissionError" in refused.stderr, refused.stderr
    assert path.read_text() == "note"


@pytest.fixture
def served(open_to_all):
    """A bare repository of another user, which only moves forward, and the address where that user's Git serves it."""
    open_to_all.chmod(0o755)
    home = open_to_all / "served"
    home.mkdir()
    subprocess.run(["git", "init", "--quiet", "--bare", str(home / "checkpoints.git")], check=True)
    for rule in ("receive.denyNonFastForwards", "receive.denyDeletes"):
        subprocess.run(["git", "-C", str(home / "checkpoints.git"), "config", rule, "true"], check=True)
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    home.chmod(0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = ("--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--enable=receive-pack", f"--base-path={home}")
    program = [*as_user("65534"), "git", "daemon", *told]
    with subprocess.Popen(program, cwd="/", env={**os.environ, "HOME": str(home)}, start_new_session=True) as daemon:
        until_it_answers(port)
        yield home, f"git://127.0.0.1:{port}/checkpoints.git"
        os.killpg(daemon.pid, signal.SIGTERM)


def as_user(number):
    return ["setpriv", "--reuid", number, "--regid", number, "--clear-groups"]


def until_it_answers(port):
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("git daemon did not start")


@several_users
def test_a_git_remote_of_another_user_takes_checkpoints_and_no_other_history(served, open_to_all):
    """Notary, remote and a third user are three users: nobody but the remote's own can touch what it holds."""
    home, address = served
    for name in ("notary", "other"):
        (open_to_all / name).mkdir()
    for name, user in (("notary", 12345), ("other", 12346)):
        os.chown(open_to_all / name, user, user)
    code = (
        "from pathlib import Path; from credit_review.adapters.anchors.git import GitAnchor as G; "
        f"a = G('repository', 'platform', {address!r}, 'checkpoints', Path({str(open_to_all / 'notary' / 'clone')!r})); "
        "a.keep('0001-0000000000000003', 'note'); a.keep('0001-0000000000000007', 'later'); print(a.held())"
    )
    keep = partial(typed_as, "12345", open_to_all / "notary", sys.executable, "-c", code)
    kept = keep()
    assert kept.stdout == "['note', 'later']\n", kept.stderr
    commit = "git init -q x && cd x && git -c user.name=x -c user.email=x commit -q --allow-empty -m x"
    forced = typed_as("12346", open_to_all / "other", "sh", "-c", f"{commit} && git push -q -f {address} HEAD:checkpoints")
    assert forced.returncode != 0 and "denying non-fast-forward" in forced.stderr
    assert "Permission denied" in typed_as("12346", open_to_all / "other", "ls", str(home)).stderr
    assert keep().stdout == kept.stdout


@several_users
def test_a_time_stamp_authority_of_another_user_stamps_and_keeps_its_key_to_itself(open_to_all):
    """Notary and authority are two users: the notary gets time stamps that hold under the authority's root, and cannot look into it."""
    open_to_all.chmod(0o755)
    for name, user in (("authority", 65534), ("notary", 12345)):
        (open_to_all / name).mkdir(mode=0o755)
        os.chown(open_to_all / name, user, user)
    root = open_to_all / "authority" / "root.pem"
    serve = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from timestamp_authority import Authority, listening\n"
        f"made = Authority(datetime(2026, 10, 1, 12, tzinfo=UTC)); Path({str(root)!r}).write_bytes(made.root_pem)\n"
        "with listening(made) as url:\n    print(url, flush=True)\n    sys.stdin.read()\n"
    )
    environment = {**os.environ, "HOME": str(open_to_all / "authority"), "PYTHONPATH": str(Path(__file__).parent)}
    program = [*as_user("65534"), sys.executable, "-c", serve]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, cwd=open_to_all / "authority", env=environment, **pipes) as running:
        address = running.stdout.readline().strip()
        assert psutil.Process(running.pid).uids().real == 65534
        stamps = open_to_all / "notary" / "stamps"
        code = (
            "from pathlib import Path; from credit_review.adapters.anchors.timestamp import TimestampAnchor as T; "
            f"a = T('authority', 'TSA Ltd', {address!r}, folder=Path({str(stamps)!r}), root=Path({str(root)!r}).read_bytes()); "
            "a.keep('0001-0000000000000003', 'note'); print(a.held(), a.stamped_at('0001-0000000000000003'))"
        )
        kept = typed_as("12345", open_to_all / "notary", sys.executable, "-c", code)
        looked = typed_as("12345", open_to_all / "notary", "cat", f"/proc/{running.pid}/mem")
        running.stdin.close()
    assert kept.stdout.strip() == "['note'] 2026-10-01 12:00:00+00:00", kept.stderr
    assert looked.returncode != 0 and "Permission denied" in looked.stderr


def typed_as(user, folder, *words):
    """What a program says that runs as another user, in a folder of that user's."""
    environment = {**os.environ, "HOME": str(folder)}
    return subprocess.run([*as_user(user), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
