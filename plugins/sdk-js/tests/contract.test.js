/** What a plugin may do besides deciding about rows: groups, tables, state, new records, ticks, snapshots. `node --test plugins/sdk-js/tests`. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { stage } from '../wasmill/guest.js';
import { Bitmap, Emissions, host, HostError, make, plugin, UNCHANGED } from '../wasmill/index.js';
import { Block } from '../wasmill/block.js';
import { Slice } from '../wasmill/slice.js';
import { Harness } from '../wasmill/testing.js';
import { Verdict } from '../wasmill/verdict.js';

/** Six rows in three groups: 0 and 1, 2, 3 to 5. */
const STARTS = new Uint8Array(Uint32Array.of(0, 2, 3, 6).buffer);
const slice = () => new Slice('traces', 6, new Uint8Array(0), STARTS);
const three = (...groups) => Bitmap.of(3, groups);
const six = (...rows) => Bitmap.of(6, rows);
const bytes = (...values) => Uint8Array.of(...values);

test('groups are rows that belong together', () => {
  const { groups } = slice();
  assert.deepEqual(Array.from({ length: groups.length }, (_, group) => [groups.from(group), groups.to(group)]), [[0, 2], [2, 3], [3, 6]]);
  assert.deepEqual([...groups.any(six(1, 4, 5))], [0, 2]);
  assert.deepEqual([...groups.expand(three(0, 1))], [0, 1, 2]);
  const none = new Slice('traces', 6, new Uint8Array(0)).groups;
  assert.equal(none.length + none.any(six(1)).length, 0);
  assert.throws(() => new Slice('traces', 5, new Uint8Array(0), STARTS).groups, /end at 6/);
});

test('groups cross whole; beside rows, all of it crosses as rows', () => {
  const answer = (act) => {
    const given = slice();
    const verdict = new Verdict(6, given);
    act(verdict);
    const { keep, route } = verdict.answer();
    const words = route.val instanceof Uint8Array ? [...new Uint16Array(route.val.buffer)] : route.val;
    return [keep.tag, keep.val && [...keep.val], route.tag, words];
  };
  const all = ['all', undefined];
  const unchanged = ['unchanged', undefined];
  for (const [name, act, want] of [
    ['keep', (v) => (v.keepGroups(three(0, 2)), v.keepGroups(three(1, 2))), ['groups', [4], ...unchanged]],
    ['drop', (v) => v.dropGroups(three(1)), ['groups', [5], ...unchanged]],
    ['drop none', (v) => v.dropGroups(three()), [...all, ...unchanged]],
    ['keep none', (v) => v.keepGroups(three()), ['none', undefined, ...unchanged]],
    ['and rows', (v) => (v.keepGroups(three(0)), v.drop(six(1))), ['rows', [1], ...unchanged]],
    ['route', (v) => (v.routeGroups(three(0, 1), 4), v.routeGroups(three(1), 5)), [...all, 'groups', [4, 5, 65535]]],
    ['route, then rows', (v) => (v.routeGroups(three(0), 4), v.route(six(1, 2), 5)), [...all, 'rows', [4, 5, 5, 65535, 65535, 65535]]],
    ['route rows, then groups', (v) => (v.route(six(1, 2), 5), v.routeGroups(three(0), 4)), [...all, 'rows', [4, 4, 5, 65535, 65535, 65535]]],
  ]) {
    assert.deepEqual(answer(act), want, name);
  }
  assert.throws(() => new Verdict(6, slice()).keepGroups(Bitmap.all(2)), /2 groups, the slice has 3/);
});

/** Does everything. */
const busy = plugin({
  config: {},
  init(config, needs) {
    needs.signals('traces');
    const name = needs.column('name', 'text');
    const waited = needs.column('group.waited_ms', 'uint32');
    const alerts = needs.routeSet('alerts');
    needs.tables('teams');
    needs.tickEvery(1500);
    needs.keyed('trace_id');
    needs.also('emit', 'state');
    let held = [];
    return {
      process(slice, verdict) {
        const names = Array.from({ length: slice.rows }, (_, row) => slice.column(name).get(row) ?? '');
        const [team, size] = host.lookup('teams', names, 'team', 'size');
        // One for all keys; a row without a key has no sum.
        const sums = host.stateAdd(make.text([...names.keys()].map((row) => slice.column(name).get(row))), [1n], 5);
        host.statePut(['a', 'b'], [bytes(1), undefined]);
        held.push([bytes(97), host.stateGet(['a']).get(0).slice()]);
        verdict
          .emit('logs', 2)
          .set('body', team.get(0))
          .set('severity_number', make.numbers('int32', [9, 17]))
          .set('attributes["size"]', size.get(0))
          .set('attributes["sum"]', sums.get(0))
          .source([1, 0])
          .route([UNCHANGED, alerts]);
        verdict.keepGroups(slice.column(waited).where('>', 5));
      },
      tick: (now, out) =>
        void out.emit('metrics').set('value_int', now).set('bucket_counts', make.sequence([0, 2], make.numbers('uint64', [1, 2]))),
      flush: (out) => void out.emit('logs', 3).set('body', make.text(['one', 'two'])),
      snapshot: () => held,
      restore: (entries) => void (held = entries),
    };
  },
});

const tables = { teams: { cart: { team: 'shop', size: 3n } } };

test('what is asked for', () => {
  const { uses, requirements } = Harness.start(busy, {}, tables);
  assert.deepEqual(uses, ['keep', 'edits', 'routes', 'groups', 'emit', 'state', 'flush', 'snapshot']);
  const answer = requirements.answer({});
  assert.deepEqual([answer.tables, answer.tickMs, answer.state], [['teams'], 1500, { tag: 'keyed', val: 'trace_id' }]);
});

test('tables, state and new records', () => {
  const started = Harness.start(busy, {}, tables);
  const answer = started.process('traces', { name: ['cart', undefined, 'x'], 'group.waited_ms': [6, 5] }, 3, [1, 2]);
  assert.deepEqual(answer.kept, [0]);
  assert.deepEqual(answer.emitted, [
    {
      signal: 'logs',
      rows: 2,
      routes: [undefined, ['alerts']],
      fields: { body: ['shop', 'shop'], severity_number: [9, 17], 'attributes["size"]': [3n, 3n], 'attributes["sum"]': [1n, 1n], source: [1, 0] },
    },
  ]);
  assert.deepEqual([...started.state], [['a', bytes(1)]]);
  assert.deepEqual([...started.sums], [['cart', 1n], ['x', 1n]]);
});

test('a failure of the host is named', () => {
  const started = Harness.start(busy, {}, tables);
  const fails = (call, message) =>
    assert.throws(call, (error) => error instanceof HostError && error.message === message && message.endsWith(error.failure));
  fails(() => host.lookup('none', ['a'], 'team'), 'lookup in `none`: denied');
  fails(() => host.lookup('teams', ['a'], 'none'), 'lookup in `teams`: unknown');
  fails(() => host.statePut(['a'], [bytes(1), bytes(2)]), 'state put: invalid');
  started.tables = undefined;
  fails(() => host.stateGet(['a']), 'state get: unavailable');
});

test('time passes, the instance goes, and what it held is handed on', () => {
  const started = Harness.start(busy, {}, tables);
  const fields = { value_int: [2n ** 60n], bucket_counts: [[1n, 2n]] };
  assert.deepEqual(started.tick(2n ** 60n), [{ signal: 'metrics', rows: 1, routes: [undefined], fields }]);
  assert.throws(() => started.flush(), /`body`: 2 values for 3 new records/);
  started.process('traces', { name: ['cart'], 'group.waited_ms': [1] }, 1, [1]);
  const other = Harness.start(busy);
  other.restore(started.snapshot());
  assert.deepEqual(other.running.snapshot(), [[bytes(97), bytes(1)]]);
  other.restore(new Uint8Array(0));
  assert.deepEqual(other.running.snapshot(), []);
  assert.throws(() => other.restore(make.block([make.text(['a']), make.text(['b'])])), /expected keys and values/);
});

test('ticks, and who takes them, fit together', () => {
  const start = (init) => () => Harness.start(plugin({ config: {}, init }));
  assert.throws(start((_, needs) => (needs.tickEvery(5), { process() {} })), /has no `tick`/);
  assert.throws(start(() => ({ process() {}, tick() {} })), /how often/);
  assert.throws(start((_, needs) => needs.tickEvery(0)), /0 ms/);
});

test('a value for all new records crosses once', () => {
  const values = ['a', 5n, 0.5, true, false, bytes(1), null, make.numbers('int32', [9])];
  const made = new Emissions().emit('logs', 3);
  values.forEach((value) => made.set('body', value));
  made.fields.forEach(({ values: found }, at) => {
    const view = new Block(found).column(0);
    assert.deepEqual([view.length, view.get(0)], [1, at === 7 ? 9 : values[at]]);
  });
});

test('the extremes of integers are exact, of whatever sign, and pass over rows without a value', () => {
  const values = [5n, -3n, 2n ** 62n, undefined, -(2n ** 63n), 1790000000000000001n, 1790000000000000000n];
  const view = new Block(make.block([make.numbers('int64', values)])).column(0);
  assert.deepEqual([view.least(), view.most(), view.least(0, 4), view.most(5), view.least(5), view.least(3, 4)], [
    -(2n ** 63n), 2n ** 62n, -3n, 1790000000000000001n, 1790000000000000000n, undefined,
  ]);
  const unsigned = new Block(make.block([make.numbers('uint64', [2n ** 63n, 1n, 2n ** 64n - 1n])])).column(0);
  assert.deepEqual([unsigned.least(), unsigned.most()], [1n, 2n ** 64n - 1n]);
});

test('the component hands over what a plugin does, and what it throws', () => {
  const made = stage(busy, { find: () => { throw Object.assign(new Error(), { payload: 'denied' }); } });
  assert.equal(made.tick(1n).tag, 'err');
  assert.equal(made.init('{}').tag, 'ok');
  const columns = make.block([make.text(['a']), make.numbers('uint32', [1])]);
  const groups = new Uint8Array(Uint32Array.of(0, 1).buffer);
  assert.deepEqual(made.process({ signal: 'traces', rows: 1, groups, columns }), { tag: 'err', val: 'lookup in `teams`: denied' });
  const { tag, val } = made.tick(7n);
  assert.deepEqual([tag, val.length, val[0].signal, val[0].route, val[0].fields[0].path], ['ok', 1, 'metrics', { tag: 'unchanged' }, 'value_int']);
  assert.equal(made.flush().tag, 'err');
  assert.equal(made.restore(made.snapshot().val).tag, 'ok');
});
