/** Columns whose rows are of different types, or have several values. */

import { Bitmap } from './bitmap.js';
import { ANY_KINDS, BOOLEAN, DOUBLE, INT64, LIST_VALUE, MAP_VALUE, Opaque } from './kinds.js';
import { Binary, Text } from './text.js';
import { BigIntegers, Booleans, Numbers } from './values.js';
import { Column } from './view.js';

/** @typedef {import('./block.js').Block} Block */
/** @typedef {import('./block.js').View} View */
/** @typedef {import('./kinds.js').AnyKind} AnyKind */
/** @typedef {import('./kinds.js').AnyValue} AnyValue */

/** Numbers of types that are looked at often. */
export const ABSENT = 0;
export const KIND_TEXT = 2;

/** A value of its own type for each row: bodies, attributes. Kind `any`. */
export class Any extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    const { words, buffer } = block;
    /** The number of each row's type, its place in {@link ANY_KINDS}: 0 where it has no value, 2 for text. @readonly */
    this.kinds = new Uint8Array(buffer, block.start + words[at + 5], this.length);
    /** Each row's place in the values of its type; means nothing where it has none. @readonly */
    this.places = new Uint32Array(buffer, block.start + words[at + 4], this.length);
    /** All text values, for whoever looks at each distinct one once: a row's is at its place, or at the key there. @type {Text | undefined} @readonly */
    this.text = undefined;
    /** @type {BigIntegers | undefined} @readonly */
    this.int = undefined;
    /** @type {Numbers | undefined} @readonly */
    this.double = undefined;
    /** @type {Booleans | undefined} @readonly */
    this.boolean = undefined;
    /** @type {Binary | undefined} @readonly */
    this.binary = undefined;
    /** @type {Binary | undefined} @readonly */
    this.list = undefined;
    /** @type {Binary | undefined} @readonly */
    this.map = undefined;
    let child = at + block.stride;
    for (let left = words[at + 2]; left > 0; left--) {
      switch (words[child]) {
        case INT64:
          this.int = new BigIntegers(block, child);
          break;
        case DOUBLE:
          this.double = new Numbers(block, child);
          break;
        case BOOLEAN:
          this.boolean = new Booleans(block, child);
          break;
        case LIST_VALUE:
          this.list = new Binary(block, child);
          break;
        case MAP_VALUE:
          this.map = new Binary(block, child);
          break;
        default: {
          const view = block.view(child);
          if (view instanceof Text) {
            this.text = view;
          } else if (view instanceof Binary) {
            this.binary = view;
          }
        }
      }
      child = block.after(child);
    }
  }

  /**
   * Whether the row has a value, be it one without a type.
   * @param {number} row
   */
  has(row) {
    return row < this.length && this.kinds[row] !== ABSENT;
  }

  /** The rows that have a value. */
  present() {
    return this.pack((row) => this.kinds[row] !== ABSENT);
  }

  /**
   * The row's type; `absent` behind the end.
   * @param {number} row
   * @returns {AnyKind}
   */
  kind(row) {
    return ANY_KINDS[this.kinds[row] ?? ABSENT] ?? 'absent';
  }

  /**
   * The row's value; `undefined` where it has none.
   * @param {number} row
   * @returns {AnyValue}
   */
  get(row) {
    const place = this.places[row] ?? 0;
    switch (this.kinds[row]) {
      case 1:
        return null;
      case KIND_TEXT:
        return this.text?.get(place);
      case 3:
        return this.int?.get(place);
      case 4:
        return this.double?.get(place);
      case 5:
        return this.boolean?.get(place);
      case 6:
        return this.binary?.get(place);
      case 7:
        return this.list && new Opaque('list', this.list.raw(place));
      case 8:
        return this.map && new Opaque('map', this.map.raw(place));
      default:
        return undefined;
    }
  }

  /**
   * The rows whose value is as `wanted` says, rows without one included. It is asked once for each text of a dictionary, which
   * may be none's, and once for each row of another type.
   * @param {(value: AnyValue) => boolean} wanted
   * @param {Bitmap} [among] only these rows are looked at
   */
  matches(wanted, among) {
    const { kinds, places } = this;
    const texts = this.text?.matches(wanted);
    return this.pack(
      (row) => (kinds[row] === KIND_TEXT ? texts !== undefined && texts.get(places[row] ?? 0) : wanted(this.get(row))),
      among,
    );
  }
}

/** Several values for each row: a field of its events, links or exemplars; a histogram's buckets. */
export class Sequence extends Column {
  /** Where the row's values start in {@link Sequence.values}. @param {number} row */
  from(row) {
    return this.has(row) ? this.block.words[(this.block.words[this.at + 4] >>> 2) + row] : 0;
  }

  /** Where they end; where they start if the row has none. @param {number} row */
  to(row) {
    return this.has(row)
      ? this.block.words[(this.block.words[this.at + 4] >>> 2) + row + 1]
      : 0;
  }

  /** The values of all rows, one behind the other. */
  get values() {
    return this.block.view(this.at + this.block.stride);
  }
}

/** A set of attributes for each row, in the order in which they came; a key may repeat. Kind `attributes`. */
export class Attributes extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    const keys = at + block.stride;
    /** The keys of all rows, one behind the other. @readonly */
    this.keys = new Text(block, keys);
    /** The values of all rows, one behind the other. @readonly */
    this.values = new Any(block, block.after(keys));
    /** @internal */
    this.offsets = block.words[at + 4] >>> 2;
  }

  /**
   * Where the row's entries start in {@link Attributes.keys} and {@link Attributes.values}. These places are the numbers that
   * an edit of single entries is about.
   * @param {number} row
   */
  from(row) {
    return this.has(row) ? this.block.words[this.offsets + row] : 0;
  }

  /** Where they end; where they start if the row has none. @param {number} row */
  to(row) {
    return this.has(row) ? this.block.words[this.offsets + row + 1] : 0;
  }

  /**
   * The row's attributes, in order.
   * @param {number} row
   */
  entries(row) {
    /** @type {[key: string, value: AnyValue][]} */
    const entries = [];
    for (let place = this.from(row), end = this.to(row); place < end; place++) {
      entries.push([this.keys.get(place) ?? '', this.values.get(place)]);
    }
    return entries;
  }
}
