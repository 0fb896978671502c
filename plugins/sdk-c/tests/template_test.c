/**
 * A template without WebAssembly: its plugin's two functions, beside what the same says row by row, on generated slices. Compiled
 * once for each template, with -DFILTER, -DENRICH, -DROUTE, -DREDACT or -DGROUP.
 */
#include "check.h"
#include "internal.h"

#ifdef REDACT
#include "patterns.h"
#endif

/* The host. */

static wm_str counted_name;
static double counted;

#ifdef GROUP
static void counted_by(const char *name, wm_str reason, uint32_t add);
#endif

wm_failure wm_counter(const char *name, const wm_label *labels, size_t count, double add) {
    counted_name = wm_str_of(name);
    counted += add;
    CHECK(add > 0);
#ifdef FILTER
    CHECK(count == 1);
    CHECK_TEXT(labels[0].name, "attribute");
    CHECK_TEXT(labels[0].value, "k\"ey");
#elif defined GROUP
    CHECK(count == 1);
    CHECK_TEXT(labels[0].name, "reason");
    counted_by(name, labels[0].value, (uint32_t)add);
#else
    CHECK(count == 0 && labels == NULL);
#endif
    return WM_OK;
}

static wm_requirements needs;
static uint64_t state = 5;

static bool init(const char *config) {
    wm_memory_begin();
    memset(&needs, 0, sizeof needs);
    const wm_json *read = wm_json_read(wm_str_of(config));
    CHECK(read != NULL);
    plugin_init(read, &needs);
    return !wm_failed();
}

static void refuses(const char *config, const char *message) {
    CHECK(!init(config));
    CHECK_TEXT(wm_failure_take(), message);
    wm_memory_end();
}

/** A plugin is started once in its life; here its statics are set again. */
static void starts(const char *config, unsigned uses, const char *path, uint32_t columns) {
    CHECK(init(config));
    wm_memory_keep();
    wm_memory_end();
    CHECK(wm_requirements_uses(&needs) == uses);
    CHECK(needs.count == columns);
    CHECK_TEXT(wm_str_of(needs.columns[0].path), path);
#ifdef GROUP
    CHECK(needs.inputs[0].used && needs.inputs[0].count == columns && !needs.inputs[1].used && !needs.inputs[2].used);
#else
    for (int signal = 0; signal < WM_SIGNALS; signal++) {
        CHECK(needs.inputs[signal].used && needs.inputs[signal].count == columns);
    }
#endif
}

static const wm_str words[] = {
    {"one", 3}, {"two", 3},   {"three", 5}, {"", 0}, {"ann@example.com", 15}, {"4111 1111 1111 1111", 19}, {"one two", 7},
    {"two", 3}, {"a@b.cd.", 7}};
enum { WORDS = sizeof words / sizeof *words, ROWS_MAX = 200 };

/** Each row's text; without data where it has none. */
typedef struct rows {
    uint32_t len;
    wm_str texts[ROWS_MAX];
} rows;

#if !defined REDACT && !defined GROUP
/** A slice with one column of text, plain or as a dictionary, or of none at all. */
static wm_slice slice_of_text(rows *rows) {
    wm_builder *builder = wm_builder_new();
    wm_bitmap valid = wm_bitmap_none(rows->len);
    uint32_t *keys = WM_NEW(uint32_t, rows->len);
    // Some slices have no value at all.
    uint32_t share = random_next(&state, 4);
    for (uint32_t row = 0; row < rows->len; row++) {
        bool there = random_next(&state, 4) < share;
        keys[row] = random_next(&state, WORDS);
        rows->texts[row] = there ? words[keys[row]] : wm_str_from(NULL, 0);
        wm_bitmap_set(&valid, row, there);
    }
    wm_strs distinct = {words, share == 0 ? 0 : WORDS};
    if (random_next(&state, 3) == 0) {
        wm_add_text(builder, rows->texts, rows->len, &valid);
    } else {
        wm_add_dictionary(builder, keys, rows->len, &valid, distinct);
    }
    wm_str bytes = wm_builder_finish(builder);
    wm_slice slice = {random_next(&state, 3), rows->len, {NULL, 0, NULL, 0}, &needs, {NULL, 0}};
    CHECK(wm_block_open(&slice.block, (const uint8_t *)bytes.data, bytes.len));
    return slice;
}

#endif

#ifndef GROUP
static bool is(wm_str text, const char *expected) { return text.data != NULL && wm_str_equal(text, wm_str_of(expected)); }
#endif

#ifdef FILTER
static void configs(void) {
    refuses("{}", "`attribute`: expected a string, found nothing");
    refuses("{\"attribute\": \"a\", \"drop\": 5}", "`drop`: expected a list of strings, found a number");
    refuses("{\"attribute\": \"a\", \"drops\": []}", "unknown key `drops`; known are `attribute`, `drop`");
    starts("{\"attribute\": \"k\\\"ey\", \"drop\": [\"two\", \"\"]}", WM_KEEP, "attributes[\"k\\\"ey\"]", 1);
}

static void process(rows *rows) {
    wm_slice slice = slice_of_text(rows);
    wm_verdict verdict;
    wm_verdict_begin(&verdict, rows->len);
    counted = 0;
    plugin_process(&slice, &verdict);
    uint32_t dropped = 0;
    for (uint32_t row = 0; row < rows->len; row++) {
        bool kept = !is(rows->texts[row], "two") && !is(rows->texts[row], "");
        dropped += !kept;
        CHECK((verdict.keep.words == NULL || wm_bitmap_get(&verdict.keep, row)) == kept);
    }
    CHECK(counted == dropped);
    CHECK(dropped == 0 || is(counted_name, "dropped"));
    CHECK(verdict.routes == NULL && verdict.edits_count == 0);
}
#endif

#ifdef ENRICH
static bool defaults;

static void configs(void) {
    refuses("{\"teams\": {\"one\": 1}}", "`teams`: expected an object of strings, found an object with a number");
    refuses("{\"default\": \"x\"}", "`teams`: expected an object of strings, found nothing");
    refuses("{\"teams\": {}, \"default\": null}", "`default`: expected a string, found null");
    defaults = !defaults;
    starts(
        defaults ? "{\"teams\": {\"one\": \"red\", \"\": \"blue\", \"three\": \"red\"}, \"default\": \"grey\"}"
                 : "{\"teams\": {\"one\": \"red\", \"\": \"blue\", \"three\": \"red\"}}",
        WM_EDITS, "resource.attributes[\"service.name\"]", 1);
}

static void process(rows *rows) {
    wm_slice slice = slice_of_text(rows);
    wm_verdict verdict;
    wm_verdict_begin(&verdict, rows->len);
    plugin_process(&slice, &verdict);
    CHECK(verdict.keep.words == NULL && verdict.routes == NULL && verdict.edits_count <= 1);
    wm_block block;
    const wm_edit *edit = verdict.edits;
    if (verdict.edits_count == 1) {
        CHECK(wm_block_open(&block, (const uint8_t *)edit->block.data, edit->block.len));
        CHECK_TEXT(edit->path, "attributes[\"team\"]");
    }
    uint32_t at = 0;
    for (uint32_t row = 0; row < rows->len; row++) {
        wm_str text = rows->texts[row], team;
        const char *expected = is(text, "one") || is(text, "three") ? "red" : is(text, "") ? "blue" : defaults ? "grey" : NULL;
        if (expected == NULL) {
            continue;
        }
        CHECK(verdict.edits_count == 1);
        switch (edit->target.kind) {
        case WM_TARGET_ROWS:
            CHECK(edit->target.bytes.data[row / 8] >> row % 8 & 1);
            break;
        case WM_TARGET_INDICES:
            CHECK(wm_u32_at((const uint8_t *)edit->target.bytes.data, at) == row);
            break;
        default:
            CHECK(edit->target.kind == WM_TARGET_ALL && at == row);
            break;
        }
        wm_text teams = wm_block_text(&block, 0);
        CHECK(wm_text_get(&teams, at++, &team));
        CHECK_TEXT(team, expected);
    }
    CHECK(at == (verdict.edits_count == 0 ? 0 : wm_block_text(&block, 0).len));
}
#endif

#ifdef ROUTE
static bool defaults;

static void configs(void) {
    refuses("{\"attribute\": [], \"routes\": {}}", "`attribute`: expected a string, found a list");
    refuses("{\"attribute\": \"a\", \"routes\": [\"x\"]}", "`routes`: expected an object of strings, found a list");
    defaults = !defaults;
    starts(
        defaults ? "{\"attribute\": \"t\", \"routes\": {\"one\": \"eu\", \"\": \"us\", \"three\": \"eu\"}, \"default\": \"us\"}"
                 : "{\"attribute\": \"t\", \"routes\": {\"one\": \"eu\", \"\": \"us\", \"three\": \"eu\"}}",
        WM_ROUTES, "attributes[\"t\"]", 1);
    CHECK(needs.route_sets_count == 2);
    CHECK_TEXT(needs.route_sets[0].items[0], "eu");
    CHECK_TEXT(needs.route_sets[1].items[0], "us");
    CHECK(needs.route_sets[0].count == 1 && needs.route_sets[1].count == 1);
}

static void process(rows *rows) {
    wm_slice slice = slice_of_text(rows);
    wm_verdict verdict;
    wm_verdict_begin(&verdict, rows->len);
    plugin_process(&slice, &verdict);
    CHECK(verdict.keep.words == NULL && verdict.edits_count == 0);
    for (uint32_t row = 0; row < rows->len; row++) {
        wm_str text = rows->texts[row];
        uint16_t expected = is(text, "one") || is(text, "three") ? 0 : is(text, "") || defaults ? 1 : WM_ROUTE_UNCHANGED;
        CHECK(verdict.routes[row] == expected);
    }
}
#endif

#ifdef REDACT
static void configs(void) {
    refuses("{\"mask\": 1}", "`mask`: expected a string, found a number");
    refuses(
        "{\"maps\": [\"body\"]}",
        "`maps`: expected `attributes`, `resource.attributes` or `scope.attributes`, found `body`");
    static bool said;
    said = !said;
    starts(said ? "{\"maps\": [\"attributes\"], \"mask\": \"****\"}" : "{}", WM_EDITS, "attributes", 1);
}

/** A slice with one map of entries of all kinds; here each `text` is an entry's. */
static void process(rows *rows) {
    wm_builder *builder = wm_builder_new();
    wm_value *values = WM_NEW(wm_value, ROWS_MAX);
    wm_str *keys = WM_NEW(wm_str, ROWS_MAX);
    uint32_t entries = random_next(&state, ROWS_MAX);
    uint32_t kinds = 1 + random_next(&state, WM_BINARY);
    for (uint32_t entry = 0; entry < entries; entry++) {
        keys[entry] = words[random_next(&state, WORDS)];
        values[entry] = wm_value_of((wm_any_kind)(1 + random_next(&state, kinds)));
        if (values[entry].kind == WM_TEXT || values[entry].kind == WM_BINARY) {
            values[entry].text = words[random_next(&state, WORDS)];
        }
        rows->texts[entry] = values[entry].kind == WM_TEXT ? values[entry].text : wm_str_from(NULL, 0);
    }
    uint32_t offsets[] = {0, entries / 2, entries};
    wm_add_attributes(builder, offsets, 2, keys, values);
    wm_str bytes = wm_builder_finish(builder);
    wm_slice slice = {0, 2, {NULL, 0, NULL, 0}, &needs, {NULL, 0}};
    CHECK(wm_block_open(&slice.block, (const uint8_t *)bytes.data, bytes.len));
    wm_verdict verdict;
    wm_verdict_begin(&verdict, 2);
    counted = 0;
    plugin_process(&slice, &verdict);
    CHECK(verdict.keep.words == NULL && verdict.routes == NULL && verdict.edits_count <= 1);
    wm_block block;
    const wm_edit *edit = verdict.edits;
    wm_text masked;
    if (verdict.edits_count == 1) {
        CHECK(wm_block_open(&block, (const uint8_t *)edit->block.data, edit->block.len));
        CHECK_TEXT(edit->path, "attributes");
        CHECK(edit->target.kind == WM_TARGET_ENTRIES && edit->change == WM_CHANGE_SET);
        masked = wm_block_text(&block, 0);
    }
    uint32_t at = 0;
    for (uint32_t entry = 0; entry < entries; entry++) {
        wm_str expected = rows->texts[entry], found;
        if (expected.data == NULL || !mask_emails_and_cards(expected, WM_STR("****"), &expected)) {
            continue;
        }
        CHECK(verdict.edits_count == 1);
        CHECK(wm_u32_at((const uint8_t *)edit->target.bytes.data, at) == entry);
        CHECK(wm_text_get(&masked, at++, &found));
        CHECK(wm_str_equal(found, expected));
    }
    CHECK(verdict.edits_count == (at > 0) && counted == at);
    CHECK(at == 0 || (masked.len == at && is(counted_name, "masked")));
}
#endif

#ifdef GROUP
static double ratio;
static uint64_t slow;

static void configs(void) {
    refuses("{\"slow_ms\": -1}", "`slow_ms`: expected 0 to 1000000000, found -1");
    refuses("{\"slow_ms\": 0.5}", "`slow_ms`: expected an integer, found another number");
    refuses("{\"keep_ratio\": 1.5}", "`keep_ratio`: expected 0 to 1, found 1.500000");
    refuses("{\"keep_ratio\": \"x\"}", "`keep_ratio`: expected a number, found a string");
    static bool said;
    said = !said;
    starts(said ? "{}" : "{\"slow_ms\": 3, \"keep_ratio\": 0.3}", WM_KEEP | WM_GROUPS, "trace_id", 5);
    ratio = said ? 0 : 0.3;
    slow = said ? 1000000000 : 3000000;
}

static const wm_str reasons[] = {{"wait", 4}, {"full", 4}};
static uint32_t counts[2][2];

static void counted_by(const char *name, wm_str reason, uint32_t add) {
    counts[strcmp(name, "groups_kept") == 0][wm_str_equal(reason, reasons[1])] += add;
}

/** A slice of groups of whatever sizes; here no row has a text. */
static void process(rows *rows) {
    enum { BITS = 56 };
    uint32_t starts_of[ROWS_MAX + 1] = {0}, groups = 0;
    uint8_t ids[ROWS_MAX * 16];
    int32_t codes[ROWS_MAX];
    uint64_t begins[ROWS_MAX], ends[ROWS_MAX];
    uint32_t keys[ROWS_MAX];
    for (uint32_t row = 0; row < rows->len; row++) {
        if (row == 0 || random_next(&state, 3) == 0) {
            keys[groups] = random_next(&state, 2);
            starts_of[groups++] = row;
        }
        for (int byte = 0; byte < 16; byte++) {
            ids[row * 16 + byte] = (uint8_t)random_next(&state, 256);
        }
        codes[row] = random_next(&state, 10) == 0 ? 2 : (int32_t)random_next(&state, 2);
        begins[row] = 1790000000000000000u + random_next(&state, 2000000);
        ends[row] = begins[row] + random_next(&state, random_next(&state, 5) == 0 ? 1500000000 : 2000000);
    }
    starts_of[groups] = rows->len;
    wm_builder *builder = wm_builder_new();
    wm_add_id16(builder, ids, rows->len, NULL);
    wm_add_int32(builder, codes, rows->len, NULL);
    wm_add_uint64(builder, begins, rows->len, NULL);
    wm_add_uint64(builder, ends, rows->len, NULL);
    wm_strs distinct = {reasons, 2};
    wm_add_dictionary(builder, keys, groups, NULL, distinct);
    wm_str bytes = wm_builder_finish(builder);
    wm_slice slice = {0, rows->len, {NULL, 0, NULL, 0}, &needs, {NULL, 0}};
    CHECK(wm_block_open(&slice.block, (const uint8_t *)bytes.data, bytes.len));
    CHECK(wm_groups_open(&slice.groups, (const uint8_t *)starts_of, (groups + 1) * sizeof *starts_of, rows->len));
    wm_verdict verdict;
    wm_verdict_begin(&verdict, rows->len);
    verdict.groups = slice.groups;
    memset(counts, 0, sizeof counts);
    plugin_process(&slice, &verdict);
    uint32_t expected[2][2] = {{0, 0}, {0, 0}};
    for (uint32_t group = 0; group < groups; group++) {
        bool keep = false;
        uint64_t earliest = UINT64_MAX, latest = 0, value = 0;
        for (uint32_t row = starts_of[group]; row < starts_of[group + 1]; row++) {
            keep |= codes[row] == 2;
            earliest = begins[row] < earliest ? begins[row] : earliest;
            latest = ends[row] > latest ? ends[row] : latest;
        }
        for (int byte = 9; byte < 16; byte++) {
            value = value * 256 + ids[starts_of[group] * 16 + byte];
        }
        // Of 2^56 values of randomness, the last ones: as many as the ratio says.
        keep |= latest - earliest >= slow || (double)(((uint64_t)1 << BITS) - value) <= ratio * (double)((uint64_t)1 << BITS);
        CHECK(wm_bitmap_get(&verdict.keep_groups, group) == keep);
        expected[keep][keys[group]]++;
    }
    CHECK(memcmp(counts, expected, sizeof counts) == 0);
    CHECK(verdict.keep.words == NULL && verdict.routes == NULL && verdict.edits_count == 0);
}
#endif

int main(void) {
    refuses(
        "{\"x\": 1}",
#ifdef FILTER
        "unknown key `x`; known are `attribute`, `drop`"
#elif defined ENRICH
        "unknown key `x`; known are `teams`, `default`"
#elif defined ROUTE
        "unknown key `x`; known are `attribute`, `routes`, `default`"
#elif defined GROUP
        "unknown key `x`; known are `slow_ms`, `keep_ratio`"
#else
        "unknown key `x`; known are `mask`, `maps`"
#endif
    );
    for (int times = 0; times < 2; times++) {
        configs();
        for (int round = 0; round < 2000; round++) {
            wm_memory_begin();
            rows rows;
            rows.len = 1 + random_next(&state, ROWS_MAX);
            process(&rows);
            CHECK(!wm_failed());
            wm_memory_end();
        }
    }
    printf("4000 slices decided\n");
    return 0;
}
