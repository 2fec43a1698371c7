"""Imported by the process that shards are forked from: it has the array libraries and the compiled loops already.

So a replacement is there in some hundredths of a second, and the code is in memory once.
"""

from monitor.engine.spread import local as local
from monitor.engine.spread.shard import warm_once

warm_once()
