/** Counts rows by the owner of their service, and tells: `../README.md` says what every language's plugin does. */
#include <stdlib.h>
#include <string.h>

#include "wasmill.h"

/** The service whose rows are refused. */
#define REFUSED WM_STR("boom")

enum {
    EVERY_MS = 10000,
    /** The least that the host ticks at. */
    EVERY_MS_MIN = 10,
    INFO = 9,
    SUM = 2,
    HISTOGRAM = 3,
    CUMULATIVE = 2,
    BOUNDS = 3
};

/** Upper bounds of rows, of the histogram over owners. */
static const double bounds[BOUNDS] = {1, 10, 100};

static const char *table;
static wm_text_column service_column;

/** An owner, the empty text for rows without one, in memory that lasts from call to call. */
typedef struct owner {
    wm_str name;
    int64_t rows;
} owner;

/** Sorted by name. */
static owner *owners;
static uint32_t owners_count, owners_room;
/** The sum that the last tick told. */
static int64_t told;

/** The rows of a service in one slice, what the table has of it, and the sum that the host keeps. */
typedef struct service {
    wm_str name;
    int64_t rows;
    wm_str owner;
    int64_t tier, seen;
    bool is_owned, has_tier, is_seen;
} service;

/** The services of a slice in the order of their first rows, and each row's; NULL where it has none. */
typedef struct services {
    service *items;
    uint32_t count;
    service **of_row;
    uint32_t rows;
} services;

void plugin_init(const wm_json *config, wm_requirements *needs) {
    static const char *const keys[] = {"table", "every_ms"};
    wm_config_keys(config, keys, 2);
    wm_str name = wm_config_str(config, "table");
    int64_t every_ms = wm_config_int_or(config, "every_ms", EVERY_MS);
    if (every_ms < EVERY_MS_MIN || every_ms > UINT32_MAX) {
        wm_fail("`every_ms`: expected %d or more, found %lld", EVERY_MS_MIN, (long long)every_ms);
        return;
    }
    table = wm_format("%.*s", WM_FMT(name)).data;
    wm_signals(needs, WM_TRACES | WM_LOGS);
    wm_uses(needs, WM_EDITS | WM_EMIT | WM_STATE);
    wm_single(needs);
    wm_want_table(needs, table);
    wm_tick_every(needs, (uint32_t)every_ms);
    service_column = wm_want_text_as(needs, wm_path("resource.attributes", WM_STR("service.name")), WM_DICTIONARY);
}

static int order(wm_str a, wm_str b) {
    int first = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return first != 0 ? first : (a.len > b.len) - (a.len < b.len);
}

/** The owner's place; it is new where there were none of its rows. */
static owner *owner_of(wm_str name, bool *is_new) {
    uint32_t at = 0;
    while (at < owners_count && order(owners[at].name, name) < 0) {
        at++;
    }
    *is_new = at == owners_count || !wm_str_equal(owners[at].name, name);
    if (!*is_new) {
        return &owners[at];
    }
    if (owners_count == owners_room) {
        owners_room = owners_room == 0 ? 16 : owners_room * 2;
        owners = realloc(owners, owners_room * sizeof *owners);
    }
    memmove(owners + at + 1, owners + at, (owners_count - at) * sizeof *owners);
    owners_count++;
    char *copy = malloc(name.len + 1);
    memcpy(copy, name.data, name.len);
    owners[at] = (owner){wm_str_from(copy, name.len), 0};
    return &owners[at];
}

static services services_of(const wm_slice *slice) {
    wm_text names = wm_text_view(slice, service_column);
    services all = {WM_NEW(service, wm_slice_rows(slice)), 0, WM_NEW(service *, wm_slice_rows(slice)), wm_slice_rows(slice)};
    for (uint32_t row = 0; row < all.rows; row++) {
        wm_str name;
        if (!wm_text_get(&names, row, &name)) {
            continue;
        }
        uint32_t place = 0;
        while (place < all.count && !wm_str_equal(all.items[place].name, name)) {
            place++;
        }
        if (place == all.count) {
            all.items[all.count++].name = name;
        }
        all.items[place].rows++;
        all.of_row[row] = &all.items[place];
    }
    return all;
}

/** Fills in what the table and the host have of each service. */
static void look_up(services *all) {
    if (all->count == 0) {
        return;
    }
    static const char *const fields[] = {"owner", "tier"};
    wm_str *names = WM_NEW(wm_str, all->count);
    int64_t *rows = WM_NEW(int64_t, all->count);
    for (uint32_t place = 0; place < all->count; place++) {
        names[place] = all->items[place].name;
        rows[place] = all->items[place].rows;
    }
    wm_builder *keys = wm_builder_new(), *deltas = wm_builder_new();
    wm_add_text(keys, names, all->count, NULL);
    wm_add_int64(deltas, rows, all->count, NULL);
    const wm_columns *found;
    wm_failure failure = wm_lookup(table, keys, fields, 2, &found);
    if (failure != WM_OK) {
        wm_fail("lookup in `%s`: %s", table, wm_failure_name(failure));
        return;
    }
    wm_int64 sums;
    failure = wm_state_add(keys, deltas, 0, &sums);
    if (failure != WM_OK) {
        wm_fail("state add: %s", wm_failure_name(failure));
        return;
    }
    wm_text owned = wm_columns_text(found, 0);
    wm_int64 tiers = wm_columns_int64(found, 1);
    for (uint32_t place = 0; place < all->count; place++) {
        service *one = &all->items[place];
        one->is_owned = wm_text_get(&owned, place, &one->owner);
        one->has_tier = wm_int64_get(&tiers, place, &one->tier);
        one->is_seen = wm_int64_get(&sums, place, &one->seen);
    }
}

static void edit(const services *all, wm_verdict *verdict) {
    wm_bitmap owned = wm_bitmap_none(all->rows), counted = wm_bitmap_none(all->rows);
    // The entries of each owned row, and where they end.
    uint32_t *ends = WM_NEW(uint32_t, all->rows + 1);
    wm_str *keys = WM_NEW(wm_str, 2 * all->rows);
    wm_value *values = WM_NEW(wm_value, 2 * all->rows);
    int64_t *sums = WM_NEW(int64_t, all->rows);
    uint32_t maps = 0, entries = 0, seen = 0;
    for (uint32_t row = 0; row < all->rows; row++) {
        const service *one = all->of_row[row];
        if (one != NULL && one->is_owned) {
            wm_bitmap_set(&owned, row, true);
            keys[entries] = WM_STR("owner");
            values[entries++] = wm_text_value(one->owner);
            if (one->has_tier) {
                keys[entries] = WM_STR("tier");
                values[entries++] = wm_int_value(one->tier);
            }
            ends[++maps] = entries;
        }
        if (one != NULL && one->is_seen) {
            wm_bitmap_set(&counted, row, true);
            sums[seen++] = one->seen;
        }
    }
    wm_builder *merged = wm_builder_new(), *sum = wm_builder_new();
    wm_add_attributes(merged, ends, maps, keys, values);
    wm_add_int64(sum, sums, seen, NULL);
    wm_merge(verdict, "attributes", wm_these_rows(&owned), merged);
    wm_set_each(verdict, "attributes[\"seen\"]", wm_these_rows(&counted), sum);
    wm_remove(verdict, "attributes[\"debug\"]", wm_all_rows());
}

/** A column of one int32, or uint64. */
static wm_builder *int32(int32_t value) {
    wm_builder *column = wm_builder_new();
    wm_add_int32(column, &value, 1, NULL);
    return column;
}

static wm_builder *uint64(uint64_t value) {
    wm_builder *column = wm_builder_new();
    wm_add_uint64(column, &value, 1, NULL);
    return column;
}

/** Counts rows by owner, and tells of those that come for the first time. */
static void count(const services *all, wm_verdict *verdict) {
    uint32_t *firsts = WM_NEW(uint32_t, all->rows);
    wm_str *bodies = WM_NEW(wm_str, all->rows);
    uint32_t news = 0;
    for (uint32_t row = 0; row < all->rows; row++) {
        const service *one = all->of_row[row];
        wm_str name = one != NULL && one->is_owned ? one->owner : WM_STR("");
        bool is_new;
        owner_of(name, &is_new)->rows++;
        if (is_new) {
            firsts[news] = row;
            bodies[news++] = wm_format("the first row of `%.*s`", WM_FMT(name));
        }
    }
    if (news > 0) {
        wm_emission *records = wm_emit(wm_verdict_emissions(verdict), WM_LOGS, news);
        wm_builder *body = wm_builder_new();
        wm_add_text(body, bodies, news, NULL);
        wm_emit_source(records, firsts);
        wm_emit_set_each(records, "body", body);
        wm_emit_set_each(records, "severity_number", int32(INFO));
    }
}

void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    services all = services_of(slice);
    for (uint32_t place = 0; place < all.count; place++) {
        if (wm_str_equal(all.items[place].name, REFUSED)) {
            wm_fail("the service is `%.*s`: its rows are refused", WM_FMT(REFUSED));
            return;
        }
    }
    look_up(&all);
    if (wm_failed()) {
        return;
    }
    edit(&all, verdict);
    count(&all, verdict);
    // Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
    wm_label label = {WM_STR("signal"), wm_slice_signal(slice) == WM_TRACES ? WM_STR("traces") : WM_STR("logs")};
    wm_counter("census_rows", &label, 1, all.rows);
    wm_gauge("census_owners", NULL, 0, owners_count);
    wm_histogram("census_slice_rows", NULL, 0, all.rows);
}

static int64_t sum(void) {
    int64_t rows = 0;
    for (uint32_t at = 0; at < owners_count; at++) {
        rows += owners[at].rows;
    }
    return rows;
}

void plugin_tick(uint64_t now, wm_emissions *out) {
    int64_t rows = sum();
    if (rows == told) {
        return;
    }
    told = rows;
    // The empty text is the first.
    int64_t unowned = owners_count > 0 && owners[0].name.len == 0 ? owners[0].rows : 0;
    wm_emission *record = wm_emit(out, WM_LOGS, 1);
    wm_emit_set(record, "body", wm_text_value(wm_format("%lld rows", (long long)rows)));
    wm_emit_set_each(record, "severity_number", int32(INFO));
    wm_emit_set_each(record, "time_unix_nano", uint64(now));
    wm_emit_set(record, "attributes[\"rows\"]", wm_int_value(rows));
    wm_emit_set(record, "attributes[\"owned\"]", wm_double_value((double)(rows - unowned) / (double)rows));
}

void plugin_flush(wm_emissions *out) {
    uint64_t now;
    if (owners_count == 0 || wm_clock(&now) != WM_OK) {
        return;
    }
    wm_str *names = WM_NEW(wm_str, owners_count);
    int64_t *counts = WM_NEW(int64_t, owners_count);
    uint64_t buckets[BOUNDS + 1] = {0};
    wm_bitmap named = wm_bitmap_none(owners_count);
    for (uint32_t at = 0; at < owners_count; at++) {
        names[at] = owners[at].name;
        counts[at] = owners[at].rows;
        wm_bitmap_set(&named, at, names[at].len > 0);
        uint32_t bucket = 0;
        while (bucket < BOUNDS && bounds[bucket] < (double)counts[at]) {
            bucket++;
        }
        buckets[bucket]++;
    }
    wm_builder *owner = wm_builder_new(), *rows = wm_builder_new();
    wm_add_text(owner, names, owners_count, &named);
    wm_add_int64(rows, counts, owners_count, NULL);
    wm_emission *points = wm_emit(out, WM_METRICS, owners_count);
    wm_emit_set(points, "scope.name", wm_text_value(WM_STR("census")));
    wm_emit_set(points, "metric.name", wm_text_value(WM_STR("census.rows")));
    wm_emit_set(points, "metric.unit", wm_text_value(WM_STR("{row}")));
    wm_emit_set_each(points, "metric.type", int32(SUM));
    wm_emit_set(points, "metric.is_monotonic", wm_boolean_value(true));
    wm_emit_set_each(points, "metric.aggregation_temporality", int32(CUMULATIVE));
    wm_emit_set_each(points, "time_unix_nano", uint64(now));
    wm_emit_set_each(points, "value_int", rows);
    wm_emit_set_each(points, "attributes[\"owner\"]", owner);

    wm_emission *sizes = wm_emit(out, WM_METRICS, 1);
    wm_emit_set(sizes, "scope.name", wm_text_value(WM_STR("census")));
    wm_emit_set(sizes, "metric.name", wm_text_value(WM_STR("census.owner_rows")));
    wm_emit_set_each(sizes, "metric.type", int32(HISTOGRAM));
    wm_emit_set_each(sizes, "time_unix_nano", uint64(now));
    wm_emit_set_each(sizes, "count", uint64(owners_count));
    wm_emit_set(sizes, "sum", wm_double_value((double)sum()));
    // One list each.
    const uint32_t all_buckets[] = {0, BOUNDS + 1}, all_bounds[] = {0, BOUNDS};
    wm_builder *bucket_counts = wm_builder_new(), *explicit_bounds = wm_builder_new();
    wm_add_sequence(bucket_counts, all_buckets, 1);
    wm_add_uint64(bucket_counts, buckets, BOUNDS + 1, NULL);
    wm_add_sequence(explicit_bounds, all_bounds, 1);
    wm_add_double(explicit_bounds, bounds, BOUNDS, NULL);
    wm_emit_set_each(sizes, "bucket_counts", bucket_counts);
    wm_emit_set_each(sizes, "explicit_bounds", explicit_bounds);
}

void plugin_snapshot(wm_snapshot *out) {
    for (uint32_t at = 0; at < owners_count; at++) {
        // WebAssembly is little-endian.
        wm_snapshot_add(out, owners[at].name, wm_str_from((const char *)&owners[at].rows, sizeof owners[at].rows));
    }
}

void plugin_restore(const wm_binary *keys, const wm_binary *values) {
    wm_log(WM_LOG_INFO, "%u owners are taken over", keys->len);
    for (uint32_t at = 0; at < keys->len; at++) {
        wm_str name = wm_binary_raw(keys, at), value = wm_binary_raw(values, at);
        int64_t rows;
        if (value.len != sizeof rows) {
            wm_fail("`%.*s` has %zu bytes, expected 8", WM_FMT(name), value.len);
            return;
        }
        memcpy(&rows, value.data, sizeof rows);
        bool is_new;
        owner_of(name, &is_new)->rows += rows;
    }
}
