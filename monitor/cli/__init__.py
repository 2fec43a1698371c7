"""The commands of `monitor`. Nothing else prints.

`main` runs them and holds those that need no file of their own; `operator` and `portfolio` hold those of an operator and of
the whole book. `output` and `portfolio_tables` show answers to people, `options` has the flags that commands share. A command
asks a running daemon through `monitor.client`. Read `main` first.
"""
