/**
 * Bitmaps: which rows. The first row is the least significant bit of the first byte, as they cross.
 *
 * Work is done on bytes and words, never on single rows: the engine interprets JavaScript, and a step costs tens of nanoseconds.
 */

/** Up to this many bytes, a loop over them is done before a view of words is made. */
const BYTES_FEW = 16;

/** A bit for each of `length` rows. What is done to it changes it in place; {@link Bitmap.clone} keeps the old. */
export class Bitmap {
  /**
   * No row of `length`. `bytes` is taken as it is, and is `length / 8` bytes long, rounded up.
   * @param {number} length
   * @param {Uint8Array<ArrayBuffer>} [bytes]
   */
  constructor(length, bytes) {
    /** Number of rows. @readonly */
    this.length = length;
    /** The bits as they cross; those behind the last row are 0. @readonly */
    this.bytes = bytes ?? zeros((length + 7) >>> 3);
  }

  /**
   * Every row of `length`.
   * @param {number} length
   */
  static all(length) {
    const all = new Bitmap(length);
    all.bytes.fill(255);
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

  clone() {
    const clone = new Bitmap(this.length);
    clone.bytes.set(this.bytes);
    return clone;
  }

  /**
   * Whether the row is in; false behind the end.
   * @param {number} row
   */
  get(row) {
    return row < this.length && (this.bytes[row >>> 3] & (1 << (row & 7))) !== 0;
  }

  /**
   * Takes the row in, or out; nothing behind the end.
   * @param {number} row
   * @param {boolean} [wanted]
   */
  set(row, wanted = true) {
    if (row < this.length) {
      const bit = 1 << (row & 7);
      const byte = this.bytes[row >>> 3];
      this.bytes[row >>> 3] = wanted ? byte | bit : byte & ~bit;
    }
  }

  /**
   * Keeps what is in both. Rows that `other` is too short for are not in it, here and below.
   * @param {Bitmap} other
   */
  and(other) {
    const mine = units(this, other);
    const its = units(other, this);
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
    const mine = units(this, other);
    const its = units(other, this);
    const common = Math.min(mine.length, its.length);
    for (let i = 0; i < common; i++) {
      mine[i] |= its[i];
    }
    return other.length > this.length ? this.trim() : this;
  }

  /**
   * Takes out what is in `other`.
   * @param {Bitmap} other
   */
  andNot(other) {
    const mine = units(this, other);
    const its = units(other, this);
    const common = Math.min(mine.length, its.length);
    for (let i = 0; i < common; i++) {
      mine[i] &= ~its[i];
    }
    return this;
  }

  /** Swaps in and out. */
  not() {
    const mine = units(this, this);
    for (let i = 0; i < mine.length; i++) {
      mine[i] = ~mine[i];
    }
    // The last word may go on behind the last byte.
    if (mine.BYTES_PER_ELEMENT === 4 && this.bytes.length & 3) {
      mine[mine.length - 1] &= (1 << ((this.bytes.length & 3) * 8)) - 1;
    }
    return this.trim();
  }

  /** How many rows are in. */
  count() {
    const words = units(this, this);
    let count = 0;
    for (let i = 0; i < words.length; i++) {
      let word = words[i];
      if (word !== 0) {
        word -= (word >>> 1) & 0x55555555;
        word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
        count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
      }
    }
    return count;
  }

  /** Whether no row is in. */
  isNone() {
    const words = units(this, this);
    for (let i = 0; i < words.length; i++) {
      if (words[i] !== 0) {
        return false;
      }
    }
    return true;
  }

  /** Whether every row is in. */
  isAll() {
    return this.count() === this.length;
  }

  /** The numbers of the rows that are in, ascending. A loop over them by index is the fast way. */
  rows() {
    const { bytes } = this;
    const rows = new Uint32Array(this.count());
    for (let at = 0, next = 0; next < rows.length; at++) {
      for (let byte = bytes[at]; byte !== 0; byte &= byte - 1) {
        rows[next++] = at * 8 + 31 - Math.clz32(byte & -byte);
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
    const spare = this.length & 7;
    if (spare !== 0) {
      this.bytes[this.bytes.length - 1] &= (1 << spare) - 1;
    }
    return this;
  }
}

/**
 * So many bytes, and zeros behind them up to a whole word.
 * @param {number} bytes
 * @returns {Uint8Array<ArrayBuffer>}
 */
function zeros(bytes) {
  return bytes <= BYTES_FEW ? new Uint8Array(bytes) : new Uint8Array(new ArrayBuffer((bytes + 3) & ~3), 0, bytes);
}

/**
 * The bits by the largest unit that they and the other's can be had in: words where there are many, else bytes.
 * @param {Bitmap} bitmap
 * @param {Bitmap} other
 * @returns {Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>}
 */
function units({ bytes }, { bytes: other }) {
  return bytes.length > BYTES_FEW && whole(bytes) && whole(other)
    ? new Uint32Array(bytes.buffer, 0, (bytes.length + 3) >>> 2)
    : bytes;
}

/**
 * Whether the bytes have their buffer to themselves, up to a whole word.
 * @param {Uint8Array} bytes
 */
function whole(bytes) {
  return bytes.byteOffset === 0 && bytes.buffer.byteLength === ((bytes.length + 3) & ~3);
}
