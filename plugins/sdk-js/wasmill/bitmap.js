/**
 * Bitmaps: which rows. The first row is the least significant bit of the first byte, as they cross.
 *
 * Work is done on bytes and words, never on single rows: the engine interprets JavaScript, and a step costs tens of nanoseconds.
 */

/** Rows of a word. */
const WORD = 32;

/** A bit for each of `length` rows. What is done to it changes it in place; {@link Bitmap.clone} keeps the old. */
export class Bitmap {
  /**
   * No row of `length`.
   * @param {number} length
   */
  constructor(length) {
    /** Number of rows. @readonly */
    this.length = length;
    /**
     * The bits, 32 rows each; those behind the last row are 0. With a sign: numbers of 32 bits without one are doubles to the
     * engine, and slow.
     * @readonly
     */
    this.words = new Int32Array((length + 31) >>> 5);
    /** @type {Uint8Array<ArrayBuffer> | undefined} */
    this.octets = undefined;
  }

  /**
   * Every row of `length`.
   * @param {number} length
   */
  static all(length) {
    const all = new Bitmap(length);
    all.words.fill(-1);
    return all.trim();
  }

  /**
   * The rows of `length` with these numbers; what is behind the end is passed over.
   * @param {number} length
   * @param {ArrayLike<number>} rows
   */
  static of(length, rows) {
    const bitmap = new Bitmap(length);
    for (let i = 0; i < rows.length; i++) {
      bitmap.set(rows[i]);
    }
    return bitmap;
  }

  /**
   * From bytes as they cross.
   * @param {number} length
   * @param {Uint8Array} bytes
   */
  static from(length, bytes) {
    const bitmap = new Bitmap(length);
    bitmap.bytes.set(bytes.subarray(0, bitmap.bytes.length));
    return bitmap.trim();
  }

  /** The bits as they cross, over the same memory as {@link Bitmap.words}. */
  get bytes() {
    return (this.octets ??= new Uint8Array(this.words.buffer, 0, (this.length + 7) >>> 3));
  }

  clone() {
    const clone = new Bitmap(this.length);
    clone.words.set(this.words);
    return clone;
  }

  /** A bitmap of the rows that are not in. */
  inverted() {
    const inverted = new Bitmap(this.length);
    const { words } = inverted;
    const mine = this.words;
    for (let i = 0; i < words.length; i++) {
      words[i] = ~mine[i];
    }
    return inverted.trim();
  }

  /**
   * Whether the row is in; false behind the end.
   * @param {number} row
   */
  get(row) {
    return row < this.length && (this.words[row >>> 5] & (1 << (row & 31))) !== 0;
  }

  /**
   * Takes the row in, or out; nothing behind the end.
   * @param {number} row
   * @param {boolean} [wanted]
   */
  set(row, wanted = true) {
    if (row < this.length) {
      const bit = 1 << (row & 31);
      const word = this.words[row >>> 5];
      this.words[row >>> 5] = wanted ? word | bit : word & ~bit;
    }
  }

  /**
   * Keeps what is in both. Rows that `other` is too short for are not in it, here and below.
   * @param {Bitmap} other
   */
  and(other) {
    const mine = this.words;
    const its = other.words;
    const common = Math.min(mine.length, its.length);
    for (let i = 0; i < common; i++) {
      mine[i] &= its[i];
    }
    if (common < mine.length) {
      mine.fill(0, common);
    }
    return this;
  }

  /**
   * Takes in what is in `other`.
   * @param {Bitmap} other
   */
  or(other) {
    const mine = this.words;
    const its = other.words;
    const common = Math.min(mine.length, its.length);
    for (let i = 0; i < common; i++) {
      mine[i] |= its[i];
    }
    return this.trim();
  }

  /**
   * Takes out what is in `other`.
   * @param {Bitmap} other
   */
  andNot(other) {
    const mine = this.words;
    const its = other.words;
    const common = Math.min(mine.length, its.length);
    for (let i = 0; i < common; i++) {
      mine[i] &= ~its[i];
    }
    return this;
  }

  /** Swaps in and out. */
  not() {
    const { words } = this;
    for (let i = 0; i < words.length; i++) {
      words[i] = ~words[i];
    }
    return this.trim();
  }

  /** How many rows are in. */
  count() {
    const { words } = this;
    let count = 0;
    for (let i = 0; i < words.length; i++) {
      let word = words[i];
      if (word !== 0) {
        // Sums of two, four and eight bits side by side, and then of the bytes.
        word = (word - ((word >>> 1) & 0x55555555)) | 0;
        word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
        count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
      }
    }
    return count;
  }

  /** Whether no row is in. */
  isNone() {
    const { words } = this;
    for (let i = 0; i < words.length; i++) {
      if (words[i] !== 0) {
        return false;
      }
    }
    return true;
  }

  /** Whether every row is in. */
  isAll() {
    const { words, length } = this;
    const last = words.length - 1;
    for (let i = 0; i < last; i++) {
      if (words[i] !== -1) {
        return false;
      }
    }
    return length === 0 || words[last] === (length & 31 ? ~(-1 << (length & 31)) : -1);
  }

  /** The numbers of the rows that are in, ascending. A loop over them by index is the fast way. */
  rows() {
    const { words } = this;
    const rows = new Uint32Array(this.count());
    for (let at = 0, next = 0; next < rows.length; at++) {
      for (let word = words[at]; word !== 0; word &= word - 1) {
        rows[next++] = at * WORD + 31 - Math.clz32(word & -word);
      }
    }
    return rows;
  }

  /** The numbers of the rows that are in, for `for … of`. */
  [Symbol.iterator]() {
    return this.rows()[Symbol.iterator]();
  }

  /**
   * Of numbers for all rows, those of the rows that are in.
   * @param {ArrayLike<number>} numbers
   */
  pick(numbers) {
    const rows = this.rows();
    for (let i = 0; i < rows.length; i++) {
      rows[i] = numbers[rows[i]];
    }
    return rows;
  }

  /**
   * Clears the bits behind the last row.
   * @returns {this}
   * @internal
   */
  trim() {
    const spare = this.length & 31;
    if (spare !== 0) {
      this.words[this.words.length - 1] &= ~(-1 << spare);
    }
    return this;
  }
}
