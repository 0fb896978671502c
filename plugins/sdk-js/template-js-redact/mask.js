/** What is masked: e-mail addresses, and card numbers. */

/** Characters of what stands before the `@`. */
const LOCAL = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-';
const DOMAIN = /[A-Za-z0-9.-]+\.[A-Za-z]{2,}/y;
const DIGITS = /[0-9](?:[ -]?[0-9])*/g;

const CARD_DIGITS_MIN = 13;
const CARD_DIGITS_MAX = 19;

/**
 * The text with all e-mail addresses and then all card numbers masked.
 * @param {string} text
 * @param {string} mask
 */
export function masked(text, mask) {
  return withoutMails(text, mask).replace(DIGITS, (run) => (isCard(run) ? mask : run));
}

/**
 * Whether 13 digits can be among these bytes. Of two neighbours in a card number one is a digit, so that one of every twelfth
 * pair of bytes would be.
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} to
 */
export function mayHoldCard(bytes, from, to) {
  for (let at = from + 11; at < to - 1; at += 12) {
    if (isDigit(bytes[at]) || isDigit(bytes[at + 1])) {
      return true;
    }
  }
  return false;
}

/**
 * Addresses are looked for from their `@`: one regular expression for all of it would take the square of the time on a long text
 * without one.
 * @param {string} text
 * @param {string} mask
 */
function withoutMails(text, mask) {
  let out = '';
  let done = 0;
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let from = at;
    while (from > done && LOCAL.includes(text.charAt(from - 1))) {
      from--;
    }
    DOMAIN.lastIndex = at + 1;
    if (from < at && DOMAIN.test(text)) {
      out += text.slice(done, from) + mask;
      done = DOMAIN.lastIndex;
    }
  }
  return out + text.slice(done);
}

/**
 * Whether a run of digits, spaces and hyphens has as many digits as a card number, and the right last one (Luhn).
 * @param {string} run
 */
function isCard(run) {
  const digits = run.replace(/[ -]/g, '');
  if (digits.length < CARD_DIGITS_MIN || digits.length > CARD_DIGITS_MAX) {
    return false;
  }
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits.charAt(digits.length - 1 - i));
    // Every second one counts double, and its digits are added.
    sum += i % 2 === 0 ? digit : digit < 5 ? digit * 2 : digit * 2 - 9;
  }
  return sum % 10 === 0;
}

/** @param {number} byte */
function isDigit(byte) {
  return byte >= 48 && byte <= 57;
}
