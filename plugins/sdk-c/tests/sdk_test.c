/** The SDK without WebAssembly: text, bitmaps, configuration, blocks read and built, verdicts. See the Makefile. */
#include "check.h"
#include "internal.h"

static void formats(void) {
    CHECK_TEXT(wm_format("%s|%.*s|%c|%%", "ab", 2, "cdef", 'x'), "ab|cd|x|%");
    CHECK_TEXT(wm_format("%d %i %u %x", -7, INT32_MIN, UINT32_MAX, 0xbeefu), "-7 -2147483648 4294967295 beef");
    CHECK_TEXT(
        wm_format("%lld %llu %zu", (long long)INT64_MIN, (unsigned long long)UINT64_MAX, (size_t)12),
        "-9223372036854775808 18446744073709551615 12");
    CHECK_TEXT(wm_format("%f %.0f %.2f %.3f", 1.5, 2.5, -0.125, 9.9996), "1.500000 3 -0.13 10.000");
    CHECK_TEXT(wm_format("%.1f %f", 2.5e20, 1e308 * 10), "250000000000000000.0e3 inf");
    CHECK_TEXT(wm_format("%s", ""), "");
    char *long_text = WM_NEW(char, 5001);
    memset(long_text, 'y', 5000);
    CHECK(wm_format("%s%s", long_text, long_text).len == 10000);

    CHECK(!wm_failed());
    wm_fail("first %d", 1);
    wm_fail("second");
    CHECK(wm_failed());
    CHECK_TEXT(wm_failure_take(), "first 1");
    CHECK(!wm_failed());
}

/** Lengths around a byte and a word: what is set is found, and nothing behind the end counts. */
static void bitmaps(void) {
    for (uint32_t len = 0; len < 200; len++) {
        wm_bitmap filled = wm_bitmap_none(len), set = wm_bitmap_none(len);
        WM_BITMAP_FILL(filled, row, row % 3 == 0 || row + 1 == len);
        uint8_t bytes[32];
        memset(bytes, 0xff, sizeof bytes);
        uint32_t count = 0;
        for (uint32_t row = 0; row < len; row++) {
            bool wanted = row % 3 == 0 || row + 1 == len;
            count += wanted;
            wm_bitmap_set(&set, row, wanted);
            bytes[row / 8] = (uint8_t)((bytes[row / 8] & ~(1 << row % 8)) | wanted << row % 8);
            CHECK(wm_bitmap_get(&filled, row) == wanted);
        }
        wm_bits bits = {bytes, len};
        wm_bitmap read = wm_bitmap_from_bits(bits);
        CHECK(memcmp(filled.words, set.words, (len + 63) / 64 * 8) == 0);
        CHECK(memcmp(filled.words, read.words, (len + 63) / 64 * 8) == 0);
        CHECK(wm_bitmap_count(&filled) == count);
        CHECK(!wm_bitmap_get(&filled, len) && !wm_bits_get(bits, len));
        wm_bitmap_set(&filled, len, true);
        CHECK(wm_bitmap_count(&filled) == count);

        uint32_t seen = 0, last = 0;
        WM_EACH(row, &filled) {
            CHECK(row < len && wm_bitmap_get(&filled, row) && (seen == 0 || row > last));
            last = row;
            seen++;
        }
        CHECK(seen == count);

        wm_bitmap other = wm_bitmap_copy(&filled);
        wm_bitmap_not(&other);
        CHECK(wm_bitmap_count(&other) == len - count);
        wm_bitmap_or(&other, &filled);
        CHECK(wm_bitmap_count(&other) == len);
        wm_bitmap_and_not(&other, &filled);
        CHECK(wm_bitmap_count(&other) == len - count);
        wm_bitmap_and(&other, &filled);
        CHECK(wm_bitmap_count(&other) == 0);
        other = wm_bitmap_all(len);
        wm_bitmap_and_bits(&other, bits);
        CHECK(memcmp(filled.words, other.words, (len + 63) / 64 * 8) == 0);
    }
    // A shorter operand is filled up with zeros.
    wm_bitmap all = wm_bitmap_all(100), few = wm_bitmap_all(10), all_few = wm_bitmap_all(100);
    wm_bitmap_and(&all, &few);
    CHECK(wm_bitmap_count(&all) == 10);
    wm_bits none = {NULL, 70};
    wm_bitmap_and_bits(&all_few, none);
    CHECK(wm_bitmap_count(&all_few) == 70);
    wm_bitmap large = wm_bitmap_all(200);
    wm_bitmap_or(&all, &large);
    CHECK(wm_bitmap_count(&all) == 100);
}

static const wm_json *json(const char *text) {
    // A copy of the exact size: the sanitizer sees who reads behind it.
    size_t len = strlen(text);
    char *copy = (char *)wm_memory_get(len);
    wm_copy(copy, text, len);
    return wm_json_read(wm_str_from(copy, len));
}

static void refused(const char *text, const char *message) {
    CHECK(json(text) == NULL);
    CHECK_TEXT(wm_failure_take(), message);
}

static void json_is_read(void) {
    const wm_json *config = json(" {\"a\": [1, -2.5e1, true, null, \"x\\n\\u00e9\\ud83d\\ude00\\\"\"], \"b\": {}, \"c\":[]}\n");
    CHECK(config != NULL && config->kind == WM_JSON_OBJECT && config->count == 3);
    const wm_json *list = wm_json_get(config, "a");
    CHECK(list->kind == WM_JSON_LIST && list->count == 5);
    CHECK(list->items[0].is_integer && list->items[0].integer == 1 && list->items[0].number == 1);
    CHECK(!list->items[1].is_integer && list->items[1].number == -25);
    CHECK(list->items[2].kind == WM_JSON_BOOLEAN && list->items[2].boolean);
    CHECK(list->items[3].kind == WM_JSON_NULL);
    CHECK_TEXT(list->items[4].string, "x\n\xc3\xa9\xf0\x9f\x98\x80\"");
    CHECK(wm_json_get(config, "b")->count == 0 && wm_json_get(config, "c")->count == 0);
    CHECK(wm_json_get(config, "d") == NULL && wm_json_get(list, "a") == NULL);

    static const struct {
        const char *text;
        double number;
    } numbers[] = {{"0", 0},          {"-0", 0},        {"0.1", 0.1},      {"1e22", 1e22},   {"123456789.125", 123456789.125},
                   {"1E-7", 1e-7},    {"12.5e+3", 12500}, {"0e999999999", 0}, {"1e-999", 0}, {"0.001", 0.001}};
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        CHECK(json(numbers[at].text)->number == numbers[at].number);
    }
    // More digits than are exact: near enough.
    double near = json("0.12345678901234567890123")->number / 0.12345678901234567890123;
    CHECK(near > 1 - 1e-15 && near < 1 + 1e-15);
    near = json("123456789012345678901234567890e-10")->number / 123456789012345678901234567890e-10;
    CHECK(near > 1 - 1e-15 && near < 1 + 1e-15);
    CHECK(json("1.7976931348623157e308")->number > 1.797693134862315e308);
    CHECK(json("1e400")->number > 1e308 && json("-1e400")->number < -1e308);
    CHECK(json("9223372036854775807")->integer == INT64_MAX);
    CHECK(json("-9223372036854775808")->integer == INT64_MIN && json("-9223372036854775808")->is_integer);
    CHECK(!json("9223372036854775808")->is_integer && !json("1.0")->is_integer);
    CHECK(!json("184467440737095516160")->is_integer);

    refused("", "`config` is not JSON: expected a value, found the end of the text at byte 1");
    refused("{\"a\": 1,}", "`config` is not JSON: expected a key in quotes, found `}` at byte 9");
    refused("[1 2]", "`config` is not JSON: expected `,` or `]`, found `2` at byte 4");
    refused("[1,", "`config` is not JSON: expected a value, found the end of the text at byte 4");
    refused("{\"a\" 1}", "`config` is not JSON: expected `:`, found `1` at byte 6");
    refused("{\"a\": 1, \"a\": 2}", "`a`: expected once, found twice");
    refused("01", "`config` is not JSON: expected no digit behind a leading zero, found `1` at byte 2");
    refused("1.", "`config` is not JSON: expected a digit, found the end of the text at byte 3");
    refused("-", "`config` is not JSON: expected a digit, found the end of the text at byte 2");
    refused("1e", "`config` is not JSON: expected a digit, found the end of the text at byte 3");
    refused("nul", "`config` is not JSON: expected a value, found the end of the text at byte 4");
    refused("true1", "`config` is not JSON: expected the end of the text, found `1` at byte 5");
    refused("\"a", "`config` is not JSON: expected `\"`, found the end of the text at byte 3");
    refused("\"a\\", "`config` is not JSON: expected `\"`, found the end of the text at byte 4");
    refused("\"\\x\"", "`config` is not JSON: expected an escape, found `x` at byte 3");
    refused("\"\\u12\"", "`config` is not JSON: expected four hexadecimal digits, found `\"` at byte 6");
    refused("\"\\ud800\"", "`config` is not JSON: expected a pair of surrogates, found `d` at byte 4");
    refused("\"\\ud800\\u0041\"", "`config` is not JSON: expected a pair of surrogates, found `d` at byte 4");
    refused("\"\\udc00\"", "`config` is not JSON: expected a pair of surrogates, found `d` at byte 4");
    refused("\"a\nb\"", "`config` is not JSON: expected no control character in a string, found 0xa at byte 3");
    refused("'a'", "`config` is not JSON: expected a value, found `'` at byte 1");

    // 64 within one another are taken, with a value in the innermost; 65 are not.
    char deep[132];
    memset(deep, '[', 65);
    memset(deep + 65, '1', 1);
    memset(deep + 66, ']', 65);
    deep[131] = 0;
    refused(deep, "`config`: expected at most 64 lists and objects within one another, found more");
    deep[130] = 0;
    CHECK(json(deep + 1) != NULL && !wm_failed());
}

/** Every text that is cut off, or has one byte changed, is read or refused, and nothing behind it is touched. */
static void json_survives(void) {
    static const char text[] = "{\"a\": [1, -2.5e1, true, \"x\\u00e9\\ud83d\\ude00\"], \"b\": {\"c\": null}}";
    uint64_t state = 1;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *copy = (char *)wm_memory_get(len);
        wm_copy(copy, text, len);
        CHECK(wm_json_read(wm_str_from(copy, len)) == NULL && wm_failed());
        wm_failure_take();
    }
    for (int round = 0; round < 20000; round++) {
        char *copy = (char *)wm_memory_get(sizeof text - 1);
        wm_copy(copy, text, sizeof text - 1);
        copy[random_next(&state, sizeof text - 1)] = (char)random_next(&state, 256);
        const wm_json *value = wm_json_read(wm_str_from(copy, sizeof text - 1));
        CHECK((value == NULL) == wm_failed());
        wm_failure_take();
    }
}

static void config_is_checked(void) {
    static const char *const known[] = {"attribute", "drop"};
    const wm_json *config = json("{\"attribute\": 5, \"drop\": [\"a\", 1], \"n\": 1.5, \"m\": {\"k\": \"v\"}, \"yes\": true}");
    wm_config_keys(config, known, 2);
    CHECK_TEXT(wm_failure_take(), "unknown key `n`; known are `attribute`, `drop`");
    wm_config_no_keys(config);
    CHECK_TEXT(wm_failure_take(), "unknown key `attribute`; no key is known");
    CHECK(wm_config_str(config, "attribute").len == 0);
    CHECK_TEXT(wm_failure_take(), "`attribute`: expected a string, found a number");
    CHECK(wm_config_strs(config, "drop").count == 0);
    CHECK_TEXT(wm_failure_take(), "`drop`: expected a list of strings, found a list with a number");
    CHECK(wm_config_strs(config, "attribute").count == 0);
    CHECK_TEXT(wm_failure_take(), "`attribute`: expected a list of strings, found a number");
    wm_config_str(config, "missing");
    CHECK_TEXT(wm_failure_take(), "`missing`: expected a string, found nothing");
    wm_config_int(config, "n");
    CHECK_TEXT(wm_failure_take(), "`n`: expected an integer, found another number");
    wm_config_str_map(config, "drop");
    CHECK_TEXT(wm_failure_take(), "`drop`: expected an object of strings, found a list");
    wm_config_bool(config, "m");
    CHECK_TEXT(wm_failure_take(), "`m`: expected a boolean, found an object");

    wm_str_map map = wm_config_str_map(config, "m");
    CHECK(map.keys.count == 1 && map.values.count == 1);
    CHECK_TEXT(map.keys.items[0], "k");
    CHECK_TEXT(map.values.items[0], "v");
    CHECK(wm_config_int(config, "attribute") == 5 && wm_config_double(config, "n") == 1.5 && wm_config_bool(config, "yes"));
    CHECK(wm_config_int_or(config, "missing", 9) == 9 && wm_config_int_or(config, "attribute", 9) == 5);
    CHECK(wm_config_double_or(config, "missing", 0.5) == 0.5 && wm_config_bool_or(config, "missing", true));
    CHECK_TEXT(wm_config_str_or(config, "missing", WM_STR("x")), "x");
    CHECK(!wm_failed());
    CHECK_TEXT(wm_str_of(wm_path("attributes", WM_STR("a\"b\\c"))), "attributes[\"a\\\"b\\\\c\"]");
}

/** A block as the contract describes it, byte by byte: two columns, nodes of 28 bytes as a later version may have. */
static void a_block_is_read(void) {
    static const uint32_t head[] = {
        3, 28,
        // A dictionary of 3 rows, the second without a value: keys 1, 0, 1.
        WM_KIND_DICTIONARY, 3, 1, 96, 0, 104, 77,
        // Its texts: `a`, `bc`.
        WM_KIND_TEXT, 2, 0, 0, 120, 136, 77,
        // An int64 of 3 rows.
        WM_KIND_INT64, 3, 0, 0, 0, 144, 77};
    uint8_t bytes[168] = {0};
    memcpy(bytes, head, sizeof head);
    bytes[96] = 5;
    bytes[104] = 1;
    bytes[112] = 1;
    bytes[124] = 1;
    bytes[128] = 3;
    memcpy(bytes + 136, "abc", 3);
    bytes[144] = 7;
    memset(bytes + 152, 0xff, 8);
    // Not aligned in memory.
    uint8_t *moved = (uint8_t *)wm_memory_get(sizeof bytes + 1) + 1;
    memcpy(moved, bytes, sizeof bytes);

    wm_block block;
    CHECK(wm_block_open(&block, moved, sizeof bytes));
    CHECK(wm_block_column(&block, 0) == 0 && wm_block_column(&block, 1) == 2 && wm_block_column(&block, 2) == 3);
    wm_text text = wm_block_text(&block, 0);
    wm_str found;
    CHECK(text.len == 3 && text.distinct.len == 2);
    CHECK(wm_text_get(&text, 0, &found));
    CHECK_TEXT(found, "bc");
    CHECK(!wm_text_get(&text, 1, &found) && wm_text_get(&text, 2, &found) && !wm_text_get(&text, 3, &found));
    wm_bitmap rows = wm_text_equals(&text, WM_STR("bc"));
    CHECK(rows.words[0] == 5);
    rows = wm_text_equals(&text, WM_STR("a"));
    CHECK(rows.words[0] == 0);
    wm_int64 numbers = wm_block_int64(&block, 2);
    int64_t number = 0;
    CHECK(numbers.len == 3 && wm_int64_get(&numbers, 1, &number) && number == -1 && !wm_int64_get(&numbers, 3, &number));
    CHECK(wm_block_double(&block, 2).len == 0 && wm_block_text(&block, 3).len == 0);

    CHECK(wm_block_open(&block, NULL, 0) && wm_block_column(&block, 0) == 0 && block.count == 0);
    CHECK(!wm_failed());
    for (size_t len = 1; len < sizeof bytes - 1; len++) {
        uint8_t *cut = (uint8_t *)wm_memory_get(len);
        memcpy(cut, bytes, len);
        // The last part ends with the block: every shorter one lacks something.
        CHECK(!wm_block_open(&block, cut, len) && wm_failed());
        wm_failure_take();
    }
    // Nodes that are not as they must be are refused, or have their parts inside.
    uint64_t state = 2;
    for (int round = 0; round < 20000; round++) {
        uint8_t *changed = (uint8_t *)wm_memory_get(sizeof bytes);
        memcpy(changed, bytes, sizeof bytes);
        changed[random_next(&state, sizeof head)] = (uint8_t)random_next(&state, 256);
        CHECK(wm_block_open(&block, changed, sizeof bytes) != wm_failed());
        wm_failure_take();
    }
}

/** What is built is read. */
static void built_blocks_are_read(void) {
    enum { ROWS = 70 };
    wm_builder *builder = wm_builder_new();
    int64_t integers[ROWS];
    double numbers[ROWS];
    uint8_t ids[ROWS * 16];
    wm_str texts[ROWS];
    uint32_t keys[ROWS];
    wm_value values[ROWS];
    wm_bitmap valid = wm_bitmap_none(ROWS);
    static const wm_str names[] = {{"red", 3}, {"", 0}, {"green", 5}};
    wm_strs distinct = {names, 3};
    for (uint32_t row = 0; row < ROWS; row++) {
        integers[row] = (int64_t)row * -1000000007;
        numbers[row] = row / 3.0;
        memset(ids + row * 16, (int)row, 16);
        texts[row] = wm_format("text %u", row % 7);
        keys[row] = row % 3;
        wm_bitmap_set(&valid, row, row % 5 != 0);
        switch (row % 8) {
        case 0:
            values[row] = wm_value_of(WM_ABSENT);
            break;
        case 1:
            values[row] = wm_value_of(WM_EMPTY);
            break;
        case 2:
            values[row] = wm_text_value(texts[row]);
            break;
        case 3:
            values[row] = wm_int_value(integers[row]);
            break;
        case 4:
            values[row] = wm_double_value(numbers[row]);
            break;
        case 5:
            values[row] = wm_boolean_value(row % 3 == 0);
            break;
        case 6:
            values[row] = wm_binary_value(wm_str_from((char *)ids + row * 16, 5));
            break;
        default:
            values[row] = wm_binary_value(wm_str_from((char *)ids + row * 16, 3));
            values[row].kind = row % 16 == 7 ? WM_LIST_VALUE : WM_MAP_VALUE;
            break;
        }
    }
    wm_add_int64(builder, integers, ROWS, NULL);
    wm_add_double(builder, numbers, ROWS, &valid);
    wm_add_id16(builder, ids, ROWS, &valid);
    wm_add_text(builder, texts, ROWS, &valid);
    wm_add_dictionary(builder, keys, ROWS, &valid, distinct);
    wm_add_any(builder, values, ROWS);
    wm_add_boolean(builder, &valid, NULL);
    uint32_t offsets[] = {0, 2, 2, 5};
    wm_add_attributes(builder, offsets, 3, texts, values);
    wm_add_text(builder, NULL, 0, NULL);
    wm_str bytes = wm_builder_finish(builder);

    wm_block block;
    CHECK(wm_block_open(&block, (const uint8_t *)bytes.data, bytes.len));
    uint32_t roots[9];
    for (uint32_t column = 0; column < 9; column++) {
        roots[column] = wm_block_column(&block, column);
    }
    CHECK(wm_block_column(&block, 9) == block.count);
    for (uint32_t number = 0; number < block.count; number++) {
        const wm_node *node = &block.nodes[number];
        CHECK(node->validity % 8 == 0 && node->offsets % 8 == 0 && node->values % 8 == 0);
    }
    wm_int64 read_integers = wm_block_int64(&block, roots[0]);
    wm_double read_numbers = wm_block_double(&block, roots[1]);
    wm_id16 read_ids = wm_block_id16(&block, roots[2]);
    wm_text read_texts = wm_block_text(&block, roots[3]);
    wm_text read_names = wm_block_text(&block, roots[4]);
    wm_any read_values = wm_block_any(&block, roots[5]);
    wm_boolean read_booleans = wm_block_boolean(&block, roots[6]);
    wm_attributes read_maps = wm_block_attributes(&block, roots[7]);
    CHECK(wm_block_text(&block, roots[8]).len == 0 && wm_block_is(&block, roots[8], WM_KIND_TEXT));
    CHECK(read_values.len == ROWS && read_texts.len == ROWS && read_names.len == ROWS && read_booleans.len == ROWS);
    for (uint32_t row = 0; row < ROWS; row++) {
        bool there = row % 5 != 0, boolean;
        int64_t integer;
        double number;
        wm_str text;
        CHECK(wm_int64_get(&read_integers, row, &integer) && integer == integers[row]);
        CHECK(wm_double_get(&read_numbers, row, &number) == there && (!there || number == numbers[row]));
        const uint8_t *id = wm_id16_get(&read_ids, row);
        CHECK((id != NULL) == there && (!there || memcmp(id, ids + row * 16, 16) == 0));
        CHECK(wm_text_get(&read_texts, row, &text) == there && (!there || wm_str_equal(text, texts[row])));
        CHECK(wm_text_get(&read_names, row, &text) == there && (!there || wm_str_equal(text, names[keys[row]])));
        CHECK(there || wm_text_place(&read_names, row) == 0);
        CHECK(wm_boolean_get(&read_booleans, row, &boolean) && boolean == there);
        wm_value value = wm_any_get(&read_values, row);
        CHECK(value.kind == values[row].kind);
        switch (value.kind) {
        case WM_INT:
            CHECK(value.integer == values[row].integer);
            break;
        case WM_DOUBLE:
            CHECK(value.number == values[row].number);
            break;
        case WM_BOOLEAN:
            CHECK(value.boolean == values[row].boolean);
            break;
        case WM_ABSENT:
        case WM_EMPTY:
            CHECK(wm_any_place(&read_values, row) == 0);
            break;
        default:
            CHECK(wm_str_equal(value.text, values[row].text));
            break;
        }
        CHECK(wm_any_text(&read_values, row, &text) == (value.kind == WM_TEXT));
    }
    CHECK(wm_any_get(&read_values, ROWS).kind == WM_ABSENT);
    wm_strs two = {names, 2};
    wm_bitmap rows = wm_text_in(&read_names, two);
    CHECK(wm_bitmap_count(&rows) == 38 && wm_bitmap_get(&rows, 1) && !wm_bitmap_get(&rows, 2) && !wm_bitmap_get(&rows, 0));
    rows = wm_text_equals(&read_texts, WM_STR("text 3"));
    CHECK(wm_bitmap_count(&rows) == 8);
    rows = wm_boolean_true(&read_booleans);
    CHECK(wm_bitmap_count(&rows) == 56);
    wm_range range = wm_attributes_range(&read_maps, 2);
    CHECK(read_maps.len == 3 && range.start == 2 && range.end == 5);
    CHECK(wm_attributes_range(&read_maps, 3).end == 0 && read_maps.keys.len == 5 && read_maps.values.len == 5);
    CHECK(!wm_failed());
}

/** A list for each row. */
static void sequences_are_read(void) {
    static const uint32_t block_words[] = {
        2, 24, WM_KIND_SEQUENCE, 2, 1, 0, 56, 0, WM_KIND_UINT32, 3, 0, 0, 0, 72, 0, 1, 3, 0, 7, 8, 9};
    wm_block block;
    CHECK(wm_block_open(&block, (const uint8_t *)block_words, sizeof block_words));
    wm_sequence sequence = wm_block_sequence(&block, 0);
    wm_uint32 numbers = wm_sequence_uint32(&sequence);
    wm_range range = wm_sequence_range(&sequence, 1);
    CHECK(sequence.len == 2 && numbers.len == 3 && range.start == 1 && range.end == 3);
    CHECK(wm_uint32_raw(&numbers, 2) == 9);
    CHECK(wm_sequence_text(&sequence).len == 0 && wm_sequence_attributes(&sequence).len == 0);
}

static void sequences_are_built(void) {
    wm_builder *builder = wm_builder_new();
    uint32_t offsets[] = {0, 2, 2, 3};
    uint64_t counts[] = {1, UINT64_MAX, 3};
    wm_str names[] = {WM_STR("a"), WM_STR(""), WM_STR("c")};
    wm_add_sequence(builder, offsets, 3);
    wm_add_uint64(builder, counts, 3, NULL);
    wm_add_sequence(builder, offsets, 3);
    wm_add_text(builder, names, 3, NULL);
    CHECK(wm_builder_len(builder) == 3);
    wm_str bytes = wm_builder_finish(builder);
    wm_block block;
    CHECK(wm_block_open(&block, (const uint8_t *)bytes.data, bytes.len) && block.count == 4);
    wm_sequence first = wm_block_sequence(&block, wm_block_column(&block, 0));
    wm_sequence second = wm_block_sequence(&block, wm_block_column(&block, 1));
    wm_uint64 read = wm_sequence_uint64(&first);
    wm_text texts = wm_sequence_text(&second);
    CHECK(first.len == 3 && wm_sequence_range(&first, 1).start == 2 && wm_sequence_range(&first, 1).end == 2);
    CHECK(read.len == 3 && wm_uint64_raw(&read, 1) == UINT64_MAX && wm_sequence_range(&second, 2).end == 3);
    CHECK_TEXT(wm_text_distinct(&texts, 2), "c");
}

static void columns_are_found(void) {
    wm_requirements needs;
    memset(&needs, 0, sizeof needs);
    wm_signals(&needs, WM_TRACES | WM_LOGS);
    wm_text_column both = wm_want_text(&needs, "attributes[\"a\"]");
    wm_signals(&needs, WM_TRACES);
    wm_int64_column duration = wm_want_int64(&needs, "duration");
    CHECK(wm_want_text(&needs, "attributes[\"a\"]").number == both.number);
    CHECK(wm_want_text_as(&needs, "attributes[\"a\"]", WM_PLAIN).number != both.number);
    CHECK(needs.inputs[0].used && !needs.inputs[1].used && needs.inputs[2].used);
    CHECK(needs.inputs[0].count == 3 && needs.inputs[2].count == 1);
    CHECK(wm_requirements_uses(&needs) == (WM_KEEP | WM_EDITS));
    wm_str name = WM_STR("eu");
    wm_strs set = {&name, 1};
    CHECK(wm_want_routes(&needs, set).number == 0 && wm_want_routes(&needs, set).number == 1);
    CHECK(wm_want_route(&needs, WM_STR("us")).number == 2 && wm_want_route(&needs, WM_STR("eu")).number == 0);
    CHECK(wm_want_route(&needs, WM_STR("us")).number == 2);
    CHECK(wm_requirements_uses(&needs) == (WM_KEEP | WM_EDITS | WM_ROUTES));
    wm_uses(&needs, WM_ROUTES);
    CHECK(wm_requirements_uses(&needs) == WM_ROUTES);

    wm_builder *builder = wm_builder_new();
    int64_t number = 5;
    wm_add_text(builder, &name, 1, NULL);
    wm_add_int64(builder, &number, 1, NULL);
    wm_str bytes = wm_builder_finish(builder);
    wm_slice slice = {0, 1, {NULL, 0, NULL, 0}, &needs, {NULL, 0}};
    CHECK(wm_block_open(&slice.block, (const uint8_t *)bytes.data, bytes.len));
    CHECK(wm_slice_signal(&slice) == WM_TRACES && wm_text_view(&slice, both).len == 1);
    CHECK(wm_int64_view(&slice, duration).len == 1 && !wm_failed());
    slice.signal = 2;
    CHECK(wm_int64_view(&slice, duration).len == 0);
    CHECK_TEXT(wm_failure_take(), "`duration` was not asked for of log records");
}

static void verdicts_are_made(void) {
    wm_verdict verdict;
    wm_verdict_begin(&verdict, 100);
    wm_bitmap odd = wm_bitmap_none(100), first = wm_bitmap_none(100), none = wm_bitmap_none(100), all = wm_bitmap_all(100);
    WM_BITMAP_FILL(odd, row, row % 2);
    wm_bitmap_set(&first, 1, true);
    CHECK(verdict.keep.words == NULL && verdict.routes == NULL && verdict.edits_count == 0);
    wm_keep(&verdict, &odd);
    wm_drop(&verdict, &first);
    CHECK(wm_bitmap_count(&verdict.keep) == 49);
    wm_drop_all(&verdict);
    CHECK(wm_bitmap_count(&verdict.keep) == 0);

    wm_route_set one = {1}, two = {2};
    wm_route(&verdict, &odd, one);
    wm_route(&verdict, &first, two);
    CHECK(verdict.routes[0] == WM_ROUTE_UNCHANGED && verdict.routes[1] == 2 && verdict.routes[3] == 1);
    wm_route_all(&verdict, two);
    CHECK(verdict.routes[0] == 2 && verdict.routes[99] == 2);

    wm_set(&verdict, "attributes[\"x\"]", wm_these_rows(&none), wm_int_value(1));
    wm_remove(&verdict, "x", wm_row_numbers(NULL, 0));
    CHECK(verdict.edits_count == 0);
    wm_set(&verdict, "all", wm_these_rows(&all), wm_int_value(1));
    wm_set(&verdict, "odd", wm_these_rows(&odd), wm_boolean_value(true));
    wm_remove(&verdict, "first", wm_these_rows(&first));
    uint32_t places[] = {4, 2};
    wm_set(&verdict, "entries", wm_entries(places, 2), wm_text_value(WM_STR("t")));
    places[0] = 0;
    wm_set(&verdict, "absent", wm_all_rows(), wm_value_of(WM_ABSENT));
    CHECK(verdict.edits_count == 5);
    const wm_edit *edits = verdict.edits;
    CHECK(edits[0].target.kind == WM_TARGET_ALL && edits[0].change == WM_CHANGE_SET);
    CHECK(edits[1].target.kind == WM_TARGET_ROWS && edits[1].target.bytes.len == 13);
    CHECK(edits[2].target.kind == WM_TARGET_INDICES && edits[2].target.bytes.len == 4 && edits[2].target.bytes.data[0] == 1);
    CHECK(edits[2].change == WM_CHANGE_REMOVE && edits[2].block.data == NULL);
    CHECK(edits[3].target.kind == WM_TARGET_ENTRIES && edits[3].target.bytes.len == 8 && edits[3].target.bytes.data[0] == 4);
    CHECK_TEXT(edits[3].path, "entries");
    wm_block block;
    CHECK(wm_block_open(&block, (const uint8_t *)edits[1].block.data, edits[1].block.len));
    wm_boolean set = wm_block_boolean(&block, 0);
    bool value = false;
    CHECK(set.len == 1 && wm_boolean_get(&set, 0, &value) && value);
    CHECK(wm_block_open(&block, (const uint8_t *)edits[4].block.data, edits[4].block.len));
    CHECK(wm_block_any(&block, 0).len == 1);
}

int main(void) {
    static void (*const tests[])(void) = {
        formats,         bitmaps,          json_is_read,          json_survives,      config_is_checked,
        a_block_is_read, built_blocks_are_read, sequences_are_read, sequences_are_built, columns_are_found,
        verdicts_are_made};
    for (size_t test = 0; test < sizeof tests / sizeof *tests; test++) {
        wm_memory_begin();
        tests[test]();
        wm_memory_end();
    }
    // All is given back: the sanitizer says so if not.
    wm_memory_begin();
    printf("%zu tests passed\n", sizeof tests / sizeof *tests);
    return 0;
}
