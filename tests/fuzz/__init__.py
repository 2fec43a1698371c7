"""Whatever comes in is read or refused, and never more than that: no other error, no hang, no price that is none.

`make test` tries some hundred inputs for each parser, the same in every run. `make soak` goes on with others for FUZZ_SECONDS
each; a failure names its seed. What was found once stands beside its test as an `@example`, so it is tried for ever.
"""
