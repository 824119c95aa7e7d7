"""Runs one request's review in a process of its own: `python -m deployments.slack_listener.asking CONFIG`, the request as JSON on stdin."""

from __future__ import annotations

import json
import os
import sys
from datetime import date

from credit_review.errors import CreditReviewError
from deployments.cli.watching import QUIET


def main() -> int:
    """Run it; the last line on stderr says what went wrong."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from flows.limit_request import limit_request
    from tasks import requests

    asked = json.loads(sys.stdin.read())
    until = date.fromisoformat(asked.pop("until")) if asked.get("until") else asked.pop("until", None)
    about = {"config": sys.argv[1], "until": until, **asked}
    try:
        requests.understand.fn(**about)
        state = limit_request(**about, return_state=True)
        state.result(raise_on_failure=True)
    except CreditReviewError as error:
        sys.stderr.write("\n" + " ".join(error.text().split()) + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
