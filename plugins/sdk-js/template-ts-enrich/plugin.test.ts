import assert from 'node:assert/strict';
import test from 'node:test';

import enrich from './plugin.js';
import { attribute } from './wasmill/index.js';
import { Harness } from './wasmill/testing.js';

const service = attribute('service.name', 'resource.attributes');
const team = attribute('team');
const teams = { checkout: 'payments', cart: 'payments', search: 'discovery' };

test('each row gets the team of its service, or the default', () => {
  const plugin = Harness.start(enrich, { teams, default: 'unowned' });
  const answer = plugin.process('traces', { [service]: ['cart', 'search', 'mail', undefined] });
  assert.deepEqual(answer.column(team), ['payments', 'discovery', 'unowned', 'unowned']);
  assert.equal(answer.edits.length, 1);
});

test('without a default, rows of other services stay as they are', () => {
  const plugin = Harness.start(enrich, { teams });
  const { edits } = plugin.process('logs', { [service]: ['mail', 'search', undefined, 'checkout'] });
  assert.deepEqual(edits, [{ path: team, targets: [1, 3], entries: false, values: ['discovery', 'payments'] }]);
  assert.deepEqual(plugin.process('logs', { [service]: ['mail'] }).edits, []);
});

test('a config that is not as it should be is refused', () => {
  assert.throws(
    () => Harness.start(enrich, { teams: ['checkout'] }),
    /^Refusal: `teams`: expected an object of strings, found a list with a string$/,
  );
});
