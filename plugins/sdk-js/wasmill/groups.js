/**
 * Which rows of a slice belong together, in a stage with `group_by:`.
 *
 * ```js
 * const failed = slice.groups.any(slice.column(status).where('==', 2));
 * verdict.keepGroups(failed);
 * ```
 *
 * Facts about a group are columns with a value for each group instead of each row: `group.waited_ms`, as `uint32`, is how long its first
 * row waited; `group.reason`, as `text`, why it is decided now: `wait`, `full`, `rows` or `closed`.
 */

import { Bitmap } from './bitmap.js';

/** The groups of a slice. A group's rows follow each other. */
export class Groups {
  /**
   * @param {Uint8Array} bytes
   * @param {number} rows
   * @internal
   */
  constructor(bytes, rows) {
    // Views of words must start at a multiple of their size.
    const own = bytes.byteOffset & 3 ? bytes.slice() : bytes;
    /** Where each group starts, and the end; empty: the stage has no groups. @readonly */
    this.starts = new Uint32Array(own.buffer, own.byteOffset, own.length >>> 2);
    /** Number of groups. @readonly */
    this.length = Math.max(this.starts.length - 1, 0);
    if (own.length > 0 && (own.length % 4 !== 0 || this.starts[0] !== 0 || this.starts[this.length] !== rows)) {
      throw new RangeError(`the groups of a slice of ${rows} rows end at ${this.starts[this.length]}`);
    }
  }

  /**
   * The first row of a group.
   * @param {number} group
   */
  from(group) {
    return this.starts[group];
  }

  /**
   * The row behind the last one of a group.
   * @param {number} group
   */
  to(group) {
    return this.starts[group + 1];
  }

  /**
   * The groups that have one of these rows.
   * @param {Bitmap} rows
   */
  any(rows) {
    const { starts, length } = this;
    const found = new Bitmap(length);
    const numbers = rows.rows();
    for (let i = 0, group = 0; i < numbers.length && group < length; i++) {
      while (numbers[i] >= starts[group + 1]) {
        group++;
      }
      found.set(group);
    }
    return found;
  }

  /**
   * The rows of these groups.
   * @param {Bitmap} groups
   */
  expand(groups) {
    const { starts, length } = this;
    const rows = new Bitmap(length === 0 ? 0 : starts[length]);
    const numbers = groups.rows();
    for (let i = 0; i < numbers.length; i++) {
      for (let row = starts[numbers[i]]; row < starts[numbers[i] + 1]; row++) {
        rows.set(row);
      }
    }
    return rows;
  }
}
