"""Sources of flexible rates that change, one file each. What they share is in `_base.py`."""
