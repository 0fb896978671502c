/**
 * The shape of a plugin's config: what each key holds. A config that is not of it refuses the plugin, with the key, what was
 * found and what was expected.
 *
 * ```js
 * config: { attribute: shape.text(), drop: shape.list(shape.text()), team: shape.optional(shape.text(), 'unowned') }
 * ```
 */

import { Refusal } from './refusal.js';

/**
 * What a key holds.
 * @template T
 */
export class Field {
  /**
   * @param {string} one what it is called: `a string`
   * @param {string} many what several are called: `strings`
   * @param {(value: unknown) => boolean} fits
   */
  constructor(one, many, fits) {
    /** @readonly */
    this.one = one;
    /** @readonly */
    this.many = many;
    /** @readonly */
    this.fits = fits;
    /** Whether the key may be missing. */
    this.optional = false;
    /** What it is then. @type {T | undefined} */
    this.otherwise = undefined;
  }
}

/** @typedef {Readonly<Record<string, Field<any>>>} Shape */

/**
 * A config of that shape.
 * @template {Shape} S
 * @typedef {{ readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never }} Config
 */

/** A string. @returns {Field<string>} */
export function text() {
  return new Field('a string', 'strings', (value) => typeof value === 'string');
}

/** A number. @returns {Field<number>} */
export function number() {
  return new Field('a number', 'numbers', (value) => typeof value === 'number');
}

/** True or false. @returns {Field<boolean>} */
export function boolean() {
  return new Field('true or false', 'booleans', (value) => typeof value === 'boolean');
}

/**
 * One of these strings.
 * @template {string} const T
 * @param {readonly T[]} names
 * @returns {Field<T>}
 */
export function oneOf(names) {
  const list = names.map((name) => `\`${name}\``).join(', ');
  return new Field(`one of ${list}`, `strings out of ${list}`, (value) => names.includes(/** @type {T} */ (value)));
}

/**
 * A list.
 * @template T
 * @param {Field<T>} of
 * @returns {Field<readonly T[]>}
 */
export function list(of) {
  return new Field(
    `a list of ${of.many}`,
    `lists of ${of.many}`,
    (value) => Array.isArray(value) && value.every((item) => of.fits(item)),
  );
}

/**
 * An object with whatever keys.
 * @template T
 * @param {Field<T>} of
 * @returns {Field<Readonly<Record<string, T>>>}
 */
export function map(of) {
  return new Field(
    `an object of ${of.many}`,
    `objects of ${of.many}`,
    (value) => isObject(value) && Object.values(value).every((item) => of.fits(item)),
  );
}

/** Whatever JSON can say. @returns {Field<unknown>} */
export function anything() {
  return new Field('a value', 'values', () => true);
}

/**
 * What may be missing.
 * @template T
 * @overload
 * @param {Field<T>} of
 * @returns {Field<T | undefined>}
 */
/**
 * What may be missing, and its value then.
 * @template T
 * @overload
 * @param {Field<T>} of
 * @param {NoInfer<T>} otherwise
 * @returns {Field<T>}
 */
/**
 * @param {Field<any>} of
 * @param {unknown} [otherwise]
 */
export function optional(of, otherwise) {
  const field = new Field(of.one, of.many, of.fits);
  field.optional = true;
  field.otherwise = otherwise;
  return field;
}

/**
 * Reads a config. Throws a {@link Refusal} if it is not of the shape.
 * @template {Shape} S
 * @param {S} shape
 * @param {unknown} config as parsed from JSON
 * @returns {Config<S>}
 */
export function read(shape, config) {
  if (!isObject(config)) {
    throw new Refusal(`\`config\`: expected an object, found ${found(config)}`);
  }
  for (const key of Object.keys(config)) {
    if (!Object.hasOwn(shape, key)) {
      const known = Object.keys(shape).map((name) => `\`${name}\``).join(', ');
      throw new Refusal(`unknown key \`${key}\`; ${known === '' ? 'none is known' : `known are ${known}`}`);
    }
  }
  /** @type {Record<string, unknown>} */
  const out = {};
  for (const [key, field] of Object.entries(shape)) {
    const value = Object.hasOwn(config, key) ? config[key] : undefined;
    if (value === undefined && field.optional) {
      out[key] = field.otherwise;
    } else if (field.fits(value)) {
      out[key] = value;
    } else {
      throw new Refusal(`\`${key}\`: expected ${field.one}, found ${found(value)}`);
    }
  }
  return /** @type {Config<S>} */ (out);
}

/**
 * What a value is, in words.
 * @param {unknown} value
 * @returns {string}
 */
function found(value) {
  if (value === undefined || value === null) {
    return value === null ? 'null' : 'nothing';
  }
  if (typeof value === 'object') {
    const [kind, items] = Array.isArray(value) ? ['a list', value] : ['an object', Object.values(value)];
    const parts = [...new Set(items.map((item) => (typeof item === 'object' && item !== null ? 'others' : found(item))))];
    return parts.length === 0 ? kind : `${kind} with ${parts.join(', ')}`;
  }
  return typeof value === 'boolean' ? `\`${value}\`` : `a ${typeof value}`;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
