/** Bitmaps: which rows. The first row is the least significant bit of the first word. */
#include "internal.h"

static uint32_t words_of(uint32_t len) { return len / 64 + (len % 64 != 0); }

static void clear_spare(wm_bitmap *bitmap) {
    if (bitmap->len % 64 != 0) {
        bitmap->words[bitmap->len / 64] &= UINT64_MAX >> (64 - bitmap->len % 64);
    }
}

wm_bitmap wm_bitmap_none(uint32_t len) {
    wm_bitmap bitmap = {WM_NEW(uint64_t, words_of(len)), len};
    return bitmap;
}

wm_bitmap wm_bitmap_all(uint32_t len) {
    wm_bitmap bitmap = wm_bitmap_none(len);
    wm_bitmap_not(&bitmap);
    return bitmap;
}

wm_bitmap wm_bitmap_copy(const wm_bitmap *bitmap) {
    wm_bitmap copy = wm_bitmap_none(bitmap->len);
    wm_copy(copy.words, bitmap->words, words_of(bitmap->len) * sizeof(uint64_t));
    return copy;
}

wm_bitmap wm_bitmap_from_bits(wm_bits bits) {
    if (bits.bytes == NULL) {
        return wm_bitmap_all(bits.len);
    }
    wm_bitmap bitmap = wm_bitmap_none(bits.len);
    wm_copy(bitmap.words, bits.bytes, bits.len / 8 + (bits.len % 8 != 0));
    clear_spare(&bitmap);
    return bitmap;
}

uint32_t wm_bitmap_count(const wm_bitmap *bitmap) {
    uint32_t count = 0;
    for (uint32_t at = 0; at < words_of(bitmap->len); at++) {
        count += (uint32_t)__builtin_popcountll(bitmap->words[at]);
    }
    return count;
}

/** A word of the other operand; nothing where that is too short. */
static uint64_t word_of(const wm_bitmap *bitmap, uint32_t at) { return at < words_of(bitmap->len) ? bitmap->words[at] : 0; }

void wm_bitmap_and(wm_bitmap *bitmap, const wm_bitmap *other) {
    for (uint32_t at = 0; at < words_of(bitmap->len); at++) {
        bitmap->words[at] &= word_of(other, at);
    }
}

void wm_bitmap_or(wm_bitmap *bitmap, const wm_bitmap *other) {
    for (uint32_t at = 0; at < words_of(bitmap->len); at++) {
        bitmap->words[at] |= word_of(other, at);
    }
    clear_spare(bitmap);
}

void wm_bitmap_and_not(wm_bitmap *bitmap, const wm_bitmap *other) {
    for (uint32_t at = 0; at < words_of(bitmap->len); at++) {
        bitmap->words[at] &= ~word_of(other, at);
    }
}

void wm_bitmap_not(wm_bitmap *bitmap) {
    for (uint32_t at = 0; at < words_of(bitmap->len); at++) {
        bitmap->words[at] = ~bitmap->words[at];
    }
    clear_spare(bitmap);
}

void wm_bitmap_and_bits(wm_bitmap *bitmap, wm_bits bits) {
    if (bits.bytes == NULL && bits.len >= bitmap->len) {
        return;
    }
    uint32_t bytes = bits.bytes == NULL ? 0 : bits.len / 8 + (bits.len % 8 != 0);
    for (uint32_t at = 0; at < words_of(bitmap->len); at++) {
        uint64_t word = 0;
        uint32_t start = at * 8;
        if (start < bytes) {
            wm_copy(&word, bits.bytes + start, bytes - start < 8 ? bytes - start : 8);
        }
        if (bits.bytes == NULL) {
            word = UINT64_MAX;
        }
        // Bits behind the end of the other count as 0, whatever they are.
        uint64_t first = (uint64_t)at * 64;
        if (first >= bits.len) {
            word = 0;
        } else if (bits.len - first < 64) {
            word &= UINT64_MAX >> (64 - (bits.len - first));
        }
        bitmap->words[at] &= word;
    }
}

uint32_t wm_bitmap_next(const wm_bitmap *bitmap, uint32_t row) {
    if (row >= bitmap->len) {
        return bitmap->len;
    }
    uint32_t at = row / 64;
    uint64_t word = bitmap->words[at] & (UINT64_MAX << (row % 64));
    while (word == 0) {
        if (++at == words_of(bitmap->len)) {
            return bitmap->len;
        }
        word = bitmap->words[at];
    }
    return at * 64 + (uint32_t)__builtin_ctzll(word);
}
