"""The tools, and what they write."""
