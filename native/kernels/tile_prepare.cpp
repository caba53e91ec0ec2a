// Preparing tiles: how each operand is read, which results are kept and where, how long tiles are; and what they cost.
#include "tile.h"
#include "tile_state.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kLongRow = 128;  // rows from this length on are worth cutting tiles at their ends

int64_t common_multiple(int64_t a, int64_t b) {
  int64_t x = a, y = b;
  while (y) {
    const int64_t rest = x % y;
    x = y;
    y = rest;
  }
  return a / x * b;
}

Access access_of(const Dims& dims, int64_t size) {
  if (size <= 1) return Access::scalar;
  bool constant = true;
  for (int i = 0; i < dims.rank; ++i) constant = constant && dims.strides[i] == 0;
  if (constant) return Access::scalar;
  if (dims.rank == 1 && dims.strides[0] == 1) return Access::contiguous;
  // Repeated along the outer dimensions: everything below them is the period.
  if (dims.strides[0] == 0 && size / dims.shape[0] <= kTileLength / 2) return Access::periodic;
  return Access::strided;
}

// Tile length, in whole blocks where possible: such that a slot of each period is filled once, or balanced over long
// rows.
void choose_length(State& state, int64_t block) {
  int64_t together = block, longest = 0, row = 0;
  const auto repeat_after = [&](int64_t period) {
    longest = larger(longest, period);
    together = smaller(common_multiple(together, period), 2 * kTileLength);
  };
  for (int i = 0; i < state.step_count; ++i) {
    const Step& s = state.steps[i];
    if (s.op == TileOp::load && s.access == Access::periodic) repeat_after(period_of(s.dims));
    const int64_t period = s.is_added() ? s.sum.period : 0;
    if (period > kTileLength / 2)
      row = row == 0 ? period : smaller(row, period);
    else if (period > 0)
      repeat_after(period);
  }
  for (int i = 0; i < state.step_count; ++i) {
    const Step& s = state.steps[i];
    if (s.op != TileOp::load || s.access != Access::strided) continue;
    const int last = s.dims.rank - 1;
    if (s.dims.strides[last] > 1 || s.dims.strides[last] < 0 || s.dims.shape[last] < kLongRow) continue;
    if (row == 0 || s.dims.shape[last] < row) row = s.dims.shape[last];
  }
  // Tiles begin where all periods do, or anywhere: slots are longer than tiles then.
  state.together = longest > 0 && together <= kTileLength ? together : 0;
  state.length = together <= kTileLength ? kTileLength / together * together : (kTileLength - longest) / block * block;
  state.row = longest == 0 ? row : 0;
  state.has_rows = row > 0;
  state.turn = state.row;
  if (state.row > 0) {
    const int64_t pieces = ceil_div(row, kTileLength);
    state.length = smaller(kTileLength, round_up(ceil_div(row, pieces), block));
  } else if (longest > 0 && together < 2 * kTileLength) {
    state.turn = together <= kTileLength ? state.length : together;
  }
}

// Nanoseconds per 64-byte register, a rough measure for cutting work.
double cost_of(TileOp op, Dtype dtype) {
  const double wide = dtype == Dtype::f64 ? 1.5 : 1;
  switch (op) {
    case TileOp::load:
    case TileOp::constant:
    case TileOp::uniform:
      return 0;
    case TileOp::exp:
    case TileOp::expm1:
    case TileOp::log:
    case TileOp::log1p:
    case TileOp::sin:
    case TileOp::cos:
    case TileOp::tanh:
    case TileOp::sigmoid:
      return 16 * wide;
    case TileOp::erf:
      return 30 * wide;
    case TileOp::pow:
      return 60 * wide;
    case TileOp::mod:
      return 10 * wide;
    case TileOp::index:
      return 8;
    case TileOp::div:
    case TileOp::sqrt:
      return 4 * wide;
    default:
      return 1;
  }
}

}  // namespace

const char* tile_check_operands(const Call& call, int own_inputs, int own_outputs) {
  if (call.tile == nullptr) return "a tile is missing";
  const Tile& tile = *call.tile;
  if (!is_float(tile.dtype)) return "a tile computes in f32 or f64";
  if (tile.step_count < 1 || tile.step_count > kMaxTileSteps) return "a tile has 1 to 256 steps";
  if (call.input_count < own_inputs) return "the kernel's own inputs are missing";
  const int operands = call.input_count - own_inputs + own_outputs;
  for (int i = 0; i < tile.step_count; ++i) {
    if (tile.steps[i].op != TileOp::load) continue;
    const int k = tile.steps[i].args[0];
    if (k >= operands) return "a tile loads an operand that does not exist";
    if (!same_shape(operand_of(call, own_inputs, own_outputs, k), tile.rank, tile.shape))
      return "a tile's operands must have the tile's shape (broadcast by strides of 0)";
  }
  return nullptr;
}

const char* tile_check(const Call& call, int own_inputs, int own_outputs) {
  if (const char* complaint = tile_check_operands(call, own_inputs, own_outputs)) return complaint;
  const Tile& tile = *call.tile;
  if (tile.store_count != call.output_count - own_outputs) return "a tile needs one output for each of its stores";
  if (own_outputs == 0 && tile.store_count == 0) return "a tile stores nothing";
  bool is_summed[kMaxTileSteps] = {};
  for (int j = own_outputs; j < call.output_count; ++j) {
    const View& y = call.outputs[j];
    const int64_t* shape = y.rank > tile.rank ? y.shape + 1 : y.shape;  // of moments, behind both
    for (int d = 0; d < tile.rank; ++d)
      if (y.rank < tile.rank || shape[d] != tile.shape[d]) return "a tile's outputs must have the tile's shape";
    const Summed summed = summed_of(y, tile.rank);
    if (summed.period < 0) return "a tile's outputs must be row-major contiguous, or repeat along their first axes";
    if (summed.period == 0) continue;
    if (y.dtype != tile.dtype) return "a tile's sums must have the tile's dtype";
    const int r = tile.stores[j - own_outputs];
    if (is_summed[r]) return "a tile sums a register once";
    is_summed[r] = true;
    if (!summed.is_moments) continue;
    if (tile.steps[r].op != TileOp::load) return "a tile takes moments of an operand only";
    const View& x = operand_of(call, own_inputs, own_outputs, tile.steps[r].args[0]);
    if (x.dtype != tile.dtype || !is_contiguous(x))
      return "a tile takes moments of an operand in its own dtype that is row-major contiguous";
  }
  return nullptr;
}

size_t tile_state_size(const Call& call) {
  return sizeof(State) + static_cast<size_t>(call.tile->step_count) * sizeof(Step);
}

double tile_cost(const Call& call) {
  const Tile& tile = *call.tile;
  double arithmetic = 0, bytes = 0;
  for (int i = 0; i < tile.step_count; ++i) {
    arithmetic += cost_of(tile.steps[i].op, tile.dtype) * static_cast<double>(size_of(tile.dtype)) / 64;
    if (tile.steps[i].op == TileOp::load) bytes += 4;
  }
  for (int j = 0; j < tile.store_count; ++j) bytes += 4;
  const double memory = bytes * 0.08;
  return arithmetic > memory ? arithmetic : memory;
}

void tile_prepare(const Call& call, int own_inputs, int own_outputs, void* memory) {
  const Tile& tile = *call.tile;
  State& state = *static_cast<State*>(memory);
  state.step_count = tile.step_count;
  state.store_count = tile.store_count;
  state.first_input = own_inputs;
  state.own_outputs = own_outputs;
  state.hazard_count = 0;
  const int64_t size = state.size = elements(tile);

  int last_use[kMaxTileSteps], computed = kNone;  // the last step whose result is in registers
  for (int i = 0; i < tile.step_count; ++i) {
    const TileStep& from = tile.steps[i];
    Step& s = state.steps[i];
    s = Step{};
    s.op = from.op;
    s.slot = s.direct = kNone;
    last_use[i] = i;
    if (s.op == TileOp::load) {
      const View& v = operand_of(call, own_inputs, own_outputs, from.args[0]);
      s.dtype = v.dtype;
      s.dims = merged(v);
      s.access = access_of(s.dims, size);
      s.args[0] = static_cast<int16_t>(from.args[0]);
    } else if (s.op == TileOp::uniform) {
      s.args[0] = static_cast<int16_t>(from.args[0]);
    } else if (!defines_itself(s.op)) {
      const int arity = arity_of(s.op);
      for (int k = 0; k < 3; ++k) s.args[k] = static_cast<int16_t>(from.args[k < arity ? k : 0]);
      for (int k = 0; k < arity; ++k) {
        last_use[from.args[k]] = i;
        if (from.args[k] != computed || !may_hold(s.op, k)) state.steps[from.args[k]].kept = true;
      }
      computed = i;
    }
  }
  int moments = 0;
  state.sums = each_sum(call, own_outputs, [&](const Summed& s) {
    state.steps[tile.stores[s.output - own_outputs]].sum = s;
    moments += s.is_moments;
  });
  state.is_idle = moments > 0 && moments == tile.store_count;
  choose_length(state, tile.dtype == Dtype::f32 ? kBlock<float> : kBlock<double>);

  const auto is_sum = [&](int j) { return summed_of(call.outputs[own_outputs + j], tile.rank).period > 0; };
  // A stored register is written straight to its output by the step that defines it; a second store of it is a copy.
  for (int j = 0; j < tile.store_count; ++j) {
    const int r = tile.stores[j];
    Step& s = state.steps[r];
    state.stores[j] = static_cast<int16_t>(r);
    state.deferred[j] = false;
    if (is_sum(j)) continue;
    const bool direct = !defines_itself(s.op) && s.direct == kNone && call.outputs[own_outputs + j].dtype == tile.dtype;
    state.deferred[j] = !direct;
    if (direct) s.direct = static_cast<int16_t>(j);
    s.stored = true;
    if (s.op == TileOp::load && tile.store_count > 1) s.copied = true;
    last_use[r] = tile.step_count;
  }
  // ... unless the output is the operand of a load that is read later.
  for (int j = 0; j < tile.store_count; ++j) {
    if (state.deferred[j] || is_sum(j)) continue;
    for (int i = 0; i < tile.step_count; ++i) {
      const Step& s = state.steps[i];
      if (s.op != TileOp::load || last_use[i] <= state.stores[j]) continue;
      if (state.hazard_count == kMaxOperands) {  // a chain of many in-place pairs: copy this one always
        state.deferred[j] = true;
        state.steps[state.stores[j]].direct = kNone;
        break;
      }
      state.hazards[state.hazard_count++] = {static_cast<int16_t>(j), s.args[0]};
    }
  }

  state.slot_count = 0;
  state.is_large = own_outputs == 0 && size >= kPastCaches;
  state.needs_no_slots = true;
  for (int i = 0; i < tile.step_count; ++i) {
    Step& s = state.steps[i];
    const bool in_place =
        s.access == Access::scalar || (s.access == Access::contiguous && s.dtype == tile.dtype && !s.copied);
    const bool is_filled = s.op == TileOp::index || (s.op == TileOp::load && !in_place);
    if (is_filled) state.needs_no_slots = false;
    if (is_filled || (s.stored && !defines_itself(s.op))) s.slot = static_cast<int16_t>(state.slot_count++);
  }
}
}  // namespace nabla::NABLA_ISA
