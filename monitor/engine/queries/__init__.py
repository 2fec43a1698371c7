"""Lists and surveys over columns: floats choose and put in order, core shows exactly.

Read `group_list.py` first.
"""
