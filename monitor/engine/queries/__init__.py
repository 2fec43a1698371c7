"""What lists and snapshots ask of the columns: floats choose and put in order, core shows exactly.

Read `listing.py` and `snapshot.py` first.
"""
