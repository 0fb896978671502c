/** {{name}}: drops the rows whose attribute has one of some values. */
#include "wasmill.h"

/** The stage's `config:` block: `{"attribute": "http.route", "drop": ["/healthz", "/ready"]}`. */
static wm_str attribute;
static wm_strs drop;

static wm_text_column column;

void plugin_init(const wm_json *config, wm_requirements *needs) {
    static const char *const keys[] = {"attribute", "drop"};
    wm_config_keys(config, keys, 2);
    attribute = wm_config_str(config, "attribute");
    drop = wm_config_strs(config, "drop");

    wm_uses(needs, WM_KEEP);
    wm_signals(needs, WM_ALL_SIGNALS);
    column = wm_want_text_as(needs, wm_path("attributes", attribute), WM_DICTIONARY);
}

void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    wm_text values = wm_text_view(slice, column);
    // Compared once for each distinct value of the slice, whatever the number of rows.
    wm_bitmap dropped = wm_text_in(&values, drop);
    uint32_t count = wm_bitmap_count(&dropped);
    if (count == 0) {
        return;
    }
    wm_drop(verdict, &dropped);
    wm_label label = {WM_STR("attribute"), attribute};
    wm_counter("dropped", &label, 1, count);
}
