/**
 * Reading a block: the columns of a slice, as the contract lays them out in one buffer.
 *
 * Views are made over the buffer, and copy nothing. The host vouches for what it sends, so nothing is checked: a wrong block
 * reads as wrong values, or throws, and never reaches other memory.
 */

import { ANY, ATTRIBUTES, BINARY, BOOLEAN, DICTIONARY, ID16, ID8, INT64, LIST_VALUE, MAP_VALUE, SEQUENCE, TEXT, UINT64 } from './kinds.js';
import { Any, Attributes, Sequence } from './nested.js';
import { Binary, Text } from './text.js';
import { Booleans, BigIntegers, Ids, Numbers } from './values.js';

/** @typedef {Booleans | Numbers | BigIntegers | Ids | Text | Binary | Any | Sequence | Attributes} View */

/** Where the header ends, in words. */
const HEADER_WORDS = 2;

/** Columns in one buffer. */
export class Block {
  /** @param {Uint8Array} bytes may be empty: no columns */
  constructor(bytes) {
    // Views of words must start at a multiple of their size.
    const own = bytes.byteOffset & 7 ? bytes.slice() : bytes;
    /** @internal */
    this.bytes = own;
    /** @internal */
    this.buffer = /** @type {ArrayBuffer} */ (own.buffer);
    /** Where the block starts in its buffer. @internal */
    this.start = own.byteOffset;
    /** @internal */
    this.words = new Uint32Array(this.buffer, this.start, own.length >>> 2);
    const count = this.words.length === 0 ? 0 : this.words[0];
    /** Words of a node. @internal */
    this.stride = count === 0 ? 0 : this.words[1] >>> 2;
    /** Where each column's node is, in words. @type {number[]} @internal */
    this.roots = [];
    let at = HEADER_WORDS;
    // Nodes that are still to come of the column's tree.
    for (let node = 0, inner = 0; node < count; node++, at += this.stride) {
      if (inner === 0) {
        this.roots.push(at);
      } else {
        inner--;
      }
      inner += this.words[at + 2];
    }
  }

  /** Number of columns. */
  get length() {
    return this.roots.length;
  }

  /**
   * The column of that number, counted from 0.
   * @param {number} number
   * @returns {View}
   */
  column(number) {
    const at = this.roots[number];
    if (at === undefined) {
      throw new RangeError(`no column ${number}: the block has ${this.roots.length}`);
    }
    return this.view(at);
  }

  /**
   * The view of the node at that word.
   * @param {number} at
   * @returns {View}
   * @internal
   */
  view(at) {
    const kind = this.words[at];
    switch (kind) {
      case TEXT:
      case DICTIONARY:
        return new Text(this, at);
      case BOOLEAN:
        return new Booleans(this, at);
      case UINT64:
      case INT64:
        return new BigIntegers(this, at);
      case ID8:
      case ID16:
        return new Ids(this, at);
      case BINARY:
      case LIST_VALUE:
      case MAP_VALUE:
        return new Binary(this, at);
      case ANY:
        return new Any(this, at);
      case SEQUENCE:
        return new Sequence(this, at);
      case ATTRIBUTES:
        return new Attributes(this, at);
      default:
        return new Numbers(this, at);
    }
  }

  /**
   * Where the node is that follows the one at `at` and all its children.
   * @param {number} at
   * @internal
   */
  after(at) {
    let next = at;
    for (let left = 1; left > 0; left--) {
      left += this.words[next + 2];
      next += this.stride;
    }
    return next;
  }
}
