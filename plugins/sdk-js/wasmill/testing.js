/**
 * Testing a plugin without WebAssembly, with `node --test`.
 *
 * ```js
 * const plugin = Harness.start(filter, { attribute: 'http.route', drop: ['/healthz'] });
 * const answer = plugin.process('traces', { 'attributes["http.route"]': ['/healthz', '/cart'] });
 * assert.deepEqual(answer.kept, [1]);
 * assert.equal(plugin.counted('dropped'), 1);
 * ```
 *
 * The harness does what the host does, through the same block: columns that are not given have no values, and what the plugin
 * answers is checked. It throws where a test is wrong: a path that the plugin did not ask for, a column that is too short.
 */

import { Bitmap } from './bitmap.js';
import { Block } from './block.js';
import { connect } from './host.js';
import { TEXT } from './kinds.js';
import * as make from './make.js';
import { Attributes } from './nested.js';
import { start } from './plugin.js';
import { Slice } from './slice.js';
import { UNCHANGED, Verdict } from './verdict.js';

/** @typedef {import('./kinds.js').AnyValue} AnyValue */
/** @typedef {import('./requirements.js').Signal} Signal */
/** @typedef {import('./requirements.js').Wanted<any>} Wanted */

/**
 * What a column's rows are in a test: values as they are read; for a map an object, or pairs in order; for a list its values.
 * `undefined` where there is none.
 * @typedef {readonly any[]} Values
 */

/** What was counted or observed. @typedef {{ kind: 'counter' | 'gauge' | 'histogram', name: string, labels: Record<string, string>, value: number }} Metric */

/**
 * An edit, with one value for each target.
 * @typedef {object} Edited
 * @property {string} path
 * @property {number[]} targets row numbers, or places of entries
 * @property {boolean} entries
 * @property {any[]} values `undefined` for what is removed, pairs for what is merged
 */

/** A plugin under test. */
export class Harness {
  /**
   * Starts the plugin. What it throws is what the operator would read.
   * @param {import('./plugin.js').Definition<any>} definition the plugin file's default export
   * @param {unknown} [config]
   */
  static start(definition, config = {}) {
    return new Harness(definition, config);
  }

  /**
   * @param {import('./plugin.js').Definition<any>} definition
   * @param {unknown} config
   */
  constructor(definition, config) {
    /** What was counted and observed, in order. @type {Metric[]} @readonly */
    this.metrics = [];
    /** What was logged, in order. @type {{ level: import('./host.js').Level, message: string }[]} @readonly */
    this.logged = [];
    /** What the clock shows, in nanoseconds since 1970. */
    this.now = 1_700_000_000_000_000_000n;
    this.connect();
    const { running, requirements } = start(definition, JSON.stringify(config));
    /** @internal */
    this.running = running;
    /** @internal */
    this.requirements = requirements;
  }

  /** The signals that the plugin can be used on. */
  get signals() {
    return [...this.requirements.inputs.keys()];
  }

  /** The paths that it asked for of a signal, in order. @param {Signal} signal */
  paths(signal) {
    return this.input(signal).map(({ path }) => path);
  }

  /** The sets of routes that it declared. */
  get routeSets() {
    return this.requirements.routeSets;
  }

  /** What it does with rows. */
  get uses() {
    return this.requirements.used(this.running.flush !== undefined);
  }

  /**
   * Shows the plugin a slice, and gives its answer. What it throws is its refusal.
   * @param {Signal} signal
   * @param {Readonly<Record<string, Values>>} columns by path
   * @param {number} [rows] as many as the columns have, unless said
   */
  process(signal, columns, rows = Object.values(columns)[0]?.length ?? 1) {
    const asked = this.input(signal);
    for (const [path, values] of Object.entries(columns)) {
      if (!asked.some((wanted) => wanted.path === path)) {
        throw new Error(`the plugin asked for ${asked.map((wanted) => wanted.path).join(', ')} of ${signal}, not for ${path}`);
      }
      if (values.length !== rows) {
        throw new Error(`${path}: ${values.length} values for ${rows} rows`);
      }
    }
    const made = asked.map((wanted) => column(wanted, columns[wanted.path] ?? Array(rows).fill(undefined)));
    const verdict = new Verdict(rows);
    this.connect();
    this.running.process(new Slice(signal, rows, make.block(made)), verdict);
    return new Answer(verdict, this);
  }

  /** As the host does before an instance goes. */
  flush() {
    this.connect();
    this.running.flush?.();
  }

  /**
   * The sum of a counter, over all its labels.
   * @param {string} name
   */
  counted(name) {
    return this.metrics
      .filter((metric) => metric.kind === 'counter' && metric.name === name)
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** @param {Signal} signal */
  input(signal) {
    const columns = this.requirements.inputs.get(signal);
    if (columns === undefined) {
      throw new Error(`the plugin cannot be used on ${signal}`);
    }
    return columns;
  }

  connect() {
    /** @param {Metric['kind']} kind */
    const metric = (kind) => (/** @type {string} */ name, /** @type {{ name: string, value: string }[]} */ labels, /** @type {number} */ value) => {
      if (!/^[A-Za-z0-9_]+$/.test(name) || !Number.isFinite(value) || (kind === 'counter' && value < 0)) {
        throw Object.assign(new Error(`${kind} ${name}: ${value}`), { payload: 'invalid' });
      }
      this.metrics.push({ kind, name, labels: Object.fromEntries(labels.map((label) => [label.name, label.value])), value });
    };
    connect({
      log: (level, message) => void this.logged.push({ level, message }),
      counter: metric('counter'),
      gauge: metric('gauge'),
      histogram: metric('histogram'),
      clock: () => this.now,
    });
  }
}

/** A verdict that was checked as the host checks it. */
export class Answer {
  /**
   * @param {Verdict} verdict
   * @param {Harness} harness
   * @internal
   */
  constructor(verdict, { uses, routeSets }) {
    const { keep, route, edits } = verdict.answer();
    /** @param {boolean} does @param {import('./requirements.js').Use} use */
    const allowed = (does, use) => {
      if (does && !uses.includes(use)) {
        throw new Error(`the verdict does what the plugin did not name: ${use}`);
      }
    };
    allowed(keep.tag !== 'all', 'keep');
    allowed(route.tag !== 'unchanged', 'routes');
    allowed(edits.length > 0, 'edits');
    const { rows } = verdict;
    const numbers = Array.from({ length: rows }, (_, row) => row);
    /** @internal */
    this.rows = rows;
    /** The rows that stay. @type {number[]} @readonly */
    this.kept = keep.tag === 'rows' && 'val' in keep ? [...Bitmap.from(rows, keep.val)] : keep.tag === 'none' ? [] : numbers;
    /** @param {number} set */
    const names = (set) => {
      const found = set === UNCHANGED ? undefined : routeSets[set];
      if (set !== UNCHANGED && found === undefined) {
        throw new RangeError(`route set ${set} of ${routeSets.length}`);
      }
      return found;
    };
    const { routes } = verdict;
    const sets = typeof routes === 'number' ? numbers.map(() => routes) : [...routes];
    /** The names that each row is sent to; `undefined`: unchanged. @type {(readonly string[] | undefined)[]} @readonly */
    this.routes = sets.map((set) => names(set));
    /** @type {Edited[]} @readonly */
    this.edits = edits.map((edit) => edited(edit, rows));
  }

  /**
   * What each row's value at this path becomes; rows that stay as they are have no element. Edits of entries are not looked at.
   * @param {string} path
   */
  column(path) {
    const rows = Array(this.rows);
    for (const edit of this.edits.filter((edit) => edit.path === path && !edit.entries)) {
      edit.targets.forEach((row, at) => (rows[row] = edit.values[at]));
    }
    return rows;
  }
}

/**
 * @param {Verdict['edits'][number]} edit
 * @param {number} rows
 * @returns {Edited}
 */
function edited({ path, target, change }, rows) {
  const bytes = target.val ?? new Uint8Array(0);
  const entries = target.tag === 'entries';
  /** @type {number[]} */
  let targets;
  if (target.tag === 'all') {
    targets = Array.from({ length: rows }, (_, row) => row);
  } else if (target.tag === 'rows') {
    if (bytes.length !== (rows + 7) >>> 3) {
      throw new Error(`${path}: ${bytes.length * 8} bits for ${rows} rows`);
    }
    targets = [...Bitmap.from(rows, bytes)];
  } else {
    targets = [...new Uint32Array(bytes.slice().buffer)];
  }
  if (!entries && targets.some((row) => row >= rows)) {
    throw new RangeError(`${path}: a row that is not there`);
  }
  if (change.val === undefined) {
    return { path, targets, entries, values: targets.map(() => undefined) };
  }
  const block = new Block(change.val);
  const view = /** @type {any} */ (block.column(0));
  /** @param {number} row */
  const value = (row) => (view instanceof Attributes ? view.entries(row) : view.get(row));
  if (block.length !== 1 || (view.length !== 1 && view.length !== targets.length)) {
    throw new Error(`${path}: ${block.length} columns of ${view.length} values for ${targets.length} targets`);
  }
  return { path, targets, entries, values: targets.map((_, at) => value(view.length === 1 ? 0 : at)) };
}

/**
 * @param {Wanted} wanted
 * @param {Values} values
 * @returns {make.Made}
 */
function column({ kind, view, form }, values) {
  if (view === 'sequence') {
    const lists = values.map((list) => list ?? []);
    let end = 0;
    const offsets = [0, ...lists.map((list) => (end += list.length))];
    return make.sequence(offsets, column(/** @type {Wanted} */ ({ kind, view: kind, form }), lists.flat()));
  }
  switch (kind) {
    case 'text':
      return form === 'plain' ? make.text(values) : dictionary(values);
    case 'boolean':
      return make.boolean(values);
    case 'binary':
      return make.binary(values);
    case 'id8':
    case 'id16':
      return make.ids(kind, values);
    case 'any':
      return form === 'plain' ? make.any(values) : dictionaries(make.any(values));
    case 'attributes': {
      const made = make.attributes(values.map((map) => map ?? []));
      return form === 'plain' ? made : dictionaries(made);
    }
    default:
      return make.numbers(kind, values);
  }
}

/** @param {Values} values */
function dictionary(values) {
  const texts = [...new Set(values.filter((value) => value != null))];
  const made = make.dictionary(values.map((value) => Math.max(texts.indexOf(value), 0)), texts);
  return new make.Made(made.kind, made.length, made.children, make.presence(values), undefined, made.values);
}

/**
 * The column with all text in it as keys of dictionaries.
 * @param {make.Made} made
 * @returns {make.Made}
 */
function dictionaries({ kind, length, children, validity, offsets, values }) {
  if (kind === TEXT) {
    const text = /** @type {import('./text.js').Text} */ (new Block(make.block([new make.Made(kind, length, [], validity, offsets, values)])).column(0));
    return dictionary(Array.from({ length }, (_, row) => text.get(row)));
  }
  return new make.Made(kind, length, children.map(dictionaries), validity, offsets, values);
}
