"""The house seen from above."""

from __future__ import annotations

from tools.rooms import counted


def test_no_modules_import_each_other_in_a_ring() -> None:
    assert counted().circle == ()


def test_the_floor_imports_no_room_above_it() -> None:
    floor = {f"monitor.{name}" for name in ("clock", "control_characters", "crashpoint", "plugins", "telemetry")}
    assert not [arrow for arrow in counted().arrows if arrow[0] in floor and arrow[1] not in floor]
