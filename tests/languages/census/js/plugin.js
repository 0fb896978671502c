import { attribute, Bitmap, host, make, plugin, Refusal, shape } from './wasmill/index.js';

/** The service whose rows are refused. */
const REFUSED = 'boom';
/** The least that the host ticks at. */
const EVERY_MS_MIN = 10;
/** Upper bounds of rows, of the histogram over owners. */
const BOUNDS = [1, 10, 100];
const [INFO, SUM, HISTOGRAM, CUMULATIVE] = [9, 2, 3, 2].map((number) => make.numbers('int32', [number]));

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Counts rows by the owner of their service, and tells: `../README.md` says what every language's plugin does. */
export default plugin({
  config: { table: shape.text(), every_ms: shape.optional(shape.number(), 10_000) },

  init({ table, every_ms: every }, needs) {
    if (!(Number.isInteger(every) && every >= EVERY_MS_MIN)) {
      throw new Refusal(`\`every_ms\`: expected ${EVERY_MS_MIN} or more, found ${every}`);
    }
    needs.signals('traces', 'logs');
    needs.uses('edits', 'emit', 'state');
    needs.single();
    needs.tables(table);
    needs.tickEvery(every);
    const column = needs.column(attribute('service.name', 'resource.attributes'), 'text', 'dictionary');
    /** Rows by owner; those without one are of the empty text. @type {Map<string, bigint>} */
    const rowsOf = new Map();
    /** The sum that the last tick told. */
    let told = 0n;

    const sum = () => [...rowsOf.values()].reduce((all, rows) => all + rows, 0n);
    const sorted = () => [...rowsOf].sort(([a], [b]) => compare(encoder.encode(a), encoder.encode(b)));

    return {
      process(slice, verdict) {
        const names = slice.column(column);
        /** @type {Map<string, Service>} */
        const services = new Map();
        const ofRow = Array.from({ length: slice.rows }, (_, row) => {
          const name = names.get(row);
          if (name === undefined) {
            return undefined;
          }
          const service = services.get(name) ?? { rows: 0n };
          service.rows++;
          services.set(name, service);
          return service;
        });
        if (services.has(REFUSED)) {
          throw new Refusal(`the service is \`${REFUSED}\`: its rows are refused`);
        }
        lookUp(table, services);
        edit(ofRow, verdict);
        count(rowsOf, ofRow, verdict);
        // Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
        host.counter('census_rows', slice.rows, { signal: slice.signal });
        host.gauge('census_owners', rowsOf.size);
        host.histogram('census_slice_rows', slice.rows);
      },

      tick(now, out) {
        const rows = sum();
        if (rows === told) {
          return;
        }
        told = rows;
        const record = out.emit('logs').set('body', `${rows} rows`).set('severity_number', INFO);
        record.set('time_unix_nano', make.numbers('uint64', [now])).set(attribute('rows'), rows);
        record.set(attribute('owned'), Number(rows - (rowsOf.get('') ?? 0n)) / Number(rows));
      },

      flush(out) {
        if (rowsOf.size === 0) {
          return;
        }
        const now = make.numbers('uint64', [host.clock()]);
        const owners = sorted();
        const points = out.emit('metrics', owners.length).set('scope.name', 'census').set('metric.name', 'census.rows');
        points.set('metric.unit', '{row}').set('metric.type', SUM).set('metric.is_monotonic', true);
        points.set('metric.aggregation_temporality', CUMULATIVE).set('time_unix_nano', now);
        points.set('value_int', make.numbers('int64', owners.map(([, rows]) => rows)));
        points.set(attribute('owner'), make.text(owners.map(([owner]) => owner || undefined)));

        const buckets = [...BOUNDS, Infinity].map(() => 0);
        owners.forEach(([, rows]) => buckets[BOUNDS.filter((bound) => bound < rows).length]++);
        const sizes = out.emit('metrics').set('scope.name', 'census').set('metric.name', 'census.owner_rows');
        sizes.set('metric.type', HISTOGRAM).set('time_unix_nano', now);
        sizes.set('count', make.numbers('uint64', [owners.length])).set('sum', Number(sum()));
        sizes.set('bucket_counts', make.sequence([0, buckets.length], make.numbers('uint64', buckets)));
        sizes.set('explicit_bounds', make.sequence([0, BOUNDS.length], make.numbers('double', BOUNDS)));
      },

      snapshot: () => sorted().map(([owner, rows]) => [encoder.encode(owner), new Uint8Array(BigInt64Array.of(rows).buffer)]),

      restore(entries) {
        host.log('info', `${entries.length} owners are taken over`);
        for (const [key, value] of entries) {
          const owner = decoder.decode(key);
          if (value.length !== 8) {
            throw new Refusal(`\`${owner}\` has ${value.length} bytes, expected 8`);
          }
          const [rows] = new BigInt64Array(value.slice().buffer);
          rowsOf.set(owner, (rowsOf.get(owner) ?? 0n) + rows);
        }
      },
    };
  },
});

/**
 * The rows of a service in one slice, what the table has of it, and the sum that the host keeps.
 * @typedef {{ rows: bigint, owner?: string, tier?: bigint, seen?: bigint }} Service
 */

/**
 * Fills in what the table and the host have of each service.
 * @param {string} table
 * @param {Map<string, Service>} services
 */
function lookUp(table, services) {
  if (services.size === 0) {
    return;
  }
  const names = [...services.keys()];
  const [owners, tiers] = host.lookup(table, names, 'owner', 'tier');
  const sums = host.stateAdd(names, [...services.values()].map(({ rows }) => rows));
  [...services.values()].forEach((service, place) => {
    service.owner = owners.get(place);
    service.tier = tiers.get(place);
    service.seen = sums.get(place);
  });
}

function edit(ofRow, verdict) {
  const [owned, counted] = [new Bitmap(ofRow.length), new Bitmap(ofRow.length)];
  const [maps, sums] = [[], []];
  ofRow.forEach((service, row) => {
    if (service?.owner !== undefined) {
      owned.set(row, true);
      maps.push([['owner', service.owner], ...(service.tier === undefined ? [] : [['tier', service.tier]])]);
    }
    if (service?.seen !== undefined) {
      counted.set(row, true);
      sums.push(service.seen);
    }
  });
  verdict.merge('attributes', owned, make.attributes(maps));
  verdict.set(attribute('seen'), counted, make.numbers('int64', sums));
  verdict.remove(attribute('debug'), 'all');
}

/** Counts rows by owner, and tells of those that come for the first time. */
function count(rowsOf, ofRow, verdict) {
  const [firsts, bodies] = [[], []];
  ofRow.forEach((service, row) => {
    const owner = service?.owner ?? '';
    if (!rowsOf.has(owner)) {
      firsts.push(row);
      bodies.push(`the first row of \`${owner}\``);
    }
    rowsOf.set(owner, (rowsOf.get(owner) ?? 0n) + 1n);
  });
  if (firsts.length > 0) {
    verdict.emit('logs', firsts.length).source(firsts).set('body', make.text(bodies)).set('severity_number', INFO);
  }
}

/** As bytes are compared everywhere; texts of JavaScript are compared by halves of UTF-16. @param {Uint8Array} a @param {Uint8Array} b */
function compare(a, b) {
  const at = a.findIndex((byte, place) => byte !== b[place]);
  return at < 0 ? a.length - b.length : a[at] - (b[at] ?? -1);
}
