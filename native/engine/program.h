// A program as the engine runs it: parsed from the words that lib/runtime/encode.ts writes, validated, and planned for
// one set of kernels. Nothing in a program that has been made can lead a kernel outside its buffers.
#pragma once
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "kernels/kernel.h"

namespace nabla {

constexpr int kMaxLoops = 8;

// Why a program is refused. `instruction` is -1 where none is to blame.
class MalformedProgram : public std::runtime_error {
 public:
  MalformedProgram(const std::string& what, int instruction) : std::runtime_error(what), instruction(instruction) {}
  int instruction;
};

enum class BufferKind { arena, input, output, state };

struct Buffer {
  BufferKind kind;
  Dtype dtype;
  int64_t size;   // elements
  int64_t place;  // arena: byte offset; else position in the list of storages

  int64_t bytes() const { return size * static_cast<int64_t>(size_of(dtype)); }
};

// Where a view's data is: a buffer, and an offset in bytes that grows with the iterations of the loops around it.
struct Place {
  int buffer;
  int64_t offset;
  int64_t steps[kMaxLoops];
};

// Of a loop whose iterations are independent, so that threads share them out: where in a thread's own memory the arena
// buffers lie that only this loop touches, and what else a thread needs. Offsets are by buffer, -1 for all others.
struct Band {
  std::vector<int64_t> offsets;
  size_t own = 0, workspace = 0, scratch = 0;
  size_t bytes() const { return own + workspace + scratch; }
};

// The first instructions of a program, if they compute what is small from inputs alone, such as the factors of batch
// norm: results lie in memory of the program's own, and are computed again only if what they are of has changed.
struct Steady {
  int end = 0;  // behind the last of them
  Block memory;
  std::vector<int64_t> offsets;  // of their results, by buffer; -1 for all others
  std::vector<uint64_t> stamps;  // of their results, by buffer
};

struct Instruction {
  enum class Kind { call, loop, end };
  Kind kind = Kind::call;
  // loop: iterations and position of the matching end; end: position of its loop.
  int64_t count = 0;
  int partner = 0;
  std::unique_ptr<Band> band;  // of a loop whose iterations are independent

  const Kernel* kernel = nullptr;
  Call call{};
  Plan plan{};
  int depth = 0;  // loops around it
  std::vector<View> views;
  std::vector<Place> places;  // of `views`: outputs, then inputs
  std::vector<double> attrs;
  Tile tile{};
  std::vector<TileStep> steps;
  std::vector<int32_t> stores;
  Tile prologue{};
  std::vector<TileStep> prologue_steps;
  std::vector<int32_t> prologue_stores;
  Block state;
  // What the kernel keeps, the stamp of the input that it is of (0: of none), and the stamp that the input had last.
  std::shared_ptr<KeptBlock> kept;
  uint64_t kept_stamp = 0, seen_stamp = 0;
  std::vector<uint64_t> stamps;  // of the inputs that a steady instruction has computed its results of
};

class Program {
 public:
  // Throws MalformedProgram, or std::bad_alloc.
  Program(const double* words, size_t count, const std::vector<std::string>& names, const KernelSet& kernels);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const std::vector<Buffer>& buffers() const { return buffers_; }
  const std::vector<Buffer>& external() const { return external_; }  // by place
  const Buffer& buffer_of(const Place& place) const { return buffers_[static_cast<size_t>(place.buffer)]; }
  int uniform_count() const { return uniform_count_; }
  size_t arena_bytes() const { return arena_bytes_; }
  size_t workspace_bytes() const { return workspace_bytes_; }  // most that one instruction needs
  size_t scratch_bytes() const { return scratch_bytes_; }      // most that one task needs
  // What a run takes on one thread, estimated from shapes as the kernels' plans do.
  double nanoseconds() const { return nanoseconds_; }
  // What its last run did take.
  std::atomic<double> last_nanoseconds{std::numeric_limits<double>::infinity()};
  // States (by place) that are written before an instruction that may fail: a failed run must put them back.
  const std::vector<int>& endangered() const { return endangered_; }

  // The program runs by setting the data of its instructions' views, so one run at a time.
  std::vector<Instruction>& instructions() { return instructions_; }
  Steady& steady() { return steady_; }

 private:
  friend class Parser;
  void find_endangered();
  void find_steady();
  void plan_band(int loop);
  int64_t aligned_bytes(size_t buffer) const {
    return static_cast<int64_t>(aligned(static_cast<size_t>(buffers_[buffer].bytes())));
  }

  std::vector<Buffer> buffers_, external_;
  std::vector<Instruction> instructions_;
  std::vector<int> endangered_;
  Steady steady_;
  int uniform_count_ = 0;
  size_t arena_bytes_ = 0, workspace_bytes_ = 0, scratch_bytes_ = 0;
  double nanoseconds_ = 0;
};

// Whether a view's elements lie row by row without gaps.
bool is_dense(const View& view);

// Names of the tile operations in programs, in the order of TileOp, and their numbers of arguments.
struct TileOpName {
  const char* name;
  int arity;
};
extern const TileOpName tile_op_names[static_cast<int>(TileOp::count)];

}  // namespace nabla
