/** Texts that are looked up in columns by their bytes. */

const encoder = new TextEncoder();

/** What is not found in a {@link TextMap}. */
export const NONE = 0xffffffff;

/**
 * Numbers by text, made once, in `init`, and looked up in a column's own bytes: no row becomes a string, which would cost more
 * than everything else about it.
 */
export class TextMap {
  /** @param {Iterable<readonly [string, number]>} entries numbers from 0 to 2^32 - 2; the last one of a text counts */
  constructor(entries) {
    /** Entries by {@link key}. @type {Map<number, { bytes: Uint8Array, number: number }[]>} @internal */
    this.buckets = new Map();
    for (const [text, number] of new Map(entries)) {
      const bytes = encoder.encode(text);
      const where = key(bytes, 0, bytes.length);
      const bucket = this.buckets.get(where) ?? [];
      bucket.push({ bytes, number });
      this.buckets.set(where, bucket);
    }
  }

  /**
   * A set of texts: each has its place in `texts` as its number.
   * @param {Iterable<string>} texts
   */
  static of(texts) {
    return new TextMap([...texts].map((text, place) => [text, place]));
  }

  /**
   * The number of the text that lies there; {@link NONE} if there is none.
   * @param {Uint8Array} bytes
   * @param {number} start
   * @param {number} end
   */
  find(bytes, start, end) {
    const bucket = this.buckets.get(key(bytes, start, end));
    if (bucket !== undefined) {
      for (let i = 0; i < bucket.length; i++) {
        const entry = bucket[i];
        if (same(entry.bytes, bytes, start, end)) {
          return entry.number;
        }
      }
    }
    return NONE;
  }
}

/**
 * Tells most texts apart: by their length, last byte, and the one in the middle.
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function key(bytes, start, end) {
  const last = end === start ? 0 : bytes[end - 1];
  const middle = end === start ? 0 : bytes[(start + end) >>> 1];
  return ((end - start) << 16) | (middle << 8) | last;
}

/**
 * @param {Uint8Array} wanted
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function same(wanted, bytes, start, end) {
  if (wanted.length !== end - start) {
    return false;
  }
  // From the end: texts that are alike are mostly so at their beginning.
  for (let i = wanted.length - 1, at = end - 1; i >= 0; i--, at--) {
    if (wanted[i] !== bytes[at]) {
      return false;
    }
  }
  return true;
}
