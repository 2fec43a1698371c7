"""Sources of loan groups, one module a kind, with `Config` and `build(name, config, reader, clock, kept)`.

A book reports groups and the lines that it refuses. What a line means is in `core.loans`. What books share is in `_base`, the
reading of lines in `_lines`, and the memory of the lines in force in `_seen`. Read `_base` first, then `file`.
"""
