// The operations of the tile machine, as threaded code: each is a function that works on a block of elements, held in
// registers, and goes on to the next.
#pragma once
#include "../simd/math.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

// Registers of a block, which functions hand on as arguments: where there are 32 they need not be few.
template <class T>
constexpr int kHeld = sizeof(Vec<T>) == 64 ? 8 : 4;
template <class T>
constexpr int kBlock = kHeld<T> * Vec<T>::lanes;  // elements

// Memory of an argument: of the block at element i it lies at data + (i & mask). The mask is -1 for an operand that
// goes along with the blocks, 0 for one block that all share.
template <class T>
struct TileArgument {
  T* data;
  int64_t mask;
};
template <class T>
struct TileInstruction;
template <class T, int n, class... V>
struct TileFunctionOf : TileFunctionOf<T, n - 1, Vec<T>, V...> {};
template <class T, class... V>
struct TileFunctionOf<T, 0, V...> {
  using Type = void (*)(const TileInstruction<T>* at, int64_t i, V... held);
};
template <class T>
using TileFunction = typename TileFunctionOf<T, kHeld<T>>::Type;
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

// Goes on to the next instruction with what is in x.
template <class T, class... V>
NABLA_INLINE void go_on(const TileInstruction<T>* at, int64_t i, const Vec<T>* x, V... held) {
  if constexpr (sizeof...(held) < kHeld<T>)
    return go_on(at, i, x + 1, held..., *x);
  else
    return at[1].run(at + 1, i, held...);  // a jump, as nothing is left to do here
}

// One operation. Argument k is what the registers hold if bit k of `from` is set, else it is read from memory.
template <class T, class Op, int arity, int from, class... V>
void apply(const TileInstruction<T>* at, int64_t i, V... held) {
  const auto argument = [&](auto k, int64_t r, Vec<T> v) {
    if constexpr (k.value >= arity || (from >> k.value & 1))
      return v;
    else
      return Vec<T>::load(at->args[k.value].data + (i & at->args[k.value].mask) + r * Vec<T>::lanes);
  };
  Vec<T> x[] = {held...};
  NABLA_UNROLL
  for (int r = 0; r < kHeld<T>; ++r)
    x[r] = Op::of(argument(Index<0>{}, r, x[r]), argument(Index<1>{}, r, x[r]), argument(Index<2>{}, r, x[r]));
  go_on(at, i, x);
}

// Writes what the registers hold to argument 0.
template <class T, bool past_caches, class... V>
void put(const TileInstruction<T>* at, int64_t i, V... held) {
  const Vec<T> x[] = {held...};
  T* const to = at->args[0].data + (i & at->args[0].mask);
  NABLA_UNROLL
  for (int r = 0; r < kHeld<T>; ++r) {
    if constexpr (past_caches)
      x[r].stream(to + r * Vec<T>::lanes);
    else
      x[r].store(to + r * Vec<T>::lanes);
  }
  go_on(at, i, x);
}
template <class T>
constexpr TileFunction<T> tile_puts[] = {put<T, false>, put<T, true>};

// Adds what the registers hold to argument 0.
template <class T, class... V>
void add_to(const TileInstruction<T>* at, int64_t i, V... held) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> x[] = {held...};
  T* const to = at->args[0].data + i;
  NABLA_UNROLL
  for (int r = 0; r < kHeld<T>; ++r) (Vec<T>::load(to + r * lanes) + x[r]).store(to + r * lanes);
  go_on(at, i, x);
}

// Asks for what argument 0 will be some blocks later.
template <class T, class... V>
void fetch(const TileInstruction<T>* at, int64_t i, V... held) {
  constexpr int64_t ahead = 2048 / static_cast<int64_t>(sizeof(T)), line = 64 / static_cast<int64_t>(sizeof(T));
  const Vec<T> x[] = {held...};
  for (int64_t k = 0; k < kBlock<T>; k += line) prefetch(at->args[0].data + i + ahead + k);
  go_on(at, i, x);
}

template <class T, class... V>
void finish(const TileInstruction<T>*, int64_t, V...) {}

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
