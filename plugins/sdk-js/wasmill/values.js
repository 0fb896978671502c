/** Columns whose rows have all the same width. */

import { Bitmap } from './bitmap.js';
import { DOUBLE, ID8, INT32, INT64, UINT32, UINT8 } from './kinds.js';
import { budget, Column, scan } from './view.js';

/** @typedef {import('./block.js').Block} Block */

/** How a value is compared. @typedef {'<' | '<=' | '>' | '>=' | '==' | '!='} Operator */

/** How much an upper word counts. */
const WORD = 4294967296;

/** Truth values: kind `boolean`. */
export class Booleans extends Column {
  /**
   * The row's value; `undefined` where it has none.
   * @param {number} row
   */
  get(row) {
    return this.has(row) ? this.raw(row) : undefined;
  }

  /** The rows that are true. */
  true() {
    const start = this.block.start + this.block.words[this.at + 5];
    const bits = new Uint8Array(this.block.buffer, start, (this.length + 7) >>> 3);
    return this.only(Bitmap.from(this.length, bits));
  }

  /** The rows that are false, which are fewer than those that are not true: some have no value. */
  false() {
    return this.only(this.true().not());
  }

  /**
   * What lies at the row, whether it has a value or not.
   * @param {number} row
   * @internal
   */
  raw(row) {
    const byte = this.block.bytes[this.block.words[this.at + 5] + (row >>> 3)] ?? 0;
    return (byte & (1 << (row & 7))) !== 0;
  }
}

/** Numbers of the kinds `uint8`, `uint32`, `int32` and `double`. */
export class Numbers extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    /** @internal */
    this.kind = block.words[at];
    /** What lies at each row, over the block's own memory. Rows without a value have some number. */
    this.values = numbers(block, at, this.length);
  }

  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  show(block, at) {
    super.show(block, at);
    this.values = numbers(block, at, this.length);
  }

  /**
   * The row's number; `undefined` where it has none.
   * @param {number} row
   */
  get(row) {
    return this.has(row) ? this.values[row] : undefined;
  }

  /**
   * The rows whose number compares so with `x`: `duration.where('>', 1000)`. Rows without a value do not.
   *
   * This is several times faster than {@link Numbers.matches}.
   * @param {Operator} operator
   * @param {number} x
   * @param {Bitmap} [among] only these rows are looked at
   */
  where(operator, x, among) {
    const one = this.kind === DOUBLE ? next : step;
    switch (operator) {
      case '>':
        return this.between(one(x, 1), Infinity, among);
      case '>=':
        return this.between(x, Infinity, among);
      case '<':
        return this.between(-Infinity, one(x, -1), among);
      case '<=':
        return this.between(-Infinity, x, among);
      case '==':
        return this.only(this.equal(x), among);
      default:
        return this.only(this.equal(x).not(), among);
    }
  }

  /**
   * The rows whose number is from `least` to `most`, both included. Rows without a value are not.
   * @param {number} least
   * @param {number} most
   * @param {Bitmap} [among] only these rows are looked at
   */
  between(least, most, among) {
    const found = new Bitmap(this.length);
    const { bytes } = found;
    const { values } = this;
    // Behind the end there is `undefined`, which no comparison holds for.
    const v = /** @type {ArrayLike<number>} */ (values);
    for (let byte = 0, r = 0; byte < bytes.length; byte++, r += 8) {
      if (among !== undefined && !among.bytes[byte]) {
        continue;
      }
      // Eight rows are a step: the engine interprets, and a loop costs more than a comparison.
      let bits = 0;
      if (v[r] >= least && v[r] <= most) bits |= 1;
      if (v[r + 1] >= least && v[r + 1] <= most) bits |= 2;
      if (v[r + 2] >= least && v[r + 2] <= most) bits |= 4;
      if (v[r + 3] >= least && v[r + 3] <= most) bits |= 8;
      if (v[r + 4] >= least && v[r + 4] <= most) bits |= 16;
      if (v[r + 5] >= least && v[r + 5] <= most) bits |= 32;
      if (v[r + 6] >= least && v[r + 6] <= most) bits |= 64;
      if (v[r + 7] >= least && v[r + 7] <= most) bits |= 128;
      bytes[byte] = bits;
    }
    return this.only(found, among);
  }

  /** @param {number} x */
  equal(x) {
    const found = new Bitmap(this.length);
    const { bytes } = found;
    const v = this.values;
    const left = budget(this.length);
    if (left === 0 || scan(v, x, bytes, left) === 0) {
      for (let byte = 0, r = 0; byte < bytes.length; byte++, r += 8) {
        let bits = 0;
        if (v[r] === x) bits |= 1;
        if (v[r + 1] === x) bits |= 2;
        if (v[r + 2] === x) bits |= 4;
        if (v[r + 3] === x) bits |= 8;
        if (v[r + 4] === x) bits |= 16;
        if (v[r + 5] === x) bits |= 32;
        if (v[r + 6] === x) bits |= 64;
        if (v[r + 7] === x) bits |= 128;
        bytes[byte] = bits;
      }
    }
    return found;
  }

  /**
   * The rows whose number is as `wanted` says. Rows without a value are not asked.
   * @param {(value: number) => boolean} wanted
   * @param {Bitmap} [among] only these rows are asked
   */
  matches(wanted, among) {
    const { values } = this;
    return this.pack((row) => wanted(values[row]), among);
  }
}

/** Integers of 64 bits: kinds `uint64` and `int64`. */
export class BigIntegers extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    /** @internal */
    this.signed = block.words[at] === INT64;
    /** Where the values start, in words. @internal */
    this.low = block.words[at + 5] >>> 2;
  }

  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  show(block, at) {
    super.show(block, at);
    this.low = block.words[at + 5] >>> 2;
  }

  /**
   * What lies at each row, over the block's own memory: a `BigInt64Array`, or a `BigUint64Array`. Rows without a value have
   * some number.
   */
  get values() {
    const start = this.block.start + this.low * 4;
    return this.signed
      ? new BigInt64Array(this.block.buffer, start, this.length)
      : new BigUint64Array(this.block.buffer, start, this.length);
  }

  /**
   * The row's integer; `undefined` where it has none.
   * @param {number} row
   */
  get(row) {
    return this.has(row) ? this.raw(row) : undefined;
  }

  /**
   * The row's integer as a number, which is the nearest one beyond 2^53: nanoseconds of a time since 1970 are off by up to 128.
   * `undefined` where the row has none. It is faster than {@link BigIntegers.get}.
   * @param {number} row
   */
  number(row) {
    if (!this.has(row)) {
      return undefined;
    }
    const at = this.low + 2 * row;
    const high = this.block.words[at + 1];
    return (this.signed ? high | 0 : high) * WORD + this.block.words[at];
  }

  /**
   * The smallest integer of some rows that follow each other; `undefined` where none has a value. As {@link BigIntegers.most}, it makes one
   * `bigint`, however many rows it looks at.
   * @param {number} [from]
   * @param {number} [to] the row behind the last one
   */
  least(from = 0, to = this.length) {
    return this.extreme(from, to, 1);
  }

  /**
   * The largest integer of some rows that follow each other; `undefined` where none has a value.
   * @param {number} [from]
   * @param {number} [to] the row behind the last one
   */
  most(from = 0, to = this.length) {
    return this.extreme(from, to, -1);
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {1 | -1} sign 1: the smallest
   */
  extreme(from, to, sign) {
    const w = this.block.words;
    const u = this.upper();
    let best = -1;
    let high = 0;
    let low = 0;
    for (let row = from, at = this.low + 2 * from; row < to; row++, at += 2) {
      const h = u[at + 1] * sign;
      if ((best < 0 || h < high || (h === high && w[at] * sign < low)) && (this.valid === 0 || this.has(row))) {
        best = row;
        high = h;
        low = w[at] * sign;
      }
    }
    return best < 0 ? undefined : this.raw(best);
  }

  /**
   * The rows whose integer compares so with `x`, exactly: `duration.where('>', 1_000_000)`. Rows without a value do not.
   * @param {Operator} operator
   * @param {bigint | number} x a number is one without a fraction
   * @param {Bitmap} [among] only these rows are looked at
   */
  where(operator, x, among) {
    const found = new Bitmap(this.length);
    if (typeof x === 'number' && Number.isSafeInteger(x)) {
      this.compare(found, operator, Math.floor(x / WORD), x >>> 0, x, among);
    } else {
      const wanted = BigInt(x);
      const smallest = this.signed ? -0x8000000000000000n : 0n;
      if (wanted < smallest || wanted - smallest > 0xffffffffffffffffn) {
        // No value of the column is beyond `x`, or equal to it.
        const beyond = wanted < smallest ? '>' : '<';
        return this.only(operator.startsWith(beyond) || operator === '!=' ? found.not() : found, among);
      }
      this.compare(found, operator, Number(wanted >> 32n), Number(wanted & 0xffffffffn), Number(wanted), among);
    }
    return this.only(found, among);
  }

  /**
   * The rows whose integer is as `wanted` says, which is given it as a `bigint`. Rows without a value are not asked.
   * @param {(value: bigint) => boolean} wanted
   * @param {Bitmap} [among] only these rows are asked
   */
  matches(wanted, among) {
    const { values } = this;
    return this.pack((row) => wanted(values[row]), among);
  }

  /**
   * @param {number} row
   * @internal
   */
  raw(row) {
    const at = this.low + 2 * row;
    const high = this.block.words[at + 1];
    const low = this.block.words[at];
    return (BigInt(this.signed ? high | 0 : high) << 32n) | BigInt(low);
  }

  /**
   * Values are compared by their words: each of them would be an object of its own.
   * @param {Bitmap} found
   * @param {Operator} operator
   * @param {number} high the upper word, with the sign
   * @param {number} low
   * @param {number} x both, or the nearest double
   * @param {Bitmap} [among]
   */
  compare(found, operator, high, low, x, among) {
    if (operator === '==' || operator === '!=') {
      this.equal(found, high, low, among);
    } else {
      const from = operator === '>=' || operator === '<' ? 1 : 0;
      if (Math.abs(x) < Number.MAX_SAFE_INTEGER) {
        this.above(found, x - from, among);
      } else {
        this.aboveExactly(found, high, low - from, among);
      }
    }
    if (operator === '!=' || operator === '<' || operator === '<=') {
      found.not();
    }
  }

  /** The block's words, as numbers with a sign where the column's have one. */
  upper() {
    const { block } = this;
    return this.signed ? new Int32Array(block.buffer, block.start, block.words.length) : block.words;
  }

  /**
   * A double holds `x` exactly; of values that it does not hold, the nearest ones it does are on the same side of `x`.
   * @param {Bitmap} found
   * @param {number} x
   * @param {Bitmap} [among]
   */
  above({ bytes }, x, among) {
    const w = this.block.words;
    const u = this.upper();
    for (let byte = 0, i = this.low; byte < bytes.length; byte++, i += 16) {
      if (among !== undefined && !among.bytes[byte]) {
        continue;
      }
      let bits = 0;
      if (u[i + 1] * WORD + w[i] > x) bits |= 1;
      if (u[i + 3] * WORD + w[i + 2] > x) bits |= 2;
      if (u[i + 5] * WORD + w[i + 4] > x) bits |= 4;
      if (u[i + 7] * WORD + w[i + 6] > x) bits |= 8;
      if (u[i + 9] * WORD + w[i + 8] > x) bits |= 16;
      if (u[i + 11] * WORD + w[i + 10] > x) bits |= 32;
      if (u[i + 13] * WORD + w[i + 12] > x) bits |= 64;
      if (u[i + 15] * WORD + w[i + 14] > x) bits |= 128;
      bytes[byte] = bits;
    }
  }

  /**
   * @param {Bitmap} found
   * @param {number} H
   * @param {number} L may be -1
   * @param {Bitmap} [among]
   */
  aboveExactly({ bytes }, H, L, among) {
    const w = this.block.words;
    const u = this.upper();
    for (let byte = 0, i = this.low; byte < bytes.length; byte++, i += 16) {
      if (among !== undefined && !among.bytes[byte]) {
        continue;
      }
      let bits = 0;
      for (let bit = 0, at = i; bit < 8; bit++, at += 2) {
        const h = u[at + 1];
        if (h > H || (h === H && w[at] > L)) bits |= 1 << bit;
      }
      bytes[byte] = bits;
    }
  }

  /**
   * @param {Bitmap} found
   * @param {number} H
   * @param {number} L
   * @param {Bitmap} [among]
   */
  equal({ bytes }, H, L, among) {
    const w = this.block.words;
    const u = this.upper();
    for (let byte = 0, i = this.low; byte < bytes.length; byte++, i += 16) {
      if (among !== undefined && !among.bytes[byte]) {
        continue;
      }
      let bits = 0;
      if (w[i] === L && u[i + 1] === H) bits |= 1;
      if (w[i + 2] === L && u[i + 3] === H) bits |= 2;
      if (w[i + 4] === L && u[i + 5] === H) bits |= 4;
      if (w[i + 6] === L && u[i + 7] === H) bits |= 8;
      if (w[i + 8] === L && u[i + 9] === H) bits |= 16;
      if (w[i + 10] === L && u[i + 11] === H) bits |= 32;
      if (w[i + 12] === L && u[i + 13] === H) bits |= 64;
      if (w[i + 14] === L && u[i + 15] === H) bits |= 128;
      bytes[byte] = bits;
    }
  }
}

/** Ids: kinds `id8` and `id16`. */
export class Ids extends Column {
  /**
   * @param {Block} block
   * @param {number} at
   * @internal
   */
  constructor(block, at) {
    super(block, at);
    /** Bytes of an id: 8 or 16. @readonly */
    this.width = block.words[at] === ID8 ? 8 : 16;
    /** The ids of all rows, one behind the other, over the block's own memory. @readonly */
    this.values = block.bytes.subarray(
      block.words[at + 5],
      block.words[at + 5] + this.length * this.width,
    );
  }

  /**
   * The row's id, over the block's own memory; `undefined` where it has none.
   * @param {number} row
   */
  get(row) {
    return this.has(row) ? this.values.subarray(row * this.width, (row + 1) * this.width) : undefined;
  }

  /**
   * The row's id as hexadecimal digits; `undefined` where it has none.
   * @param {number} row
   */
  hex(row) {
    const id = this.get(row);
    return id && Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}

/**
 * The next integer.
 * @param {number} x
 * @param {1 | -1} up
 */
function step(x, up) {
  return up > 0 ? Math.floor(x) + 1 : Math.ceil(x) - 1;
}

/**
 * The next double; none is beyond infinity.
 * @param {number} x
 * @param {1 | -1} up
 */
function next(x, up) {
  if (!Number.isFinite(x)) {
    return x === -Infinity * up ? -Number.MAX_VALUE * up : NaN;
  }
  if (x === 0) {
    return Number.MIN_VALUE * up;
  }
  const bits = new BigInt64Array(1);
  const double = new Float64Array(bits.buffer);
  double[0] = x;
  // Bits of a negative one grow as it falls.
  bits[0] = (bits[0] ?? 0n) + BigInt(x > 0 ? up : -up);
  return double[0];
}

/**
 * @param {Block} block
 * @param {number} at
 * @param {number} length
 */
function numbers(block, at, length) {
  const start = block.start + block.words[at + 5];
  switch (block.words[at]) {
    case UINT8:
      return new Uint8Array(block.buffer, start, length);
    case UINT32:
      return new Uint32Array(block.buffer, start, length);
    case INT32:
      return new Int32Array(block.buffer, start, length);
    case DOUBLE:
      return new Float64Array(block.buffer, start, length);
    default:
      throw new TypeError(`a column of kind ${block.words[at]} is not known to this SDK`);
  }
}
