/** The few functions of a C library that compilers call by themselves, where there is no C library: target wasm32-unknown-unknown. */
#if defined(__wasm__) && !defined(__wasi__)

#include "freestanding/stdlib.h"
#include "freestanding/string.h"

// With bulk memory these are single instructions, not calls of themselves.

void *memcpy(void *to, const void *from, size_t len) {
    __builtin_memmove(to, from, len);
    return to;
}

void *memmove(void *to, const void *from, size_t len) {
    __builtin_memmove(to, from, len);
    return to;
}

void *memset(void *to, int byte, size_t len) {
    __builtin_memset(to, byte, len);
    return to;
}

int memcmp(const void *a, const void *b, size_t len) {
    const unsigned char *left = (const unsigned char *)a, *right = (const unsigned char *)b;
    for (; len > 0; left++, right++, len--) {
        if (*left != *right) {
            return *left - *right;
        }
    }
    return 0;
}

void *memchr(const void *bytes, int byte, size_t len) {
    const unsigned char *at = (const unsigned char *)bytes;
    for (; len > 0; at++, len--) {
        if (*at == (unsigned char)byte) {
            return (void *)at;
        }
    }
    return NULL;
}

size_t strlen(const char *text) {
    size_t len = 0;
    while (text[len] != 0) {
        len++;
    }
    return len;
}

int strcmp(const char *a, const char *b) {
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

void abort(void) { __builtin_trap(); }

#else

/** An empty file is none in C. */
typedef int wm_with_a_c_library;

#endif
