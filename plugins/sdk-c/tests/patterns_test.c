/** The patterns of the template `redact` beside the C library's regular expressions, on generated texts. */
#include "check.h"
#include "internal.h"

#include <regex.h>

#include "patterns.h"

/** Luhn, told in another way: from the left, with a table. */
static bool luhn(const char *text, size_t len) {
    static const int doubled[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
    int digits = 0, sum = 0;
    for (size_t at = 0; at < len; at++) {
        digits += text[at] >= '0' && text[at] <= '9';
    }
    int left = digits;
    for (size_t at = 0; at < len; at++) {
        if (text[at] >= '0' && text[at] <= '9') {
            sum += left-- % 2 == 0 ? doubled[text[at] - '0'] : text[at] - '0';
        }
    }
    return digits >= 13 && digits <= 19 && sum % 10 == 0;
}

/** Longest, which POSIX takes, and greedy are the same for both patterns. */
static void replaced(regex_t *pattern, bool cards, const char *text, const char *mask, char *out) {
    regmatch_t match;
    int flags = 0;
    *out = 0;
    while (regexec(pattern, text, 1, &match, flags) == 0) {
        size_t start = (size_t)match.rm_so, end = (size_t)match.rm_eo;
        strncat(out, text, start);
        if (!cards || luhn(text + start, end - start)) {
            strcat(out, mask);
        } else {
            strncat(out, text + start, end - start);
        }
        text += end;
        flags = REG_NOTBOL;
    }
    strcat(out, text);
}

static void known(const char *text, const char *expected) {
    wm_str found = wm_str_of(text);
    bool changed = mask_emails_and_cards(found, WM_STR("****"), &found);
    CHECK_TEXT(found, expected);
    CHECK(changed == (strcmp(text, expected) != 0));
}

int main(void) {
    known("", "");
    known("ann@example.com", "****");
    known("mail Ann.B+x%y_z-1@mail.example.co, or bob@x", "mail ****, or bob@x");
    known("a@b@c.de a@b.c a@.com @b.com a@b..com1", "a@**** a@b.c a@.com @b.com ****1");
    known("4111 1111 1111 1111", "****");
    known("4111-1111-1111-1112", "4111-1111-1111-1112");
    known("no 4111111111111111, yes 4012888888881881.", "no ****, yes ****.");
    known("4111  1111 1111 1111", "4111  1111 1111 1111");
    known("000000000000 0000000000000 00000000000000000000", "000000000000 0000000000000 00000000000000000000");
    known("0000000000000", "****");

    wm_str same = WM_STR("4111 1111 1111 1111"), untouched = WM_STR("untouched");
    CHECK(!mask_emails_and_cards(same, same, &untouched));
    CHECK_TEXT(untouched, "untouched");

    regex_t email, card;
    CHECK(regcomp(&email, "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}", REG_EXTENDED) == 0);
    CHECK(regcomp(&card, "[0-9]([ -]?[0-9])*", REG_EXTENDED) == 0);
    static const char *const alphabets[] = {"ab.@-1 ", "0123456789 -", "041 -x", "a@.b4111111111111111c %"};
    uint64_t state = 3;
    uint32_t masked_count = 0;
    for (int round = 0; round < 100000; round++) {
        wm_memory_begin();
        const char *alphabet = alphabets[round % 4];
        char text[64], between[1024], expected[4096];
        uint32_t len = random_next(&state, 60);
        for (uint32_t at = 0; at < len; at++) {
            text[at] = alphabet[random_next(&state, (uint32_t)strlen(alphabet))];
        }
        text[len] = 0;
        const char *mask = round % 8 < 4 ? "****" : "4";
        replaced(&email, false, text, mask, between);
        replaced(&card, true, between, mask, expected);
        // Of the exact size: the sanitizer sees who reads behind it.
        char *copy = (char *)wm_memory_get(len);
        wm_copy(copy, text, len);
        wm_str found = wm_str_from(copy, len);
        masked_count += mask_emails_and_cards(found, wm_str_of(mask), &found);
        CHECK_TEXT(found, expected);
        wm_memory_end();
    }
    regfree(&email);
    regfree(&card);
    // Else the texts are such that nothing was compared.
    CHECK(masked_count > 1000);
    wm_memory_begin();
    printf("patterns: %u of 100000 texts masked, as by regular expressions\n", masked_count);
    return 0;
}
