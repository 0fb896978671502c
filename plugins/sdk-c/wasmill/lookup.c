/** What tables and state answer, and what a plugin hands on. */
#include "internal.h"

const char *wm_failure_name(wm_failure failure) {
    static const char *const names[] = {"none", "denied", "unknown", "invalid", "limit", "unavailable"};
    return (size_t)failure < sizeof names / sizeof *names ? names[failure] : "another failure";
}

/** The node of a column; one that is none where there are fewer columns. */
#define COLUMN(name)                                                                                \
    wm_##name wm_columns_##name(const wm_columns *columns, uint32_t column) {                        \
        return wm_block_##name(&columns->block, wm_block_column(&columns->block, column));           \
    }

COLUMN(text)
COLUMN(boolean)
COLUMN(int64)
COLUMN(double)
COLUMN(any)

wm_binary wm_columns_binary(const wm_columns *columns, uint32_t column) {
    return wm_block_binary(&columns->block, wm_block_column(&columns->block, column), WM_KIND_BINARY);
}

void wm_snapshot_add(wm_snapshot *snapshot, wm_str key, wm_str value) {
    if (snapshot->count == snapshot->room) {
        uint32_t room = snapshot->room == 0 ? 16 : snapshot->room * 2;
        size_t held = snapshot->room * sizeof(wm_str), size = room * sizeof(wm_str);
        snapshot->keys = (wm_str *)wm_memory_grow(snapshot->keys, held, size);
        snapshot->values = (wm_str *)wm_memory_grow(snapshot->values, held, size);
        snapshot->room = room;
    }
    // What the plugin gives may lie on its stack.
    char *bytes = (char *)wm_memory_get(key.len + value.len);
    wm_copy(bytes, key.data, key.len);
    wm_copy(bytes + key.len, value.data, value.len);
    snapshot->keys[snapshot->count] = wm_str_from(bytes, key.len);
    snapshot->values[snapshot->count++] = wm_str_from(bytes + key.len, value.len);
}

wm_str wm_snapshot_finish(const wm_snapshot *snapshot) {
    wm_builder *builder = wm_builder_new();
    wm_add_binary(builder, snapshot->keys, snapshot->count, NULL);
    wm_add_binary(builder, snapshot->values, snapshot->count, NULL);
    return wm_builder_finish(builder);
}

bool wm_snapshot_open(const uint8_t *bytes, size_t len, wm_binary *keys, wm_binary *values) {
    wm_columns columns;
    if (!wm_block_open(&columns.block, bytes, len)) {
        return false;
    }
    uint32_t count = columns.block.count;
    bool fits = count == 0 ||
        (count == 2 && wm_block_is(&columns.block, 0, WM_KIND_BINARY) && wm_block_is(&columns.block, 1, WM_KIND_BINARY));
    *keys = wm_columns_binary(&columns, 0);
    *values = wm_columns_binary(&columns, 1);
    if (!fits || keys->len != values->len) {
        wm_fail("a snapshot of %u columns, expected keys and values, both of bytes", count);
    }
    return fits && keys->len == values->len;
}
