/** What a plugin is. */

import { Refusal } from './refusal.js';
import { Requirements } from './requirements.js';
import { read } from './shape.js';

/** @typedef {import('./shape.js').Shape} Shape */

/**
 * A plugin that was started.
 * @typedef {object} Plugin
 * @property {(slice: import('./slice.js').Slice, verdict: import('./verdict.js').Verdict) => void} process
 *   Decides about a slice of at least one row. A verdict that nothing is done to keeps all rows as they are. What it throws
 *   refuses the slice as a whole; the instance goes on.
 * @property {(now: bigint, out: import('./emit.js').Emissions) => void} [tick]
 *   Time has passed: called at the interval that `needs.tickEvery` asked for, at times that depend on load. `now` is in nanoseconds since
 *   1970, and may go back when the system's clock is set. What it throws is logged and counted.
 * @property {(out: import('./emit.js').Emissions) => void} [flush]
 *   The instance is about to go, after its last slice: the moment to count or log what it gathered, or to make records of it. Called once,
 *   and not after a fault. What it throws is logged and counted.
 * @property {() => Iterable<import('./snapshot.js').Entry>} [snapshot]
 *   What it holds, for the plugin that takes its place. Where it throws, that is lost, or it stays in its place, as the operator configured.
 * @property {(entries: import('./snapshot.js').Entry[]) => void} [restore]
 *   Called once after `init` and before the first slice, with what an older plugin's `snapshot` gave: read it with care, it may be of
 *   another version. What it throws refuses the new plugin: the old one serves on.
 */

/**
 * How a plugin is started.
 * @template {Shape} S
 * @typedef {object} Definition
 * @property {S} config The shape of the stage's `config:` block.
 * @property {(config: import('./shape.js').Config<S>, needs: Requirements) => Plugin} init
 *   Called once for each instance, with a config of that shape. Says in `needs` on which signals the plugin can be used and which
 *   columns it is to be shown. Instances run side by side, and are dropped and made anew at any time: keep nothing from call to
 *   call but caches.
 */

/**
 * Makes a plugin: the default export of its file.
 * @template {Shape} S
 * @param {Definition<S>} definition
 * @returns {Definition<S>}
 */
export function plugin(definition) {
  return definition;
}

/**
 * Starts a plugin: reads its config, and asks for its requirements.
 * @template {Shape} S
 * @param {Definition<S>} definition
 * @param {string} text the config as JSON
 * @internal
 */
export function start(definition, text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new Refusal(`\`config\`: ${/** @type {Error} */ (error).message}`);
  }
  const requirements = new Requirements();
  // A stage without a config has an empty one.
  const running = definition.init(read(definition.config, config ?? {}), requirements);
  if (typeof running?.process !== 'function') {
    throw new TypeError('`init` gave no plugin: expected an object with `process`');
  }
  if ((running.tick === undefined) !== (requirements.tickMs === 0)) {
    throw new TypeError(
      running.tick === undefined
        ? 'the plugin asked for ticks, and has no `tick`'
        : 'the plugin has `tick`, and did not say how often it is called: `needs.tickEvery`',
    );
  }
  return { running, requirements };
}
