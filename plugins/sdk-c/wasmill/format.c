/** Text for messages, without the C library's `printf`, which is as large as the rest of a plugin. */
#include "internal.h"

typedef struct text {
    char *data;
    size_t len;
    size_t room;
} text;

static void put(text *out, const char *data, size_t len) {
    if (len > out->room - out->len) {
        size_t room = out->len + len < 2 * out->room ? 2 * out->room : out->len + len;
        out->data = (char *)wm_memory_grow(out->data, out->room, room);
        out->room = room;
    }
    wm_copy(out->data + out->len, data, len);
    out->len += len;
}

static void put_number(text *out, uint64_t number, unsigned base, unsigned digits_min) {
    char digits[24];
    size_t at = sizeof digits;
    while (number > 0 || sizeof digits - at < digits_min) {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    }
    put(out, digits + at, sizeof digits - at);
}

static void put_integer(text *out, int64_t number) {
    if (number < 0) {
        put(out, "-", 1);
    }
    put_number(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10, 1);
}

static void put_double(text *out, double number, int places) {
    places = places < 0 ? 6 : places > 15 ? 15 : places;
    if (number != number) {
        put(out, "nan", 3);
        return;
    }
    if (number < 0) {
        put(out, "-", 1);
        number = -number;
    }
    int exponent = 0;
    // Larger ones do not fit the integers below.
    if (number > 1e300 * 1e8) {
        put(out, "inf", 3);
        return;
    }
    while (number >= 1e18) {
        number /= 10;
        exponent++;
    }
    double scale = 1;
    for (int place = 0; place < places; place++) {
        scale *= 10;
    }
    uint64_t whole = (uint64_t)number;
    uint64_t rest = (uint64_t)((number - (double)whole) * scale + 0.5);
    if (rest >= (uint64_t)scale) {
        whole++;
        rest -= (uint64_t)scale;
    }
    put_number(out, whole, 10, 1);
    if (places > 0) {
        put(out, ".", 1);
        put_number(out, rest, 10, (unsigned)places);
    }
    if (exponent > 0) {
        put(out, "e", 1);
        put_number(out, (uint64_t)exponent, 10, 1);
    }
}

wm_str wm_format_list(const char *format, va_list arguments) {
    text out = {(char *)wm_memory_get(64), 0, 64};
    while (*format != 0) {
        size_t plain = 0;
        while (format[plain] != 0 && format[plain] != '%') {
            plain++;
        }
        put(&out, format, plain);
        format += plain;
        if (*format == 0) {
            break;
        }
        const char *from = format++;
        int precision = -1;
        if (*format == '.') {
            format++;
            if (*format == '*') {
                precision = va_arg(arguments, int);
                format++;
            } else {
                for (precision = 0; *format >= '0' && *format <= '9' && precision < 1000; format++) {
                    precision = precision * 10 + (*format - '0');
                }
            }
        }
        // How many bytes an integer has.
        size_t width = sizeof(int);
        if (*format == 'z') {
            width = sizeof(size_t);
            format++;
        } else if (*format == 'l') {
            width = sizeof(long);
            format++;
            if (*format == 'l') {
                width = sizeof(long long);
                format++;
            }
        }
        switch (*format) {
        case 's': {
            const char *data = va_arg(arguments, const char *);
            data = data == NULL ? "" : data;
            size_t len = 0;
            while ((precision < 0 || len < (size_t)precision) && data[len] != 0) {
                len++;
            }
            put(&out, data, len);
            break;
        }
        case 'c': {
            char character = (char)va_arg(arguments, int);
            put(&out, &character, 1);
            break;
        }
        case 'd':
        case 'i':
            put_integer(&out, width == sizeof(int) ? va_arg(arguments, int) : va_arg(arguments, long long));
            break;
        case 'u':
        case 'x':
            put_number(
                &out, width == sizeof(int) ? va_arg(arguments, unsigned) : va_arg(arguments, unsigned long long),
                *format == 'x' ? 16 : 10, 1);
            break;
        case 'f':
            put_double(&out, va_arg(arguments, double), precision);
            break;
        case '%':
            put(&out, "%", 1);
            break;
        case 0:
            // The text ended within a conversion.
            put(&out, from, (size_t)(format - from));
            continue;
        default:
            // None of ours: shown as it is. Its argument cannot be passed over, so nothing behind it is read.
            put(&out, from, wm_str_of(from).len);
            format = from + wm_str_of(from).len;
            continue;
        }
        format++;
    }
    put(&out, "", 1);
    return wm_str_from(out.data, out.len - 1);
}

wm_str wm_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    wm_str text = wm_format_list(format, arguments);
    va_end(arguments);
    return text;
}

static wm_str failure;

void wm_fail(const char *format, ...) {
    if (failure.data != NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    failure = wm_format_list(format, arguments);
    va_end(arguments);
}

bool wm_failed(void) { return failure.data != NULL; }

wm_str wm_failure_take(void) {
    wm_str taken = failure;
    failure = wm_str_from(NULL, 0);
    return taken;
}
