// The operations of the tile machine: one loop each over a tile's registers, found by number in `tile_functions`.
#pragma once
#include "../simd/math.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

// Element i of an argument is data[i & mask]: the mask is -1 for a tile, 0 for one register full of a repeated value.
template <class T>
struct TileArgument {
  const T* data;
  int64_t mask;
};
template <class T>
using TileFunction = void (*)(T* y, const TileArgument<T>* args, int n);

template <class T>
NABLA_INLINE Vec<T> truth_of(Mask<T> m) {
  return select(m, Vec<T>::all(T(1)), Vec<T>::zero());
}
template <class T>
NABLA_INLINE Mask<T> is_true(Vec<T> v) {
  return v != Vec<T>::zero();
}

namespace tile_op {
// What the machine defines by itself is copied where it must be stored.
struct load {
  template <class T>
  static NABLA_INLINE Vec<T> of(Vec<T> a, Vec<T>, Vec<T>) {
    return a;
  }
};
using constant = load;
using uniform = load;
using index = load;

#define NABLA_UNARY(name, expression)                         \
  struct name {                                               \
    template <class T>                                        \
    static NABLA_INLINE Vec<T> of(Vec<T> a, Vec<T>, Vec<T>) { \
      return expression;                                      \
    }                                                         \
  };
#define NABLA_BINARY(name, expression)                          \
  struct name {                                                 \
    template <class T>                                          \
    static NABLA_INLINE Vec<T> of(Vec<T> a, Vec<T> b, Vec<T>) { \
      return expression;                                        \
    }                                                           \
  };
NABLA_UNARY(neg, -a)
NABLA_UNARY(abs, NABLA_ISA::abs(a))
NABLA_UNARY(sign, NABLA_ISA::sign(a))
NABLA_UNARY(exp, NABLA_ISA::exp(a))
NABLA_UNARY(expm1, NABLA_ISA::expm1(a))
NABLA_UNARY(log, NABLA_ISA::log(a))
NABLA_UNARY(log1p, NABLA_ISA::log1p(a))
NABLA_UNARY(sqrt, NABLA_ISA::sqrt(a))
NABLA_UNARY(sin, NABLA_ISA::sin(a))
NABLA_UNARY(cos, NABLA_ISA::cos(a))
NABLA_UNARY(tanh, NABLA_ISA::tanh(a))
NABLA_UNARY(sigmoid, NABLA_ISA::sigmoid(a))
NABLA_UNARY(erf, NABLA_ISA::erf(a))
NABLA_UNARY(floor, NABLA_ISA::floor(a))
NABLA_UNARY(ceil, NABLA_ISA::ceil(a))
NABLA_UNARY(round, NABLA_ISA::round(a))
NABLA_UNARY(trunc, NABLA_ISA::trunc(a))
NABLA_UNARY(logical_not, truth_of(~is_true(a)))
NABLA_BINARY(add, a + b)
NABLA_BINARY(sub, a - b)
NABLA_BINARY(mul, a* b)
NABLA_BINARY(div, a / b)
NABLA_BINARY(pow, NABLA_ISA::pow(a, b))
NABLA_BINARY(mod, NABLA_ISA::mod(a, b))
NABLA_BINARY(maximum, NABLA_ISA::maximum(a, b))
NABLA_BINARY(minimum, NABLA_ISA::minimum(a, b))
NABLA_BINARY(eq, truth_of(a == b))
NABLA_BINARY(ne, truth_of(a != b))
NABLA_BINARY(lt, truth_of(a < b))
NABLA_BINARY(le, truth_of(a <= b))
NABLA_BINARY(gt, truth_of(a > b))
NABLA_BINARY(ge, truth_of(a >= b))
NABLA_BINARY(logical_and, truth_of(is_true(a) & is_true(b)))
NABLA_BINARY(logical_or, truth_of(is_true(a) | is_true(b)))
#undef NABLA_UNARY
#undef NABLA_BINARY
struct where {
  template <class T>
  static NABLA_INLINE Vec<T> of(Vec<T> a, Vec<T> b, Vec<T> c) {
    return select(is_true(a), b, c);
  }
};
}  // namespace tile_op

template <class T, class Op, int arity>
void apply(T* y, const TileArgument<T>* args, int n) {
  const TileArgument<T> a = args[0], b = arity > 1 ? args[1] : a, c = arity > 2 ? args[2] : a;
  sweep<T>(n, [&](int64_t i, auto lanes) {
    const Vec<T> x = load(a.data + (i & a.mask), lanes);
    const Vec<T> u = arity > 1 ? load(b.data + (i & b.mask), lanes) : x;
    const Vec<T> v = arity > 2 ? load(c.data + (i & c.mask), lanes) : x;
    store(y + i, Op::of(x, u, v), lanes);
  });
}

template <class T>
constexpr TileFunction<T> tile_functions[] = {
#define X(name, arity) apply<T, tile_op::name, arity>,
    NABLA_TILE_OPS(X)
#undef X
};

}  // namespace nabla::NABLA_ISA
