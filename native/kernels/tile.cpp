// The tile machine: compiles a chain of elementwise operations into threaded code, which passes over memory once, a
// block of a few registers at a time.
//
// A step's result stays in registers if the next step is all that needs it. Else it is kept in memory: a block of
// scratch that all blocks share, the output itself if it is stored there, or a slot of a tile's length if it is stored
// in another way. What cannot be read where it lies (converted, strided, repeated operands) is brought into slots
// before a tile.
#include "tile.h"

#include "convert.h"
#include "kernels.h"
#include "tile_state.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int64_t kFetched = 1 << 18;   // elements from which on `tile_eval` fetches operands ahead
constexpr int64_t kResident = 1 << 13;  // elements that several tiles pass over one after the other
constexpr int64_t kFlush = 32;          // tiles that are summed in their own type before it is in doubles

// Consecutive positions, as `index` gives them.
template <class T>
void fill_index(T* y, int64_t start, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(start + i);
}

struct Position {
  int64_t index[kMaxRank];
  int64_t offset;  // in elements
};
Position position_of(const Dims& dims, int64_t i) {
  Position at{};
  for (int d = dims.rank - 1; d >= 0; --d) {
    at.index[d] = i % dims.shape[d];
    i /= dims.shape[d];
    at.offset += at.index[d] * dims.strides[d];
  }
  return at;
}

// y[i] = element start + i of a strided operand: runs along the innermost dimension, an odometer over the others.
template <class T, class S>
void gather(T* y, const S* x, const Dims& dims, int64_t start, int64_t n) {
  Position at = position_of(dims, start);
  const int last = dims.rank - 1;
  const int64_t stride = dims.strides[last];
  while (n > 0) {
    const int64_t run = smaller(n, dims.shape[last] - at.index[last]);
    const S* p = x + at.offset;
    if (stride == 0) {
      const T value = static_cast<T>(*p);
      for (int64_t i = 0; i < run; ++i) y[i] = value;
    } else if (stride == 1) {
      widen(p, y, run);
    } else {
      for (int64_t i = 0; i < run; ++i) y[i] = static_cast<T>(p[i * stride]);
    }
    y += run;
    n -= run;
    at.offset -= at.index[last] * stride;
    at.index[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      at.offset += dims.strides[d];
      if (++at.index[d] < dims.shape[d]) break;
      at.offset -= dims.strides[d] * dims.shape[d];
      at.index[d] = 0;
    }
  }
}

template <class T>
void gather_any(T* y, const char* x, Dtype dtype, const Dims& dims, int64_t start, int64_t n) {
  switch (dtype) {
    case Dtype::f32:
      return gather(y, reinterpret_cast<const float*>(x), dims, start, n);
    case Dtype::f64:
      return gather(y, reinterpret_cast<const double*>(x), dims, start, n);
    case Dtype::i32:
      return gather(y, reinterpret_cast<const int32_t*>(x), dims, start, n);
    case Dtype::u8:
    case Dtype::boolean:
      return gather(y, reinterpret_cast<const uint8_t*>(x), dims, start, n);
  }
}

template <class T>
void splat(T* y, T value, int64_t n = kBlock<T>) {
  sweep<T>(n, [&](int64_t i, auto some) { store(y + i, Vec<T>::all(value), some); });
}

template <class T>
struct Register {
  TileArgument<T> value;
  int64_t filled;   // elements that the slot of a periodic load holds, from the period's start on
  T* operand;       // if the value is the operand's own memory, else null
  int64_t advance;  // elements from one row's value to the next's
};

// An argument that is elsewhere in the next row.
template <class T>
struct Move {
  TileArgument<T>* argument;
  int64_t advance;
};

// Runs a prepared tile. All that lasts from tile to tile lies in scratch: slots, one to spread a repeated value, a
// block and a register for each step, the code and what moves in it from row to row.
template <class T>
class Machine {
 public:
  // `sums`: the task's own, if it writes.
  Machine(const Call& call, const State& state, char* scratch, bool writes, char* sums = nullptr)
      : call_(call), state_(state), slots_(reinterpret_cast<T*>(scratch)), sums_(sums), writes_(writes) {
    blocks_ = slots_ + (state.slot_count + 1) * kTileLength;
    code_ = reinterpret_cast<TileInstruction<T>*>(blocks_ + state.step_count * kBlock<T>);
    registers_ = reinterpret_cast<Register<T>*>(code_ + instructions_of(state.step_count));
    moves_ = reinterpret_cast<Move<T>*>(registers_ + state.step_count);
  }
  // Loads are fetched; other steps load, compute, put and add; at last all is finished.
  static constexpr int64_t instructions_of(int64_t steps) { return 4 * steps + 1; }
  static constexpr int64_t bytes_of(int64_t slots, int64_t steps) {
    return (slots + 1) * kTileLength * static_cast<int64_t>(sizeof(T)) +
           steps * (kBlock<T> * static_cast<int64_t>(sizeof(T)) + static_cast<int64_t>(sizeof(Register<T>))) +
           instructions_of(steps) * static_cast<int64_t>(sizeof(TileInstruction<T>) + 3 * sizeof(Move<T>));
  }

  // Computes what stays the same in all tiles, and finds out which outputs must not be written early.
  void begin() {
    for (int i = 0; i < state_.step_count; ++i) {
      const Step& s = state_.steps[i];
      T value;
      registers_[i].operand = nullptr;
      registers_[i].advance = 0;
      if (s.op == TileOp::constant) {
        value = static_cast<T>(call_.tile->steps[i].value);
      } else if (s.op == TileOp::uniform) {
        value = static_cast<T>(call_.uniforms[s.args[0]]);
      } else if (s.op == TileOp::load && s.access == Access::scalar) {
        value = element_in<T>(operand(s).data, s.dtype);
      } else {
        registers_[i].filled = 0;
        continue;
      }
      splat(block(i), value);
      registers_[i].value = {block(i), 0};
    }
    if (!writes_) return;
    for (int j = 0; j < state_.store_count; ++j) early_[j] = !state_.deferred[j];
    for (int h = 0; h < state_.hazard_count; ++h) {
      const Hazard& hazard = state_.hazards[h];
      if (store(hazard.store).data == operand_of(call_, state_.first_input, state_.own_outputs, hazard.operand).data)
        early_[hazard.store] = false;
    }
  }

  // Whether store j, an early one, is written past the caches: it is not read again soon, and its lines are in none.
  bool is_streamed(int j, int64_t start) const {
    const T* const to = own_store(j);
    if (!state_.is_large || reinterpret_cast<uintptr_t>(to + start) % sizeof(Vec<T>) != 0) return false;
    for (int i = 0; i < state_.step_count; ++i)
      if (state_.steps[i].op == TileOp::load && operand(state_.steps[i]).data == store(j).data) return false;
    return true;
  }

  // Whether nothing goes through slots, so that a tile may have any length.
  bool needs_no_slots() const {
    if (!state_.needs_no_slots || state_.sums > 0) return false;
    for (int j = 0; j < state_.store_count; ++j)
      if (!early_[j] && !defines_itself(state_.steps[state_.stores[j]].op)) return false;
    return true;
  }

  // Whether tiles `stride` elements apart differ by addresses only: n elements from `start` on, and the same of each
  // row.
  bool may_repeat(int64_t start, int64_t n, int64_t stride) const {
    for (int j = 0; j < state_.store_count; ++j)
      if (!early_[j]) return false;
    for (int i = 0; i < state_.step_count; ++i) {
      const Step& s = state_.steps[i];
      if (s.op == TileOp::index || (s.is_added() && stride % s.sum.period != 0)) return false;
      if (s.op != TileOp::load || s.access == Access::scalar) continue;
      if (s.access == Access::periodic) {
        const int64_t period = period_of(s.dims);
        if (stride % period != 0 || start % period + n > kTileLength) return false;
        continue;
      }
      if (s.dtype != kDtype<T> || s.copied) return false;
      if (s.access == Access::contiguous) continue;
      const bool is_matrix = s.dims.rank == 2 && s.dims.shape[1] == stride && s.dims.strides[1] == 1;
      if (!is_matrix || start % stride + n > stride) return false;
    }
    return true;
  }

  // A tile and those of the rows behind it, which `may_repeat`.
  void tile(int64_t start, int64_t n, int64_t rows = 1, int64_t stride = 0) {
    stride_ = stride;
    for (int i = 0; i < state_.step_count; ++i) {
      const Step& s = state_.steps[i];
      if (s.op == TileOp::load) {
        load(registers_[i], s, i, start, n);
      } else if (s.op == TileOp::index) {
        fill_index(slot(s), start, n);
        registers_[i].value = {slot(s), -1};
      }
    }
    const int64_t whole = n / kBlock<T> * kBlock<T>;
    if (whole > 0) {
      assemble(start, true);
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t i = 0; i < whole; i += kBlock<T>) run_block(i);
        for (int m = 0; m < move_count_; ++m) moves_[m].argument->data += moves_[m].advance;
      }
    }
    if (whole < n) rest(start, whole, n - whole, rows);
    if (!writes_) return;
    for (int j = 0; j < state_.store_count; ++j)
      if (!early_[j]) write(j, start, n);
    if (state_.sums > 0) note_summed(n * rows);
  }

  // Moments of the operands that are about to be computed with: `rows` pieces of n elements, `stride` apart.
  void take_moments(int64_t start, int64_t n, int64_t rows, int64_t stride) {
    for (int i = 0; state_.sums > 0 && i < state_.step_count; ++i) {
      const Step& s = state_.steps[i];
      if (!s.sum.is_moments) continue;
      const T* const x = reinterpret_cast<const T*>(operand(s).data);
      const int64_t period = s.sum.period, column = start % period;
      TaskMoments<T> moments(s.sum, sums_);
      if (stride % period == 0 && column + n <= period) {
        moments.add(x + start, stride, rows, column, n);
        continue;
      }
      for (int64_t row = 0; row < rows; ++row) {
        int64_t at = start + row * stride;
        const int64_t end = at + n;
        if (const int64_t part = smaller(end, round_up(at, period)) - at; part > 0) {
          moments.add(x + at, period, 1, at % period, part);
          at += part;
        }
        if (const int64_t whole = (end - at) / period; whole > 0) {
          moments.add(x + at, period, whole, 0, period);
          at += whole * period;
        }
        if (at < end) moments.add(x + at, period, 1, 0, end - at);
      }
    }
  }

  // Elements [start, start + count), in tiles; those that differ by addresses only share their code.
  void run(int64_t start, int64_t count) {
    const int64_t end = start + count;
    if (needs_no_slots()) return tile(start, count);
    const int64_t turn = state_.turn, most = turn <= state_.length && state_.sums == 0 ? count : kResident;
    while (start < end) {
      const int64_t turns = turn == 0 ? 0 : smaller(end - start, most) / turn;
      if (turns > 1 && may_repeat_turn(start)) {
        for (int64_t at = start, n; at < start + turn; at += n) {
          n = length_at(at, start + turn);
          tile(at, n, turns, turn);
        }
        start += turns * turn;
      } else {
        const int64_t n = length_at(start, end);
        tile(start, n);
        start += n;
      }
    }
  }

  // The register of store j, spread out if it is one repeated value.
  const T* result(int j, int n) const {
    const TileArgument<T> r = registers_[state_.stores[j]].value;
    if (r.mask != 0) return r.data;
    T* spread = slots_ + state_.slot_count * kTileLength;
    splat(spread, *r.data, n);
    return spread;
  }

 private:
  const View& operand(const Step& s) const {
    return operand_of(call_, state_.first_input, state_.own_outputs, s.args[0]);
  }
  const View& store(int j) const { return call_.outputs[state_.own_outputs + j]; }
  T* own_store(int j) const { return reinterpret_cast<T*>(store(j).data); }
  T* slot(const Step& s) const { return slots_ + s.slot * kTileLength; }
  T* block(int i) const { return blocks_ + i * kBlock<T>; }
  void run_block(int64_t i) const {
    Vec<T> nothing[kHeld<T>];
    NABLA_UNROLL
    for (int r = 0; r < kHeld<T>; ++r) nothing[r] = Vec<T>::zero();
    go_on(code_ - 1, i, nothing);
  }
  // Of the tile at `start`.
  int64_t length_at(int64_t start, int64_t end) const {
    int64_t n = smaller(state_.length, end - start);
    if (state_.row) n = smaller(n, state_.row - start % state_.row);
    if (state_.together) n = smaller(n, state_.length - start % state_.together);
    return n;
  }
  bool may_repeat_turn(int64_t start) const {
    if (state_.is_large && state_.turn % Vec<T>::lanes != 0)
      return false;  // what is written past the caches is aligned
    for (int64_t at = start, n; at < start + state_.turn; at += n) {
      n = length_at(at, start + state_.turn);
      if (!may_repeat(at, n, state_.turn)) return false;
    }
    return true;
  }
  bool is_early(const Step& s) const { return writes_ && s.direct != kNone && early_[s.direct]; }

  // Code for the tile at `start`; `in_place`: early stores go to the outputs, else to the steps' blocks.
  void assemble(int64_t start, bool in_place) {
    TileInstruction<T>* at = code_;
    move_count_ = 0;
    const auto take = [&](TileArgument<T>& to, const Register<T>& from) {
      to = from.value;
      if (from.advance != 0 && to.mask != 0) moves_[move_count_++] = {&to, from.advance};
    };
    const auto emit = [&](TileFunction<T> run, const Register<T>& x) {
      at->run = run;
      take(at->args[0], x);
      ++at;
    };
    if (in_place && (state_.is_large || (!writes_ && state_.size >= kFetched)))
      for (int i = 0; i < state_.step_count; ++i)
        if (registers_[i].operand != nullptr) emit(fetch<T>, registers_[i]);
    const auto sum_up = [&](const Step& s) {
      if (s.is_added() && in_place) emit(add_to<T>, {{running(s, start), -1}, 0, nullptr, 0});
    };
    for (int i = 0; i < state_.step_count; ++i) {
      const Step& s = state_.steps[i];
      if (!defines_itself(s.op) || !s.is_added()) continue;
      emit(tile_functions<T>[static_cast<int>(TileOp::load)][0], registers_[i]);
      sum_up(s);
    }
    int held = kNone;  // the step whose result is in registers
    for (int i = 0; i < state_.step_count; ++i) {
      const Step& s = state_.steps[i];
      if (defines_itself(s.op)) continue;
      const int arity = arity_of(s.op);
      int form = 0;
      for (int k = 0; k < arity; ++k)
        if (s.args[k] == held && may_hold(s.op, k)) form |= 1 << k;
      if (has_one_form(s.op, arity) && form == 0) {
        emit(tile_functions<T>[static_cast<int>(TileOp::load)][0], registers_[s.args[0]]);
        form = 1;
      }
      at->run = tile_functions<T>[static_cast<int>(s.op)][form];
      for (int k = 0; k < arity; ++k) take(at->args[k], registers_[s.args[k]]);
      ++at;
      held = i;
      TileArgument<T> to;
      if (is_early(s) && in_place)
        to = {own_store(s.direct) + start, -1};
      else if (s.stored && !is_early(s))
        to = {slot(s), -1};
      else
        to = {block(i), 0};
      if (s.stored || s.kept || (s.is_added() && !in_place)) {
        registers_[i].value = to;
        registers_[i].advance = stride_;
        const bool past_caches = is_early(s) && in_place && !s.kept && is_streamed(s.direct, start);
        emit(tile_puts<T>[past_caches], registers_[i]);
      }
      sum_up(s);
    }
    at->run = finish<T>;
  }

  // Elements [from, from + count) of the tile and its rows, less than a block: operands and early stores go through
  // blocks.
  void rest(int64_t start, int64_t from, int64_t count, int64_t rows) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    for (int i = 0; i < state_.step_count; ++i) {
      if (registers_[i].operand == nullptr) continue;
      splat(block(i), T(0));
      registers_[i].value = {block(i), 0};
    }
    assemble(start, false);
    const auto early = [&](int i) { return own_store(state_.steps[i].direct) + start; };
    for (int64_t row = 0; row < rows; ++row) {
      for (int i = 0; i < state_.step_count; ++i)
        if (const Register<T>& r = registers_[i]; r.operand != nullptr)
          std::memcpy(block(i), r.operand + from + row * r.advance, bytes);
      run_block(from);
      for (int i = 0; i < state_.step_count; ++i) {
        const Step& s = state_.steps[i];
        if (is_early(s)) std::memcpy(early(i) + from + row * stride_, block(i), bytes);
        if (!s.is_added()) continue;
        const TileArgument<T>& r = registers_[i].value;
        T* const sums = running(s, start) + from;
        for (int64_t k = 0; k < count; ++k) sums[k] += r.data[(from & r.mask) + k];
      }
    }
    for (int i = 0; i < state_.step_count; ++i) {
      if (registers_[i].operand != nullptr) registers_[i].value = {registers_[i].operand, -1};
      if (is_early(state_.steps[i])) registers_[i].value = {early(i), -1};
    }
  }

  // Running sums of a step, from the column of element `start` on.
  T* running(const Step& s, int64_t start) const {
    return reinterpret_cast<T*>(sums_ + s.sum.running) + start % s.sum.period;
  }

  // Some elements more have been summed: if they are many, what is running goes into the totals.
  void note_summed(int64_t count) {
    int64_t& unsettled = *reinterpret_cast<int64_t*>(sums_);
    if ((unsettled += count) < kFlush * kTileLength) return;
    unsettled = 0;
    for (int i = 0; i < state_.step_count; ++i)
      if (const Step& s = state_.steps[i]; s.is_added()) settle<T>(s.sum, sums_, 0, s.sum.period);
  }

  void load(Register<T>& r, const Step& s, int i, int64_t start, int64_t n) {
    char* const data = operand(s).data;
    const bool own = s.dtype == kDtype<T>;
    const auto lend = [&](int64_t offset, int64_t advance) {
      r.operand = reinterpret_cast<T*>(data) + offset;
      r.value = {r.operand, -1};
      r.advance = advance;
    };
    r.operand = nullptr;
    r.advance = 0;
    switch (s.access) {
      case Access::scalar:
        return;  // since `begin`
      case Access::contiguous:
        if (own && !(s.copied && writes_)) return lend(start, stride_);
        convert_in<T>(data + start * static_cast<int64_t>(size_of(s.dtype)), s.dtype, slot(s), n);
        r.value = {slot(s), -1};
        return;
      case Access::periodic: {
        const int64_t phase = start % period_of(s.dims);
        if (phase + n > kTileLength) break;
        if (r.filled < phase + n) {
          r.filled = r.filled > 0 ? kTileLength : phase + n;
          gather_any(slot(s), data, s.dtype, s.dims, 0, r.filled);
        }
        r.value = {slot(s) + phase, -1};
        return;
      }
      case Access::strided:
        break;
    }
    const int last = s.dims.rank - 1;
    const int64_t stride = s.dims.strides[last];
    if (stride == 0 || (stride == 1 && own)) {
      const Position at = position_of(s.dims, start);
      if (at.index[last] + n <= s.dims.shape[last]) {  // the tile lies within one row
        if (stride == 1) return lend(at.offset, stride_ > 0 ? s.dims.strides[last - 1] : 0);
        splat(block(i), element_in<T>(data + at.offset * static_cast<int64_t>(size_of(s.dtype)), s.dtype));
        r.value = {block(i), 0};
        return;
      }
    }
    gather_any(slot(s), data, s.dtype, s.dims, start, n);
    r.filled = 0;
    r.value = {slot(s), -1};
  }

  void write(int j, int64_t start, int64_t n) {
    const View& out = store(j);
    const TileArgument<T>& r = registers_[state_.stores[j]].value;
    const int64_t width = static_cast<int64_t>(size_of(out.dtype));
    char* const to = out.data + start * width;
    if (r.mask != 0) {
      if (reinterpret_cast<char*>(r.data) != to) convert_out<T>(r.data, to, out.dtype, n);
    } else {
      for (int64_t i = 0; i < n; i += kBlock<T>)
        convert_out<T>(r.data, to + i * width, out.dtype, smaller(kBlock<T>, n - i));
    }
  }

  const Call& call_;
  const State& state_;
  T *slots_, *blocks_;
  char* sums_;
  TileInstruction<T>* code_;
  Register<T>* registers_;
  Move<T>* moves_;
  int move_count_ = 0;
  int64_t stride_ = 0;  // of rows
  bool writes_;
  bool early_[kMaxOperands];  // stores that their steps write themselves
};

template <class T>
void run_all(const Call& call, const Work& work, int64_t start, int64_t count, char* scratch) {
  const State& state = *static_cast<const State*>(work.state);
  Machine<T> machine(call, state, scratch, true, tile_sums(state, work));
  machine.begin();
  machine.take_moments(start, count, 1, 0);
  if (state.is_idle) return;
  machine.run(start, count);
  if (state.is_large) finish_streams();
}

template <class T>
void run_rows(const Call& call, const Work& work, int64_t start, int64_t count, int64_t rows, int64_t stride,
              char* scratch) {
  const State& state = *static_cast<const State*>(work.state);
  Machine<T> machine(call, state, scratch, true, tile_sums(state, work));
  machine.begin();
  machine.take_moments(start, count, rows, stride);
  if (state.is_idle) return;
  for (int64_t from = 0; from < count; from += kTileLength) {
    const int64_t n = smaller(kTileLength, count - from), first = start + from;
    if (machine.may_repeat(first, n, stride))
      machine.tile(first, n, rows, stride);
    else
      for (int64_t row = 0; row < rows; ++row) machine.run(first + row * stride, n);
  }
}

template <class T>
const void* evaluate(const Call& call, const State& state, int64_t start, int64_t count, char* scratch) {
  Machine<T> machine(call, state, scratch, false);
  // Whole blocks, where that is possible: what is behind the piece is computed for nothing, but at once.
  const int64_t whole = round_up(count, kBlock<T>);
  machine.tile(start, state.has_rows || start + whole > state.size ? count : whole);
  return machine.result(0, static_cast<int>(count));
}

}  // namespace

size_t tile_scratch(const Call& call) {
  const Tile& tile = *call.tile;
  int64_t slots = tile.store_count;
  for (int i = 0; i < tile.step_count; ++i)
    slots += tile.steps[i].op == TileOp::load || tile.steps[i].op == TileOp::index;
  return static_cast<size_t>(tile.dtype == Dtype::f32 ? Machine<float>::bytes_of(slots, tile.step_count)
                                                      : Machine<double>::bytes_of(slots, tile.step_count));
}

void tile_run(const Call& call, const Work& work, int64_t start, int64_t count, char* scratch) {
  if (call.tile->dtype == Dtype::f32)
    run_all<float>(call, work, start, count, scratch);
  else
    run_all<double>(call, work, start, count, scratch);
}

void tile_run_rows(const Call& call, const Work& work, int64_t start, int64_t count, int64_t rows, int64_t stride,
                   char* scratch) {
  if (call.tile->dtype == Dtype::f32)
    run_rows<float>(call, work, start, count, rows, stride, scratch);
  else
    run_rows<double>(call, work, start, count, rows, stride, scratch);
}

void tile_begin(const Call& call, const void* memory, char* scratch) {
  const State& state = *static_cast<const State*>(memory);
  if (call.tile->dtype == Dtype::f32)
    Machine<float>(call, state, scratch, false).begin();
  else
    Machine<double>(call, state, scratch, false).begin();
}

const void* tile_eval(const Call& call, const void* memory, int64_t start, int64_t count, char* scratch) {
  const State& state = *static_cast<const State*>(memory);
  if (call.tile->dtype == Dtype::f32) return evaluate<float>(call, state, start, count, scratch);
  return evaluate<double>(call, state, start, count, scratch);
}

const void* tile_result(const Call& call, const void* memory, int j, int64_t count, char* scratch) {
  const State& state = *static_cast<const State*>(memory);
  if (call.tile->dtype == Dtype::f32)
    return Machine<float>(call, state, scratch, false).result(j, static_cast<int>(count));
  return Machine<double>(call, state, scratch, false).result(j, static_cast<int>(count));
}
namespace {

int64_t task_length(const Call& call) {
  const double n = kTaskNanoseconds / tile_cost(call);
  return n < 4096 ? 4096 : n > 65536 ? 65536 : static_cast<int64_t>(n) / 4096 * 4096;
}

const char* check(const Call& call) { return tile_check(call, 0, 0); }

void plan(const Call& call, Plan& plan) {
  const int64_t size = elements(*call.tile), length = task_length(call);
  plan.phases = 1;
  plan.tasks[0] = ceil_div(size, length);
  plan.scratch = tile_scratch(call);
  plan.state = tile_state_size(call);
  plan.grain = static_cast<int64_t>(tile_cost(call) * static_cast<double>(smaller(size, length)));
  tile_plan_sums(call, 0, plan);
}

void prepare(const Call& call, void* state) { tile_prepare(call, 0, 0, state); }

void run(const Call& call, const Work& work) {
  if (tile_sum_up(call, work)) return;
  const int64_t size = elements(*call.tile), length = task_length(call), start = work.task * length;
  tile_run(call, work, start, smaller(length, size - start), work.scratch);
}

}  // namespace

const Kernel tile_kernel = {"tile", false, false, check, plan, prepare, run};

}  // namespace nabla::NABLA_ISA
