"""Effects: one thin Prefect task per side effect or costly step. Retries, time-outs and run artifacts live here, and only here.

Usage analytics of every library are off from the moment the package is imported, before any of its modules imports Prefect.
"""

import os

for _name, _value in {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # not analytics: a server of its own starts slowly on a busy machine
}.items():
    os.environ.setdefault(_name, _value)
