// Marks for functions that stream through floats.
#pragma once

// Compiled for AVX-512, AVX2 and the baseline, chosen at load time. Not under sanitizers, whose start-up the
// choice would precede.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(COHORT_SANITIZE)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif
