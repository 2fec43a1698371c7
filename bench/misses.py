"""Why a figure is missed and what was tried, by its key: for the report, which says by how much."""

WHY: dict[str, str] = {
    "sweep_over_bandwidth": (
        "A thread that only reads knows all its loads in advance. The sweep fetches each position's price from a table by "
        "eight plain loads that are put together; the processors' own instruction for it was slower, by hand and by the "
        "compiler. What may be beyond its first tier, one position in ten, is weighed alone and takes a quarter of the "
        "time, though it is tried first where it stood last. To weigh it in eights too was tried: runs of one instrument "
        "are too short for it. Two lines of each group are looked up, which takes as long as two positions."
    ),
    "numba_csr": (
        "At 10,000 groups the caches are cold. A tick takes nearly three times as long as with warm ones, where it is five "
        "times as fast as numba. A quarter of it is what memory allows at most, half is what calls from Python touch, the "
        "interpreter, objects and compiled code, line by line; the rest are side list and slots, whose reading begins anew "
        "with each block. Loops have all arrays at an address, in large pages, and a look is one call. At the larger sizes "
        "the faster the memory of a machine is for one core, the less a sweep gains that reads it in order."
    ),
    "numpy": "See the form that was tuned by hand in the table of sweeps: reductions of sorted positions are good code.",
    "python_float": "Python's floats cost the same on any machine, our sweep's memory does not: see the bound.",
    "python_decimal": "libmpdec is good code; what is missing here is what the sweep misses against its bound.",
    "two_threads": (
        "Two threads that only read take 0.89 of the time of one on this machine: one core takes most of the memory's "
        "bandwidth. At that rate the bytes of a sweep would take 0.63 of what one thread takes for it. The faster one thread "
        "became, the less a second one adds."
    ),
    "tick_ten": (
        "The groups that hold ten random assets are a tenth of the book in as many places. Each costs three cache lines "
        "(amount, sums, lines), which are asked for a block ahead, as those of the side list are. One core waits for so many "
        "lines at a time, and these are nine nanoseconds apart. To read all sums of a block in order gained nothing."
    ),
    "polars": "Both cores against one of ours; the form that is tuned by hand is in the table of sweeps.",
    "duckdb": "Both cores against one of ours.",
    "pandas": "Its group-by is a loop in C; what is missing here is what the sweep misses against its bound.",
    "tick_one": (
        "Two thirds are the visits, some 36 positions a block with amount, sums and lines, and the side list. The rest is "
        "the call from Python, with cold caches."
    ),
    "path_over_sweep": (
        "The sweep was made faster than what comes after it. Of some 480 groups that change stage most are decided by "
        "column. Then each alert has its state, id, deadlines and history in Python, and the commit writes rows of alerts "
        "and deliveries with their indices and one form of their figures, and waits for one sync of the disk."
    ),
    "path_over_csr": (
        "The sweep and the sync of the disk are a third of it. Each group that changed costs core and the commit some 45 "
        "us: its state, id and deadlines, and rows in the order of the log. A third of the 180 pages of a commit are the "
        "form of the figures, half of which are the prices."
    ),
    "storm_gain_over_before": (
        "What is left is SQLite: the rows of alerts and two deliveries with their indices, and the notices that they "
        "supersede, are half of it. Core takes a twelfth of what it took."
    ),
    "storm_gain": (
        "A single commit became cheaper as well (the record of 600 prices is one array), and where the disk syncs in a tenth "
        "of a millisecond there is little to share: an alert with two deliveries costs 30 to 40 us of SQLite and encoding."
    ),
    "render_us": (
        "Half of it are five texts, a quotient or two and some eight exact operations for each coin, 3.7 us together: some "
        "hundred steps of Python of 20 to 60 ns, of which the decimals are a quarter. What alerts have in common is "
        "encoded once. The rest are texts, sums and quotients of the alert as a whole, none above 2 us. A core that runs "
        "faster than 3 GHz is judged by its cycles. A core that others use takes a fifth more."
    ),
    "first_read_over_decode": (
        "Another process packs the lines. What is left to the daemon is to hand them over, to take the block back, and to "
        "look whether its groups are new and where they stand."
    ),
    "page_ms": (
        "The turns that lay a page's block in the screen and that put it: one pass each over its groups, which is not "
        "divided. It is the median over pages of the longest turn of each."
    ),
    "page_changed_ms": (
        "Turns in which several hundred changed groups are folded: their block is laid again as a whole. The others take a "
        "third of that."
    ),
    "midnight_sweeps": (
        "A fifth are the sums of rates: each of 600 kinds of loan has its own, exactly, and loans that become late make new "
        "ones; a sum takes 7 us with warm caches, and each block looks its kinds up. A tenth is one sweep, a tenth the "
        "slots. The rest are, block by block, the debts by column and the kinds of loans that have become late."
    ),
    "webhooks_single": (
        "Of a webhook a quarter is its body, half the post and what leads to it, and a quarter the record of it, five pages "
        "of the log of the store. Of the post no part is above 5 us but for the kernel's, which is 20 of some 250. To let 64 "
        "or 128 go at a time in place of 32 gained nothing."
    ),
    "webhooks_batched": (
        "A body of the specification is shorter than 20 kB, so six alerts share a post. What is left of each is its body, "
        "which is half of all, and its record. Bodies alone would allow some 17,000 a second."
    ),
    "loop_lateness_p99_ms": "The sweep holds no lock; what is left are other processes on the two cores of this machine.",
    "bytes_per_group": (
        "See the parts below; the rest is what the allocator keeps of reading the book. The largest parts are the amounts, "
        "twice: exactly and as floats."
    ),
    "runs_over_ours": (
        "Both read the same amounts; on a machine with fast memory the runs lose less by their branches. See the bound."
    ),
    "sources_ms": (
        "A third is to make 600 floats of the texts that a feed sent, most of the rest are three passes over them: against "
        "the frame before, against the other feeds, and which source leads each coin."
    ),
    "loop_lateness_storm_p99_ms": (
        "Core's Python gives the loop its turn after half a millisecond, looks for circles of garbage take one or two. "
        "What is left are other processes on the cores, which both threads of the daemon want at once."
    ),
}
