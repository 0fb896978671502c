/** Rows that belong together. */
#include "internal.h"

bool wm_groups_open(wm_groups *groups, const uint8_t *bytes, size_t len, uint32_t rows) {
    groups->starts = bytes;
    groups->len = len < 8 ? 0 : (uint32_t)(len / 4 - 1);
    if (len == 0) {
        return true;
    }
    bool fits = len % 4 == 0 && len >= 8 && wm_u32_at(bytes, 0) == 0 && wm_u32_at(bytes, groups->len) == rows;
    for (uint32_t group = 0; fits && group < groups->len; group++) {
        fits = wm_u32_at(bytes, group) <= wm_u32_at(bytes, group + 1);
    }
    if (!fits) {
        groups->len = 0;
        wm_fail("the groups of a slice of %u rows are none, in %zu bytes", rows, len);
    }
    return fits;
}

wm_bitmap wm_groups_any(const wm_groups *groups, const wm_bitmap *rows) {
    wm_bitmap found = wm_bitmap_none(groups->len);
    uint32_t group = 0;
    WM_EACH(row, rows) {
        while (group < groups->len && row >= wm_groups_range(groups, group).end) {
            group++;
        }
        wm_bitmap_set(&found, group, true);
    }
    return found;
}

wm_bitmap wm_groups_expand(const wm_groups *groups, const wm_bitmap *wanted) {
    wm_bitmap rows = wm_bitmap_none(groups->len == 0 ? 0 : wm_u32_at(groups->starts, groups->len));
    WM_EACH(group, wanted) {
        wm_range range = wm_groups_range(groups, group);
        for (uint32_t row = range.start; row < range.end; row++) {
            wm_bitmap_set(&rows, row, true);
        }
    }
    return rows;
}

/** Whether the bitmap is over the groups of the slice; else an error. */
static bool over_groups(const wm_verdict *verdict, const wm_bitmap *groups) {
    if (groups->len != verdict->groups.len) {
        wm_fail("a bitmap over %u groups, the slice has %u", groups->len, verdict->groups.len);
    }
    return groups->len == verdict->groups.len;
}

void wm_keep_groups(wm_verdict *verdict, const wm_bitmap *groups) {
    if (!over_groups(verdict, groups)) {
        return;
    }
    if (verdict->keep_groups.words == NULL) {
        verdict->keep_groups = wm_bitmap_all(groups->len);
    }
    wm_bitmap_and(&verdict->keep_groups, groups);
}

void wm_drop_groups(wm_verdict *verdict, const wm_bitmap *groups) {
    if (!over_groups(verdict, groups)) {
        return;
    }
    if (verdict->keep_groups.words == NULL) {
        verdict->keep_groups = wm_bitmap_all(groups->len);
    }
    wm_bitmap_and_not(&verdict->keep_groups, groups);
}

void wm_route_groups(wm_verdict *verdict, const wm_bitmap *groups, wm_route_set set) {
    if (!over_groups(verdict, groups)) {
        return;
    }
    if (verdict->routes != NULL) {
        wm_bitmap rows = wm_groups_expand(&verdict->groups, groups);
        wm_route(verdict, &rows, set);
        return;
    }
    if (verdict->group_routes == NULL) {
        size_t size = groups->len * sizeof(uint16_t);
        verdict->group_routes = (uint16_t *)wm_memory_get(size);
        // WM_ROUTE_UNCHANGED has all bits set.
        __builtin_memset(verdict->group_routes, 0xff, size);
    }
    WM_EACH(group, groups) { verdict->group_routes[group] = set.number; }
}

void wm_verdict_settle(wm_verdict *verdict) {
    if (verdict->keep.words != NULL && verdict->keep_groups.words != NULL) {
        wm_bitmap rows = wm_groups_expand(&verdict->groups, &verdict->keep_groups);
        wm_bitmap_and(&verdict->keep, &rows);
        verdict->keep_groups.words = NULL;
    }
}
