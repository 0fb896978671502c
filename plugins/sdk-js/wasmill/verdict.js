/** What a plugin answers. */

import { Bitmap } from './bitmap.js';
import { Emissions, route } from './emit.js';
import { Groups } from './groups.js';
import { attributes, block, Made, one } from './make.js';

/** @typedef {import('./kinds.js').AnyValue} AnyValue */

/** What the route of a row is that stays as it was. */
export const UNCHANGED = 65535;

/** A bitmap has a bit for each row, row numbers have 32 for each target: up to one target in so many rows, numbers are shorter. */
const SPARSE = 32;

/**
 * Which rows, or entries, an edit is about: every row, those of a bitmap, those with these numbers in any order, or
 * {@link entries}.
 * @typedef {'all' | Bitmap | ArrayLike<number> | Entries} Target
 */

/** Single entries of an `attributes` column or of a sequence, by their places. */
export class Entries {
  /** @param {ArrayLike<number>} places */
  constructor(places) {
    /** @readonly */
    this.places = places;
  }
}

/**
 * Single entries: places in the `attributes` column or sequence that the edit's path was asked for as.
 * @param {ArrayLike<number>} places
 */
export function entries(places) {
  return new Entries(places);
}

const KEEP_ALL = { tag: 'all' };
const KEEP_NONE = { tag: 'none' };
const REMOVE = { tag: 'remove' };
/** @type {never[]} */
const NOTHING = [];

/** What becomes of a slice. Untouched, it keeps all rows as they are. */
export class Verdict {
  /**
   * @param {number} rows
   * @param {import('./slice.js').Slice} [slice]
   * @internal
   */
  constructor(rows, slice) {
    /** @internal */
    this.rows = rows;
    /** The rows that stay; `undefined`: all. @type {Bitmap | undefined} @internal */
    this.kept = undefined;
    /** A set, or one for each row. @type {number | Uint16Array<ArrayBuffer>} @internal */
    this.routes = UNCHANGED;
    this.slice = slice;
    /** What is said of groups, as `kept` and `routes` of rows; not beside those. @type {Bitmap | undefined} @internal */
    this.keptGroups = undefined;
    /** @type {Uint16Array<ArrayBuffer> | undefined} @internal */
    this.groupRoutes = undefined;
    /** @type {Emissions | undefined} @internal */
    this.out = undefined;
    /** @type {{ path: string, target: { tag: string, val?: Uint8Array }, change: { tag: string, val?: Uint8Array } }[]} @internal */
    this.edits = NOTHING;
  }

  /**
   * Keeps these rows alone. Said twice, the rows that are in both stay.
   * @param {Bitmap} rows
   */
  keep(rows) {
    this.kept = this.kept === undefined ? sized(rows, this.rows, false) : this.kept.and(rows);
  }

  /**
   * Drops these rows.
   * @param {Bitmap} rows
   */
  drop(rows) {
    this.kept = this.kept === undefined ? sized(rows, this.rows, true) : this.kept.andNot(rows);
  }

  /** Drops every row. */
  dropAll() {
    this.kept = new Bitmap(this.rows);
  }

  /**
   * Sends these rows to the routes of the set. Said twice of a row, the later one counts.
   * @param {'all' | Bitmap} rows
   * @param {number} set what `needs.routeSet` gave
   */
  route(rows, set) {
    this.routesByRow();
    if (rows === 'all') {
      this.routes = set;
      return;
    }
    const routes = typeof this.routes === 'number' ? new Uint16Array(this.rows).fill(this.routes) : this.routes;
    const numbers = rows.rows();
    for (let i = 0; i < numbers.length; i++) {
      routes[numbers[i]] = set;
    }
    this.routes = routes;
  }

  /**
   * Sends each row to the routes of its own set.
   * @param {ArrayLike<number>} sets one for each row; {@link UNCHANGED}: as it was
   */
  routeEach(sets) {
    if (sets.length !== this.rows) {
      throw new RangeError(`${sets.length} routes for ${this.rows} rows`);
    }
    this.groupRoutes = undefined;
    this.routes = new Uint16Array(sets);
  }

  /**
   * Keeps these groups alone, whole. Said twice, the groups that are in both stay; rows that `keep` or `drop` take away are gone
   * nonetheless.
   * @param {Bitmap} groups a bit for each group of the slice
   */
  keepGroups(groups) {
    const { length } = this.groups(groups);
    this.keptGroups = this.keptGroups === undefined ? sized(groups, length, false) : this.keptGroups.and(groups);
  }

  /**
   * Drops these groups, whole.
   * @param {Bitmap} groups
   */
  dropGroups(groups) {
    const { length } = this.groups(groups);
    this.keptGroups = this.keptGroups === undefined ? sized(groups, length, true) : this.keptGroups.andNot(groups);
  }

  /**
   * Sends all rows of these groups to the routes of the set. Said twice of a row, by groups or by rows, the later one counts.
   * @param {Bitmap} groups
   * @param {number} set what `needs.routeSet` gave
   */
  routeGroups(groups, set) {
    const all = this.groups(groups);
    if (this.routes !== UNCHANGED) {
      this.route(all.expand(groups), set);
      return;
    }
    const routes = (this.groupRoutes ??= new Uint16Array(all.length).fill(UNCHANGED));
    const numbers = groups.rows();
    for (let i = 0; i < numbers.length; i++) {
      routes[numbers[i]] = set;
    }
  }

  /**
   * Begins so many new records of a signal, beside what becomes of the slice.
   * @param {import('./requirements.js').Signal} signal
   * @param {number} [rows]
   */
  emit(signal, rows = 1) {
    return (this.out ??= new Emissions()).emit(signal, rows);
  }

  /** The slice's groups, which `over` has a bit for each of. @param {Bitmap} over @internal */
  groups(over) {
    const groups = this.slice?.groups ?? new Groups(new Uint8Array(0), 0);
    if (over.length !== groups.length) {
      throw new RangeError(`a bitmap over ${over.length} groups, the slice has ${groups.length}`);
    }
    return groups;
  }

  /** Makes routes of rows out of those of groups. @internal */
  routesByRow() {
    const { groupRoutes, slice } = this;
    if (groupRoutes === undefined || slice === undefined) {
      return;
    }
    const routes = new Uint16Array(this.rows);
    for (let group = 0; group < groupRoutes.length; group++) {
      routes.fill(groupRoutes[group], slice.groups.from(group), slice.groups.to(group));
    }
    this.groupRoutes = undefined;
    this.routes = routes;
  }

  /** Makes of what is kept of groups something kept of rows, where both are said. @internal */
  settle() {
    const { keptGroups, slice } = this;
    if (keptGroups !== undefined && this.kept !== undefined && slice !== undefined) {
      this.kept.and(slice.groups.expand(keptGroups));
      this.keptGroups = undefined;
    }
  }

  /**
   * Gives these rows a value: the same one, or one each as a column that was made with `make`, in the order of the rows. A value
   * is created where there was none.
   *
   * An attribute or body takes what {@link AnyValue} says: a `number` is a double, a `bigint` an integer. Another field takes a
   * column of its own kind: `verdict.set('kind', 'all', make.numbers('int32', [2]))`.
   * @param {string} path
   * @param {Target} target
   * @param {AnyValue | Made} value a row without a value loses what it had
   */
  set(path, target, value) {
    this.edit(path, target, 'set', value instanceof Made ? value : one(value));
  }

  /**
   * Sets the entries of a map in each of these rows; other entries stay. `path` is a whole map: `attributes`.
   * @param {string} path
   * @param {Target} target
   * @param {Made | Readonly<Record<string, AnyValue>>} maps the same entries for all rows, or `make.attributes` with a map for each
   */
  merge(path, target, maps) {
    this.edit(path, target, 'merge', maps instanceof Made ? maps : attributes([maps]));
  }

  /**
   * Removes the attribute, entry or value; a field without presence takes its default.
   * @param {string} path
   * @param {Target} target
   */
  remove(path, target) {
    this.edit(path, target, 'remove');
  }

  /**
   * @param {string} path
   * @param {Target} target
   * @param {'set' | 'merge' | 'remove'} what
   * @param {Made} [column]
   */
  edit(path, target, what, column) {
    const crosses = targets(target);
    if (crosses === undefined) {
      return;
    }
    if (this.edits === NOTHING) {
      this.edits = [];
    }
    this.edits.push({ path, target: crosses, change: column === undefined ? REMOVE : { tag: what, val: block([column]) } });
  }

  /** As the contract has it. @internal */
  answer() {
    this.settle();
    const { keptGroups, groupRoutes, edits, out } = this;
    return {
      keep: keptGroups === undefined ? keep(this.kept, 'rows') : keep(keptGroups, 'groups'),
      route: groupRoutes === undefined ? route(this.routes, 'rows') : route(groupRoutes, 'groups'),
      edits,
      emit: out === undefined ? NOTHING : out.answer(),
    };
  }
}

/**
 * What stays, as it crosses.
 * @param {Bitmap | undefined} kept
 * @param {'rows' | 'groups'} each
 * @returns {{ tag: string, val?: Uint8Array }}
 */
function keep(kept, each) {
  return kept === undefined || kept.isAll() ? KEEP_ALL : kept.isNone() ? KEEP_NONE : { tag: each, val: kept.bytes };
}

/**
 * A copy of so many rows, or of the others.
 * @param {Bitmap} rows
 * @param {number} length
 * @param {boolean} others
 */
function sized(rows, length, others) {
  const all = rows.length === length ? rows : new Bitmap(length).or(rows);
  return others ? all.inverted() : all.clone();
}

/**
 * As it crosses, in the shorter form; `undefined`: nothing is meant.
 * @param {Target} target
 */
function targets(target) {
  if (target === 'all') {
    return { tag: 'all' };
  }
  if (target instanceof Entries) {
    return target.places.length === 0 ? undefined : { tag: 'entries', val: u32(target.places) };
  }
  if (!(target instanceof Bitmap)) {
    const rows = /** @type {ArrayLike<number>} */ (target);
    return rows.length === 0 ? undefined : { tag: 'indices', val: u32(rows) };
  }
  const count = target.count();
  if (count === 0) {
    return undefined;
  }
  if (count === target.length) {
    return { tag: 'all' };
  }
  return count * SPARSE <= target.length
    ? { tag: 'indices', val: u32(target.rows()) }
    : { tag: 'rows', val: target.bytes.slice() };
}

/** @param {ArrayLike<number>} numbers */
function u32(numbers) {
  const words = numbers instanceof Uint32Array ? numbers : Uint32Array.from(numbers);
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
