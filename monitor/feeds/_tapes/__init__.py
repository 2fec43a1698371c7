"""Reads a file of past prices as it comes: what packs it, its encoding, its layout, its clock, its order.

`files` gives lines of text, `cells` and `symbols` read times, prices and names of coins, `layouts` finds out what a file is,
`survey` looks through it once before anything is played, `order` sorts it, `reader` gives its rows. Read `reader` first.
The feed that plays a tape on today's clock is `feeds/tape.py`.
"""
