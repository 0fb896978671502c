/**
 * Making columns, for edits that give each row a value of its own.
 *
 * Each function makes one column from values in order. `undefined` and `null` are rows without a value, which an edit takes for
 * a removal; in {@link any} `null` is a value without a type, as it is where it is read.
 */

import { Bitmap } from './bitmap.js';
import {
  ANY, ATTRIBUTES, BINARY, BOOLEAN, DICTIONARY, DOUBLE, ID16, ID8, INT32, INT64, KINDS, LIST_VALUE, MAP_VALUE, Opaque, SEQUENCE,
  TEXT, UINT32, UINT64, UINT8,
} from './kinds.js';

/** @typedef {import('./kinds.js').AnyValue} AnyValue */
/** @typedef {import('./kinds.js').Kind} Kind */
/** @typedef {Uint8Array | Int32Array | Uint32Array | Float64Array | BigInt64Array | BigUint64Array} Part */
/** @typedef {readonly (readonly [string, AnyValue])[] | Readonly<Record<string, AnyValue>>} AttributeMap */

const HEADER_BYTES = 8;
const NODE_BYTES = 24;

const encoder = new TextEncoder();

/** A column that was made. */
export class Made {
  /**
   * @param {number} kind
   * @param {number} length
   * @param {readonly Made[]} children
   * @param {Part | undefined} validity
   * @param {Part | undefined} offsets
   * @param {Part | undefined} values
   * @internal
   */
  constructor(kind, length, children, validity, offsets, values) {
    /** @internal */
    this.kind = kind;
    /** Number of rows. @readonly */
    this.length = length;
    /** @internal */
    this.children = children;
    /** @internal */
    this.validity = validity;
    /** @internal */
    this.offsets = offsets;
    /** @internal */
    this.values = values;
  }
}

/**
 * A block of these columns, as it crosses.
 * @param {readonly Made[]} columns
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function block(columns) {
  /** @type {Made[]} */
  const nodes = [];
  for (let i = 0; i < columns.length; i++) {
    gather(columns[i], nodes);
  }
  let bytes = HEADER_BYTES + nodes.length * NODE_BYTES;
  for (let i = 0; i < nodes.length; i++) {
    const { validity, offsets, values } = nodes[i];
    bytes += room(validity) + room(offsets) + room(values);
  }
  const out = new Uint8Array(bytes);
  const words = new Uint32Array(out.buffer, 0, bytes >>> 2);
  words[0] = nodes.length;
  words[1] = NODE_BYTES;
  let part = HEADER_BYTES + nodes.length * NODE_BYTES;
  for (let i = 0, at = 2; i < nodes.length; i++, at += 6) {
    const node = nodes[i];
    words[at] = node.kind;
    words[at + 1] = node.length;
    words[at + 2] = node.children.length;
    words[at + 3] = put(out, part, node.validity);
    part += room(node.validity);
    words[at + 4] = put(out, part, node.offsets);
    part += room(node.offsets);
    words[at + 5] = put(out, part, node.values);
    part += room(node.values);
  }
  return out;
}

/**
 * Text, written out.
 * @param {readonly (string | null | undefined)[]} values
 */
export function text(values) {
  return cut(TEXT, encodeAll(values), presence(values));
}

/**
 * Text that repeats: for each row the number of its text in `texts`.
 * @param {ArrayLike<number>} keys
 * @param {readonly string[]} texts
 */
export function dictionary(keys, texts) {
  const numbers = keys instanceof Uint32Array ? keys : Uint32Array.from(keys);
  return new Made(DICTIONARY, numbers.length, [cut(TEXT, encodeAll(texts), undefined)], undefined, undefined, numbers);
}

/**
 * Bytes.
 * @param {readonly (Uint8Array | null | undefined)[]} values
 */
export function binary(values) {
  return cut(BINARY, joinAll(values), presence(values));
}

/**
 * Truth values.
 * @param {readonly (boolean | null | undefined)[] | Bitmap} values
 */
export function boolean(values) {
  if (values instanceof Bitmap) {
    return new Made(BOOLEAN, values.length, [], undefined, undefined, values.bytes);
  }
  const bits = new Bitmap(values.length);
  values.forEach((value, row) => bits.set(row, value === true));
  return new Made(BOOLEAN, values.length, [], presence(values), undefined, bits.bytes);
}

/**
 * Numbers of a kind: `numbers('int32', [1, 2])`. Those of `uint64` and `int64` may be bigints. An array of the kind's own type,
 * such as `Int32Array`, is taken as it is.
 * @param {'uint8' | 'uint32' | 'int32' | 'uint64' | 'int64' | 'double'} kind
 * @param {ArrayLike<number | bigint | null | undefined>} values
 */
export function numbers(kind, values) {
  const number = KINDS[kind];
  const Type = ARRAYS[number];
  if (Type === undefined) {
    throw new TypeError(`\`${kind}\` is not a kind of numbers`);
  }
  if (values instanceof Type) {
    return new Made(number, values.length, [], undefined, undefined, /** @type {Part} */ (values));
  }
  const big = kind === 'uint64' || kind === 'int64';
  const part = /** @type {any} */ (new Type(values.length));
  for (let row = 0; row < values.length; row++) {
    const value = values[row] ?? 0;
    part[row] = big ? BigInt(value) : Number(value);
  }
  return new Made(number, values.length, [], presence(values), undefined, part);
}

/**
 * Ids of 8 or 16 bytes.
 * @param {'id8' | 'id16'} kind
 * @param {readonly (Uint8Array | null | undefined)[]} values
 */
export function ids(kind, values) {
  const width = kind === 'id8' ? 8 : 16;
  const part = new Uint8Array(values.length * width);
  values.forEach((value, row) => {
    if (value != null) {
      if (value.length !== width) {
        throw new RangeError(`an ${kind} of ${value.length} bytes`);
      }
      part.set(value, row * width);
    }
  });
  return new Made(kind === 'id8' ? ID8 : ID16, values.length, [], presence(values), undefined, part);
}

/**
 * Values of their own types.
 * @param {readonly AnyValue[]} values
 */
export function any(values) {
  const kinds = new Uint8Array(values.length);
  const places = new Uint32Array(values.length);
  /** @type {any[][]} */
  const held = [];
  values.forEach((value, row) => {
    const kind = anyKind(value);
    kinds[row] = kind;
    if (kind > EMPTY) {
      const of = (held[kind] ??= []);
      places[row] = of.push(value instanceof Opaque ? value.bytes : value) - 1;
    }
  });
  /** @type {Made[]} */
  const children = [];
  held.forEach((of, kind) => children.push(/** @type {(values: any[]) => Made} */ (CHILDREN[kind])(of)));
  return new Made(ANY, values.length, children, undefined, places, kinds);
}

/**
 * Maps: for each row its entries, as pairs in order or as an object.
 * @param {readonly AttributeMap[]} maps
 */
export function attributes(maps) {
  const offsets = new Uint32Array(maps.length + 1);
  /** @type {string[]} */
  const keys = [];
  /** @type {AnyValue[]} */
  const values = [];
  maps.forEach((map, row) => {
    const entries = Array.isArray(map) ? map : Object.entries(map);
    for (const [key, value] of entries) {
      keys.push(key);
      values.push(value);
    }
    offsets[row + 1] = keys.length;
  });
  return new Made(ATTRIBUTES, maps.length, [text(keys), any(values)], undefined, offsets, undefined);
}

/**
 * A list for each row, whose values are a column: `sequence([0, 2, 2], text(['a', 'b']))` is two values, then none.
 * @param {ArrayLike<number>} offsets where each row's values start, and the end
 * @param {Made} values
 */
export function sequence(offsets, values) {
  return new Made(SEQUENCE, offsets.length - 1, [values], undefined, Uint32Array.from(offsets), undefined);
}

/**
 * A column of one row with a value of its own type.
 * @param {AnyValue} value
 */
export function one(value) {
  switch (typeof value) {
    case 'string':
      return text([value]);
    case 'number':
      return numbers('double', Float64Array.of(value));
    case 'bigint':
      return numbers('int64', BigInt64Array.of(value));
    case 'boolean':
      return boolean([value]);
    default:
      return value instanceof Uint8Array ? binary([value]) : any([value]);
  }
}

const EMPTY = 1;

/** @type {Record<number, new (length: number) => Part>} */
const ARRAYS = {
  [UINT8]: Uint8Array,
  [UINT32]: Uint32Array,
  [INT32]: Int32Array,
  [UINT64]: BigUint64Array,
  [INT64]: BigInt64Array,
  [DOUBLE]: Float64Array,
};

/** The columns that hold the values of an `any`, by the number of their type. @type {(((values: any[]) => Made) | undefined)[]} */
const CHILDREN = [
  undefined,
  undefined,
  text,
  (values) => numbers('int64', values),
  (values) => numbers('double', values),
  boolean,
  binary,
  (values) => cut(LIST_VALUE, joinAll(values), undefined),
  (values) => cut(MAP_VALUE, joinAll(values), undefined),
];

/** @param {AnyValue} value */
function anyKind(value) {
  switch (typeof value) {
    case 'undefined':
      return 0;
    case 'string':
      return 2;
    case 'bigint':
      return 3;
    case 'number':
      return 4;
    case 'boolean':
      return 5;
    default:
      if (value === null) {
        return EMPTY;
      }
      if (value instanceof Uint8Array) {
        return 6;
      }
      if (value instanceof Opaque) {
        return value.kind === 'list' ? 7 : 8;
      }
      throw new TypeError('an attribute is text, a bigint, a number, a boolean, a Uint8Array, or what was read as a list or map');
  }
}

/**
 * @param {number} kind
 * @param {{ offsets: Uint32Array, bytes: Uint8Array }} values
 * @param {Part | undefined} validity
 */
function cut(kind, { offsets, bytes }, validity) {
  return new Made(kind, offsets.length - 1, [], validity, offsets, bytes);
}

/** @param {readonly (string | null | undefined)[]} values */
function encodeAll(values) {
  const joined = values.length === 1 ? values[0] ?? '' : values.join('');
  const bytes = encoder.encode(joined);
  if (bytes.length !== joined.length) {
    return joinAll(values.map((value) => (value == null ? undefined : encoder.encode(value))));
  }
  // ASCII: a byte is a character.
  const offsets = new Uint32Array(values.length + 1);
  for (let row = 0, end = 0; row < values.length; row++) {
    end += values[row]?.length ?? 0;
    offsets[row + 1] = end;
  }
  return { offsets, bytes };
}

/** @param {readonly (Uint8Array | null | undefined)[]} values */
function joinAll(values) {
  const offsets = new Uint32Array(values.length + 1);
  let end = 0;
  for (let row = 0; row < values.length; row++) {
    end += values[row]?.length ?? 0;
    offsets[row + 1] = end;
  }
  const bytes = new Uint8Array(end);
  values.forEach((value, row) => value != null && bytes.set(value, offsets[row]));
  return { offsets, bytes };
}

/**
 * The bitmap of the rows that have a value; `undefined` where all do.
 * @param {ArrayLike<unknown>} values
 * @internal
 */
export function presence(values) {
  for (let row = 0; row < values.length; row++) {
    if (values[row] == null) {
      const valid = new Bitmap(values.length);
      for (let other = 0; other < values.length; other++) {
        valid.set(other, values[other] != null);
      }
      return valid.bytes;
    }
  }
  return undefined;
}

/**
 * @param {Made} node
 * @param {Made[]} nodes
 */
function gather(node, nodes) {
  nodes.push(node);
  for (let i = 0; i < node.children.length; i++) {
    gather(node.children[i], nodes);
  }
}

/**
 * Bytes that a part takes, up to where the next may start.
 * @param {Part | undefined} part
 */
function room(part) {
  return part === undefined ? 0 : (part.byteLength + 7) & ~7;
}

/**
 * Copies the part, and gives where it is: nowhere if it has no bytes.
 * @param {Uint8Array} out
 * @param {number} at
 * @param {Part | undefined} part
 */
function put(out, at, part) {
  if (part === undefined || part.byteLength === 0) {
    return 0;
  }
  out.set(part instanceof Uint8Array ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
  return at;
}
