/** A plugin as a component's export: between the generated bindings and the SDK's types. */
#include "internal.h"

#include "bindings/plugin.h"

static wm_requirements requirements;
static bool started;

/** The host's arguments are the first thing that a call allocates. The generated one is weak, and gives way to this. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(
    void *old, size_t old_size, size_t alignment, size_t size) {
    (void)alignment;
    wm_memory_begin();
    return wm_memory_grow(old_size == 0 ? NULL : old, old_size, size);
}

/** The bindings want an object file with the component's type to be linked. It is embedded afterwards: nothing is to be linked. */
__attribute__((weak)) void __component_type_object_force_link_plugin(void) {}

static plugin_string_t string_of(wm_str text) {
    plugin_string_t string = {(uint8_t *)text.data, text.len};
    return string;
}

static plugin_list_u8_t bytes_of(wm_str bytes) {
    plugin_list_u8_t list = {(uint8_t *)bytes.data, bytes.len};
    return list;
}

/** Ends a call: whether it is an error, which is in `err` then. */
static bool end(plugin_string_t *err) {
    wm_str failure = wm_failure_take();
    *err = string_of(failure);
    wm_memory_end();
    return failure.data == NULL;
}

static void begin(void) {
    wm_memory_begin();
    wm_failure_take();
}

static void answer_inputs(wasmill_plugin_types_list_input_t *inputs) {
    inputs->ptr = WM_NEW(wasmill_plugin_types_input_t, WM_SIGNALS);
    inputs->len = 0;
    for (uint8_t signal = 0; signal < WM_SIGNALS; signal++) {
        const wm_input *asked = &requirements.inputs[signal];
        if (!asked->used) {
            continue;
        }
        wasmill_plugin_types_input_t *input = &inputs->ptr[inputs->len++];
        input->signal = signal;
        input->columns.ptr = WM_NEW(wasmill_plugin_types_request_t, asked->count);
        input->columns.len = asked->count;
        for (uint32_t column = 0; column < asked->count; column++) {
            const wm_wanted *wanted = &requirements.columns[asked->columns[column]];
            wasmill_plugin_types_request_t *request = &input->columns.ptr[column];
            request->path = string_of(wm_str_of(wanted->path));
            request->kind = (uint8_t)wanted->kind;
            request->text = (uint8_t)wanted->form;
        }
    }
}

static void answer_uses(plugin_list_string_t *uses) {
    unsigned said = wm_requirements_uses(&requirements);
    // By the bit of each `wm_use`, and then those that follow from functions that the plugin defines.
    static const char *const names[] = {"keep", "routes", "edits", "groups", "emit", "state", "flush", "snapshot"};
    enum { NAMES = sizeof names / sizeof *names, FLUSH = 6, SNAPSHOT = 7 };
    said |= plugin_flush != NULL ? 1u << FLUSH : 0;
    said |= plugin_snapshot != NULL ? 1u << SNAPSHOT : 0;
    uses->ptr = WM_NEW(plugin_string_t, NAMES);
    uses->len = 0;
    for (unsigned name = 0; name < NAMES; name++) {
        if (said >> name & 1) {
            uses->ptr[uses->len++] = string_of(wm_str_of(names[name]));
        }
    }
}

static void answer_state(wasmill_plugin_types_state_scope_t *state) {
    // The numbers of scopes are the contract's.
    state->tag = (uint8_t)requirements.scope;
    if (requirements.scope == WM_SCOPE_KEYED) {
        state->val.keyed = string_of(requirements.keyed_by);
    }
}

static void answer_tables(plugin_list_string_t *tables) {
    tables->ptr = WM_NEW(plugin_string_t, requirements.tables_count);
    tables->len = requirements.tables_count;
    for (uint32_t table = 0; table < requirements.tables_count; table++) {
        tables->ptr[table] = string_of(requirements.tables[table]);
    }
}

/** Says what does not fit together. */
static void check_ticks(void) {
    if (requirements.tick_ms != 0 && plugin_tick == NULL) {
        wm_fail("the plugin asked for ticks, and does not define `plugin_tick`");
    }
    if (requirements.tick_ms == 0 && plugin_tick != NULL) {
        wm_fail("the plugin defines `plugin_tick`, and did not say how often it is called: `wm_tick_every`");
    }
}

bool exports_wasmill_plugin_stage_init(
    plugin_string_t *config, exports_wasmill_plugin_stage_requirements_t *ret, plugin_string_t *err) {
    begin();
    const wm_json *read = wm_json_read(wm_str_from((const char *)config->ptr, config->len));
    if (read != NULL && read->kind == WM_JSON_NULL) {
        // A stage without a config block has an empty one.
        wm_json *empty = WM_NEW(wm_json, 1);
        empty->kind = WM_JSON_OBJECT;
        read = empty;
    }
    if (read != NULL && read->kind != WM_JSON_OBJECT) {
        wm_fail("`config`: expected an object, found %s", wm_json_name(read));
    }
    if (!wm_failed()) {
        plugin_init(read, &requirements);
    }
    if (!wm_failed()) {
        check_ticks();
    }
    __builtin_memset(ret, 0, sizeof *ret);
    answer_inputs(&ret->inputs);
    answer_uses(&ret->uses);
    answer_state(&ret->state);
    answer_tables(&ret->tables);
    ret->tick_ms = requirements.tick_ms;
    ret->route_sets.ptr = WM_NEW(plugin_list_string_t, requirements.route_sets_count);
    ret->route_sets.len = requirements.route_sets_count;
    for (uint32_t set = 0; set < requirements.route_sets_count; set++) {
        wm_strs names = requirements.route_sets[set];
        ret->route_sets.ptr[set].ptr = WM_NEW(plugin_string_t, names.count);
        ret->route_sets.ptr[set].len = names.count;
        for (size_t name = 0; name < names.count; name++) {
            ret->route_sets.ptr[set].ptr[name] = string_of(names.items[name]);
        }
    }
    wm_memory_keep();
    return started = end(err);
}

/** The list of a variant's case, and of another case: they lie at one place. */
_Static_assert(
    offsetof(wasmill_plugin_types_keep_t, val.rows) == offsetof(wasmill_plugin_types_keep_t, val.groups), "bits of either");
_Static_assert(
    offsetof(wasmill_plugin_types_route_t, val.rows) == offsetof(wasmill_plugin_types_route_t, val.groups), "routes of either");

static void answer_keep(const wm_bitmap *kept, uint8_t some, wasmill_plugin_types_keep_t *keep) {
    if (kept->words == NULL) {
        return;
    }
    uint32_t count = wm_bitmap_count(kept);
    if (count == kept->len) {
        return;
    }
    if (count == 0) {
        keep->tag = WASMILL_PLUGIN_TYPES_KEEP_NONE;
        return;
    }
    keep->tag = some;
    size_t size = kept->len / 8 + (kept->len % 8 != 0);
    keep->val.rows = bytes_of(wm_str_from((const char *)kept->words, size));
}

static void answer_route(const uint16_t *routes, uint32_t count, uint8_t each, wasmill_plugin_types_route_t *route) {
    if (routes == NULL || count == 0) {
        return;
    }
    uint32_t same = 1;
    while (same < count && routes[same] == routes[0]) {
        same++;
    }
    if (same < count) {
        route->tag = each;
        route->val.rows = bytes_of(wm_str_from((const char *)routes, count * sizeof(uint16_t)));
    } else if (routes[0] != WM_ROUTE_UNCHANGED) {
        route->tag = WASMILL_PLUGIN_TYPES_ROUTE_ALL;
        route->val.all = routes[0];
    }
}

/** The bindings have the list twice, as the import's type and as the export's. */
_Static_assert(
    sizeof(exports_wasmill_plugin_stage_list_emission_t) == sizeof(wasmill_plugin_types_list_emission_t), "one list of emissions");

static void answer_emit(const wm_emissions *out, wasmill_plugin_types_list_emission_t *emit) {
    emit->ptr = WM_NEW(wasmill_plugin_types_emission_t, out->count);
    emit->len = 0;
    for (const wm_emission *one = out->first; one != NULL; one = one->next) {
        wasmill_plugin_types_emission_t *to = &emit->ptr[emit->len++];
        to->signal = one->signal;
        to->rows = one->rows;
        answer_route(one->routes, one->rows, WASMILL_PLUGIN_TYPES_ROUTE_ROWS, &to->route);
        to->fields.ptr = WM_NEW(wasmill_plugin_types_field_t, one->fields_count);
        to->fields.len = one->fields_count;
        for (uint32_t number = 0; number < one->fields_count; number++) {
            const wm_field *field = &one->fields[number];
            to->fields.ptr[number].path = string_of(field->path);
            to->fields.ptr[number].values.ptr = (uint8_t *)field->block.data;
            to->fields.ptr[number].values.len = field->block.len;
        }
    }
}

static void answer_edits(const wm_verdict *verdict, wasmill_plugin_types_list_edit_t *edits) {
    edits->ptr = WM_NEW(wasmill_plugin_types_edit_t, verdict->edits_count);
    edits->len = verdict->edits_count;
    for (uint32_t number = 0; number < verdict->edits_count; number++) {
        const wm_edit *edit = &verdict->edits[number];
        wasmill_plugin_types_edit_t *to = &edits->ptr[number];
        // The numbers of targets and changes are the contract's, and their bytes lie at one place.
        to->path = string_of(edit->path);
        to->target.tag = (uint8_t)edit->target.kind;
        to->target.val.rows = bytes_of(edit->target.bytes);
        to->change.tag = (uint8_t)edit->change;
        to->change.val.set.ptr = (uint8_t *)edit->block.data;
        to->change.val.set.len = edit->block.len;
    }
}

bool exports_wasmill_plugin_stage_process(
    exports_wasmill_plugin_stage_slice_t *given, exports_wasmill_plugin_stage_verdict_t *ret, plugin_string_t *err) {
    begin();
    __builtin_memset(ret, 0, sizeof *ret);
    wm_slice slice = {given->signal, given->rows, {NULL, 0, NULL, 0}, &requirements, {NULL, 0}};
    if (!started) {
        wm_fail("`process` was called before `init`");
    } else if (slice.signal >= WM_SIGNALS) {
        wm_fail("profiles are not a signal of this plugin");
    } else if (
        wm_block_open(&slice.block, given->columns.ptr, given->columns.len) &&
        wm_groups_open(&slice.groups, given->groups.ptr, given->groups.len, slice.rows)) {
        wm_verdict verdict;
        wm_verdict_begin(&verdict, slice.rows);
        verdict.groups = slice.groups;
        plugin_process(&slice, &verdict);
        wm_verdict_settle(&verdict);
        answer_keep(&verdict.keep_groups, WASMILL_PLUGIN_TYPES_KEEP_GROUPS, &ret->keep);
        answer_keep(&verdict.keep, WASMILL_PLUGIN_TYPES_KEEP_ROWS, &ret->keep);
        answer_route(verdict.group_routes, slice.groups.len, WASMILL_PLUGIN_TYPES_ROUTE_GROUPS, &ret->route);
        answer_route(verdict.routes, verdict.rows, WASMILL_PLUGIN_TYPES_ROUTE_ROWS, &ret->route);
        answer_edits(&verdict, &ret->edits);
        answer_emit(&verdict.out, &ret->emit);
    }
    return end(err);
}

bool exports_wasmill_plugin_stage_flush(exports_wasmill_plugin_stage_list_emission_t *ret, plugin_string_t *err) {
    begin();
    wm_emissions out = {NULL, 0};
    if (plugin_flush != NULL) {
        plugin_flush(&out);
    }
    answer_emit(&out, (wasmill_plugin_types_list_emission_t *)ret);
    return end(err);
}

bool exports_wasmill_plugin_stage_tick(
    uint64_t now, exports_wasmill_plugin_stage_list_emission_t *ret, plugin_string_t *err) {
    begin();
    wm_emissions out = {NULL, 0};
    if (plugin_tick != NULL) {
        plugin_tick(now, &out);
    }
    answer_emit(&out, (wasmill_plugin_types_list_emission_t *)ret);
    return end(err);
}

bool exports_wasmill_plugin_stage_snapshot(exports_wasmill_plugin_stage_columns_t *ret, plugin_string_t *err) {
    begin();
    wm_snapshot snapshot = {NULL, NULL, 0, 0};
    if (plugin_snapshot != NULL) {
        plugin_snapshot(&snapshot);
    }
    wm_str block = wm_snapshot_finish(&snapshot);
    ret->ptr = (uint8_t *)block.data;
    ret->len = block.len;
    return end(err);
}

bool exports_wasmill_plugin_stage_restore(exports_wasmill_plugin_stage_columns_t *entries, plugin_string_t *err) {
    begin();
    wm_binary keys, values;
    if (plugin_restore == NULL) {
        wm_fail("the plugin holds nothing: it does not define `plugin_restore`");
    } else if (wm_snapshot_open(entries->ptr, entries->len, &keys, &values)) {
        plugin_restore(&keys, &values);
    }
    return end(err);
}

/* The host's functions. */

static wm_failure failure_of(bool done, wasmill_plugin_host_failure_t failure) {
    return done ? WM_OK : (wm_failure)(failure + 1);
}

wm_failure wm_log(wm_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    plugin_string_t message = string_of(wm_format_list(format, arguments));
    va_end(arguments);
    wasmill_plugin_host_failure_t failure = 0;
    bool done = wasmill_plugin_host_log((wasmill_plugin_host_level_t)level, &message, &failure);
    return failure_of(done, failure);
}

/** A label's two texts lie as the bindings' two strings do: there is nothing to convert. */
_Static_assert(sizeof(wm_label) == sizeof(wasmill_plugin_host_label_t), "labels are laid out alike");
_Static_assert(offsetof(wm_label, value) == offsetof(wasmill_plugin_host_label_t, value), "labels are laid out alike");

#define METRIC(kind)                                                                                \
    wm_failure wm_##kind(const char *name, const wm_label *labels, size_t count, double value) {     \
        plugin_string_t named = string_of(wm_str_of(name));                                          \
        wasmill_plugin_host_list_label_t list = {(wasmill_plugin_host_label_t *)labels, count};      \
        wasmill_plugin_host_failure_t failure = 0;                                                   \
        bool done = wasmill_plugin_host_##kind(&named, &list, value, &failure);                      \
        return failure_of(done, failure);                                                            \
    }

METRIC(counter)
METRIC(gauge)
METRIC(histogram)

wm_failure wm_clock(uint64_t *nanoseconds) {
    wasmill_plugin_host_failure_t failure = 0;
    *nanoseconds = 0;
    return failure_of(wasmill_plugin_host_clock(nanoseconds, &failure), failure);
}

/* Tables and state. What they answer is memory of the call. */

static bool open_columns(wm_columns *columns, plugin_list_u8_t bytes) { return wm_block_open(&columns->block, bytes.ptr, bytes.len); }

wm_failure wm_lookup(const char *table, wm_builder *keys, const char *const *fields, size_t count, const wm_columns **found) {
    plugin_string_t named = string_of(wm_str_of(table));
    plugin_list_u8_t asked = bytes_of(wm_builder_finish(keys));
    plugin_list_string_t names = {WM_NEW(plugin_string_t, count), count};
    for (size_t field = 0; field < count; field++) {
        names.ptr[field] = string_of(wm_str_of(fields[field]));
    }
    wasmill_plugin_lookup_columns_t keys_given = {asked.ptr, asked.len}, answer = {NULL, 0};
    wasmill_plugin_lookup_failure_t failure = 0;
    bool done = wasmill_plugin_lookup_find(&named, &keys_given, &names, &answer, &failure);
    *found = NULL;
    if (done) {
        wm_columns *columns = WM_NEW(wm_columns, 1);
        plugin_list_u8_t bytes = {answer.ptr, answer.len};
        *found = open_columns(columns, bytes) ? columns : NULL;
    }
    return failure_of(done, failure);
}

wm_failure wm_state_get(wm_builder *keys, wm_binary *values) {
    plugin_list_u8_t asked = bytes_of(wm_builder_finish(keys));
    wasmill_plugin_state_columns_t keys_given = {asked.ptr, asked.len}, answer = {NULL, 0};
    wasmill_plugin_state_failure_t failure = 0;
    bool done = wasmill_plugin_state_get(&keys_given, &answer, &failure);
    wm_columns columns;
    plugin_list_u8_t bytes = {answer.ptr, done ? answer.len : 0};
    open_columns(&columns, bytes);
    *values = wm_columns_binary(&columns, 0);
    return failure_of(done, failure);
}

wm_failure wm_state_put(wm_builder *keys, wm_builder *values, uint32_t ttl_ms) {
    plugin_list_u8_t asked = bytes_of(wm_builder_finish(keys)), given = bytes_of(wm_builder_finish(values));
    wasmill_plugin_state_columns_t keys_given = {asked.ptr, asked.len}, values_given = {given.ptr, given.len};
    wasmill_plugin_state_failure_t failure = 0;
    bool done = wasmill_plugin_state_put(&keys_given, &values_given, ttl_ms, &failure);
    return failure_of(done, failure);
}

wm_failure wm_state_add(wm_builder *keys, wm_builder *deltas, uint32_t ttl_ms, wm_int64 *sums) {
    plugin_list_u8_t asked = bytes_of(wm_builder_finish(keys)), given = bytes_of(wm_builder_finish(deltas));
    wasmill_plugin_state_columns_t keys_given = {asked.ptr, asked.len}, deltas_given = {given.ptr, given.len}, answer = {NULL, 0};
    wasmill_plugin_state_failure_t failure = 0;
    bool done = wasmill_plugin_state_add(&keys_given, &deltas_given, ttl_ms, &answer, &failure);
    wm_columns columns;
    plugin_list_u8_t bytes = {answer.ptr, done ? answer.len : 0};
    open_columns(&columns, bytes);
    *sums = wm_columns_int64(&columns, 0);
    return failure_of(done, failure);
}
