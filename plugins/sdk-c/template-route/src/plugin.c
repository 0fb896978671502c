/** {{name}}: sends each row where the value of an attribute says. */
#include "wasmill.h"

/** The stage's `config:` block: `{"attribute": "tenant", "routes": {"acme": "eu"}, "default": "us"}`. */
static wm_str_map routes;

/** The number of the route set of each value of `routes`, in its order, and behind them that of all other rows. */
static uint16_t *sets;

static wm_text_column column;

void plugin_init(const wm_json *config, wm_requirements *needs) {
    static const char *const keys[] = {"attribute", "routes", "default"};
    wm_config_keys(config, keys, 3);
    wm_str attribute = wm_config_str(config, "attribute");
    routes = wm_config_str_map(config, "routes");

    sets = WM_NEW(uint16_t, routes.values.count + 1);
    for (size_t route = 0; route < routes.values.count; route++) {
        sets[route] = wm_want_route(needs, routes.values.items[route]).number;
    }
    sets[routes.values.count] = WM_ROUTE_UNCHANGED;
    if (wm_config_has(config, "default")) {
        sets[routes.values.count] = wm_want_route(needs, wm_config_str(config, "default")).number;
    }

    wm_uses(needs, WM_ROUTES);
    wm_signals(needs, WM_ALL_SIGNALS);
    column = wm_want_text_as(needs, wm_path("attributes", attribute), WM_DICTIONARY);
}

void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    uint32_t rows = wm_slice_rows(slice);
    wm_text values = wm_text_view(slice, column);

    // Looked up once for each distinct value of the slice, whatever the number of rows.
    uint16_t *set_of_value = WM_NEW(uint16_t, values.distinct.len);
    for (uint32_t distinct = 0; distinct < values.distinct.len; distinct++) {
        set_of_value[distinct] = sets[wm_strs_find(routes.keys, wm_text_distinct(&values, distinct))];
    }
    uint16_t *set_of_row = WM_NEW(uint16_t, rows);
    for (uint32_t row = 0; row < rows; row++) {
        bool valid = wm_text_valid(&values, row);
        set_of_row[row] = valid ? set_of_value[wm_text_place(&values, row)] : sets[routes.keys.count];
    }
    wm_route_rows(verdict, set_of_row);
}
