// Epilogues of few steps, applied to results that are still in registers or in L1: bias, scale and shift, a residual,
// activations made of minima and maxima. Whatever is longer runs on the tile machine, over what has been written.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"
#include "views.h"

namespace nabla::NABLA_ISA {

constexpr int kMostLinks = 8;

// What results go through, link by link. An affine link is x ← min(max(x · scale + shift, low), high), what is not
// asked for being what changes nothing; a gate, as hard swish is, multiplies x by that; the others combine x with the
// element of its number.
template <class T>
struct Chain {
  enum class Kind : uint8_t { affine, gate, element };
  // A number; with columns, each column of the result has its own, times that.
  struct Operand {
    T value;
    const T* columns;
  };
  struct Link {
    Kind kind;
    Operand scale, shift;
    T low, high;
    TileOp op;  // of an element
    const T* data;

    static Link identity(Kind kind) {
      const T most = static_cast<T>(__builtin_huge_val());
      return {kind, {1, nullptr}, {T(-0.0), nullptr}, -most, most, TileOp::count, nullptr};
    }
  };
  int count;
  Link links[kMostLinks];

  bool is_affine() const { return count == 1 && links[0].kind == Kind::affine; }
};

// Whether a step is `op` of another one, which `x` becomes, and a constant.
template <class T>
bool with_constant(const Tile& tile, int step, TileOp op, int& x, T& value) {
  const TileStep& s = tile.steps[step];
  if (s.op != op) return false;
  for (int k = 0; k < 2; ++k) {
    const TileStep& constant = tile.steps[s.args[k]];
    if (constant.op != TileOp::constant) continue;
    value = static_cast<T>(constant.value);
    x = s.args[1 - k];
    return value == value;
  }
  return false;
}

// Whether a step is a gate of another one, which `x` becomes.
template <class T>
bool gate_of(const Tile& tile, int step, int& x, typename Chain<T>::Link& link) {
  const TileStep& s = tile.steps[step];
  if (s.op != TileOp::mul) return false;
  link = Chain<T>::Link::identity(Chain<T>::Kind::gate);
  for (int k = 0; k < 2; ++k) {
    int at = s.args[k];
    if (with_constant(tile, at, TileOp::minimum, at, link.high) &&
        with_constant(tile, at, TileOp::maximum, at, link.low) &&
        with_constant(tile, at, TileOp::add, at, link.shift.value) &&
        with_constant(tile, at, TileOp::mul, at, link.scale.value) && at == s.args[1 - k]) {
      x = at;
      return true;
    }
  }
  return false;
}

// The operations of an affine link in their order, and what is none.
enum class Stage { none, scale, shift, low, high, apart };
inline Stage stage_of(TileOp op) {
  switch (op) {
    case TileOp::mul:
      return Stage::scale;
    case TileOp::add:
    case TileOp::sub:
      return Stage::shift;
    case TileOp::maximum:
      return Stage::low;
    case TileOp::minimum:
      return Stage::high;
    default:
      return Stage::none;
  }
}

// The link x ← x ∘ what a step brings; false if there is none.
template <class T>
bool link_of(const Call& call, TileOp op, const TileStep& step, typename Chain<T>::Link& link) {
  using Kind = typename Chain<T>::Kind;
  const Stage stage = stage_of(op);
  const bool is_extreme = stage == Stage::low || stage == Stage::high;
  link = Chain<T>::Link::identity(Kind::affine);
  link.op = op;
  typename Chain<T>::Operand operand{op == TileOp::sub ? T(-1) : T(1), nullptr};
  if (step.op == TileOp::constant || step.op == TileOp::uniform) {
    operand.value *= static_cast<T>(step.op == TileOp::constant ? step.value : call.uniforms[step.args[0]]);
  } else if (step.op == TileOp::load && step.args[0] != 0 && !is_extreme) {
    const View& view = call.inputs[1 + step.args[0]];
    if (view.dtype != call.outputs[0].dtype) return false;
    operand.columns = reinterpret_cast<const T*>(view.data);
    if (is_contiguous(view)) {
      link.kind = Kind::element;
      link.data = operand.columns;
      return true;
    }
    for (int d = 0; d < view.rank - 1; ++d)
      if (view.shape[d] != 1 && view.strides[d] != 0) return false;
    if (view.strides[view.rank - 1] != 1) return false;
  } else {
    return false;
  }
  // Extremes of one instruction, which hands on a NaN of x but not one of the operand.
  if (is_extreme && operand.value != operand.value) return false;
  if (stage == Stage::scale) link.scale = operand;
  if (stage == Stage::shift) link.shift = operand;
  if (stage == Stage::low) link.low = operand.value;
  if (stage == Stage::high) link.high = operand.value;
  return true;
}

// Reads the tile of a call with two inputs and one output of its own as a chain that ends where the raw result would
// lie; false if it is none. Operands have their data.
template <class T>
bool chain_of(const Call& call, Chain<T>& chain) {
  using Kind = typename Chain<T>::Kind;
  chain.count = 0;
  if (call.tile == nullptr) return true;
  const Tile& tile = *call.tile;
  const View &raw = call.outputs[0], &out = call.outputs[call.output_count - 1];
  if (call.output_count != 2 || tile.store_count != 1 || out.data != raw.data || out.dtype != raw.dtype) return false;
  // From the result back to what it is made of.
  typename Chain<T>::Link last_first[kMostLinks];
  int count = 0;
  for (int x = tile.stores[0]; tile.steps[x].op != TileOp::load || tile.steps[x].args[0] != 0; ++count) {
    if (count == kMostLinks) return false;
    auto& link = last_first[count];
    if (gate_of<T>(tile, x, x, link)) continue;
    const TileStep& step = tile.steps[x];
    if (stage_of(step.op) == Stage::none) return false;
    if (link_of<T>(call, step.op, tile.steps[step.args[1]], link))
      x = step.args[0];
    else if (step.op != TileOp::sub && link_of<T>(call, step.op, tile.steps[step.args[0]], link))
      x = step.args[1];
    else
      return false;
  }
  // Operations that come in their order are one affine link.
  for (Stage last = Stage::apart; count-- > 0;) {
    const auto& next = last_first[count];
    const Stage stage = next.kind == Kind::affine ? stage_of(next.op) : Stage::apart;
    if (stage == Stage::apart || stage <= last) {
      chain.links[chain.count++] = next;
    } else {
      auto& link = chain.links[chain.count - 1];
      if (stage == Stage::shift) link.shift = next.shift;
      if (stage == Stage::low) link.low = next.low;
      if (stage == Stage::high) link.high = next.high;
    }
    last = stage;
  }
  return true;
}

// An affine link in registers, for V of them in a row.
template <class T, int V>
struct Affine {
  Vec<T> scale[V], shift[V], low, high;

  template <class Load>
  NABLA_INLINE Affine(const typename Chain<T>::Link& link, int64_t column, Load load)
      : low(Vec<T>::all(link.low)), high(Vec<T>::all(link.high)) {
    const auto operand = [&](const typename Chain<T>::Operand& o, int v) {
      const Vec<T> value = Vec<T>::all(o.value);
      return o.columns != nullptr ? load(o.columns + column, v) * value : value;
    };
    for (int v = 0; v < V; ++v) scale[v] = operand(link.scale, v), shift[v] = operand(link.shift, v);
  }
  NABLA_INLINE Vec<T> operator()(Vec<T> x, int v) const { return min(high, max(low, x * scale[v] + shift[v])); }
};

// Applies the chain to a block of registers, one row of V of them after the other. `column`: of the first; load(p, v)
// brings register v of what lies at p; element i of the result's first column is number at(i).
template <int R, int V, class T, class Load, class At>
NABLA_INLINE void apply(const Chain<T>& chain, int64_t column, Vec<T> (&x)[R][V], Load load, At at) {
  using Kind = typename Chain<T>::Kind;
  const auto each = [&](auto body) {
    for (int i = 0; i < R; ++i)
      for (int v = 0; v < V; ++v) x[i][v] = body(i, v);
  };
  for (const auto *link = chain.links, *end = link + chain.count; link != end; ++link) {
    if (link->kind == Kind::element) {
      const auto y = [&](int i, int v) { return load(link->data + at(i), v); };
      if (link->op == TileOp::add)
        each([&](int i, int v) { return x[i][v] + y(i, v); });
      else if (link->op == TileOp::sub)
        each([&](int i, int v) { return x[i][v] - y(i, v); });
      else
        each([&](int i, int v) { return x[i][v] * y(i, v); });
      continue;
    }
    const Affine<T, V> affine(*link, column, load);
    if (link->kind == Kind::gate)
      each([&](int i, int v) { return x[i][v] * affine(x[i][v], v); });
    else
      each([&](int i, int v) { return affine(x[i][v], v); });
  }
}

}  // namespace nabla::NABLA_ISA
