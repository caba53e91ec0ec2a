// Programs for tests of the engine, written down as lib/runtime/encode.ts encodes them. Every number is a double, so
// that programs can be wrong in every way.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "engine/isa.h"
#include "engine/program.h"
#include "harness.h"

namespace nabla::test {

using Numbers = std::vector<double>;

struct BufferSpec {
  double kind, dtype, size, place;
};

struct ViewSpec {
  double buffer, offset;
  Numbers shape, strides, steps = {};
};

struct StepSpec {
  std::string op;
  Numbers args;
};

struct TileSpec {
  double dtype;
  Numbers shape;
  std::vector<StepSpec> steps;
  Numbers stores;
};

struct InstructionSpec {
  std::string kernel;
  std::vector<ViewSpec> outputs, inputs;
  Numbers attrs = {};
  std::optional<TileSpec> tile = {}, prologue = {};
};

struct ProgramSpec {
  double uniforms = 0, arena = 0;
  std::vector<BufferSpec> buffers;
  std::vector<InstructionSpec> instructions;

  struct Encoded {
    Numbers words;
    std::vector<std::string> names;
  };
  Encoded encode(std::vector<std::string> names = {}) const {
    Encoded e{{}, std::move(names)};
    const auto put = [&](const Numbers& numbers) { e.words.insert(e.words.end(), numbers.begin(), numbers.end()); };
    const auto name = [&](const std::string& s) {
      const auto at = std::find(e.names.begin(), e.names.end(), s);
      const auto index = static_cast<double>(at - e.names.begin());
      if (at == e.names.end()) e.names.push_back(s);
      return index;
    };
    const auto count = [](const auto& list) { return static_cast<double>(list.size()); };
    put({1, uniforms, arena, count(buffers), count(instructions)});
    for (const BufferSpec& b : buffers) put({b.kind, b.dtype, b.size, b.place});
    for (const InstructionSpec& ins : instructions) {
      put({name(ins.kernel), count(ins.outputs), count(ins.inputs), count(ins.attrs),
           (ins.tile ? 1.0 : 0.0) + (ins.prologue ? 2.0 : 0.0)});
      for (const auto* views : {&ins.outputs, &ins.inputs}) {
        for (const ViewSpec& v : *views) {
          put({v.buffer, v.offset, count(v.shape), count(v.steps)});
          for (const Numbers* numbers : {&v.shape, &v.strides, &v.steps}) put(*numbers);
        }
      }
      put(ins.attrs);
      for (const auto* tile : {&ins.tile, &ins.prologue}) {
        if (!*tile) continue;
        put({(*tile)->dtype, count((*tile)->shape), count((*tile)->steps), count((*tile)->stores)});
        put((*tile)->shape);
        for (const StepSpec& step : (*tile)->steps) {
          put({name(step.op), count(step.args)});
          put(step.args);
        }
        put((*tile)->stores);
      }
    }
    return e;
  }
};

enum Kind { kArena, kInput, kOutput, kState };
enum Type { kF32, kF64, kI32, kU8, kBool };

inline ViewSpec whole(int buffer, const Numbers& shape, double offset = 0, const Numbers& steps = {}) {
  ViewSpec v{static_cast<double>(buffer), offset, shape, Numbers(shape.size()), steps};
  double step = 1;
  for (size_t i = shape.size(); i-- > 0;) v.strides[i] = step, step *= shape[i];
  return v;
}

// y = op(a, b), a tile over all of `shape`.
inline InstructionSpec binary(const std::string& op, ViewSpec y, ViewSpec a, ViewSpec b, Type dtype = kF32) {
  TileSpec tile{static_cast<double>(dtype), y.shape, {{"load", {0}}, {"load", {1}}, {op, {0, 1}}}, {2}};
  return {"tile", {std::move(y)}, {std::move(a), std::move(b)}, {}, std::move(tile)};
}
// y = x · scale + uniform 0
inline InstructionSpec scaled(ViewSpec y, ViewSpec x, double scale, Type dtype = kF32) {
  TileSpec tile{static_cast<double>(dtype),
                y.shape,
                {{"load", {0}}, {"const", {scale}}, {"mul", {0, 1}}, {"uniform", {0}}, {"add", {2, 3}}},
                {4}};
  return {"tile", {std::move(y)}, {std::move(x)}, {}, std::move(tile)};
}
inline InstructionSpec loop(double count) { return {"loop", {}, {}, {count}}; }
inline InstructionSpec independent_loop(double count) { return {"loop", {}, {}, {count, 1}}; }
inline InstructionSpec end() { return {"end", {}, {}}; }

inline std::shared_ptr<Program> make(const ProgramSpec& spec, const KernelSet& kernels = active_kernels()) {
  const ProgramSpec::Encoded e = spec.encode();
  return std::make_shared<Program>(e.words.data(), e.words.size(), e.names, kernels);
}

// A storage that holds `values`.
template <class T>
StorageRef storage_of(const std::vector<T>& values) {
  StorageRef storage = StorageRef::adopt(new Storage(values.size() * sizeof(T)));
  if (!values.empty()) std::memcpy(storage->data(), values.data(), values.size() * sizeof(T));
  return storage;
}
template <class T>
std::vector<T> values_of(const StorageRef& storage) {
  const auto* data = reinterpret_cast<const T*>(storage->data());
  return std::vector<T>(data, data + storage->bytes() / sizeof(T));
}
inline StorageRef share(const StorageRef& storage) { return StorageRef(storage.get()); }

}  // namespace nabla::test
