"""Tests of the report draw each drawing once."""

from __future__ import annotations

import pytest

from tests.drawings import draw_once


@pytest.fixture(scope="session", autouse=True)
def drawn_once():
    with pytest.MonkeyPatch.context() as patch:
        draw_once(patch)
        yield
