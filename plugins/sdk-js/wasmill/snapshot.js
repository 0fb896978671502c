/** What a plugin holds from call to call, as it is handed on to the one that takes its place. */

import { Block } from './block.js';
import * as make from './make.js';
import { Refusal } from './refusal.js';
import { Binary } from './text.js';

/**
 * A piece of it: a key, which is the value at the path that instances are keyed by and whatever it likes where there is a single one, and a value.
 * @typedef {readonly [Uint8Array, Uint8Array]} Entry
 */

/**
 * @param {Iterable<Entry>} entries
 * @internal
 */
export function pack(entries) {
  const all = [...entries];
  return make.block([make.binary(all.map(([key]) => key)), make.binary(all.map(([, value]) => value))]);
}

/**
 * @param {Uint8Array} bytes
 * @returns {Entry[]}
 * @internal
 */
export function unpack(bytes) {
  const block = new Block(bytes);
  if (block.length === 0) {
    return [];
  }
  const [keys, values] = [block.column(0), block.length === 2 ? block.column(1) : undefined];
  if (!(keys instanceof Binary) || !(values instanceof Binary) || keys.length !== values.length) {
    throw new Refusal(`a snapshot of ${block.length} columns, expected keys and values, both of bytes`);
  }
  /** @param {Binary} column @param {number} row */
  const own = (column, row) => column.get(row)?.slice() ?? new Uint8Array(0);
  return Array.from({ length: keys.length }, (_, row) => [own(keys, row), own(values, row)]);
}
