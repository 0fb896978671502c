/**
 * The kinds of columns, by their names in the contract, and their numbers.
 *
 * | kind | what a row is in JavaScript |
 * |---|---|
 * | `boolean` | `boolean` |
 * | `uint8`, `uint32`, `int32`, `double` | `number` |
 * | `uint64`, `int64` | `bigint`, or a `number` where one asks for it |
 * | `id8`, `id16`, `binary` | `Uint8Array` |
 * | `text` | `string` |
 * | `any` | {@link AnyValue} |
 * | `attributes` | entries: a key, and an {@link AnyValue} |
 */

export const BOOLEAN = 0;
export const UINT8 = 1;
export const UINT32 = 2;
export const INT32 = 3;
export const UINT64 = 4;
export const INT64 = 5;
export const DOUBLE = 6;
export const ID8 = 7;
export const ID16 = 8;
export const TEXT = 9;
export const BINARY = 10;
export const DICTIONARY = 11;
export const ANY = 12;
export const LIST_VALUE = 13;
export const MAP_VALUE = 14;
export const SEQUENCE = 15;
export const ATTRIBUTES = 16;

/** What a column can be asked for as. @type {Record<Kind, number>} */
export const KINDS = {
  boolean: BOOLEAN,
  uint8: UINT8,
  uint32: UINT32,
  int32: INT32,
  uint64: UINT64,
  int64: INT64,
  double: DOUBLE,
  id8: ID8,
  id16: ID16,
  text: TEXT,
  binary: BINARY,
  any: ANY,
  attributes: ATTRIBUTES,
};

/**
 * The type of a row of an `any` column, by its number in the contract: the place of its name in this list.
 */
export const ANY_KINDS = /** @type {const} */ ([
  'absent', 'empty', 'text', 'int', 'double', 'boolean', 'binary', 'list', 'map',
]);

/** A list or map within `any`: opaque, to be handed back as it is. */
export class Opaque {
  /**
   * @param {'list' | 'map'} kind
   * @param {Uint8Array} bytes
   */
  constructor(kind, bytes) {
    /** @readonly */
    this.kind = kind;
    /** @readonly */
    this.bytes = bytes;
  }
}

/** @typedef {'boolean' | 'uint8' | 'uint32' | 'int32' | 'uint64' | 'int64' | 'double' | 'id8' | 'id16' | 'text' | 'binary' | 'any' | 'attributes'} Kind */

/** @typedef {(typeof ANY_KINDS)[number]} AnyKind */

/**
 * A value of its own type: `undefined` where there is none, `null` for one without a type, `bigint` for an integer, `number`
 * for a double. What is read can be written again, and is then of the type that it was.
 * @typedef {undefined | null | string | bigint | number | boolean | Uint8Array | Opaque} AnyValue
 */
