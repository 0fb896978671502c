/** {{name}}: gives each row the team that its service belongs to. */
#include "wasmill.h"

/** The stage's `config:` block: `{"teams": {"checkout": "payments"}, "default": "unowned"}`. */
static wm_str_map teams;
static bool has_default;

/** The teams of the config, in its order, and behind them the default where there is one. */
static wm_strs names;

static wm_text_column service;

void plugin_init(const wm_json *config, wm_requirements *needs) {
    static const char *const keys[] = {"teams", "default"};
    wm_config_keys(config, keys, 2);
    teams = wm_config_str_map(config, "teams");
    has_default = wm_config_has(config, "default");

    wm_str *items = WM_NEW(wm_str, teams.values.count + 1);
    for (size_t team = 0; team < teams.values.count; team++) {
        items[team] = teams.values.items[team];
    }
    items[teams.values.count] = wm_config_str_or(config, "default", WM_STR(""));
    names.items = items;
    names.count = teams.values.count + has_default;

    wm_uses(needs, WM_EDITS);
    wm_signals(needs, WM_ALL_SIGNALS);
    service = wm_want_text_as(needs, "resource.attributes[\"service.name\"]", WM_DICTIONARY);
}

void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    uint32_t rows = wm_slice_rows(slice);
    wm_text services = wm_text_view(slice, service);

    // Where each distinct service's team is among the names: the default's place where it has none.
    uint32_t unknown = (uint32_t)teams.values.count;
    uint32_t *places = WM_NEW(uint32_t, services.distinct.len);
    for (uint32_t distinct = 0; distinct < services.distinct.len; distinct++) {
        places[distinct] = (uint32_t)wm_strs_find(teams.keys, wm_text_distinct(&services, distinct));
    }

    // A dictionary of the names, and a key into it for each row that is changed.
    wm_bitmap changed = wm_bitmap_none(rows);
    uint32_t *team_of = WM_NEW(uint32_t, rows);
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t place = wm_text_valid(&services, row) ? places[wm_text_place(&services, row)] : unknown;
        if (place < names.count) {
            wm_bitmap_set(&changed, row, true);
            team_of[count++] = place;
        }
    }
    if (count == 0) {
        return;
    }
    wm_builder *team = wm_builder_new();
    wm_add_dictionary(team, team_of, count, NULL, names);
    wm_set_each(verdict, "attributes[\"team\"]", wm_these_rows(&changed), team);
}
