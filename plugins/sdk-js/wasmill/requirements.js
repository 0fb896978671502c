/** What a plugin asks for: signals, columns, routes. */

import { KINDS } from './kinds.js';

/** @typedef {import('./kinds.js').Kind} Kind */

/**
 * What rows are: spans, data points or log records.
 * @typedef {'traces' | 'metrics' | 'logs'} Signal
 */

/**
 * What a plugin does. `groups`: it keeps or routes whole groups; `emit`: it makes new records; `state`: it calls `host.stateGet`,
 * `statePut` or `stateAdd`.
 * @typedef {'keep' | 'routes' | 'edits' | 'groups' | 'emit' | 'state' | 'flush' | 'snapshot'} Use
 */

/**
 * What a plugin may have besides `process`.
 * @typedef {Pick<import('./plugin.js').Plugin, 'tick' | 'flush' | 'snapshot' | 'restore'>} Hooks
 */

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
    /** @type {Use[]} @internal */
    this.more = [];
    /** @type {string[]} @internal */
    this.tableNames = [];
    /** @internal */
    this.tickMs = 0;
    /** @type {{ tag: 'stateless' | 'single' } | { tag: 'keyed', val: string }} @internal */
    this.scope = { tag: 'stateless' };
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
   * Says that the plugin does this alone. Without it, it may keep, edit, route where it declared route sets, and decide by group where
   * it asked for a column `group.…`. Whether it is flushed, and gives snapshots, follows from its having the methods. The host refuses a
   * verdict that does something else.
   * @param {readonly Use[]} uses
   */
  uses(...uses) {
    this.named = [...uses];
  }

  /**
   * Says that the plugin does this, besides what it does without saying so: `emit`, `groups`, `state`.
   * @param {readonly Use[]} uses
   */
  also(...uses) {
    this.more.push(...uses);
  }

  /**
   * The lookup tables that the plugin asks; one that the stage's `tables:` has not is refused.
   * @param {readonly string[]} names
   */
  tables(...names) {
    this.tableNames.push(...names);
  }

  /**
   * Has `tick` called at this interval at most.
   * @param {number} milliseconds
   */
  tickEvery(milliseconds) {
    if (!(Number.isInteger(milliseconds) && milliseconds > 0 && milliseconds < 2 ** 32)) {
      throw new RangeError(`an interval of ${milliseconds} ms between ticks, expected 1 to ${2 ** 32 - 1}`);
    }
    this.tickMs = milliseconds;
  }

  /**
   * Rows with equal values at this path always come to the same instance, so that it can keep something about them from call to call. An
   * instance has the rows of many values.
   * @param {string} path
   */
  keyed(path) {
    this.scope = { tag: 'keyed', val: path };
  }

  /** There is one instance for all rows of the stage. */
  single() {
    this.scope = { tag: 'single' };
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
   * What it does, with what follows from its methods.
   * @param {Hooks} hooks
   * @returns {Use[]}
   * @internal
   */
  used(hooks) {
    /** @type {Set<Use>} */
    const uses = new Set(this.named ?? ['keep', 'edits']);
    if (this.named === undefined) {
      if (this.routeSets.length > 0) {
        uses.add('routes');
      }
      if ([...this.inputs.values()].flat().some(({ path }) => path.startsWith('group.'))) {
        uses.add('groups');
      }
    }
    this.more.forEach((use) => uses.add(use));
    if (hooks.flush !== undefined) {
      uses.add('flush');
    }
    if (hooks.snapshot !== undefined) {
      uses.add('snapshot');
    }
    return [...uses];
  }

  /** As the contract has it. @param {Hooks} hooks @internal */
  answer(hooks) {
    return {
      inputs: [...this.inputs].map(([signal, columns]) => ({
        signal,
        columns: columns.map(({ path, kind, form }) => ({ path, kind: KINDS[kind], text: form })),
      })),
      state: this.scope,
      routeSets: this.routeSets,
      uses: this.used(hooks),
      tables: this.tableNames,
      tickMs: this.tickMs,
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
