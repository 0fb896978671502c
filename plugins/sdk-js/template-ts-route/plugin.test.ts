import assert from 'node:assert/strict';
import test from 'node:test';

import route from './plugin.js';
import { attribute } from './wasmill/index.js';
import { Harness } from './wasmill/testing.js';

const tenant = attribute('tenant');
const routes = { acme: 'eu', globex: 'us', initech: 'eu' };

test('each row goes where its value says, others to the default', () => {
  const plugin = Harness.start(route, { attribute: 'tenant', routes, default: 'us' });
  assert.deepEqual(plugin.routeSets, [['eu'], ['us']]);
  const answer = plugin.process('traces', { [tenant]: ['acme', 'globex', 'initech', 'umbrella', undefined] });
  assert.deepEqual(answer.routes, [['eu'], ['us'], ['eu'], ['us'], ['us']]);
});

test('without a default, other rows stay on their way', () => {
  const plugin = Harness.start(route, { attribute: 'tenant', routes });
  const answer = plugin.process('metrics', { [tenant]: [undefined, 'globex', 'umbrella'] });
  assert.deepEqual(answer.routes, [undefined, ['us'], undefined]);
});

test('a config that is not as it should be is refused', () => {
  assert.throws(() => Harness.start(route, { routes }), /^Refusal: `attribute`: expected a string, found nothing$/);
});
