// The tile machine: chains of elementwise operations run a cache-sized tile at a time; the `tile` kernel itself, the
// prologue of `reduce` and the epilogue of gemm, convolutions and pools.
#pragma once
#include "../simd/vec.h"
#include "kernel.h"

namespace nabla::NABLA_ISA {

// Most elements that `tile_eval` computes at once.
constexpr int kTileLength = 512;
// Elements from which on no cache holds an operand: it is fetched ahead, or written past the caches.
constexpr int64_t kPastCaches = 4 << 20;

// One sentence on what is wrong with a call's tile, or null. A kernel that uses the tile as its epilogue has
// `own_inputs` inputs for itself and own_outputs = 1: tile operand 0 is outputs[0], operand k is
// inputs[own_inputs + k - 1], store j goes to outputs[1 + j]. With own_outputs = 0 operand k is inputs[own_inputs + k]
// and store j goes to outputs[j].
const char* tile_check(const Call&, int own_inputs, int own_outputs);
// The same for steps and operands only, where the stores do not go to outputs of the tile's shape.
const char* tile_check_operands(const Call&, int own_inputs, int own_outputs);

// Bytes of the prepared form of a tile, a POD filled by `tile_prepare`; may be asked while views have no data.
size_t tile_state_size(const Call&);
void tile_prepare(const Call&, int own_inputs, int own_outputs, void* state);

// Bytes of scratch, 64-byte aligned, that a task needs for `tile_run` or `tile_eval`.
size_t tile_scratch(const Call&);

// Sums: an output that repeats along its first axes receives the sum over them. Each task of the phase that runs the
// tile, the kernel's last, sums in a place of its own; a phase more adds those up, in their order. `tile_plan_sums`
// adds it to a kernel's plan; `tile_sum_up`, before whatever a task does, is true if it was one of that phase.
void tile_plan_sums(const Call&, int own_outputs, Plan&);
bool tile_sum_up(const Call&, const Work&);

// Computes the elements [start, start + count) of the row-major iteration space and writes all stores.
void tile_run(const Call&, const Work&, int64_t start, int64_t count, char* scratch);
// The same for `rows` pieces of as many elements, of which each begins `stride` elements behind the one before.
void tile_run_rows(const Call&, const Work&, int64_t start, int64_t count, int64_t rows, int64_t stride, char* scratch);

// `tile_begin` once in a task, then `tile_eval` any number of times: computes `count` <= kTileLength elements and
// returns the register of store 0, of the tile's dtype. The result stays valid until the next call, and must not be
// written to: it may be an operand's own memory.
void tile_begin(const Call&, const void* state, char* scratch);
const void* tile_eval(const Call&, const void* state, int64_t start, int64_t count, char* scratch);

// The register of store j after a `tile_eval` of as many elements, until the next call of either.
const void* tile_result(const Call&, const void* state, int j, int64_t count, char* scratch);

// Estimated nanoseconds per element: arithmetic or memory, whichever is slower.
double tile_cost(const Call&);

}  // namespace nabla::NABLA_ISA
