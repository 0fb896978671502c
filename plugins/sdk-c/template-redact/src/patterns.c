/** The two patterns, matched by hand: leftmost, as long as possible, one behind the other. */
#include "patterns.h"

enum { CARD_DIGITS_MIN = 13, CARD_DIGITS_MAX = 19 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
static bool is_domain(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-'; }
static bool is_local(char c) { return is_domain(c) || c == '_' || c == '%' || c == '+'; }

/** The first match in `text` from `from` on. */
typedef bool find(wm_str text, size_t from, size_t *start, size_t *end);

static bool find_email(wm_str text, size_t from, size_t *start, size_t *end) {
    for (size_t at = from; at < text.len; at++) {
        if (text.data[at] != '@') {
            continue;
        }
        *start = at;
        while (*start > from && is_local(text.data[*start - 1])) {
            --*start;
        }
        size_t domain_end = at + 1;
        while (domain_end < text.len && is_domain(text.data[domain_end])) {
            domain_end++;
        }
        // The last dot that has a letter or more before it, and two or more behind it.
        for (size_t dot = domain_end; *start < at && dot-- > at + 2;) {
            size_t letters = dot + 1;
            while (text.data[dot] == '.' && letters < domain_end && is_letter(text.data[letters])) {
                letters++;
            }
            if (letters - dot > 2) {
                *end = letters;
                return true;
            }
        }
    }
    return false;
}

/** Whether the digits of a run pass the Luhn check: every second one from the right counts twice, its digits added. */
static bool is_card(wm_str run) {
    uint32_t digits = 0, sum = 0;
    for (size_t at = run.len; at-- > 0;) {
        if (is_digit(run.data[at])) {
            uint32_t digit = (uint32_t)(run.data[at] - '0') << (digits++ % 2);
            sum += digit > 9 ? digit - 9 : digit;
        }
    }
    return digits >= CARD_DIGITS_MIN && digits <= CARD_DIGITS_MAX && sum % 10 == 0;
}

static bool find_card(wm_str text, size_t from, size_t *start, size_t *end) {
    for (size_t at = from; at < text.len; at = *end) {
        *start = at;
        *end = at + 1;
        if (!is_digit(text.data[at])) {
            continue;
        }
        for (;;) {
            size_t next = *end;
            next += next < text.len && (text.data[next] == ' ' || text.data[next] == '-');
            if (next >= text.len || !is_digit(text.data[next])) {
                break;
            }
            *end = next + 1;
        }
        if (is_card(wm_str_from(text.data + at, *end - at))) {
            return true;
        }
    }
    return false;
}

static char *append(char *to, const char *from, size_t len) {
    __builtin_memcpy(to, from, len);
    return to + len;
}

static bool replace(find *find, wm_str *text, wm_str mask) {
    size_t start, end, matches = 0;
    for (size_t from = 0; find(*text, from, &start, &end); from = end) {
        matches++;
    }
    if (matches == 0) {
        return false;
    }
    char *data = (char *)wm_alloc(text->len + matches * mask.len, 1), *to = data;
    size_t from = 0;
    while (find(*text, from, &start, &end)) {
        to = append(to, text->data + from, start - from);
        to = append(to, mask.data, mask.len);
        from = end;
    }
    to = append(to, text->data + from, text->len - from);
    *text = wm_str_from(data, (size_t)(to - data));
    return true;
}

bool mask_emails_and_cards(wm_str text, wm_str mask, wm_str *masked) {
    // Most texts have neither: look for what both need before anything else.
    bool at_sign = false;
    size_t digits = 0;
    for (size_t at = 0; at < text.len; at++) {
        at_sign |= text.data[at] == '@';
        digits += is_digit(text.data[at]);
    }
    wm_str found = text;
    bool matched = at_sign && replace(find_email, &found, mask);
    // A mask with digits may make a card of what was none.
    matched |= (matched || digits >= CARD_DIGITS_MIN) && replace(find_card, &found, mask);
    if (!matched || wm_str_equal(found, text)) {
        return false;
    }
    *masked = found;
    return true;
}
