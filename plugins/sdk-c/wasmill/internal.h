/** What the files of the SDK share. A plugin needs none of it: `wasmill.h` is what it includes. */
#ifndef WASMILL_INTERNAL_H
#define WASMILL_INTERNAL_H

#include "wasmill.h"

#include <stdarg.h>

/* memory.c */

/** Makes ready for a call: gives back what the one before had, except what `plugin_init` keeps. Idempotent within a call. */
void wm_memory_begin(void);
/** The call is over; its memory stays until the next one begins, since the host still reads the answer. */
void wm_memory_end(void);
/** What is held now is kept for as long as the instance. */
void wm_memory_keep(void);
/** Memory that is not zeroed. */
void *wm_memory_get(size_t size);
/** More of the same: in place if nothing was got since. `old` may be NULL. */
void *wm_memory_grow(void *old, size_t old_size, size_t size);

/** Copies bytes; both pointers may be NULL where there are none. */
static inline void wm_copy(void *to, const void *from, size_t size) {
    if (size > 0) {
        __builtin_memcpy(to, from, size);
    }
}

/* format.c */

wm_str wm_format_list(const char *format, va_list arguments);
/** This call's error, a NULL `data` if there is none. */
wm_str wm_failure_take(void);

/* block.c */

typedef struct wm_node {
    uint32_t kind;
    uint32_t len;
    uint32_t children;
    /** Number of the node behind this one and all its children. */
    uint32_t next;
    /** Where the parts start; 0: no such part. */
    uint32_t validity;
    uint32_t offsets;
    uint32_t values;
} wm_node;

typedef struct wm_block {
    const uint8_t *bytes;
    uint32_t len;
    wm_node *nodes;
    uint32_t count;
} wm_block;

/**
 * Reads the nodes of a block. Checks that they, and the ends of their parts, are inside; what the parts hold is relied on: the
 * host promises it. False: it is no such block, and `wm_fail` was called.
 */
bool wm_block_open(wm_block *block, const uint8_t *bytes, size_t len);
/** Number of the node that is the column of that number; `block->count` if there are fewer. */
uint32_t wm_block_column(const wm_block *block, uint32_t column);

bool wm_block_is(const wm_block *block, uint32_t node, wm_kind kind);
wm_binary wm_block_binary(const wm_block *block, uint32_t node, wm_kind kind);
wm_text wm_block_text(const wm_block *block, uint32_t node);
wm_any wm_block_any(const wm_block *block, uint32_t node);
wm_attributes wm_block_attributes(const wm_block *block, uint32_t node);
wm_sequence wm_block_sequence(const wm_block *block, uint32_t node);
wm_boolean wm_block_boolean(const wm_block *block, uint32_t node);
wm_uint8 wm_block_uint8(const wm_block *block, uint32_t node);
wm_uint32 wm_block_uint32(const wm_block *block, uint32_t node);
wm_int32 wm_block_int32(const wm_block *block, uint32_t node);
wm_uint64 wm_block_uint64(const wm_block *block, uint32_t node);
wm_int64 wm_block_int64(const wm_block *block, uint32_t node);
wm_double wm_block_double(const wm_block *block, uint32_t node);
wm_id8 wm_block_id8(const wm_block *block, uint32_t node);
wm_id16 wm_block_id16(const wm_block *block, uint32_t node);

/* build.c */

/** Number of rows of the first column. */
uint32_t wm_builder_len(const wm_builder *builder);
/** A column of this one value. */
wm_builder *wm_builder_of(wm_value value);
/** The block: its bytes, valid as all memory of the call. */
wm_str wm_builder_finish(wm_builder *builder);

/* requirements.c */

enum { WM_SIGNALS = 3 };

/** A column that was asked for. */
typedef struct wm_wanted {
    const char *path;
    wm_kind kind;
    /** The kind that the view is of: a sequence where `kind` is that of its values. */
    wm_kind view;
    wm_text_form form;
} wm_wanted;

/** What is to be shown of a signal: numbers of columns, in the order in which they come. */
typedef struct wm_input {
    bool used;
    uint32_t *columns;
    uint32_t count;
} wm_input;

struct wm_requirements {
    wm_wanted *columns;
    uint32_t count;
    wm_input inputs[WM_SIGNALS];
    wm_strs *route_sets;
    uint32_t route_sets_count;
    bool uses_said;
    unsigned uses;
    unsigned also;
    wm_str *tables;
    uint32_t tables_count;
    uint32_t tick_ms;
    enum { WM_SCOPE_STATELESS, WM_SCOPE_KEYED, WM_SCOPE_SINGLE } scope;
    wm_str keyed_by;
    /** The signals that columns are asked for of. */
    unsigned current;
};

/** What it does, said or derived. */
unsigned wm_requirements_uses(const wm_requirements *needs);

struct wm_slice {
    /** 0 to 2, as in the contract. */
    uint32_t signal;
    uint32_t rows;
    wm_block block;
    const wm_requirements *needs;
    wm_groups groups;
};

/* groups.c */

/** Takes what the contract says of groups. False: it is not as it says, and `wm_fail` was called. */
bool wm_groups_open(wm_groups *groups, const uint8_t *bytes, size_t len, uint32_t rows);

/* emit.c */

typedef struct wm_field {
    wm_str path;
    wm_str block;
} wm_field;

struct wm_emission {
    /** 0 to 2, as in the contract. */
    uint8_t signal;
    uint32_t rows;
    /** One for each record; NULL: unchanged. */
    uint16_t *routes;
    wm_field *fields;
    uint32_t fields_count;
    uint32_t fields_room;
    wm_emission *next;
};

struct wm_emissions {
    wm_emission *first;
    uint32_t count;
};

/* lookup.c */

struct wm_columns {
    wm_block block;
};

struct wm_snapshot {
    wm_str *keys;
    wm_str *values;
    uint32_t count;
    uint32_t room;
};

/** Keys and values as they cross. */
wm_str wm_snapshot_finish(const wm_snapshot *snapshot);
/** The same back. False: it is no snapshot, and `wm_fail` was called. */
bool wm_snapshot_open(const uint8_t *bytes, size_t len, wm_binary *keys, wm_binary *values);

/* verdict.c */

typedef enum wm_change { WM_CHANGE_REMOVE, WM_CHANGE_SET, WM_CHANGE_MERGE } wm_change;

typedef struct wm_edit {
    wm_str path;
    /** `bytes` are bits for a bitmap, else each a u32. */
    struct {
        enum { WM_TARGET_ALL, WM_TARGET_ROWS, WM_TARGET_INDICES, WM_TARGET_ENTRIES } kind;
        wm_str bytes;
    } target;
    wm_change change;
    wm_str block;
} wm_edit;

struct wm_verdict {
    uint32_t rows;
    /** All, where there are no words. */
    wm_bitmap keep;
    /** One for each row; NULL: unchanged. */
    uint16_t *routes;
    wm_edit *edits;
    uint32_t edits_count;
    uint32_t edits_room;
    /** What is said of the slice's groups, as `keep` and `routes` of rows. `group_routes` is not beside `routes`. */
    wm_groups groups;
    wm_bitmap keep_groups;
    uint16_t *group_routes;
    wm_emissions out;
};

/** Makes of what is kept of groups something kept of rows, where both are said. */
void wm_verdict_settle(wm_verdict *verdict);

/** Makes ready for a slice. */
void wm_verdict_begin(wm_verdict *verdict, uint32_t rows);

#endif
