// What is done with a program of unknown worth: if it is not refused, it runs, and neither a byte outside its buffers
// nor an input is touched. Most telling under AddressSanitizer.
#pragma once
#include <cstdlib>
#include <new>

#include "engine/interpreter.h"
#include "programs.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NABLA_UNDER_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define NABLA_UNDER_ASAN
#endif
#if defined(NABLA_UNDER_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace nabla::test {

constexpr double kTooLong = 1e6;  // rough number of operations of a run that is not worth the wait
constexpr size_t kTooLarge = size_t(16) << 20;

// One program for each kernel, with an epilogue where it takes one, and one with loops.
inline std::vector<ProgramSpec> seeds() {
  std::vector<ProgramSpec> specs;
  const auto add = [&](std::vector<BufferSpec> buffers, std::vector<InstructionSpec> instructions) {
    ProgramSpec p;
    p.uniforms = 2;
    p.arena = 1024;
    p.buffers = std::move(buffers);
    p.instructions = std::move(instructions);
    specs.push_back(std::move(p));
  };
  const auto epilogue = [](const Numbers& shape) {
    return TileSpec{kF32, shape, {{"load", {0}}, {"load", {1}}, {"add", {0, 1}}, {"tanh", {2}}}, {3}};
  };
  for (const double dtype : {kF32, kF64}) {
    const auto in = [&](double size, double place) { return BufferSpec{kInput, dtype, size, place}; };
    const auto out = [&](double size, double place) { return BufferSpec{kOutput, dtype, size, place}; };

    TileSpec chain{dtype,
                   {3, 35},
                   {{"load", {0}},
                    {"load", {1}},
                    {"uniform", {1}},
                    {"const", {0.5}},
                    {"index", {}},
                    {"mul", {0, 1}},
                    {"add", {5, 2}},
                    {"pow", {6, 3}},
                    {"where", {1, 7, 4}},
                    {"not", {8}}},
                   {8, 9}};
    add({in(105, 0), in(35, 1), out(105, 2), {kState, kU8, 105, 3}},
        {{"tile",
          {whole(2, {3, 35}), whole(3, {3, 35})},
          {{0, 0, {3, 35}, {1, 3}}, {1, 0, {3, 35}, {0, 1}}},
          {},
          chain}});
    chain = {dtype, {2, 40, 9}, {{"load", {0}}, {"mul", {0, 0}}}, {1}};
    chain.shape = {720};
    add({in(720, 0), out(18, 1)}, {{"reduce", {whole(1, {18})}, {whole(0, {720})}, {0, 2, 40, 9}, chain}});
    add({in(720, 0), out(18, 1)}, {{"reduce", {whole(1, {18})}, {whole(0, {720})}, {1, 18, 40, 1}, chain}});
    add({in(720, 0), {kOutput, kI32, 18, 1}}, {{"arg_reduce", {whole(1, {18})}, {whole(0, {720})}, {0, 2, 40, 9}}});
    add({in(60, 0), out(60, 1)}, {{"copy", {whole(1, {5, 4, 3})}, {{0, 2, {5, 4, 3}, {12, 3, -1}}}}});
    add({in(60, 0), out(20, 1)}, {{"softmax", {whole(1, {5, 4})}, {whole(0, {5, 4})}}});
    add({in(60, 0), out(20, 1)}, {{"log_softmax", {whole(1, {4, 5})}, {whole(0, {4, 5})}}});
    add({in(720, 0), out(36, 1)}, {{"moments", {whole(1, {2, 2, 9})}, {whole(0, {720})}, {2, 40, 9}}});
    add({in(60, 0), in(5, 1), in(1, 2), out(60, 3), in(60, 4), out(60, 5)},
        {{"layer_norm",
          {whole(3, {12, 5}), whole(5, {12, 5})},
          {whole(0, {12, 5}), whole(1, {5}), whole(1, {5}), whole(2, {}), whole(4, {12, 5})},
          {1},
          epilogue({12, 5})},
         {"layer_norm_grad",
          {whole(5, {12, 5})},
          {whole(0, {12, 5}), whole(1, {5}), whole(4, {12, 5}), whole(2, {})},
          {0}}});
    add({in(20, 0), {kInput, kI32, 4, 1}, out(4, 2)},
        {{"cross_entropy", {whole(2, {4})}, {whole(0, {4, 5}), whole(1, {4})}}});
    add({in(20, 0), {kInput, kI32, 4, 1}, out(20, 2), in(4, 3), out(20, 4)},
        {{"cross_entropy_grad",
          {whole(2, {4, 5}), whole(4, {4, 5})},
          {whole(0, {4, 5}), whole(1, {4}), {3, 0, {4, 5}, {1, 0}}},
          {},
          epilogue({4, 5})}});
    add({in(20, 0), {kInput, kI32, 7, 1}, out(35, 2)},
        {{"gather_rows", {whole(2, {7, 5})}, {whole(0, {4, 5}), whole(1, {7})}}});
    add({in(35, 0), {kInput, kI32, 7, 1}, out(20, 2)},
        {{"scatter_add_rows", {whole(2, {4, 5})}, {whole(0, {7, 5}), whole(1, {7})}}});
    add({out(77, 0)}, {{"random", {whole(0, {7, 11})}, {}, {1, 0, 1}}});

    add({in(70, 0), in(77, 1), in(11, 2), out(110, 3), out(110, 4)},
        {{"gemm",
          {whole(3, {2, 5, 11}), whole(4, {2, 5, 11})},
          {{0, 0, {2, 5, 7}, {35, 1, 5}}, {1, 0, {2, 7, 11}, {0, 11, 1}}, {2, 0, {2, 5, 11}, {0, 0, 1}}},
          {},
          epilogue({2, 5, 11})}});
    const Numbers x = {2, 7, 6, 4}, w = {3, 3, 2, 6}, y = {2, 4, 3, 6}, attrs = {2, 2, 1, 1, 1, 1, 2, 0};
    add({in(336, 0), in(108, 1), out(144, 2), in(6, 3), out(144, 4)},
        {{"conv2d",
          {whole(2, y), whole(4, y)},
          {whole(0, x), whole(1, w), {3, 0, y, {0, 0, 0, 1}}},
          attrs,
          epilogue(y)}});
    add({in(144, 0), in(108, 1), out(336, 2)},
        {{"conv2d_input_grad", {whole(2, x)}, {whole(0, y), whole(1, w)}, attrs}});
    add({in(336, 0), in(144, 1), out(108, 2)},
        {{"conv2d_filter_grad", {whole(2, w)}, {whole(0, x), whole(1, y)}, attrs}});
    const Numbers deep = {2, 7, 6, 6}, each = {3, 3, 1, 6}, depthwise = {2, 2, 1, 1, 1, 1, 6, 1};
    add({in(504, 0), in(54, 1), out(144, 2)}, {{"conv2d", {whole(2, y)}, {whole(0, deep), whole(1, each)}, depthwise}});
    add({in(144, 0), in(54, 1), out(504, 2)},
        {{"conv2d_input_grad", {whole(2, deep)}, {whole(0, y), whole(1, each)}, depthwise}});
    add({in(504, 0), in(144, 1), out(54, 2)},
        {{"conv2d_filter_grad", {whole(2, each)}, {whole(0, deep), whole(1, y)}, depthwise}});
    // Prologues: x · c of each column of what is read, through a chain and by the tile machine.
    const auto prologue = [&](const Numbers& shape, const char* then) {
      return TileSpec{dtype, shape, {{"load", {0}}, {"load", {1}}, {"mul", {0, 1}}, {then, {2}}}, {3}};
    };
    add({in(70, 0), in(77, 1), in(7, 2), out(110, 3), out(110, 4)},
        {{"gemm",
          {whole(3, {1, 10, 11}), whole(4, {1, 10, 11})},
          {whole(0, {1, 10, 7}), whole(1, {1, 7, 11}), {2, 0, {1, 10, 7}, {0, 0, 1}}, {1, 0, {1, 10, 11}, {0, 0, 1}}},
          {},
          TileSpec{dtype, {1, 10, 11}, {{"load", {0}}, {"load", {2}}, {"add", {0, 1}}}, {2}},
          prologue({1, 10, 7}, "neg")}});
    add({in(70, 0), in(110, 1), in(10, 2), out(77, 3)},
        {{"gemm",
          {whole(3, {1, 7, 11})},
          {{0, 0, {1, 7, 10}, {70, 1, 7}}, whole(1, {1, 10, 11}), {2, 0, {1, 10, 7}, {0, 1, 0}}},
          {},
          {},
          prologue({1, 10, 7}, "tanh")}});
    const Numbers point = {1, 1, 6, 5}, made = {2, 7, 6, 5}, plain = {1, 1, 0, 0, 1, 1, 1, 0}, columns = {0, 0, 0, 1};
    add({in(504, 0), in(30, 1), in(6, 2), out(420, 3)}, {{"conv2d",
                                                          {whole(3, made)},
                                                          {whole(0, deep), whole(1, point), {2, 0, deep, columns}},
                                                          plain,
                                                          {},
                                                          prologue(deep, "abs")}});
    add({in(504, 0), in(420, 1), in(6, 2), out(30, 3)}, {{"conv2d_filter_grad",
                                                          {whole(3, point)},
                                                          {whole(0, deep), whole(1, made), {2, 0, deep, columns}},
                                                          plain,
                                                          {},
                                                          prologue(deep, "neg")}});
    add({in(504, 0), in(54, 1), in(6, 2), out(144, 3)}, {{"conv2d",
                                                          {whole(3, y)},
                                                          {whole(0, deep), whole(1, each), {2, 0, deep, columns}},
                                                          depthwise,
                                                          {},
                                                          prologue(deep, "neg")}});
    add({in(504, 0), in(144, 1), in(6, 2), out(54, 3)}, {{"conv2d_filter_grad",
                                                          {whole(3, each)},
                                                          {whole(0, deep), whole(1, y), {2, 0, deep, columns}},
                                                          depthwise,
                                                          {},
                                                          prologue(deep, "abs")}});
    const Numbers pool = {3, 3, 2, 2, 1, 1}, average = {3, 3, 2, 2, 1, 1, 0};
    add({in(504, 0), out(144, 1)}, {{"max_pool2d", {whole(1, y)}, {whole(0, deep)}, pool}});
    add({in(504, 0), in(144, 1), out(504, 2)},
        {{"max_pool2d_scatter", {whole(2, deep)}, {whole(0, deep), whole(1, y)}, pool}});
    add({in(504, 0), in(504, 1), out(144, 2)},
        {{"max_pool2d_gather", {whole(2, y)}, {whole(0, deep), whole(1, deep)}, pool}});
    add({in(504, 0), out(144, 1), in(6, 2), out(144, 3)},
        {{"avg_pool2d", {whole(1, y), whole(3, y)}, {whole(0, deep), {2, 0, y, {0, 0, 0, 1}}}, average, epilogue(y)}});
    add({in(144, 0), out(504, 1)}, {{"avg_pool2d_grad", {whole(1, deep)}, {whole(0, y)}, average}});

    const auto type = static_cast<Type>(dtype);
    add({in(24, 0), {kArena, dtype, 24, 256}, {kArena, dtype, 8, 0}, {kState, dtype, 8, 1}},
        {binary("mul", whole(1, {24}), whole(0, {24}), whole(0, {24}), type), loop(3),
         binary("sub", whole(2, {8}), whole(1, {8}, 0, {8}), whole(0, {8}, 16, {-8}), type), loop(2),
         binary("add", whole(3, {4}, 0, {0, 4}), whole(2, {4}, 0, {0, 4}), whole(3, {4}, 0, {0, 4}), type), end(),
         end()});
  }
  return specs;
}

// Roughly the operations of a run: no kernel does more than combine each element of one operand with each of another.
inline double length_of(Program& program) {
  double total = 0, iterations = 1;
  std::vector<double> outside;
  for (const Instruction& ins : program.instructions()) {
    if (ins.kind == Instruction::Kind::loop) {
      outside.push_back(iterations);
      iterations *= static_cast<double>(ins.count);
    } else if (ins.kind == Instruction::Kind::end) {
      iterations = outside.back();
      outside.pop_back();
    }
    double one = 1, two = 1;  // the largest
    for (const View& v : ins.views) {
      const auto size = static_cast<double>(v.size());
      two = std::max(two, std::min(one, size));
      one = std::max(one, size);
    }
    total += iterations * one * two;
  }
  return total;
}

// A storage of exactly the bytes that a program asks for, with a guard behind.
class Guarded {
 public:
  explicit Guarded(const Buffer& buffer, Random& random)
      : buffer_(buffer),
        bytes_(static_cast<size_t>(buffer.bytes())),
        storage_(StorageRef::adopt(new Storage(bytes_ + kGuard))) {
    char* const data = storage_->data();
    for (size_t i = 0; i < bytes_; ++i) data[i] = static_cast<char>(random.next());
    for (size_t i = 0; i + 4 <= bytes_ && buffer.dtype == Dtype::i32; i += 4) {  // indices, most of them good
      const auto index = static_cast<int32_t>(random.below(5));
      std::memcpy(data + i, &index, 4);
    }
    before_.assign(data, bytes_);
    std::memset(data + bytes_, 0x3C, kGuard);
#if defined(NABLA_UNDER_ASAN)
    ASAN_POISON_MEMORY_REGION(data + bytes_, kGuard);
#endif
  }
  ~Guarded() {
    const char* const data = storage_->data();
#if defined(NABLA_UNDER_ASAN)
    ASAN_UNPOISON_MEMORY_REGION(data + bytes_, kGuard);
#endif
    EXPECT_EQ(std::string(data + bytes_, kGuard), std::string(kGuard, 0x3C)) << "written beyond its end";
    const bool is_input = buffer_.kind == BufferKind::input;
    EXPECT_TRUE(!is_input || std::string(data, bytes_) == before_) << "an input was written";
  }
  StorageRef share() const { return StorageRef(storage_.get()); }

 private:
  static constexpr size_t kGuard = 64;
  Buffer buffer_;
  size_t bytes_;
  StorageRef storage_;
  std::string before_;
};

enum class Fate { refused, skipped, run };

inline Fate attempt(const Numbers& words, const std::vector<std::string>& names, const KernelSet& kernels,
                    Random& random) {
  std::unique_ptr<Program> program;
  try {
    program = std::make_unique<Program>(words.data(), words.size(), names, kernels);
  } catch (const MalformedProgram&) {
    return Fate::refused;
  } catch (const std::bad_alloc&) {
    return Fate::refused;
  }
  size_t bytes = program->arena_bytes() + program->workspace_bytes() + program->scratch_bytes();
  for (const Buffer& b : program->external()) bytes += static_cast<size_t>(b.bytes());
  if (length_of(*program) > kTooLong || bytes > kTooLarge) return Fate::skipped;

  std::deque<Guarded> guarded;
  std::vector<StorageRef> storages;
  for (const Buffer& b : program->external()) storages.push_back(guarded.emplace_back(b, random).share());
  const Numbers uniforms(static_cast<size_t>(program->uniform_count()), 3);
  const std::atomic<bool> is_cancelled{false};
  Interpreter(1).run(*program, storages, uniforms.data(), is_cancelled);  // its memory is of the exact sizes
  return Fate::run;
}

}  // namespace nabla::test
