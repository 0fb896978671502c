import { attribute, plugin, TextMap } from './wasmill/index.js';

/** Drops the rows of slow servers' health checks: three columns in, a bitmap out. */
export default plugin({
  config: {},

  init(config, needs) {
    needs.signals('traces');
    needs.uses('keep');
    const start = needs.column('start_time_unix_nano', 'uint64');
    const kind = needs.column('kind', 'int32');
    const route = needs.column(attribute('http.route'), 'text', 'dictionary');
    const unwanted = TextMap.of(['/healthz']);

    return {
      process(slice, verdict) {
        const rows = slice.column(start).where('>', 5);
        rows.and(slice.column(kind).where('==', 2));
        rows.and(slice.column(route).isIn(unwanted));
        verdict.drop(rows);
      },
    };
  },
});
