"""Sources of loans, one file each. What they share is in `_base.py`, `_lines.py` and `_line_memory.py`."""
