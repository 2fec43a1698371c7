"""From lines of a file to columns. It leaves to core each line that it is not sure about. Read `packer.py` first."""
