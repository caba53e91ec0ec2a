// The operations of the tile machine, as threaded code: each is a function that works on a block of elements, held in
// registers, and goes on to the next.
#pragma once
#include "../simd/math.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

// Elements of a block: four registers, which functions hand on as arguments.
template <class T>
constexpr int kBlock = 4 * Vec<T>::lanes;

// Memory of an argument: of the block at element i it lies at data + (i & mask). The mask is -1 for an operand that
// goes along with the blocks, 0 for one block that all share.
template <class T>
struct TileArgument {
  T* data;
  int64_t mask;
};
template <class T>
struct TileInstruction;
template <class T>
using TileFunction = void (*)(const TileInstruction<T>* at, int64_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d);
template <class T>
struct TileInstruction {
  TileFunction<T> run;
  TileArgument<T> args[3];
};

template <class T>
NABLA_INLINE Vec<T> truth_of(Mask<T> m) {
  return select(m, Vec<T>::all(T(1)), Vec<T>::zero());
}
template <class T>
NABLA_INLINE Mask<T> is_true(Vec<T> v) {
  return v != Vec<T>::zero();
}

namespace tile_op {
// What the machine brings into registers by itself.
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

template <class T>
NABLA_INLINE void go_on(const TileInstruction<T>* at, int64_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  return at[1].run(at + 1, i, a, b, c, d);  // a jump, as nothing is left to do here
}

// One operation. Argument k is what the registers hold if bit k of `held` is set, else it is read from memory.
template <class T, class Op, int arity, int held>
void apply(const TileInstruction<T>* at, int64_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  const auto argument = [&](auto k, int64_t r, Vec<T> v) {
    if constexpr (k.value >= arity || (held >> k.value & 1))
      return v;
    else
      return Vec<T>::load(at->args[k.value].data + (i & at->args[k.value].mask) + r * Vec<T>::lanes);
  };
  const auto result = [&](int64_t r, Vec<T> v) {
    return Op::of(argument(Index<0>{}, r, v), argument(Index<1>{}, r, v), argument(Index<2>{}, r, v));
  };
  go_on(at, i, result(0, a), result(1, b), result(2, c), result(3, d));
}

// Writes what the registers hold to argument 0.
template <class T, bool past_caches>
void put(const TileInstruction<T>* at, int64_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  T* to = at->args[0].data + (i & at->args[0].mask);
  const auto write = [&](int r, Vec<T> v) {
    if constexpr (past_caches)
      v.stream(to + r * Vec<T>::lanes);
    else
      v.store(to + r * Vec<T>::lanes);
  };
  write(0, a), write(1, b), write(2, c), write(3, d);
  go_on(at, i, a, b, c, d);
}

// Adds what the registers hold to argument 0.
template <class T>
void add_to(const TileInstruction<T>* at, int64_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  T* to = at->args[0].data + i;
  const auto add = [&](int r, Vec<T> v) { (Vec<T>::load(to + r * Vec<T>::lanes) + v).store(to + r * Vec<T>::lanes); };
  add(0, a), add(1, b), add(2, c), add(3, d);
  go_on(at, i, a, b, c, d);
}

// Asks for what argument 0 will be some blocks later.
template <class T>
void fetch(const TileInstruction<T>* at, int64_t i, Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
  constexpr int64_t ahead = 2048 / static_cast<int64_t>(sizeof(T)), line = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t k = 0; k < kBlock<T>; k += line) prefetch(at->args[0].data + i + ahead + k);
  go_on(at, i, a, b, c, d);
}

template <class T>
void finish(const TileInstruction<T>*, int64_t, Vec<T>, Vec<T>, Vec<T>, Vec<T>) {}

// Operations of one argument, and long ones, have a single form: the first argument in registers.
constexpr bool has_one_form(TileOp op, int arity) {
  return op != TileOp::load && (arity < 2 || op == TileOp::pow || op == TileOp::mod);
}
template <class T, class Op, TileOp op, int arity, int held>
constexpr TileFunction<T> form = apply < T,
                          Op, arity, has_one_form(op, arity) ? 1 : held > ;

// By operation and by what the registers hold.
template <class T>
constexpr TileFunction<T> tile_functions[][4] = {
#define X(name, arity)                                                                             \
  {form<T, tile_op::name, TileOp::name, arity, 0>, form<T, tile_op::name, TileOp::name, arity, 1>, \
   form<T, tile_op::name, TileOp::name, arity, 2>, form<T, tile_op::name, TileOp::name, arity, 3>},
    NABLA_TILE_OPS(X)
#undef X
};

}  // namespace nabla::NABLA_ISA
