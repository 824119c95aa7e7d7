"""What prefect.yaml takes from an installation when it is deployed, so that folder and time zone stand in one place, settings.yaml."""

from __future__ import annotations

import os
from pathlib import Path

from credit_review.adapters import settings as configuration
from credit_review.errors import BadInput


def installation() -> dict[str, str]:
    """`config`, the absolute configuration folder, and `time_zone`, for Prefect's templates; runs as the build step of each deployment.

    The folder is the one CREDIT_REVIEW_CONFIG names, else `config`. Raises BadInput when there are no sound settings in it.
    """
    folder = Path(os.environ.get("CREDIT_REVIEW_CONFIG") or "config").resolve()
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}", next_step="set CREDIT_REVIEW_CONFIG to your configuration folder and deploy again")
    return {"config": str(folder), "time_zone": configuration.load(folder).time_zone}
