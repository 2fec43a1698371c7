"""What is durable, one file or package each. What a store promises is in `_base.py`."""
