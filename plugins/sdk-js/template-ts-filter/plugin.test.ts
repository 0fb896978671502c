import assert from 'node:assert/strict';
import test from 'node:test';

import filter from './plugin.js';
import { attribute } from './wasmill/index.js';
import { Harness } from './wasmill/testing.js';

const route = attribute('http.route');

test('rows with one of the values are dropped, and counted', () => {
  const plugin = Harness.start(filter, { attribute: 'http.route', drop: ['/healthz', '/ready'] });
  const answer = plugin.process('traces', { [route]: ['/healthz', '/cart', undefined, '/ready', '/healthz/deep'] });
  assert.deepEqual(answer.kept, [1, 2, 4]);
  assert.deepEqual(plugin.metrics, [{ kind: 'counter', name: 'dropped', labels: { attribute: 'http.route' }, value: 2 }]);
});

test('nothing is counted where nothing is dropped', () => {
  const plugin = Harness.start(filter, { attribute: 'http.route', drop: [] });
  assert.deepEqual(plugin.process('logs', { [route]: ['/healthz'] }).kept, [0]);
  assert.deepEqual(plugin.metrics, []);
});

test('a config that is not as it should be is refused', () => {
  const start = (config: unknown) => () => Harness.start(filter, config);
  assert.throws(start({ attribute: 'a', drop: 3 }), /^Refusal: `drop`: expected a list of strings, found a number$/);
  assert.throws(start({ attribute: 'a' }), /`drop`: expected a list of strings, found nothing/);
  assert.throws(start({ attribute: 'a', drops: [] }), /unknown key `drops`; known are `attribute`, `drop`/);
});
