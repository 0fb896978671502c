/** What a test says: it ends at the first thing that is not so, with its place. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmill.h"

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                  \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

#define CHECK_TEXT(found, expected)                                                                 \
    do {                                                                                            \
        wm_str check_found = (found);                                                               \
        if (!wm_str_equal(check_found, wm_str_of(expected))) {                                      \
            fprintf(                                                                                \
                stderr, "%s:%d: found    %.*s\n%*sexpected %s\n", __FILE__, __LINE__, WM_FMT(check_found), \
                (int)strlen(__FILE__) + 6, "", (expected));                                         \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

/** Numbers that look random and are the same in each run. */
static inline uint32_t random_next(uint64_t *state, uint32_t below) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

#endif
