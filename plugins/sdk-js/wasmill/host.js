/**
 * What a plugin may call: the gateway's log, its metrics, the time, tables and state.
 *
 * Of logging and counting, what the host did not do is a {@link Failure}, which is given back rather than thrown: most plugins do not look
 * at it. Tables and state throw a {@link HostError} that has it. In tests without the gateway, what was logged and counted is kept, and
 * tables and state are what the test says: see `testing.js`.
 */

import { Block } from './block.js';
import * as make from './make.js';
import { Refusal } from './refusal.js';

/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/**
 * Why the host did not do it: `denied`, not for this plugin; `unknown`, no such table, field or name; `invalid`, an argument is not what it must
 * be; `limit`, too many, too often or too large; `unavailable`, not now.
 * @typedef {'denied' | 'unknown' | 'invalid' | 'limit' | 'unavailable'} Failure
 */

/** Names and values of a metric's labels. @typedef {Readonly<Record<string, string>>} Labels */

/**
 * The host's functions, as the bindings have them: they throw an error whose `payload` is the failure.
 * @typedef {object} Calls
 * @property {(level: Level, message: string) => void} log
 * @property {(name: string, labels: { name: string, value: string }[], add: number) => void} counter
 * @property {(name: string, labels: { name: string, value: string }[], value: number) => void} gauge
 * @property {(name: string, labels: { name: string, value: string }[], value: number) => void} histogram
 * @property {() => bigint} clock
 * @property {(table: string, keys: Uint8Array, fields: readonly string[]) => Uint8Array} find
 * @property {(keys: Uint8Array) => Uint8Array} get
 * @property {(keys: Uint8Array, values: Uint8Array, ttlMs: number) => void} put
 * @property {(keys: Uint8Array, deltas: Uint8Array, ttlMs: number) => Uint8Array} add
 */

/** @type {Calls | undefined} */
let calls;

/**
 * Says who is called.
 * @param {Calls} host
 * @internal
 */
export function connect(host) {
  calls = host;
}

/**
 * Writes a line to the gateway's log, with the stage's name.
 * @param {Level} level
 * @param {string} message
 * @returns {Failure | undefined}
 */
export function log(level, message) {
  return attempt((host) => host.log(level, message));
}

/**
 * Adds to a counter in the gateway's metrics: `plugin_` and this name, with the stage as the label `plugin`.
 * @param {string} name letters, digits and `_`
 * @param {number} add finite, and not negative
 * @param {Labels} [labels]
 * @returns {Failure | undefined}
 */
export function counter(name, add, labels) {
  return attempt((host) => host.counter(name, pairs(labels), add));
}

/**
 * Sets a gauge in the gateway's metrics. All instances share it.
 * @param {string} name letters, digits and `_`
 * @param {number} value
 * @param {Labels} [labels]
 * @returns {Failure | undefined}
 */
export function gauge(name, value, labels) {
  return attempt((host) => host.gauge(name, pairs(labels), value));
}

/**
 * Observes a value in a histogram in the gateway's metrics, which has the host's buckets.
 * @param {string} name letters, digits and `_`
 * @param {number} value
 * @param {Labels} [labels]
 * @returns {Failure | undefined}
 */
export function histogram(name, value, labels) {
  return attempt((host) => host.histogram(name, pairs(labels), value));
}

/** Nanoseconds since 1970; `undefined` where the host does not say. It may go back when the system's clock is set. */
export function clock() {
  let now = /** @type {bigint | undefined} */ (undefined);
  attempt((host) => {
    now = host.clock();
  });
  return now;
}

/** A call of a table or of state that the host did not do. */
export class HostError extends Refusal {
  /**
   * @param {string} call
   * @param {Failure} failure
   */
  constructor(call, failure) {
    super(`${call}: ${failure}`);
    this.name = 'HostError';
    /** Why. @readonly */
    this.failure = failure;
  }
}

/** Keys of a table or of state: texts, bytes, or a column that was made with `make`. @typedef {make.Made | readonly string[] | readonly Uint8Array[]} Keys */

/**
 * Asks a table of the stage's `tables:` for all keys at once: `const [team] = host.lookup('teams', keys, 'team')`. Gives the view of a
 * column for each field, with a row for each key, and no value where the table has none. `needs.tables` says before which tables the
 * plugin asks.
 * @param {string} table
 * @param {Keys} keys
 * @param {readonly string[]} fields
 * @returns {import('./block.js').View[]}
 */
export function lookup(table, keys, ...fields) {
  const asked = make.block([column(keys)]);
  return columns(demand(`lookup in \`${table}\``, (host) => host.find(table, asked, fields)));
}

/**
 * What the host keeps for each key; no value where there is none. The host's state outlives the instance, and is the same for all of them.
 * `needs.also('state')` says before that the plugin calls this, `statePut` or `stateAdd`.
 * @param {Keys} keys
 */
export function stateGet(keys) {
  const asked = make.block([column(keys)]);
  return /** @type {import('./text.js').Binary} */ (columns(demand('state get', (host) => host.get(asked)))[0]);
}

/**
 * Keeps a value for each key; `undefined` forgets the key. A value is forgotten when its time is over; 0: when the host needs the room.
 * @param {Keys} keys
 * @param {make.Made | readonly (Uint8Array | undefined)[]} values
 * @param {number} [ttlMs]
 */
export function statePut(keys, values, ttlMs = 0) {
  const asked = make.block([column(keys)]);
  const given = make.block([values instanceof make.Made ? values : make.binary(values)]);
  demand('state put', (host) => host.put(asked, given, ttlMs));
}

/**
 * Adds to each key, as one step for each, and gives the sums. A key that is not there counts as 0.
 * @param {Keys} keys
 * @param {make.Made | readonly (bigint | number)[]} deltas
 * @param {number} [ttlMs]
 */
export function stateAdd(keys, deltas, ttlMs = 0) {
  const asked = make.block([column(keys)]);
  const given = make.block([deltas instanceof make.Made ? deltas : make.numbers('int64', deltas)]);
  return /** @type {import('./values.js').BigIntegers} */ (columns(demand('state add', (host) => host.add(asked, given, ttlMs)))[0]);
}

/** @param {Keys} keys */
function column(keys) {
  if (keys instanceof make.Made) {
    return keys;
  }
  return keys[0] instanceof Uint8Array
    ? make.binary(/** @type {readonly Uint8Array[]} */ (keys))
    : make.text(/** @type {readonly string[]} */ (keys));
}

/** @param {Uint8Array} bytes */
function columns(bytes) {
  const block = new Block(bytes);
  return Array.from({ length: block.length }, (_, number) => block.column(number));
}

/**
 * @template T
 * @param {string} name
 * @param {(host: Calls) => T} call
 * @returns {T}
 */
function demand(name, call) {
  let answer = /** @type {T | undefined} */ (undefined);
  const failure = attempt((host) => {
    answer = call(host);
  });
  if (failure !== undefined) {
    throw new HostError(name, failure);
  }
  return /** @type {T} */ (answer);
}

/**
 * @param {(host: Calls) => void} call
 * @returns {Failure | undefined}
 */
function attempt(call) {
  if (calls === undefined) {
    return 'unavailable';
  }
  try {
    call(calls);
    return undefined;
  } catch (error) {
    const failure = /** @type {{ payload?: Failure }} */ (error).payload;
    if (failure === undefined) {
      throw error;
    }
    return failure;
  }
}

/** @param {Labels} [labels] */
function pairs(labels) {
  return labels === undefined ? [] : Object.entries(labels).map(([name, value]) => ({ name, value }));
}
