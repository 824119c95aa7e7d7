"""Rows of the scorecard's tests serve the challenger's."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "scoring"))
