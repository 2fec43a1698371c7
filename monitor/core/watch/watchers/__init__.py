"""What looks at the whole book, one watcher each.

`RiskMonitor` tells each of them of every event and of its deadlines.
"""
