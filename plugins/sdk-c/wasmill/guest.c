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
    uses->ptr = WM_NEW(plugin_string_t, 4);
    uses->len = 0;
    if (said & WM_KEEP) {
        uses->ptr[uses->len++] = string_of(WM_STR("keep"));
    }
    if (said & WM_ROUTES) {
        uses->ptr[uses->len++] = string_of(WM_STR("routes"));
    }
    if (said & WM_EDITS) {
        uses->ptr[uses->len++] = string_of(WM_STR("edits"));
    }
    if (plugin_flush != NULL) {
        uses->ptr[uses->len++] = string_of(WM_STR("flush"));
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
    __builtin_memset(ret, 0, sizeof *ret);
    answer_inputs(&ret->inputs);
    answer_uses(&ret->uses);
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

static void answer_keep(const wm_verdict *verdict, wasmill_plugin_types_keep_t *keep) {
    if (verdict->keep.words == NULL) {
        return;
    }
    uint32_t kept = wm_bitmap_count(&verdict->keep);
    if (kept == verdict->rows) {
        return;
    }
    if (kept == 0) {
        keep->tag = WASMILL_PLUGIN_TYPES_KEEP_NONE;
        return;
    }
    keep->tag = WASMILL_PLUGIN_TYPES_KEEP_ROWS;
    size_t size = verdict->rows / 8 + (verdict->rows % 8 != 0);
    keep->val.rows = bytes_of(wm_str_from((const char *)verdict->keep.words, size));
}

static void answer_route(const wm_verdict *verdict, wasmill_plugin_types_route_t *route) {
    if (verdict->routes == NULL) {
        return;
    }
    uint32_t same = 1;
    while (same < verdict->rows && verdict->routes[same] == verdict->routes[0]) {
        same++;
    }
    if (same < verdict->rows) {
        route->tag = WASMILL_PLUGIN_TYPES_ROUTE_ROWS;
        route->val.rows = bytes_of(wm_str_from((const char *)verdict->routes, verdict->rows * sizeof(uint16_t)));
    } else if (verdict->routes[0] != WM_ROUTE_UNCHANGED) {
        route->tag = WASMILL_PLUGIN_TYPES_ROUTE_ALL;
        route->val.all = verdict->routes[0];
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
    wm_slice slice = {given->signal, given->rows, {NULL, 0, NULL, 0}, &requirements};
    if (!started) {
        wm_fail("`process` was called before `init`");
    } else if (slice.signal >= WM_SIGNALS) {
        wm_fail("profiles are not a signal of this plugin");
    } else if (wm_block_open(&slice.block, given->columns.ptr, given->columns.len)) {
        wm_verdict verdict;
        wm_verdict_begin(&verdict, slice.rows);
        plugin_process(&slice, &verdict);
        answer_keep(&verdict, &ret->keep);
        answer_route(&verdict, &ret->route);
        answer_edits(&verdict, &ret->edits);
    }
    return end(err);
}

bool exports_wasmill_plugin_stage_flush(exports_wasmill_plugin_stage_list_emission_t *ret, plugin_string_t *err) {
    begin();
    __builtin_memset(ret, 0, sizeof *ret);
    if (plugin_flush != NULL) {
        plugin_flush();
    }
    return end(err);
}

// What follows is never called: no plugin of this SDK asks for it.

bool exports_wasmill_plugin_stage_tick(
    uint64_t now, exports_wasmill_plugin_stage_list_emission_t *ret, plugin_string_t *err) {
    (void)now;
    __builtin_memset(ret, 0, sizeof *ret);
    __builtin_memset(err, 0, sizeof *err);
    return true;
}

bool exports_wasmill_plugin_stage_snapshot(exports_wasmill_plugin_stage_columns_t *ret, plugin_string_t *err) {
    __builtin_memset(ret, 0, sizeof *ret);
    __builtin_memset(err, 0, sizeof *err);
    return true;
}

bool exports_wasmill_plugin_stage_restore(exports_wasmill_plugin_stage_columns_t *entries, plugin_string_t *err) {
    (void)entries;
    begin();
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
