// The words of a program, each a double:
//
//   program      format, uniforms, arena bytes, buffer count, instruction count, buffers…, instructions…
//   buffer       kind, dtype, size, place
//   instruction  kernel, output count, input count, attribute count, tiles (0 none, 1 a tile, 2 a prologue, 3 both),
//                views…, attributes…, tile, prologue
//   view         buffer, offset, rank, step count, shape…, strides…, steps…
//   tile         dtype, rank, step count, store count, shape…, steps…, stores…
//   step         operation, argument count, arguments…
//
// Kernels and tile operations are positions in the list of names that comes with the words.
#include "engine/program.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace nabla {

const TileOpName tile_op_names[] = {
#define X(name, arity)                             \
  {TileOp::name == TileOp::constant      ? "const" \
   : TileOp::name == TileOp::logical_not ? "not"   \
   : TileOp::name == TileOp::logical_and ? "and"   \
   : TileOp::name == TileOp::logical_or  ? "or"    \
                                         : #name,   \
   arity},
    NABLA_TILE_OPS(X)
#undef X
};

namespace {

constexpr double kFormat = 1;
constexpr double kStepNanoseconds = 50;  // of an instruction beside its tasks
// Numbers are bounded so that no sum of a few products of two of them leaves 64 bits.
constexpr int64_t kMaxBytes = int64_t(1) << 40;
constexpr int64_t kMaxElements = int64_t(1) << 40;
constexpr int64_t kMaxStride = int64_t(1) << 40;
constexpr int64_t kMaxCount = (int64_t(1) << 31) - 1;
constexpr int kMaxUniforms = 4096;

constexpr const char* kKindNames[] = {"arena", "input", "output", "state"};
constexpr Dtype kDtypes[] = {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::u8, Dtype::boolean};

// Numbers in sentences: whole ones without a fraction.
std::string text(double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.17g", value);
  return digits;
}

struct Range {
  int64_t low, high;
  // Widens the range by what count - 1 steps reach; false if that is beyond any buffer.
  bool reach(int64_t steps, int64_t stride) {
    if (steps <= 0 || stride == 0) return true;
    if (std::abs(stride) > kMaxElements / steps) return false;
    (stride < 0 ? low : high) += steps * stride;
    return true;
  }
};

bool same_shape(const View& a, const View& b) {
  return a.rank == b.rank && std::equal(a.shape, a.shape + a.rank, b.shape);
}

int find_tile_op(const std::string& name) {
  for (int i = 0; i < static_cast<int>(TileOp::count); ++i)
    if (name == tile_op_names[i].name) return i;
  return -1;
}

}  // namespace

bool is_dense(const View& v) {
  int64_t step = 1;
  for (int i = v.rank - 1; i >= 0; --i) {
    if (v.shape[i] != 1 && v.strides[i] != step) return false;
    step *= v.shape[i];
  }
  return true;
}

class Parser {
 public:
  Parser(Program& program, const double* words, size_t count, const std::vector<std::string>& names,
         const KernelSet& kernels)
      : program_(program), words_(words), left_(count), names_(names), kernels_(kernels) {}

  void parse() {
    if (next() != kFormat) fail("this is not a program of format " + text(kFormat));
    program_.uniform_count_ = static_cast<int>(integer("the number of uniforms", 0, kMaxUniforms));
    program_.arena_bytes_ = static_cast<size_t>(integer("the size of the arena", 0, kMaxBytes));
    const int64_t buffers = count("buffers", 4), instructions = count("instructions", 5);
    program_.buffers_.reserve(static_cast<size_t>(buffers));
    for (int64_t i = 0; i < buffers; ++i) parse_buffer(static_cast<int>(i));
    place_external();
    program_.instructions_.resize(static_cast<size_t>(instructions));
    for (at_ = 0; at_ < instructions; ++at_) {
      parse_instruction(program_.instructions_[static_cast<size_t>(at_)]);
      label_.clear();
    }
    at_ = -1;
    if (!loops_.empty()) fail("a loop has no end");
    if (left_ != 0) fail("there are " + text(static_cast<double>(left_)) + " words too many");
    program_.find_endangered();
    program_.find_steady();
    for (int i = 0; i < instructions; ++i)
      if (program_.instructions_[static_cast<size_t>(i)].band != nullptr) program_.plan_band(i);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    std::string where;
    if (at_ >= 0) where = "instruction " + text(at_) + (label_.empty() ? "" : " (" + label_ + ")") + ": ";
    throw MalformedProgram(where + what, at_);
  }

  double next() {
    if (left_ == 0) fail("the program ends too early");
    --left_;
    return *words_++;
  }

  int64_t integer(const std::string& what, int64_t low, int64_t high) {
    const double word = next();
    if (!(word >= static_cast<double>(low) && word <= static_cast<double>(high)) || word != std::floor(word))
      fail(what + " must be a whole number from " + text(static_cast<double>(low)) + " to " +
           text(static_cast<double>(high)) + " but is " + text(word));
    return static_cast<int64_t>(word);
  }

  // A number of things that take at least `words` words each: no more than the rest of the program holds.
  int64_t count(const char* what, size_t words) {
    const auto most = static_cast<int64_t>(left_ / words);
    return integer(std::string("the number of ") + what, 0, most);
  }

  const std::string& name(const char* what) {
    return names_[static_cast<size_t>(integer(what, 0, static_cast<int64_t>(names_.size()) - 1))];
  }

  void parse_buffer(int i) {
    const std::string who = "buffer " + text(i);
    Buffer b{};
    b.kind = static_cast<BufferKind>(integer("the kind of " + who, 0, 3));
    b.dtype = kDtypes[integer("the dtype of " + who, 0, 4)];
    const auto width = static_cast<int64_t>(size_of(b.dtype));
    b.size = integer("the size of " + who, 0, kMaxBytes / width);
    b.place = integer("the place of " + who, 0, kMaxBytes);
    if (b.kind == BufferKind::arena) {
      if (b.place % width != 0) fail(who + " is not aligned to its elements");
      if (b.place + b.bytes() > static_cast<int64_t>(program_.arena_bytes_))
        fail(who + " ends at byte " + text(static_cast<double>(b.place + b.bytes())) + " of an arena of " +
             text(static_cast<double>(program_.arena_bytes_)));
    }
    program_.buffers_.push_back(b);
  }

  // Storages are numbered without gaps, one buffer each.
  void place_external() {
    size_t total = 0;
    for (const Buffer& b : program_.buffers_) total += b.kind != BufferKind::arena;
    program_.external_.resize(total);
    std::vector<bool> taken(total);
    for (const Buffer& b : program_.buffers_) {
      if (b.kind == BufferKind::arena) continue;
      const auto place = static_cast<size_t>(b.place);
      if (place >= total)
        fail("a buffer has storage " + text(static_cast<double>(place)) + " but there are " +
             text(static_cast<double>(total)));
      if (taken[place]) fail("two buffers have storage " + text(static_cast<double>(place)));
      taken[place] = true;
      program_.external_[place] = b;
    }
  }

  void parse_instruction(Instruction& ins) {
    label_ = name("the kernel");
    const int64_t outputs = integer("the number of outputs", 0, kMaxOperands);
    const int64_t inputs = integer("the number of inputs", 0, kMaxOperands - outputs);
    const int64_t attrs = count("attributes", 1);
    const int64_t tiles = integer("the mark of tiles", 0, 3);
    const bool has_tile = (tiles & 1) != 0, has_prologue = (tiles & 2) != 0;

    ins.depth = static_cast<int>(loops_.size());
    ins.views.resize(static_cast<size_t>(outputs + inputs));
    ins.places.resize(ins.views.size());
    for (size_t k = 0; k < ins.views.size(); ++k) {
      const bool is_output = static_cast<int64_t>(k) < outputs;
      operand_ = (is_output ? "output " : "input ") +
                 text(static_cast<double>(is_output ? k : k - static_cast<size_t>(outputs)));
      parse_view(ins.views[k], ins.places[k]);
      if (is_output && program_.buffer_of(ins.places[k]).kind == BufferKind::input)
        fail(operand_ + " is an input of the program");
    }
    ins.attrs.resize(static_cast<size_t>(attrs));
    for (double& attr : ins.attrs) attr = static_cast<double>(integer("an attribute", -kMaxCount, kMaxElements));
    const int operands = static_cast<int>(outputs + inputs);
    if (has_tile) parse_tile(ins.tile, ins.steps, ins.stores, operands);
    if (has_prologue) parse_tile(ins.prologue, ins.prologue_steps, ins.prologue_stores, operands);

    Call& call = ins.call;
    call.output_count = static_cast<int>(outputs);
    call.input_count = static_cast<int>(inputs);
    call.attr_count = static_cast<int>(attrs);
    call.uniform_count = program_.uniform_count_;
    call.outputs = ins.views.data();
    call.inputs = ins.views.data() + outputs;
    call.attrs = ins.attrs.data();
    call.tile = has_tile ? &ins.tile : nullptr;
    call.prologue = has_prologue ? &ins.prologue : nullptr;

    if (label_ == "loop" || label_ == "end") {
      if (outputs + inputs > 0 || tiles != 0) fail("it takes no operands");
      label_ == "loop" ? open_loop(ins) : close_loop(ins);
    } else {
      plan(ins);
    }
  }

  void open_loop(Instruction& ins) {
    if (ins.attrs.size() != 1 && ins.attrs.size() != 2)
      fail("a loop takes its count, and whether its iterations are independent");
    if (loops_.size() == kMaxLoops) fail("loops are nested deeper than " + text(kMaxLoops));
    if (!(ins.attrs[0] >= 0 && ins.attrs[0] <= static_cast<double>(kMaxCount)))
      fail("a loop runs 0 to 2147483647 times, not " + text(ins.attrs[0]));
    ins.kind = Instruction::Kind::loop;
    ins.count = static_cast<int64_t>(ins.attrs[0]);
    if (ins.attrs.size() == 2 && ins.attrs[1] != 0) {
      if (ins.attrs[1] != 1) fail("whether a loop's iterations are independent is 0 or 1");
      if (!loops_.empty()) fail("a loop of independent iterations stands inside another");
      ins.band = std::make_unique<Band>();
    }
    if (!loops_.empty() && program_.instructions_[static_cast<size_t>(loops_[0])].band != nullptr)
      fail("a loop stands inside one of independent iterations");
    loops_.push_back(at_);
  }

  void close_loop(Instruction& ins) {
    if (!ins.attrs.empty()) fail("it takes no attributes");
    if (loops_.empty()) fail("it ends no loop");
    add_time(kStepNanoseconds);
    ins.kind = Instruction::Kind::end;
    ins.partner = loops_.back();
    program_.instructions_[static_cast<size_t>(ins.partner)].partner = at_;
    loops_.pop_back();
  }

  int64_t loop_count(int depth) const {
    return program_.instructions_[static_cast<size_t>(loops_[static_cast<size_t>(depth)])].count;
  }
  // That of an instruction, as often as the loops around it run.
  void add_time(double nanoseconds) {
    for (int l = 0; l < static_cast<int>(loops_.size()); ++l) nanoseconds *= static_cast<double>(loop_count(l));
    program_.nanoseconds_ += nanoseconds;
  }
  bool never_runs() const {
    for (int l = 0; l < static_cast<int>(loops_.size()); ++l)
      if (loop_count(l) == 0) return true;
    return false;
  }

  void parse_view(View& v, Place& place) {
    if (program_.buffers_.empty()) fail("the program has no buffers");
    v = View{};
    place = Place{};
    place.buffer =
        static_cast<int>(integer("the buffer of " + operand_, 0, static_cast<int64_t>(program_.buffers_.size()) - 1));
    const Buffer& buffer = program_.buffer_of(place);
    const auto width = static_cast<int64_t>(size_of(buffer.dtype));
    const int64_t offset = integer("the offset of " + operand_, -kMaxElements, kMaxElements);
    v.dtype = buffer.dtype;
    v.rank = static_cast<int>(integer("the rank of " + operand_, 0, kMaxRank));
    const int64_t steps = integer("the number of steps of " + operand_, 0, kMaxLoops);
    const auto depth = static_cast<int64_t>(loops_.size());
    if (steps != 0 && steps != depth)
      fail(operand_ + " has " + text(static_cast<double>(steps)) + " steps inside " + text(static_cast<double>(depth)) +
           " loops");

    int64_t room = kMaxElements;  // extents of 0 count as 1, so that no product of some of them overflows either
    bool is_empty = false;
    for (int d = 0; d < v.rank; ++d) {
      v.shape[d] = integer("the shape of " + operand_, 0, room);
      room /= std::max<int64_t>(v.shape[d], 1);
      is_empty |= v.shape[d] == 0;
    }
    for (int d = 0; d < v.rank; ++d) v.strides[d] = integer("the strides of " + operand_, -kMaxStride, kMaxStride);
    for (int64_t l = 0; l < steps; ++l) place.steps[l] = integer("the steps of " + operand_, -kMaxStride, kMaxStride);

    if (is_empty) set_row_major(v);  // strides of what does not exist may be anything
    if (is_empty || never_runs()) {
      place = Place{place.buffer, 0, {}};
      return;
    }
    Range range{offset, offset};
    bool fits = true;
    for (int d = 0; d < v.rank; ++d) fits = fits && range.reach(v.shape[d] - 1, v.strides[d]);
    for (int l = 0; l < steps; ++l) fits = fits && range.reach(loop_count(l) - 1, place.steps[l]);
    if (!fits || range.low < 0 || range.high >= buffer.size)
      fail(operand_ + " reaches elements " + text(static_cast<double>(range.low)) + " to " +
           text(static_cast<double>(range.high)) + " of buffer " + text(place.buffer) + ", which has " +
           text(static_cast<double>(buffer.size)));
    place.offset = offset * width;
    for (int64_t& step : place.steps) step *= width;
  }

  static void set_row_major(View& v) {
    int64_t step = 1;
    for (int d = v.rank - 1; d >= 0; --d) {
      v.strides[d] = step;
      step *= v.shape[d];
    }
  }

  void parse_tile(Tile& tile, std::vector<TileStep>& steps, std::vector<int32_t>& stores, int operands) {
    tile.dtype = kDtypes[integer("the tile's dtype", 0, 1)];
    tile.rank = static_cast<int>(integer("the tile's rank", 0, kMaxRank));
    tile.step_count = static_cast<int>(integer("the number of the tile's steps", 1, kMaxTileSteps));
    tile.store_count = static_cast<int>(integer("the number of the tile's stores", 0, kMaxOperands));
    int64_t room = kMaxElements;
    for (int d = 0; d < tile.rank; ++d) {
      tile.shape[d] = integer("the tile's shape", 0, room);
      room /= std::max<int64_t>(tile.shape[d], 1);
    }
    steps.resize(static_cast<size_t>(tile.step_count));
    for (int i = 0; i < tile.step_count; ++i) parse_step(steps[static_cast<size_t>(i)], i, operands);
    stores.resize(static_cast<size_t>(tile.store_count));
    for (int32_t& store : stores) store = static_cast<int32_t>(integer("a store of the tile", 0, tile.step_count - 1));
    tile.steps = steps.data();
    tile.stores = stores.data();
  }

  void parse_step(TileStep& step, int i, int operands) {
    const std::string& op = name("a tile's operation");
    const int code = find_tile_op(op);
    if (code < 0) fail("there is no tile operation \"" + op + "\"");
    step = TileStep{};
    step.op = static_cast<TileOp>(code);
    const int arity = tile_op_names[code].arity;
    if (integer("the number of arguments", 0, 3) != arity) fail(op + " takes " + text(arity) + " arguments");
    if (step.op == TileOp::constant) {
      step.value = next();
      return;
    }
    const int64_t limit = step.op == TileOp::load ? operands : step.op == TileOp::uniform ? program_.uniform_count_ : i;
    for (int k = 0; k < arity; ++k) {
      if (limit == 0) fail(op + " at step " + text(i) + " has nothing to refer to");
      step.args[k] = static_cast<int32_t>(integer("an argument of " + op + " at step " + text(i), 0, limit - 1));
    }
  }

  void plan(Instruction& ins) {
    for (int k = 0; k < kernels_.count; ++k)
      if (label_ == kernels_.kernels[k]->name) ins.kernel = kernels_.kernels[k];
    if (ins.kernel == nullptr) fail("there is no such kernel");
    const Kernel& kernel = *ins.kernel;
    if (ins.call.prologue != nullptr && !kernel.takes_prologue) fail("it takes no prologue");
    if (const char* complaint = kernel.check(ins.call)) fail(complaint);
    if (!never_runs()) check_overlap(ins);

    kernel.plan(ins.call, ins.plan);
    const Plan& p = ins.plan;
    if (p.workspace > kMaxBytes || p.scratch > kMaxBytes || p.state > kMaxBytes) fail("it needs too much memory");
    program_.workspace_bytes_ = std::max(program_.workspace_bytes_, p.workspace);
    program_.scratch_bytes_ = std::max(program_.scratch_bytes_, p.scratch);
    double nanoseconds = kStepNanoseconds;
    for (int phase = 0; phase < p.phases; ++phase)
      nanoseconds += static_cast<double>(p.tasks[phase]) * static_cast<double>(p.grain);
    add_time(nanoseconds);
    if (p.state > 0) {
      ins.state = Block(p.state);
      if (kernel.prepare != nullptr) kernel.prepare(ins.call, ins.state.data());
    }
  }

  // An output may be the very view of a tile operand, which is read and written tile by tile; any other overlap would
  // let tasks read what others write. Only overlaps that are certain are found: those of dense views that move alike
  // through the loops around them. The others make wrong numbers, never stray accesses.
  void check_overlap(const Instruction& ins) const {
    const Call& call = ins.call;
    const bool epilogue = call.tile != nullptr && ins.kernel->takes_epilogue;
    const bool is_tile = label_ == "tile";
    for (int y = 0; y < call.output_count; ++y) {
      const bool in_pass = is_tile || (epilogue && y > 0);
      for (int x = 0; x < call.input_count; ++x) {
        const int k = call.output_count + x;
        if (overlap(ins, y, k) && !(in_pass && same_view(ins, y, k) && (is_tile || is_in_epilogue_only(ins, x))))
          fail("output " + text(y) + " overlaps input " + text(x));
      }
      for (int x = 0; x < y; ++x)
        if (overlap(ins, y, x) && !(epilogue && x == 0 && same_view(ins, y, x)))
          fail("output " + text(y) + " overlaps output " + text(x));
    }
  }

  // A kernel with an epilogue has the tile's operands last: as many inputs before them as it takes without a tile.
  int own_input_count(const Instruction& ins) const {
    Call bare = ins.call;
    bare.tile = bare.prologue = nullptr;
    bare.output_count = 1;
    for (bare.input_count = 0; bare.input_count <= ins.call.input_count; ++bare.input_count)
      if (ins.kernel->check(bare) == nullptr) return bare.input_count;
    return ins.call.input_count;
  }

  bool is_in_epilogue_only(const Instruction& ins, int input) const {
    const int operand = input - own_input_count(ins) + 1;
    const auto loads = [&](const TileStep& s) { return s.op == TileOp::load && s.args[0] == operand; };
    return operand > 0 && std::none_of(ins.prologue_steps.begin(), ins.prologue_steps.end(), loads);
  }

  // First byte and the one after the last, in the arena or in a storage.
  Range bytes_of(const Instruction& ins, int k) const {
    const Place& place = ins.places[static_cast<size_t>(k)];
    const View& v = ins.views[static_cast<size_t>(k)];
    const Buffer& b = program_.buffer_of(place);
    const int64_t start = (b.kind == BufferKind::arena ? b.place : 0) + place.offset;
    return {start, start + v.size() * static_cast<int64_t>(size_of(v.dtype))};
  }

  bool overlap(const Instruction& ins, int i, int k) const {
    const Place &a = ins.places[static_cast<size_t>(i)], &b = ins.places[static_cast<size_t>(k)];
    const Buffer &p = program_.buffer_of(a), &q = program_.buffer_of(b);
    if (p.kind == BufferKind::arena ? q.kind != BufferKind::arena : a.buffer != b.buffer) return false;
    if (!is_dense(ins.views[static_cast<size_t>(i)]) || !is_dense(ins.views[static_cast<size_t>(k)])) return false;
    if (!std::equal(a.steps, a.steps + kMaxLoops, b.steps)) return false;
    const Range r = bytes_of(ins, i), s = bytes_of(ins, k);
    return std::max(r.low, s.low) < std::min(r.high, s.high);
  }

  bool same_view(const Instruction& ins, int i, int k) const {
    const Range r = bytes_of(ins, i), s = bytes_of(ins, k);
    return r.low == s.low && r.high == s.high &&
           same_shape(ins.views[static_cast<size_t>(i)], ins.views[static_cast<size_t>(k)]);
  }

  Program& program_;
  const double* words_;
  size_t left_;
  const std::vector<std::string>& names_;
  const KernelSet& kernels_;
  std::vector<int> loops_;  // positions of the open ones
  int at_ = -1;
  std::string label_, operand_;
};

Program::Program(const double* words, size_t count, const std::vector<std::string>& names, const KernelSet& kernels) {
  Parser(*this, words, count, names, kernels).parse();
}

}  // namespace nabla
