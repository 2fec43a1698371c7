"""Eight groups at a time: what a slice adds up, whether one of it is beyond a line, and the least of the lines of a ladder.

numba has no vectors, so these few steps are written in the terms of its compiler. A price is fetched by eight plain loads,
put together: on processors of today that takes a third of the time of their own instruction for it. The plain twins of these
functions give the same answers, where a processor has no vectors that are wide enough to gain by them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from monitor.engine.columns.fields import F64, U16, U32
from monitor.engine.compiled import borrowing
from monitor.engine.screen.arrays import LANES, LINES

_I8, _I16, _I32, _I64, _F64 = (*(ir.IntType(bits) for bits in (8, 16, 32, 64)), ir.DoubleType())
_tools: Any = cgutils
_LANES = ir.VectorType(_F64, LANES)
_FUSED = ("contract",)
"""A product may go into a sum unrounded, where the processor can do both at once."""


def _data(target: Any, builder: Any, signature: Any, arguments: Any, which: int) -> Any:
    return target.make_array(signature.args[which])(target, builder, arguments[which]).data


def _load(builder: Any, data: Any, place: Any, kind: Any) -> Any:
    vector = ir.VectorType(kind, LANES)
    found = builder.load(builder.bitcast(builder.gep(data, [place]), vector.as_pointer()))
    found.align = kind.width // 8 if isinstance(kind, ir.IntType) else 8
    return found


def _places(builder: Any, data: Any, first: Any, kind: Any) -> list[Any]:
    """Eight numbers that lie side by side, taken out of words of 64 bits: plain shifts, as vectors give single numbers out
    slowly."""
    found, a_word = [], 64 // kind.width
    for word in range(LANES // a_word):
        address = builder.gep(data, [builder.add(first, _I64(word * a_word))])
        bits = builder.load(builder.bitcast(address, _I64.as_pointer()))
        bits.align = kind.width // 8
        for k in range(a_word):
            found.append(builder.and_(builder.lshr(bits, _I64(k * kind.width)), _I64((1 << kind.width) - 1)))
    return found


def _look_up(builder: Any, table: Any, places: list[Any]) -> Any:
    found = ir.Constant(_LANES, ir.Undefined)
    for lane, place in enumerate(places):
        found = builder.insert_element(found, builder.load(builder.gep(table, [place])), _I32(lane))
    return found


def _times_plus(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=_FUSED), c, flags=_FUSED)


def _summed(builder: Any, amounts: Any, runs: Any, units: Any, at: Any, slots: Any, start: Any) -> Any:
    """What these slots of a slice come to, added to `start`."""
    total = _tools.alloca_once_value(builder, start)
    with _tools.for_range(builder, slots) as loop:
        place = builder.add(at, builder.mul(loop.index, _I64(LANES)))
        usd = _look_up(builder, units, _places(builder, runs, place, _I16))
        builder.store(_times_plus(builder, _load(builder, amounts, place, _F64), usd, builder.load(total)), total)
    return builder.load(total)


def _put(builder: Any, vector: Any, data: Any, place: Any) -> None:
    builder.store(vector, builder.bitcast(builder.gep(data, [place]), _LANES.as_pointer())).align = 8


def _put_past(builder: Any, vector: Any, data: Any, place: Any) -> None:
    """Writes a whole cache line past the caches, which would read it first. The place must begin a line."""
    stored = builder.store(vector, builder.bitcast(builder.gep(data, [place]), _LANES.as_pointer()))
    stored.align = 8 * LANES
    stored.set_metadata("nontemporal", builder.module.add_metadata([_I32(1)]))


def _add_slots(context: Any, amount: Any, run: Any, unit: Any, at: Any, slots: Any, into: Any, seat: Any) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        amounts, runs, units, sums = (_data(target, builder, signature, arguments, k) for k in (0, 1, 2, 5))
        at, slots, seat = arguments[3], arguments[4], arguments[6]
        _put(builder, _summed(builder, amounts, runs, units, at, slots, _load(builder, sums, seat, _F64)), sums, seat)
        return target.get_dummy_value()

    return types.void(amount, run, unit, types.int64, types.int64, into, types.int64), emit


_PAIRS = ([0, 8, 1, 9, 2, 10, 3, 11], [4, 12, 5, 13, 6, 14, 7, 15])
"""Which of two times eight floats stand where, when they are laid in pairs."""


def _weigh_slice(
    context: Any,
    amount: Any,
    run: Any,
    unit: Any,
    at: Any,
    held: Any,
    owed: Any,
    seed: Any,
    seat: Any,
    sums: Any,
    band: Any,
    place: Any,
    low: Any,
    high: Any,
) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        amounts, runs, units, seeds, pairs, bands, lows, highs = (
            _data(target, builder, signature, arguments, k) for k in (0, 1, 2, 6, 8, 9, 11, 12)
        )
        at, held, owed, seat, place = (arguments[k] for k in (3, 4, 5, 7, 10))
        none = ir.Constant(_LANES, [_F64(0.0)] * LANES)
        counted = _summed(builder, amounts, runs, units, at, held, _load(builder, seeds, seat, _F64))
        debts = builder.add(at, builder.mul(held, _I64(LANES)))
        debt = _summed(builder, amounts, runs, units, debts, owed, none)
        for half, order in enumerate(_PAIRS):
            mask = ir.Constant(ir.VectorType(_I32, LANES), [_I32(lane) for lane in order])
            first = builder.add(builder.mul(place, _I64(2)), _I64(half * LANES))
            _put_past(builder, builder.shuffle_vector(debt, counted, mask), pairs, first)
        places = _places(builder, bands, place, _I32)
        above = builder.fcmp_ordered(">=", debt, builder.fmul(_look_up(builder, highs, places), counted))
        owes = builder.fcmp_ordered(">", debt, none)
        below = builder.fcmp_ordered("<=", debt, builder.fmul(_look_up(builder, lows, places), counted))
        return builder.zext(builder.bitcast(builder.or_(builder.and_(above, owes), below), _I8), _I64)

    whole = types.int64
    return whole(amount, run, unit, whole, whole, whole, seed, whole, sums, band, whole, low, high), emit


def _least_line(context: Any, slope: Any, intercept: Any, instrument: Any, value: Any) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        slopes, intercepts = (_data(target, builder, signature, arguments, k) for k in (0, 1))
        first = builder.mul(arguments[2], _I64(LINES))
        none = ir.Constant(_LANES, ir.Undefined)
        one = builder.insert_element(none, arguments[3], _I32(0))
        value = builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(_I32, LINES), [_I32(0)] * LINES))
        lines = _times_plus(
            builder, _load(builder, slopes, first, _F64), value, _load(builder, intercepts, first, _F64)
        )
        shape = ir.FunctionType(_F64, [_LANES])
        least = _tools.get_or_insert_function(builder.module, shape, "llvm.vector.reduce.fmin.v8f64")
        return builder.call(least, [lines], fastmath=("nnan", "nsz"))

    return types.float64(slope, intercept, types.int64, types.float64), emit


def _finish_writes(context: Any) -> Any:
    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return target.get_dummy_value()

    return types.void(), emit


@borrowing
def finish_writes_plainly() -> None:
    """Another thread sees what was written before, also what went past the caches."""


@borrowing
def add_slots_plainly(amount: F64, run: U16, unit: F64, at: int, slots: int, into: F64, seat: int) -> None:
    """Adds what these slots of a slice come to to the sums of its eight groups."""
    for lane in range(LANES):
        total = into[seat + lane]
        for place in range(at + lane, at + LANES * slots + lane, LANES):
            total += amount[place] * unit[run[place]]
        into[seat + lane] = total


@borrowing
def weigh_slice_plainly(
    amount: F64,
    run: U16,
    unit: F64,
    at: int,
    held: int,
    owed: int,
    seed: F64,
    seat: int,
    sums: F64,
    band: U32,
    place: int,
    low: F64,
    high: F64,
) -> int:
    """Weighs eight groups of a block without liabilities and flags, and writes their sums in pairs into `sums`, which begins
    with a cache line. Their holdings are added to `seed`. Returns one bit for each: it is at or beyond a line."""
    found, first_debt = 0, at + LANES * held
    for lane in range(LANES):
        debt, counted, lines = 0.0, seed[seat + lane], band[place + lane]
        for k in range(at + lane, first_debt + lane, LANES):
            counted += amount[k] * unit[run[k]]
        for k in range(first_debt + lane, first_debt + LANES * owed + lane, LANES):
            debt += amount[k] * unit[run[k]]
        sums[2 * (place + lane)], sums[2 * (place + lane) + 1] = debt, counted
        is_above = (debt >= high[lines] * counted) & (debt > 0.0)
        found |= (is_above | (debt <= low[lines] * counted)) << lane
    return found


@borrowing
def least_line_plainly(slope: F64, intercept: F64, instrument: int, value: float) -> float:
    """What a ladder whose shares never rise counts of a value."""
    first = instrument * LINES
    least: float = intercept[first] + slope[first] * value
    for line in range(first + 1, first + LINES):
        least = min(least, intercept[line] + slope[line] * value)
    return least


def is_wide() -> bool:
    """Code is compiled for a processor that holds four or eight floats in a register and can add products to them."""
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return "+fma" in features and ("+avx2" in features or "+avx512f" in features)


IS_WIDE = is_wide()
add_slots: Any = intrinsic(_add_slots) if IS_WIDE else add_slots_plainly
weigh_slice: Any = intrinsic(_weigh_slice) if IS_WIDE else weigh_slice_plainly
finish_writes: Any = intrinsic(_finish_writes) if IS_WIDE else finish_writes_plainly
least_line: Any = intrinsic(_least_line) if IS_WIDE else least_line_plainly
