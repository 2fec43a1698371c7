"""From lines of a file to columns. A line of which it is not sure goes to core. Read `packer.py` first."""
