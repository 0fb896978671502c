import { host, plugin, Refusal, shape } from './wasmill/index.js';

/** Eleven days: more than a gateway waits for a trace. */
const SLOW_MS_MAX = 1_000_000_000;

/** The randomness of a trace id is in its last 56 bits. */
const RANDOM_BYTES = 7;
const RANDOM_END = 2 ** 56;

const STATUS_ERROR = 2;

/** Keeps the traces worth keeping: those with an error, slow ones, and a share of the others. */
export default plugin({
  config: {
    // A trace that takes as long is kept, in milliseconds.
    slow_ms: shape.optional(shape.number(), 1000),
    // The share of other traces that are kept, 0 to 1.
    keep_ratio: shape.optional(shape.number(), 0),
  },

  init({ slow_ms, keep_ratio }, needs) {
    if (!Number.isInteger(slow_ms) || slow_ms < 0 || slow_ms > SLOW_MS_MAX) {
      throw new Refusal(`\`slow_ms\`: expected a whole number from 0 to ${SLOW_MS_MAX}, found ${slow_ms}`);
    }
    if (!(keep_ratio >= 0 && keep_ratio <= 1)) {
      throw new Refusal(`\`keep_ratio\`: expected 0 to 1, found ${keep_ratio}`);
    }
    needs.signals('traces');
    needs.uses('keep', 'groups');
    const trace = needs.column('trace_id', 'id16');
    const status = needs.column('status.code', 'int32');
    const start = needs.column('start_time_unix_nano', 'uint64');
    const end = needs.column('end_time_unix_nano', 'uint64');
    const reason = needs.column('group.reason', 'text', 'dictionary');
    const slow = BigInt(slow_ms) * 1_000_000n;
    // Exact: a product with a power of two has the digits of the ratio. Traces whose randomness is at least this are kept.
    const threshold = BigInt(RANDOM_END) - BigInt(Math.floor(keep_ratio * RANDOM_END));

    return {
      // For some traces, each a group of spans.
      process(slice, verdict) {
        const { groups } = slice;
        const kept = groups.any(slice.column(status).where('==', STATUS_ERROR));
        const starts = slice.column(start);
        const ends = slice.column(end);
        const traces = slice.column(trace);
        for (let group = 0; group < groups.length; group++) {
          const from = groups.from(group);
          const to = groups.to(group);
          if (!kept.get(group) && (lasts(starts, ends, from, to) >= slow || randomness(traces.get(from)) >= threshold)) {
            kept.set(group);
          }
        }
        verdict.keepGroups(kept);
        count('groups_kept', slice.column(reason), kept);
        count('groups_dropped', slice.column(reason), kept.inverted());
      },
    };
  },
});

/**
 * From the earliest start to the latest end, in nanoseconds.
 * @param {import('./wasmill/index.js').BigIntegers} starts
 * @param {import('./wasmill/index.js').BigIntegers} ends
 * @param {number} from
 * @param {number} to
 */
function lasts(starts, ends, from, to) {
  const earliest = starts.least(from, to);
  const latest = ends.most(from, to);
  return earliest === undefined || latest === undefined || latest < earliest ? 0n : latest - earliest;
}

/**
 * The last seven bytes of the trace id, as OpenTelemetry's probability sampling has it; 0 without one.
 * @param {Uint8Array | undefined} trace
 */
function randomness(trace) {
  let value = 0n;
  for (const byte of trace?.subarray(-RANDOM_BYTES) ?? []) {
    value = (value << 8n) | BigInt(byte);
  }
  return value;
}

/**
 * Adds to a counter for each reason that these groups were decided for.
 * @param {string} name
 * @param {import('./wasmill/index.js').Text} reasons
 * @param {import('./wasmill/index.js').Bitmap} groups
 */
function count(name, reasons, groups) {
  const counts = /** @type {Record<string, number>} */ ({});
  for (const group of groups.rows()) {
    const reason = reasons.get(group);
    if (reason !== undefined) {
      counts[reason] = (counts[reason] ?? 0) + 1;
    }
  }
  for (const [reason, number] of Object.entries(counts)) {
    host.counter(name, number, { reason });
  }
}
