/** Columns of text and bytes. */

import { Bitmap } from './bitmap.js';
import { DICTIONARY } from './kinds.js';
import { NONE, TextMap } from './textmap.js';
import { Column } from './view.js';

/** @typedef {import('./block.js').Block} Block */

const decoder = new TextDecoder();

/** Up to one row in so many is looked for by `indexOf`, which costs as much as some steps of a loop, before a loop does it. */
const SPARSE = 16;

/** Bytes for each row: kind `binary`, and lists and maps within `any`. */
export class Binary extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    /** Where the offsets start, in words. @internal */
    this.offsets = block.words[at + 4] >>> 2;
    /** Where the bytes start. @internal */
    this.start = block.words[at + 5];
  }

  /**
   * The row's bytes, over the block's own memory; `undefined` where it has none.
   * @param {number} row
   */
  get(row) {
    return this.has(row) ? this.raw(row) : undefined;
  }

  /**
   * The rows whose bytes are as `wanted` says. Rows without a value are not asked.
   * @param {(value: Uint8Array) => boolean} wanted
   * @param {Bitmap} [among] only these rows are asked
   */
  matches(wanted, among) {
    return this.pack((row) => wanted(this.raw(row)), among);
  }

  /**
   * @param {number} row
   * @internal
   */
  raw(row) {
    const { block, offsets, start } = this;
    const from = block.words[offsets + row];
    return block.bytes.subarray(start + from, start + block.words[offsets + row + 1]);
  }
}

/**
 * Text for each row, written out or as keys of a dictionary; the same functions serve both, and look at each distinct text of
 * a dictionary once.
 *
 * A string costs a microsecond or two to make, as much as everything else about ten rows. {@link Text.isIn} and
 * {@link Text.map} make none; {@link Text.matches} makes one for each distinct text.
 */
export class Text extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    const { words } = block;
    const dictionary = words[at] === DICTIONARY;
    const plain = dictionary ? at + block.stride : at;
    /**
     * For each row the number of its text, where the column is a dictionary; a row without a value has some number.
     * @type {Uint32Array | undefined}
     * @readonly
     */
    this.keys = dictionary
      ? new Uint32Array(block.buffer, block.start + words[at + 5], this.length)
      : undefined;
    /** How many texts there are: of the dictionary, where there is one, else of the rows. @readonly */
    this.texts = words[plain + 1];
    /** @internal */
    this.offsets = words[plain + 4] >>> 2;
    /** @internal */
    this.start = words[plain + 5];
  }

  /**
   * The row's text; `undefined` where it has none.
   * @param {number} row
   */
  get(row) {
    return this.has(row) ? this.text(this.keys === undefined ? row : this.keys[row]) : undefined;
  }

  /**
   * The text of that number: of the dictionary where there is one, else of the row, whether it has a value or not. Texts of a
   * dictionary may repeat, and may belong to no row.
   * @param {number} number below {@link Text.texts}
   */
  text(number) {
    const { block, offsets, start } = this;
    const from = block.words[offsets + number];
    const to = block.words[offsets + number + 1];
    return from === to ? '' : decoder.decode(block.bytes.subarray(start + from, start + to));
  }

  /**
   * The bytes of all texts, one behind the other, over the block's own memory: for a quick look whether something can be in
   * any of them.
   */
  bytes() {
    const end = this.texts === 0 ? 0 : this.block.words[this.offsets + this.texts];
    return this.block.bytes.subarray(this.start, this.start + end);
  }

  /** Where each text starts in {@link Text.bytes}, and the end: one number more than there are texts. */
  bounds() {
    return this.block.words.subarray(this.offsets, this.texts === 0 ? this.offsets : this.offsets + this.texts + 1);
  }

  /**
   * The rows whose text is one of these.
   * @param {TextMap | Iterable<string>} texts a {@link TextMap} that was made in `init` saves making it anew
   * @param {Bitmap} [among] only these rows are looked at
   */
  isIn(texts, among) {
    const map = texts instanceof TextMap ? texts : TextMap.of(texts);
    const { block, keys, offsets, start } = this;
    const { bytes, words } = block;
    if (keys === undefined) {
      return this.pack((row) => {
        const from = words[offsets + row];
        return map.find(bytes, start + from, start + words[offsets + row + 1]) !== NONE;
      }, among);
    }
    const table = new Uint8Array(this.texts);
    let hits = 0;
    for (let i = 0, from = start; i < table.length; i++) {
      const to = start + words[offsets + i + 1];
      if (map.find(bytes, from, to) !== NONE) {
        table[i] = 1;
        hits++;
      }
      from = to;
    }
    return this.rowsOf(keys, table, hits, among);
  }

  /**
   * The rows whose text is as `wanted` says, asked once for each text of the dictionary where there is one. Rows without a
   * value are not asked.
   * @param {(text: string) => boolean} wanted
   * @param {Bitmap} [among] only these rows are looked at
   */
  matches(wanted, among) {
    const { keys } = this;
    if (keys === undefined) {
      return this.pack((row) => wanted(this.text(row)), among);
    }
    const table = new Uint8Array(this.texts);
    let hits = 0;
    for (let i = 0; i < table.length; i++) {
      if (wanted(this.text(i))) {
        table[i] = 1;
        hits++;
      }
    }
    return this.rowsOf(keys, table, hits, among);
  }

  /**
   * A number for each row: that of its text in `numbers`, or `otherwise`, which is also that of rows without a value.
   * @param {TextMap} numbers
   * @param {number} [otherwise]
   */
  map(numbers, otherwise = NONE) {
    const { block, keys, offsets, start, length } = this;
    const { bytes, words } = block;
    const table = new Uint32Array(this.texts);
    for (let i = 0, from = start; i < table.length; i++) {
      const to = start + words[offsets + i + 1];
      const found = numbers.find(bytes, from, to);
      table[i] = found === NONE ? otherwise : found;
      from = to;
    }
    let rows = table;
    if (keys !== undefined) {
      rows = new Uint32Array(length);
      for (let row = 0; row < length; row++) {
        rows[row] = table[keys[row]];
      }
    }
    if (this.valid !== 0) {
      const missing = this.present().not().rows();
      for (let i = 0; i < missing.length; i++) {
        rows[missing[i]] = otherwise;
      }
    }
    return rows;
  }

  /**
   * The rows whose key has 1 in the table.
   * @param {Uint32Array} keys
   * @param {Uint8Array} table
   * @param {number} hits ones in the table
   * @param {Bitmap} [among]
   */
  rowsOf(keys, table, hits, among) {
    const found = new Bitmap(this.length);
    if (hits === 0) {
      return found;
    }
    if (hits === table.length) {
      return this.only(found.not(), among);
    }
    if (!sparse(keys, table, hits, found)) {
      const k = keys;
      const t = table;
      const bytes = found.bytes;
      for (let byte = 0, r = 0; byte < bytes.length; byte++, r += 8) {
        bytes[byte] =
          t[k[r]] | (t[k[r + 1]] << 1) | (t[k[r + 2]] << 2) | (t[k[r + 3]] << 3) |
          (t[k[r + 4]] << 4) | (t[k[r + 5]] << 5) | (t[k[r + 6]] << 6) | (t[k[r + 7]] << 7);
      }
    }
    return this.only(found, among);
  }
}

/**
 * Sets the rows whose key has 1 in the table, one by one, as long as these are few; else says so, having set some.
 * @param {Uint32Array} keys
 * @param {Uint8Array} table
 * @param {number} hits
 * @param {Bitmap} found
 */
function sparse(keys, table, hits, { bytes }) {
  let left = Math.floor(keys.length / SPARSE);
  if (hits > left) {
    return false;
  }
  for (let key = table.indexOf(1); key >= 0; key = table.indexOf(1, key + 1)) {
    for (let row = keys.indexOf(key); row >= 0; row = keys.indexOf(key, row + 1)) {
      if (left-- === 0) {
        return false;
      }
      bytes[row >>> 3] |= 1 << (row & 7);
    }
  }
  return true;
}
