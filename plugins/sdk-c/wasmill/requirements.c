/** What a plugin asks for, and how it finds that in a slice. */
#include "internal.h"

/** The bits of signals, by the number that the contract has for them. */
static const unsigned signal_bits[WM_SIGNALS] = {WM_TRACES, WM_METRICS, WM_LOGS};
static const char *const signal_names[WM_SIGNALS] = {"spans", "data points", "log records"};

void wm_signals(wm_requirements *needs, unsigned signals) {
    needs->current = signals & WM_ALL_SIGNALS;
    for (int signal = 0; signal < WM_SIGNALS; signal++) {
        needs->inputs[signal].used |= (signals & signal_bits[signal]) != 0;
    }
}

void wm_uses(wm_requirements *needs, unsigned uses) {
    needs->uses_said = true;
    needs->uses = uses;
}

void wm_also(wm_requirements *needs, unsigned uses) { needs->also |= uses; }

unsigned wm_requirements_uses(const wm_requirements *needs) {
    if (needs->uses_said) {
        return needs->uses | needs->also;
    }
    unsigned derived = WM_KEEP | WM_EDITS | (needs->route_sets_count > 0 ? WM_ROUTES : 0);
    for (uint32_t number = 0; number < needs->count; number++) {
        wm_str path = wm_str_of(needs->columns[number].path), group = WM_STR("group.");
        if (path.len > group.len && wm_str_equal(wm_str_from(path.data, group.len), group)) {
            derived |= WM_GROUPS;
        }
    }
    return derived | needs->also;
}

void wm_want_table(wm_requirements *needs, const char *table) {
    size_t size = needs->tables_count * sizeof(wm_str);
    needs->tables = (wm_str *)wm_memory_grow(needs->tables, size, size + sizeof(wm_str));
    needs->tables[needs->tables_count++] = wm_format("%s", table);
}

void wm_tick_every(wm_requirements *needs, uint32_t milliseconds) {
    if (milliseconds == 0) {
        wm_fail("an interval of 0 ms between ticks, expected at least 1");
    }
    needs->tick_ms = milliseconds;
}

void wm_keyed(wm_requirements *needs, const char *path) {
    needs->scope = WM_SCOPE_KEYED;
    needs->keyed_by = wm_format("%s", path);
}

void wm_single(wm_requirements *needs) { needs->scope = WM_SCOPE_SINGLE; }

wm_route_set wm_want_routes(wm_requirements *needs, wm_strs names) {
    size_t size = needs->route_sets_count * sizeof(wm_strs);
    needs->route_sets = (wm_strs *)wm_memory_grow(needs->route_sets, size, size + sizeof(wm_strs));
    // The list may lie on the caller's stack.
    wm_str *items = WM_NEW(wm_str, names.count);
    for (size_t name = 0; name < names.count; name++) {
        items[name] = wm_format("%.*s", WM_FMT(names.items[name]));
    }
    needs->route_sets[needs->route_sets_count].items = items;
    needs->route_sets[needs->route_sets_count].count = names.count;
    // More sets than a u16 counts are more than the host takes: it refuses the plugin.
    wm_route_set set = {(uint16_t)needs->route_sets_count++};
    return set;
}

wm_route_set wm_want_route(wm_requirements *needs, wm_str name) {
    for (uint32_t number = 0; number < needs->route_sets_count; number++) {
        wm_strs names = needs->route_sets[number];
        if (names.count == 1 && wm_str_equal(names.items[0], name)) {
            wm_route_set set = {(uint16_t)number};
            return set;
        }
    }
    wm_strs names = {&name, 1};
    return wm_want_routes(needs, names);
}

const char *wm_path(const char *map, wm_str key) {
    size_t map_len = wm_str_of(map).len;
    char *path = (char *)wm_memory_get(map_len + 2 * key.len + sizeof "[\"\"]");
    char *to = path + map_len;
    wm_copy(path, map, map_len);
    *to++ = '[';
    *to++ = '"';
    for (size_t at = 0; at < key.len; at++) {
        if (key.data[at] == '"' || key.data[at] == '\\') {
            *to++ = '\\';
        }
        *to++ = key.data[at];
    }
    wm_copy(to, "\"]", sizeof "\"]");
    return path;
}

static bool same(const wm_wanted *a, const wm_wanted *b) {
    return a->kind == b->kind && a->view == b->view && a->form == b->form &&
        wm_str_equal(wm_str_of(a->path), wm_str_of(b->path));
}

static void append(uint32_t **numbers, uint32_t *count, uint32_t number) {
    for (uint32_t at = 0; at < *count; at++) {
        if ((*numbers)[at] == number) {
            return;
        }
    }
    *numbers = (uint32_t *)wm_memory_grow(*numbers, *count * sizeof number, (*count + 1) * sizeof number);
    (*numbers)[(*count)++] = number;
}

static uint32_t want(wm_requirements *needs, const char *path, wm_kind kind, wm_kind view, wm_text_form form) {
    // The path may lie in memory that the plugin uses again.
    wm_wanted wanted = {wm_format("%s", path).data, kind, view, form};
    uint32_t number = 0;
    while (number < needs->count && !same(&needs->columns[number], &wanted)) {
        number++;
    }
    if (number == needs->count) {
        size_t size = needs->count * sizeof wanted;
        needs->columns = (wm_wanted *)wm_memory_grow(needs->columns, size, size + sizeof wanted);
        needs->columns[needs->count++] = wanted;
    }
    for (int signal = 0; signal < WM_SIGNALS; signal++) {
        if (needs->current & signal_bits[signal]) {
            append(&needs->inputs[signal].columns, &needs->inputs[signal].count, number);
        }
    }
    return number;
}

/** The number of the column's node in the slice's block; one that is none, and an error, if it was not asked for. */
static uint32_t find(const wm_slice *slice, uint32_t number) {
    const wm_input *input = &slice->needs->inputs[slice->signal];
    for (uint32_t position = 0; position < input->count; position++) {
        if (input->columns[position] == number) {
            uint32_t node = wm_block_column(&slice->block, position);
            const wm_wanted *wanted = &slice->needs->columns[number];
            wm_kind kind = wanted->view;
            if (wm_block_is(&slice->block, node, kind) ||
                (kind == WM_KIND_TEXT && wm_block_is(&slice->block, node, WM_KIND_DICTIONARY))) {
                return node;
            }
            wm_fail("`%s` came as another kind than was asked for", wanted->path);
            return slice->block.count;
        }
    }
    const char *path = number < slice->needs->count ? slice->needs->columns[number].path : "?";
    wm_fail("`%s` was not asked for of %s", path, signal_names[slice->signal]);
    return slice->block.count;
}

#define COLUMN(name, KIND)                                                                          \
    wm_##name##_column wm_want_##name(wm_requirements *needs, const char *path) {                    \
        wm_##name##_column column = {want(needs, path, KIND, KIND, WM_EITHER)};                      \
        return column;                                                                              \
    }                                                                                               \
    wm_##name wm_##name##_view(const wm_slice *slice, wm_##name##_column column) {                   \
        return wm_block_##name(&slice->block, find(slice, column.number));                           \
    }

#define COLUMN_AS(name, KIND)                                                                       \
    wm_##name##_column wm_want_##name##_as(wm_requirements *needs, const char *path, wm_text_form form) { \
        wm_##name##_column column = {want(needs, path, KIND, KIND, form)};                           \
        return column;                                                                              \
    }

COLUMN(boolean, WM_KIND_BOOLEAN)
COLUMN(uint8, WM_KIND_UINT8)
COLUMN(uint32, WM_KIND_UINT32)
COLUMN(int32, WM_KIND_INT32)
COLUMN(uint64, WM_KIND_UINT64)
COLUMN(int64, WM_KIND_INT64)
COLUMN(double, WM_KIND_DOUBLE)
COLUMN(id8, WM_KIND_ID8)
COLUMN(id16, WM_KIND_ID16)
COLUMN(text, WM_KIND_TEXT)
COLUMN(any, WM_KIND_ANY)
COLUMN(attributes, WM_KIND_ATTRIBUTES)
COLUMN_AS(text, WM_KIND_TEXT)
COLUMN_AS(any, WM_KIND_ANY)
COLUMN_AS(attributes, WM_KIND_ATTRIBUTES)

wm_binary_column wm_want_binary(wm_requirements *needs, const char *path) {
    wm_binary_column column = {want(needs, path, WM_KIND_BINARY, WM_KIND_BINARY, WM_EITHER)};
    return column;
}

wm_binary wm_binary_view(const wm_slice *slice, wm_binary_column column) {
    return wm_block_binary(&slice->block, find(slice, column.number), WM_KIND_BINARY);
}

wm_sequence_column wm_want_sequence(wm_requirements *needs, const char *path, wm_kind values) {
    wm_sequence_column column = {want(needs, path, values, WM_KIND_SEQUENCE, WM_EITHER)};
    return column;
}

wm_sequence wm_sequence_view(const wm_slice *slice, wm_sequence_column column) {
    return wm_block_sequence(&slice->block, find(slice, column.number));
}

wm_signal wm_slice_signal(const wm_slice *slice) { return (wm_signal)signal_bits[slice->signal]; }

uint32_t wm_slice_rows(const wm_slice *slice) { return slice->rows; }

wm_groups wm_slice_groups(const wm_slice *slice) { return slice->groups; }
