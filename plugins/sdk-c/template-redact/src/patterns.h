/** What is masked in a text. */
#ifndef PATTERNS_H
#define PATTERNS_H

#include "wasmill.h"

/**
 * The text with all e-mail addresses, then all card numbers, replaced by the mask. False: that is the text as it was, and `masked` is not written.
 *
 *     e-mail   [A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}
 *     card     [0-9](?:[ -]?[0-9])*, of 13 to 19 digits that pass the Luhn check
 */
bool mask_emails_and_cards(wm_str text, wm_str mask, wm_str *masked);

#endif
