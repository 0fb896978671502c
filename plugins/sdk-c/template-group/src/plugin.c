/** {{name}}: keeps the traces worth keeping, those with an error, slow ones, and a share of the others. */
#include "wasmill.h"

enum {
    SLOW_MS_DEFAULT = 1000,
    /** Eleven days: more than a gateway waits for a trace. */
    SLOW_MS_MAX = 1000000000,
    STATUS_ERROR = 2,
    ID_BYTES = 16,
    /** The randomness of a trace id is in its last 56 bits. */
    RANDOM_BYTES = 7,
    RANDOM_BITS = 56
};

/** The stage's `config:` block: `{"slow_ms": 1000, "keep_ratio": 0.01}`. */
static uint64_t slow_nanos;
/** Traces whose randomness is at least this are kept. */
static uint64_t threshold;

static wm_id16_column trace;
static wm_int32_column status;
static wm_uint64_column start, end;
static wm_text_column reason;

void plugin_init(const wm_json *config, wm_requirements *needs) {
    static const char *const keys[] = {"slow_ms", "keep_ratio"};
    wm_config_keys(config, keys, 2);
    int64_t slow_ms = wm_config_int_or(config, "slow_ms", SLOW_MS_DEFAULT);
    double keep_ratio = wm_config_double_or(config, "keep_ratio", 0);
    if (slow_ms < 0 || slow_ms > SLOW_MS_MAX) {
        wm_fail("`slow_ms`: expected 0 to %d, found %lld", SLOW_MS_MAX, (long long)slow_ms);
    } else if (!(keep_ratio >= 0 && keep_ratio <= 1)) {
        wm_fail("`keep_ratio`: expected 0 to 1, found %f", keep_ratio);
    } else {
        slow_nanos = (uint64_t)slow_ms * 1000000;
        // Exact: a product with a power of two has the digits of the ratio.
        uint64_t all = (uint64_t)1 << RANDOM_BITS;
        threshold = all - (uint64_t)(keep_ratio * (double)all);
    }
    wm_uses(needs, WM_KEEP | WM_GROUPS);
    wm_signals(needs, WM_TRACES);
    trace = wm_want_id16(needs, "trace_id");
    status = wm_want_int32(needs, "status.code");
    start = wm_want_uint64(needs, "start_time_unix_nano");
    end = wm_want_uint64(needs, "end_time_unix_nano");
    reason = wm_want_text_as(needs, "group.reason", WM_DICTIONARY);
}

/** From the earliest start to the latest end, in nanoseconds. */
static uint64_t lasts(const wm_uint64 *starts, const wm_uint64 *ends, wm_range rows) {
    uint64_t earliest = UINT64_MAX, latest = 0, time;
    for (uint32_t row = rows.start; row < rows.end; row++) {
        earliest = wm_uint64_get(starts, row, &time) && time < earliest ? time : earliest;
        latest = wm_uint64_get(ends, row, &time) && time > latest ? time : latest;
    }
    return latest < earliest ? 0 : latest - earliest;
}

/** The last seven bytes of the trace id, as OpenTelemetry's probability sampling has it; 0 without one. */
static uint64_t randomness(const wm_id16 *traces, uint32_t row) {
    const uint8_t *id = wm_id16_get(traces, row);
    uint64_t value = 0;
    for (int byte = ID_BYTES - RANDOM_BYTES; id != NULL && byte < ID_BYTES; byte++) {
        value = value << 8 | id[byte];
    }
    return value;
}

/** Adds to a counter for each reason that these groups were decided for. */
static void count(const char *name, const wm_text *reasons, const wm_bitmap *groups) {
    uint32_t *counts = WM_NEW(uint32_t, reasons->distinct.len);
    WM_EACH(group, groups) {
        if (wm_text_valid(reasons, group)) {
            counts[wm_text_place(reasons, group)]++;
        }
    }
    for (uint32_t place = 0; place < reasons->distinct.len; place++) {
        if (counts[place] > 0) {
            wm_label label = {WM_STR("reason"), wm_text_distinct(reasons, place)};
            wm_counter(name, &label, 1, counts[place]);
        }
    }
}

/** Decides about some traces, each a group of spans. */
void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
    wm_groups groups = wm_slice_groups(slice);
    wm_int32 codes = wm_int32_view(slice, status);
    wm_uint64 starts = wm_uint64_view(slice, start), ends = wm_uint64_view(slice, end);
    wm_id16 traces = wm_id16_view(slice, trace);
    wm_text reasons = wm_text_view(slice, reason);

    wm_bitmap failed = wm_bitmap_none(wm_slice_rows(slice));
    WM_BITMAP_FILL(failed, row, wm_int32_raw(&codes, row) == STATUS_ERROR);
    wm_bitmap_and_bits(&failed, codes.validity);
    wm_bitmap kept = wm_groups_any(&groups, &failed);
    for (uint32_t group = 0; group < groups.len; group++) {
        wm_range rows = wm_groups_range(&groups, group);
        if (!wm_bitmap_get(&kept, group) &&
            (lasts(&starts, &ends, rows) >= slow_nanos || randomness(&traces, rows.start) >= threshold)) {
            wm_bitmap_set(&kept, group, true);
        }
    }
    wm_keep_groups(verdict, &kept);
    count("groups_kept", &reasons, &kept);
    wm_bitmap_not(&kept);
    count("groups_dropped", &reasons, &kept);
}
