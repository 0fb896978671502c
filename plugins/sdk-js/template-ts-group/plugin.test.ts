import assert from 'node:assert/strict';
import test from 'node:test';

import group from './plugin.js';
import { Harness } from './wasmill/testing.js';

const MS = 1_000_000n;
const id = (...bytes: number[]) => Uint8Array.of(...bytes, ...Array(16 - bytes.length).fill(0));
const half = id(0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80);

/** Three traces of two spans each: one with an error, one that takes 1,500 ms, one of 10 ms whose randomness is in the middle. */
function traces(config: unknown) {
  const plugin = Harness.start(group, config);
  const columns = {
    trace_id: [id(1), id(1), id(2), id(2), half, half],
    'status.code': [0, 2, 1, 0, 0, 1],
    start_time_unix_nano: [5n, 6n, 1000n * MS, 2000n * MS, 7n * MS, 8n * MS],
    end_time_unix_nano: [7n, 8n, 1100n * MS, 2500n * MS, 17n * MS, 0n],
    'group.reason': ['wait', 'full', 'wait'],
  };
  return { plugin, kept: plugin.process('traces', columns, 6, [2, 2, 2]).kept };
}

test('traces with errors and slow ones are kept', () => {
  const { plugin, kept } = traces({});
  assert.deepEqual(kept, [0, 1, 2, 3]);
  assert.deepEqual(plugin.metrics, [
    { kind: 'counter', name: 'groups_kept', labels: { reason: 'wait' }, value: 1 },
    { kind: 'counter', name: 'groups_kept', labels: { reason: 'full' }, value: 1 },
    { kind: 'counter', name: 'groups_dropped', labels: { reason: 'wait' }, value: 1 },
  ]);
});

test('a share of the others is kept', () => {
  const cases: [number, number, number][] = [[1501, 0, 2], [1500, 0, 4], [10, 0, 6], [1501, 0.5, 4], [1501, 0.4999, 2], [1000, 1, 6]];
  for (const [slow_ms, keep_ratio, count] of cases) {
    assert.equal(traces({ slow_ms, keep_ratio }).kept.length, count, `${slow_ms} ${keep_ratio}`);
  }
});

test('a config that is not as it should be is refused', () => {
  const start = (config: unknown) => () => Harness.start(group, config);
  assert.throws(start({ slow_ms: -1 }), /`slow_ms`: expected a whole number from 0 to 1000000000, found -1/);
  assert.throws(start({ slow_ms: 0.5 }), /`slow_ms`: expected a whole number/);
  assert.throws(start({ slow_ms: '1s' }), /`slow_ms`: expected a number, found a string/);
  assert.throws(start({ keep_ratio: 1.01 }), /`keep_ratio`: expected 0 to 1, found 1.01/);
  assert.throws(start({ keep: 1 }), /unknown key `keep`; known are `slow_ms`, `keep_ratio`/);
});
