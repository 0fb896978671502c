/** {{name}}: masks e-mail addresses and card numbers in attributes. */
#include "wasmill.h"

#include "patterns.h"

/** Maps that can be redacted: those that every signal has. */
static const char *const MAPS[] = {"attributes", "resource.attributes", "scope.attributes"};
enum { MAPS_COUNT = 3 };

/** The stage's `config:` block: `{"mask": "****", "maps": ["attributes"]}`, both optional. */
static wm_str mask;
static bool wanted[MAPS_COUNT];

static wm_attributes_column columns[MAPS_COUNT];

void plugin_init(const wm_json *config, wm_requirements *needs) {
    static const char *const keys[] = {"mask", "maps"};
    wm_config_keys(config, keys, 2);
    mask = wm_config_str_or(config, "mask", WM_STR("****"));
    wm_str attributes = WM_STR("attributes");
    wm_strs attributes_alone = {&attributes, 1};
    wm_strs maps = wm_config_strs_or(config, "maps", attributes_alone);

    wm_uses(needs, WM_EDITS);
    wm_signals(needs, WM_ALL_SIGNALS);
    for (size_t at = 0; at < maps.count; at++) {
        int map = 0;
        while (map < MAPS_COUNT && !wm_str_equal(maps.items[at], wm_str_of(MAPS[map]))) {
            map++;
        }
        if (map == MAPS_COUNT) {
            wm_fail(
                "`maps`: expected `attributes`, `resource.attributes` or `scope.attributes`, found `%.*s`",
                WM_FMT(maps.items[at]));
            return;
        }
        wanted[map] = true;
        columns[map] = wm_want_attributes(needs, MAPS[map]);
    }
}

/** Masks the texts of one map; gives how many values it changed. */
static uint32_t redact(const char *path, const wm_attributes *map, wm_verdict *verdict) {
    const wm_any *values = &map->values;
    // Each distinct text is looked at once. Those that stay as they are have no data here.
    uint32_t distinct = values->text.distinct.len;
    wm_str *masked = WM_NEW(wm_str, distinct);
    bool any = false;
    for (uint32_t place = 0; place < distinct; place++) {
        wm_str text = wm_text_distinct(&values->text, place);
        any |= mask_emails_and_cards(text, mask, &masked[place]);
    }
    if (!any) {
        return 0;
    }
    uint32_t *entries = WM_NEW(uint32_t, values->len);
    wm_str *texts = WM_NEW(wm_str, values->len);
    uint32_t count = 0;
    for (uint32_t entry = 0; entry < values->len; entry++) {
        if (wm_any_kind_at(values, entry) == WM_TEXT) {
            wm_str text = masked[wm_text_place(&values->text, wm_any_place(values, entry))];
            if (text.data != NULL) {
                entries[count] = entry;
                texts[count++] = text;
            }
        }
    }
    wm_builder *column = wm_builder_new();
    wm_add_text(column, texts, count, NULL);
    wm_set_each(verdict, path, wm_entries(entries, count), column);
    return count;
}

void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    uint32_t count = 0;
    for (int map = 0; map < MAPS_COUNT; map++) {
        if (wanted[map]) {
            wm_attributes attributes = wm_attributes_view(slice, columns[map]);
            count += redact(MAPS[map], &attributes, verdict);
        }
    }
    if (count > 0) {
        wm_counter("masked", NULL, 0, count);
    }
}
