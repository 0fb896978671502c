/**
 * Write a Wasmill plugin in JavaScript or TypeScript.
 *
 * A plugin is a step of the gateway's pipeline. It says once which columns it needs, is shown these for thousands of rows at a
 * time, and answers with a decision: which rows stay, which values change, which route rows take. The rows themselves stay in the
 * host.
 *
 * ```js
 * import { attribute, plugin, shape } from './wasmill/index.js';
 *
 * export default plugin({
 *   config: { drop: shape.list(shape.text()), team: shape.text() },
 *   init({ drop, team }, needs) {
 *     needs.signals('traces');
 *     const route = needs.column(attribute('http.route'), 'text');
 *     return {
 *       process(slice, verdict) {
 *         verdict.drop(slice.column(route).isIn(drop));
 *         verdict.set(attribute('team'), 'all', team);
 *       },
 *     };
 *   },
 * });
 * ```
 *
 * Speed: JavaScript is interpreted in a component, at tens of nanoseconds a step and about a microsecond for each object or
 * string. So let the views do the loops: `where` for numbers, `isIn` and `map` for text, `and`, `or` and `not` of bitmaps. Ask for
 * few columns, of the type that you compare with. What is the same for all slices, a `TextMap` above all, make in `init`.
 */

export { Bitmap } from './bitmap.js';
export { Emission, Emissions } from './emit.js';
export { Groups } from './groups.js';
export * as host from './host.js';
export { HostError } from './host.js';
export { ANY_KINDS, Opaque } from './kinds.js';
export * as make from './make.js';
export { Any, Attributes, Sequence } from './nested.js';
export { plugin } from './plugin.js';
export { Refusal } from './refusal.js';
export { attribute, Requirements, Wanted } from './requirements.js';
export * as shape from './shape.js';
export { Slice } from './slice.js';
export { Binary, Text } from './text.js';
export { NONE, TextMap } from './textmap.js';
export { BigIntegers, Booleans, Ids, Numbers } from './values.js';
export { entries, UNCHANGED, Verdict } from './verdict.js';

/** @typedef {import('./kinds.js').AnyKind} AnyKind */
/** @typedef {import('./kinds.js').AnyValue} AnyValue */
/** @typedef {import('./snapshot.js').Entry} Entry */
/** @typedef {import('./host.js').Failure} Failure */
/** @typedef {import('./kinds.js').Kind} Kind */
/** @typedef {import('./plugin.js').Plugin} Plugin */
/** @typedef {import('./requirements.js').Signal} Signal */
