/** What a plugin asks for: signals, columns, routes. */

import { KINDS } from './kinds.js';

/** @typedef {import('./kinds.js').Kind} Kind */

/**
 * What rows are: spans, data points or log records.
 * @typedef {'traces' | 'metrics' | 'logs'} Signal
 */

/** What a plugin does with rows. @typedef {'keep' | 'routes' | 'edits' | 'flush'} Use */

/** How text comes: `either` is whichever costs the host less. @typedef {'plain' | 'dictionary' | 'either'} TextForm */

/**
 * The view of a column, by the kind that it was asked for as.
 * @typedef {object} Views
 * @property {import('./values.js').Booleans} boolean
 * @property {import('./values.js').Numbers} uint8
 * @property {import('./values.js').Numbers} uint32
 * @property {import('./values.js').Numbers} int32
 * @property {import('./values.js').BigIntegers} uint64
 * @property {import('./values.js').BigIntegers} int64
 * @property {import('./values.js').Numbers} double
 * @property {import('./values.js').Ids} id8
 * @property {import('./values.js').Ids} id16
 * @property {import('./text.js').Text} text
 * @property {import('./text.js').Binary} binary
 * @property {import('./nested.js').Any} any
 * @property {import('./nested.js').Attributes} attributes
 * @property {import('./nested.js').Sequence} sequence
 */

/** All signals that a plugin can be used on. @type {readonly Signal[]} */
export const SIGNALS = ['traces', 'metrics', 'logs'];

/**
 * A column that was asked for, and the key to it in each slice.
 * @template {keyof Views} K
 */
export class Wanted {
  /**
   * @param {string} path
   * @param {Kind} kind
   * @param {K} view
   * @param {TextForm} form
   * @internal
   */
  constructor(path, kind, view, form) {
    /** @readonly */
    this.path = path;
    /** What it was asked for as; for a sequence, that of its values. @readonly */
    this.kind = kind;
    /** @readonly */
    this.view = view;
    /** The view that is made anew for each slice, where it can be. @type {import('./view.js').Column | undefined} @internal */
    this.shown = undefined;
    /** @readonly */
    this.form = form;
    /** Where it is among the columns of a signal. @type {Partial<Record<Signal, number>>} @internal */
    this.position = {};
  }
}

/** What a plugin needs, said once, in `init`. All instances of one config must say the same. */
export class Requirements {
  constructor() {
    /** The columns of each signal, in the order in which they come. @type {Map<Signal, Wanted<any>[]>} @internal */
    this.inputs = new Map();
    /** @type {(readonly string[])[]} @internal */
    this.routeSets = [];
    /** @type {Use[] | undefined} @internal */
    this.named = undefined;
    /** The signals that columns are asked for of. @type {readonly Signal[]} @internal */
    this.current = [];
  }

  /**
   * The plugin can be used on these signals, or on all of them if none is said. Columns asked for from here on are columns of
   * each of them; say it again to ask for columns of fewer.
   * @param {readonly Signal[]} signals
   */
  signals(...signals) {
    this.current = signals.length === 0 ? SIGNALS : signals;
    for (const signal of this.current) {
      if (!this.inputs.has(signal)) {
        this.inputs.set(signal, []);
      }
    }
  }

  /**
   * Asks for a column: `needs.column('name', 'text')`.
   *
   * An attribute that is asked for as a type has no value in rows where it is of another; as `any` all are seen.
   * @template {Kind} K
   * @param {string} path as in the Collector's transformation language: `name`, `attributes["k"]`; see {@link attribute}
   * @param {K} kind
   * @param {TextForm} [form] for text, and for text and keys in `any` and `attributes`
   * @returns {Wanted<K>}
   */
  column(path, kind, form = 'either') {
    return this.want(new Wanted(path, kind, kind, form));
  }

  /**
   * Asks for a column with several values for each row, of events, links, exemplars or buckets:
   * `needs.list('spanevent.name', 'text')`.
   * @param {string} path
   * @param {Kind} kind that of its values
   * @param {TextForm} [form]
   * @returns {Wanted<'sequence'>}
   */
  list(path, kind, form = 'either') {
    return this.want(new Wanted(path, kind, 'sequence', form));
  }

  /**
   * Declares a set of routes, by the names that the stage's `routes:` has, and gives its number. Rows that take it go to all of
   * them.
   * @param {readonly string[]} names
   */
  routeSet(...names) {
    return this.routeSets.push(names) - 1;
  }

  /**
   * Says that the plugin does this alone. Without it, it may keep, edit, route where it declared route sets, and is flushed if
   * it has `flush`. The host refuses a verdict that does something else.
   * @param {readonly Use[]} uses
   */
  uses(...uses) {
    this.named = [...uses];
  }

  /**
   * @template {keyof Views} K
   * @param {Wanted<K>} wanted
   * @returns {Wanted<K>}
   */
  want(wanted) {
    if (!Object.hasOwn(KINDS, wanted.kind)) {
      throw new TypeError(`\`${wanted.path}\`: \`${wanted.kind}\` is no kind; known are ${Object.keys(KINDS).join(', ')}`);
    }
    for (const signal of this.current) {
      const columns = /** @type {Wanted<any>[]} */ (this.inputs.get(signal));
      const { path, kind, view, form } = wanted;
      const same = columns.findIndex((c) => c.path === path && c.kind === kind && c.view === view && c.form === form);
      wanted.position[signal] = same < 0 ? columns.push(wanted) - 1 : same;
    }
    return wanted;
  }

  /**
   * @param {boolean} flushes
   * @returns {Use[]}
   * @internal
   */
  used(flushes) {
    if (this.named !== undefined) {
      return this.named;
    }
    /** @type {Use[]} */
    const uses = ['keep', 'edits'];
    if (this.routeSets.length > 0) {
      uses.push('routes');
    }
    if (flushes) {
      uses.push('flush');
    }
    return uses;
  }

  /** As the contract has it. @param {boolean} flushes @internal */
  answer(flushes) {
    return {
      inputs: [...this.inputs].map(([signal, columns]) => ({
        signal,
        columns: columns.map(({ path, kind, form }) => ({ path, kind: KINDS[kind], text: form })),
      })),
      state: { tag: 'stateless' },
      routeSets: this.routeSets,
      uses: this.used(flushes),
      tables: [],
      tickMs: 0,
    };
  }
}

/**
 * The path of an attribute, its key quoted: `attributes["http.route"]`.
 * @param {string} key
 * @param {'attributes' | 'resource.attributes' | 'scope.attributes'} [map]
 */
export function attribute(key, map = 'attributes') {
  return `${map}["${key.replace(/[\\"]/g, '\\$&')}"]`;
}
