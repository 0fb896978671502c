/** Texts that are looked up in columns by their bytes. */

const encoder = new TextEncoder();

/** What is not found in a {@link TextMap}. */
export const NONE = 0xffffffff;

/**
 * Numbers by text, made once, in `init`, and looked up in a column: a text becomes a string only where its length and its
 * last byte are those of one that is looked for.
 */
export class TextMap {
  /** @param {Iterable<readonly [string, number]>} entries numbers from 0 to 2^32 - 2; the last one of a text counts */
  constructor(entries) {
    /** @type {Map<string, number>} @internal */
    this.numbers = new Map(entries);
    /**
     * For each length in bytes the last bytes that a text may have: an answer for most texts of a column, without a string.
     * @type {(Uint8Array | undefined)[]}
     * @internal
     */
    this.ends = [];
    for (const text of this.numbers.keys()) {
      const bytes = encoder.encode(text);
      while (this.ends.length <= bytes.length) {
        this.ends.push(undefined);
      }
      const ends = (this.ends[bytes.length] ??= new Uint8Array(256));
      if (bytes.length === 0) {
        // Whatever stands before it.
        ends.fill(1);
      } else {
        ends[bytes[bytes.length - 1]] = 1;
      }
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
   * The number of a text; {@link NONE} if it has none.
   * @param {string} text
   */
  get(text) {
    return this.numbers.get(text) ?? NONE;
  }
}
