/** Reading a block: its nodes, and the views of its columns. */
#include "internal.h"

enum { HEADER_BYTES = 8, NODE_BYTES = 24, NODES_MAX = 1 << 16 };

static bool is_cut(uint32_t kind) {
    return kind == WM_KIND_TEXT || kind == WM_KIND_BINARY || kind == WM_KIND_LIST_VALUE || kind == WM_KIND_MAP_VALUE;
}

/** Bytes of a row in `values`, where that is the same for each. */
static uint64_t width_of(uint32_t kind) {
    switch (kind) {
    case WM_KIND_UINT8:
    case WM_KIND_ANY:
        return 1;
    case WM_KIND_UINT32:
    case WM_KIND_INT32:
    case WM_KIND_DICTIONARY:
        return 4;
    case WM_KIND_UINT64:
    case WM_KIND_INT64:
    case WM_KIND_DOUBLE:
    case WM_KIND_ID8:
        return 8;
    case WM_KIND_ID16:
        return 16;
    default:
        return 0;
    }
}

static uint64_t bits_bytes(uint64_t len) { return (len + 7) / 8; }

/** Whether a part that must have so many bytes is inside. */
static bool part_fits(const wm_block *block, uint32_t start, uint64_t bytes) {
    return bytes == 0 || (start != 0 && start <= block->len && bytes <= block->len - start);
}

static bool parts_fit(const wm_block *block, const wm_node *node) {
    uint64_t len = node->len;
    if (node->validity != 0 && !part_fits(block, node->validity, bits_bytes(len))) {
        return false;
    }
    bool cut = is_cut(node->kind);
    if (node->kind == WM_KIND_ANY) {
        return part_fits(block, node->values, len) && part_fits(block, node->offsets, len * 4);
    }
    if (cut || node->kind == WM_KIND_SEQUENCE || node->kind == WM_KIND_ATTRIBUTES) {
        // Without rows there may be no offsets.
        if (node->offsets == 0 ? len != 0 : !part_fits(block, node->offsets, (len + 1) * 4)) {
            return false;
        }
        uint64_t end = node->offsets == 0 ? 0 : wm_u32_at(block->bytes + node->offsets, node->len);
        return !cut || part_fits(block, node->values, end);
    }
    uint64_t bytes = node->kind == WM_KIND_BOOLEAN ? bits_bytes(len) : len * width_of(node->kind);
    return part_fits(block, node->values, bytes);
}

/** Whether the children are those that the views look at. */
static bool children_fit(const wm_block *block, uint32_t number) {
    const wm_node *node = &block->nodes[number];
    const wm_node *child = node + 1;
    switch (node->kind) {
    case WM_KIND_DICTIONARY:
        return node->children == 1 && child->kind == WM_KIND_TEXT;
    case WM_KIND_SEQUENCE:
        return node->children == 1;
    case WM_KIND_ATTRIBUTES:
        return node->children == 2 && (child->kind == WM_KIND_TEXT || child->kind == WM_KIND_DICTIONARY) &&
            block->nodes[child->next].kind == WM_KIND_ANY;
    default:
        return true;
    }
}

bool wm_block_open(wm_block *block, const uint8_t *bytes, size_t len) {
    static const wm_block none;
    *block = none;
    if (len == 0) {
        return true;
    }
    if (len < HEADER_BYTES || len > INT32_MAX) {
        wm_fail("a block of %zu bytes is none", len);
        return false;
    }
    block->bytes = bytes;
    block->len = (uint32_t)len;
    uint32_t count = wm_u32_at(bytes, 0);
    uint32_t node_bytes = wm_u32_at(bytes, 1);
    // A later version may have longer nodes.
    if (node_bytes < NODE_BYTES || count > NODES_MAX || count > (len - HEADER_BYTES) / node_bytes) {
        wm_fail("a block of %zu bytes has no room for %u nodes of %u bytes", len, count, node_bytes);
        return false;
    }
    block->nodes = (wm_node *)wm_memory_get(count * sizeof(wm_node));
    block->count = count;
    for (uint32_t number = 0; number < count; number++) {
        const uint8_t *raw = bytes + HEADER_BYTES + (size_t)number * node_bytes;
        wm_node node = {wm_u32_at(raw, 0), wm_u32_at(raw, 1), wm_u32_at(raw, 2), 0,
                        wm_u32_at(raw, 3), wm_u32_at(raw, 4), wm_u32_at(raw, 5)};
        if (!parts_fit(block, &node)) {
            wm_fail("node %u of a block has parts outside of it", number);
            return false;
        }
        block->nodes[number] = node;
    }
    // Children stand behind their parents: from the end, each finds where its children end.
    for (uint32_t number = count; number-- > 0;) {
        uint32_t next = number + 1;
        for (uint32_t child = 0; child < block->nodes[number].children; child++) {
            if (next >= count) {
                wm_fail("node %u of a block has children outside of it", number);
                return false;
            }
            next = block->nodes[next].next;
        }
        block->nodes[number].next = next;
        if (!children_fit(block, number)) {
            wm_fail("node %u of a block has children of the wrong kind", number);
            return false;
        }
    }
    return true;
}

uint32_t wm_block_column(const wm_block *block, uint32_t column) {
    uint32_t number = 0;
    while (column > 0 && number < block->count) {
        number = block->nodes[number].next;
        column--;
    }
    return number;
}

bool wm_block_is(const wm_block *block, uint32_t node, wm_kind kind) {
    return node < block->count && block->nodes[node].kind == (uint32_t)kind;
}

static wm_bits validity_of(const wm_block *block, const wm_node *node) {
    wm_bits bits = {node->validity == 0 ? NULL : block->bytes + node->validity, node->len};
    return bits;
}

#define FIXED(name, KIND)                                                                           \
    wm_##name wm_block_##name(const wm_block *block, uint32_t number) {                              \
        wm_##name view = {NULL, {NULL, 0}, 0};                                                      \
        if (wm_block_is(block, number, KIND)) {                                                     \
            const wm_node *node = &block->nodes[number];                                            \
            view.values = block->bytes + node->values;                                              \
            view.validity = validity_of(block, node);                                               \
            view.len = node->len;                                                                   \
        }                                                                                           \
        return view;                                                                                \
    }

FIXED(uint8, WM_KIND_UINT8)
FIXED(uint32, WM_KIND_UINT32)
FIXED(int32, WM_KIND_INT32)
FIXED(uint64, WM_KIND_UINT64)
FIXED(int64, WM_KIND_INT64)
FIXED(double, WM_KIND_DOUBLE)
FIXED(id8, WM_KIND_ID8)
FIXED(id16, WM_KIND_ID16)

wm_boolean wm_block_boolean(const wm_block *block, uint32_t number) {
    wm_boolean view = {{NULL, 0}, {NULL, 0}, 0};
    if (wm_block_is(block, number, WM_KIND_BOOLEAN)) {
        const wm_node *node = &block->nodes[number];
        view.values.bytes = block->bytes + node->values;
        view.values.len = node->len;
        view.validity = validity_of(block, node);
        view.len = node->len;
    }
    return view;
}

wm_binary wm_block_binary(const wm_block *block, uint32_t number, wm_kind kind) {
    wm_binary view = {NULL, NULL, {NULL, 0}, 0};
    if (wm_block_is(block, number, kind)) {
        const wm_node *node = &block->nodes[number];
        view.offsets = block->bytes + node->offsets;
        view.bytes = block->bytes + node->values;
        view.validity = validity_of(block, node);
        view.len = node->len;
    }
    return view;
}

wm_text wm_block_text(const wm_block *block, uint32_t number) {
    wm_text view = {{NULL, NULL, {NULL, 0}, 0}, NULL, {NULL, 0}, 0};
    if (wm_block_is(block, number, WM_KIND_DICTIONARY)) {
        const wm_node *node = &block->nodes[number];
        view.distinct = wm_block_binary(block, number + 1, WM_KIND_TEXT);
        view.keys = block->bytes + node->values;
        view.validity = validity_of(block, node);
        view.len = node->len;
    } else if (wm_block_is(block, number, WM_KIND_TEXT)) {
        view.distinct = wm_block_binary(block, number, WM_KIND_TEXT);
        view.validity = view.distinct.validity;
        view.len = view.distinct.len;
    }
    return view;
}

wm_any wm_block_any(const wm_block *block, uint32_t number) {
    wm_any view;
    __builtin_memset(&view, 0, sizeof view);
    if (!wm_block_is(block, number, WM_KIND_ANY)) {
        return view;
    }
    const wm_node *node = &block->nodes[number];
    view.kinds = block->bytes + node->values;
    view.places = block->bytes + node->offsets;
    view.len = node->len;
    uint32_t child = number + 1;
    for (uint32_t place = 0; place < node->children; place++) {
        switch (block->nodes[child].kind) {
        case WM_KIND_TEXT:
        case WM_KIND_DICTIONARY:
            view.text = wm_block_text(block, child);
            break;
        case WM_KIND_INT64:
            view.integer = wm_block_int64(block, child);
            break;
        case WM_KIND_DOUBLE:
            view.number = wm_block_double(block, child);
            break;
        case WM_KIND_BOOLEAN:
            view.boolean = wm_block_boolean(block, child);
            break;
        case WM_KIND_BINARY:
            view.binary = wm_block_binary(block, child, WM_KIND_BINARY);
            break;
        case WM_KIND_LIST_VALUE:
            view.list = wm_block_binary(block, child, WM_KIND_LIST_VALUE);
            break;
        case WM_KIND_MAP_VALUE:
            view.map = wm_block_binary(block, child, WM_KIND_MAP_VALUE);
            break;
        default:
            // A later version's: its rows are of a kind that is none of ours.
            break;
        }
        child = block->nodes[child].next;
    }
    return view;
}

wm_attributes wm_block_attributes(const wm_block *block, uint32_t number) {
    wm_attributes view;
    __builtin_memset(&view, 0, sizeof view);
    if (wm_block_is(block, number, WM_KIND_ATTRIBUTES)) {
        const wm_node *node = &block->nodes[number];
        view.offsets = block->bytes + node->offsets;
        view.validity = validity_of(block, node);
        view.len = node->len;
        view.keys = wm_block_text(block, number + 1);
        view.values = wm_block_any(block, block->nodes[number + 1].next);
    }
    return view;
}

wm_sequence wm_block_sequence(const wm_block *block, uint32_t number) {
    wm_sequence view = {NULL, {NULL, 0}, 0, block, block->count};
    if (wm_block_is(block, number, WM_KIND_SEQUENCE)) {
        const wm_node *node = &block->nodes[number];
        view.offsets = block->bytes + node->offsets;
        view.validity = validity_of(block, node);
        view.len = node->len;
        view.child = number + 1;
    }
    return view;
}
