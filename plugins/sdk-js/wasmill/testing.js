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
import { Emissions } from './emit.js';
import { connect } from './host.js';
import { TEXT } from './kinds.js';
import * as make from './make.js';
import { Attributes, Sequence } from './nested.js';
import { start } from './plugin.js';
import { Slice } from './slice.js';
import { pack, unpack } from './snapshot.js';
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

/** Lookup tables: by name, by key, by field. @typedef {Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, AnyValue>>>>>>} Tables */

/**
 * New records of one signal.
 * @typedef {object} Emitted
 * @property {Signal} signal
 * @property {number} rows
 * @property {(readonly string[] | undefined)[]} routes the names that each record is sent to; `undefined`: where the stage's `emit_to:` says
 * @property {Record<string, any[]>} fields by path, a value for each record
 */

/** A plugin under test. */
export class Harness {
  /**
   * Starts the plugin. What it throws is what the operator would read.
   * @param {import('./plugin.js').Definition<any>} definition the plugin file's default export
   * @param {unknown} [config]
   * @param {Tables} [tables] what the plugin may ask later
   */
  static start(definition, config = {}, tables = {}) {
    return new Harness(definition, config, tables);
  }

  /**
   * @param {import('./plugin.js').Definition<any>} definition
   * @param {unknown} config
   * @param {Tables} tables
   */
  constructor(definition, config, tables) {
    /** What was counted and observed, in order. @type {Metric[]} @readonly */
    this.metrics = [];
    /** What was logged, in order. @type {{ level: import('./host.js').Level, message: string }[]} @readonly */
    this.logged = [];
    /** What the clock shows, in nanoseconds since 1970. */
    this.now = 1_700_000_000_000_000_000n;
    /** What was put into the host's state, by key; times to live are not looked at. @type {Map<string, Uint8Array>} @readonly */
    this.state = new Map();
    /** What was added up in the host's state, by key. @type {Map<string, bigint>} @readonly */
    this.sums = new Map();
    /** There are none while the plugin is made. @type {Tables | undefined} */
    this.tables = undefined;
    this.connect();
    const { running, requirements } = start(definition, JSON.stringify(config));
    /** @internal */
    this.running = running;
    /** @internal */
    this.requirements = requirements;
    const unnamed = Object.keys(tables).find((name) => !requirements.tableNames.includes(name));
    if (unnamed !== undefined) {
      throw new Error(`the plugin did not name the table ${unnamed}`);
    }
    this.tables = tables;
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
    return this.requirements.used(this.running);
  }

  /**
   * Shows the plugin a slice, and gives its answer. What it throws is its refusal.
   * @param {Signal} signal
   * @param {Readonly<Record<string, Values>>} columns by path
   * @param {number} [rows] as many as the columns have, unless said
   * @param {readonly number[]} [groups] how many rows each group has; columns `group.…` have a value for each
   */
  process(signal, columns, rows = rowsOf(columns), groups = []) {
    const asked = this.input(signal);
    let end = 0;
    const starts = new Uint32Array(groups.length === 0 ? [] : [0, ...groups.map((count) => (end += count))]);
    if (groups.length > 0 && end !== rows) {
      throw new Error(`groups of ${end} rows together, the slice has ${rows}`);
    }
    /** @param {string} path */
    const count = (path) => (path.startsWith('group.') ? groups.length : rows);
    for (const [path, values] of Object.entries(columns)) {
      if (!asked.some((wanted) => wanted.path === path)) {
        throw new Error(`the plugin asked for ${asked.map((wanted) => wanted.path).join(', ')} of ${signal}, not for ${path}`);
      }
      if (values.length !== count(path)) {
        throw new Error(`${path}: ${values.length} values for ${count(path)} rows or groups`);
      }
    }
    const made = asked.map((wanted) => column(wanted, columns[wanted.path] ?? Array(count(wanted.path)).fill(undefined)));
    const slice = new Slice(signal, rows, make.block(made), new Uint8Array(starts.buffer));
    const verdict = new Verdict(rows, slice);
    this.connect();
    this.running.process(slice, verdict);
    return new Answer(verdict, this);
  }

  /**
   * Lets time pass, and gives the records that the plugin makes.
   * @param {bigint} [now]
   */
  tick(now = this.now) {
    return this.emitting((out) => this.running.tick?.(now, out));
  }

  /** As the host does before an instance goes. Gives the records that the plugin makes. */
  flush() {
    return this.emitting((out) => this.running.flush?.(out));
  }

  /** What the plugin holds, as the host would hand it on. */
  snapshot() {
    this.connect();
    return pack(this.running.snapshot?.() ?? []);
  }

  /**
   * Gives the plugin what another one's `snapshot` gave.
   * @param {Uint8Array} snapshot
   */
  restore(snapshot) {
    this.connect();
    this.running.restore?.(unpack(snapshot));
  }

  /** @param {(out: Emissions) => void} call */
  emitting(call) {
    this.connect();
    const out = new Emissions();
    call(out);
    return emitted(out, this);
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
      find: (table, keys, fields) => {
        const found = this.tables?.[table];
        if (found === undefined) {
          throw failure(this.tables === undefined ? 'unavailable' : 'denied');
        }
        const rows = keysOf(keys).map((key) => (key === undefined ? {} : found[key] ?? {}));
        return make.block(
          fields.map((field) => {
            if (Object.values(found).some((entry) => !Object.hasOwn(entry, field))) {
              throw failure('unknown');
            }
            const values = rows.map((row) => row[field]);
            return values.every((value) => value === undefined || typeof value === 'string') ? dictionary(values) : make.any(values);
          }),
        );
      },
      get: (keys) => make.block([make.binary(this.kept(keys).map((key) => (key === undefined ? key : this.state.get(key))))]),
      put: (keys, values) => {
        pairs(this.kept(keys), values).forEach(([key, value]) => {
          if (key !== undefined) {
            value === undefined ? this.state.delete(key) : this.state.set(key, value.slice());
          }
        });
      },
      add: (keys, deltas) => {
        const sums = pairs(this.kept(keys), deltas).map(([key, delta]) => {
          if (key === undefined || delta === undefined) {
            return undefined;
          }
          const sum = (this.sums.get(key) ?? 0n) + delta;
          this.sums.set(key, sum);
          return sum;
        });
        return make.block([make.numbers('int64', sums)]);
      },
    });
  }

  /** Keys of state, which there is none of while the plugin is made. @param {Uint8Array} keys */
  kept(keys) {
    if (this.tables === undefined) {
      throw failure('unavailable');
    }
    return keysOf(keys);
  }
}

/** @param {Readonly<Record<string, Values>>} columns */
function rowsOf(columns) {
  const [, values] = Object.entries(columns).find(([path]) => !path.startsWith('group.')) ?? [];
  return values?.length ?? 1;
}

/** @param {import('./host.js').Failure} payload */
function failure(payload) {
  return Object.assign(new Error(payload), { payload });
}

/** @param {Uint8Array} block @returns {any[]} */
function only(block) {
  const view = new Block(block).column(0);
  return Array.from({ length: view.length }, (_, row) => cell(view, row));
}

/**
 * A row as a test writes it: a map's entries, a list's values.
 * @param {any} view
 * @param {number} row
 * @returns {any}
 */
function cell(view, row) {
  if (view instanceof Sequence) {
    const { values } = view;
    return Array.from({ length: view.to(row) - view.from(row) }, (_, at) => cell(values, view.from(row) + at));
  }
  return view instanceof Attributes ? view.entries(row) : view.get(row);
}

/** A single value is one for all. @param {any[]} values @param {number} rows */
function ofAll(values, rows) {
  return values.length === 1 ? Array(rows).fill(values[0]) : values;
}

/** Keys; nothing is done about a row without one. @param {Uint8Array} block @returns {(string | undefined)[]} */
function keysOf(block) {
  return only(block).map((key) => (key instanceof Uint8Array ? new TextDecoder().decode(key) : key === undefined ? key : String(key)));
}

/** Each key with its value. @param {(string | undefined)[]} keys @param {Uint8Array} block @returns {[string | undefined, any][]} */
function pairs(keys, block) {
  const values = ofAll(only(block), keys.length);
  if (values.length !== keys.length) {
    throw failure('invalid');
  }
  return keys.map((key, row) => [key, values[row]]);
}

/**
 * @param {Emissions} out
 * @param {Pick<Harness, 'uses' | 'routeSets'>} of
 * @returns {Emitted[]}
 */
function emitted(out, { uses, routeSets }) {
  if (out.made.length > 0 && !uses.includes('emit')) {
    throw new Error('the plugin makes records, which it did not name: emit');
  }
  return out.made.map(({ signal, rows, routes, fields }) => ({
    signal,
    rows,
    routes: Array.from({ length: rows }, (_, row) => namesOf(routeSets, typeof routes === 'number' ? routes : routes[row])),
    fields: Object.fromEntries(fields.map(({ path, values }) => [path, ofAll(only(values), rows)])),
  }));
}

/**
 * @param {readonly (readonly string[])[]} routeSets
 * @param {number} set
 */
function namesOf(routeSets, set) {
  const found = set === UNCHANGED ? undefined : routeSets[set];
  if (set !== UNCHANGED && found === undefined) {
    throw new RangeError(`route set ${set} of ${routeSets.length}`);
  }
  return found;
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
    allowed(keep.tag === 'groups' || verdict.groupRoutes !== undefined, 'groups');
    allowed(edits.length > 0, 'edits');
    const { rows } = verdict;
    const numbers = Array.from({ length: rows }, (_, row) => row);
    /** @internal */
    this.rows = rows;
    /** The rows that stay. @type {number[]} @readonly */
    this.kept = keep.tag === 'none' ? [] : keep.val === undefined ? numbers : [...(keep.tag === 'groups' ? groupsKept(verdict, keep.val) : Bitmap.from(rows, keep.val))];
    verdict.routesByRow();
    const { routes } = verdict;
    const sets = typeof routes === 'number' ? numbers.map(() => routes) : [...routes];
    /** The names that each row is sent to; `undefined`: unchanged. @type {(readonly string[] | undefined)[]} @readonly */
    this.routes = sets.map((set) => namesOf(routeSets, set));
    /** @type {Edited[]} @readonly */
    this.edits = edits.map((edit) => edited(edit, rows));
    /** New records. @type {Emitted[]} @readonly */
    this.emitted = emitted(verdict.out ?? new Emissions(), { uses, routeSets });
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
 * The rows of the groups that are kept.
 * @param {Verdict} verdict
 * @param {Uint8Array} bits
 */
function groupsKept({ slice }, bits) {
  const { groups } = /** @type {Slice} */ (slice);
  return groups.expand(Bitmap.from(groups.length, bits));
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
  const view = block.column(0);
  if (block.length !== 1 || (view.length !== 1 && view.length !== targets.length)) {
    throw new Error(`${path}: ${block.length} columns of ${view.length} values for ${targets.length} targets`);
  }
  return { path, targets, entries, values: targets.map((_, at) => cell(view, view.length === 1 ? 0 : at)) };
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
