# mypy: disable-error-code="no-untyped-def"
"""The four innermost loops of boosting as explicit vector code, a vector = the lanes of one row.

Numba's own vectoriser leaves these loops much slower, because it cannot keep the sums of a run
of rows in registers. Here they are built from LLVM vector operations, so that LLVM maps them to whatever the
processor has (AVX-512, AVX2, SSE, NEON). Every operation acts on each lane alone and in the same order,
whatever the number of lanes: a lane's numbers are the same to the last bit beside any neighbours.

The number of lanes, and of powers, is the length of a tuple argument.

Numba's cache looks at the file of the calling function alone: whoever changes this file also saves
boost_kernels.py and boost_scores.py anew, or works on stale code.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I64 = ir.IntType(64)
_F64 = ir.DoubleType()
_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to a whole number, left in the low bits
CLIP = 72.0  # log-odds; mboost clips its half log-odds at 36
CHUNK = 4  # rows whose 1 + exp(.) are multiplied, to divide and to set the exponent aside once
_FACTORIALS = (
    6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0,
    2.0, 1.0, 1.0,
)  # fmt: skip

vector: Any = intrinsic


class _Lanes:
    """Emit operations on vectors of lanes."""

    def __init__(self, context: Any, builder: Any, lanes: int, stride: int | None = None) -> None:
        self.context, self.builder, self.lanes, self.stride = context, builder, lanes, stride or lanes
        self.kind = ir.VectorType(_F64, lanes)
        self.whole = ir.VectorType(_I64, lanes)
        function = ir.FunctionType(self.kind, [self.kind] * 3)
        self._fma = cgutils.get_or_insert_function(builder.module, function, f"llvm.fmuladd.v{lanes}f64")

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self._fma, [a, b, c])

    def constant(self, value: float) -> Any:
        return ir.Constant(self.kind, [value] * self.lanes)

    def integers(self, value: int) -> Any:
        return ir.Constant(self.whole, [value] * self.lanes)

    def splat(self, scalar: Any) -> Any:
        single = self.builder.insert_element(
            ir.Constant(self.kind, ir.Undefined), scalar, ir.Constant(_I64, 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, ir.Constant(self.kind, ir.Undefined), mask)

    def pointer(self, array_type: Any, array: Any, place: Any) -> Any:
        """Return the address of element `place` of an array's data."""
        data = self.context.make_array(array_type)(self.context, self.builder, array).data
        return self.builder.gep(data, [place])

    def row(self, data: Any, number: Any) -> Any:
        """Return the address of vector `number` behind `data`."""
        place = self.builder.mul(number, ir.Constant(_I64, self.stride))
        return self.builder.bitcast(self.builder.gep(data, [place]), self.kind.as_pointer())

    def load(self, address: Any) -> Any:
        value = self.builder.load(address)
        value.align = 8
        return value

    def store(self, value: Any, address: Any) -> None:
        self.builder.store(value, address).align = 8

    def variable(self, value: Any) -> Any:
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def exp(self, x: Any) -> Any:
        """Return exp(x), |x| <= 700, to about one unit in the last place."""
        b = self.builder
        rounded = self.fma(x, self.constant(_LOG2E), self.constant(_ROUND))
        k = b.fsub(rounded, self.constant(_ROUND))
        r = self.fma(k, self.constant(-_LN2_HIGH), x)
        r = self.fma(k, self.constant(-_LN2_LOW), r)
        p = self.constant(1.0 / _FACTORIALS[0])
        for factorial in _FACTORIALS[1:]:
            p = self.fma(p, r, self.constant(1.0 / factorial))
        word = b.add(b.bitcast(rounded, self.whole), self.integers(1023))
        return b.fmul(p, b.bitcast(b.shl(word, self.integers(52)), self.kind))

    def reciprocals(self, values: list[Any]) -> tuple[Any, list[Any]]:
        """Return the product of the values and their reciprocals, with one division."""
        b = self.builder
        if len(values) == 1:
            return values[0], [b.fdiv(self.constant(1.0), values[0])]
        if len(values) == 2:
            product = b.fmul(*values)
            inverse = b.fdiv(self.constant(1.0), product)
            return product, [b.fmul(inverse, values[1]), b.fmul(inverse, values[0])]
        left, right = b.fmul(values[0], values[1]), b.fmul(values[2], values[3])
        product = b.fmul(left, right)
        inverse = b.fdiv(self.constant(1.0), product)
        first, second = b.fmul(inverse, right), b.fmul(inverse, left)
        return product, [
            b.fmul(first, values[1]), b.fmul(first, values[0]),
            b.fmul(second, values[3]), b.fmul(second, values[2]),
        ]  # fmt: skip

    def clip(self, x: Any) -> Any:
        b = self.builder
        low, high = self.constant(-CLIP), self.constant(CLIP)
        x = b.select(b.fcmp_ordered("<", x, low), low, x)
        return b.select(b.fcmp_ordered(">", x, high), high, x)


def _rows(emit: _Lanes, order_type: Any, order: Any, t_type: Any, t: Any, first: Any, last: Any) -> Any:
    """Loop over sorted places; yield the row within the tile and its t."""
    b = emit.builder
    with cgutils.for_range_slice(b, first, last, ir.Constant(_I64, 1), _I64) as (place, _):
        row = b.zext(b.load(emit.pointer(order_type, order, place)), _I64)
        yield row, b.load(emit.pointer(t_type, t, place))


@vector
def add_polynomials(typingctx: Any, tag: Any, link: Any, base: Any, order: Any, t: Any, first: Any, last: Any,
                    poly: Any, at: Any) -> Any:  # fmt: skip
    """Add a cubic in t to the link (n, lanes) of sorted rows first..last of a tile.

    The tile starts at row `base`. `poly` is a flat array; the cubic's four vectors begin at element `at`.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        _, link_, base_, order_, t_, first_, last_, poly_, at_ = arguments
        emit = _Lanes(context, builder, len(signature.args[0]))
        cubic = emit.pointer(signature.args[7], poly_, at_)
        a = [emit.load(emit.row(cubic, ir.Constant(_I64, q))) for q in range(4)]
        data = emit.pointer(signature.args[1], link_, builder.mul(base_, ir.Constant(_I64, emit.lanes)))
        for row, value in _rows(emit, signature.args[3], order_, signature.args[4], t_, first_, last_):
            x = emit.splat(value)
            address = emit.row(data, row)
            sum_ = emit.fma(emit.fma(emit.fma(a[3], x, a[2]), x, a[1]), x, a[0])
            emit.store(builder.fadd(emit.load(address), sum_), address)

    return types.void(tag, link, types.int64, order, t, types.int64, types.int64, poly, types.int64), codegen


@vector
def add_polynomial(typingctx: Any, tag: Any, link: Any, base: Any, order: Any, t: Any, first: Any, last: Any,
                   poly: Any, at: Any, lane: Any) -> Any:  # fmt: skip
    """As `add_polynomials`, for one lane alone (the others would add 0)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        _, link_, base_, order_, t_, first_, last_, poly_, at_, lane_ = arguments
        emit = _Lanes(context, builder, len(signature.args[0]))
        lanes = ir.Constant(_I64, emit.lanes)
        cubic = emit.pointer(signature.args[7], poly_, builder.add(at_, lane_))
        a = [builder.load(builder.gep(cubic, [ir.Constant(_I64, q * emit.lanes)])) for q in range(4)]
        place = builder.add(builder.mul(base_, lanes), lane_)
        data = emit.pointer(signature.args[1], link_, place)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_F64, [_F64] * 3), "llvm.fmuladd.f64"
        )
        for row, x in _rows(emit, signature.args[3], order_, signature.args[4], t_, first_, last_):
            address = builder.gep(data, [builder.mul(row, lanes)])
            sum_ = a[3]
            for q in (2, 1, 0):
                sum_ = builder.call(fma, [sum_, x, a[q]])
            builder.store(builder.fadd(builder.load(address), sum_), address)

    integer = types.int64
    return types.void(tag, link, integer, order, t, integer, integer, poly, integer, integer), codegen


@vector
def add_powers(typingctx: Any, tag: Any, part: Any, powers: Any, tile: Any, order: Any, t: Any, first: Any,
               last: Any, out: Any, at: Any) -> Any:  # fmt: skip
    """Add the sums of v, vt, vt^2, ... over sorted rows first..last to vectors of flat `out`.

    `tile` (rows of the tile, lanes) holds v. `part` is the number of lanes summed, as a tuple, and `at` the
    element of the first of them, from which their place in the row follows.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        _, _, _, tile_, order_, t_, first_, last_, out_, at_ = arguments
        emit = _Lanes(context, builder, len(signature.args[1]), len(signature.args[0]))
        sums = emit.pointer(signature.args[8], out_, at_)
        places = [emit.row(sums, ir.Constant(_I64, q)) for q in range(len(signature.args[2]))]
        running = [emit.variable(emit.load(place)) for place in places]
        data = emit.pointer(signature.args[3], tile_, builder.srem(at_, ir.Constant(_I64, emit.stride)))
        for row, value in _rows(emit, signature.args[4], order_, signature.args[5], t_, first_, last_):
            v = emit.load(emit.row(data, row))
            power = None
            for variable in running:
                total = builder.load(variable)
                if power is None:
                    total, power = builder.fadd(total, v), value
                else:
                    total = emit.fma(v, emit.splat(power), total)
                    power = builder.fmul(power, value)
                builder.store(total, variable)
        for variable, place in zip(running, places, strict=True):
            emit.store(builder.load(variable), place)

    integer = types.int64
    return types.void(tag, part, powers, tile, order, t, integer, integer, out, integer), codegen


@vector
def set_gradient(typingctx: Any, tag: Any, link: Any, first: Any, last: Any, sign: Any, factor: Any,
                 shift: Any, tile: Any, base: Any, sums: Any) -> Any:  # fmt: skip
    """Renew the gradient of rows first..last, which in each lane share outcome and weight.

    link += shift; v = factor * e / (1 + e) with e = exp(-sign * link) goes to the tile that starts at row
    `base`; sign, factor and shift are vectors of lanes. Flat `sums` receives three vectors: the sum of v, and
    mantissa and binary exponent of the product of 1 + e, whose logarithm is the loss.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        _, link_, first_, last_, sign_, factor_, shift_, tile_, base_, sums_ = arguments
        emit = _Lanes(context, builder, len(signature.args[0]))
        zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
        data = emit.pointer(signature.args[1], link_, zero)
        out = emit.pointer(signature.args[7], tile_, zero)
        weight = emit.load(emit.row(emit.pointer(signature.args[5], factor_, zero), zero))
        add = emit.load(emit.row(emit.pointer(signature.args[6], shift_, zero), zero))
        sign = emit.load(emit.row(emit.pointer(signature.args[4], sign_, zero), zero))
        against = builder.fsub(emit.constant(-0.0), sign)
        total = emit.variable(emit.constant(0.0))
        product = emit.variable(emit.constant(1.0))
        exponent = emit.variable(emit.integers(0))

        def some_rows(row: Any, count: int) -> None:
            """Renew `count` rows with one division: 1/a = (1/ab) b."""
            rows = [builder.add(row, ir.Constant(_I64, i)) for i in range(count)]
            odds, wrong = [], []
            for place in rows:
                address = emit.row(data, place)
                x = builder.fadd(emit.load(address), add)
                emit.store(x, address)
                odds.append(emit.exp(emit.clip(builder.fmul(x, against))))
                wrong.append(builder.fadd(odds[-1], emit.constant(1.0)))
            all_, inverses = emit.reciprocals(wrong)
            sum_ = builder.load(total)
            for place, e, inverse in zip(rows, odds, inverses, strict=True):
                v = builder.fmul(weight, builder.fmul(e, inverse))
                emit.store(v, emit.row(out, builder.sub(place, base_)))
                sum_ = builder.fadd(sum_, v)
            builder.store(sum_, total)
            word = builder.bitcast(builder.fmul(builder.load(product), all_), emit.whole)
            power = builder.sub(builder.lshr(word, emit.integers(52)), emit.integers(1023))
            builder.store(builder.add(builder.load(exponent), power), exponent)
            rest = builder.or_(builder.and_(word, emit.integers((1 << 52) - 1)), emit.integers(1023 << 52))
            builder.store(builder.bitcast(rest, emit.kind), product)

        together = ir.Constant(_I64, CHUNK)
        count = builder.sub(last_, first_)
        middle = builder.add(first_, builder.sub(count, builder.srem(count, together)))
        with cgutils.for_range_slice(builder, first_, middle, together, _I64) as (row, _):
            some_rows(row, CHUNK)
        with cgutils.for_range_slice(builder, middle, last_, one, _I64) as (row, _):
            some_rows(row, 1)
        store = emit.pointer(signature.args[9], sums_, zero)
        emit.store(builder.load(total), emit.row(store, zero))
        emit.store(builder.load(product), emit.row(store, one))
        emit.store(builder.sitofp(builder.load(exponent), emit.kind), emit.row(store, ir.Constant(_I64, 2)))

    signature = types.void(tag, link, types.int64, types.int64, sign, factor, shift, tile, types.int64, sums)
    return signature, codegen
