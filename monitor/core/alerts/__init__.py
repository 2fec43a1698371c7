"""What can be said: the catalogue, the alert, what silences hide, the object that the outside sees.

Read `catalogue.py` first.
"""
