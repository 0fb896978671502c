/**
 * Memory of a call: taken by moving a pointer, given back all at once when the next call begins.
 *
 *     | kept by plugin_init | this call's …          | free
 *     start                 kept                     top    end
 *
 * It lies in pages of its own, beside those of `malloc`, which takes and gives its own; where both ask the host in turn, the
 * call's memory moves to a new, larger run of pages, and the older ones hold only what `plugin_init` keeps.
 */
#include "internal.h"

enum { ALIGNMENT = 16 };

static bool ended = true;

#ifdef __wasm__

enum { PAGE = 65536, PAGES_MIN = 2 };

static uintptr_t start, kept, top, end;

#ifdef __wasi__

// Weak: a plugin that does not use them has none.
void *malloc(size_t size) __attribute__((weak));
void free(void *pointer) __attribute__((weak));

/**
 * The first `malloc` takes for itself all memory that there is, from the end of the program's data. So it comes before the first
 * page of ours.
 */
static void let_malloc_begin(void) {
    if (malloc != NULL && free != NULL) {
        // Volatile, since compilers leave out what is freed at once.
        void *volatile first = malloc(1);
        free(first);
    }
}

#else

static void let_malloc_begin(void) {}

#endif

void wm_memory_begin(void) {
    if (ended) {
        ended = false;
        top = kept;
    }
}

void wm_memory_keep(void) { kept = top; }

static void more(size_t size) {
    if (end == 0) {
        let_malloc_begin();
    }
    size_t wanted = size > SIZE_MAX - PAGE ? SIZE_MAX / PAGE : (size + PAGE - 1) / PAGE;
    // Twice as many each time, so that a call that needs much asks seldom.
    size_t pages = (end - start) / PAGE;
    pages = pages < PAGES_MIN ? PAGES_MIN : pages;
    pages = pages < wanted ? wanted : pages;
    size_t before = __builtin_wasm_memory_grow(0, pages);
    if (before == SIZE_MAX) {
        pages = wanted;
        before = __builtin_wasm_memory_grow(0, pages);
    }
    if (before == SIZE_MAX) {
        // The host counts a call that ends so after memory was denied as one that had too little.
        __builtin_trap();
    }
    if (before * PAGE != end) {
        // Nothing of this run is kept yet: where it begins, a call's memory begins.
        start = kept = top = before * PAGE;
    }
    end = (before + pages) * PAGE;
}

void *wm_memory_get(size_t size) {
    if (size > SIZE_MAX - 2 * ALIGNMENT) {
        __builtin_trap();
    }
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > end - top) {
        more(size);
    }
    void *got = (void *)top;
    top += size;
    return got;
}

void *wm_memory_grow(void *old, size_t old_size, size_t size) {
    size_t held = (old_size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (old != NULL && (uintptr_t)old + held == top && size >= old_size && size - old_size <= end - top) {
        top = (uintptr_t)old;
        return wm_memory_get(size);
    }
    void *got = wm_memory_get(size);
    wm_copy(got, old, old_size < size ? old_size : size);
    return got;
}

#else

// Natively, for tests: each piece by itself, so that a sanitizer sees where it ends.
#include <stdlib.h>

struct piece {
    struct piece *next;
    max_align_t bytes[];
};

static struct piece *pieces, *kept;

void wm_memory_begin(void) {
    if (!ended) {
        return;
    }
    ended = false;
    while (pieces != kept) {
        struct piece *next = pieces->next;
        free(pieces);
        pieces = next;
    }
}

void wm_memory_keep(void) { kept = pieces; }

void *wm_memory_get(size_t size) {
    struct piece *piece = (struct piece *)malloc(sizeof(struct piece) + size);
    if (piece == NULL) {
        abort();
    }
    piece->next = pieces;
    pieces = piece;
    return piece->bytes;
}

void *wm_memory_grow(void *old, size_t old_size, size_t size) {
    void *got = wm_memory_get(size);
    wm_copy(got, old, old_size < size ? old_size : size);
    return got;
}

#endif

void wm_memory_end(void) { ended = true; }

void *wm_alloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        __builtin_trap();
    }
    void *got = wm_memory_get(bytes);
    __builtin_memset(got, 0, bytes);
    return got;
}
