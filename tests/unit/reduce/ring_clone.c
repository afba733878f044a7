// lib/reduce/ring.c for the instruction set CLONE, which the build gives with its -march.
#define NAME2(name, clone) name##_##clone
#define NAME(name, clone)  NAME2(name, clone)
#define ring_fold          NAME(ring_fold, CLONE)
#define ring_mean          NAME(ring_mean, CLONE)
#define ring_check         NAME(ring_check, CLONE)
#define ring_add           NAME(ring_add, CLONE)
#define ring_take          NAME(ring_take, CLONE)
#ifndef COHORT_SANITIZE
#define COHORT_SANITIZE // one version a function
#endif
#include "../../../lib/reduce/ring.c"
