import assert from 'node:assert/strict';
import test from 'node:test';

import redact from './plugin.js';
import { masked } from './mask.js';
import { Harness } from './wasmill/testing.js';

test('addresses and card numbers are masked, and nothing else', () => {
  const cases = [
    ['to ada@example.com, bob.k+x%1@mail.example.co.uk; and <c_d@e-f.io>.', 'to *, *; and <*>.'],
    ['x@y@example.com', 'x@*'],
    ['a@b.c', 'a@b.c'],
    ['a@b.com1@c.de', '**'],
    ['jörg@example.com', 'jö*'],
    ['no. 4111-1111-1111-1111-', 'no. *-'],
    ['x378282246310005y', 'x*y'],
    ['4111111111111112', '4111111111111112'],
    ['4111  1111 1111 1111', '4111  1111 1111 1111'],
    ['4111111111111111@example.com 4111111111111111', '* *'],
  ];
  for (const [text, expected] of cases) {
    assert.equal(masked(text, '*'), expected);
  }
});

test('entries of the named maps are changed, each of them alone', () => {
  const plugin = Harness.start(redact, { mask: '$&' });
  const rows = [
    { user: 'ada@example.com', n: 4111111111111111n },
    {},
    { 'key@example.com': 'none', card: '4111 1111 1111 1111', user: 'ada@example.com' },
  ];
  const { edits } = plugin.process('traces', { attributes: rows });
  assert.deepEqual(edits, [{ path: 'attributes', targets: [0, 3, 4], entries: true, values: ['$&', '$&', '$&'] }]);
  assert.equal(plugin.counted('masked'), 3);
});

test('nothing is sent where nothing changed', () => {
  const plugin = Harness.start(redact, { maps: ['attributes', 'scope.attributes'] });
  assert.deepEqual(plugin.process('logs', { attributes: [{ a: '@', b: '4111' }] }).edits, []);
  assert.deepEqual(plugin.metrics, []);
});

test('a config that is not as it should be is refused', () => {
  assert.throws(() => Harness.start(redact, { maps: ['body'] }), /^Refusal: `maps`: expected a list of strings out of/);
});
