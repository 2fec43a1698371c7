"""The loan book over several processes: shards hold blocks and name suspects, the head decides (docs/scale.md).

Read `book.py` first. A shard decides nothing and writes nothing, so it may be killed, hung or forgotten at any moment.
"""
