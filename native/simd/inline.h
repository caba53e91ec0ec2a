// NABLA_INLINE: functions that must vanish into their callers, because headers are compiled for several instruction
// sets and the linker would keep one copy, maybe the wrong one, of whatever is not inlined.
// NABLA_INLINE_BODY: the same of a lambda, behind its parameters.
// NABLA_NOINLINE: functions that must not, because the registers of their callers are all taken.
// NABLA_UNROLL: before loops of few steps over registers, which must be gone before the compiler decides what lives in
// memory.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define NABLA_INLINE __forceinline
#define NABLA_NOINLINE __declspec(noinline)
#define NABLA_INLINE_BODY
#define NABLA_UNROLL
#else
#define NABLA_INLINE inline __attribute__((always_inline))
#define NABLA_NOINLINE __attribute__((noinline))
#define NABLA_INLINE_BODY __attribute__((always_inline))
#define NABLA_UNROLL _Pragma("GCC unroll 16")
#endif
