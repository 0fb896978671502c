/**
 * What a plugin may call: the gateway's log, its metrics, the time.
 *
 * None of these ends a call. What the host did not do is a {@link Failure}, which is given back rather than thrown: most plugins
 * do not look at it. In tests without the gateway, what was logged and counted is kept: see `testing.js`.
 */

/** @typedef {'debug' | 'info' | 'warn' | 'error'} Level */

/**
 * Why the host did not do it: `denied`, not for this plugin; `unknown`, no such name; `invalid`, an argument is not what it must
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
