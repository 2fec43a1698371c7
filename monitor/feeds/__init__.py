"""Sources of prices, one file each. What they share is in `_base.py`."""
