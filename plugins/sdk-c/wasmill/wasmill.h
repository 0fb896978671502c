/**
 * Write a Wasmill plugin in C or C++.
 *
 * A plugin is a step of the gateway's pipeline. It says once which columns it needs, is shown these for thousands of rows
 * at a time, and answers with a decision: which rows stay, which values change, which route rows take. The rows themselves
 * stay in the host, so a decision costs nanoseconds a row.
 *
 *     static wm_text_column route;
 *
 *     void plugin_init(const wm_json *config, wm_requirements *needs) {
 *         wm_config_no_keys(config);
 *         wm_signals(needs, WM_TRACES);
 *         route = wm_want_text(needs, "attributes[\"http.route\"]");
 *     }
 *
 *     void plugin_process(const wm_slice *slice, wm_verdict *verdict) {
 *         wm_text routes = wm_text_view(slice, route);
 *         wm_bitmap health = wm_text_equals(&routes, WM_STR("/healthz"));
 *         wm_drop(verdict, &health);
 *     }
 *
 * Memory: what the SDK gives, and what `wm_alloc` gives, is never freed by hand. What comes from within `plugin_init` stays
 * as long as the instance, what comes from within `plugin_process` until that call has ended. `malloc` and `free` are there
 * beside it, for what is to live longer.
 *
 * Errors: `wm_fail` makes the call that it is in an error; the first message counts. Functions that read the configuration
 * call it for you and give something empty, so nothing has to be checked after each of them.
 *
 * One instance has one thread. Several instances run at once, and each is dropped and made anew at any time: keep nothing
 * from call to call but caches.
 */
#ifndef WASMILL_H
#define WASMILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Text ------------------------------------------------------------------------------------------------------- */

/** Some bytes, usually UTF-8, that somebody else owns. There is no zero behind them: print with `%.*s` and `WM_FMT`. */
typedef struct wm_str {
    const char *data;
    size_t len;
} wm_str;

/** A literal as a `wm_str`. */
#define WM_STR(literal) wm_str_from((literal), sizeof(literal) - 1)

/** The two arguments of a `%.*s`. */
#define WM_FMT(text) (int)(text).len, (text).data

static inline wm_str wm_str_from(const char *data, size_t len) {
    wm_str text;
    text.data = data;
    text.len = len;
    return text;
}

/** Text that ends with a zero. */
static inline wm_str wm_str_of(const char *text) { return wm_str_from(text, __builtin_strlen(text)); }

static inline bool wm_str_equal(wm_str a, wm_str b) {
    return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.data, b.data, a.len) == 0);
}

/** Several texts. */
typedef struct wm_strs {
    const wm_str *items;
    size_t count;
} wm_strs;

/** Where `text` is in `list`; `list.count` if it is not. */
size_t wm_strs_find(wm_strs list, wm_str text);

/* ---- Memory and errors ------------------------------------------------------------------------------------------ */

/**
 * Zeroed memory for `count` items of `size` bytes, aligned for every type. It lasts as said at the top of this file. There is
 * always a pointer: where the host gives no more memory, the call ends as a fault.
 */
void *wm_alloc(size_t count, size_t size);

/** `wm_alloc` for `count` of a type. */
#define WM_NEW(type, count) ((type *)wm_alloc((count), sizeof(type)))

/**
 * Formatted text. Of `printf`'s conversions there are `%s %.*s %c %d %i %u %x %zu %ld %lu %lld %llu %f %.Nf %%`; the text has a
 * zero behind it, which `len` does not count.
 */
wm_str wm_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * Makes this call of a function of the plugin an error. The call goes on: return after it. Lowercase, without
 * a full stop: which key or value, what was found, what was expected. Called again within a call, it does nothing.
 */
void wm_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Whether this call is an error already. */
bool wm_failed(void);

/* ---- Configuration ---------------------------------------------------------------------------------------------- */

typedef enum wm_json_kind {
    WM_JSON_NULL,
    WM_JSON_BOOLEAN,
    WM_JSON_NUMBER,
    WM_JSON_STRING,
    WM_JSON_LIST,
    WM_JSON_OBJECT
} wm_json_kind;

/** A value of the stage's `config:` block. */
typedef struct wm_json wm_json;
struct wm_json {
    wm_json_kind kind;
    bool boolean;
    /** A number that is an integer and fits, and then `number` is the nearest double. */
    bool is_integer;
    int64_t integer;
    double number;
    /** A string, its escapes resolved. */
    wm_str string;
    /** Elements of a list; values of an object, in order. */
    const wm_json *items;
    /** Keys of an object, `count` of them. */
    const wm_str *keys;
    size_t count;
};

/** Names and values. */
typedef struct wm_str_map {
    wm_strs keys;
    wm_strs values;
} wm_str_map;

/** Reads JSON text, strictly. NULL: it is none, and `wm_fail` was called with the reason. */
const wm_json *wm_json_read(wm_str text);

/** The value of an object's key; NULL: it has no such key, or is no object. */
const wm_json *wm_json_get(const wm_json *object, const char *key);

/** What a value is, for a message: `a list`, `nothing` for NULL. */
const char *wm_json_name(const wm_json *value);

/** Fails where the configuration has a key that is none of these `count`, so that a typing error is found when the gateway starts. */
void wm_config_keys(const wm_json *config, const char *const *known, size_t count);

/** Fails where the configuration has any key. */
void wm_config_no_keys(const wm_json *config);

/**
 * What a key of the configuration has, of that type. A key that is missing or of another type is an error that says so. Ask
 * `wm_config_has` first for a key that may be missing.
 */
bool wm_config_has(const wm_json *config, const char *key);
wm_str wm_config_str(const wm_json *config, const char *key);
wm_strs wm_config_strs(const wm_json *config, const char *key);
wm_str_map wm_config_str_map(const wm_json *config, const char *key);
int64_t wm_config_int(const wm_json *config, const char *key);
double wm_config_double(const wm_json *config, const char *key);
bool wm_config_bool(const wm_json *config, const char *key);
/** Of any type; NULL where it is missing, which is an error. */
const wm_json *wm_config_value(const wm_json *config, const char *key);

/** The same, with a value for where the key is missing. */
wm_str wm_config_str_or(const wm_json *config, const char *key, wm_str otherwise);
wm_strs wm_config_strs_or(const wm_json *config, const char *key, wm_strs otherwise);
int64_t wm_config_int_or(const wm_json *config, const char *key, int64_t otherwise);
double wm_config_double_or(const wm_json *config, const char *key, double otherwise);
bool wm_config_bool_or(const wm_json *config, const char *key, bool otherwise);

/* ---- Bitmaps ---------------------------------------------------------------------------------------------------- */

/** Which rows. Bits from `len` on are 0. */
typedef struct wm_bitmap {
    uint64_t *words;
    uint32_t len;
} wm_bitmap;

/** A bitmap as it lies in a block; as a column's validity, `bytes` NULL means: every row has a value. */
typedef struct wm_bits {
    const uint8_t *bytes;
    uint32_t len;
} wm_bits;

static inline bool wm_bits_get(wm_bits bits, uint32_t row) {
    return row < bits.len && (bits.bytes == NULL || (bits.bytes[row / 8] >> (row % 8) & 1));
}

/** No row of `len`. */
wm_bitmap wm_bitmap_none(uint32_t len);
/** Every row of `len`. */
wm_bitmap wm_bitmap_all(uint32_t len);
/** A bitmap of one's own. */
wm_bitmap wm_bitmap_copy(const wm_bitmap *bitmap);
wm_bitmap wm_bitmap_from_bits(wm_bits bits);

/** Whether the bit is set; false behind the end. */
static inline bool wm_bitmap_get(const wm_bitmap *bitmap, uint32_t row) {
    return row < bitmap->len && (bitmap->words[row / 64] >> (row % 64) & 1);
}

/** Sets or clears a bit; nothing behind the end. */
static inline void wm_bitmap_set(wm_bitmap *bitmap, uint32_t row, bool wanted) {
    if (row < bitmap->len) {
        uint64_t bit = (uint64_t)1 << (row % 64);
        bitmap->words[row / 64] = (bitmap->words[row / 64] & ~bit) | (wanted ? bit : 0);
    }
}

/**
 * Fills a bitmap with what an expression says of each row, 64 rows a step: quicker than `wm_bitmap_set` in a loop.
 *
 *     wm_bitmap slow = wm_bitmap_none(wm_slice_rows(slice));
 *     WM_BITMAP_FILL(slow, row, wm_int64_raw(&duration, row) > limit);
 *     wm_bitmap_and_bits(&slow, duration.validity);
 */
#define WM_BITMAP_FILL(bitmap, row, expression)                                                     \
    for (uint32_t wm_start = 0; wm_start < (bitmap).len; wm_start += 64) {                           \
        uint32_t wm_end = (bitmap).len - wm_start < 64 ? (bitmap).len - wm_start : 64;               \
        uint64_t wm_word = 0;                                                                        \
        for (uint32_t wm_bit = 0; wm_bit < wm_end; wm_bit++) {                                       \
            uint32_t row = wm_start + wm_bit;                                                        \
            wm_word |= (uint64_t)((expression) ? 1 : 0) << wm_bit;                                   \
        }                                                                                            \
        (bitmap).words[wm_start / 64] = wm_word;                                                     \
    }

/** Number of set bits. */
uint32_t wm_bitmap_count(const wm_bitmap *bitmap);
/** Keeps what is in both. Bits that `other` is too short for are taken as 0, here and below. */
void wm_bitmap_and(wm_bitmap *bitmap, const wm_bitmap *other);
void wm_bitmap_or(wm_bitmap *bitmap, const wm_bitmap *other);
/** Takes out what is in `other`. */
void wm_bitmap_and_not(wm_bitmap *bitmap, const wm_bitmap *other);
/** Swaps set and clear. */
void wm_bitmap_not(wm_bitmap *bitmap);
/** Keeps the rows that have a value: the validity of a column. */
void wm_bitmap_and_bits(wm_bitmap *bitmap, wm_bits bits);
/** The first set bit from `row` on; `bitmap->len` if there is none. */
uint32_t wm_bitmap_next(const wm_bitmap *bitmap, uint32_t row);

/** A loop over the set bits, ascending: `WM_EACH(row, &bitmap) { … }`. */
#define WM_EACH(row, bitmap)                                                                        \
    for (uint32_t row = wm_bitmap_next((bitmap), 0); row < (bitmap)->len; row = wm_bitmap_next((bitmap), row + 1))

/* ---- Requirements ----------------------------------------------------------------------------------------------- */

/** What rows are: spans, data points, log records. */
typedef enum wm_signal { WM_TRACES = 1, WM_METRICS = 2, WM_LOGS = 4, WM_ALL_SIGNALS = 7 } wm_signal;

/** How text comes. */
typedef enum wm_text_form {
    WM_PLAIN,
    WM_DICTIONARY,
    /** Whichever costs the host less; it may differ from call to call. */
    WM_EITHER
} wm_text_form;

/** What a plugin does with rows, to be added up. The host refuses a verdict that does something else. */
typedef enum wm_use {
    WM_KEEP = 1,
    WM_ROUTES = 2,
    WM_EDITS = 4,
    /** It keeps or routes whole groups. Follows from asking for a column `group.…`, too. */
    WM_GROUPS = 8,
    /** It makes new records. */
    WM_EMIT = 16,
    /** It calls `wm_state_get`, `wm_state_put` or `wm_state_add`. */
    WM_STATE = 32
} wm_use;

/** What a plugin needs, said once in `plugin_init`. */
typedef struct wm_requirements wm_requirements;

/**
 * The plugin can be used on these signals: `WM_TRACES | WM_LOGS`. Columns asked for from here on are columns of each of them;
 * say it again to ask for columns of fewer.
 */
void wm_signals(wm_requirements *needs, unsigned signals);

/**
 * Says that the plugin does this alone. Without it, it may keep, edit, route where it declared route sets, and decide by group where it
 * asked for a column `group.…`. Whether it is flushed, and gives snapshots, follows from its defining the functions.
 */
void wm_uses(wm_requirements *needs, unsigned uses);
/** Says that the plugin does this, besides what it does without saying so: `WM_GROUPS`, `WM_EMIT`, `WM_STATE`. */
void wm_also(wm_requirements *needs, unsigned uses);

/** Says that the plugin asks this lookup table; one that the stage's `tables:` has not is refused. */
void wm_want_table(wm_requirements *needs, const char *table);

/** Has `plugin_tick` called at this interval at most. */
void wm_tick_every(wm_requirements *needs, uint32_t milliseconds);

/**
 * Rows with equal values at this path always come to the same instance, so that it can keep something about them from call to call. An
 * instance has the rows of many values.
 */
void wm_keyed(wm_requirements *needs, const char *path);
/** There is one instance for all rows of the stage. */
void wm_single(wm_requirements *needs);

/** One of the route sets that a plugin declared. */
typedef struct wm_route_set {
    uint16_t number;
} wm_route_set;

/** What a row without a route of this plugin has in an array of routes. */
#define WM_ROUTE_UNCHANGED ((uint16_t)65535)

/** Declares a set of routes, by the names that the stage's `routes:` has. Rows that take it go to all of them. */
wm_route_set wm_want_routes(wm_requirements *needs, wm_strs names);

/** The set of this one name, which is declared when it is first asked for. */
wm_route_set wm_want_route(wm_requirements *needs, wm_str name);

/** A name as an element of a path, in quotes: `wm_path("attributes", key)` is `attributes["key"]`. It ends with a zero. */
const char *wm_path(const char *map, wm_str key);

/**
 * For each type that a column can be had as: a handle, how to ask for it, and how to see it in a slice.
 *
 * `path` is as in the Collector's transformation language (OTTL): `name`, `attributes["k"]`, `resource.attributes["service.name"]`. An
 * attribute that is asked for as a type has no value in rows where it is of another; ask for `any` to see all. A view of a
 * column that was not asked for of the slice's signal has no rows, and the call becomes an error.
 */
#define WM_COLUMN(name)                                                                             \
    typedef struct wm_##name##_column {                                                             \
        uint32_t number;                                                                            \
    } wm_##name##_column;                                                                           \
    wm_##name##_column wm_want_##name(wm_requirements *needs, const char *path);                     \
    wm_##name wm_##name##_view(const wm_slice *slice, wm_##name##_column column);

/** Some rows of a batch, as the columns that were asked for. A request may come in several slices. */
typedef struct wm_slice wm_slice;

/** `WM_TRACES`, `WM_METRICS` or `WM_LOGS`. */
wm_signal wm_slice_signal(const wm_slice *slice);

/** Number of rows, at least 1. */
uint32_t wm_slice_rows(const wm_slice *slice);

/* ---- Columns of a fixed width ----------------------------------------------------------------------------------- */

/**
 * For each number: a view; whether a row has a value; what lies at a row of the view (`raw`, row < len), whether it counts or not;
 * and the value of a row, false where it has none and behind the end.
 */
#define WM_FIXED(name, type)                                                                        \
    typedef struct wm_##name {                                                                      \
        const uint8_t *values;                                                                      \
        wm_bits validity;                                                                           \
        uint32_t len;                                                                               \
    } wm_##name;                                                                                    \
    static inline bool wm_##name##_valid(const wm_##name *column, uint32_t row) {                    \
        return wm_bits_get(column->validity, row);                                                  \
    }                                                                                               \
    static inline type wm_##name##_raw(const wm_##name *column, uint32_t row) {                      \
        type value;                                                                                 \
        __builtin_memcpy(&value, column->values + (size_t)row * sizeof(type), sizeof(type));         \
        return value;                                                                               \
    }                                                                                               \
    static inline bool wm_##name##_get(const wm_##name *column, uint32_t row, type *value) {         \
        bool valid = wm_##name##_valid(column, row);                                                \
        if (valid) {                                                                                \
            *value = wm_##name##_raw(column, row);                                                  \
        }                                                                                           \
        return valid;                                                                               \
    }                                                                                               \
    WM_COLUMN(name)

/** Ids of spans and traces: 8 and 16 bytes, NULL where a row has none. */
#define WM_ID(name, width)                                                                          \
    typedef struct wm_##name {                                                                      \
        const uint8_t *values;                                                                      \
        wm_bits validity;                                                                           \
        uint32_t len;                                                                               \
    } wm_##name;                                                                                    \
    static inline const uint8_t *wm_##name##_get(const wm_##name *column, uint32_t row) {            \
        return wm_bits_get(column->validity, row) ? column->values + (size_t)row * (width) : NULL;   \
    }                                                                                               \
    WM_COLUMN(name)

WM_FIXED(uint8, uint8_t)
WM_FIXED(uint32, uint32_t)
WM_FIXED(int32, int32_t)
WM_FIXED(uint64, uint64_t)
WM_FIXED(int64, int64_t)
WM_FIXED(double, double)
WM_ID(id8, 8)
WM_ID(id16, 16)

/** A truth value for each row. */
typedef struct wm_boolean {
    wm_bits values;
    wm_bits validity;
    uint32_t len;
} wm_boolean;

static inline bool wm_boolean_valid(const wm_boolean *column, uint32_t row) { return wm_bits_get(column->validity, row); }

static inline bool wm_boolean_get(const wm_boolean *column, uint32_t row, bool *value) {
    bool valid = wm_boolean_valid(column, row);
    if (valid) {
        *value = wm_bits_get(column->values, row);
    }
    return valid;
}

/** The rows that are true. Rows without a value are not. */
wm_bitmap wm_boolean_true(const wm_boolean *column);

WM_COLUMN(boolean)

/* ---- Text and bytes --------------------------------------------------------------------------------------------- */

/** Bytes for each row. Lists and maps within `any` lie likewise, and are opaque. */
typedef struct wm_binary {
    /** `len + 1` of u32. */
    const uint8_t *offsets;
    const uint8_t *bytes;
    wm_bits validity;
    uint32_t len;
} wm_binary;

static inline uint32_t wm_u32_at(const uint8_t *values, uint32_t row) {
    uint32_t value;
    __builtin_memcpy(&value, values + (size_t)row * 4, 4);
    return value;
}

static inline bool wm_binary_valid(const wm_binary *column, uint32_t row) { return wm_bits_get(column->validity, row); }

/** What lies at a row of the column, whether it counts or not. */
static inline wm_str wm_binary_raw(const wm_binary *column, uint32_t row) {
    uint32_t start = wm_u32_at(column->offsets, row);
    return wm_str_from((const char *)column->bytes + start, wm_u32_at(column->offsets, row + 1) - start);
}

static inline bool wm_binary_get(const wm_binary *column, uint32_t row, wm_str *bytes) {
    bool valid = wm_binary_valid(column, row);
    if (valid) {
        *bytes = wm_binary_raw(column, row);
    }
    return valid;
}

WM_COLUMN(binary)

/**
 * Text for each row: plain, or as the number of a value in a dictionary. Both are seen alike: a row with a value has it at the
 * place `wm_text_place` among `distinct` ones, so that each of these is looked at once, however many rows have it.
 */
typedef struct wm_text {
    /** The dictionary, or the rows themselves. Values may repeat, and some may belong to no row. */
    wm_binary distinct;
    /** A u32 for each row; NULL: the text is plain. */
    const uint8_t *keys;
    wm_bits validity;
    uint32_t len;
} wm_text;

static inline bool wm_text_valid(const wm_text *column, uint32_t row) { return wm_bits_get(column->validity, row); }

/** Where the value of a row of the column is among the distinct ones. Without meaning where the row has no value. */
static inline uint32_t wm_text_place(const wm_text *column, uint32_t row) {
    return column->keys == NULL ? row : wm_u32_at(column->keys, row);
}

/** One of the `distinct.len` values. */
static inline wm_str wm_text_distinct(const wm_text *column, uint32_t place) { return wm_binary_raw(&column->distinct, place); }

/** The row's text; false where it has none, and behind the end. */
static inline bool wm_text_get(const wm_text *column, uint32_t row, wm_str *text) {
    bool valid = wm_text_valid(column, row);
    if (valid) {
        *text = wm_text_distinct(column, wm_text_place(column, row));
    }
    return valid;
}

/**
 * The rows whose text is as `wanted` says, asked once for each value of the dictionary where there is one. Rows without a
 * value are not. Inline, so that `wanted` is, too: where text is plain it is asked for each row.
 */
__attribute__((always_inline)) static inline wm_bitmap wm_text_matches(
    const wm_text *column, bool (*wanted)(wm_str text, void *context), void *context) {
    wm_bitmap rows = wm_bitmap_none(column->len);
    if (column->keys == NULL) {
        WM_BITMAP_FILL(rows, row, wanted(wm_text_distinct(column, row), context));
    } else {
        // One more, so that there is a place to look at where the dictionary is empty: rows without a value have key 0.
        bool *table = WM_NEW(bool, (size_t)column->distinct.len + 1);
        bool found = false;
        for (uint32_t place = 0; place < column->distinct.len; place++) {
            table[place] = wanted(wm_text_distinct(column, place), context);
            found |= table[place];
        }
        if (found) {
            WM_BITMAP_FILL(rows, row, table[wm_u32_at(column->keys, row)]);
        }
    }
    wm_bitmap_and_bits(&rows, column->validity);
    return rows;
}

/** The rows with this text. */
wm_bitmap wm_text_equals(const wm_text *column, wm_str text);
/** The rows with one of these. */
wm_bitmap wm_text_in(const wm_text *column, wm_strs list);

/* ---- Values typed by row: attributes, bodies -------------------------------------------------------------------- */

typedef enum wm_any_kind {
    /** No such attribute, or field. In an edit: remove it. */
    WM_ABSENT,
    /** There is one, and its value has no type. */
    WM_EMPTY,
    WM_TEXT,
    WM_INT,
    WM_DOUBLE,
    WM_BOOLEAN,
    WM_BINARY,
    /** Opaque, to be handed back as they are. */
    WM_LIST_VALUE,
    WM_MAP_VALUE
} wm_any_kind;

/** One dynamically typed value. */
typedef struct wm_value {
    wm_any_kind kind;
    union {
        /** Text, binary, lists and maps. */
        wm_str text;
        int64_t integer;
        double number;
        bool boolean;
    };
} wm_value;

static inline wm_value wm_value_of(wm_any_kind kind) {
    wm_value value;
    value.kind = kind;
    value.text = wm_str_from(NULL, 0);
    return value;
}

static inline wm_value wm_text_value(wm_str text) {
    wm_value value = wm_value_of(WM_TEXT);
    value.text = text;
    return value;
}

static inline wm_value wm_int_value(int64_t integer) {
    wm_value value = wm_value_of(WM_INT);
    value.integer = integer;
    return value;
}

static inline wm_value wm_double_value(double number) {
    wm_value value = wm_value_of(WM_DOUBLE);
    value.number = number;
    return value;
}

static inline wm_value wm_boolean_value(bool boolean) {
    wm_value value = wm_value_of(WM_BOOLEAN);
    value.boolean = boolean;
    return value;
}

static inline wm_value wm_binary_value(wm_str bytes) {
    wm_value value = wm_value_of(WM_BINARY);
    value.text = bytes;
    return value;
}

/** A value of its own type for each row. */
typedef struct wm_any {
    /** A `wm_any_kind` for each row. */
    const uint8_t *kinds;
    /** A u32 for each row: its place in the child of its kind. */
    const uint8_t *places;
    uint32_t len;
    /** All values of a kind, for whoever looks at each once; without rows where no row is of that kind. */
    wm_text text;
    wm_int64 integer;
    wm_double number;
    wm_boolean boolean;
    wm_binary binary;
    wm_binary list;
    wm_binary map;
} wm_any;

/** The row's type; absent behind the end. */
static inline wm_any_kind wm_any_kind_at(const wm_any *column, uint32_t row) {
    return row < column->len ? (wm_any_kind)column->kinds[row] : WM_ABSENT;
}

/** The place of a row of the column in the child of its kind; without meaning where it is absent or empty. */
static inline uint32_t wm_any_place(const wm_any *column, uint32_t row) { return wm_u32_at(column->places, row); }

/** The row's value; absent behind the end. */
wm_value wm_any_get(const wm_any *column, uint32_t row);

/** The row's value if it is text. */
bool wm_any_text(const wm_any *column, uint32_t row, wm_str *text);

WM_COLUMN(text)
WM_COLUMN(any)

/* ---- Several values for each row -------------------------------------------------------------------------------- */

/** A set of attributes for each row, in the order in which they came; a key may repeat. */
typedef struct wm_attributes {
    /** `len + 1` of u32. */
    const uint8_t *offsets;
    wm_bits validity;
    uint32_t len;
    /** Those of all rows, one behind the other. */
    wm_text keys;
    wm_any values;
} wm_attributes;

/** Several values for each row: a field of its events, links or exemplars; a histogram's buckets. */
typedef struct wm_sequence {
    /** `len + 1` of u32. */
    const uint8_t *offsets;
    wm_bits validity;
    uint32_t len;
    const void *block;
    uint32_t child;
} wm_sequence;

/** Where the values of a row are. These are the numbers that an edit of single entries is about. */
typedef struct wm_range {
    uint32_t start;
    uint32_t end;
} wm_range;

static inline wm_range wm_range_at(const uint8_t *offsets, wm_bits validity, uint32_t row) {
    wm_range range = {0, 0};
    if (wm_bits_get(validity, row)) {
        range.start = wm_u32_at(offsets, row);
        range.end = wm_u32_at(offsets, row + 1);
    }
    return range;
}

/** The places of a row's entries in `keys` and `values`; none behind the end. */
static inline wm_range wm_attributes_range(const wm_attributes *column, uint32_t row) {
    return wm_range_at(column->offsets, column->validity, row);
}

/** The places of a row's values in the view that follows; none behind the end. */
static inline wm_range wm_sequence_range(const wm_sequence *column, uint32_t row) {
    return wm_range_at(column->offsets, column->validity, row);
}

/** The values of all rows, one behind the other. Of another kind than was asked for, there are none. */
wm_text wm_sequence_text(const wm_sequence *column);
wm_uint32 wm_sequence_uint32(const wm_sequence *column);
wm_uint64 wm_sequence_uint64(const wm_sequence *column);
wm_int64 wm_sequence_int64(const wm_sequence *column);
wm_double wm_sequence_double(const wm_sequence *column);
wm_id8 wm_sequence_id8(const wm_sequence *column);
wm_id16 wm_sequence_id16(const wm_sequence *column);
wm_any wm_sequence_any(const wm_sequence *column);
wm_attributes wm_sequence_attributes(const wm_sequence *column);

WM_COLUMN(attributes)

/** The number of a case of `kind` in the contract: what the values of a sequence are. */
typedef enum wm_kind {
    WM_KIND_BOOLEAN,
    WM_KIND_UINT8,
    WM_KIND_UINT32,
    WM_KIND_INT32,
    WM_KIND_UINT64,
    WM_KIND_INT64,
    WM_KIND_DOUBLE,
    WM_KIND_ID8,
    WM_KIND_ID16,
    WM_KIND_TEXT,
    WM_KIND_BINARY,
    WM_KIND_DICTIONARY,
    WM_KIND_ANY,
    WM_KIND_LIST_VALUE,
    WM_KIND_MAP_VALUE,
    WM_KIND_SEQUENCE,
    WM_KIND_ATTRIBUTES
} wm_kind;

typedef struct wm_sequence_column {
    uint32_t number;
} wm_sequence_column;

/** Asks for a field of inner records, `spanevent.name`, by the kind of its values. */
wm_sequence_column wm_want_sequence(wm_requirements *needs, const char *path, wm_kind values);
wm_sequence wm_sequence_view(const wm_slice *slice, wm_sequence_column column);

/** As `wm_want_text`, `wm_want_any` and `wm_want_attributes`, which take `WM_EITHER`, with a wish for how text comes. */
wm_text_column wm_want_text_as(wm_requirements *needs, const char *path, wm_text_form form);
wm_any_column wm_want_any_as(wm_requirements *needs, const char *path, wm_text_form form);
wm_attributes_column wm_want_attributes_as(wm_requirements *needs, const char *path, wm_text_form form);

/* ---- Groups ----------------------------------------------------------------------------------------------------- */

/**
 * Which rows of a slice belong together, in a stage with `group_by:`; elsewhere there are none. A group's rows follow each other.
 *
 * Facts about a group are columns with a value for each group instead of each row: `group.waited_ms`, a uint32, is how long its first row
 * waited; `group.reason`, a text, why it is decided now: `wait`, `full`, `rows` or `closed`.
 */
typedef struct wm_groups {
    /** `len + 1` of u32. */
    const uint8_t *starts;
    uint32_t len;
} wm_groups;

wm_groups wm_slice_groups(const wm_slice *slice);

/** The rows of a group; none behind the end. */
static inline wm_range wm_groups_range(const wm_groups *groups, uint32_t group) {
    wm_range range = {0, 0};
    if (group < groups->len) {
        range.start = wm_u32_at(groups->starts, group);
        range.end = wm_u32_at(groups->starts, group + 1);
    }
    return range;
}

/** The groups that have one of these rows. */
wm_bitmap wm_groups_any(const wm_groups *groups, const wm_bitmap *rows);
/** The rows of these groups. */
wm_bitmap wm_groups_expand(const wm_groups *groups, const wm_bitmap *wanted);

/* ---- New columns ------------------------------------------------------------------------------------------------ */

/** Makes a column for an edit. */
typedef struct wm_builder wm_builder;

wm_builder *wm_builder_new(void);

/**
 * Writes a column of `count` rows. `valid` says which rows have a value, NULL: all. Everything is copied.
 */
void wm_add_boolean(wm_builder *builder, const wm_bitmap *values, const wm_bitmap *valid);
void wm_add_uint8(wm_builder *builder, const uint8_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_uint32(wm_builder *builder, const uint32_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_int32(wm_builder *builder, const int32_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_uint64(wm_builder *builder, const uint64_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_int64(wm_builder *builder, const int64_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_double(wm_builder *builder, const double *values, uint32_t count, const wm_bitmap *valid);
/** Ids lie one behind the other, 8 or 16 bytes each. */
void wm_add_id8(wm_builder *builder, const uint8_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_id16(wm_builder *builder, const uint8_t *values, uint32_t count, const wm_bitmap *valid);
void wm_add_text(wm_builder *builder, const wm_str *values, uint32_t count, const wm_bitmap *valid);
void wm_add_binary(wm_builder *builder, const wm_str *values, uint32_t count, const wm_bitmap *valid);
/** Text as keys of a dictionary: each row's place in `distinct`. The keys of rows without a value are not looked at. */
void wm_add_dictionary(wm_builder *builder, const uint32_t *keys, uint32_t count, const wm_bitmap *valid, wm_strs distinct);
void wm_add_any(wm_builder *builder, const wm_value *values, uint32_t count);
/** A map for each row: row `r` has the entries from `offsets[r]` to before `offsets[r + 1]`, of `offsets[count]` in all. */
void wm_add_attributes(
    wm_builder *builder, const uint32_t *offsets, uint32_t count, const wm_str *keys, const wm_value *values);
/**
 * Several values for each row, `bucket_counts` say: row `r` has those from `offsets[r]` to before `offsets[r + 1]` of the column of
 * `offsets[count]` rows that is added next.
 */
void wm_add_sequence(wm_builder *builder, const uint32_t *offsets, uint32_t count);

/* ---- Verdict ---------------------------------------------------------------------------------------------------- */

/** What becomes of a slice. Untouched, it keeps all rows as they are. */
typedef struct wm_verdict wm_verdict;

/** Keeps these rows alone. Said twice, the rows that are in both stay. */
void wm_keep(wm_verdict *verdict, const wm_bitmap *rows);
/** Drops these rows. */
void wm_drop(wm_verdict *verdict, const wm_bitmap *rows);
/** Drops every row. */
void wm_drop_all(wm_verdict *verdict);

/** Sends these rows to the routes of the set. Said twice of a row, the later one counts. */
void wm_route(wm_verdict *verdict, const wm_bitmap *rows, wm_route_set set);
/** Sends every row to the routes of the set. */
void wm_route_all(wm_verdict *verdict, wm_route_set set);
/** The number of a set for each row of the slice, or `WM_ROUTE_UNCHANGED`. It takes the place of what was said before. */
void wm_route_rows(wm_verdict *verdict, const uint16_t *sets);

/**
 * Keeps these groups alone, whole: a bit for each group of the slice. Said twice, the groups that are in both stay; rows that `wm_keep` or
 * `wm_drop` take away are gone nonetheless.
 */
void wm_keep_groups(wm_verdict *verdict, const wm_bitmap *groups);
/** Drops these groups, whole. */
void wm_drop_groups(wm_verdict *verdict, const wm_bitmap *groups);
/** Sends all rows of these groups to the routes of the set. Said twice of a row, by groups or by rows, the later one counts. */
void wm_route_groups(wm_verdict *verdict, const wm_bitmap *groups, wm_route_set set);

/** Which rows, or entries, an edit is about. */
typedef struct wm_rows {
    enum { WM_ROWS_ALL, WM_ROWS_BITMAP, WM_ROWS_INDICES, WM_ROWS_ENTRIES } kind;
    const wm_bitmap *bitmap;
    const uint32_t *numbers;
    uint32_t count;
} wm_rows;

/** Every row of the slice. */
wm_rows wm_all_rows(void);
/** A bit for each row. */
wm_rows wm_these_rows(const wm_bitmap *rows);
/** Row numbers, in any order. */
wm_rows wm_row_numbers(const uint32_t *rows, uint32_t count);
/** Places in the attributes or sequence column that the edit's path was asked for as: single entries. */
wm_rows wm_entries(const uint32_t *places, uint32_t count);

/** Gives all these rows the same value. Absent removes. For a field of a fixed type other than these, see `wm_set_each`. */
void wm_set(wm_verdict *verdict, const char *path, wm_rows rows, wm_value value);
/**
 * Gives each of these rows a value of its own: one column with a value for each, in their order, or a single one for all. A row
 * without a value loses what it had.
 */
void wm_set_each(wm_verdict *verdict, const char *path, wm_rows rows, wm_builder *column);
/** Removes the attribute, or sets the field to its default. */
void wm_remove(wm_verdict *verdict, const char *path, wm_rows rows);
/**
 * Sets the entries of a map in each of these rows; other entries stay. `path` is a whole map: `attributes`. One `attributes` column:
 * a map for each row, or a single one for all.
 */
void wm_merge(wm_verdict *verdict, const char *path, wm_rows rows, wm_builder *maps);

/* ---- New records ------------------------------------------------------------------------------------------------ */

/** New records, in the making: of a verdict, a tick, a flush. The plugin says that it makes some: `wm_also(needs, WM_EMIT)`. */
typedef struct wm_emissions wm_emissions;

/** Some new records of one signal. Fields that are not set have their default. */
typedef struct wm_emission wm_emission;

/** The new records of a verdict, beside what becomes of the slice. */
wm_emissions *wm_verdict_emissions(wm_verdict *verdict);

/** Begins so many new records of a signal, at least one. They go where the stage's `emit_to:` says, unless they are routed. */
wm_emission *wm_emit(wm_emissions *out, wm_signal signal, uint32_t rows);
/** Gives all of them a field, the same value each. Paths are those of columns. For a field of another type, see `wm_emit_set_each`. */
void wm_emit_set(wm_emission *emission, const char *path, wm_value value);
/** Gives them a field: one column with a value for each, in order, or a single one for all. */
void wm_emit_set_each(wm_emission *emission, const char *path, wm_builder *column);
/** Says for each record which row's resource and scope it has. Only in `plugin_process`: elsewhere there are no rows. */
void wm_emit_source(wm_emission *emission, const uint32_t *rows);
/** Sends all of them to the routes of the set. */
void wm_emit_route(wm_emission *emission, wm_route_set set);
/** The number of a set for each record, or `WM_ROUTE_UNCHANGED`: where the stage's `emit_to:` says. */
void wm_emit_route_each(wm_emission *emission, const uint16_t *sets);

/* ---- The host --------------------------------------------------------------------------------------------------- */

typedef enum wm_level { WM_LOG_DEBUG, WM_LOG_INFO, WM_LOG_WARN, WM_LOG_ERROR } wm_level;

/** Why the host did not do it. Most plugins need not care. */
typedef enum wm_failure {
    WM_OK,
    /** Not for this plugin. */
    WM_DENIED,
    /** No such table, field or name. */
    WM_UNKNOWN,
    /** An argument is not what it must be. */
    WM_INVALID,
    /** Too many, too often or too large. */
    WM_LIMIT,
    /** Not now. */
    WM_UNAVAILABLE
} wm_failure;

/** A label of a metric. */
typedef struct wm_label {
    wm_str name;
    wm_str value;
} wm_label;

/** Writes a line to the gateway's log. Conversions are those of `wm_format`. */
wm_failure wm_log(wm_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Adds to a counter in the gateway's metrics. `add` is finite and not negative. */
wm_failure wm_counter(const char *name, const wm_label *labels, size_t count, double add);
/** Sets a gauge in the gateway's metrics. */
wm_failure wm_gauge(const char *name, const wm_label *labels, size_t count, double value);
/** Observes a value in a histogram in the gateway's metrics. */
wm_failure wm_histogram(const char *name, const wm_label *labels, size_t count, double value);
/** Nanoseconds since 1970. */
wm_failure wm_clock(uint64_t *nanoseconds);

/** What a failure is called: for a message. */
const char *wm_failure_name(wm_failure failure);

/** Columns that a table answered with: one for each field that was asked for, in order, valid as all memory of the call. */
typedef struct wm_columns wm_columns;

/**
 * Asks a table of the stage's `tables:` for all keys at once: `keys` is one column, and the answer has a row for each, with no value where
 * the table has none. `found` is NULL where there is a failure.
 */
wm_failure wm_lookup(const char *table, wm_builder *keys, const char *const *fields, size_t count, const wm_columns **found);

/** A column of that number. Of another kind, and where there are fewer, it has no rows. */
wm_text wm_columns_text(const wm_columns *columns, uint32_t column);
wm_boolean wm_columns_boolean(const wm_columns *columns, uint32_t column);
wm_int64 wm_columns_int64(const wm_columns *columns, uint32_t column);
wm_double wm_columns_double(const wm_columns *columns, uint32_t column);
wm_binary wm_columns_binary(const wm_columns *columns, uint32_t column);
wm_any wm_columns_any(const wm_columns *columns, uint32_t column);

/**
 * What the host keeps for each key; no value where there is none. The host's state outlives the instance, and is the same for all of them.
 * The plugin says that it calls this and the next two: `wm_also(needs, WM_STATE)`. Keys, and values, are one column each.
 */
wm_failure wm_state_get(wm_builder *keys, wm_binary *values);
/** Keeps a value of bytes for each key; one without a value forgets the key. It is forgotten when its time is over; 0: when the host needs the room. */
wm_failure wm_state_put(wm_builder *keys, wm_builder *values, uint32_t ttl_ms);
/** Adds an int64 to each key, as one step for each, and gives the sums. A key that is not there counts as 0. */
wm_failure wm_state_add(wm_builder *keys, wm_builder *deltas, uint32_t ttl_ms, wm_int64 *sums);

/* ---- What a plugin defines -------------------------------------------------------------------------------------- */

/**
 * Called once for each instance. Says in `needs` on which signals the plugin can be used and which columns it is to be shown. All
 * instances of one config must say the same. `config` is an object, empty where the stage has no `config:`.
 */
void plugin_init(const wm_json *config, wm_requirements *needs);

/** Decides about a slice. An error refuses the slice as a whole; the instance goes on. */
void plugin_process(const wm_slice *slice, wm_verdict *verdict);

/* The following a plugin defines where it needs them: one that it does not define is not called. */

/**
 * Time has passed: called at the interval that `wm_tick_every` asked for, at times that depend on load. `now` is in nanoseconds since 1970,
 * and may go back when the system's clock is set. An error is logged and counted.
 */
void plugin_tick(uint64_t now, wm_emissions *out) __attribute__((weak));

/**
 * The instance is about to go, after its last slice and not after a fault: the moment to count or log what it gathered, or to make records
 * of it. An error is logged and counted.
 */
void plugin_flush(wm_emissions *out) __attribute__((weak));

/** What a plugin holds from call to call, for the one that takes its place. */
typedef struct wm_snapshot wm_snapshot;

/** Adds a piece. The key is the value at the path that instances are keyed by, and whatever it likes where there is a single one. Both are copied. */
void wm_snapshot_add(wm_snapshot *snapshot, wm_str key, wm_str value);

/** Says what it holds. An error: that is lost, or it stays in its place, as the operator configured. */
void plugin_snapshot(wm_snapshot *out) __attribute__((weak));

/**
 * Called once after `plugin_init` and before the first slice, with what an older plugin's `plugin_snapshot` gave, which may be of another
 * version of it: as many values as keys. What is to be kept is copied to memory of `malloc`. An error refuses the new plugin: the old one
 * serves on.
 */
void plugin_restore(const wm_binary *keys, const wm_binary *values) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#endif
