// Convolutions of 3 × 3 windows at stride 1 by Winograd's minimal filtering F(4 × 4, 3 × 3): 36 multiplications for a
// tile of 4 × 4 outputs where direct sums take 144 (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks",
// CVPR 2016).
//
// y = Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·x·B)]A for each tile, the sum over channels being taken at the 36 points in between, where it
// is 36 matrix products. The filter's gradient is Gᵀ[Σ (Bᵀ·x·B) ⊙ (A·gy·Aᵀ)]G. The interpolation points are 0, ±√½, ±√2
// and ∞: with products of two that are 1, rounding errors are a third of those with 0, ±1, ±2, ∞, and about five times
// those of direct sums.
//
// A task takes a block of tiles whose points stay in L2 from the first transform to the last; the filters are
// transformed before. Where there are few tiles, and deep layers have few but many filters, it is the other way round:
// a task takes a strip of filters, whose points are used where they are computed, and all tiles are transformed before.
#include "../simd/transpose.h"
#include "chain.h"
#include "contract_tile.h"
#include "conv.h"
#include "partials.h"
#include "tile.h"

namespace nabla::NABLA_ISA {
namespace {

constexpr int kOut = 4, kIn = 6, kPoints = kIn * kIn, kWindow = 3, kCells = kWindow * kWindow;
constexpr int nr = TileSize<float>::cols, mr = TileSize<float>::rows(TileSize<float>::vectors),
              lanes = Vec<float>::lanes;
using Register = Vec<float>;

constexpr int64_t kResident = 160 << 10;  // floats of a block's points that stay in L2
constexpr int64_t kGroup = 64 / nr * nr;  // filters (whole strips), or channels, whose sums are worked on at once
constexpr int64_t kFewTiles = 30, kMostTiles = 36;  // whose points are to stay in L2
constexpr int64_t kBlockTiles = 128;                // that pass by a strip of filters, or are summed up, at once
constexpr int64_t kFewestTiles = 32;                // of a part of such a sum
constexpr int64_t kTasks = 16;                      // cut until there are so many
constexpr int64_t kAhead = 16;                      // channels whose filters are fetched before their turn
constexpr int64_t kFinishSpan = 8192;               // elements that a finishing task takes
constexpr double kNanoseconds = 0.15;               // of a multiplication by a register
constexpr double kTransform = 40;                   // of a transform of one register at all points

// Floats from one point to the next: not a multiple of 4 KiB, so that the 36 fall on different sets of the cache.
int64_t apart(int64_t floats) { return floats + lanes; }

constexpr float kHalfRoot = 0.70710678118654752f, kRoot = 1.41421356237309505f;

// Bᵀ·x
struct ToPoints {
  static constexpr int in = kIn, out = kIn;
  static NABLA_INLINE void apply(const Register (&x)[in], Register (&y)[out]) {
    const Register two = Register::all(2), half = Register::all(0.5f), both = Register::all(2.5f);
    const Register a = Register::all(kHalfRoot), b = Register::all(kRoot);
    const Register even_a = fnma(two, x[2], x[4]), odd_a = fnma(two, x[1], x[3]);
    const Register even_b = fnma(half, x[2], x[4]), odd_b = fnma(half, x[1], x[3]);
    y[0] = fnma(both, x[2], x[0] + x[4]);
    y[1] = fma(a, odd_a, even_a), y[2] = fnma(a, odd_a, even_a);
    y[3] = fma(b, odd_b, even_b), y[4] = fnma(b, odd_b, even_b);
    y[5] = fnma(both, x[3], x[1] + x[5]);
  }
};

// Aᵀ·m
struct FromPoints {
  static constexpr int in = kIn, out = kOut;
  static NABLA_INLINE void apply(const Register (&m)[in], Register (&y)[out]) {
    const Register two = Register::all(2), half = Register::all(0.5f);
    const Register sum_a = m[1] + m[2], sum_b = m[3] + m[4];
    const Register odd_a = Register::all(kHalfRoot) * (m[1] - m[2]), odd_b = Register::all(kRoot) * (m[3] - m[4]);
    y[0] = m[0] + (sum_a + sum_b);
    y[1] = odd_a + odd_b;
    y[2] = fma(two, sum_b, half * sum_a);
    y[3] = fma(two, odd_b, fma(half, odd_a, m[5]));
  }
};

// A·y
struct ResultToPoints {
  static constexpr int in = kOut, out = kIn;
  static NABLA_INLINE void apply(const Register (&y)[in], Register (&m)[out]) {
    const Register two = Register::all(2), half = Register::all(0.5f);
    const Register a = Register::all(kHalfRoot), b = Register::all(kRoot);
    const Register even_a = fma(half, y[2], y[0]), odd_a = fma(half, y[3], y[1]);
    const Register even_b = fma(two, y[2], y[0]), odd_b = fma(two, y[3], y[1]);
    m[0] = y[0];
    m[1] = fma(a, odd_a, even_a), m[2] = fnma(a, odd_a, even_a);
    m[3] = fma(b, odd_b, even_b), m[4] = fnma(b, odd_b, even_b);
    m[5] = y[3];
  }
};

constexpr float kScaleA = -2.0f / 3, kScaleB = 1.0f / 6;  // of the points ±√½ and ±√2 of a filter

// G·w
struct FilterToPoints {
  static constexpr int in = kWindow, out = kIn;
  static NABLA_INLINE void apply(const Register (&w)[in], Register (&u)[out]) {
    const Register even_a = Register::all(kScaleA) * fma(Register::all(0.5f), w[2], w[0]);
    const Register even_b = Register::all(kScaleB) * fma(Register::all(2), w[2], w[0]);
    const Register a = Register::all(kScaleA * kHalfRoot), b = Register::all(kScaleB * kRoot);
    u[0] = w[0];
    u[1] = fma(a, w[1], even_a), u[2] = fnma(a, w[1], even_a);
    u[3] = fma(b, w[1], even_b), u[4] = fnma(b, w[1], even_b);
    u[5] = w[2];
  }
};

// Gᵀ·u
struct FilterFromPoints {
  static constexpr int in = kIn, out = kWindow;
  static NABLA_INLINE void apply(const Register (&u)[in], Register (&w)[out]) {
    const Register sum_a = Register::all(kScaleA) * (u[1] + u[2]), sum_b = Register::all(kScaleB) * (u[3] + u[4]);
    const Register odd_a = Register::all(kScaleA * kHalfRoot) * (u[1] - u[2]);
    w[0] = u[0] + (sum_a + sum_b);
    w[1] = fma(Register::all(kScaleB * kRoot), u[3] - u[4], odd_a);
    w[2] = fma(Register::all(2), sum_b, fma(Register::all(0.5f), sum_a, u[5]));
  }
};

// M·X·Mᵀ, with element (i, j) of X read by load(i, j), of the result written by store(i, j, value).
template <class M, class Load, class Store>
NABLA_INLINE void transform(Load load, Store store) {
  Register half[M::out][M::in];
  repeat<M::in>([&](auto j) {
    Register x[M::in], y[M::out];
    repeat<M::in>([&](auto i) { x[i.value] = load(i.value, j.value); });
    M::apply(x, y);
    repeat<M::out>([&](auto i) { half[i.value][j.value] = y[i.value]; });
  });
  repeat<M::out>([&](auto i) {
    Register y[M::out];
    M::apply(half[i.value], y);
    repeat<M::out>([&](auto j) { store(i.value, j.value, y[j.value]); });
  });
}

// Tiles [first, first + count).
struct Block {
  int64_t first, count;
};

// The problem in the form that all passes share. The input's gradient is the convolution of gy with the filters turned
// round, so that here gy is the input and gx the result.
struct Winograd {
  Pass pass;
  int64_t n, channels, filters;  // images; channels of the input and of the result
  int64_t in[2], out[2], before[2];
  int64_t across, image_tiles, tiles;
  int64_t block;     // tiles that are worked on at once
  bool tiles_first;  // tiles are transformed before, not filters
  int64_t parts;     // filter_grad: what the sum over blocks is split into

  // Floats from one tile to the next.
  int64_t padded() const { return round_up(channels, lanes) + (channels % 256 == 0 ? lanes : 0); }
  int64_t blocks() const { return ceil_div(tiles, block); }
  Block block_at(int64_t index) const { return {index * block, smaller(block, tiles - index * block)}; }
  int64_t strips() const { return ceil_div(filters, nr); }
  int64_t strip_width(int64_t strip) const { return smaller(nr, round_up(filters - strip * nr, lanes)); }
  // Channels that are transformed together where tiles come first.
  int64_t slice(int64_t c0) const { return smaller(kGroup, channels - c0); }
  // Filters at the points lie strip by strip: element (point, channel, filter) at [point·plane + channel·width +
  // filter]. Where tiles come first it is slice by slice of channels, as these are read one after the other.
  int64_t strip_plane(int64_t strip, int64_t c0) const {
    return tiles_first ? slice(c0) * strip_width(strip) : apart(channels * strip_width(strip));
  }
  int64_t strip_offset(int64_t strip, int64_t c0) const {
    return strip * kPoints * apart(channels * nr) + c0 * strip_width(strip) * (tiles_first ? kPoints : 1);
  }
  int64_t result_size() const {
    return pass == Pass::filter_grad ? kCells * channels * filters : n * out[0] * out[1] * filters;
  }
  bool finishes_inline() const { return pass != Pass::filter_grad && !tiles_first; }
};

Winograd winograd_of(Pass pass, const Conv& g) {
  Winograd w{};
  const bool back = pass == Pass::input_grad;
  w.pass = pass;
  w.n = g.n;
  w.channels = back ? g.k : g.c;
  w.filters = back ? g.c : g.k;
  for (int d = 0; d < 2; ++d) {
    w.in[d] = back ? g.out[d] : g.in[d];
    w.out[d] = back ? g.in[d] : g.out[d];
    w.before[d] = back ? kWindow - 1 - g.pad[d] : g.pad[d];
  }
  w.across = ceil_div(w.out[1], kOut);
  w.image_tiles = ceil_div(w.out[0], kOut) * w.across;
  w.tiles = w.n * w.image_tiles;
  w.parts = 1;
  if (pass == Pass::filter_grad) {
    const int64_t tasks = ceil_div(w.channels, kGroup) * ceil_div(w.filters, kGroup);
    const int64_t most = larger(1, smaller(ceil_div(w.tiles, kFewestTiles), kTasks / larger(1, tasks)));
    const int64_t each = ceil_div(w.tiles, most);
    w.block = ceil_div(each, ceil_div(each, kBlockTiles));
    w.parts = ceil_div(w.blocks(), ceil_div(w.blocks(), most));  // none is empty: each begins its sums with a block
    return w;
  }
  w.tiles_first = w.tiles < w.filters;  // what has fewer points
  const int64_t resident = smaller(larger(kResident / (kPoints * w.padded()), kFewTiles), kMostTiles);
  w.block = round_up(ceil_div(w.tiles, ceil_div(w.tiles, w.tiles_first ? kBlockTiles : resident)), mr);
  return w;
}

// A tile: its image, and the place of its first output there.
struct Tile {
  int64_t image, row, column;
};
NABLA_INLINE Tile tile_at(const Winograd& w, int64_t index) {
  const int64_t at = index % w.image_tiles;
  return {index / w.image_tiles, at / w.across * kOut, at % w.across * kOut};
}
NABLA_INLINE Tile after(const Winograd& w, Tile tile) {
  tile.column += kOut;
  if (tile.column < w.out[1]) return tile;
  tile.column = 0, tile.row += kOut;
  if (tile.row < w.out[0]) return tile;
  return {tile.image + 1, 0, 0};
}

// Calls body(t, tile, next) for each tile of a block.
template <class Body>
NABLA_INLINE void each_tile(const Winograd& w, Block block, Body body) {
  Tile tile = tile_at(w, block.first);
  for (int64_t t = 0; t < block.count; ++t) {
    const Tile next = after(w, tile);
    body(t, tile, next);
    tile = next;
  }
}

// The cells of a tile that lie in images [height, width, channels], `before` its first output; those outside are
// `zeros`. The next tile's are `ahead` of them.
template <int size>
struct Cells {
  const float* at[size][size];
  int64_t ahead;

  NABLA_INLINE Cells(const float* x, const int64_t (&in)[2], int64_t channels, const int64_t (&before)[2], Tile tile,
                     Tile next, const float* zeros) {
    const auto place = [&](Tile t) { return ((t.image * in[0] + t.row) * in[1] + t.column) * channels; };
    ahead = place(next) - place(tile);
    x += tile.image * in[0] * in[1] * channels;
    for (int i = 0; i < size; ++i)
      for (int j = 0; j < size; ++j) {
        const int64_t r = tile.row - before[0] + i, c = tile.column - before[1] + j;
        const bool inside = r >= 0 && r < in[0] && c >= 0 && c < in[1];
        at[i][j] = inside ? x + (r * in[1] + c) * channels : zeros;
      }
  }
};

// Transforms channels [0, count) of a tile's cells to `to[point·plane + channel]`; whole registers are written. The
// next tile's are fetched meanwhile.
template <class M>
NABLA_INLINE void cells_to_points(const Cells<M::in>& cells, int64_t count, int64_t plane, float* to) {
  constexpr int inner = (M::in - kOut) / 2;
  sweep<float>(count, [&](int64_t c, auto some) {
    repeat<kOut>([&](auto i) {
      repeat<kOut>([&](auto j) { prefetch(cells.at[i.value + inner][j.value + inner] + cells.ahead + c); });
    });
    transform<M>([&](int i, int j) { return load(cells.at[i][j] + c, some); },
                 [&](int i, int j, Register v) { v.store(to + (i * kIn + j) * plane + c); });
  });
}

// Tiles of the input at the points: element (point, tile, channel) at [point·plane + tile·padded + channel].
void transform_tiles(const Winograd& w, Block block, const float* x, const float* zeros, int64_t plane, float* points) {
  each_tile(w, block, [&](int64_t t, Tile tile, Tile next) {
    cells_to_points<ToPoints>(Cells<kIn>(x, w.in, w.channels, w.before, tile, next, zeros), w.channels, plane,
                              points + t * w.padded());
  });
}

// Channels [c0, c1) of a strip of filters at the points: element (point, channel, filter) at
// [point·plane + (channel − c0)·width + filter].
void transform_filters(const Winograd& w, int64_t strip, int64_t c0, int64_t c1, const float* filter, float* turned,
                       int64_t plane, float* points) {
  const int64_t f0 = strip * nr, count = smaller(nr, w.filters - f0), width = w.strip_width(strip);
  const auto put = [&](int64_t c, const float* from, int64_t step) {
    sweep<float>(count, [&](int64_t f, auto some) {
      transform<FilterToPoints>(
          [&](int i, int j) { return load(from + (i * kWindow + j) * step + f, some); },
          [&](int i, int j, Register v) { v.store(points + (i * kIn + j) * plane + (c - c0) * width + f); });
    });
  };
  if (w.pass == Pass::forward) {
    const int64_t step = w.channels * w.filters;
    for (int64_t c = c0; c < c1; ++c) {
      const float* from = filter + c * w.filters + f0;
      if (c + kAhead < c1)
        for (int cell = 0; cell < kCells; ++cell)
          for (int64_t f = 0; f < count; f += lanes) prefetch(from + kAhead * w.filters + cell * step + f);
      put(c, from, step);
    }
    return;
  }
  // filter[cell][f][c], with cells in reverse order, is turned a block of channels at a time.
  constexpr int block = kBlock<float>;
  for (int64_t c = c0; c < c1; c += block) {
    const int64_t some = smaller(block, c1 - c);
    for (int cell = 0; cell < kCells; ++cell) {
      const float* from = filter + ((kCells - 1 - cell) * w.filters + f0) * w.channels + c;
      float* to = turned + cell * block * nr;
      int64_t f = 0;
      if (some == block)
        for (; f + block <= count; f += block)
          transpose([&](int r) { return from + (f + r) * w.channels; }, to + f, nr);
      for (; f < count; ++f)
        for (int64_t i = 0; i < some; ++i) to[i * nr + f] = from[f * w.channels + i];
    }
    for (int64_t i = 0; i < some; ++i) put(c + i, turned + i * nr, block * nr);
  }
}

// Filters [f0, f0 + count) of a block's results, from element (point, tile, filter) at [point·plane + tile·step +
// filter], through the chain if there is one.
void transform_results(const Winograd& w, Block block, int64_t f0, int64_t count, const float* points, int64_t plane,
                       int64_t step, const Chain<float>* chain, float* y) {
  each_tile(w, block, [&](int64_t t, Tile tile, Tile) {
    const int64_t first = ((tile.image * w.out[0] + tile.row) * w.out[1] + tile.column) * w.filters + f0;
    const int64_t rows = w.out[0] - tile.row, columns = w.out[1] - tile.column;
    sweep<float>(count, [&](int64_t f, auto some) {
      Register result[kOut * kOut][1];
      transform<FromPoints>([&](int i, int j) { return Register::load(points + (i * kIn + j) * plane + t * step + f); },
                            [&](int i, int j, Register v) { result[i * kOut + j][0] = v; });
      const auto at = [&](int64_t i, int64_t j) { return first + (i * w.out[1] + j) * w.filters + f; };
      if (chain != nullptr)
        apply(
            *chain, f0 + f, result, [&](const float* p, int) { return load(p, some); },
            [&](int k) { return at(smaller(k / kOut, rows - 1), smaller(k % kOut, columns - 1)); });
      repeat<kOut * kOut>([&](auto k) {
        constexpr int i = decltype(k)::value / kOut, j = decltype(k)::value % kOut;
        if (i < rows && j < columns) store(y + at(i, j), result[k.value][0], some);
      });
    });
  });
}

// What a multiplying task has of its own.
struct Scratch {
  int64_t *a_rows, *c_rows, *summed;
  float *zeros, *turned, *input, *result, *sums;
  size_t bytes;
};
Scratch scratch_of(const Winograd& w, char* base) {
  Scratch s{};
  const auto take = [&](int64_t bytes) {
    char* at = base + s.bytes;  // meaningless without a base, as long as only sizes are asked for
    s.bytes += static_cast<size_t>(bytes + 63) / 64 * 64;
    return at;
  };
  const auto integers = [&](int64_t count) { return reinterpret_cast<int64_t*>(take(count * 8)); };
  const auto floats = [&](int64_t count) { return reinterpret_cast<float*>(take(count * 4)); };
  const bool back = w.pass == Pass::filter_grad;
  s.a_rows = integers(back ? kGroup : w.block);
  s.c_rows = integers(back ? kGroup : w.block);
  s.summed = integers(back ? w.block : w.tiles_first ? kGroup : w.channels);
  s.zeros = floats(back ? kGroup : w.padded());
  s.turned = floats(kCells * kBlock<float> * nr);
  s.input = floats(kPoints * apart(w.tiles_first ? kGroup * nr : w.block * (back ? kGroup : w.padded())));
  s.result = floats(kPoints * apart(w.block * (w.tiles_first ? nr : kGroup)));
  if (back) s.sums = floats(kPoints * apart(kGroup * kGroup));
  return s;
}

void clear(float* y, int64_t count) {
  sweep<float>(count, [&](int64_t i, auto some) { store(y + i, Register::zero(), some); });
}

// c[row][·] (+)= a·b for all rows, a strip at a time; the strip that comes `later`, unless null, is fetched meanwhile.
NABLA_INLINE void multiply_strip(int64_t rows, int64_t depth, const float* a, const Scratch& s, const float* b,
                                 int64_t width, const float* later, float* c, bool add, int64_t step = 1) {
  const int vectors = static_cast<int>(width / lanes), most = TileSize<float>::rows(vectors);
  const float* later_end = later != nullptr ? later + depth * width : nullptr;
  for (int64_t i = 0; i < rows; i += most) {
    const int height = static_cast<int>(smaller(most, rows - i));
    const int64_t ahead = i == 0 && later == nullptr ? kFarAhead * width : 0;
    tile_kernel_for<float>(height, vectors)(depth, {a, s.a_rows + i, s.summed, step, ahead, nullptr, false, later}, b,
                                            width, {c, s.c_rows + i, static_cast<int>(width), add});
    if (later != nullptr && (later += later_elements<float>(depth)) >= later_end) later = nullptr;
  }
}

// Runs the epilogue over the outputs of a block of tiles, row by row of the image.
void finish_block(const Winograd& w, Block block, const Call& call, const Work& work, char* tile_scratch) {
  for (int64_t t = 0; t < block.count;) {
    const Tile tile = tile_at(w, block.first + t);
    const int64_t together = smaller(block.count - t, w.across - tile.column / kOut);
    const int64_t pixels = smaller(together * kOut, w.out[1] - tile.column), rows = smaller(kOut, w.out[0] - tile.row);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t pixel = (tile.image * w.out[0] + tile.row + r) * w.out[1] + tile.column;
      tile_run(call, work, pixel * w.filters, pixels * w.filters, tile_scratch);
    }
    t += together;
  }
}

// Filters were transformed before: this task's tiles are, and pass by all filters. Results go through the chain; what
// else the epilogue is runs behind them.
void multiply_block(const Winograd& w, const float* x, const float* filters, float* y, const Chain<float>* chain,
                    const Call& call, const Work& work) {
  const Scratch s = scratch_of(w, work.scratch);
  const Block block = w.block_at(work.task);
  const int64_t plane = apart(w.block * w.padded()), result_plane = apart(w.block * kGroup);
  clear(s.zeros, w.padded());
  transform_tiles(w, block, x, s.zeros, plane, s.input);
  for (int64_t i = 0; i < block.count; ++i) s.a_rows[i] = i * w.padded(), s.c_rows[i] = i * kGroup;
  for (int64_t c = 0; c < w.channels; ++c) s.summed[c] = c;
  for (int64_t f0 = 0; f0 < w.filters; f0 += kGroup) {
    const int64_t count = smaller(kGroup, w.filters - f0);
    for (int64_t p = 0; p < kPoints; ++p)
      for (int64_t f = 0; f < count; f += nr) {
        const int64_t strip = (f0 + f) / nr, step = w.strip_plane(strip, 0);
        const float* b = filters + w.strip_offset(strip, 0) + p * step;
        multiply_strip(block.count, w.channels, s.input + p * plane, s, b, w.strip_width(strip),
                       p + 1 < kPoints ? b + step : nullptr, s.result + p * result_plane + f, false);
      }
    transform_results(w, block, f0, count, s.result, result_plane, kGroup, chain, y);
  }
  if (call.tile && chain == nullptr) finish_block(w, block, call, work, work.scratch + s.bytes);
}

// Tiles were transformed before: this task's strip of filters is, unless `kept` has all, and passes by a block of
// tiles.
void multiply_filters(const Winograd& w, const float* tiles, const float* filter, const float* kept, float* y,
                      const Chain<float>* chain, const Work& work) {
  const Scratch s = scratch_of(w, work.scratch);
  const int64_t strip = work.task / w.blocks(), width = w.strip_width(strip), f0 = strip * nr;
  const Block block = w.block_at(work.task % w.blocks());
  const int64_t tile_plane = apart(w.tiles * w.padded()), result_plane = apart(w.block * nr);
  for (int64_t i = 0; i < block.count; ++i) s.a_rows[i] = i * w.padded(), s.c_rows[i] = i * nr;
  for (int64_t c = 0; c < smaller(kGroup, w.channels); ++c) s.summed[c] = c;
  for (int64_t c0 = 0; c0 < w.channels; c0 += kGroup) {
    const int64_t depth = w.slice(c0), plane = kept != nullptr ? w.strip_plane(strip, c0) : apart(kGroup * nr);
    const float* points = kept != nullptr ? kept + w.strip_offset(strip, c0) : s.input;
    if (kept == nullptr) transform_filters(w, strip, c0, c0 + depth, filter, s.turned, plane, s.input);
    for (int64_t p = 0; p < kPoints; ++p)
      multiply_strip(block.count, depth, tiles + p * tile_plane + block.first * w.padded() + c0, s, points + p * plane,
                     width, p + 1 < kPoints ? points + (p + 1) * plane : nullptr, s.result + p * result_plane, c0 > 0);
  }
  transform_results(w, block, f0, smaller(nr, w.filters - f0), s.result, result_plane, nr, chain, y);
}

void multiply_filter_grad(const Winograd& w, const float* x, const float* gy, float* gw, const Work& work) {
  const Scratch s = scratch_of(w, work.scratch);
  const int64_t part = work.task % w.parts, rest = work.task / w.parts, columns = ceil_div(w.filters, kGroup);
  const int64_t c0 = rest / columns * kGroup, f0 = rest % columns * kGroup;
  const int64_t channels = smaller(kGroup, w.channels - c0), filters = smaller(kGroup, w.filters - f0);
  const int64_t plane = apart(w.block * kGroup), per_part = ceil_div(w.blocks(), w.parts);
  clear(s.zeros, kGroup);
  for (int64_t c = 0; c < channels; ++c) s.a_rows[c] = c, s.c_rows[c] = c * kGroup;
  for (int64_t t = 0; t < w.block; ++t) s.summed[t] = t * kGroup;

  for (int64_t index = part * per_part; index < smaller(w.blocks(), (part + 1) * per_part); ++index) {
    const Block block = w.block_at(index);
    each_tile(w, block, [&](int64_t t, Tile tile, Tile next) {
      cells_to_points<ToPoints>(Cells<kIn>(x + c0, w.in, w.channels, w.before, tile, next, s.zeros), channels, plane,
                                s.input + t * kGroup);
      Cells<kOut> outputs(gy + f0, w.out, w.filters, {0, 0}, tile, next, s.zeros);
      // As strips of the microkernel's width, one after the other.
      for (int64_t f = 0; f < filters; f += nr) {
        const int64_t width = smaller(nr, round_up(filters - f, lanes));
        cells_to_points<ResultToPoints>(outputs, smaller(nr, filters - f), plane, s.result + f * w.block + t * width);
        for (auto& line : outputs.at)
          for (const float*& cell : line) cell += cell == s.zeros ? 0 : nr;
      }
    });
    for (int64_t p = 0; p < kPoints; ++p)
      for (int64_t f = 0; f < filters; f += nr)
        multiply_strip(channels, block.count, s.input + p * plane, s, s.result + p * plane + f * w.block,
                       smaller(nr, round_up(filters - f, lanes)), nullptr, s.sums + p * apart(kGroup * kGroup) + f,
                       index > part * per_part, 0);
  }
  for (int64_t c = 0; c < channels; ++c) {
    float* to = gw + (part * kCells * w.channels + c0 + c) * w.filters + f0;
    sweep<float>(filters, [&](int64_t f, auto some) {
      transform<FilterFromPoints>(
          [&](int i, int j) {
            return Register::load(s.sums + (i * kIn + j) * apart(kGroup * kGroup) + c * kGroup + f);
          },
          [&](int i, int j, Register v) { store(to + (i * kWindow + j) * w.channels * w.filters + f, v, some); });
    });
  }
}

constexpr int64_t kPrepareTiles = 16, kPrepareChannels = 128;  // of a task

int64_t tile_tasks(const Winograd& w) { return ceil_div(w.tiles, kPrepareTiles); }
int64_t filter_chunk(const Winograd& w) { return w.tiles_first ? kGroup : kPrepareChannels; }
int64_t filter_tasks(const Winograd& w) { return w.strips() * ceil_div(w.channels, filter_chunk(w)); }

// What is transformed before.
int64_t prepare_tasks(const Winograd& w) {
  if (w.pass == Pass::filter_grad) return 0;
  return w.tiles_first ? tile_tasks(w) : filter_tasks(w);
}

void prepare_tiles(const Winograd& w, const float* x, float* points, const Work& work) {
  const Scratch s = scratch_of(w, work.scratch);
  const int64_t first = work.task * kPrepareTiles;
  clear(s.zeros, w.padded());
  transform_tiles(w, {first, smaller(kPrepareTiles, w.tiles - first)}, x, s.zeros, apart(w.tiles * w.padded()),
                  points + first * w.padded());
}

void prepare_filters(const Winograd& w, const float* filter, float* points, const Work& work) {
  const Scratch s = scratch_of(w, work.scratch);
  const int64_t chunk = filter_chunk(w), chunks = ceil_div(w.channels, chunk), strip = work.task / chunks;
  const int64_t c0 = work.task % chunks * chunk, c1 = smaller(w.channels, c0 + chunk);
  transform_filters(w, strip, c0, c1, filter, s.turned, w.strip_plane(strip, c0), points + w.strip_offset(strip, c0));
}

int64_t multiply_tasks(const Winograd& w) {
  if (w.pass == Pass::filter_grad) return ceil_div(w.channels, kGroup) * ceil_div(w.filters, kGroup) * w.parts;
  return w.blocks() * (w.tiles_first ? w.strips() : 1);
}

int64_t finish_tasks(const Winograd& w, const Call& call) {
  return w.parts > 1 || (call.tile && !w.finishes_inline()) ? ceil_div(w.result_size(), kFinishSpan) : 0;
}

// Of all filters at the points.
int64_t filter_floats(const Winograd& w) { return w.strips() * kPoints * apart(w.channels * nr); }

int64_t workspace_floats(const Winograd& w) {
  if (w.pass == Pass::filter_grad) return w.parts > 1 ? w.parts * w.result_size() : 0;
  return w.tiles_first ? kPoints * apart(w.tiles * w.padded()) : filter_floats(w);
}

// Nanoseconds of the whole.
double cost_of(const Winograd& w) {
  const auto registers = [](int64_t n) { return static_cast<double>(ceil_div(n, lanes)); };
  const double filters = static_cast<double>(w.channels) * registers(w.filters);
  const double tiles = static_cast<double>(w.tiles), groups = static_cast<double>(ceil_div(w.filters, kGroup));
  const double products = tiles * kPoints * filters * kNanoseconds;
  if (w.pass == Pass::filter_grad)
    return products + kTransform * tiles * (registers(w.channels) * groups + registers(w.filters) * groups) +
           kTransform * filters * static_cast<double>(w.parts);
  return products + kTransform * tiles * (registers(w.channels) + registers(w.filters)) + kTransform * filters;
}

}  // namespace

bool winograd_applies(Pass pass, const Conv& g, const Call& call) {
  if (g.direct || call.outputs[0].dtype != Dtype::f32 || g.groups != 1) return false;
  for (int d = 0; d < 2; ++d)
    if (g.window[d] != kWindow || g.stride[d] != 1 || g.dilation[d] != 1 || g.in[d] < 1 || g.out[d] < 1) return false;
  if (g.n == 0 || g.c < lanes || g.k < lanes) return false;
  const double direct = static_cast<double>(g.pixels() * kCells * g.c * ceil_div(g.k, lanes)) * kNanoseconds;
  return cost_of(winograd_of(pass, g)) < 0.9 * direct;
}

void winograd_plan(Pass pass, const Conv& g, const Call& call, Plan& plan) {
  const Winograd w = winograd_of(pass, g);
  plan.phases = 0;
  const int64_t phases[] = {prepare_tasks(w), multiply_tasks(w), finish_tasks(w, call)};
  for (const int64_t tasks : phases)
    if (tasks > 0) plan.tasks[plan.phases++] = tasks;
  plan.workspace = static_cast<size_t>(workspace_floats(w)) * sizeof(float);
  plan.scratch = scratch_of(w, nullptr).bytes + (call.tile ? tile_scratch(call) : 0);
  plan.state = call.tile ? tile_state_size(call) : 0;
  if (pass == Pass::forward) {
    plan.kept = static_cast<size_t>(filter_floats(w)) * sizeof(float);
    plan.keep_tasks = filter_tasks(w);
    plan.kept_input = 1;
    plan.kept_layout = w.tiles_first ? -2 : -1;
  }
  plan.grain = static_cast<int64_t>(cost_of(w) / static_cast<double>(multiply_tasks(w)));
}

void winograd_run(Pass pass, const Conv& g, const Call& call, const Work& work) {
  const Winograd w = winograd_of(pass, g);
  const float *a = reinterpret_cast<const float*>(call.inputs[0].data),
              *b = reinterpret_cast<const float*>(call.inputs[1].data);
  float* result = reinterpret_cast<float*>(call.outputs[0].data);
  float* shared = reinterpret_cast<float*>(work.workspace);
  float* kept = reinterpret_cast<float*>(work.kept);
  if (work.phase == kKeep) return prepare_filters(w, b, kept, work);
  const int phase = work.phase + (pass == Pass::filter_grad ? 1 : 0);
  Chain<float> links;
  const Chain<float>* chain = call.tile && pass != Pass::filter_grad && chain_of(call, links) ? &links : nullptr;
  if (phase == 0) {
    if (w.tiles_first) return prepare_tiles(w, a, shared, work);
    return kept != nullptr ? void() : prepare_filters(w, b, shared, work);
  }
  if (phase == 1) {
    if (pass == Pass::filter_grad) return multiply_filter_grad(w, a, b, w.parts > 1 ? shared : result, work);
    if (w.tiles_first) return multiply_filters(w, shared, b, kept, result, chain, work);
    return multiply_block(w, a, kept != nullptr ? kept : shared, result, chain, call, work);
  }
  const int64_t start = work.task * kFinishSpan, count = smaller(kFinishSpan, w.result_size() - start);
  if (w.parts > 1) sum_partials(shared, w.parts, w.result_size(), start, count, result);
  if (call.tile && chain == nullptr) tile_run(call, work, start, count, work.scratch);
}

}  // namespace nabla::NABLA_ISA
