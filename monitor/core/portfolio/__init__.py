"""The whole book at one instant: lists, stress, exposure, and `PlainBook`, the exact reference.

Read `snapshot.py` first.
"""
