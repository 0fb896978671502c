/** Making a block, column by column: nodes and parts grow apart, and are put together in the end. */
#include "internal.h"

enum { NODE_FIELDS = 6, LEN = 1, CHILDREN = 2, VALIDITY = 3, OFFSETS = 4, VALUES = 5 };

/** Room at first: an attribute as a dictionary has two nodes. */
enum { NODES_FIRST = 4, PARTS_FIRST = 256 };

typedef struct node {
    uint32_t fields[NODE_FIELDS];
} node;

struct wm_builder {
    node *nodes;
    uint32_t count;
    uint32_t room;
    /** All parts; where one starts is counted from here on, and has 1 added, so that 0 is none. */
    uint8_t *parts;
    size_t len;
    size_t parts_room;
};

wm_builder *wm_builder_new(void) { return WM_NEW(wm_builder, 1); }

uint32_t wm_builder_len(const wm_builder *builder) { return builder->count == 0 ? 0 : builder->nodes[0].fields[LEN]; }

static uint32_t open_node(wm_builder *builder, wm_kind kind, uint32_t len) {
    if (builder->count == builder->room) {
        uint32_t room = builder->room == 0 ? NODES_FIRST : builder->room * 2;
        builder->nodes = (node *)wm_memory_grow(builder->nodes, builder->room * sizeof(node), room * sizeof(node));
        builder->room = room;
    }
    node opened = {{(uint32_t)kind, len, 0, 0, 0, 0}};
    builder->nodes[builder->count] = opened;
    return builder->count++;
}

/** Begins a part of `size` bytes at a multiple of 8. What it holds is undefined: fill all of it. */
static uint8_t *part(wm_builder *builder, uint32_t number, int field, size_t size) {
    size_t start = (builder->len + 7) & ~(size_t)7;
    if (start + size > builder->parts_room) {
        size_t room = builder->parts_room == 0 ? PARTS_FIRST : builder->parts_room * 2;
        room = room < start + size ? start + size : room;
        builder->parts = (uint8_t *)wm_memory_grow(builder->parts, builder->len, room);
        builder->parts_room = room;
    }
    __builtin_memset(builder->parts + builder->len, 0, start - builder->len);
    builder->len = start + size;
    builder->nodes[number].fields[field] = (uint32_t)start + 1;
    return builder->parts + start;
}

static void put_bitmap(wm_builder *builder, uint32_t number, int field, const wm_bitmap *bitmap, uint32_t len) {
    size_t size = len / 8 + (len % 8 != 0);
    uint8_t *to = part(builder, number, field, size);
    size_t there = bitmap->len / 8 + (bitmap->len % 8 != 0);
    there = there < size ? there : size;
    wm_copy(to, bitmap->words, there);
    __builtin_memset(to + there, 0, size - there);
}

static void put_valid(wm_builder *builder, uint32_t number, const wm_bitmap *valid, uint32_t len) {
    if (valid != NULL) {
        put_bitmap(builder, number, VALIDITY, valid, len);
    }
}

static uint32_t add_fixed(
    wm_builder *builder, wm_kind kind, const void *values, uint32_t count, size_t width, const wm_bitmap *valid) {
    uint32_t number = open_node(builder, kind, count);
    put_valid(builder, number, valid, count);
    wm_copy(part(builder, number, VALUES, count * width), values, count * width);
    return number;
}

#define FIXED(name, type, KIND, width)                                                              \
    void wm_add_##name(wm_builder *builder, const type *values, uint32_t count, const wm_bitmap *valid) { \
        add_fixed(builder, KIND, values, count, width, valid);                                       \
    }

FIXED(uint8, uint8_t, WM_KIND_UINT8, 1)
FIXED(uint32, uint32_t, WM_KIND_UINT32, 4)
FIXED(int32, int32_t, WM_KIND_INT32, 4)
FIXED(uint64, uint64_t, WM_KIND_UINT64, 8)
FIXED(int64, int64_t, WM_KIND_INT64, 8)
FIXED(double, double, WM_KIND_DOUBLE, 8)
FIXED(id8, uint8_t, WM_KIND_ID8, 8)
FIXED(id16, uint8_t, WM_KIND_ID16, 16)

void wm_add_boolean(wm_builder *builder, const wm_bitmap *values, const wm_bitmap *valid) {
    uint32_t number = open_node(builder, WM_KIND_BOOLEAN, values->len);
    put_valid(builder, number, valid, values->len);
    put_bitmap(builder, number, VALUES, values, values->len);
}

static void add_cut(wm_builder *builder, wm_kind kind, const wm_str *values, uint32_t count, const wm_bitmap *valid) {
    uint32_t number = open_node(builder, kind, count);
    put_valid(builder, number, valid, count);
    uint8_t *offsets = part(builder, number, OFFSETS, ((size_t)count + 1) * 4);
    uint32_t end = 0;
    wm_copy(offsets, &end, 4);
    for (uint32_t row = 0; row < count; row++) {
        // A row without a value has no bytes, whatever stands there.
        end += valid != NULL && !wm_bitmap_get(valid, row) ? 0 : (uint32_t)values[row].len;
        wm_copy(offsets + ((size_t)row + 1) * 4, &end, 4);
    }
    uint8_t *bytes = part(builder, number, VALUES, end);
    for (uint32_t row = 0; row < count; row++) {
        if (valid == NULL || wm_bitmap_get(valid, row)) {
            wm_copy(bytes, values[row].data, values[row].len);
            bytes += values[row].len;
        }
    }
}

void wm_add_text(wm_builder *builder, const wm_str *values, uint32_t count, const wm_bitmap *valid) {
    add_cut(builder, WM_KIND_TEXT, values, count, valid);
}

void wm_add_binary(wm_builder *builder, const wm_str *values, uint32_t count, const wm_bitmap *valid) {
    add_cut(builder, WM_KIND_BINARY, values, count, valid);
}

void wm_add_dictionary(
    wm_builder *builder, const uint32_t *keys, uint32_t count, const wm_bitmap *valid, wm_strs distinct) {
    uint32_t number = add_fixed(builder, WM_KIND_DICTIONARY, keys, count, 4, valid);
    builder->nodes[number].fields[CHILDREN] = 1;
    if (valid != NULL) {
        uint8_t *written = builder->parts + builder->nodes[number].fields[VALUES] - 1;
        for (uint32_t row = 0; row < count; row++) {
            if (!wm_bitmap_get(valid, row)) {
                __builtin_memset(written + (size_t)row * 4, 0, 4);
            }
        }
    }
    add_cut(builder, WM_KIND_TEXT, distinct.items, (uint32_t)distinct.count, NULL);
}

static void add_any_child(wm_builder *builder, const wm_value *values, uint32_t count, wm_any_kind kind, uint32_t found) {
    wm_bitmap bits;
    wm_str *texts = NULL;
    int64_t *numbers = NULL;
    if (kind == WM_BOOLEAN) {
        bits = wm_bitmap_none(found);
    } else if (kind == WM_INT || kind == WM_DOUBLE) {
        numbers = WM_NEW(int64_t, found);
    } else {
        texts = WM_NEW(wm_str, found);
    }
    uint32_t at = 0;
    for (uint32_t row = 0; row < count; row++) {
        if (values[row].kind != kind) {
            continue;
        }
        if (kind == WM_BOOLEAN) {
            wm_bitmap_set(&bits, at, values[row].boolean);
        } else if (numbers != NULL) {
            // An int64 and a double have 8 bytes each, and lie at one place.
            wm_copy(&numbers[at], &values[row].integer, sizeof(int64_t));
        } else {
            texts[at] = values[row].text;
        }
        at++;
    }
    switch (kind) {
    case WM_INT:
        wm_add_int64(builder, numbers, found, NULL);
        break;
    case WM_DOUBLE:
        add_fixed(builder, WM_KIND_DOUBLE, numbers, found, 8, NULL);
        break;
    case WM_BOOLEAN:
        wm_add_boolean(builder, &bits, NULL);
        break;
    case WM_TEXT:
        add_cut(builder, WM_KIND_TEXT, texts, found, NULL);
        break;
    case WM_BINARY:
        add_cut(builder, WM_KIND_BINARY, texts, found, NULL);
        break;
    case WM_LIST_VALUE:
        add_cut(builder, WM_KIND_LIST_VALUE, texts, found, NULL);
        break;
    default:
        add_cut(builder, WM_KIND_MAP_VALUE, texts, found, NULL);
        break;
    }
}

void wm_add_any(wm_builder *builder, const wm_value *values, uint32_t count) {
    uint32_t found[WM_MAP_VALUE + 1] = {0};
    uint32_t number = open_node(builder, WM_KIND_ANY, count);
    uint8_t *kinds = part(builder, number, VALUES, count);
    for (uint32_t row = 0; row < count; row++) {
        kinds[row] = (uint8_t)values[row].kind;
    }
    uint8_t *places = part(builder, number, OFFSETS, (size_t)count * 4);
    for (uint32_t row = 0; row < count; row++) {
        // Absent and empty ones have no child, and lie at 0.
        wm_copy(places + (size_t)row * 4, &found[values[row].kind], 4);
        found[values[row].kind] += values[row].kind > WM_EMPTY;
    }
    for (int kind = WM_TEXT; kind <= WM_MAP_VALUE; kind++) {
        if (found[kind] > 0) {
            add_any_child(builder, values, count, (wm_any_kind)kind, found[kind]);
            builder->nodes[number].fields[CHILDREN]++;
        }
    }
}

void wm_add_sequence(wm_builder *builder, const uint32_t *offsets, uint32_t count) {
    uint32_t number = open_node(builder, WM_KIND_SEQUENCE, count);
    builder->nodes[number].fields[CHILDREN] = 1;
    size_t size = ((size_t)count + 1) * 4;
    wm_copy(part(builder, number, OFFSETS, size), offsets, size);
}

void wm_add_attributes(
    wm_builder *builder, const uint32_t *offsets, uint32_t count, const wm_str *keys, const wm_value *values) {
    uint32_t number = open_node(builder, WM_KIND_ATTRIBUTES, count);
    builder->nodes[number].fields[CHILDREN] = 2;
    size_t size = ((size_t)count + 1) * 4;
    wm_copy(part(builder, number, OFFSETS, size), offsets, size);
    add_cut(builder, WM_KIND_TEXT, keys, offsets[count], NULL);
    wm_add_any(builder, values, offsets[count]);
}

wm_str wm_builder_finish(wm_builder *builder) {
    uint32_t header[2] = {builder->count, sizeof(node)};
    size_t head = sizeof header + builder->count * sizeof(node);
    uint8_t *bytes = (uint8_t *)wm_memory_get(head + builder->len);
    wm_copy(bytes, header, sizeof header);
    for (uint32_t number = 0; number < builder->count; number++) {
        node placed = builder->nodes[number];
        for (int field = VALIDITY; field <= VALUES; field++) {
            placed.fields[field] = placed.fields[field] == 0 ? 0 : (uint32_t)head + placed.fields[field] - 1;
        }
        wm_copy(bytes + sizeof header + number * sizeof(node), &placed, sizeof placed);
    }
    wm_copy(bytes + head, builder->parts, builder->len);
    return wm_str_from((const char *)bytes, head + builder->len);
}

wm_builder *wm_builder_of(wm_value value) {
    wm_builder *builder = wm_builder_new();
    wm_bitmap bit;
    switch (value.kind) {
    // A plain type is also taken by fields that have just that one.
    case WM_TEXT:
        wm_add_text(builder, &value.text, 1, NULL);
        break;
    case WM_BINARY:
        wm_add_binary(builder, &value.text, 1, NULL);
        break;
    case WM_INT:
        wm_add_int64(builder, &value.integer, 1, NULL);
        break;
    case WM_DOUBLE:
        wm_add_double(builder, &value.number, 1, NULL);
        break;
    case WM_BOOLEAN:
        bit = wm_bitmap_none(1);
        wm_bitmap_set(&bit, 0, value.boolean);
        wm_add_boolean(builder, &bit, NULL);
        break;
    default:
        wm_add_any(builder, &value, 1);
        break;
    }
    return builder;
}
