/** The stage's configuration: a reader of JSON (RFC 8259), strict, and what a plugin asks of the outermost object. */
#include "internal.h"

/** Lists and objects within one another. The reader calls itself for each, and the stack ends somewhere. */
enum { DEPTH_MAX = 64 };

/** Room for this many elements at first. */
enum { ITEMS_FIRST = 4 };

typedef struct reader {
    const char *at;
    const char *end;
    const char *start;
} reader;

static bool read_value(reader *in, wm_json *value, int depth);

static bool refuse(const reader *in, const char *expected) {
    size_t byte = (size_t)(in->at - in->start) + 1;
    if (in->at == in->end) {
        wm_fail("`config` is not JSON: expected %s, found the end of the text at byte %zu", expected, byte);
    } else if ((unsigned char)*in->at < 0x20 || (unsigned char)*in->at >= 0x7f) {
        wm_fail("`config` is not JSON: expected %s, found 0x%x at byte %zu", expected, (unsigned char)*in->at, byte);
    } else {
        wm_fail("`config` is not JSON: expected %s, found `%c` at byte %zu", expected, *in->at, byte);
    }
    return false;
}

static void skip_space(reader *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r')) {
        in->at++;
    }
}

static bool next_is(reader *in, char wanted) {
    skip_space(in);
    if (in->at < in->end && *in->at == wanted) {
        in->at++;
        return true;
    }
    return false;
}

static bool is_digit(const reader *in) { return in->at < in->end && *in->at >= '0' && *in->at <= '9'; }

static bool read_word(reader *in, const char *word) {
    for (; *word != 0; word++, in->at++) {
        if (in->at == in->end || *in->at != *word) {
            return refuse(in, "a value");
        }
    }
    return true;
}

static double scaled(double number, int64_t exponent) {
    // Ten to the powers of two, so that a large exponent takes few steps, each of which rounds.
    static const double powers[] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};
    bool up = exponent > 0;
    uint64_t left = up ? (uint64_t)exponent : (uint64_t)-exponent;
    // Beyond this, what is no zero is infinite, or zero.
    left = left > 800 ? 800 : left;
    while (left >= 512) {
        number = up ? number * 1e256 : number / 1e256;
        left -= 256;
    }
    for (int bit = 8; bit >= 0; bit--) {
        if (left >> bit & 1) {
            number = up ? number * powers[bit] : number / powers[bit];
        }
    }
    return number;
}

/**
 * Numbers of up to 15 digits and with an exponent of up to 22 are the nearest double, others within a few units of the last
 * place: a configuration has no need for more, and exact conversion takes arithmetic without limits.
 */
static bool read_number(reader *in, wm_json *value) {
    bool negative = *in->at == '-';
    in->at += negative;
    if (!is_digit(in)) {
        return refuse(in, "a digit");
    }
    uint64_t digits = 0;
    int64_t exponent = 0;
    bool exact = true;
    bool leading_zero = *in->at == '0';
    const char *from = in->at;
    for (; is_digit(in); in->at++) {
        uint64_t digit = (uint64_t)(*in->at - '0');
        if (digits <= (UINT64_MAX - digit) / 10 && exact) {
            digits = digits * 10 + digit;
        } else {
            exact = false;
            exponent++;
        }
    }
    if (leading_zero && in->at - from > 1) {
        in->at = from + 1;
        return refuse(in, "no digit behind a leading zero");
    }
    bool integer = true;
    if (in->at < in->end && *in->at == '.') {
        integer = false;
        in->at++;
        if (!is_digit(in)) {
            return refuse(in, "a digit");
        }
        for (; is_digit(in); in->at++) {
            uint64_t digit = (uint64_t)(*in->at - '0');
            if (digits <= (UINT64_MAX - digit) / 10 && exact) {
                digits = digits * 10 + digit;
                exponent--;
            } else {
                exact = false;
            }
        }
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        integer = false;
        in->at++;
        bool down = in->at < in->end && *in->at == '-';
        if (in->at < in->end && (*in->at == '-' || *in->at == '+')) {
            in->at++;
        }
        if (!is_digit(in)) {
            return refuse(in, "a digit");
        }
        int64_t said = 0;
        for (; is_digit(in); in->at++) {
            said = said < 1000000 ? said * 10 + (*in->at - '0') : said;
        }
        exponent += down ? -said : said;
    }
    value->kind = WM_JSON_NUMBER;
    value->number = digits == 0 ? 0 : scaled((double)digits, exponent);
    value->number = negative ? -value->number : value->number;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (integer && exact && digits <= limit) {
        value->is_integer = true;
        value->integer = negative ? (int64_t)(0 - digits) : (int64_t)digits;
    }
    return true;
}

static bool read_hex(reader *in, uint32_t *unit) {
    *unit = 0;
    for (int digit = 0; digit < 4; digit++, in->at++) {
        char c = in->at < in->end ? *in->at : 0;
        if (c >= '0' && c <= '9') {
            *unit = *unit * 16 + (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            *unit = *unit * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return refuse(in, "four hexadecimal digits");
        }
    }
    return true;
}

static char *put_utf8(char *to, uint32_t point) {
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    } else {
        *to++ = (char)(0xf0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3f));
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    }
    return to;
}

/** Reads what is behind `\u`: a code point of one unit, or of two. */
static bool read_point(reader *in, uint32_t *point) {
    const char *from = in->at;
    if (!read_hex(in, point)) {
        return false;
    }
    if (*point < 0xd800 || *point > 0xdfff) {
        return true;
    }
    uint32_t low;
    if (*point < 0xdc00 && in->end - in->at >= 2 && in->at[0] == '\\' && in->at[1] == 'u') {
        in->at += 2;
        if (!read_hex(in, &low)) {
            return false;
        }
        if (low >= 0xdc00 && low <= 0xdfff) {
            *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
            return true;
        }
    }
    in->at = from;
    return refuse(in, "a pair of surrogates");
}

/** Reads a string behind its first quote. The text has been checked by the host to be UTF-8. */
static bool read_string(reader *in, wm_str *text) {
    const char *from = in->at;
    bool escaped = false;
    while (in->at < in->end && *in->at != '"') {
        if ((unsigned char)*in->at < 0x20) {
            return refuse(in, "no control character in a string");
        }
        if (*in->at == '\\') {
            escaped = true;
            in->at++;
            if (in->at == in->end) {
                break;
            }
        }
        in->at++;
    }
    if (in->at == in->end) {
        return refuse(in, "`\"`");
    }
    const char *end = in->at;
    if (!escaped) {
        *text = wm_str_from(from, (size_t)(end - from));
        in->at = end + 1;
        return true;
    }
    // An escape is never shorter than what it stands for.
    char *data = (char *)wm_memory_get((size_t)(end - from));
    char *to = data;
    in->at = from;
    while (in->at < end) {
        if (*in->at != '\\') {
            *to++ = *in->at++;
            continue;
        }
        in->at++;
        switch (*in->at) {
        case '"':
        case '\\':
        case '/':
            *to++ = *in->at++;
            break;
        case 'b':
            *to++ = '\b';
            in->at++;
            break;
        case 'f':
            *to++ = '\f';
            in->at++;
            break;
        case 'n':
            *to++ = '\n';
            in->at++;
            break;
        case 'r':
            *to++ = '\r';
            in->at++;
            break;
        case 't':
            *to++ = '\t';
            in->at++;
            break;
        case 'u': {
            uint32_t point;
            in->at++;
            if (!read_point(in, &point)) {
                return false;
            }
            to = put_utf8(to, point);
            break;
        }
        default:
            return refuse(in, "an escape");
        }
    }
    *text = wm_str_from(data, (size_t)(to - data));
    in->at = end + 1;
    return true;
}

/** Makes room for one more element behind `count` of them. */
static void *room_for(void *items, size_t count, size_t *room, size_t size) {
    if (count < *room) {
        return items;
    }
    size_t wanted = *room == 0 ? ITEMS_FIRST : *room * 2;
    items = wm_memory_grow(items, *room * size, wanted * size);
    *room = wanted;
    return items;
}

static bool read_list(reader *in, wm_json *value, int depth) {
    wm_json *items = NULL;
    size_t count = 0, room = 0;
    value->kind = WM_JSON_LIST;
    if (!next_is(in, ']')) {
        do {
            items = (wm_json *)room_for(items, count, &room, sizeof(wm_json));
            if (!read_value(in, &items[count++], depth)) {
                return false;
            }
        } while (next_is(in, ','));
        if (!next_is(in, ']')) {
            return refuse(in, "`,` or `]`");
        }
    }
    value->items = items;
    value->count = count;
    return true;
}

static bool read_object(reader *in, wm_json *value, int depth) {
    wm_json *items = NULL;
    wm_str *keys = NULL;
    size_t count = 0, items_room = 0, keys_room = 0;
    value->kind = WM_JSON_OBJECT;
    if (!next_is(in, '}')) {
        do {
            wm_str key;
            if (!next_is(in, '"')) {
                return refuse(in, "a key in quotes");
            }
            if (!read_string(in, &key)) {
                return false;
            }
            wm_strs before = {keys, count};
            if (wm_strs_find(before, key) < count) {
                wm_fail("`%.*s`: expected once, found twice", WM_FMT(key));
                return false;
            }
            if (!next_is(in, ':')) {
                return refuse(in, "`:`");
            }
            keys = (wm_str *)room_for(keys, count, &keys_room, sizeof(wm_str));
            items = (wm_json *)room_for(items, count, &items_room, sizeof(wm_json));
            keys[count] = key;
            if (!read_value(in, &items[count++], depth)) {
                return false;
            }
        } while (next_is(in, ','));
        if (!next_is(in, '}')) {
            return refuse(in, "`,` or `}`");
        }
    }
    value->keys = keys;
    value->items = items;
    value->count = count;
    return true;
}

static bool read_value(reader *in, wm_json *value, int depth) {
    static const wm_json nothing;
    *value = nothing;
    skip_space(in);
    if (in->at == in->end) {
        return refuse(in, "a value");
    }
    if (depth == DEPTH_MAX && (*in->at == '{' || *in->at == '[')) {
        wm_fail("`config`: expected at most %d lists and objects within one another, found more", DEPTH_MAX);
        return false;
    }
    switch (*in->at) {
    case '{':
        in->at++;
        return read_object(in, value, depth + 1);
    case '[':
        in->at++;
        return read_list(in, value, depth + 1);
    case '"':
        in->at++;
        value->kind = WM_JSON_STRING;
        return read_string(in, &value->string);
    case 't':
    case 'f':
        value->kind = WM_JSON_BOOLEAN;
        value->boolean = *in->at == 't';
        return read_word(in, value->boolean ? "true" : "false");
    case 'n':
        return read_word(in, "null");
    default:
        return *in->at == '-' || is_digit(in) ? read_number(in, value) : refuse(in, "a value");
    }
}

const wm_json *wm_json_read(wm_str text) {
    reader in = {text.data, text.data + text.len, text.data};
    wm_json *value = WM_NEW(wm_json, 1);
    if (!read_value(&in, value, 0)) {
        return NULL;
    }
    skip_space(&in);
    if (in.at != in.end) {
        refuse(&in, "the end of the text");
        return NULL;
    }
    return value;
}

const wm_json *wm_json_get(const wm_json *object, const char *key) {
    if (object == NULL || object->kind != WM_JSON_OBJECT) {
        return NULL;
    }
    wm_strs keys = {object->keys, object->count};
    size_t at = wm_strs_find(keys, wm_str_of(key));
    return at < object->count ? &object->items[at] : NULL;
}

const char *wm_json_name(const wm_json *value) {
    static const char *const names[] = {"null", "a boolean", "a number", "a string", "a list", "an object"};
    return value == NULL ? "nothing" : names[value->kind];
}

void wm_config_keys(const wm_json *config, const char *const *known, size_t count) {
    for (size_t at = 0; at < config->count && config->kind == WM_JSON_OBJECT; at++) {
        size_t number = 0;
        while (number < count && !wm_str_equal(config->keys[at], wm_str_of(known[number]))) {
            number++;
        }
        if (number < count) {
            continue;
        }
        wm_str list = wm_str_from("", 0);
        for (size_t each = 0; each < count; each++) {
            list = wm_format("%.*s%s`%s`", WM_FMT(list), each == 0 ? "" : ", ", known[each]);
        }
        if (count == 0) {
            wm_fail("unknown key `%.*s`; no key is known", WM_FMT(config->keys[at]));
        } else {
            wm_fail("unknown key `%.*s`; known are %.*s", WM_FMT(config->keys[at]), WM_FMT(list));
        }
        return;
    }
}

void wm_config_no_keys(const wm_json *config) { wm_config_keys(config, NULL, 0); }

bool wm_config_has(const wm_json *config, const char *key) { return wm_json_get(config, key) != NULL; }

/** The key's value if it is of that kind, else an error. */
static const wm_json *take(const wm_json *config, const char *key, wm_json_kind kind, const char *expected) {
    const wm_json *value = wm_json_get(config, key);
    if (value != NULL && value->kind == kind) {
        return value;
    }
    wm_fail("`%s`: expected %s, found %s", key, expected, wm_json_name(value));
    return NULL;
}

/** The values of a list or object that has none but strings, else an error. */
static wm_strs strings(const wm_json *value, const char *key, const char *expected) {
    wm_strs none = {NULL, 0};
    if (value == NULL) {
        return none;
    }
    wm_str *items = WM_NEW(wm_str, value->count);
    for (size_t at = 0; at < value->count; at++) {
        if (value->items[at].kind != WM_JSON_STRING) {
            wm_fail(
                "`%s`: expected %s, found %s with %s", key, expected, wm_json_name(value), wm_json_name(&value->items[at]));
            return none;
        }
        items[at] = value->items[at].string;
    }
    wm_strs all = {items, value->count};
    return all;
}

wm_str wm_config_str(const wm_json *config, const char *key) {
    const wm_json *value = take(config, key, WM_JSON_STRING, "a string");
    return value == NULL ? wm_str_from("", 0) : value->string;
}

wm_strs wm_config_strs(const wm_json *config, const char *key) {
    static const char expected[] = "a list of strings";
    return strings(take(config, key, WM_JSON_LIST, expected), key, expected);
}

wm_str_map wm_config_str_map(const wm_json *config, const char *key) {
    static const char expected[] = "an object of strings";
    const wm_json *value = take(config, key, WM_JSON_OBJECT, expected);
    wm_str_map map = {{NULL, 0}, strings(value, key, expected)};
    if (map.values.count > 0) {
        map.keys.items = value->keys;
        map.keys.count = value->count;
    }
    return map;
}

int64_t wm_config_int(const wm_json *config, const char *key) {
    const wm_json *value = take(config, key, WM_JSON_NUMBER, "an integer");
    if (value != NULL && !value->is_integer) {
        wm_fail("`%s`: expected an integer, found another number", key);
    }
    return value == NULL ? 0 : value->integer;
}

double wm_config_double(const wm_json *config, const char *key) {
    const wm_json *value = take(config, key, WM_JSON_NUMBER, "a number");
    return value == NULL ? 0 : value->number;
}

bool wm_config_bool(const wm_json *config, const char *key) {
    const wm_json *value = take(config, key, WM_JSON_BOOLEAN, "a boolean");
    return value != NULL && value->boolean;
}

const wm_json *wm_config_value(const wm_json *config, const char *key) {
    const wm_json *value = wm_json_get(config, key);
    if (value == NULL) {
        wm_fail("`%s`: expected a value, found nothing", key);
    }
    return value;
}

wm_str wm_config_str_or(const wm_json *config, const char *key, wm_str otherwise) {
    return wm_config_has(config, key) ? wm_config_str(config, key) : otherwise;
}

wm_strs wm_config_strs_or(const wm_json *config, const char *key, wm_strs otherwise) {
    return wm_config_has(config, key) ? wm_config_strs(config, key) : otherwise;
}

int64_t wm_config_int_or(const wm_json *config, const char *key, int64_t otherwise) {
    return wm_config_has(config, key) ? wm_config_int(config, key) : otherwise;
}

double wm_config_double_or(const wm_json *config, const char *key, double otherwise) {
    return wm_config_has(config, key) ? wm_config_double(config, key) : otherwise;
}

bool wm_config_bool_or(const wm_json *config, const char *key, bool otherwise) {
    return wm_config_has(config, key) ? wm_config_bool(config, key) : otherwise;
}
