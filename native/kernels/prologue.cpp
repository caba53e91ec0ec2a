#include "prologue.h"

#include "chain.h"
#include "tile.h"
#include "views.h"

namespace nabla::NABLA_ISA {
namespace {

// The prologue as an epilogue of its operand 0, whose one store goes to memory where `start` lies at `to`.
struct Computing {
  View outputs[2];
  Call call;

  explicit Computing(const Call& from, int64_t start = 0, void* to = nullptr) : call(from) {
    const Tile& tile = *from.prologue;
    for (View& v : outputs) {
      v = from.inputs[0];
      v.rank = tile.rank;
      int64_t step = 1;
      for (int d = tile.rank - 1; d >= 0; --d) v.shape[d] = tile.shape[d], v.strides[d] = step, step *= v.shape[d];
    }
    // Elements before `start` are never touched, so where they would lie need not exist.
    const auto before = static_cast<uintptr_t>(start) * size_of(outputs[1].dtype);
    outputs[1].data = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(to) - before);
    call.outputs = outputs;
    call.output_count = 2;
    call.tile = from.prologue;
  }
};

// Of the epilogue's prepared form.
size_t bytes_before(const Call& call) { return call.tile ? (tile_state_size(call) + 63) / 64 * 64 : 0; }

// R rows of V registers through a chain, or less than that.
template <class T>
struct Chunk {
  static constexpr int lanes = Vec<T>::lanes, bytes = lanes * static_cast<int>(sizeof(T));
  static constexpr int rows = bytes == 64 ? 8 : 4, vectors = 2;
};

// y = chain(x) for R rows `stride` apart of up to V registers; `column`: of the first, which is element `number`.
template <int R, int V, class T>
NABLA_INLINE void through_chain(const Chain<T>& chain, const T* x, T* y, int64_t stride, int64_t column, int64_t number,
                                int cols) {
  constexpr int lanes = Vec<T>::lanes;
  const auto load = [&](const T* p, int v) {
    return cols == V * lanes || v < V - 1 ? Vec<T>::load(p + v * lanes) : Vec<T>::load(p + v * lanes, cols - v * lanes);
  };
  Vec<T> some[R][V];
  for (int i = 0; i < R; ++i)
    for (int v = 0; v < V; ++v) some[i][v] = load(x + i * stride, v);
  apply(chain, column, some, load, [&](int i) { return number + i * stride; });
  for (int i = 0; i < R; ++i)
    for (int v = 0; v < V; ++v) {
      T* const to = y + i * stride + v * lanes;
      cols == V* lanes || v < V - 1 ? some[i][v].store(to) : some[i][v].store(to, cols - v * lanes);
    }
}

template <int R, class T>
void rows_through_chain(const Chain<T>& chain, const T* x, T* y, int64_t stride, int64_t column, int64_t number,
                        int64_t count) {
  constexpr int lanes = Vec<T>::lanes, wide = Chunk<T>::vectors * lanes;
  int64_t c = 0;
  for (; c + wide <= count; c += wide)
    through_chain<R, Chunk<T>::vectors>(chain, x + c, y + c, stride, column + c, number + c, wide);
  for (; c < count; c += lanes)
    through_chain<R, 1>(chain, x + c, y + c, stride, column + c, number + c,
                        static_cast<int>(smaller(lanes, count - c)));
}

// Computes rows of the prologue in registers; false if it is no chain, or they are not within its columns.
template <class T>
bool run_chain(const Computing& computing, int64_t start, int64_t count, int64_t rows, int64_t stride) {
  const Tile& tile = *computing.call.tile;
  const int64_t columns = tile.rank == 0 ? 1 : tile.shape[tile.rank - 1];
  if (start % columns + count > columns || stride % columns != 0) return false;
  const View in_place[] = {computing.outputs[0], computing.outputs[0]};
  Call call = computing.call;
  call.outputs = in_place;
  Chain<T> chain;
  if (!chain_of(call, chain)) return false;
  const T* x = reinterpret_cast<const T*>(computing.outputs[0].data) + start;
  T* y = reinterpret_cast<T*>(computing.outputs[1].data) + start;
  constexpr int some = Chunk<T>::rows;
  for (; rows >= some; rows -= some, x += some * stride, y += some * stride, start += some * stride)
    rows_through_chain<some>(chain, x, y, stride, start % columns, start, count);
  for (; rows > 0; --rows, x += stride, y += stride, start += stride)
    rows_through_chain<1>(chain, x, y, stride, start % columns, start, count);
  return true;
}

Work work_of(const Call& call, const Work& work) {
  Work own = work;
  own.state = static_cast<const char*>(work.state) + bytes_before(call);
  return own;
}

}  // namespace

const char* prologue_check(const Call& call, int own_inputs) {
  const View& x = call.inputs[0];
  const Tile& tile = *call.prologue;
  int64_t size = 1;
  for (int d = 0; d < tile.rank; ++d) size *= tile.shape[d];
  if (size != x.size()) return "a prologue has the shape of the first input";
  if (tile.dtype != x.dtype) return "a prologue computes in the dtype of the first input";
  if (tile.store_count != 1) return "a prologue has one store";
  return tile_check(Computing(call).call, own_inputs, 1);
}

size_t prologue_state_size(const Call& call) {
  return call.prologue
             ? bytes_before(call) - (call.tile ? tile_state_size(call) : 0) + tile_state_size(Computing(call).call)
             : 0;
}

void prologue_prepare(const Call& call, int own_inputs, void* state) {
  if (call.prologue) tile_prepare(Computing(call).call, own_inputs, 1, static_cast<char*>(state) + bytes_before(call));
}

size_t prologue_scratch(const Call& call) { return call.prologue ? tile_scratch(Computing(call).call) : 0; }

double prologue_cost(const Call& call) { return call.prologue ? tile_cost(Computing(call).call) : 0; }

void prologue_run(const Call& call, const Work& work, int64_t start, int64_t count, void* to, char* scratch) {
  const Tile& tile = *call.prologue;
  const int64_t columns = tile.rank == 0 ? 1 : tile.shape[tile.rank - 1];
  if (columns > 0 && start % columns == 0 && count % columns == 0)
    return prologue_run_rows(call, work, start, columns, count / columns, columns, to, scratch);
  tile_run(Computing(call, start, to).call, work_of(call, work), start, count, scratch);
}

void prologue_run_rows(const Call& call, const Work& work, int64_t start, int64_t count, int64_t rows, int64_t stride,
                       void* to, char* scratch) {
  if (count == 0 || rows == 0) return;
  const Computing computing(call, start, to);
  const bool narrow = call.prologue->dtype == Dtype::f32;
  if ((narrow ? run_chain<float> : run_chain<double>)(computing, start, count, rows, stride)) return;
  if (count == stride)
    tile_run(computing.call, work_of(call, work), start, count * rows, scratch);
  else
    tile_run_rows(computing.call, work_of(call, work), start, count, rows, stride, scratch);
}

}  // namespace nabla::NABLA_ISA
