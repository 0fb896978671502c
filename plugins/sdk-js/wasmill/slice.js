/** What a plugin is shown. */

import { Block } from './block.js';
import { Groups } from './groups.js';

/** @typedef {import('./requirements.js').Signal} Signal */
/** @typedef {import('./requirements.js').Views} Views */

const NO_GROUPS = new Uint8Array(0);

/** Columns whose view is made anew in place. @type {ReadonlySet<keyof Views>} */
const REUSED = new Set(['text', 'uint8', 'uint32', 'int32', 'double', 'uint64', 'int64']);

/**
 * Some rows of a batch, as the columns that were asked for. A request may come in several slices, and rows that an earlier stage
 * dropped are in none.
 */
export class Slice {
  /**
   * @param {Signal} signal
   * @param {number} rows
   * @param {Uint8Array} columns
   * @param {Uint8Array} [groups]
   * @internal
   */
  constructor(signal, rows, columns, groups = NO_GROUPS) {
    /** @readonly */
    this.signal = signal;
    /** Number of rows, at least 1. All columns have as many; those of `group.…` have a value for each group. @readonly */
    this.rows = rows;
    /** All columns of this signal in the order in which they were asked for. @readonly */
    this.block = new Block(columns);
    /** @type {Uint8Array | Groups} @internal */
    this.parts = groups;
  }

  /** Which rows belong together, in a stage with `group_by:`; elsewhere there are none. */
  get groups() {
    if (!(this.parts instanceof Groups)) {
      this.parts = new Groups(this.parts, this.rows);
    }
    return this.parts;
  }

  /**
   * The column, to be looked at until `process` returns.
   * @template {keyof Views} K
   * @param {import('./requirements.js').Wanted<K>} wanted what `needs.column` gave
   * @returns {Views[K]}
   */
  column(wanted) {
    const position = wanted.position[this.signal];
    if (position === undefined) {
      throw new TypeError(`\`${wanted.path}\` was not asked for of ${this.signal}`);
    }
    const { block } = this;
    let view = wanted.shown;
    if (view === undefined) {
      view = block.column(position);
      wanted.shown = REUSED.has(wanted.view) ? view : undefined;
    } else {
      view.show(block, block.roots[position]);
    }
    return /** @type {Views[K]} */ (view);
  }
}
