"""Prints how far apart things live: the way of one price, and the files that one more of a kind touches.

    python -m tools.house

It runs a whole daemon, and adds an alert type, an endpoint, a venue and a notifier to copies of the repository.
"""

from __future__ import annotations

import asyncio
import sys

from monitor import telemetry
from tools import additions, way

if __name__ == "__main__":
    telemetry.configure("error")
    print(way.shown(asyncio.run(way.followed())), "\n", flush=True)
    counts = [additions.count(addition) for addition in additions.ADDITIONS]
    print(additions.shown(counts))
    sys.exit(not all(each.is_fine for each in counts))
