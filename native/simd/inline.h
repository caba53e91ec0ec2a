// NABLA_INLINE: functions that must vanish into their callers, because headers are compiled for several instruction
// sets and the linker would keep one copy, maybe the wrong one, of whatever is not inlined.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define NABLA_INLINE __forceinline
#else
#define NABLA_INLINE inline __attribute__((always_inline))
#endif
