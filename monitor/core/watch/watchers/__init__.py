"""What looks at the whole book, one watcher a module.

`RiskMonitor` shows each of them what changed, and runs its deadlines. Read `../watcher.py` first.
"""
