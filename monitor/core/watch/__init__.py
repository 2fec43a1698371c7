"""What happens when an event comes: `RiskMonitor`, its watchers, and how an alert is raised.

Read `risk.py` first.
"""
