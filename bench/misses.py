"""Why a figure is missed and what was tried, by its key: for the report, which says by how much."""

WHY: dict[str, str] = {}
