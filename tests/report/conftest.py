"""The same drawing is drawn once: a report holds five, which take longer than all the rest of it, and most tests change its words alone."""

from __future__ import annotations

import pickle
from types import MappingProxyType

import pytest

from credit_review.report import charts

DRAWN = {}


@pytest.fixture(scope="session", autouse=True)
def drawn_once():
    """Drawings are kept by the function that draws and by everything it draws from."""
    real = charts._svg

    def svg(draw, *, width, height):
        held = [cell.cell_contents for cell in draw.__closure__ or ()]
        plain = [dict(one) if isinstance(one, MappingProxyType) else one for one in held]
        key = (draw.__code__, width, height, pickle.dumps(plain))
        if key not in DRAWN:
            DRAWN[key] = real(draw, width=width, height=height)
        return DRAWN[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_svg", svg)
        yield
