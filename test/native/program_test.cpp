// What the engine refuses to make a program of, and whom it blames.
#include "engine/program.h"

#include <cmath>
#include <functional>
#include <limits>

#include "programs.h"

namespace nabla::test {
namespace {

// 0: t = x + x · 1: loop of 4 · 2: row i of s = row i of t + row i of x · 3: end · 4: y = s
ProgramSpec valid() {
  ProgramSpec p;
  p.uniforms = 1;
  p.arena = 128;
  p.buffers = {{kInput, kF32, 24, 0}, {kOutput, kF32, 24, 1}, {kArena, kF32, 24, 32}, {kState, kF32, 24, 2}};
  p.instructions = {binary("add", whole(2, {4, 6}), whole(0, {4, 6}), whole(0, {4, 6})),
                    loop(4),
                    binary("add", whole(3, {6}, 0, {6}), whole(2, {6}, 0, {6}), whole(0, {6}, 0, {6})),
                    end(),
                    {"copy", {whole(1, {6, 4})}, {{3, 0, {6, 4}, {1, 6}}}}};
  return p;
}

struct Refusal {
  const char* what;
  std::function<void(ProgramSpec&)> spoil;
  int instruction;
  std::string complaint;  // part of the message
};

void expect_refused(const Refusal& refusal) {
  ProgramSpec spec = valid();
  refusal.spoil(spec);
  try {
    make(spec);
    ADD_FAILURE() << refusal.what << ": accepted";
  } catch (const MalformedProgram& malformed) {
    EXPECT_EQ(malformed.instruction, refusal.instruction) << refusal.what << ": " << malformed.what();
    EXPECT_NE(std::string(malformed.what()).find(refusal.complaint), std::string::npos)
        << refusal.what << ": " << malformed.what();
  }
}

TEST(Program, Valid) {
  const auto program = make(valid());
  EXPECT_EQ(program->uniform_count(), 1);
  EXPECT_EQ(program->arena_bytes(), 128u);
  ASSERT_EQ(program->external().size(), 3u);
  EXPECT_EQ(program->external()[1].kind, BufferKind::output);
  EXPECT_EQ(program->instructions()[1].partner, 3);
  EXPECT_EQ(program->instructions()[3].partner, 1);
  EXPECT_TRUE(program->endangered().empty());
  EXPECT_TRUE(make(ProgramSpec{})->instructions().empty());
}

TEST(Program, RefusesBuffers) {
  const Refusal refusals[] = {
      {"kind", [](auto& p) { p.buffers[0].kind = 4; }, -1, "the kind of buffer 0"},
      {"dtype", [](auto& p) { p.buffers[1].dtype = 5; }, -1, "the dtype of buffer 1"},
      {"size", [](auto& p) { p.buffers[1].size = -1; }, -1, "the size of buffer 1"},
      {"huge", [](auto& p) { p.buffers[1].size = 0x1p60; }, -1, "the size of buffer 1"},
      {"fraction", [](auto& p) { p.buffers[0].size = 1.5; }, -1, "must be a whole number"},
      {"NaN", [](auto& p) { p.buffers[0].size = NAN; }, -1, "must be a whole number"},
      {"infinity", [](auto& p) { p.buffers[0].size = INFINITY; }, -1, "must be a whole number"},
      {"end of the arena", [](auto& p) { p.buffers[2].place = 36; }, -1, "ends at byte 132 of an arena of 128"},
      {"alignment", [](auto& p) { p.buffers[2].place = 2; }, -1, "not aligned"},
      {"gap in the storages", [](auto& p) { p.buffers[3].place = 3; }, -1, "has storage 3 but there are 3"},
      {"one storage twice", [](auto& p) { p.buffers[3].place = 1; }, -1, "two buffers have storage 1"},
      {"uniforms", [](auto& p) { p.uniforms = 5000; }, -1, "the number of uniforms"},
      {"arena", [](auto& p) { p.arena = 0x1p50; }, -1, "the size of the arena"},
  };
  for (const Refusal& refusal : refusals) expect_refused(refusal);
}

TEST(Program, RefusesInstructions) {
  const Refusal refusals[] = {
      {"kernel", [](auto& p) { p.instructions[4].kernel = "copper"; }, 4, "there is no such kernel"},
      {"operands", [](auto& p) { p.instructions[4].inputs.clear(); }, 4, "copy"},
      {"prologue", [](auto& p) { p.instructions[0].prologue = p.instructions[0].tile; }, 0, "it takes no prologue"},
      {"attribute", [](auto& p) { p.instructions[4].attrs = {1}; }, 4, "copy"},
      {"attribute's value", [](auto& p) { p.instructions[4].attrs = {0.5}; }, 4, "an attribute"},
      {"too many operands", [](auto& p) { p.instructions[4].inputs.assign(64, whole(3, {24})); }, 4,
       "the number of inputs"},
      {"writes an input", [](auto& p) { p.instructions[0].outputs[0].buffer = 0; }, 0,
       "output 0 is an input of the program"},
      {"end without loop", [](auto& p) { p.instructions.insert(p.instructions.begin(), end()); }, 0, "it ends no loop"},
      {"loop without end", [](auto& p) { p.instructions.push_back(loop(2)); }, -1, "a loop has no end"},
      {"loop without count", [](auto& p) { p.instructions[1].attrs.clear(); }, 1, "a loop takes its count"},
      {"independent by half", [](auto& p) { p.instructions[1].attrs = {4, 0.5}; }, 1, "an attribute must be a whole"},
      {"independent twice", [](auto& p) { p.instructions[1].attrs = {4, 2}; }, 1, "is 0 or 1"},
      {"iterations that write the same",
       [](auto& p) {
         p.instructions[1].attrs = {4, 1};
         p.instructions[2].outputs[0].steps = {5};
       },
       2, "write the same elements"},
      {"independent loops in a loop",
       [](auto& p) { p.instructions.insert(p.instructions.begin() + 2, {independent_loop(2), end()}); }, 2,
       "inside another"},
      {"a loop in independent ones",
       [](auto& p) {
         p.instructions[1].attrs = {4, 1};
         p.instructions.insert(p.instructions.begin() + 2, {loop(2), end()});
       },
       2, "inside one of independent"},
      {"independent ones that may fail",
       [](auto& p) {
         p.buffers.push_back({kInput, kI32, 4, 3});
         p.instructions[1].attrs = {4, 1};
         p.instructions[2] = {"gather_rows", {whole(3, {1, 6}, 0, {6})}, {whole(0, {4, 6}), whole(4, {1}, 0, {1})}};
       },
       2, "may fail"},
      {"negative count", [](auto& p) { p.instructions[1].attrs = {-1}; }, 1, "a loop runs"},
      {"huge count", [](auto& p) { p.instructions[1].attrs = {0x1p31}; }, 1, "a loop runs"},
      {"end with attributes", [](auto& p) { p.instructions[3].attrs = {1}; }, 3, "takes no attributes"},
      {"loop with operands", [](auto& p) { p.instructions[1].inputs = {whole(0, {6})}; }, 1, "takes no operands"},
      {"nine loops", [](auto& p) { p.instructions.insert(p.instructions.begin(), 9, loop(1)); }, 8,
       "nested deeper than 8"},
      {"overlap", [](auto& p) { p.instructions[4].inputs[0] = whole(1, {6, 4}); }, 4, "output 0 overlaps input 0"},
      {"overlap in the arena",
       [](auto& p) {
         p.buffers.push_back({kArena, kF32, 24, 28});
         p.instructions[0].inputs[1].buffer = 4;
       },
       0, "output 0 overlaps input 1"},
      {"two outputs at one place",
       [](auto& p) {
         p.instructions[0].outputs.push_back(p.instructions[0].outputs[0]);
         p.instructions[0].tile->stores.push_back(1);
       },
       0, "output 1 overlaps output 0"},
  };
  for (const Refusal& refusal : refusals) expect_refused(refusal);
}

TEST(Program, RefusesViews) {
  const auto input = [](ProgramSpec& p) -> ViewSpec& { return p.instructions[4].inputs[0]; };
  const auto stepped = [](ProgramSpec& p) -> ViewSpec& { return p.instructions[2].inputs[1]; };
  const Refusal refusals[] = {
      {"buffer", [=](auto& p) { input(p).buffer = 4; }, 4, "the buffer of input 0"},
      {"no buffers", [=](auto& p) { p.buffers.clear(); }, 0, "no buffers"},
      {"rank", [=](auto& p) { input(p) = whole(3, Numbers(9, 1)); }, 4, "the rank of input 0"},
      {"extent", [=](auto& p) { input(p).shape[0] = -6; }, 4, "the shape of input 0"},
      {"product of extents", [=](auto& p) { input(p).shape = {0x1p30, 0x1p30}; }, 4, "the shape of input 0"},
      {"product with a zero", [=](auto& p) { input(p) = whole(3, {0x1p30, 0, 0x1p30}); }, 4, "the shape of input 0"},
      {"stride", [=](auto& p) { input(p).strides[0] = 0x1p41; }, 4, "the strides of input 0"},
      {"end", [=](auto& p) { input(p).offset = 1; }, 4, "reaches elements 1 to 24 of buffer 3, which has 24"},
      {"start", [=](auto& p) { input(p).offset = -1; }, 4, "reaches elements -1 to 22"},
      {"negative stride", [=](auto& p) { input(p).strides = {-1, 6}; }, 4, "reaches elements -5 to 18"},
      {"stride beyond", [=](auto& p) { input(p).strides = {1, 0x1p40}; }, 4, "of buffer 3"},
      {"steps outside of loops", [=](auto& p) { input(p).steps = {1}; }, 4, "has 1 steps inside 0 loops"},
      {"steps of an outer loop", [=](auto& p) { stepped(p).steps = {1, 1}; }, 2, "has 2 steps inside 1 loops"},
      {"steps too far", [=](auto& p) { stepped(p).steps = {7}; }, 2, "reaches elements 0 to 26"},
      {"steps back", [=](auto& p) { stepped(p).steps = {-1}; }, 2, "reaches elements -3 to 5"},
      {"one iteration too many", [=](auto& p) { p.instructions[1].attrs = {5}; }, 2, "reaches elements 0 to 29"},
      {"step of 2^40", [=](auto& p) { stepped(p).steps = {0x1p40}; }, 2, "of buffer 0"},
  };
  for (const Refusal& refusal : refusals) expect_refused(refusal);
}

TEST(Program, RefusesTiles) {
  const auto tile = [](ProgramSpec& p) -> TileSpec& { return *p.instructions[0].tile; };
  const Refusal refusals[] = {
      {"missing", [=](auto& p) { p.instructions[0].tile.reset(); }, 0, "tile"},
      {"dtype", [=](auto& p) { tile(p).dtype = kI32; }, 0, "the tile's dtype"},
      {"shape", [=](auto& p) { tile(p).shape = {6, 4}; }, 0, "shape"},
      {"no steps", [=](auto& p) { tile(p).steps.clear(); }, 0, "the number of the tile's steps"},
      {"too many steps", [=](auto& p) { tile(p).steps.resize(257, {"load", {0}}); }, 0,
       "the number of the tile's steps"},
      {"operation", [=](auto& p) { tile(p).steps[2].op = "plus"; }, 0, "no tile operation \"plus\""},
      {"arity", [=](auto& p) { tile(p).steps[2].args = {0}; }, 0, "add takes 2 arguments"},
      {"its own register", [=](auto& p) { tile(p).steps[2].args = {0, 2}; }, 0, "an argument of add at step 2"},
      {"first step", [=](auto& p) { tile(p).steps[0] = {"neg", {0}}; }, 0, "has nothing to refer to"},
      {"operand", [=](auto& p) { tile(p).steps[1].args = {2}; }, 0, "operand"},
      {"uniform", [=](auto& p) { tile(p).steps[1] = {"uniform", {1}}; }, 0, "an argument of uniform"},
      {"store", [=](auto& p) { tile(p).stores = {3}; }, 0, "a store of the tile"},
      {"stores", [=](auto& p) { tile(p).stores = {2, 2}; }, 0, "store"},
  };
  for (const Refusal& refusal : refusals) expect_refused(refusal);
}

TEST(Program, RefusesWordsThatDoNotAddUp) {
  const ProgramSpec::Encoded e = valid().encode();
  constexpr int kAny = -2;
  const auto refused = [&](const Numbers& words, int instruction) {
    try {
      Program(words.data(), words.size(), e.names, active_kernels());
      ADD_FAILURE() << "accepted";
    } catch (const MalformedProgram& malformed) {
      EXPECT_TRUE(malformed.instruction == instruction || instruction == kAny) << malformed.what();
    }
  };
  for (size_t n = 0; n < e.words.size(); ++n)
    refused(Numbers(e.words.begin(), e.words.begin() + static_cast<ptrdiff_t>(n)), kAny);
  Numbers words = e.words;
  words.push_back(0);
  refused(words, -1);
  words = e.words;
  words[0] = 2;  // the format
  refused(words, -1);
  words = e.words;
  words[4] = 1e15;  // instructions
  refused(words, -1);
  words = e.words;
  words[21] = static_cast<double>(e.names.size());  // the first kernel's name
  refused(words, 0);
}

// What is never reached may lie anywhere, and is not bound to memory.
TEST(Program, LoopsThatNeverRunMayReachAnywhere) {
  ProgramSpec spec = valid();
  spec.instructions[1].attrs = {0};
  spec.instructions[2].inputs[1].steps = {0x1p40};
  EXPECT_NO_THROW(make(spec));
}

TEST(Program, ViewsOfNothingMayLieAnywhere) {
  ProgramSpec spec = valid();
  spec.instructions[4] = {"copy", {whole(1, {0, 4}, 1e6)}, {{3, -5, {0, 4}, {1e6, 7}}}};
  EXPECT_NO_THROW(make(spec));
}

TEST(Program, InPlaceIsForTiles) {
  ProgramSpec spec = valid();
  spec.instructions[4] = binary("add", whole(1, {24}), whole(1, {24}), whole(0, {24}));
  EXPECT_NO_THROW(make(spec));
  spec.instructions[4].inputs[0] = whole(1, {4, 6});
  spec.instructions[4].tile->shape = {24};
  EXPECT_THROW(make(spec), MalformedProgram);  // the same bytes in another shape
}

// An output may take the place of an operand of the epilogue, but not of one that a prologue reads for other tasks.
TEST(Program, InPlaceIsNotForPrologues) {
  const Numbers shape = {1, 4, 4};
  const TileSpec sum = {kF32, shape, {{"load", {0}}, {"load", {1}}, {"add", {0, 1}}}, {2}};
  ProgramSpec p;
  p.buffers = {{kInput, kF32, 16, 0}, {kInput, kF32, 16, 1}, {kOutput, kF32, 16, 2}, {kState, kF32, 16, 3}};
  p.instructions = {
      {"gemm", {whole(2, shape), whole(3, shape)}, {whole(0, shape), whole(1, shape), whole(3, shape)}, {}, sum}};
  EXPECT_NO_THROW(make(p));
  p.instructions[0].prologue = sum;
  EXPECT_THROW(make(p), MalformedProgram);
  p.instructions[0].inputs.push_back(whole(0, shape));
  p.instructions[0].prologue->steps[1].args = {2};
  EXPECT_NO_THROW(make(p));
  p.instructions[0].kernel = "softmax";
  EXPECT_THROW(make(p), MalformedProgram);
}

// Bytes that must be put back if the run fails: states written before, or in the loop of, what may fail.
TEST(Program, EndangeredStates) {
  ProgramSpec p;
  p.buffers = {{kState, kF32, 6, 0}, {kState, kF32, 6, 1}, {kInput, kI32, 3, 2}, {kOutput, kF32, 6, 3}};
  const InstructionSpec first = binary("add", whole(0, {6}), whole(0, {6}), whole(0, {6})),
                        second = binary("add", whole(1, {6}), whole(1, {6}), whole(1, {6})),
                        lookup = {"gather_rows", {whole(3, {3, 2})}, {whole(0, {3, 2}), whole(2, {3})}};
  const auto endangered = [&](const std::vector<InstructionSpec>& instructions) {
    p.instructions = instructions;
    return make(p)->endangered();
  };
  using Places = std::vector<int>;
  EXPECT_EQ(endangered({first, second}), Places());
  EXPECT_EQ(endangered({lookup, first, second}), Places());
  EXPECT_EQ(endangered({first, lookup, second}), Places({0}));
  EXPECT_EQ(endangered({first, second, lookup}), Places({0, 1}));
  EXPECT_EQ(endangered({loop(2), lookup, first, end(), second}), Places({0}));
  EXPECT_EQ(endangered({loop(2), loop(2), lookup, end(), second, end(), first}), Places({1}));
}

}  // namespace
}  // namespace nabla::test
