// Runs of programs: loops, failures, cancellation, memory; and the same bits for any number of threads.
#include "engine/interpreter.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "programs.h"

namespace nabla::test {
namespace {

using Floats = std::vector<float>;
using Storages = std::vector<StorageRef>;

template <class... Refs>
Storages list(const Refs&... refs) {
  Storages storages;
  (storages.push_back(share(refs)), ...);
  return storages;
}

std::optional<RunFailure> run(Interpreter& interpreter, Program& program, const Storages& storages,
                              const Numbers& uniforms = {}) {
  const std::atomic<bool> is_cancelled{false};
  return interpreter.run(program, storages, uniforms.data(), is_cancelled);
}

TEST(Interpreter, EmptyProgram) {
  Interpreter interpreter(1);
  EXPECT_FALSE(run(interpreter, *make(ProgramSpec{}), {}));
}

TEST(Interpreter, NoElements) {
  ProgramSpec p;
  p.buffers = {{kInput, kF32, 0, 0}, {kOutput, kF32, 0, 1}, {kArena, kF32, 0, 0}};
  p.instructions = {binary("add", whole(2, {0, 3}), whole(0, {0, 3}), whole(0, {0, 3})),
                    binary("add", whole(1, {0, 3}), whole(2, {0, 3}), whole(0, {0, 3}))};
  Interpreter interpreter(2);
  EXPECT_FALSE(run(interpreter, *make(p), list(storage_of(Floats{}), storage_of(Floats{}))));
}

TEST(Interpreter, UniformsAreThoseOfTheRun) {
  ProgramSpec p;
  p.uniforms = 1;
  p.buffers = {{kInput, kF32, 3, 0}, {kOutput, kF32, 3, 1}};
  p.instructions = {scaled(whole(1, {3}), whole(0, {3}), 10)};
  const auto program = make(p);
  const StorageRef x = storage_of(Floats{1, 2, 3}), y = storage_of(Floats(3));
  Interpreter interpreter(1);
  run(interpreter, *program, list(x, y), {0.5});
  EXPECT_EQ(values_of<float>(y), (Floats{10.5, 20.5, 30.5}));
  run(interpreter, *program, list(x, y), {-1});
  EXPECT_EQ(values_of<float>(y), (Floats{9, 19, 29}));
}

TEST(Interpreter, SteadyResultsStayUntilTheirInputsChange) {
  // t = 2a, u = t + b, z = x·x, y = u + z; x changes from run to run, a and b now and then
  ProgramSpec p{0,
                256,
                {{kInput, kF32, 3, 0},
                 {kInput, kF32, 3, 1},
                 {kInput, kF32, 3, 2},
                 {kOutput, kF32, 3, 3},
                 {kArena, kF32, 3, 0},
                 {kArena, kF32, 3, 64},
                 {kArena, kF32, 3, 128}},
                {}};
  const auto v = [](int buffer) { return whole(buffer, {3}); };
  p.instructions = {binary("add", v(4), v(0), v(0)), binary("add", v(5), v(4), v(1)), binary("mul", v(6), v(2), v(2)),
                    binary("add", v(3), v(5), v(6))};
  const auto program = make(p);
  const StorageRef a = storage_of(Floats{1, 2, 3}), b = storage_of(Floats{10, 10, 10}), y = storage_of(Floats(3));
  Interpreter interpreter(1);
  const std::atomic<bool> is_cancelled{false}, is_cancelled_at_once{true};
  const auto run_with = [&](float x) {
    std::vector<Timing> timings;
    const Storages storages = list(a, b, storage_of(Floats{x, x, x}), y);
    EXPECT_FALSE(interpreter.run(*program, storages, nullptr, is_cancelled, &timings));
    return timings.size();
  };
  EXPECT_EQ(run_with(1), 4u);
  EXPECT_EQ(values_of<float>(y), (Floats{13, 15, 17}));
  EXPECT_EQ(run_with(2), 2u);  // z and y
  EXPECT_EQ(values_of<float>(y), (Floats{16, 18, 20}));
  std::memcpy(b->data(), Floats{20, 20, 20}.data(), 12);
  b->restamp();
  EXPECT_EQ(run_with(2), 3u);
  EXPECT_EQ(values_of<float>(y), (Floats{26, 28, 30}));
  EXPECT_EQ(run_with(3), 2u);
  std::memcpy(a->data(), Floats{0, 0, 0}.data(), 12);
  a->restamp();
  const Storages storages = list(a, b, storage_of(Floats(3)), y);
  interpreter.run(*program, storages, nullptr, is_cancelled_at_once);
  EXPECT_EQ(run_with(2), 4u);
  EXPECT_EQ(values_of<float>(y), (Floats{24, 24, 24}));
}

TEST(Interpreter, SteadyResultsOfNothing) {
  const TileSpec position{kF32, {3}, {{"index", {}}}, {0}};
  const auto program =
      make({0,
            64,
            {{kInput, kF32, 3, 0}, {kOutput, kF32, 3, 1}, {kArena, kF32, 3, 0}},
            {{"tile", {whole(2, {3})}, {}, {}, position}, binary("add", whole(1, {3}), whole(0, {3}), whole(2, {3}))}});
  const StorageRef y = storage_of(Floats(3));
  Interpreter interpreter(1);
  for (int again = 0; again < 2; ++again) {
    EXPECT_FALSE(run(interpreter, *program, list(storage_of(Floats{5, 5, 5}), y)));
    EXPECT_EQ(values_of<float>(y), (Floats{5, 6, 7}));
  }
}

TEST(Interpreter, LoopsAdvanceBySteps) {
  // y[t] = 2·x[4 − t], row by row
  ProgramSpec p;
  p.buffers = {{kInput, kF32, 15, 0}, {kOutput, kF32, 15, 1}};
  const ViewSpec x = whole(0, {3}, 12, {-3});
  p.instructions = {loop(5), binary("add", whole(1, {3}, 0, {3}), x, x), end()};
  Floats values(15);
  for (size_t i = 0; i < 15; ++i) values[i] = static_cast<float>(i);
  const StorageRef y = storage_of(Floats(15));
  Interpreter interpreter(1);
  EXPECT_FALSE(run(interpreter, *make(p), list(storage_of(values), y)));
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(values_of<float>(y)[i], 2 * values[(4 - i / 3) * 3 + i % 3]);
}

TEST(Interpreter, LoopsInLoops) {
  // y[j, k, i] = x[i, j, k], element by element, with a sum of all in s; a view may stand still.
  ProgramSpec p;
  p.buffers = {{kInput, kF32, 24, 0}, {kOutput, kF32, 24, 1}, {kState, kF32, 1, 2}};
  const ViewSpec x = whole(0, {1}, 0, {12, 4, 1}), s = whole(2, {1});
  p.instructions = {loop(2), loop(3), loop(4), {"copy", {whole(1, {1}, 0, {1, 8, 2})}, {x}}, binary("add", s, s, x),
                    end(),   end(),   end()};
  Floats values(24);
  for (size_t i = 0; i < 24; ++i) values[i] = static_cast<float>(i);
  const StorageRef y = storage_of(Floats(24)), sum = storage_of(Floats{1000});
  Interpreter interpreter(1);
  EXPECT_FALSE(run(interpreter, *make(p), list(storage_of(values), y, sum)));
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j)
      for (size_t k = 0; k < 4; ++k) EXPECT_EQ(values_of<float>(y)[j * 8 + k * 2 + i], values[i * 12 + j * 4 + k]);
  EXPECT_EQ(values_of<float>(sum)[0], 1276);
}

TEST(Interpreter, LoopsOfNoIterations) {
  ProgramSpec p;
  p.buffers = {{kState, kF32, 1, 0}};
  const ViewSpec s = whole(0, {1});
  const InstructionSpec twice = binary("add", s, s, s);
  p.instructions = {loop(0), twice, loop(3), twice, end(), end(), twice, loop(2), loop(0), twice, end(), twice, end()};
  const StorageRef state = storage_of(Floats{1});
  Interpreter interpreter(1);
  EXPECT_FALSE(run(interpreter, *make(p), list(state)));
  EXPECT_EQ(values_of<float>(state)[0], 8);
}

// s = 2·s, then y = x[index], which fails if an index is out of range; both are done `count` times.
std::shared_ptr<Program> lookup(double count) {
  ProgramSpec p;
  p.buffers = {
      {kState, kF32, 3, 0}, {kInput, kF32, 8, 1}, {kInput, kI32, 12, 2}, {kOutput, kF32, 8, 3}, {kState, kF32, 3, 4}};
  const ViewSpec s = whole(0, {3}), after = whole(4, {3});
  p.instructions = {loop(count),
                    binary("add", s, s, s),
                    {"gather_rows", {whole(3, {4, 2})}, {whole(1, {4, 2}), whole(2, {4}, 0, {4})}},
                    end(),
                    binary("add", after, after, after)};
  return make(p);
}

TEST(Interpreter, FailureLeavesStatesAsTheyWere) {
  const auto program = lookup(3);
  ASSERT_EQ(program->endangered(), std::vector<int>{0});
  const StorageRef s = storage_of(Floats{1, 2, 3}), after = storage_of(Floats{1, 1, 1}), y = storage_of(Floats(8)),
                   x = storage_of(Floats{1, 2, 3, 4, 5, 6, 7, 8});
  std::vector<int32_t> index = {0, 1, 2, 3, 3, 2, 1, 0, 1, 1, 2, 2};
  Interpreter interpreter(2);
  EXPECT_FALSE(run(interpreter, *program, list(s, x, storage_of(index), y, after)));
  EXPECT_EQ(values_of<float>(s), (Floats{8, 16, 24}));
  EXPECT_EQ(values_of<float>(after)[0], 2);
  EXPECT_EQ(values_of<float>(y), (Floats{3, 4, 3, 4, 5, 6, 5, 6}));

  index[10] = 4;  // in the last iteration
  index[11] = -7;
  const std::optional<RunFailure> failure = run(interpreter, *program, list(s, x, storage_of(index), y, after));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, RunFailure::Code::index);
  EXPECT_EQ(failure->instruction, 2);
  EXPECT_EQ(failure->value, 4);
  EXPECT_EQ(failure->limit, 4);
  EXPECT_EQ(values_of<float>(s), (Floats{8, 16, 24}));
  EXPECT_EQ(values_of<float>(after)[0], 2);
}

TEST(Interpreter, CancelledBeforeItBegins) {
  const StorageRef s = storage_of(Floats{1, 2, 3}), after = storage_of(Floats{1, 1, 1});
  const Storages storages =
      list(s, storage_of(Floats(8)), storage_of(std::vector<int32_t>(12)), storage_of(Floats(8)), after);
  const std::atomic<bool> is_cancelled{true};
  Interpreter interpreter(1);
  EXPECT_FALSE(interpreter.run(*lookup(3), storages, nullptr, is_cancelled));
  EXPECT_EQ(values_of<float>(after)[0], 1);
}

TEST(Interpreter, CancelledInTheMiddle) {
  ProgramSpec p;
  p.buffers = {{kState, kF32, 1, 0}};
  const ViewSpec s = whole(0, {1});
  p.instructions = {loop(2147483647), loop(2147483647), binary("add", s, s, s), end(), end()};
  const auto program = make(p);
  const StorageRef state = storage_of(Floats{1});
  std::atomic<bool> is_cancelled{false};
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    is_cancelled = true;
  });
  Interpreter interpreter(2);
  EXPECT_FALSE(interpreter.run(*program, list(state), nullptr, is_cancelled));  // returns at all
  canceller.join();
}

TEST(Interpreter, TooMuchMemoryIsAFailure) {
  ProgramSpec p;
  p.arena = 0x1p40;
  p.buffers = {{kState, kF32, 1, 0}};
  p.instructions = {binary("add", whole(0, {1}), whole(0, {1}), whole(0, {1}))};
  const auto large = make(p);
  p.arena = 0;
  const auto small = make(p);
  const StorageRef s = storage_of(Floats{1});
  Interpreter interpreter(1);
  const std::optional<RunFailure> failure = run(interpreter, *large, list(s));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, RunFailure::Code::out_of_memory);
  EXPECT_EQ(failure->instruction, -1);
  EXPECT_GE(failure->value, 0x1p40);
  EXPECT_EQ(values_of<float>(s)[0], 1);
  EXPECT_FALSE(run(interpreter, *small, list(s)));
  EXPECT_EQ(values_of<float>(s)[0], 2);
}

TEST(Interpreter, MemoryGoesBackAndComesAgain) {
  ProgramSpec p;
  p.arena = 4096;
  p.buffers = {{kInput, kF32, 1000, 0}, {kOutput, kF32, 1000, 1}, {kArena, kF32, 1000, 64}};
  p.instructions = {binary("add", whole(2, {1000}), whole(0, {1000}), whole(0, {1000})),
                    binary("mul", whole(1, {1000}), whole(2, {1000}), whole(2, {1000}))};
  const auto program = make(p);
  Interpreter interpreter(1);
  for (int i = 0; i < 3; ++i) {
    const StorageRef y = storage_of(Floats(1000));
    EXPECT_FALSE(run(interpreter, *program, list(storage_of(Floats(1000, 3)), y)));
    EXPECT_EQ(values_of<float>(y), Floats(1000, 36));
    EXPECT_GE(interpreter.held_bytes(), 4096u);
    interpreter.release_memory();
    EXPECT_EQ(interpreter.held_bytes(), 0u);
  }
}

// c = a·b again and again: b packed once it has stood still, packed anew or not at all when it has changed.
TEST(Interpreter, KeepsPackedInputsUntilTheyChange) {
  const double m = 30, k = 70, n = 90;
  ProgramSpec product, change;
  product.buffers = {{kInput, kF32, m * k, 0}, {kInput, kF32, k * n, 1}, {kOutput, kF32, m * n, 2}};
  product.instructions = {{"gemm", {whole(2, {1, m, n})}, {whole(0, {1, m, k}), whole(1, {1, k, n})}}};
  change.buffers = {{kState, kF32, k * n, 0}};
  change.instructions = {binary("add", whole(0, {k * n}), whole(0, {k * n}), whole(0, {k * n}))};
  Random random(3);
  const StorageRef a = storage_of(random.values<float>(2100)), b = storage_of(random.values<float>(6300)),
                   c = storage_of(Floats(2700));
  const size_t lent = storage_pool().lent();
  {
    const auto program = make(product), twin = make(product), doubling = make(change);
    Interpreter interpreter(1);
    Floats expected;
    for (int round = 0; round < 6; ++round) {
      for (const auto& each : {program, twin}) {
        ASSERT_FALSE(run(interpreter, *each, list(share(a), share(b), share(c))));
        if (expected.empty()) expected = values_of<float>(c);
        ASSERT_EQ(values_of<float>(c), expected) << round;
      }
      // From the second time on, one copy for both; none when the input has just changed.
      EXPECT_EQ(storage_pool().lent() > lent, round == 1 || round == 2 || round == 5) << round;
      EXPECT_LT(storage_pool().lent(), lent + 2 * 6300 * sizeof(float)) << round;
      if (round != 2 && round != 3) continue;
      ASSERT_FALSE(run(interpreter, *doubling, list(share(b))));
      for (float& v : expected) v *= 2;
    }
  }
  EXPECT_EQ(storage_pool().lent(), lent);
}

class EveryThreadCount : public testing::TestWithParam<const KernelSet*> {
 protected:
  // The last external buffer of `spec` is compared; the others are filled with random numbers.
  void expect_same_bits(const ProgramSpec& spec) {
    const auto program = make(spec, *GetParam());
    Random random(7);
    Storages storages;
    for (const Buffer& b : program->external()) {
      ASSERT_EQ(b.dtype, Dtype::f32);
      storages.push_back(storage_of(random.values<float>(b.size)));
    }
    std::string expected;
    for (const int threads : {1, 2, 3, 7}) {
      Interpreter interpreter(threads);
      for (int again = 0; again < 3; ++again) {  // at last with what kernels keep of inputs that stand still
        ASSERT_FALSE(run(interpreter, *program, storages, {3.25}));
        const std::string bits(storages.back()->data(), storages.back()->bytes());
        if (expected.empty()) expected = bits;
        ASSERT_TRUE(bits == expected) << threads << " threads, instruction " << spec.instructions[0].kernel;
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, EveryThreadCount, testing::ValuesIn(supported_kernels()),
                         [](const auto& info) { return std::string(info.param->isa); });

TEST_P(EveryThreadCount, Tile) {
  ProgramSpec p;
  p.uniforms = 1;
  p.buffers = {{kInput, kF32, 300007, 0}, {kOutput, kF32, 300007, 1}};
  p.instructions = {scaled(whole(1, {300007}), whole(0, {300007}), 0.3)};
  expect_same_bits(p);
}

TEST_P(EveryThreadCount, Reduce) {
  const double cuts[][3] = {{1, 1000003, 1}, {700, 333, 1},  {50, 2000, 1}, {3, 7001, 13}, {1, 90001, 7},
                            {2, 301, 700},   {1, 200, 2049}, {1, 70, 5001}, {40000, 3, 5}, {1, 2, 200000}};
  for (const double* cut : cuts) {
    const double outer = cut[0], n = cut[1], inner = cut[2], size = outer * n * inner;
    for (const double op : {0, 1}) {
      const TileSpec tile{kF32, {size}, {{"load", {0}}, {"mul", {0, 0}}, {"sub", {0, 1}}}, {2}};
      expect_same_bits({0,
                        0,
                        {{kInput, kF32, size, 0}, {kOutput, kF32, outer * inner, 1}},
                        {{"reduce", {whole(1, {outer * inner})}, {whole(0, {size})}, {op, outer, n, inner}, tile}}});
    }
  }
}

// Rows of y = ((2x + 3.25)² + bias)·w, two products and a tile, each iteration in memory of its own: t and u are
// smaller than what all iterations together put there.
TEST_P(EveryThreadCount, IndependentIterations) {
  const double count = 37, rows = 5, k = 40, n = 70;
  ProgramSpec p{1,
                4096,
                {{kInput, kF32, count * rows * k, 0},
                 {kInput, kF32, k * k, 1},
                 {kInput, kF32, k * n, 2},
                 {kArena, kF32, rows * k, 0},
                 {kArena, kF32, rows * k, 1024},
                 {kOutput, kF32, count * rows * n, 3}},
                {}};
  const ViewSpec x = whole(0, {1, rows, k}, 0, {rows * k}), t = whole(3, {1, rows, k}, 0, {0}),
                 u = whole(4, {1, rows, k});
  const ViewSpec y = whole(5, {1, rows, n}, 0, {rows * n});
  const InstructionSpec body[] = {scaled(t, x, 2),
                                  {"gemm", {u}, {t, whole(1, {1, k, k})}},
                                  binary("mul", t, u, u),
                                  {"gemm", {y}, {t, whole(2, {1, k, n})}}};
  p.instructions = {loop(count), body[0], body[1], body[2], body[3], end()};
  Random random(3);
  const auto inputs = [&](double size) { return storage_of(random.values<float>(static_cast<int64_t>(size))); };
  const StorageRef a = inputs(count * rows * k), b = inputs(k * k), c = inputs(k * n);
  const StorageRef want = inputs(count * rows * n), got = inputs(count * rows * n);
  Interpreter interpreter(1);
  ASSERT_FALSE(run(interpreter, *make(p, *GetParam()), list(a, b, c, want), {3.25}));
  p.instructions[0] = independent_loop(count);
  const auto program = make(p, *GetParam());
  for (const int threads : {1, 2, 3, 7}) {
    Interpreter team(threads);
    for (int again = 0; again < 3; ++again) {  // with packed weights kept, at last
      std::memset(got->data(), 0, got->bytes());
      ASSERT_FALSE(run(team, *program, list(a, b, c, got), {3.25}));
      ASSERT_EQ(values_of<float>(got), values_of<float>(want)) << threads << " threads";
    }
  }
}

TEST_P(EveryThreadCount, Gemm) {
  const double shapes[][3] = {{200, 300, 170}, {1, 5000, 400}, {3000, 3, 40}, {17, 90000, 5}};
  for (const double* s : shapes) {
    const double m = s[0], k = s[1], n = s[2];
    ProgramSpec p;
    p.buffers = {{kInput, kF32, m * k, 0}, {kInput, kF32, k * n, 1}, {kOutput, kF32, m * n, 2}};
    p.instructions = {{"gemm", {whole(2, {1, m, n})}, {whole(0, {1, m, k}), whole(1, {1, k, n})}}};
    expect_same_bits(p);
  }
}

TEST_P(EveryThreadCount, Convolutions) {
  const struct {
    Numbers x, w, y, attrs;
  } cases[] = {
      {{3, 28, 28, 6}, {5, 5, 6, 16}, {3, 28, 28, 16}, {1, 1, 2, 2, 1, 1, 1, 0}},
      {{3, 21, 18, 40}, {3, 3, 40, 48}, {3, 21, 18, 48}, {1, 1, 1, 1, 1, 1, 1, 0}},  // Winograd: more tiles
      {{9, 8, 8, 96}, {3, 3, 96, 200}, {9, 8, 8, 200}, {1, 1, 1, 1, 1, 1, 1, 0}},    // more filters
      {{5, 4, 4, 130}, {3, 3, 130, 140}, {5, 4, 4, 140}, {1, 1, 1, 1, 1, 1, 1, 1}},  // frames that are packed
  };
  for (const auto& c : cases) {
    const auto size = [](const Numbers& shape) { return shape[0] * shape[1] * shape[2] * shape[3]; };
    const auto conv = [&](const char* kernel, const Numbers& a, const Numbers& b, const Numbers& out) {
      ProgramSpec p;
      p.buffers = {{kInput, kF32, size(a), 0}, {kInput, kF32, size(b), 1}, {kOutput, kF32, size(out), 2}};
      p.instructions = {{kernel, {whole(2, out)}, {whole(0, a), whole(1, b)}, c.attrs}};
      expect_same_bits(p);
    };
    conv("conv2d", c.x, c.w, c.y);
    conv("conv2d_input_grad", c.y, c.w, c.x);
    conv("conv2d_filter_grad", c.x, c.y, c.w);
  }
}

}  // namespace
}  // namespace nabla::test
