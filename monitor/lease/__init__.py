"""One head decides and sends: the lease in PostgreSQL that says which (decisions 143 to 146).

Begin with `terms.py`, which is arithmetic alone; `rows.py` is what stands in the database, `keeper.py` holds the lease, and
`peer.py` asks the other head. The daemon's part is `daemon/heads.py`.
"""
