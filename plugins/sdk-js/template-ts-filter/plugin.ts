import { attribute as path, host, plugin, shape, TextMap } from './wasmill/index.js';

/** Drops the rows whose attribute is one of a list: health checks, say. */
export default plugin({
  config: { attribute: shape.text(), drop: shape.list(shape.text()) },

  init({ attribute, drop }, needs) {
    needs.signals('traces', 'metrics', 'logs');
    needs.uses('keep');
    const column = needs.column(path(attribute), 'text', 'dictionary');
    const unwanted = TextMap.of(drop);

    return {
      process(slice, verdict) {
        // Each distinct text of the slice is looked at once, however many rows have it.
        const dropped = slice.column(column).isIn(unwanted);
        verdict.drop(dropped);
        const count = dropped.count();
        if (count > 0) {
          host.counter('dropped', count, { attribute });
        }
      },
    };
  },
});
