// What is found out about a program as a whole: which states a failure endangers, what stays from run to run, and the
// memory of loops whose iterations are independent.
#include <algorithm>
#include <cstdlib>

#include "engine/program.h"

namespace nabla {
namespace {

constexpr int64_t kMostSteady = 1 << 20;  // bytes of results that are kept from run to run

}  // namespace

// A state is endangered if an instruction that may fail comes after one that writes it, or in the same loop.
void Program::find_endangered() {
  int depth = 0, outermost = 0, last_failure = -1;
  for (int i = 0; i < static_cast<int>(instructions_.size()); ++i) {
    const Instruction& ins = instructions_[static_cast<size_t>(i)];
    if (ins.kind == Instruction::Kind::loop && depth++ == 0) outermost = i;
    if (ins.kind == Instruction::Kind::end) --depth;
    if (ins.kind == Instruction::Kind::call && ins.kernel->fallible)
      last_failure = depth > 0 ? instructions_[static_cast<size_t>(outermost)].partner : i;
  }
  std::vector<bool> is_endangered(external_.size());
  for (int i = 0; i <= last_failure; ++i) {
    const Instruction& ins = instructions_[static_cast<size_t>(i)];
    for (int k = 0; k < ins.call.output_count; ++k) {
      const Buffer& b = buffer_of(ins.places[static_cast<size_t>(k)]);
      if (b.kind == BufferKind::state) is_endangered[static_cast<size_t>(b.place)] = true;
    }
  }
  for (size_t place = 0; place < is_endangered.size(); ++place)
    if (is_endangered[place]) endangered_.push_back(static_cast<int>(place));
}

// The longest run of first instructions that are tiles of inputs alone, or of each other's results, and small.
void Program::find_steady() {
  std::vector<int> writers(buffers_.size());
  for (const Instruction& ins : instructions_)
    for (int k = 0; k < ins.call.output_count; ++k)
      ++writers[static_cast<size_t>(ins.places[static_cast<size_t>(k)].buffer)];
  steady_.offsets.assign(buffers_.size(), -1);
  int64_t bytes = 0;
  for (const Instruction& ins : instructions_) {
    if (ins.kind != Instruction::Kind::call || std::string(ins.kernel->name) != "tile") break;
    if (std::any_of(ins.steps.begin(), ins.steps.end(), [](const TileStep& s) { return s.op == TileOp::uniform; }))
      break;
    bool is_steady = true;
    int64_t more = 0;
    for (int k = 0; k < static_cast<int>(ins.places.size()); ++k) {
      const auto b = static_cast<size_t>(ins.places[static_cast<size_t>(k)].buffer);
      const Buffer& buffer = buffers_[b];
      if (k < ins.call.output_count) {
        is_steady = is_steady && buffer.kind == BufferKind::arena && writers[b] == 1;
        more += aligned_bytes(b);
      } else {
        is_steady = is_steady && (buffer.kind == BufferKind::input || steady_.offsets[b] >= 0);
      }
    }
    if (!is_steady || bytes + more > kMostSteady) break;
    for (int k = 0; k < static_cast<int>(ins.places.size()); ++k) {
      const int b = ins.places[static_cast<size_t>(k)].buffer;
      if (k < ins.call.output_count) {
        steady_.offsets[static_cast<size_t>(b)] = bytes;
        bytes += aligned_bytes(static_cast<size_t>(b));
      }
    }
    ++steady_.end;
  }
  steady_.stamps.assign(buffers_.size(), 0);
  steady_.memory = Block(static_cast<size_t>(bytes));
}

// Places what the band at `at` has to itself, lifetimes apart, and sees that no iteration writes where another does.
void Program::plan_band(int at) {
  Instruction& loop = instructions_[static_cast<size_t>(at)];
  Band& band = *loop.band;
  struct Life {
    int first = -1, last = -1;
    bool is_own = true;
  };
  std::vector<Life> lives(buffers_.size());
  for (int i = 0; i < static_cast<int>(instructions_.size()); ++i)
    for (const Place& place : instructions_[static_cast<size_t>(i)].places) {
      Life& life = lives[static_cast<size_t>(place.buffer)];
      if (life.first < 0) life.first = i;
      life.last = i;
      life.is_own = life.is_own && buffer_of(place).kind == BufferKind::arena && i > at && i < loop.partner;
    }
  band.offsets.assign(lives.size(), -1);
  const auto end_of = [&](size_t b) { return band.offsets[b] + aligned_bytes(b); };
  for (size_t b = 0; b < lives.size(); ++b) {
    if (lives[b].first < 0 || !lives[b].is_own) continue;
    band.offsets[b] = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t other = 0; other < b; ++other) {
        const bool meet = band.offsets[other] >= 0 && lives[other].first <= lives[b].last &&
                          lives[b].first <= lives[other].last && band.offsets[b] < end_of(other) &&
                          band.offsets[other] < end_of(b);
        if (meet) band.offsets[b] = end_of(other), moved = true;
      }
    }
    band.own = std::max(band.own, static_cast<size_t>(end_of(b)));
  }
  for (int i = at + 1; i < loop.partner; ++i) {
    const Instruction& ins = instructions_[static_cast<size_t>(i)];
    const auto refuse = [&](const char* what) {
      throw MalformedProgram("instruction " + std::to_string(i) + ": " + what, i);
    };
    if (ins.kernel->fallible) refuse("it may fail, which no loop of independent iterations may");
    band.workspace = std::max(band.workspace, ins.plan.workspace);
    band.scratch = std::max(band.scratch, ins.plan.scratch);
    for (int k = 0; k < ins.call.output_count; ++k) {
      const Place& place = ins.places[static_cast<size_t>(k)];
      const View& view = ins.views[static_cast<size_t>(k)];
      const int64_t bytes = view.size() * static_cast<int64_t>(size_of(view.dtype));
      if (band.offsets[static_cast<size_t>(place.buffer)] < 0 &&
          (!is_dense(view) || (loop.count > 1 && std::abs(place.steps[0]) < bytes)))
        refuse("iterations that are independent write the same elements");
    }
  }
  band.workspace = aligned(band.workspace);
  scratch_bytes_ = std::max(scratch_bytes_, band.bytes());
}

}  // namespace nabla
