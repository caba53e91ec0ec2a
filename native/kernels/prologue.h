// Prologues: a tile that computes what a kernel reads in the place of its first input. It is computed a piece at a
// time, where it is read, and never lies in memory as a whole.
#pragma once
#include "kernel.h"

namespace nabla::NABLA_ISA {

// Elements that are computed at once, or so: f32 numbers that a core's second-level cache has room for.
constexpr int64_t kPiece = 1 << 16;

// One sentence on what is wrong with a call's prologue, or null. Its operand 0 is inputs[0], which is row-major
// contiguous and has the prologue's shape, its axes in the order of memory; operand k is inputs[own_inputs + k - 1], in
// one row with those of the epilogue.
const char* prologue_check(const Call&, int own_inputs);

// Bytes of the prepared form, behind that of the epilogue, and of scratch; 0 without a prologue.
size_t prologue_state_size(const Call&);
void prologue_prepare(const Call&, int own_inputs, void* state);
size_t prologue_scratch(const Call&);

// Nanoseconds of an element, estimated; 0 without a prologue.
double prologue_cost(const Call&);

// Computes the elements [start, start + count) of the first input's memory.
void prologue_run(const Call&, const Work&, int64_t start, int64_t count, void* to, char* scratch);
// The same for `rows` pieces of as many elements, each `stride` elements behind the one before, here and there.
void prologue_run_rows(const Call&, const Work&, int64_t start, int64_t count, int64_t rows, int64_t stride, void* to,
                       char* scratch);

}  // namespace nabla::NABLA_ISA
