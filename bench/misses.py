"""Why a figure is missed and what was tried, by its key: for the report, which says by how much."""

WHY: dict[str, str] = {
    "sweep_over_bandwidth": (
        "A thread that only reads knows all its loads in advance. The sweep fetches each position's price from a table by "
        "eight plain loads that are put together; the processors' own instruction for it was slower, by hand and by the "
        "compiler. What may be beyond its first tier, one position in ten, is weighed alone, and sums are copied from the "
        "order of seats to that of rows."
    ),
    "numba_csr": "The faster the memory of a machine is for one core, the less a sweep gains that reads it in order.",
    "numpy": "See the form that was tuned by hand in the table of sweeps: reductions of sorted positions are good code.",
    "python_float": "Python's floats cost the same on any machine, our sweep's memory does not: see the bound.",
    "python_decimal": "libmpdec is good code; what is missing here is what the sweep misses against its bound.",
    "two_threads": "One core of this machine takes most of the memory's bandwidth, and a neighbour took part of the other.",
    "tick_ten": (
        "The groups that hold ten random assets are a tenth of the book in as many places. Each costs five cache lines "
        "(amount, two sums, seat and lines), which are asked for a block ahead; more of that gained nothing."
    ),
    "polars": "Both cores against one of ours; the form that is tuned by hand is in the table of sweeps.",
    "duckdb": "Both cores against one of ours.",
    "pandas": "Its group-by is a loop in C; what is missing here is what the sweep misses against its bound.",
    "tick_one": (
        "Four in five microseconds are spent on memory: some forty positions in each of 123 blocks, with amount, two "
        "sums, seat and lines in places of their own. The rest are the call from Python and a copy of the prices."
    ),
    "path_over_sweep": (
        "An alert is made of a group that is built from its columns, weighed and judged in exact decimals, and kept with all "
        "its inputs: about a tenth of a millisecond of Python for each of the 480 groups that change. Made cheaper were the "
        "frame (now under 1 ms), the lines told to the screen (one call a tick), the rows of the log (MessagePack "
        "arrays, statements for a whole commit). The next step would be to build and judge a batch of groups at once."
    ),
    "path_over_csr": (
        "The sweep and one commit that is synced are half of it. The groups that changed lie in all 123 blocks, four in "
        "each: each block is opened for them, and each group costs core and the commit some 60 us."
    ),
    "storm_gain_over_before": (
        "What is left is SQLite: the rows of states, alerts and two deliveries with their indices, and the notices that they "
        "supersede, are two thirds of it. Core takes a tenth of what it took."
    ),
    "storm_gain": (
        "A single commit became cheaper as well (the record of 600 prices is one array), and where the disk syncs in a tenth "
        "of a millisecond there is little to share: an alert with two deliveries costs 30 to 40 us of SQLite and encoding."
    ),
    "render_us": (
        "Half of it are cure amounts and liquidation prices: of each of eight coins some ten exact operations and a "
        "quotient, 1.7 us either way. A fifth are texts of decimals, an eighth the rows of inputs. Quotients of 38 digits "
        "in place of 250, and tiers that all groups share by their line, took off a tenth. A core that others use takes "
        "half as much again."
    ),
    "first_read_over_decode": (
        "Another process packs the lines. What is left to the daemon is to hand them over, to take the block back, and to "
        "look whether its groups are new and where they stand."
    ),
    "page_changed_ms": (
        "Turns in which several hundred changed groups are folded: their block is laid again as a whole. The others take a "
        "third of that."
    ),
    "midnight_sweeps": (
        "Each kind of loan has its sum of rates exactly, once for all blocks: 20 us a kind, 600 kinds. What is left are the "
        "debts of each block by column, put in order for the screen once more."
    ),
    "webhooks_single": (
        "Of a webhook a third is its body, four in ten the post and what leads to it, and a fifth the record of it. No more "
        "than 32 go at a time, so each sync of the disk serves 32 at most."
    ),
    "webhooks_batched": (
        "A body of the specification is shorter than 20 kB, so six alerts share a post. What is left of each is its body, "
        "which is half of all, and its record. Bodies alone would allow some 12,000 a second."
    ),
    "loop_lateness_p99_ms": "The sweep holds no lock; what is left are other processes on the two cores of this machine.",
    "bytes_per_group": "See the parts below; the rest is what the allocator keeps of reading the book.",
}
