/** New records. */
#include "internal.h"

enum { FIELDS_FIRST = 4 };

wm_emissions *wm_verdict_emissions(wm_verdict *verdict) { return &verdict->out; }

wm_emission *wm_emit(wm_emissions *out, wm_signal signal, uint32_t rows) {
    wm_emission *emission = WM_NEW(wm_emission, 1);
    emission->signal = signal == WM_TRACES ? 0 : signal == WM_METRICS ? 1 : 2;
    emission->rows = rows;
    if (rows == 0 || (signal != WM_TRACES && signal != WM_METRICS && signal != WM_LOGS)) {
        wm_fail("an emission of %u records of the signals %u, expected at least one record of one signal", rows, (unsigned)signal);
    }
    wm_emission **last = &out->first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = emission;
    out->count++;
    return emission;
}

void wm_emit_set_each(wm_emission *emission, const char *path, wm_builder *column) {
    uint32_t len = wm_builder_len(column);
    if (len != emission->rows && len != 1) {
        wm_fail("`%s`: %u values for %u new records", path, len, emission->rows);
        return;
    }
    if (emission->fields_count == emission->fields_room) {
        uint32_t room = emission->fields_room == 0 ? FIELDS_FIRST : emission->fields_room * 2;
        size_t size = sizeof(wm_field);
        emission->fields = (wm_field *)wm_memory_grow(emission->fields, emission->fields_room * size, room * size);
        emission->fields_room = room;
    }
    wm_field field = {wm_format("%s", path), wm_builder_finish(column)};
    emission->fields[emission->fields_count++] = field;
}

void wm_emit_set(wm_emission *emission, const char *path, wm_value value) {
    wm_emit_set_each(emission, path, wm_builder_of(value));
}

void wm_emit_source(wm_emission *emission, const uint32_t *rows) {
    wm_builder *builder = wm_builder_new();
    wm_add_uint32(builder, rows, emission->rows, NULL);
    wm_emit_set_each(emission, "source", builder);
}

void wm_emit_route(wm_emission *emission, wm_route_set set) {
    emission->routes = WM_NEW(uint16_t, emission->rows);
    for (uint32_t row = 0; row < emission->rows; row++) {
        emission->routes[row] = set.number;
    }
}

void wm_emit_route_each(wm_emission *emission, const uint16_t *sets) {
    emission->routes = WM_NEW(uint16_t, emission->rows);
    wm_copy(emission->routes, sets, emission->rows * sizeof *sets);
}
