// Philox4x32-10: ten rounds of a keyed bijection on 128-bit counters (Salmon et al. 2011, section 3.3).
#pragma once
#include <cstdint>

#include "../simd/vec.h"

namespace nabla::NABLA_ISA {

// words[k][b] = word k of the block at counter first + b, a 64-bit number in the low half of the 128-bit counter.
// Written over arrays, so that the compiler makes vectors of it.
template <int blocks>
NABLA_INLINE void philox_rounds(uint32_t key0, uint32_t key1, uint32_t (&words)[4][blocks]) {
  for (int round = 0; round < 10; ++round) {
    for (int b = 0; b < blocks; ++b) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * words[0][b], p1 = uint64_t(0xCD9E8D57u) * words[2][b];
      const uint32_t high0 = static_cast<uint32_t>(p0 >> 32), high1 = static_cast<uint32_t>(p1 >> 32);
      words[0][b] = high1 ^ words[1][b] ^ key0;
      words[1][b] = static_cast<uint32_t>(p1);
      words[2][b] = high0 ^ words[3][b] ^ key1;
      words[3][b] = static_cast<uint32_t>(p0);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

template <int blocks>
NABLA_INLINE void philox_blocks(uint64_t seed, uint64_t first, uint32_t (&words)[4][blocks]) {
  for (int b = 0; b < blocks; ++b) {
    const uint64_t counter = first + static_cast<uint64_t>(b);
    words[0][b] = static_cast<uint32_t>(counter);
    words[1][b] = static_cast<uint32_t>(counter >> 32);
    words[2][b] = words[3][b] = 0;
  }
  philox_rounds(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), words);
}

}  // namespace nabla::NABLA_ISA
