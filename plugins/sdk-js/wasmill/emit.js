/**
 * New records that a plugin makes: metrics of spans, an alert as a log record. It says so: `needs.also('emit')`.
 *
 * ```js
 * verdict.emit('logs', 2).set('body', 'slow').source([0, 5]);  // in process
 * out.emit('logs').set('body', `${seen} rows`);                // in tick and flush
 * ```
 */

import { block, Made, numbers, one } from './make.js';

/** @typedef {import('./kinds.js').AnyValue} AnyValue */
/** @typedef {import('./requirements.js').Signal} Signal */

const UNCHANGED = 65535;

/** Some new records of one signal. Fields that are not set have their default. */
export class Emission {
  /**
   * @param {Signal} signal
   * @param {number} rows
   * @internal
   */
  constructor(signal, rows) {
    if (!(rows >= 1)) {
      throw new RangeError(`an emission of ${rows} records, expected at least one`);
    }
    /** @readonly */
    this.signal = signal;
    /** Number of records. @readonly */
    this.rows = rows;
    /** A set, or one for each record. @type {number | Uint16Array<ArrayBuffer>} @internal */
    this.routes = UNCHANGED;
    /** @type {{ path: string, values: Uint8Array }[]} @internal */
    this.fields = [];
  }

  /**
   * Gives the records a field: the same value for all, or a column that was made with `make`, with a value for each or a single one for all.
   * Paths are those of columns. An attribute or body takes what {@link AnyValue} says; a field of another type a column of its own kind:
   * `set('severity_number', make.numbers('int32', [9]))`.
   * @param {string} path
   * @param {AnyValue | Made} value
   */
  set(path, value) {
    const column = value instanceof Made ? value : one(value);
    if (column.length !== this.rows && column.length !== 1) {
      throw new RangeError(`\`${path}\`: ${column.length} values for ${this.rows} new records`);
    }
    this.fields.push({ path, values: block([column]) });
    return this;
  }

  /**
   * Says for each record which row's resource and scope it has; one row, for all. Only in `process`: elsewhere there are no rows.
   * @param {ArrayLike<number>} rows
   */
  source(rows) {
    return this.set('source', numbers('uint32', rows));
  }

  /**
   * Sends the records to the routes of a set, or each to those of its own.
   * @param {number | ArrayLike<number>} sets what `needs.routeSet` gave; `UNCHANGED`: where the stage's `emit_to:` says
   */
  route(sets) {
    if (typeof sets !== 'number' && sets.length !== this.rows) {
      throw new RangeError(`${sets.length} routes for ${this.rows} new records`);
    }
    this.routes = typeof sets === 'number' ? sets : new Uint16Array(sets);
    return this;
  }

  /** As the contract has it. @internal */
  answer() {
    return { signal: this.signal, rows: this.rows, route: route(this.routes, 'rows'), fields: this.fields };
  }
}

/** New records, in the making. */
export class Emissions {
  constructor() {
    /** @type {Emission[]} @internal */
    this.made = [];
  }

  /**
   * Begins so many new records of a signal. They go where the stage's `emit_to:` says, unless they are routed.
   * @param {Signal} signal
   * @param {number} [rows]
   */
  emit(signal, rows = 1) {
    const emission = new Emission(signal, rows);
    this.made.push(emission);
    return emission;
  }

  /** As the contract has it. @internal */
  answer() {
    return this.made.map((emission) => emission.answer());
  }
}

const ROUTE_UNCHANGED = { tag: 'unchanged' };

/**
 * Routes as they cross.
 * @param {number | Uint16Array<ArrayBuffer>} routes
 * @param {'rows' | 'groups'} each
 * @returns {{ tag: string, val?: number | Uint8Array }}
 * @internal
 */
export function route(routes, each) {
  if (typeof routes !== 'number') {
    return { tag: each, val: new Uint8Array(routes.buffer, routes.byteOffset, routes.byteLength) };
  }
  return routes === UNCHANGED ? ROUTE_UNCHANGED : { tag: 'all', val: routes };
}
