"""`credit-review` for shells of tests: one process imports the program once, and forks for each command typed.

Words, environment, folder, streams and exit code of a command are its own, and what runs is the program's entry point; only the seconds of
importing are spared, which a dozen commands in a row pay again and again. That the installed program starts by itself is shown by
tests/cli/test_command_line.py and by the demo.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORTED_ONCE = (
    "deployments.cli.main", "deployments.cli.story", "deployments.cli.governing", "deployments.cli.scorecards", "deployments.cli.mending",
    "deployments.cli.evidence", "flows.periodic_review", "flows.limit_request", "expectations.gate", "credit_review.report",
    "tasks.training", "great_expectations.expectations", "matplotlib.pyplot", "matplotlib.backends.backend_svg", "pyarrow.parquet",
    "pyarrow.csv", "pyarrow.dataset", "holidays.countries", "sklearn.linear_model", "sklearn.metrics",
)  # fmt: skip
"""What commands import when they run."""

CLIENT = """#!{python} -IS
import json, os, socket, sys
asked = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    socket.send_fds(line, [b"!"], [0, 1, 2])
    line.sendall(json.dumps(asked).encode())
    line.shutdown(socket.SHUT_WR)
    code = line.recv(9)
sys.exit(int(code or 137))
"""


@contextmanager
def credit_review_at_hand(folder, environment):
    """A folder for the front of PATH whose `credit-review` runs as long as the block; libraries read `environment` when imported."""
    folder.mkdir()
    address, program = str(folder / "line"), folder / "credit-review"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(address)
        line.listen()
        command = [sys.executable, "-c", f"from tests import at_hand; at_hand.serve({line.fileno()})"]
        serving = subprocess.Popen(command, env=environment, cwd=ROOT, pass_fds=[line.fileno()])
    program.write_text(CLIENT.format(python=sys.executable, address=address))
    program.chmod(0o755)
    try:
        yield folder
    finally:
        serving.terminate()
        serving.wait(timeout=60)


def serve(number):
    """Run one command after the other that come in at this descriptor, each in a child of its own."""
    for name in IMPORTED_ONCE:
        importlib.import_module(name)
    line = socket.socket(fileno=number)
    while True:
        typed, _ = line.accept()
        with typed:
            _, streams, _, _ = socket.recv_fds(typed, 1, 3)
            asked = json.loads(typed.makefile().read())
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                line.close()
                _answer(typed, _run(asked, streams))
            for stream in streams:
                os.close(stream)
            os.waitpid(child, 0)


def _run(asked, streams):
    """The program with its words; returns its exit code."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["credit-review", *asked["words"]]
    from deployments.cli import main

    try:
        main.run()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _answer(typed, code):
    """End as an interpreter ends, and say how."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    typed.sendall(str(code).encode())
    os._exit(0)
