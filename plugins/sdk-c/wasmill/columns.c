/** What can be done with views of columns. */
#include "internal.h"

size_t wm_strs_find(wm_strs list, wm_str text) {
    size_t at = 0;
    while (at < list.count && !wm_str_equal(list.items[at], text)) {
        at++;
    }
    return at;
}

wm_bitmap wm_boolean_true(const wm_boolean *column) {
    wm_bitmap rows = column->values.bytes == NULL ? wm_bitmap_none(column->len) : wm_bitmap_from_bits(column->values);
    wm_bitmap_and_bits(&rows, column->validity);
    return rows;
}

static bool is_text(wm_str text, void *context) { return wm_str_equal(text, *(const wm_str *)context); }

static bool is_in(wm_str text, void *context) {
    const wm_strs *list = (const wm_strs *)context;
    return wm_strs_find(*list, text) < list->count;
}

wm_bitmap wm_text_equals(const wm_text *column, wm_str text) { return wm_text_matches(column, is_text, &text); }

wm_bitmap wm_text_in(const wm_text *column, wm_strs list) { return wm_text_matches(column, is_in, &list); }

wm_value wm_any_get(const wm_any *column, uint32_t row) {
    wm_value value = wm_value_of(wm_any_kind_at(column, row));
    if (value.kind == WM_ABSENT || value.kind == WM_EMPTY) {
        return value;
    }
    uint32_t place = wm_any_place(column, row);
    bool has = false;
    switch (value.kind) {
    case WM_TEXT:
        has = wm_text_get(&column->text, place, &value.text);
        break;
    case WM_INT:
        has = wm_int64_get(&column->integer, place, &value.integer);
        break;
    case WM_DOUBLE:
        has = wm_double_get(&column->number, place, &value.number);
        break;
    case WM_BOOLEAN:
        has = wm_boolean_get(&column->boolean, place, &value.boolean);
        break;
    case WM_BINARY:
        has = wm_binary_get(&column->binary, place, &value.text);
        break;
    case WM_LIST_VALUE:
        has = wm_binary_get(&column->list, place, &value.text);
        break;
    case WM_MAP_VALUE:
        has = wm_binary_get(&column->map, place, &value.text);
        break;
    default:
        break;
    }
    return has ? value : wm_value_of(WM_ABSENT);
}

bool wm_any_text(const wm_any *column, uint32_t row, wm_str *text) {
    return wm_any_kind_at(column, row) == WM_TEXT && wm_text_get(&column->text, wm_any_place(column, row), text);
}

#define VALUES(name)                                                                                \
    wm_##name wm_sequence_##name(const wm_sequence *column) {                                        \
        return wm_block_##name((const wm_block *)column->block, column->child);                      \
    }

VALUES(text)
VALUES(uint32)
VALUES(uint64)
VALUES(int64)
VALUES(double)
VALUES(id8)
VALUES(id16)
VALUES(any)
VALUES(attributes)
