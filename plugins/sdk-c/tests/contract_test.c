/** What a plugin may do besides deciding about rows: groups, new records, tables, state, snapshots. See the Makefile. */
#include "check.h"
#include "internal.h"

static const uint32_t starts[] = {0, 2, 3, 6};
enum { ROWS = 6, GROUPS = 3 };

static wm_bitmap bits(uint32_t len, uint32_t set) {
    wm_bitmap bitmap = wm_bitmap_none(len);
    for (uint32_t bit = 0; bit < len; bit++) {
        wm_bitmap_set(&bitmap, bit, set >> bit & 1);
    }
    return bitmap;
}

static uint32_t word(const wm_bitmap *bitmap) { return bitmap->words == NULL ? UINT32_MAX : (uint32_t)bitmap->words[0]; }

static wm_groups three(void) {
    wm_groups groups;
    CHECK(wm_groups_open(&groups, (const uint8_t *)starts, sizeof starts, ROWS));
    return groups;
}

static wm_verdict begun(void) {
    wm_verdict verdict;
    wm_verdict_begin(&verdict, ROWS);
    verdict.groups = three();
    return verdict;
}

static void groups_are_rows(void) {
    wm_groups groups = three();
    CHECK(groups.len == GROUPS && wm_groups_range(&groups, 2).start == 3 && wm_groups_range(&groups, 2).end == 6);
    CHECK(wm_groups_range(&groups, 3).end == 0);
    wm_bitmap rows = bits(ROWS, 1 << 1 | 1 << 4 | 1 << 5);
    wm_bitmap any = wm_groups_any(&groups, &rows);
    CHECK(any.len == GROUPS && word(&any) == 5);
    wm_bitmap first = bits(GROUPS, 3);
    rows = wm_groups_expand(&groups, &first);
    CHECK(rows.len == ROWS && word(&rows) == 7);
    wm_groups none;
    CHECK(wm_groups_open(&none, NULL, 0, ROWS) && none.len == 0);
    CHECK(wm_groups_any(&none, &rows).len == 0);
    static const uint32_t wrong[][4] = {{0, 2, 1, 3}, {0, 1, 2, 2}, {0, 1, 2, 4}, {1, 2, 2, 3}};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        CHECK(!wm_groups_open(&none, (const uint8_t *)wrong[at], sizeof wrong[at], 3) && none.len == 0);
        CHECK(wm_failure_take().data != NULL);
    }
    CHECK(!wm_groups_open(&none, (const uint8_t *)starts, 4, ROWS) && !wm_groups_open(&none, (const uint8_t *)starts, 13, ROWS));
    CHECK_TEXT(wm_failure_take(), "the groups of a slice of 6 rows are none, in 4 bytes");
}

static void groups_are_kept_and_routed(void) {
    wm_verdict verdict = begun();
    wm_bitmap outer = bits(GROUPS, 5), one = bits(GROUPS, 2), first = bits(GROUPS, 1), row = bits(ROWS, 2), rows = bits(ROWS, 6);
    wm_keep_groups(&verdict, &outer);
    wm_drop_groups(&verdict, &first);
    wm_verdict_settle(&verdict);
    CHECK(verdict.keep.words == NULL && word(&verdict.keep_groups) == 4);

    // Beside rows, all of it is said of rows.
    verdict = begun();
    wm_keep_groups(&verdict, &first);
    wm_drop(&verdict, &row);
    wm_verdict_settle(&verdict);
    CHECK(word(&verdict.keep) == 1 && verdict.keep_groups.words == NULL);

    wm_route_set four = {4}, five = {5};
    wm_route_groups(&verdict, &first, four);
    wm_route_groups(&verdict, &one, five);
    CHECK(verdict.routes == NULL && verdict.group_routes[0] == 4 && verdict.group_routes[1] == 5);
    CHECK(verdict.group_routes[2] == WM_ROUTE_UNCHANGED);

    // Of a row, the later one counts.
    static const uint16_t wanted[2][ROWS] = {{4, 5, 5, 65535, 65535, 65535}, {4, 4, 5, 65535, 65535, 65535}};
    for (int rows_first = 0; rows_first < 2; rows_first++) {
        verdict = begun();
        if (rows_first) {
            wm_route(&verdict, &rows, five);
        }
        wm_route_groups(&verdict, &first, four);
        if (!rows_first) {
            wm_route(&verdict, &rows, five);
        }
        CHECK(verdict.group_routes == NULL && memcmp(verdict.routes, wanted[rows_first], sizeof wanted[0]) == 0);
    }

    CHECK(!wm_failed());
    wm_keep_groups(&verdict, &rows);
    CHECK_TEXT(wm_failure_take(), "a bitmap over 6 groups, the slice has 3");
}

static void records_are_made(void) {
    wm_verdict verdict = begun();
    wm_emissions *out = wm_verdict_emissions(&verdict);
    wm_emission *logs = wm_emit(out, WM_LOGS, 3);
    const wm_value values[] = {
        wm_text_value(WM_STR("a")),   wm_int_value(-1), wm_double_value(.5), wm_boolean_value(true), wm_binary_value(WM_STR("b")),
        wm_value_of(WM_EMPTY)};
    const wm_kind kinds[] = {WM_KIND_TEXT, WM_KIND_INT64, WM_KIND_DOUBLE, WM_KIND_BOOLEAN, WM_KIND_BINARY, WM_KIND_ANY};
    enum { VALUES = sizeof values / sizeof *values };
    for (size_t at = 0; at < VALUES; at++) {
        wm_emit_set(logs, "body", values[at]);
    }
    uint32_t rows[] = {5, 0, 2};
    uint16_t routes[] = {0, WM_ROUTE_UNCHANGED, 1};
    wm_emit_source(logs, rows);
    wm_emit_route_each(logs, routes);
    wm_route_set set = {7};
    wm_emit_route(wm_emit(out, WM_METRICS, 1), set);
    CHECK(!wm_failed() && out->count == 2 && out->first == logs && logs->next->signal == 1 && logs->next->routes[0] == 7);
    CHECK(logs->signal == 2 && logs->rows == 3 && logs->fields_count == VALUES + 1 && logs->routes[2] == 1);
    for (size_t at = 0; at < VALUES; at++) {
        wm_block block;
        CHECK(wm_block_open(&block, (const uint8_t *)logs->fields[at].block.data, logs->fields[at].block.len));
        CHECK(wm_block_is(&block, 0, kinds[at]) && block.nodes[0].len == 1);
    }
    wm_block block;
    CHECK_TEXT(logs->fields[VALUES].path, "source");
    CHECK(wm_block_open(&block, (const uint8_t *)logs->fields[VALUES].block.data, logs->fields[VALUES].block.len));
    wm_uint32 sources = wm_block_uint32(&block, 0);
    uint32_t source = 0;
    CHECK(wm_uint32_get(&sources, 0, &source) && source == 5);

    // A field of a type that no attribute has, the same value in all of them.
    int32_t severities[] = {9, 17};
    wm_builder *same = wm_builder_new(), *short_one = wm_builder_new();
    wm_add_int32(same, severities, 1, NULL);
    wm_emit_set_each(logs, "severity_number", same);
    CHECK(!wm_failed() && logs->fields_count == VALUES + 2);
    wm_add_int32(short_one, severities, 2, NULL);
    wm_emit_set_each(logs, "severity_number", short_one);
    CHECK_TEXT(wm_failure_take(), "`severity_number`: 2 values for 3 new records");
    wm_emit(out, WM_ALL_SIGNALS, 0);
    CHECK(wm_failed());
    wm_failure_take();
}

static void what_is_needed_is_said(void) {
    wm_requirements needs;
    memset(&needs, 0, sizeof needs);
    wm_signals(&needs, WM_TRACES);
    CHECK(wm_requirements_uses(&needs) == (WM_KEEP | WM_EDITS));
    wm_want_uint32(&needs, "group.waited_ms");
    wm_also(&needs, WM_EMIT | WM_STATE);
    CHECK(wm_requirements_uses(&needs) == (WM_KEEP | WM_EDITS | WM_GROUPS | WM_EMIT | WM_STATE));
    wm_uses(&needs, WM_KEEP);
    CHECK(wm_requirements_uses(&needs) == (WM_KEEP | WM_EMIT | WM_STATE));
    wm_want_table(&needs, "teams");
    wm_want_table(&needs, "owners");
    CHECK(needs.tables_count == 2);
    CHECK_TEXT(needs.tables[1], "owners");
    wm_keyed(&needs, "trace_id");
    CHECK(needs.scope == WM_SCOPE_KEYED);
    CHECK_TEXT(needs.keyed_by, "trace_id");
    wm_single(&needs);
    CHECK(needs.scope == WM_SCOPE_SINGLE);
    wm_tick_every(&needs, 1500);
    CHECK(needs.tick_ms == 1500 && !wm_failed());
    wm_tick_every(&needs, 0);
    CHECK_TEXT(wm_failure_take(), "an interval of 0 ms between ticks, expected at least 1");
}

static void what_is_held_is_handed_on(void) {
    wm_snapshot snapshot = {NULL, NULL, 0, 0};
    for (uint32_t at = 0; at < 100; at++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", at);
        wm_snapshot_add(&snapshot, wm_str_of(key), wm_str_from(NULL, 0));
    }
    wm_snapshot_add(&snapshot, wm_str_from(NULL, 0), WM_STR("value"));
    wm_str block = wm_snapshot_finish(&snapshot);
    wm_binary keys, values;
    CHECK(wm_snapshot_open((const uint8_t *)block.data, block.len, &keys, &values) && keys.len == 101 && values.len == 101);
    CHECK_TEXT(wm_binary_raw(&keys, 99), "k99");
    CHECK_TEXT(wm_binary_raw(&keys, 100), "");
    CHECK_TEXT(wm_binary_raw(&values, 100), "value");
    CHECK(wm_snapshot_open(NULL, 0, &keys, &values) && keys.len == 0);
    wm_builder *text = wm_builder_new();
    wm_str one = WM_STR("a");
    wm_add_text(text, &one, 1, NULL);
    block = wm_builder_finish(text);
    CHECK(!wm_snapshot_open((const uint8_t *)block.data, block.len, &keys, &values));
    CHECK_TEXT(wm_failure_take(), "a snapshot of 1 columns, expected keys and values, both of bytes");
}

/** A table's answer has the kinds that it has: of another, a column has no rows. */
static void answers_are_read(void) {
    wm_builder *builder = wm_builder_new();
    const wm_str teams[] = {WM_STR("shop"), WM_STR("")};
    const int64_t sizes[] = {3, 0};
    wm_bitmap valid = bits(2, 1);
    wm_add_text(builder, teams, 2, &valid);
    wm_add_int64(builder, sizes, 2, &valid);
    wm_str block = wm_builder_finish(builder);
    wm_columns columns;
    CHECK(wm_block_open(&columns.block, (const uint8_t *)block.data, block.len));
    wm_text team = wm_columns_text(&columns, 0);
    wm_int64 size = wm_columns_int64(&columns, 1);
    wm_str text;
    int64_t integer = 0;
    CHECK(wm_text_get(&team, 0, &text) && !wm_text_get(&team, 1, &text));
    CHECK(wm_int64_get(&size, 0, &integer) && integer == 3 && !wm_int64_get(&size, 1, &integer));
    CHECK(wm_columns_double(&columns, 0).len == 0 && wm_columns_any(&columns, 5).len == 0);
    CHECK_TEXT(wm_str_of(wm_failure_name(WM_UNAVAILABLE)), "unavailable");
}

int main(void) {
    static void (*const tests[])(void) = {groups_are_rows,           groups_are_kept_and_routed, records_are_made,
                                          what_is_needed_is_said,    what_is_held_is_handed_on,  answers_are_read};
    for (size_t test = 0; test < sizeof tests / sizeof *tests; test++) {
        wm_memory_begin();
        tests[test]();
        CHECK(!wm_failed());
        wm_memory_end();
    }
    wm_memory_begin();
    printf("%zu tests passed\n", sizeof tests / sizeof *tests);
    return 0;
}
