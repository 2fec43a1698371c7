"""Steps of the stage table that are proved by column, and the groups that took them, kept until their figures are wanted.

Read `choosing.py` first: which steps are plain. `moved.py` works out the exact figures of one of the groups.
"""
