// Epilogues of few steps, applied to results while they are still in registers: bias, scale and shift, a residual,
// activations made of minima and maxima. Whatever is longer runs on the tile machine, over what has been written.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"
#include "views.h"

namespace nabla::NABLA_ISA {

constexpr int kMostLinks = 8;

// x ← x ∘ operand, again and again. An operand is one number, one of each column of the result, or one of each element.
template <class T>
struct Chain {
  enum class Kind : uint8_t { scalar, column, element };
  struct Link {
    TileOp op;
    Kind kind;
    T value;
    const T* data;
  };
  int count;
  Link links[kMostLinks];
};

// Reads the tile of a call with two inputs and one output of its own as a chain that ends where the raw result would
// lie; false if it is none. Operands have their data.
template <class T>
bool chain_of(const Call& call, Chain<T>& chain) {
  chain.count = 0;
  if (call.tile == nullptr) return true;
  const Tile& tile = *call.tile;
  const View &raw = call.outputs[0], &out = call.outputs[call.output_count - 1];
  if (call.output_count != 2 || tile.store_count != 1 || out.data != raw.data || out.dtype != raw.dtype) return false;
  int x = -1;  // the step that holds the result so far
  const auto define = [&](const TileStep& from, typename Chain<T>::Link& link) {
    using Kind = typename Chain<T>::Kind;
    link.kind = Kind::scalar;
    if (from.op == TileOp::constant) return link.value = static_cast<T>(from.value), true;
    if (from.op == TileOp::uniform) return link.value = static_cast<T>(call.uniforms[from.args[0]]), true;
    if (from.op != TileOp::load || from.args[0] == 0) return false;
    const View& view = call.inputs[1 + from.args[0]];
    if (view.dtype != raw.dtype) return false;
    link.data = reinterpret_cast<const T*>(view.data);
    if (is_contiguous(view)) return link.kind = Kind::element, true;
    for (int d = 0; d < view.rank - 1; ++d)
      if (view.shape[d] != 1 && view.strides[d] != 0) return false;
    link.kind = Kind::column;
    return view.strides[view.rank - 1] == 1;
  };
  for (int i = 0; i < tile.step_count; ++i) {
    const TileStep& step = tile.steps[i];
    switch (step.op) {
      case TileOp::load:
        if (step.args[0] == 0) x = x == -1 ? i : kMaxTileSteps;
        break;
      case TileOp::constant:
      case TileOp::uniform:
        break;
      case TileOp::add:
      case TileOp::mul:
      case TileOp::sub:
      case TileOp::maximum:
      case TileOp::minimum: {
        const int other = step.args[step.args[0] == x ? 1 : 0];
        if ((step.args[0] != x && (step.args[1] != x || step.op == TileOp::sub)) || chain.count == kMostLinks)
          return false;
        typename Chain<T>::Link& link = chain.links[chain.count++];
        link.op = step.op;
        if (other == x || !define(tile.steps[other], link)) return false;
        // Extremes of one instruction, which hands on a NaN of x but not one of the operand.
        const bool is_extreme = step.op == TileOp::maximum || step.op == TileOp::minimum;
        if (is_extreme && (link.kind != Chain<T>::Kind::scalar || link.value != link.value)) return false;
        x = i;
        break;
      }
      default:
        return false;
    }
  }
  return tile.stores[0] == x;
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
