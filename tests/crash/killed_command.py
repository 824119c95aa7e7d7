"""`credit-review ARGUMENTS`, killed at the first point whose label starts with the first argument."""

from __future__ import annotations

import sys

from kill_points import KillPoints

from deployments.cli import main

if __name__ == "__main__":
    at = sys.argv.pop(1)
    points = KillPoints(lambda _number, label: label.startswith(at))
    points.on = True
    points.arm()
    main.run()
