/** What a plugin answers. */
#include "internal.h"

/** A bitmap has a bit for each row, row numbers have 32 for each target: up to one target in so many rows, numbers are shorter. */
enum { SPARSE = 32 };

enum { EDITS_FIRST = 4 };

void wm_verdict_begin(wm_verdict *verdict, uint32_t rows) {
    static const wm_verdict untouched;
    *verdict = untouched;
    verdict->rows = rows;
    verdict->keep.len = rows;
}

void wm_keep(wm_verdict *verdict, const wm_bitmap *rows) {
    if (verdict->keep.words == NULL) {
        verdict->keep = wm_bitmap_all(verdict->rows);
    }
    wm_bitmap_and(&verdict->keep, rows);
}

void wm_drop(wm_verdict *verdict, const wm_bitmap *rows) {
    if (verdict->keep.words == NULL) {
        verdict->keep = wm_bitmap_all(verdict->rows);
    }
    wm_bitmap_and_not(&verdict->keep, rows);
}

void wm_drop_all(wm_verdict *verdict) { verdict->keep = wm_bitmap_none(verdict->rows); }

static uint16_t *routes(wm_verdict *verdict) {
    if (verdict->routes == NULL) {
        size_t size = verdict->rows * sizeof(uint16_t);
        verdict->routes = (uint16_t *)wm_memory_get(size);
        // WM_ROUTE_UNCHANGED has all bits set.
        __builtin_memset(verdict->routes, 0xff, size);
        // What was said of groups is said of their rows from here on.
        for (uint32_t group = 0; verdict->group_routes != NULL && group < verdict->groups.len; group++) {
            wm_range range = wm_groups_range(&verdict->groups, group);
            for (uint32_t row = range.start; row < range.end; row++) {
                verdict->routes[row] = verdict->group_routes[group];
            }
        }
        verdict->group_routes = NULL;
    }
    return verdict->routes;
}

void wm_route(wm_verdict *verdict, const wm_bitmap *rows, wm_route_set set) {
    uint16_t *sets = routes(verdict);
    WM_EACH(row, rows) {
        if (row < verdict->rows) {
            sets[row] = set.number;
        }
    }
}

void wm_route_all(wm_verdict *verdict, wm_route_set set) {
    uint16_t *sets = routes(verdict);
    for (uint32_t row = 0; row < verdict->rows; row++) {
        sets[row] = set.number;
    }
}

void wm_route_rows(wm_verdict *verdict, const uint16_t *sets) {
    wm_copy(routes(verdict), sets, verdict->rows * sizeof(uint16_t));
}

wm_rows wm_all_rows(void) {
    wm_rows rows = {WM_ROWS_ALL, NULL, NULL, 0};
    return rows;
}

wm_rows wm_these_rows(const wm_bitmap *bitmap) {
    wm_rows rows = {WM_ROWS_BITMAP, bitmap, NULL, 0};
    return rows;
}

wm_rows wm_row_numbers(const uint32_t *numbers, uint32_t count) {
    wm_rows rows = {WM_ROWS_INDICES, NULL, numbers, count};
    return rows;
}

wm_rows wm_entries(const uint32_t *places, uint32_t count) {
    wm_rows rows = {WM_ROWS_ENTRIES, NULL, places, count};
    return rows;
}

static wm_str copied(const void *data, size_t size) {
    void *copy = wm_memory_get(size);
    wm_copy(copy, data, size);
    return wm_str_from((const char *)copy, size);
}

/** The target as it crosses, in the shorter form; false: nothing is meant. */
static bool target_of(const wm_verdict *verdict, wm_rows rows, wm_edit *edit) {
    switch (rows.kind) {
    case WM_ROWS_ALL:
        edit->target.kind = WM_TARGET_ALL;
        return true;
    case WM_ROWS_INDICES:
    case WM_ROWS_ENTRIES:
        edit->target.kind = rows.kind == WM_ROWS_INDICES ? WM_TARGET_INDICES : WM_TARGET_ENTRIES;
        edit->target.bytes = copied(rows.numbers, rows.count * sizeof(uint32_t));
        return rows.count > 0;
    default:
        break;
    }
    uint32_t count = wm_bitmap_count(rows.bitmap);
    if (count == 0) {
        return false;
    }
    if (count == verdict->rows && rows.bitmap->len == verdict->rows) {
        edit->target.kind = WM_TARGET_ALL;
    } else if ((uint64_t)count * SPARSE <= rows.bitmap->len) {
        uint32_t *numbers = (uint32_t *)wm_memory_get(count * sizeof(uint32_t));
        uint32_t at = 0;
        WM_EACH(row, rows.bitmap) { numbers[at++] = row; }
        edit->target.kind = WM_TARGET_INDICES;
        edit->target.bytes = wm_str_from((const char *)numbers, count * sizeof(uint32_t));
    } else {
        uint32_t len = rows.bitmap->len;
        edit->target.kind = WM_TARGET_ROWS;
        edit->target.bytes = copied(rows.bitmap->words, len / 8 + (len % 8 != 0));
    }
    return true;
}

static void add_edit(wm_verdict *verdict, const char *path, wm_rows rows, wm_change change, wm_builder *column) {
    wm_edit edit;
    __builtin_memset(&edit, 0, sizeof edit);
    if (!target_of(verdict, rows, &edit)) {
        return;
    }
    wm_str text = wm_str_of(path);
    edit.path = copied(text.data, text.len);
    edit.change = change;
    if (column != NULL) {
        edit.block = wm_builder_finish(column);
    }
    if (verdict->edits_count == verdict->edits_room) {
        uint32_t room = verdict->edits_room == 0 ? EDITS_FIRST : verdict->edits_room * 2;
        verdict->edits =
            (wm_edit *)wm_memory_grow(verdict->edits, verdict->edits_room * sizeof edit, room * sizeof edit);
        verdict->edits_room = room;
    }
    verdict->edits[verdict->edits_count++] = edit;
}

void wm_set_each(wm_verdict *verdict, const char *path, wm_rows rows, wm_builder *column) {
    add_edit(verdict, path, rows, WM_CHANGE_SET, column);
}

void wm_remove(wm_verdict *verdict, const char *path, wm_rows rows) {
    add_edit(verdict, path, rows, WM_CHANGE_REMOVE, NULL);
}

void wm_merge(wm_verdict *verdict, const char *path, wm_rows rows, wm_builder *maps) {
    add_edit(verdict, path, rows, WM_CHANGE_MERGE, maps);
}

void wm_set(wm_verdict *verdict, const char *path, wm_rows rows, wm_value value) {
    wm_set_each(verdict, path, rows, wm_builder_of(value));
}
