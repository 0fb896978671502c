/** What a plugin is shown. */

import { Block } from './block.js';

/** @typedef {import('./requirements.js').Signal} Signal */
/** @typedef {import('./requirements.js').Views} Views */

/**
 * Some rows of a batch, as the columns that were asked for. A request may come in several slices, and rows that an earlier stage
 * dropped are in none.
 */
export class Slice {
  /**
   * @param {Signal} signal
   * @param {number} rows
   * @param {Uint8Array} columns
   * @internal
   */
  constructor(signal, rows, columns) {
    /** @readonly */
    this.signal = signal;
    /** Number of rows, at least 1. All columns have as many. @readonly */
    this.rows = rows;
    /** All columns of this signal in the order in which they were asked for. @readonly */
    this.block = new Block(columns);
  }

  /**
   * The column.
   * @template {keyof Views} K
   * @param {import('./requirements.js').Wanted<K>} wanted what `needs.column` gave
   * @returns {Views[K]}
   */
  column(wanted) {
    const position = wanted.position[this.signal];
    if (position === undefined) {
      throw new TypeError(`\`${wanted.path}\` was not asked for of ${this.signal}`);
    }
    return /** @type {Views[K]} */ (this.block.column(position));
  }
}
