/** Columns of text and bytes. */

import { Bitmap } from './bitmap.js';
import { DICTIONARY } from './kinds.js';
import { NONE, TextMap } from './textmap.js';
import { budget, Column, scan } from './view.js';

/** @typedef {import('./block.js').Block} Block */

/** A mark of the byte order is a character like others. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** What most slices have. @type {number[]} */
const NO_PLACES = [];

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
    /**
     * For each row the number of its text, where the column is a dictionary; a row without a value has some number.
     * @type {Uint32Array | undefined}
     */
    this.keys = undefined;
    /** How many texts there are: of the dictionary, where there is one, else of the rows. */
    this.texts = 0;
    /** Where the offsets start, in words. @internal */
    this.offsets = 0;
    /** Where the bytes start. @internal */
    this.start = 0;
    this.show(block, at);
  }

  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  show(block, at) {
    const { words } = block;
    this.block = block;
    this.at = at;
    const length = words[at + 1];
    this.length = length;
    this.valid = words[at + 3];
    let plain = at;
    if (words[at] === DICTIONARY) {
      this.keys = new Uint32Array(block.buffer, block.start + words[at + 5], length);
      plain += block.stride;
    } else {
      this.keys = undefined;
    }
    this.texts = words[plain + 1];
    this.offsets = words[plain + 4] >>> 2;
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
    return this.rowsOf(this.find(texts instanceof TextMap ? texts : TextMap.of(texts)), among);
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
    /** @type {number[]} */
    const places = [];
    for (let place = 0; place < this.texts; place++) {
      if (wanted(this.text(place))) {
        places.push(place);
      }
    }
    return this.rowsOf(places, among);
  }

  /**
   * A number for each row: that of its text in `numbers`, or `otherwise`, which is also that of rows without a value.
   * @param {TextMap} numbers
   * @param {number} [otherwise]
   */
  map(numbers, otherwise = NONE) {
    const { keys, length } = this;
    /** @type {number[]} */
    const found = [];
    const places = this.find(numbers, found);
    const table = new Uint32Array(this.texts);
    table.fill(otherwise);
    for (let i = 0; i < places.length; i++) {
      table[places[i]] = found[i];
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
   * The numbers of the texts that the map has, and in `found` what it has for them.
   * @param {TextMap} map
   * @param {number[]} [found]
   */
  find(map, found) {
    const { block, offsets, start, texts } = this;
    const { bytes, words } = block;
    const { ends } = map;
    let places = NO_PLACES;
    for (let place = 0, from = 0; place < texts; place++) {
      const to = words[offsets + place + 1];
      const last = ends[to - from];
      if (last !== undefined && last[bytes[start + to - 1]] !== 0) {
        const number = map.get(this.text(place));
        if (number !== NONE) {
          if (places === NO_PLACES) {
            places = [];
          }
          places.push(place);
          found?.push(number);
        }
      }
      from = to;
    }
    return places;
  }

  /**
   * The rows that have one of the texts of these numbers.
   * @param {number[]} places
   * @param {Bitmap} [among]
   */
  rowsOf(places, among) {
    const { keys, length, texts } = this;
    if (keys === undefined) {
      return this.only(Bitmap.of(length, places), among);
    }
    const found = new Bitmap(length);
    if (places.length === 0) {
      return found;
    }
    if (places.length === texts) {
      return this.only(found.not(), among);
    }
    const { bytes } = found;
    let left = budget(length);
    for (let i = 0; i < places.length && left > 0; i++) {
      left = scan(keys, places[i], bytes, left);
    }
    if (left === 0) {
      const k = keys;
      const t = new Uint8Array(texts);
      for (let i = 0; i < places.length; i++) {
        t[places[i]] = 1;
      }
      for (let byte = 0, r = 0; byte < bytes.length; byte++, r += 8) {
        bytes[byte] =
          t[k[r]] | (t[k[r + 1]] << 1) | (t[k[r + 2]] << 2) | (t[k[r + 3]] << 3) |
          (t[k[r + 4]] << 4) | (t[k[r + 5]] << 5) | (t[k[r + 6]] << 6) | (t[k[r + 7]] << 7);
      }
    }
    return this.only(found, among);
  }
}
