/** Drops the rows of slow servers' health checks: three columns in, a bitmap out. */
#include "wasmill.h"

static wm_uint64_column start;
static wm_int32_column kind;
static wm_text_column route;

void plugin_init(const wm_json *config, wm_requirements *needs) {
    wm_config_no_keys(config);
    wm_uses(needs, WM_KEEP);
    wm_signals(needs, WM_TRACES);
    start = wm_want_uint64(needs, "start_time_unix_nano");
    kind = wm_want_int32(needs, "kind");
    route = wm_want_text_as(needs, wm_path("attributes", WM_STR("http.route")), WM_DICTIONARY);
}

void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    wm_uint64 starts = wm_uint64_view(slice, start);
    wm_int32 kinds = wm_int32_view(slice, kind);
    wm_text routes = wm_text_view(slice, route);
    wm_bitmap rows = wm_bitmap_none(wm_slice_rows(slice)), other = wm_bitmap_none(rows.len);
    WM_BITMAP_FILL(rows, row, wm_uint64_raw(&starts, row) > 5);
    WM_BITMAP_FILL(other, row, wm_int32_raw(&kinds, row) == 2);
    wm_bitmap_and(&rows, &other);
    other = wm_text_equals(&routes, WM_STR("/healthz"));
    wm_bitmap_and(&rows, &other);
    wm_drop(verdict, &rows);
}
