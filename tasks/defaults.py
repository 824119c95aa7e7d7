"""The project's `task`: Prefect's, with our defaults. Nothing is cached or persisted by Prefect: state lives in our files and tables."""

from __future__ import annotations

from functools import partial

from prefect import task as prefect_task
from prefect.cache_policies import NO_CACHE

task = partial(prefect_task, cache_policy=NO_CACHE, persist_result=False, log_prints=False)
"""A step whose failure stops the review: its input would be the same on another try."""

outside = partial(task, retries=3, retry_delay_seconds=[2, 10, 30], retry_jitter_factor=0.5)
"""A step that talks to the outside (source, Slack, ERP, database server), where trying again may work; it is safe to repeat."""
