"""A desk's own tables: from a spreadsheet or a CSV file to groups (decision 79).

`work` is a process of its own that reads a file and says how each group would stand; the daemon starts it, so that no file of
anybody makes the event loop or core wait.
"""
