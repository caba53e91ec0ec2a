// Epilogues of few steps, applied to results while they are still in registers: bias, scale and shift, a residual,
// activations made of minima and maxima. Whatever is longer runs on the tile machine, over what has been written.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"
#include "views.h"

namespace nabla::NABLA_ISA {

constexpr int kMostLinks = 8;

// x ← x ∘ operand, again and again. An operand is one number, one of each column of the result, or one of each element.
// A gate is x ← x · min(max(x · value + shift, low), high), as hard swish is.
template <class T>
struct Chain {
  enum class Kind : uint8_t { scalar, column, element, gate };
  struct Link {
    TileOp op;
    Kind kind;
    T value;
    const T* data;
    T shift, low, high;
  };
  int count;
  Link links[kMostLinks];
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
  for (int k = 0; k < 2; ++k) {
    int at = s.args[k];
    if (with_constant(tile, at, TileOp::minimum, at, link.high) &&
        with_constant(tile, at, TileOp::maximum, at, link.low) &&
        with_constant(tile, at, TileOp::add, at, link.shift) && with_constant(tile, at, TileOp::mul, at, link.value) &&
        at == s.args[1 - k]) {
      x = at;
      link.kind = Chain<T>::Kind::gate;
      return true;
    }
  }
  return false;
}

// Reads the tile of a call with two inputs and one output of its own as a chain that ends where the raw result would
// lie; false if it is none. Operands have their data.
template <class T>
bool chain_of(const Call& call, Chain<T>& chain) {
  using Kind = typename Chain<T>::Kind;
  using Link = typename Chain<T>::Link;
  chain.count = 0;
  if (call.tile == nullptr) return true;
  const Tile& tile = *call.tile;
  const View &raw = call.outputs[0], &out = call.outputs[call.output_count - 1];
  if (call.output_count != 2 || tile.store_count != 1 || out.data != raw.data || out.dtype != raw.dtype) return false;
  const auto is_raw = [](const TileStep& step) { return step.op == TileOp::load && step.args[0] == 0; };
  const auto define = [&](const TileStep& from, Link& link) {
    link.kind = Kind::scalar;
    if (from.op == TileOp::constant) return link.value = static_cast<T>(from.value), true;
    if (from.op == TileOp::uniform) return link.value = static_cast<T>(call.uniforms[from.args[0]]), true;
    if (from.op != TileOp::load || is_raw(from)) return false;
    const View& view = call.inputs[1 + from.args[0]];
    if (view.dtype != raw.dtype) return false;
    link.data = reinterpret_cast<const T*>(view.data);
    if (is_contiguous(view)) return link.kind = Kind::element, true;
    for (int d = 0; d < view.rank - 1; ++d)
      if (view.shape[d] != 1 && view.strides[d] != 0) return false;
    link.kind = Kind::column;
    return view.strides[view.rank - 1] == 1;
  };
  // From the result back to what it is made of.
  Link last_first[kMostLinks];
  for (int x = tile.stores[0]; !is_raw(tile.steps[x]);) {
    if (chain.count == kMostLinks) return false;
    Link& link = last_first[chain.count++];
    if (gate_of<T>(tile, x, x, link)) continue;
    const TileStep& step = tile.steps[x];
    const bool is_extreme = step.op == TileOp::maximum || step.op == TileOp::minimum;
    if (!is_extreme && step.op != TileOp::add && step.op != TileOp::sub && step.op != TileOp::mul) return false;
    link.op = step.op;
    if (define(tile.steps[step.args[1]], link))
      x = step.args[0];
    else if (step.op != TileOp::sub && define(tile.steps[step.args[0]], link))
      x = step.args[1];
    else
      return false;
    // Extremes of one instruction, which hands on a NaN of x but not one of the operand.
    if (is_extreme && (link.kind != Kind::scalar || link.value != link.value)) return false;
  }
  for (int i = 0; i < chain.count; ++i) chain.links[i] = last_first[chain.count - 1 - i];
  return true;
}

// Applies the chain to a block of registers, one row of V of them after the other. `column`: of the first; load(p, v)
// brings register v of what lies at p; element i of the result's first column is number at(i).
template <int R, int V, class T, class Load, class At>
NABLA_INLINE void apply(const Chain<T>& chain, int64_t column, Vec<T> (&x)[R][V], Load load, At at) {
  const auto each = [&](auto body) {
    for (int i = 0; i < R; ++i)
      for (int v = 0; v < V; ++v) x[i][v] = body(i, v);
  };
  for (const auto *link = chain.links, *end = link + chain.count; link != end; ++link) {
    if (link->kind == Chain<T>::Kind::gate) {
      const auto all = [](T value) { return Vec<T>::all(value); };
      const Vec<T> scale = all(link->value), shift = all(link->shift), low = all(link->low), high = all(link->high);
      each([&](int i, int v) { return x[i][v] * min(high, max(low, x[i][v] * scale + shift)); });
      continue;
    }
    if (link->kind == Chain<T>::Kind::element) {
      const auto y = [&](int i, int v) { return load(link->data + at(i), v); };
      if (link->op == TileOp::add)
        each([&](int i, int v) { return x[i][v] + y(i, v); });
      else if (link->op == TileOp::sub)
        each([&](int i, int v) { return x[i][v] - y(i, v); });
      else
        each([&](int i, int v) { return x[i][v] * y(i, v); });
      continue;
    }
    Vec<T> y[V];
    for (int v = 0; v < V; ++v)
      y[v] = link->kind == Chain<T>::Kind::column ? load(link->data + column, v) : Vec<T>::all(link->value);
    switch (link->op) {
      case TileOp::add:
        each([&](int i, int v) { return x[i][v] + y[v]; });
        break;
      case TileOp::sub:
        each([&](int i, int v) { return x[i][v] - y[v]; });
        break;
      case TileOp::mul:
        each([&](int i, int v) { return x[i][v] * y[v]; });
        break;
      case TileOp::maximum:
        each([&](int i, int v) { return max(y[v], x[i][v]); });
        break;
      default:
        each([&](int i, int v) { return min(y[v], x[i][v]); });
    }
  }
}

}  // namespace nabla::NABLA_ISA
