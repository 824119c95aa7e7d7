"""Runs one request's review in a process of its own: `python -m deployments.slack_listener.asking CONFIG`, the request as JSON on stdin."""

from __future__ import annotations

import json
import os
import sys
from datetime import date

from credit_review.audit import canonical
from credit_review.errors import CreditReviewError
from credit_review.words import packed
from deployments.cli.watching import QUIET


def main() -> int:
    """Run it and put its end on record; the last line on stdout says why it was refused, `{"why": sentence}`."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from deployments.slack_listener.asker import done
    from flows.limit_request import limit_request
    from tasks import prepare, requests

    config, asked = sys.argv[1], json.loads(sys.stdin.read())
    key = asked.pop("key")
    until = date.fromisoformat(asked.pop("until")) if asked.get("until") else asked.pop("until", None)
    about = {"config": config, "until": until, **asked}
    try:
        requests.understand.fn(**about)
        state = limit_request(**about, return_state=True)
        state.result(raise_on_failure=True)
        with prepare.services(config).store.begin(interactive=False) as uow:
            done(uow, key)
            uow.commit()
    except CreditReviewError as error:
        sys.stdout.write("\n" + canonical({"why": packed(error.what)}) + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
