/** What all views of columns have, and the loops that make bitmaps. */

import { Bitmap } from './bitmap.js';

/** @typedef {import('./block.js').Block} Block */

/** A column: a value for each row, or none. */
export class Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    /** @internal */
    this.block = block;
    /** @internal */
    this.at = at;
    /** Number of rows. */
    this.length = block.words[at + 1];
    /** Where the bitmap of the rows with a value is; 0: every row has one. @internal */
    this.valid = block.words[at + 3];
  }

  /**
   * Shows another node of the same kind: a slice's columns are shown by the views of the one before, since making an object costs
   * as much as many rows.
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  show(block, at) {
    this.block = block;
    this.at = at;
    this.length = block.words[at + 1];
    this.valid = block.words[at + 3];
  }

  /**
   * Whether the row has a value.
   * @param {number} row
   */
  has(row) {
    return (
      row < this.length &&
      (this.valid === 0 || (this.block.bytes[this.valid + (row >>> 3)] & (1 << (row & 7))) !== 0)
    );
  }

  /** The rows that have a value. */
  present() {
    return this.valid === 0 ? Bitmap.all(this.length) : Bitmap.from(this.length, this.validity());
  }

  /**
   * The rows that have a value and that `wanted` says, asked for each row that has one.
   * @param {(row: number) => boolean} wanted
   * @param {Bitmap} [among] rows that are asked at all
   * @returns {Bitmap}
   * @internal
   */
  pack(wanted, among) {
    const found = new Bitmap(this.length);
    const { bytes } = found;
    for (let byte = 0, row = 0; byte < bytes.length; byte++, row += 8) {
      let asked = among === undefined ? 255 : among.bytes[byte] ?? 0;
      if (this.valid !== 0) {
        asked &= this.block.bytes[this.valid + byte];
      }
      if (row + 8 > this.length) {
        asked &= (1 << (this.length - row)) - 1;
      }
      let bits = 0;
      for (; asked !== 0; asked &= asked - 1) {
        const bit = 31 - Math.clz32(asked & -asked);
        if (wanted(row + bit)) {
          bits |= 1 << bit;
        }
      }
      bytes[byte] = bits;
    }
    return found;
  }

  /**
   * Takes out rows without a value, those that are not asked about, and what is behind the last row.
   * @param {Bitmap} found
   * @param {Bitmap} [among]
   * @internal
   */
  only(found, among) {
    if (this.valid !== 0) {
      found.and(this.present());
    }
    if (among !== undefined) {
      found.and(among);
    }
    return found.trim();
  }

  /** The validity's bytes. @internal */
  validity() {
    return new Uint8Array(this.block.buffer, this.block.start + this.valid, (this.length + 7) >>> 3);
  }
}

/** With fewer rows, a loop is done before `indexOf` has begun. */
const SCANNED_ROWS_MIN = 64;

/**
 * How many rows may be found by {@link scan} before a loop over all of them is faster.
 * @param {number} rows
 */
export function budget(rows) {
  return rows < SCANNED_ROWS_MIN ? 0 : rows >>> 3;
}

/**
 * Sets the rows that have this value. `indexOf` looks at a value in less than a nanosecond where a loop takes sixty, but each one
 * that is found costs as much as five of these.
 * @param {Uint8Array | Uint32Array | Int32Array | Float64Array} values
 * @param {number} x
 * @param {Uint8Array} bytes
 * @param {number} left
 * @returns {number} what is left; 0: there may be more rows
 */
export function scan(values, x, bytes, left) {
  for (let row = values.indexOf(x); row >= 0; row = values.indexOf(x, row + 1)) {
    bytes[row >>> 3] |= 1 << (row & 7);
    if (--left === 0) {
      return 0;
    }
  }
  return left;
}
