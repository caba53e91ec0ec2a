// NABLA_PREFETCH(p): p will be read and written soon.
//
// NABLA_INLINE: functions that must vanish into their callers, because headers are compiled for several instruction
// sets and the linker would keep one copy, maybe the wrong one, of whatever is not inlined.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define NABLA_INLINE __forceinline
#if defined(_M_ARM64)
#define NABLA_PREFETCH(p) __prefetch(p)
#else
#define NABLA_PREFETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0)
#endif
#else
#define NABLA_PREFETCH(p) __builtin_prefetch(p, 1)
#define NABLA_INLINE inline __attribute__((always_inline))
#endif
