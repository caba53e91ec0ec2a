// Epilogues of few steps, applied to results while they are still in registers: bias, scale and shift, a residual,
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

// Where in an affine link an operation has its place; 0: nowhere.
inline int place_of(TileOp op) {
  switch (op) {
    case TileOp::mul:
      return 1;
    case TileOp::add:
    case TileOp::sub:
      return 2;
    case TileOp::maximum:
      return 3;
    case TileOp::minimum:
      return 4;
    default:
      return 0;
  }
}

// The link x ← x ∘ what a step brings, `place` being its place if it is affine; false if there is none.
template <class T>
bool link_of(const Call& call, TileOp op, const TileStep& step, typename Chain<T>::Link& link, int& place) {
  using Kind = typename Chain<T>::Kind;
  place = place_of(op);
  if (place == 0) return false;
  link = Chain<T>::Link::identity(Kind::affine);
  link.op = op;
  typename Chain<T>::Operand operand{op == TileOp::sub ? T(-1) : T(1), nullptr};
  if (step.op == TileOp::constant || step.op == TileOp::uniform) {
    operand.value *= static_cast<T>(step.op == TileOp::constant ? step.value : call.uniforms[step.args[0]]);
  } else if (step.op == TileOp::load && step.args[0] != 0) {
    const View& view = call.inputs[1 + step.args[0]];
    if (view.dtype != call.outputs[0].dtype || place > 2) return false;
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
  if (place == 1) link.scale = operand;
  if (place == 2) link.shift = operand;
  // Extremes of one instruction, which hands on a NaN of x but not one of the operand.
  if (place > 2 && operand.value != operand.value) return false;
  if (place == 3) link.low = operand.value;
  if (place == 4) link.high = operand.value;
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
  int places[kMostLinks], count = 0;
  for (int x = tile.stores[0]; tile.steps[x].op != TileOp::load || tile.steps[x].args[0] != 0; ++count) {
    if (count == kMostLinks) return false;
    places[count] = 5;
    if (gate_of<T>(tile, x, x, last_first[count])) continue;
    const TileStep& step = tile.steps[x];
    const auto is_link = [&](int k) {
      return link_of<T>(call, step.op, tile.steps[step.args[k]], last_first[count], places[count]);
    };
    if (place_of(step.op) == 0)
      return false;
    else if (is_link(1))
      x = step.args[0];
    else if (step.op != TileOp::sub && is_link(0))
      x = step.args[1];
    else
      return false;
  }
  // One affine link for as many operations as have their places in it one after the other.
  int place = 5;
  while (count-- > 0) {
    const auto& next = last_first[count];
    const bool joins = next.kind == Kind::affine && places[count] > place;
    auto& link = chain.links[joins ? chain.count - 1 : chain.count++];
    if (!joins) link = next;
    if (joins && places[count] == 2) link.shift = next.shift;
    if (joins && places[count] == 3) link.low = next.low;
    if (joins && places[count] == 4) link.high = next.high;
    place = next.kind == Kind::affine ? places[count] : 5;
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
