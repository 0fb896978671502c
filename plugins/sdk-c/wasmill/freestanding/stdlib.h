/** What the generated bindings ask a C library for, where there is none: see ../freestanding.c. */
#ifndef WASMILL_FREESTANDING_STDLIB_H
#define WASMILL_FREESTANDING_STDLIB_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

__attribute__((noreturn)) void abort(void);

#ifdef __cplusplus
}
#endif

#endif
