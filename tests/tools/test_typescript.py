"""The dashboard's types are those of the structs that the monitor sends."""

from __future__ import annotations

import msgspec

from monitor.core.stages.stages import Stage
from tools import typescript


class Sample(msgspec.Struct, frozen=True):
    """What a struct may hold."""

    id: str
    stage: Stage
    from_: str | None = msgspec.field(name="from")
    day_rate: str = msgspec.field(name="30d", default="0")
    stages: dict[str, int] = {}
    tables: list[list[int | None]] = []


def test_the_dashboards_types_are_current() -> None:
    assert typescript.FILE.read_text(encoding="utf-8") == typescript.types(), "run: python -m tools.typescript"


def test_a_struct_is_an_interface() -> None:
    assert typescript.interface("Sample", msgspec.json.schema_components([Sample])[1]["Sample"]) == (
        "\nexport interface Sample {\n"
        "  readonly id: string;\n"
        "  readonly stage: Stage;\n"
        "  readonly from: string | null;\n"
        '  readonly "30d"?: string;\n'
        "  readonly stages?: Readonly<Record<Stage, number>>;\n"
        "  readonly tables?: readonly (readonly (number | null)[])[];\n"
        "}\n"
    )
